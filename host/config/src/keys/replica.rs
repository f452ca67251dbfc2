//! The keys of a replica; most may also stand at the top of the file, as defaults for all.

use super::top::ALWAYS_VERIFIED;
use super::{Group, Key, Shape};
use Shape::{Boolean, Choice, Count, Interval, Secret, Size, Text};

pub static REPLICA: Group = Group {
    lists: &[PLACE, CONNECTION, SETTINGS, ELSEWHERE, LEGACY, LEGACY_TIMES],
};

/// The parameters of a replica's URL, as a config spells them.
pub static URL: Group = Group {
    lists: &[CONNECTION],
};

/// What only one replica can have.
const PLACE: &[Key] = &[
    Key::works(
        "type",
        Choice(&["s3", "file", "oss"]),
        "The kind of store, where no url says it. Default: file.",
    ),
    Key::works(
        "url",
        Text,
        "s3://BUCKET/PATH, oss://BUCKET/PATH, file:///PATH or a directory, in place of bucket and \
         path.",
    ),
    Key::works("path", Text, "The prefix in the bucket, or the directory."),
    Key::harmless(
        "name",
        "Not used; Litestream 0.3 told several replicas apart by it.",
    ),
];

/// How to talk to a bucket.
pub const CONNECTION: &[Key] = &[
    Key::works(
        "endpoint",
        Text,
        "The store, where it is not AWS; without http:// or https:// it is http for local and \
         private hosts.",
    ),
    Key::works("region", Text, "The region of the bucket."),
    Key::works(
        "force-path-style",
        Boolean,
        "Name the bucket in the path rather than in the host name. Default: true with an endpoint.",
    ),
    Key::works(
        "forcePathStyle",
        Boolean,
        "The same, as older files spell it.",
    ),
    Key::works("skip-verify", Boolean, "Accept any TLS certificate.").or("false"),
    Key::works("sign-payload", Boolean, "Sign the bodies of requests, too.").or("true"),
    Key::works(
        "require-content-md5",
        Boolean,
        "Send Content-MD5, so that the store notices damage on the way.",
    )
    .or("true"),
    Key::works(
        "storage-class",
        Text,
        "The storage class of every object, as the store names it.",
    ),
    Key::works(
        "part-size",
        Size,
        "The size of the parts of large uploads, from 5MiB to 5GiB.",
    ),
    Key::works(
        "concurrency",
        Count,
        "How many parts of an upload are under way at once.",
    ),
];

/// What belongs to a bucket and is not for its URL.
pub const SETTINGS: &[Key] = &[
    Key::works("bucket", Text, "The bucket, where no url names it."),
    Key::works(
        "access-key-id",
        Text,
        "Default: AWS_ACCESS_KEY_ID, LITESTREAM_ACCESS_KEY_ID, or what the machine offers.",
    ),
    Key::works(
        "secret-access-key",
        Secret,
        "Default: AWS_SECRET_ACCESS_KEY, LITESTREAM_SECRET_ACCESS_KEY, or what the machine offers.",
    ),
    Key::works(
        "sync-interval",
        Interval,
        "How long changes gather before they are uploaded.",
    )
    .or("1s"),
    Key::works(
        "sse-customer-algorithm",
        Choice(&["AES256"]),
        "How the store encrypts with sse-customer-key. Default: AES256.",
    ),
    Key::works(
        "sse-customer-key",
        Secret,
        "A key of 32 bytes, base64, that the store encrypts with and forgets.",
    ),
    Key::works(
        "sse-customer-key-path",
        Text,
        "A file that holds sse-customer-key.",
    ),
    Key::works(
        "sse-kms-key-id",
        Text,
        "The key in the store's key management that it encrypts with.",
    ),
    Key::refused(
        "age",
        "the replica would be stored unencrypted. Litestream 0.5 refuses it too; encrypt in the \
         store (sse-customer-key, sse-kms-key-id), or stay with Litestream 0.3",
    ),
    Key::inert(
        "auto-recover",
        "a replica is never thrown away without being asked to",
    ),
    Key::inert(
        "max-sync-ltx-files",
        "all changes since the last upload go out in one object",
    ),
    Key::inert("validation-interval", ALWAYS_VERIFIED),
];

const fn elsewhere(name: &'static str) -> Key {
    Key::inert(
        name,
        "it belongs to a kind of replica that Seawall does not have",
    )
}

/// What belongs to other kinds of replicas.
pub const ELSEWHERE: &[Key] = &[
    elsewhere("account-name"),
    elsewhere("account-key"),
    elsewhere("sas-token"),
    elsewhere("host"),
    elsewhere("user"),
    elsewhere("password"),
    elsewhere("key-path"),
    elsewhere("concurrent-writes"),
    elsewhere("host-key"),
    elsewhere("webdav-url"),
    elsewhere("webdav-username"),
    elsewhere("webdav-password"),
    elsewhere("jwt"),
    elsewhere("seed"),
    elsewhere("creds"),
    elsewhere("nkey"),
    elsewhere("username"),
    elsewhere("token"),
    elsewhere("tls"),
    elsewhere("root-cas"),
    elsewhere("client-cert"),
    elsewhere("client-key"),
    elsewhere("max-reconnects"),
    elsewhere("reconnect-wait"),
    elsewhere("timeout"),
];

/// Keys of Litestream 0.3. At the top of the file `retention` is another key.
const LEGACY: &[Key] = &[Key::inert(
    "retention",
    "it is Litestream 0.3's; use `snapshot.retention` at the top of the file",
)];

pub const LEGACY_TIMES: &[Key] = &[
    Key::inert(
        "retention-check-interval",
        "it is Litestream 0.3's; use `l0-retention-check-interval` at the top of the file",
    ),
    Key::inert(
        "snapshot-interval",
        "it is Litestream 0.3's; use `snapshot.interval` at the top of the file",
    ),
];
