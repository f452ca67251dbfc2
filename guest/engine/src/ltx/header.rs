//! The first 100 bytes of an LTX file: what it brings, and where it came from.

use crate::ltx::checksum::CHECKSUM_FLAG;
use crate::units::{PageSize, Pgno, Txid, UnitError};

/// Bytes.
pub const HEADER_BYTES: usize = 100;

/// Versions 2 and 3 share it; what differs shows in each frame's flags.
const MAGIC: [u8; 4] = *b"LTX1";

/// The file's checksum fields of the database are zero. Litestream writes nothing else, and dies
/// of files without this flag when it merges them.
const NO_CHECKSUM: u32 = 1 << 1;

/// Bytes of the SQLite WAL header, before which no frame begins.
pub const WAL_HEADER_BYTES: u64 = 32;

/// What Seawall adds, in the 20 bytes that Litestream reserves and ignores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extra {
    /// [`Rolling`](crate::ltx::checksum::Rolling) over the database as it is after this file.
    pub database_checksum: Option<u64>,
    /// SQLite's cumulative frame checksum at the end of the shipped WAL range.
    pub wal_checksum: (u32, u32),
    /// Which life of the writer this comes from.
    pub epoch: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub page_size: PageSize,
    /// The database's length after this file, pages.
    pub commit: u32,
    pub min: Txid,
    pub max: Txid,
    /// Unix time, milliseconds.
    pub timestamp_ms: i64,
    /// Where the shipped range begins in the WAL, bytes; 0 when there is none.
    pub wal_offset: u64,
    /// Bytes of the WAL that were shipped.
    pub wal_size: u64,
    /// As in the WAL's header.
    pub salts: (u32, u32),
    /// Who wrote the file.
    pub node: u64,
    pub extra: Extra,
}

/// Whether a file also carries checksums of the database, as LiteFS writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracking {
    None,
    Database,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("not an LTX file: it begins with {0:02x?}")]
    Magic([u8; 4]),
    #[error("flags {0:#010x}: only 0x00000002 is known")]
    Flags(u32),
    #[error(transparent)]
    PageSize(#[from] UnitError),
    #[error("TXIDs {min} to {max}: they begin at 1 and ascend")]
    Txids { min: Txid, max: Txid },
    #[error("{field} {found} is beyond the largest signed number")]
    TooLarge { field: &'static str, found: u64 },
    #[error("WAL salts {salts:08x?} and size {size} without an offset")]
    WalOffsetMissing { salts: (u32, u32), size: u64 },
    #[error("pre-apply checksum {found:016x} does not fit a file of these flags and TXIDs")]
    PreApply { found: u64 },
    #[error("database checksum {found:016x} lacks the top bit")]
    DatabaseChecksum { found: u64 },
    #[error(
        "a level-0 file holds one TXID and a WAL offset of at least 32, not {min} to {max} at {wal_offset}"
    )]
    NotShippable {
        min: Txid,
        max: Txid,
        wal_offset: u64,
    },
}

impl Header {
    /// Whether the file holds every page of the database.
    pub fn is_snapshot(&self) -> bool {
        self.min == Txid::FIRST
    }

    /// The number of the last page a snapshot holds.
    pub fn last_page(&self) -> Pgno {
        let lock = self.page_size.lock_page();
        if self.commit == lock.0 {
            Pgno(self.commit - 1)
        } else {
            Pgno(self.commit)
        }
    }

    /// Whether Litestream can go on from this file as the newest of level 0.
    ///
    /// It fails for ever on one that holds several TXIDs or points into the WAL's header.
    pub fn check_shippable(&self) -> Result<(), HeaderError> {
        if self.min == self.max && self.wal_offset >= WAL_HEADER_BYTES {
            return Ok(());
        }
        Err(HeaderError::NotShippable {
            min: self.min,
            max: self.max,
            wal_offset: self.wal_offset,
        })
    }

    pub fn validate(&self) -> Result<(), HeaderError> {
        if self.min == Txid::ZERO || self.min > self.max {
            return Err(HeaderError::Txids {
                min: self.min,
                max: self.max,
            });
        }
        for (field, found) in [("WAL offset", self.wal_offset), ("WAL size", self.wal_size)] {
            if i64::try_from(found).is_err() {
                return Err(HeaderError::TooLarge { field, found });
            }
        }
        if self.wal_offset == 0 && (self.salts != (0, 0) || self.wal_size != 0) {
            return Err(HeaderError::WalOffsetMissing {
                salts: self.salts,
                size: self.wal_size,
            });
        }
        match self.extra.database_checksum {
            Some(found) if found & CHECKSUM_FLAG == 0 => {
                Err(HeaderError::DatabaseChecksum { found })
            }
            _ => Ok(()),
        }
    }

