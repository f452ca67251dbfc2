//! In which order the objects of a replica are read to be proven, and against what.
//!
//! Pure. The checksums of all pages are led from the oldest snapshot from transaction to
//! transaction by the finest object that leads on. So every transaction is passed at which any
//! object ends that can be reached, and what the coarser ones hold is compared with it there.

use std::cmp::Reverse;

use crate::restore::plan::Listed;
use crate::units::{Level, Txid};

/// What an object is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It holds the whole database, and everything begins anew with it.
    Begin,
    /// It leads on.
    Apply,
    /// It ends where the database is already.
    Compare,
    /// Nothing leads to it: it can only be looked at by itself.
    Alone,
}

/// Whether the database is at another transaction after such an object.
pub fn leads(role: Role) -> bool {
    matches!(role, Role::Begin | Role::Apply)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub object: Listed,
    pub role: Role,
    /// The transaction that the database is at before an object that leads on; else zero.
    pub after: Txid,
    /// Bit *n*: what changes in this step must be in the next object of level *n*.
    gathered: u16,
}

impl Step {
    /// The levels whose next object must hold what changes in this step.
    pub fn gathering(&self) -> impl Iterator<Item = Level> + use<> {
        let gathered = self.gathered;
        Level::all().filter(move |level| gathered >> level.get() & 1 == 1)
    }
}

/// `at`: where the database is already; `None` before the first snapshot.
pub fn course(objects: &[Listed], at: Option<Txid>) -> Vec<Step> {
    let mut sorted = objects.to_vec();
    sorted.sort_by_key(|object| {
        let name = object.name;
        (name.max, Reverse(name.min), name.level)
    });
    let mut steps = Vec::with_capacity(sorted.len());
    let mut reached = at;
    for ends in sorted.chunk_by(|a, b| a.name.max == b.name.max) {
        let Some(end) = ends.first().map(|object| object.name.max) else {
            continue;
        };
        let leader = leader(ends, reached);
        let (role, after) = match leader {
            Some(leader) if ends[leader].name.is_snapshot() => (Role::Begin, Txid::ZERO),
            _ => (Role::Apply, reached.unwrap_or(Txid::ZERO)),
        };
        let others = match leader {
            None if reached != Some(end) => Role::Alone,
            _ => Role::Compare,
        };
        let step = |object: &Listed, role, after| Step {
            object: *object,
            role,
            after,
            gathered: 0,
        };
        steps.extend(leader.map(|leader| step(&ends[leader], role, after)));
        let rest = ends.iter().enumerate();
        let rest = rest.filter(|(number, _)| Some(*number) != leader);
        steps.extend(rest.map(|(_, object)| step(object, others, Txid::ZERO)));
        if leader.is_some() {
            reached = Some(end);
        }
    }
    gather(&mut steps);
    steps
}

/// Of the objects that end at one transaction, finest first, the one that leads there.
fn leader(ends: &[Listed], reached: Option<Txid>) -> Option<usize> {
    let end = ends.first()?.name.max;
    if reached.is_some_and(|reached| reached >= end) {
        return None;
    }
    let leads_on = |object: &Listed| {
        let from = reached.map(Txid::next);
        !object.name.is_snapshot() && from.is_some_and(|from| object.name.min <= from)
    };
    let snapshot = |object: &Listed| object.name.is_snapshot();
    let leads_on = ends.iter().position(leads_on);
    leads_on.or_else(|| ends.iter().position(snapshot))
}

fn gather(steps: &mut [Step]) {
    let mut next: [Option<Txid>; Level::COUNT] = [None; Level::COUNT];
    for step in steps.iter_mut().rev() {
        let name = step.object.name;
        match step.role {
            Role::Compare if !name.is_snapshot() => {
                next[usize::from(name.level.get())] = Some(name.min);
            }
            Role::Apply => {
                for (level, min) in next.iter().enumerate() {
                    if min.is_some_and(|min| min <= step.after.next()) {
                        step.gathered |= 1 << level;
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ltx::ObjectName;

    fn listed(level: u8, min: u64, max: u64) -> Listed {
        let name = ObjectName {
            level: Level::new(level).unwrap(),
            min: Txid(min),
            max: Txid(max),
        };
        Listed {
            name,
            size: 1,
            modified_ms: 0,
        }
    }

    /// Level, first and last TXID, role, and the levels that gather.
    fn shown(objects: &[(u8, u64, u64)], at: Option<u64>) -> Vec<(u8, u64, u64, Role, Vec<u8>)> {
        let objects: Vec<Listed> = objects
            .iter()
            .map(|&(level, min, max)| listed(level, min, max))
            .collect();
        let steps = course(&objects, at.map(Txid)).into_iter();
        let shown = steps.map(|step| {
            let name = step.object.name;
            let gathering = step.gathering().map(Level::get).collect();
            (
                name.level.get(),
                name.min.0,
                name.max.0,
                step.role,
                gathering,
            )
        });
        shown.collect()
    }

    #[test]
    fn the_finest_leads_and_the_coarser_are_compared() {
        use Role::{Apply, Begin, Compare};
        let objects = [
            (9, 1, 1),
            (0, 1, 1),
            (0, 2, 2),
            (0, 3, 3),
            (1, 2, 3),
            (9, 1, 3),
        ];
        assert_eq!(
            shown(&objects, None),
            [
                (0, 1, 1, Begin, vec![]),
                (9, 1, 1, Compare, vec![]),
                (0, 2, 2, Apply, vec![1]),
                (0, 3, 3, Apply, vec![1]),
                (1, 2, 3, Compare, vec![]),
                (9, 1, 3, Compare, vec![]),
            ]
        );
    }

    #[test]
    fn where_nothing_leads_on_the_next_snapshot_begins_anew() {
        use Role::{Alone, Apply, Begin};
        let objects = [(9, 1, 1), (0, 3, 3), (9, 1, 5), (0, 6, 6)];
        let roles: Vec<Role> = shown(&objects, None).iter().map(|step| step.3).collect();
        assert_eq!(roles, [Begin, Alone, Begin, Apply]);
    }

    #[test]
    fn what_comes_before_the_first_snapshot_is_read_alone() {
        use Role::{Alone, Begin};
        let roles: Vec<Role> = shown(&[(1, 2, 3), (9, 1, 5)], None)
            .iter()
            .map(|step| step.3)
            .collect();
        assert_eq!(roles, [Alone, Begin]);
    }

    #[test]
    fn a_level_gathers_only_what_its_next_object_must_hold() {
        use Role::{Apply, Begin, Compare};
        // Level 2 begins in the middle of what is led by level 1.
        let objects = [(9, 1, 1), (1, 2, 5), (1, 6, 7), (1, 8, 9), (2, 6, 9)];
        assert_eq!(
            shown(&objects, None),
            [
                (9, 1, 1, Begin, vec![]),
                (1, 2, 5, Apply, vec![]),
                (1, 6, 7, Apply, vec![2]),
                (1, 8, 9, Apply, vec![2]),
                (2, 6, 9, Compare, vec![]),
            ]
        );
    }

    #[test]
    fn it_goes_on_from_where_the_database_is() {
        use Role::{Apply, Compare};
        let roles: Vec<Role> = shown(&[(1, 2, 3), (0, 4, 4)], Some(3))
            .iter()
            .map(|step| step.3)
            .collect();
        assert_eq!(roles, [Compare, Apply]);
    }
}
