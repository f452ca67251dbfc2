//! The pages of a live database as they were at one moment.

use super::error::Error;
use crate::ports::{FileKind, LiveFile};
use crate::units::{PageSize, Pgno};
use std::collections::HashMap;
use std::rc::Rc;

/// Holds as long as nobody checkpoints: only that changes the database file, and only a WAL that
/// was checkpointed whole is written from its beginning again. Then no page of it is needed.
pub struct View {
    pub(super) file: Rc<dyn LiveFile>,
    pub(super) wal: Option<Rc<dyn LiveFile>>,
    pub(super) page_size: PageSize,
    /// Where in the WAL a page is that is not in the database file.
    pub(super) images: HashMap<Pgno, u64>,
}

impl View {
    /// Zeros behind the end of the file.
    pub fn page(&self, pgno: Pgno) -> Result<Vec<u8>, Error> {
        let length = self.page_size.get();
        let (kind, file, offset) = match (self.images.get(&pgno), &self.wal) {
            (Some(offset), Some(wal)) => (FileKind::Wal, wal, *offset),
            _ => (
                FileKind::Database,
                &self.file,
                self.page_size.offset_of(pgno),
            ),
        };
        let mut page = file.read(offset, length).map_err(Error::file(kind))?;
        page.resize(self.page_size.bytes(), 0);
        Ok(page)
    }
}
