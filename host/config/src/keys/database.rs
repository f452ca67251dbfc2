//! The keys of one entry of `dbs`.

use super::{Group, Key, REPLICA, SNAPSHOT, Shape};
use Shape::{Boolean, Count, Integer, Interval, Mapping, Mappings, Size, Text};

const NO_LOCAL_STATE: &str =
    "Seawall keeps no such directory; its cache is one file beside the database";

pub static DATABASE: Group = Group {
    lists: &[&[
        Key::works(
            "path",
            Text,
            "The database file; sqlite:// in front of it and ~ are understood.",
        ),
        Key::works("dir", Text, "A directory of databases, in place of path."),
        Key::works(
            "pattern",
            Text,
            "Which files of dir are databases, by their names: * ? [a-z] [^a-z].",
        ),
        Key::works(
            "recursive",
            Boolean,
            "Look into the directories below dir, too.",
        )
        .or("false"),
        Key::works(
            "watch",
            Boolean,
            "Start and stop as databases come to dir and go.",
        )
        .or("false"),
        Key::works(
            "replica",
            Mapping(&REPLICA),
            "Where the database is replicated to.",
        ),
        Key::works(
            "replicas",
            Mappings(&REPLICA),
            "The same as a list with one item, as older files have it.",
        ),
        Key::works(
            "restore-if-db-not-exists",
            Boolean,
            "Restore the database before replication starts when it is not there.",
        )
        .or("false"),
        Key::works(
            "checkpoint-interval",
            Interval,
            "A WAL that holds anything is folded back this often.",
        )
        .or("1m"),
        Key::works(
            "min-checkpoint-page-count",
            Count,
            "A WAL of this many pages is folded back.",
        )
        .or("1000"),
        Key::works(
            "truncate-page-n",
            Integer,
            "A WAL of more pages is complained of in the log; 0 for the default, below 0 never.",
        )
        .or("121359"),
        Key::works(
            "max-sync-wal-bytes",
            Size,
            "The most bytes of WAL that go into one object.",
        )
        .or("64MiB"),
        Key::works(
            "snapshot",
            Mapping(&SNAPSHOT),
            "The same as at the top of the file, and for all databases.",
        ),
        Key::refused("sync-interval", "it is a key of the replica; move it there"),
        Key::inert("meta-path", NO_LOCAL_STATE),
        Key::inert("meta-dir", NO_LOCAL_STATE),
        Key::inert(
            "monitor-interval",
            "changes are noticed when they happen, not polled for",
        ),
        Key::inert("busy-timeout", "Seawall bounds its own waits"),
        Key::inert(
            "max-checkpoint-page-count",
            "Litestream dropped it too; see `truncate-page-n`",
        ),
    ]],
};
