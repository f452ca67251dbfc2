//! A WAL, and the head of its index.

use engine::replica::checksums::Checksums;
use engine::testing::MemoryFile;
use engine::units::PageSize;
use engine::wal::{self, IndexHeader, WalHeader};

pub fn run(data: &[u8]) {
    let Some((&how, bytes)) = data.split_first() else {
        return;
    };
    if let Some(head) = bytes.first_chunk() {
        IndexHeader::parse(head);
    }
    let mut bytes = bytes.to_vec();
    if how & 1 == 0 {
        crate::sum_wal(&mut bytes);
    }
    let Some(header) = WalHeader::parse(&bytes) else {
        return;
    };
    let Ok(page_size) = PageSize::new(header.page_size) else {
        return;
    };
    Checksums::decode(&bytes, page_size);
    let length = bytes.len() as u64;
    let file = MemoryFile::default();
    file.bytes.replace(bytes);
    let most = u64::from(how) * 512;
    let mut position = header.start();
    while let Ok(Some(scan)) = wal::scan(&file, &header, position, length, page_size, most) {
        assert!(scan.end.offset > position.offset && scan.end.offset <= length);
        let last = length - page_size.bytes() as u64;
        assert!(scan.images.iter().all(|image| image.offset <= last));
        position = scan.end;
    }
}