    pub fn encode(&self) -> Result<[u8; HEADER_BYTES], HeaderError> {
        self.validate()?;
        let mut bytes = [0; HEADER_BYTES];
        let mut put = |at: usize, field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
        };
        put(0, &MAGIC);
        put(4, &NO_CHECKSUM.to_be_bytes());
        put(8, &self.page_size.get().to_be_bytes());
        put(12, &self.commit.to_be_bytes());
        put(16, &self.min.0.to_be_bytes());
        put(24, &self.max.0.to_be_bytes());
        put(32, &self.timestamp_ms.to_be_bytes());
        // 40..48 is the pre-apply checksum, not allowed under NO_CHECKSUM.
        put(48, &self.wal_offset.to_be_bytes());
        put(56, &self.wal_size.to_be_bytes());
        put(64, &self.salts.0.to_be_bytes());
        put(68, &self.salts.1.to_be_bytes());
        put(72, &self.node.to_be_bytes());
        put(80, &self.extra.database_checksum.unwrap_or(0).to_be_bytes());
        put(88, &self.extra.wal_checksum.0.to_be_bytes());
        put(92, &self.extra.wal_checksum.1.to_be_bytes());
        put(96, &self.extra.epoch.to_be_bytes());
        Ok(bytes)
    }

    /// As strict as Litestream. What it reserves is taken for ours only if it can be.
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<(Header, Tracking), HeaderError> {
        let magic = field(bytes, 0);
        if magic != MAGIC {
            return Err(HeaderError::Magic(magic));
        }
        let u32_at = |at| u32::from_be_bytes(field(bytes, at));
        let u64_at = |at| u64::from_be_bytes(field(bytes, at));
        let tracking = match u32_at(4) {
            NO_CHECKSUM => Tracking::None,
            0 => Tracking::Database,
            other => return Err(HeaderError::Flags(other)),
        };
        let header = Header {
            page_size: PageSize::new(u32_at(8))?,
            commit: u32_at(12),
            min: Txid(u64_at(16)),
            max: Txid(u64_at(24)),
            timestamp_ms: i64::from_be_bytes(field(bytes, 32)),
            wal_offset: u64_at(48),
            wal_size: u64_at(56),
            salts: (u32_at(64), u32_at(68)),
            node: u64_at(72),
            extra: Extra {
                database_checksum: Some(u64_at(80)).filter(|found| found & CHECKSUM_FLAG != 0),
                wal_checksum: (u32_at(88), u32_at(92)),
                epoch: u32_at(96),
            },
        };
        header.validate()?;
        header.check_pre_apply(u64_at(40), tracking)?;
        Ok((header, tracking))
    }

    fn check_pre_apply(&self, found: u64, tracking: Tracking) -> Result<(), HeaderError> {
        let fits = match tracking {
            Tracking::Database if !self.is_snapshot() => found & CHECKSUM_FLAG != 0,
            _ => found == 0,
        };
        fits.then_some(()).ok_or(HeaderError::PreApply { found })
    }
}

