//! One replica: where it is, how a program is told of it, and what is in it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Result;

use crate::bucket::Objects;
use crate::ltx::{self, Span};
use crate::proxy::Proxy;
use crate::weed::{ACCESS_KEY, BUCKET, SECRET_KEY, Store};
use crate::{now_ms, wait_for};

/// How often, and how long after another, a gap is looked at before it is believed.
const DELETION_LOOKS: u32 = 20;
const DELETION_LOOK: Duration = Duration::from_millis(100);

static NUMBER: AtomicU32 = AtomicU32::new(0);

#[derive(Clone, Debug)]
pub struct Replica {
    pub objects: Objects,
    /// Where the program sends its requests: the store or a proxy before it.
    endpoint: SocketAddr,
    pub bucket: String,
    pub secret_key: String,
}

/// What a config file says beside the replica's place.
#[derive(Clone, Debug)]
pub struct Settings {
    pub sync_interval: Duration,
    /// More lines of the database's block, as `key: value`.
    pub db: Vec<String>,
    /// More lines at the top level.
    pub global: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sync_interval: Duration::from_secs(1),
            db: Vec::new(),
            global: Vec::new(),
        }
    }
}

impl Replica {
    /// A prefix of its own in the tests' bucket.
    pub fn on_s3(store: Store) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{}-{number}/app.db", now_ms().to_bits());
        Self {
            objects: Objects::S3 { store, prefix },
            endpoint: store.s3,
            bucket: BUCKET.into(),
            secret_key: SECRET_KEY.into(),
        }
    }

    /// The same replica, reached through a proxy.
    pub fn through(&self, proxy: &Proxy) -> Self {
        Self {
            endpoint: proxy.addr(),
            ..self.clone()
        }
    }

    pub fn in_files(dir: &Path) -> Self {
        Self {
            objects: Objects::Files(dir.into()),
            endpoint: SocketAddr::from(([127, 0, 0, 1], 9)),
            bucket: String::new(),
            secret_key: String::new(),
        }
    }

    /// The replica of one database of a directory whose replica this is.
    pub fn member(&self, name: &str) -> Self {
        let objects = match &self.objects {
            Objects::S3 { store, prefix } => Objects::S3 {
                store: *store,
                prefix: format!("{prefix}/{name}"),
            },
            Objects::Files(dir) => Objects::Files(dir.join(name)),
        };
        Self {
            objects,
            ..self.clone()
        }
    }

    /// The variables by which the component for other hosts is told of it.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let Objects::S3 { prefix, .. } = &self.objects else {
            return Vec::new();
        };
        vec![
            ("SEAWALL_BUCKET", self.bucket.clone()),
            ("SEAWALL_PATH", prefix.clone()),
            ("SEAWALL_ENDPOINT", format!("http://{}", self.endpoint)),
            ("SEAWALL_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", self.secret_key.clone()),
        ]
    }

    pub fn url(&self) -> String {
        match &self.objects {
            Objects::S3 { prefix, .. } => format!(
                "s3://{}/{prefix}?endpoint=http://{}&region=us-east-1&forcePathStyle=true",
                self.bucket, self.endpoint
            ),
            Objects::Files(dir) => format!("file://{}", dir.display()),
        }
    }

    /// A config file as Litestream's users have it.
    pub fn config(&self, db: &Path, settings: &Settings) -> String {
        self.config_of(&format!("path: {}", db.display()), settings)
    }

    /// A config file for the databases that `source` names: the first line of their block.
    pub fn config_of(&self, source: &str, settings: &Settings) -> String {
        let mut lines = settings.global.clone();
        lines.push("dbs:".into());
        lines.push(format!("  - {source}"));
        lines.extend(settings.db.iter().map(|line| format!("    {line}")));
        lines.push("    replicas:".into());
        let mut replica = match &self.objects {
            Objects::S3 { prefix, .. } => vec![
                "type: s3".into(),
                format!("endpoint: http://{}", self.endpoint),
                format!("bucket: {}", self.bucket),
                format!("path: {prefix}"),
                "region: us-east-1".into(),
                "force-path-style: true".into(),
                format!("access-key-id: {ACCESS_KEY}"),
                format!("secret-access-key: {}", self.secret_key),
            ],
            Objects::Files(dir) => {
                vec!["type: file".into(), format!("path: {}", dir.display())]
            }
        };
        let interval_ms = settings.sync_interval.as_millis();
        replica.push(format!("sync-interval: {interval_ms}ms"));
        for (at, line) in replica.iter().enumerate() {
            let dash = if at == 0 { "- " } else { "  " };
            lines.push(format!("      {dash}{line}"));
        }
        lines.join("\n") + "\n"
    }

    /// The folder of a level, below the replica's root.
    pub fn level_dir(&self, level: u8) -> String {
        match self.objects {
            Objects::S3 { .. } => format!("{level:04x}/"),
            Objects::Files(_) => format!("ltx/{level}/"),
        }
    }

    /// The keys of a level in TXID order.
    pub fn level(&self, level: u8) -> Result<Vec<(Span, String)>> {
        let dir = self.level_dir(level);
        let listing = self.objects.list()?;
        let keys = listing.into_keys().filter(|key| key.starts_with(&dir));
        let mut found: Vec<_> = keys
            .filter_map(|key| Some((Span::of_key(&key)?, key)))
            .collect();
        found.sort();
        Ok(found)
    }

    /// The newest TXID; checks that level 0 has neither gap nor duplicate.
    ///
    /// A store deletes many objects in an order of its own, and until that is done there is a gap
    /// before those that stay. One that lasts is a gap.
    pub fn txid(&self) -> Result<u64> {
        let listed = || -> Result<u64> {
            let spans: Vec<Span> = self.level(0)?.into_iter().map(|(span, _)| span).collect();
            ltx::contiguous(&spans)
        };
        let mut last = listed();
        for _ in 0..DELETION_LOOKS {
            if last.is_ok() {
                break;
            }
            std::thread::sleep(DELETION_LOOK);
            last = listed();
        }
        last
    }

    /// Waits for the newest TXID to be `txid` or more.
    pub fn wait_for_txid(&self, txid: u64, limit: Duration) -> Result<u64> {
        let what = format!("TXID {txid} at {}", self.url());
        wait_for(&what, limit, || {
            Ok(Some(self.txid()?).filter(|at| *at >= txid))
        })
    }
}
