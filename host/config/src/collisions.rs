//! No file is replicated twice, and no two files to one place: either would damage the replica.

use super::database::Database;
use super::directory::Directory;
use super::entry::{Placed, Subject};
use super::findings::Findings;
use std::collections::HashMap;
use std::path::Path;

pub fn refuse(entries: &[Placed], findings: &Findings) {
    refuse_equal_databases(entries, findings);
    for (index, entry) in entries.iter().enumerate() {
        let Subject::Directory(directory) = &entry.subject else {
            continue;
        };
        for (other_index, other) in entries.iter().enumerate() {
            match &other.subject {
                Subject::Database(database) => {
                    refuse_in_directory(entry, directory, other, database, findings);
                }
                Subject::Directory(second) if other_index > index => {
                    refuse_overlap(entry, directory, other, second, findings);
                }
                Subject::Directory(_) => {}
            }
        }
    }
}

fn refuse_equal_databases(entries: &[Placed], findings: &Findings) {
    let mut paths = HashMap::new();
    let mut replicas = HashMap::new();
    for placed in entries {
        let Subject::Database(database) = &placed.subject else {
            continue;
        };
        if let Some(first) = paths.insert(&database.path, placed.path_at) {
            let text = format!(
                "the database {} is listed twice: on line {} and on line {}; remove one of them",
                database.path.display(),
                first.line,
                placed.path_at.line
            );
            findings.error(placed.path_at, text);
        }
        let identity = database.replica.location.identity();
        if let Some(first) = replicas.insert(identity, placed.replica_at) {
            findings.error(
                placed.replica_at,
                one_place(first.line, placed.replica_at.line),
            );
        }
    }
}

/// A database of its own that is also one of the directory's, or in the place of one.
fn refuse_in_directory(
    entry: &Placed,
    directory: &Directory,
    other: &Placed,
    database: &Database,
    findings: &Findings,
) {
    let (path_at, replica_at) = (
        entry.path_at.max(other.path_at),
        entry.replica_at.max(other.replica_at),
    );
    if directory.matches(&database.path) {
        let text = format!(
            "the database {} on line {} is also one of the directory {} on line {}, and would be \
             replicated twice; remove it, or choose another pattern",
            database.path.display(),
            other.path_at.line,
            directory.path.display(),
            entry.path_at.line
        );
        findings.error(path_at, text);
        return;
    }
    let root = &directory.template().replica.location;
    let taken = database.replica.location.below(root).is_some_and(|below| {
        below == Path::new("") || directory.matches(&directory.path.join(below))
    });
    if taken {
        let (first, second) = (entry.replica_at.line, other.replica_at.line);
        findings.error(replica_at, one_place(first.min(second), first.max(second)));
    }
}

/// Two directories of which a file may belong to both, or two files may go to one place.
fn refuse_overlap(
    first: &Placed,
    one: &Directory,
    second: &Placed,
    other: &Directory,
    findings: &Findings,
) {
    let (outer, inner) = match one.path.starts_with(&other.path) {
        true => (other, one),
        false => (one, other),
    };
    let nested = inner.path.strip_prefix(&outer.path).ok();
    let reaches = nested.is_some_and(|below| below == Path::new("") || outer.recursive);
    if reaches && outer.pattern == inner.pattern {
        let text = format!(
            "the databases of the directory {} on line {} are also those of {} on line {}, and \
             would be replicated twice; remove one of the entries, or choose another pattern",
            other.path.display(),
            second.path_at.line,
            one.path.display(),
            first.path_at.line
        );
        findings.error(second.path_at, text);
        return;
    }
    if may_share_a_place(one, other) || may_share_a_place(other, one) {
        let text = one_place(first.replica_at.line, second.replica_at.line);
        findings.error(second.replica_at, text);
    }
}

/// Whether a file of `outer` and another one of `inner` may have the same place: when the place of
/// `inner` is within that of `outer`, but not by way of their directories.
fn may_share_a_place(outer: &Directory, inner: &Directory) -> bool {
    let root = &outer.template().replica.location;
    let Some(below) = inner.template().replica.location.below(root) else {
        return false;
    };
    let reaches = below == Path::new("") || outer.recursive;
    reaches && outer.path.join(&below) != inner.path
}

fn one_place(first: u64, second: u64) -> String {
    format!(
        "the replicas on line {first} and on line {second} are one place and would overwrite each \
         other; give each a path of its own"
    )
}