fn field<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            page_size: PageSize::new(4096).unwrap(),
            commit: 4,
            min: Txid(3),
            max: Txid(3),
            timestamp_ms: 1_795_347_231_909,
            wal_offset: 20_632,
            wal_size: 4120,
            salts: (0x599a_ede5, 0xad43_eb77),
            node: 0,
            extra: Extra::default(),
        }
    }

    #[test]
    fn it_is_written_byte_for_byte_as_litestream_writes_it() {
        let peer = include_bytes!("../../tests/vectors/L0-3-3.ltx");
        assert_eq!(header().encode().unwrap()[..], peer[..HEADER_BYTES]);
    }

    #[test]
    fn what_was_written_is_read_back() {
        let written = Header {
            node: 0x0123_4567_89ab_cdef,
            extra: Extra {
                database_checksum: Some(1 << 63 | 77),
                wal_checksum: (0xdead_beef, 0x0bad_cafe),
                epoch: 9,
            },
            ..header()
        };
        let bytes = written.encode().unwrap();
        assert_eq!(Header::parse(&bytes), Ok((written, Tracking::None)));
        assert_eq!(bytes[80..88], (1u64 << 63 | 77).to_be_bytes());
        assert_eq!(bytes[88..96], 0xdead_beef_0bad_cafe_u64.to_be_bytes());
        assert_eq!(bytes[96..100], [0, 0, 0, 9]);
    }

    #[test]
    fn reserved_bytes_that_are_no_checksum_of_ours_are_none() {
        let mut bytes = header().encode().unwrap();
        bytes[87] = 1;
        let (parsed, _) = Header::parse(&bytes).unwrap();
        assert_eq!(parsed.extra.database_checksum, None);
    }

    #[test]
    fn a_database_checksum_without_the_top_bit_is_not_written() {
        let found = 77;
        let broken = Header {
            extra: Extra {
                database_checksum: Some(found),
                ..Extra::default()
            },
            ..header()
        };
        let wanted = HeaderError::DatabaseChecksum { found };
        assert_eq!(broken.encode(), Err(wanted));
    }

    /// One byte changed, and what must be said about it.
    fn parsed_with(at: usize, byte: u8) -> Result<(Header, Tracking), HeaderError> {
        let mut bytes = header().encode().unwrap();
        bytes[at] = byte;
        Header::parse(&bytes)
    }

    #[test]
    fn each_broken_field_is_named() {
        use HeaderError as E;
        assert_eq!(parsed_with(3, b'2'), Err(E::Magic(*b"LTX2")));
        assert_eq!(parsed_with(7, 3), Err(E::Flags(3)));
        assert_eq!(parsed_with(7, 1), Err(E::Flags(1)));
        assert_eq!(
            parsed_with(11, 1),
            Err(E::PageSize(UnitError::PageSize(4097)))
        );
        let (min, max) = (Txid(4), Txid(3));
        assert_eq!(parsed_with(23, 4), Err(E::Txids { min, max }));
        let (min, max) = (Txid(0), Txid(3));
        assert_eq!(parsed_with(23, 0), Err(E::Txids { min, max }));
        assert_eq!(parsed_with(47, 1), Err(E::PreApply { found: 1 }));
        assert!(matches!(
            parsed_with(48, 0x80),
            Err(E::TooLarge {
                field: "WAL offset",
                ..
            })
        ));
        assert!(matches!(
            parsed_with(56, 0x80),
            Err(E::TooLarge {
                field: "WAL size",
                ..
            })
        ));
    }

    #[test]
    fn a_wal_range_needs_an_offset() {
        let salted = Header {
            wal_offset: 0,
            wal_size: 0,
            ..header()
        };
        let sized = Header {
            wal_offset: 0,
            salts: (0, 0),
            ..header()
        };
        for broken in [salted, sized] {
            assert!(matches!(
                broken.encode(),
                Err(HeaderError::WalOffsetMissing { .. })
            ));
        }
        let none = Header {
            salts: (0, 0),
            ..salted
        };
        assert!(none.encode().is_ok());
    }

    #[test]
    fn a_file_with_database_checksums_needs_one_unless_it_is_a_snapshot() {
        let mut bytes = header().encode().unwrap();
        bytes[7] = 0;
        assert_eq!(
            Header::parse(&bytes),
            Err(HeaderError::PreApply { found: 0 })
        );
        bytes[40] = 0x80;
        assert_eq!(Header::parse(&bytes), Ok((header(), Tracking::Database)));
        bytes[23] = 1; // MinTXID 1: a snapshot
        assert_eq!(
            Header::parse(&bytes),
            Err(HeaderError::PreApply { found: 1 << 63 })
        );
    }

    #[test]
    fn only_what_litestream_can_go_on_from_is_shippable() {
        assert_eq!(header().check_shippable(), Ok(()));
        for broken in [
            Header {
                max: Txid(4),
                ..header()
            },
            Header {
                wal_offset: 0,
                wal_size: 0,
                salts: (0, 0),
                ..header()
            },
        ] {
            assert!(broken.check_shippable().is_err());
        }
    }

    #[test]
    fn the_last_page_is_never_the_lock_page() {
        let at_lock = Header {
            commit: 262_145,
            ..header()
        };
        assert_eq!(at_lock.last_page(), Pgno(262_144));
        assert_eq!(header().last_page(), Pgno(4));
    }
}
