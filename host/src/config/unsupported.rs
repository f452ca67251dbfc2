//! The keys of Litestream that do nothing here yet, or never need to, and what to tell whoever
//! sets one. The keys that work are declared where they are read.

pub struct Unsupported {
    pub key: &'static str,
    pub effect: Effect,
    pub note: &'static str,
}

pub enum Effect {
    /// Going on without it is safe: a warning.
    None,
    /// Going on without it would not do what was asked: an error.
    Refused,
}

const fn inert(key: &'static str, note: &'static str) -> Unsupported {
    Unsupported {
        key,
        effect: Effect::None,
        note,
    }
}

const fn refused(key: &'static str, note: &'static str) -> Unsupported {
    Unsupported {
        key,
        effect: Effect::Refused,
        note,
    }
}

const NO_METRICS: &str = "no metrics are served yet";
const NO_COMPACTION: &str =
    "nothing is compacted or deleted in the replica yet, so all of it stays restorable";
const NO_HEARTBEAT: &str = "no heartbeats are sent yet";
const NO_SELF_CHECK: &str =
    "the replica is not re-read yet; `seawall restore` checks what it reads";
const NO_LOCAL_STATE: &str = "Seawall keeps no such directory";
const NOT_POLLED: &str = "changes are noticed when they happen, not polled for";
const MANY_DATABASES: &str = "give each database an entry with its own `path`";
const OTHER_STORE: &str = "it belongs to a kind of replica that this release does not have";
const TUNED: &str = "uploads are not tuned by hand";
const NOT_ENCRYPTED: &str =
    "objects would be stored without it; set the encryption on the bucket instead";

/// Keys at the top of the file.
pub const GLOBAL: &[Unsupported] = &[
    inert("addr", NO_METRICS),
    inert("mcp-addr", "there is no MCP server yet"),
    inert("exec", "the program is NOT started; start it yourself"),
    inert("levels", NO_COMPACTION),
    inert("snapshot", NO_COMPACTION),
    inert("retention", NO_COMPACTION),
    inert("l0-retention", NO_COMPACTION),
    inert("l0-retention-check-interval", NO_COMPACTION),
    inert("validation", NO_SELF_CHECK),
    inert("verify-compaction", NO_COMPACTION),
    inert("heartbeat-url", NO_HEARTBEAT),
    inert("heartbeat-interval", NO_HEARTBEAT),
    inert(
        "shutdown-sync-interval",
        "the last upload is retried like every other",
    ),
    inert("socket", "there is no control socket yet"),
];

pub const LOGGING: &[Unsupported] = &[inert("source", "log lines do not name source files")];

/// Keys of one entry of `dbs`.
pub const DATABASE: &[Unsupported] = &[
    refused("dir", MANY_DATABASES),
    refused("pattern", MANY_DATABASES),
    refused("recursive", MANY_DATABASES),
    refused("watch", MANY_DATABASES),
    refused("meta-dir", MANY_DATABASES),
    refused("sync-interval", "it is a key of the replica; move it there"),
    inert("meta-path", NO_LOCAL_STATE),
    inert("monitor-interval", NOT_POLLED),
    inert("busy-timeout", "not needed: Seawall bounds its own waits"),
    inert(
        "max-checkpoint-page-count",
        "Litestream dropped it too; see `truncate-page-n`",
    ),
    inert(
        "restore-if-db-not-exists",
        "run `seawall restore -if-db-not-exists` first",
    ),
    inert("snapshot", NO_COMPACTION),
];

/// Parameters of a replica's URL.
pub const URL: &[Unsupported] = &[
    inert("part-size", TUNED),
    inert("concurrency", TUNED),
    inert("require-content-md5", "not needed"),
];

/// Keys of a replica that may also stand at the top of the file, as defaults.
pub const REPLICA_SETTINGS: &[Unsupported] = &[
    refused("age", "the replica would be stored unencrypted"),
    refused("sse-customer-algorithm", NOT_ENCRYPTED),
    refused("sse-customer-key", NOT_ENCRYPTED),
    refused("sse-customer-key-path", NOT_ENCRYPTED),
    refused("sse-kms-key-id", NOT_ENCRYPTED),
    inert("auto-recover", "a replica is never thrown away by itself"),
    inert(
        "max-sync-ltx-files",
        "all changes since the last upload go out in one object",
    ),
    inert("part-size", TUNED),
    inert("concurrency", TUNED),
    inert("require-content-md5", "not needed"),
    inert("validation-interval", NO_SELF_CHECK),
    inert("retention", NO_COMPACTION),
    inert("retention-check-interval", NO_COMPACTION),
    inert("snapshot-interval", NO_COMPACTION),
    inert("account-name", OTHER_STORE),
    inert("account-key", OTHER_STORE),
    inert("sas-token", OTHER_STORE),
    inert("host", OTHER_STORE),
    inert("user", OTHER_STORE),
    inert("password", OTHER_STORE),
    inert("key-path", OTHER_STORE),
    inert("concurrent-writes", OTHER_STORE),
    inert("host-key", OTHER_STORE),
    inert("webdav-url", OTHER_STORE),
    inert("webdav-username", OTHER_STORE),
    inert("webdav-password", OTHER_STORE),
    inert("jwt", OTHER_STORE),
    inert("seed", OTHER_STORE),
    inert("creds", OTHER_STORE),
    inert("nkey", OTHER_STORE),
    inert("username", OTHER_STORE),
    inert("token", OTHER_STORE),
    inert("tls", OTHER_STORE),
    inert("root-cas", OTHER_STORE),
    inert("client-cert", OTHER_STORE),
    inert("client-key", OTHER_STORE),
    inert("max-reconnects", OTHER_STORE),
    inert("reconnect-wait", OTHER_STORE),
    inert("timeout", OTHER_STORE),
];
