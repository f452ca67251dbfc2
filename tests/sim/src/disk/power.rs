//! What is left of a file when the power fails.

use super::{Change, File, SECTOR, apply};
use crate::dice::Dice;

impl File {
    pub(super) fn lose_power(&mut self, dice: &Dice) {
        let changes = std::mem::take(&mut self.changes);
        let mut bytes = std::mem::take(&mut self.durable);
        // Most of what is not synced is there or is not; now and then any sector of it.
        let (all, none) = (dice.happens(0.2), dice.happens(0.2));
        for change in changes {
            match change {
                Change::Write(offset, data) => {
                    let mut at = offset;
                    for sector in split(offset, &data) {
                        if all || (!none && dice.happens(0.5)) {
                            apply(&mut bytes, at, sector);
                        }
                        at += sector.len();
                    }
                }
                Change::Resize(size) if all || (!none && dice.happens(0.5)) => {
                    bytes.resize(size, 0);
                }
                Change::Resize(_) => {}
            }
        }
        self.durable = bytes.clone();
        self.bytes = bytes;
    }
}

/// At the boundaries of sectors.
fn split(offset: usize, data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let first = (SECTOR - offset % SECTOR).min(data.len());
    let (head, rest) = data.split_at(first);
    std::iter::once(head).chain(rest.chunks(SECTOR))
}

#[cfg(test)]
mod tests {
    use super::super::Disk;
    use super::*;
    use engine::ports::{FileKind, LockKind};

    #[test]
    fn what_was_synced_survives_the_loss_of_power_and_nothing_else_must() {
        let (mut kept, mut lost) = (0, 0);
        for seed in 0..50 {
            let disk = Disk::default();
            let file = disk.open(1, FileKind::Database, true).unwrap();
            disk.write(file, 0, &[1; 4096]).unwrap();
            disk.sync(file).unwrap();
            disk.write(file, 0, &[2; 4096]).unwrap();
            disk.lose_power(&Dice::new(seed, 0));
            let bytes = disk.bytes(FileKind::Database).unwrap();
            assert_eq!(bytes.len(), 4096);
            for sector in bytes.chunks(SECTOR) {
                assert!(
                    sector.iter().all(|byte| *byte == sector[0]),
                    "a torn sector"
                );
                match sector[0] {
                    1 => lost += 1,
                    2 => kept += 1,
                    other => panic!("{other} was never written"),
                }
            }
        }
        assert!(kept > 0 && lost > 0, "{kept} {lost}");
    }

    #[test]
    fn the_locks_of_a_dead_process_are_free() {
        let disk = Disk::default();
        let first = disk.open(1, FileKind::Database, true).unwrap();
        let second = disk.open(2, FileKind::Database, true).unwrap();
        assert!(disk.lock(first, 0, 10, LockKind::Exclusive).unwrap());
        assert!(!disk.lock(second, 5, 1, LockKind::Shared).unwrap());
        disk.release(1);
        assert!(disk.lock(second, 5, 1, LockKind::Shared).unwrap());
    }
}
