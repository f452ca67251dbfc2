//! The checksums of a database's pages, led from transaction to transaction, and what of an object
//! does not agree with them.

use crate::ltx::{Header, Rolling, page_checksum};
use crate::pageset::PageSet;
use crate::restore::pages::TooLarge;
use crate::restore::proof::course::{Role, Step, leads};
use crate::restore::rolling::resize;
use crate::units::{Level, PageSize, Pgno};

/// How far the checksums can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Not at all: an object before was wrong, or there was none.
    None,
    /// Every object was sound by itself; their writer left no checksum of the database.
    Objects,
    /// They amount to what their writer says.
    Database,
}

/// What an object has that it must not have, or lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error(
        "with it the database amounts to checksum {found:016x}, and it says {expected:016x}: it is \
         not of this database and these transactions"
    )]
    Amount { expected: u64, found: u64 },
    #[error(
        "it says that the database has checksum {found:016x}, and by the objects up to there it has \
         {expected:016x}"
    )]
    Checksum { expected: u64, found: u64 },
    #[error("its database has {found} pages, and by the objects up to there it has {expected}")]
    Length { expected: usize, found: u32 },
    #[error("its page {0} is another one than that of the objects up to there")]
    Page(Pgno),
    #[error("it lacks page {0}, which changed in its transactions")]
    Lacks(Pgno),
    #[error("no program could go on from it: {0}")]
    Header(#[from] crate::ltx::HeaderError),
}

/// Eight bytes a page, and a bit a page for each level.
pub struct Pages {
    checksums: Vec<u64>,
    rolling: Rolling,
    page_size: Option<PageSize>,
    trust: Trust,
    /// What the object that is read is for.
    role: Role,
    /// For each level, what its next object must hold.
    changed: Vec<PageSet>,
    /// Of the object that is compared.
    seen: PageSet,
    differs: Option<Pgno>,
}

impl Pages {
    pub fn new() -> Pages {
        Pages {
            checksums: Vec::new(),
            rolling: Rolling::new(),
            page_size: None,
            trust: Trust::None,
            role: Role::Alone,
            changed: vec![PageSet::default(); Level::COUNT],
            seen: PageSet::default(),
            differs: None,
        }
    }

    /// The object is not what it should be, or is gone.
    pub fn fail(&mut self, step: &Step) {
        if leads(step.role) || leads(self.role) {
            self.trust = Trust::None;
        }
        self.role = Role::Alone;
    }

    pub fn begin(&mut self, step: &Step, header: &Header) -> Result<(), TooLarge> {
        self.role = match step.role {
            // As good as the first one.
            Role::Compare if header.is_snapshot() && self.trust == Trust::None => Role::Begin,
            role => role,
        };
        match self.role {
            Role::Begin => {
                self.clear();
                self.trust = Trust::Objects;
                self.resize(header)
            }
            Role::Apply => {
                if self.page_size != Some(header.page_size) {
                    // A full copy of a database that has other pages now.
                    self.clear();
                }
                self.resize(header)
            }
            Role::Compare | Role::Alone => {
                self.seen.clear();
                self.differs = None;
                Ok(())
            }
        }
    }

    fn clear(&mut self) {
        self.checksums.clear();
        self.rolling = Rolling::new();
        self.changed.iter_mut().for_each(PageSet::clear);
    }

    fn resize(&mut self, header: &Header) -> Result<(), TooLarge> {
        self.page_size = Some(header.page_size);
        for gone in self.checksums.iter().skip(header.commit as usize) {
            self.rolling.remove(*gone);
        }
        resize(&mut self.checksums, header.commit)
    }

    /// The decoder lets no page through that is beyond the header's commit.
    pub fn page(&mut self, step: &Step, pgno: Pgno, data: &[u8]) {
        if self.role == Role::Alone || self.trust == Trust::None {
            return;
        }
        let checksum = page_checksum(pgno, data);
        let Some(known) = self.checksums.get_mut(pgno.0 as usize - 1) else {
            return;
        };
        if self.role == Role::Compare {
            self.seen.insert(pgno);
            // Zero: no object up to there has a version of it. It is a free page.
            if *known != 0 && *known != checksum {
                self.differs.get_or_insert(pgno);
            }
            return;
        }
        self.rolling.replace(*known, checksum);
        *known = checksum;
        for level in step.gathering() {
            self.changed[usize::from(level.get())].insert(pgno);
        }
    }

    /// To be called when an object is read and sound by itself.
    pub fn end(&mut self, step: &Step, header: &Header) -> Result<(), Wrong> {
        let wrong = match std::mem::replace(&mut self.role, Role::Alone) {
            Role::Begin | Role::Apply => self.lead(header),
            Role::Compare => self.compare(step, header),
            Role::Alone => Ok(()),
        };
        let shipped = step.object.name.level == Level::SHIPPED;
        // Objects of Litestream's are as it wants them.
        if shipped && header.extra.database_checksum.is_some() {
            header.check_shippable()?;
        }
        wrong
    }

    fn lead(&mut self, header: &Header) -> Result<(), Wrong> {
        if self.trust == Trust::None {
            return Ok(());
        }
        let Some(expected) = header.extra.database_checksum else {
            self.trust = Trust::Objects;
            return Ok(());
        };
        let found = self.rolling.value();
        if expected == found {
            self.trust = Trust::Database;
            return Ok(());
        }
        self.trust = Trust::None;
        Err(Wrong::Amount { expected, found })
    }

    fn compare(&mut self, step: &Step, header: &Header) -> Result<(), Wrong> {
        let level = usize::from(step.object.name.level.get());
        let must_hold = std::mem::take(&mut self.changed[level]);
        if self.trust == Trust::None {
            return Ok(());
        }
        let wrong = self.difference(header, &must_hold);
        if wrong.is_err() && self.trust == Trust::Objects {
            // Either may be the one that is wrong.
            self.trust = Trust::None;
        }
        wrong
    }

    fn difference(&self, header: &Header, must_hold: &PageSet) -> Result<(), Wrong> {
        let pages = self.checksums.len();
        if header.commit as usize != pages || Some(header.page_size) != self.page_size {
            return Err(Wrong::Length {
                expected: pages,
                found: header.commit,
            });
        }
        if let Some(pgno) = self.differs {
            return Err(Wrong::Page(pgno));
        }
        let (expected, found) = (self.rolling.value(), header.extra.database_checksum);
        if let Some(found) = found.filter(|found| *found != expected) {
            return Err(Wrong::Checksum { expected, found });
        }
        let is_there = |pgno: &Pgno| {
            let known = self.checksums.get(pgno.0 as usize - 1);
            known.is_some_and(|known| *known != 0)
        };
        let lacks = |pgno: &Pgno| is_there(pgno) && !self.seen.contains(*pgno);
        let lacking = if header.is_snapshot() {
            (1..=header.commit).map(Pgno).find(lacks)
        } else {
            must_hold.iter().find(lacks)
        };
        lacking.map_or(Ok(()), |pgno| Err(Wrong::Lacks(pgno)))
    }
}
