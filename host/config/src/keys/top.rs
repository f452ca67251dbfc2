//! The keys at the top of the file and of the small mappings there.

use super::replica::{CONNECTION, ELSEWHERE, LEGACY_TIMES, SETTINGS};
use super::{DATABASE, Group, Key, Shape};
use Shape::{
    Boolean, Choice, Duration, Interval, Mapping, Mappings, Permissions, Price, Secret, Size, Text,
};

pub const ALWAYS_VERIFIED: &str =
    "the content of every merged object is verified before what it replaces is deleted, always";

pub static TOP: Group = Group {
    lists: &[KEYS, CONNECTION, SETTINGS, ELSEWHERE, LEGACY_TIMES],
};

const KEYS: &[Key] = &[
    Key::works("dbs", Mappings(&DATABASE), "The databases to replicate."),
    Key::works(
        "exec",
        Text,
        "A program to run beside replication; its end ends replication, its exit code is ours.",
    ),
    Key::works(
        "levels",
        Mappings(&LEVEL),
        "The levels of merged objects, from level 1 on; at most 8. Default: 30s, 5m, 1h.",
    ),
    Key::works(
        "snapshot",
        Mapping(&SNAPSHOT),
        "Copies of the whole database.",
    ),
    Key::works(
        "retention",
        Mapping(&RETENTION),
        "Whether expired objects are deleted.",
    ),
    Key::works(
        "l0-retention",
        Duration,
        "How long objects of level 0 are kept after they were merged; 0s for ever.",
    )
    .or("5m"),
    Key::works(
        "l0-retention-check-interval",
        Interval,
        "How often expired objects of level 0 are looked for.",
    )
    .or("15s"),
    Key::works(
        "shutdown-sync-timeout",
        Duration,
        "How long a stopping process goes on trying to upload what is left.",
    )
    .or("30s"),
    Key::works(
        "shutdown-sync-interval",
        Interval,
        "How long it waits between two tries.",
    )
    .or("500ms"),
    Key::works(
        "require-fencing",
        Boolean,
        "Refuse to start when the store cannot keep a second writer out.",
    )
    .or("false"),
    Key::works("socket", Mapping(&SOCKET), "The control socket."),
    Key::works(
        "logging",
        Mapping(&LOGGING),
        "How the program speaks while it runs.",
    ),
    Key::works(
        "validation",
        Mapping(&VALIDATION),
        "Verification of the replica.",
    ),
    Key::works(
        "verify",
        Mapping(&VERIFY),
        "Whether the replica can be restored is proven again and again.",
    ),
    Key::inert("verify-compaction", ALWAYS_VERIFIED),
    Key::works(
        "addr",
        Text,
        "Where /metrics, /healthz, /readyz and the status page are served: :9090, 127.0.0.1:9090.",
    ),
    Key::works(
        "ready-max-lag",
        Interval,
        "/readyz says no, and no heartbeat is sent, while a database is further behind.",
    )
    .or("30s"),
    Key::works(
        "heartbeat-url",
        Secret,
        "Asked for by GET while every database is current.",
    ),
    Key::works(
        "heartbeat-interval",
        Interval,
        "How often that is done; 1m at least.",
    )
    .or("5m"),
    Key::works(
        "prices",
        Mapping(&PRICES),
        "What the store asks for its services, to estimate the costs.",
    ),
    Key::inert("mcp-addr", "no MCP server is served"),
];

static LEVEL: Group = Group {
    lists: &[&[Key::works(
        "interval",
        Interval,
        "How often the objects of the level below are merged into this one.",
    )]],
};

pub static SNAPSHOT: Group = Group {
    lists: &[&[
        Key::works("interval", Interval, "How often a snapshot is written.").or("24h"),
        Key::works(
            "retention",
            Interval,
            "How long snapshots, and with them every moment since, are kept.",
        )
        .or("24h"),
    ]],
};

static RETENTION: Group = Group {
    lists: &[&[Key::works(
        "enabled",
        Boolean,
        "False: nothing is ever deleted from the replica.",
    )
    .or("true")]],
};

static VALIDATION: Group = Group {
    lists: &[&[Key::inert("interval", ALWAYS_VERIFIED)]],
};

static VERIFY: Group = Group {
    lists: &[&[
        Key::works(
            "interval",
            Interval,
            "How often each replica is read whole and restored. Default: never.",
        ),
        Key::works(
            "bandwidth",
            Size,
            "The most bytes a second that are read for that.",
        )
        .or("10MB"),
    ]],
};

static PRICES: Group = Group {
    lists: &[&[
        Key::works("currency", Text, "The currency of the prices.").or("USD"),
        Key::works(
            "put-per-1000",
            Price,
            "Of 1000 requests that write or list.",
        )
        .or("0.005"),
        Key::works("get-per-1000", Price, "Of 1000 requests that read.").or("0.0004"),
        Key::works("storage-gb-month", Price, "Of 10^9 bytes kept for a month.").or("0.023"),
        Key::works("egress-gb", Price, "Of 10^9 bytes that are read.").or("0.09"),
    ]],
};

static SOCKET: Group = Group {
    lists: &[&[
        Key::works("enabled", Boolean, "Serve the control socket.").or("false"),
        Key::works("path", Text, "Where it is.").or("/var/run/litestream.sock"),
        Key::works("permissions", Permissions, "Who may use it.").or("0600"),
    ]],
};

static LOGGING: Group = Group {
    lists: &[&[
        Key::works(
            "level",
            Choice(&["trace", "debug", "info", "warn", "warning", "error"]),
            "The least important lines that are written; LOG_LEVEL and -log-level win.",
        ),
        Key::works(
            "type",
            Choice(&["text", "json", "pretty"]),
            "The form of the lines.",
        )
        .or("text"),
        Key::works("stderr", Boolean, "Write to stderr rather than stdout.").or("false"),
        Key::works(
            "source",
            Boolean,
            "Name the source file and line of each line.",
        )
        .or("false"),
    ]],
};
