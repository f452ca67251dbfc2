//! Which page may come next in a file: ascending, within the database, none left out of a snapshot.

use crate::ltx::header::Header;
use crate::units::Pgno;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    #[error("page {0} is the lock page, which is never stored")]
    LockPage(Pgno),
    #[error("page {found} is beyond the end of the database, which has {commit} pages")]
    BeyondCommit { found: Pgno, commit: u32 },
    #[error("page {found} after page {previous}: they must ascend")]
    Descending { previous: Pgno, found: Pgno },
    #[error("page {found} where a snapshot must have page {expected}")]
    SnapshotGap { expected: Pgno, found: Pgno },
    #[error("the snapshot has no page from {missing} on, and the database has {commit}")]
    SnapshotEndsEarly { missing: Pgno, commit: u32 },
}

/// The pages of one file so far.
#[derive(Debug, Clone)]
pub struct Order {
    commit: u32,
    lock: Pgno,
    snapshot: bool,
    last: Option<Pgno>,
}

impl Order {
    pub fn of(header: &Header) -> Order {
        Order {
            commit: header.commit,
            lock: header.page_size.lock_page(),
            snapshot: header.is_snapshot(),
            last: None,
        }
    }

    /// Takes `pgno` as the next page, if it may be that.
    pub fn accept(&mut self, pgno: Pgno) -> Result<(), OrderError> {
        if pgno == self.lock {
            return Err(OrderError::LockPage(pgno));
        }
        if pgno.0 > self.commit {
            return Err(OrderError::BeyondCommit {
                found: pgno,
                commit: self.commit,
            });
        }
        if let Some(previous) = self.last.filter(|&last| pgno <= last) {
            return Err(OrderError::Descending {
                previous,
                found: pgno,
            });
        }
        let expected = self.expected();
        if self.snapshot && pgno != expected {
            return Err(OrderError::SnapshotGap {
                expected,
                found: pgno,
            });
        }
        self.last = Some(pgno);
        Ok(())
    }

    /// Whether no page is missing at the end of a snapshot.
    pub fn check_complete(&self) -> Result<(), OrderError> {
        let missing = self.expected();
        if self.snapshot && missing.0 <= self.commit {
            return Err(OrderError::SnapshotEndsEarly {
                missing,
                commit: self.commit,
            });
        }
        Ok(())
    }

    /// The page right after the last one. `last` is below `commit` or the file is refused, so
    /// that saturation changes nothing.
    fn expected(&self) -> Pgno {
        let next = self.last.map_or(1, |last| last.0.saturating_add(1));
        if next == self.lock.0 {
            Pgno(next + 1)
        } else {
            Pgno(next)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ltx::header::Extra;
    use crate::units::{PageSize, Txid};

    const LOCK: u32 = 16_385;

    fn snapshot(commit: u32) -> Order {
        Order::of(&Header {
            page_size: PageSize::MAX,
            commit,
            min: Txid(1),
            max: Txid(1),
            timestamp_ms: 0,
            wal_offset: 0,
            wal_size: 0,
            salts: (0, 0),
            node: 0,
            extra: Extra::default(),
        })
    }

    #[test]
    fn a_snapshot_steps_over_the_lock_page() {
        let mut order = snapshot(LOCK + 1);
        for pgno in 1..LOCK {
            assert_eq!(order.accept(Pgno(pgno)), Ok(()));
        }
        assert_eq!(
            order.accept(Pgno(LOCK)),
            Err(OrderError::LockPage(Pgno(LOCK)))
        );
        let (missing, commit) = (Pgno(LOCK + 1), LOCK + 1);
        assert_eq!(
            order.check_complete(),
            Err(OrderError::SnapshotEndsEarly { missing, commit })
        );
        assert_eq!(order.accept(Pgno(LOCK + 1)), Ok(()));
        assert_eq!(order.check_complete(), Ok(()));
    }

    #[test]
    fn a_snapshot_may_end_with_the_lock_page() {
        let mut order = snapshot(LOCK);
        for pgno in 1..LOCK {
            assert!(order.check_complete().is_err());
            assert_eq!(order.accept(Pgno(pgno)), Ok(()));
        }
        assert_eq!(order.check_complete(), Ok(()));
    }
}
