//! Where one database is replicated to, and how often.

use super::Environment;
use super::findings::Findings;
use super::oss;
use super::section::{Item, Text};
use super::settings::{Connection, Provider, Settings};
use super::tree::Position;
use super::url::{self, ReplicaUrl};
use crate::Location;
use s3_protocol::{Encryption, S3Location};
use std::time::Duration;

/// How long changes gather before they are uploaded: Litestream's default, and the most that is
/// lost when a machine dies.
const DEFAULT_SYNC_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    pub location: Location,
    pub sync_interval: Duration,
    /// The size of the parts of large uploads. None: as the component likes.
    pub part_bytes: Option<u64>,
    /// How many parts of one upload may be under way. None: as the component likes.
    pub concurrency: Option<usize>,
}

impl Replica {
    /// A replica named on the command line. None: the findings say what is wrong.
    pub fn from_url(text: &str, environment: Environment<'_>, findings: &Findings) -> Option<Self> {
        let at = Position { line: 1, column: 1 };
        let reader = Reader {
            name: "the replica",
            at,
            environment,
            findings,
        };
        let place = url::parse(text, at, environment, findings)?;
        reader.resolve(place, Settings::default(), &Settings::default())
    }
}

/// Reads a `replica`; `defaults` are the settings at the top of the file.
pub fn read(
    item: Item<'_>,
    defaults: &Settings,
    environment: Environment<'_>,
    findings: &Findings,
) -> Option<Replica> {
    let (name, at) = (item.name.clone(), item.node.at);
    let mut section = item.open(findings)?;
    let written = Written {
        kind: section.placed_choice("type"),
        path: section.placed_text("path"),
        url: section.placed_text("url"),
        bucket: section.placed_text("bucket"),
        settings: Settings::read(&mut section),
    };
    let reader = Reader {
        name: &name,
        at,
        environment,
        findings,
    };
    // Other kinds have keys of their own: the refusal of the kind says enough.
    let kind = reader.kind(&written)?;
    section.close();
    let place = reader.place(&written, kind, defaults)?;
    reader.resolve(place, written.settings, defaults)
}

/// A replica as the file has it.
struct Written {
    kind: Option<Text>,
    path: Option<Text>,
    url: Option<Text>,
    bucket: Option<Text>,
    settings: Settings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bucket(Provider),
    File,
}

/// The replica that is being read, for messages.
struct Reader<'a> {
    name: &'a str,
    at: Position,
    environment: Environment<'a>,
    findings: &'a Findings,
}

impl Reader<'_> {
    fn error<T>(&self, at: Position, text: impl Into<String>) -> Option<T> {
        self.findings.error(at, text);
        None
    }

    /// The kind the file names, if it names one; None when it is one that is not there.
    fn kind(&self, written: &Written) -> Option<Option<Kind>> {
        match written.kind.as_ref() {
            None => Some(None),
            Some(kind) if kind.text == "s3" => Some(Some(Kind::Bucket(Provider::Aws))),
            Some(kind) if kind.text == "oss" => Some(Some(Kind::Bucket(Provider::Alibaba))),
            Some(kind) if kind.text == "file" => Some(Some(Kind::File)),
            Some(kind) => self.error(kind.at, url::unknown_kind(&kind.text)),
        }
    }

    fn place(
        &self,
        written: &Written,
        kind: Option<Kind>,
        defaults: &Settings,
    ) -> Option<ReplicaUrl> {
        if let Some(url) = &written.url {
            return self.place_by_url(url, written, kind);
        }
        match kind {
            Some(Kind::Bucket(provider)) => self.place_in_bucket(written, provider, defaults),
            Some(Kind::File) | None => self.place_in_directory(written, kind),
        }
    }

    fn place_by_url(
        &self,
        url: &Text,
        written: &Written,
        kind: Option<Kind>,
    ) -> Option<ReplicaUrl> {
        if let Some(other) = written.path.as_ref().or(written.bucket.as_ref()) {
            let (name, key, line) = (self.name, other.key, other.key_at.line);
            let text = format!(
                "{name} has a url, and on line {line} a {key}: the url says both bucket and path; \
                 keep either the url or the other keys"
            );
            return self.error(url.key_at, text);
        }
        let place = url::parse(&url.text, url.at, self.environment, self.findings)?;
        let kind_of_place = match place {
            ReplicaUrl::Bucket { provider, .. } => Kind::Bucket(provider),
            ReplicaUrl::Directory(_) => Kind::File,
        };
        if let Some(written_kind) = &written.kind
            && kind != Some(kind_of_place)
        {
            let text = format!(
                "the url of {} says another type, and the url wins",
                self.name
            );
            self.findings.warn(written_kind.key_at, text);
        }
        Some(place)
    }

    fn place_in_bucket(
        &self,
        written: &Written,
        provider: Provider,
        defaults: &Settings,
    ) -> Option<ReplicaUrl> {
        let Some(bucket) = written
            .settings
            .bucket
            .as_ref()
            .or(defaults.bucket.as_ref())
        else {
            return self.error(
                self.at,
                format!("{} has no bucket; add `bucket: NAME`", self.name),
            );
        };
        let path = match &written.path {
            Some(path) if path.text.contains("://") => return self.path_is_url(path),
            Some(path) => path.text.clone(),
            None => String::new(),
        };
        Some(ReplicaUrl::Bucket {
            provider,
            bucket: bucket.clone(),
            path,
            connection: Connection::default(),
        })
    }

    fn place_in_directory(&self, written: &Written, kind: Option<Kind>) -> Option<ReplicaUrl> {
        let name = self.name;
        if let (Some(bucket), None) = (&written.bucket, kind) {
            return self.error(
                bucket.key_at,
                format!("{name} has a bucket but no type; add `type: s3`"),
            );
        }
        match &written.path {
            Some(path) if path.text.contains("://") => self.path_is_url(path),
            Some(path) => url::directory(&path.text, path.at, self.environment, self.findings),
            None => self.error(
                self.at,
                format!(
                    "{name} does not say where to replicate to; \
                     add `url: s3://BUCKET/PATH`, or `type`, `bucket` and `path`"
                ),
            ),
        }
    }

    fn path_is_url<T>(&self, path: &Text) -> Option<T> {
        let text = format!(
            "the path of {} is a URL; write it as `url:` instead",
            self.name
        );
        self.error(path.key_at, text)
    }

    fn resolve(&self, place: ReplicaUrl, own: Settings, defaults: &Settings) -> Option<Replica> {
        let sync_interval = own.sync_interval.or(defaults.sync_interval);
        let sync_interval = sync_interval.unwrap_or(DEFAULT_SYNC_INTERVAL);
        match place {
            ReplicaUrl::Bucket {
                provider,
                bucket,
                path,
                connection,
            } => {
                let url = Settings {
                    connection,
                    ..Settings::default()
                };
                let environment = Settings::from_environment(provider, self.environment);
                let mut settings = own.or(&url).or(defaults).or(&environment);
                self.check_credentials(provider, &settings)?;
                if provider == Provider::Alibaba {
                    settings.connection = oss::complete(settings.connection);
                }
                let encryption = settings
                    .encryption
                    .resolve(self.environment)
                    .map_err(|message| self.complain(&message))
                    .ok()?;
                let (part_bytes, concurrency) = (
                    settings.connection.part_bytes,
                    settings.connection.concurrency,
                );
                let location = Location::from(s3_location(bucket, path, settings, encryption));
                location
                    .check()
                    .map_err(|error| self.complain(&error.to_string()))
                    .ok()?;
                Some(Replica {
                    location,
                    sync_interval,
                    part_bytes,
                    concurrency: concurrency.map(|count| count as usize),
                })
            }
            ReplicaUrl::Directory(path) => {
                let of_directories = Settings {
                    sync_interval: own.sync_interval,
                    ..Settings::default()
                };
                if own != of_directories {
                    let text = format!(
                        "the S3 keys of {} have no effect: it is a directory",
                        self.name
                    );
                    self.findings.warn(self.at, text);
                }
                Some(Replica {
                    location: Location::Directory { path },
                    sync_interval,
                    part_bytes: None,
                    concurrency: None,
                })
            }
        }
    }

    fn complain(&self, message: &str) {
        self.findings
            .error(self.at, format!("{}: {message}", self.name));
    }

    fn check_credentials(&self, provider: Provider, settings: &Settings) -> Option<()> {
        let name = self.name;
        let missing = match (&settings.access_key_id, &settings.secret_access_key) {
            (Some(_), None) => "secret-access-key",
            (None, Some(_)) => "access-key-id",
            (None, None) if provider == Provider::Alibaba => {
                let text = format!(
                    "{name} has no credentials; add access-key-id and secret-access-key, or set \
                     OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET"
                );
                return self.error(self.at, text);
            }
            _ => return Some(()),
        };
        self.error(
            self.at,
            format!(
                "{name} has one half of its credentials but no {missing}; give both, or neither \
                 to use the credentials of the environment"
            ),
        )
    }
}

fn s3_location(
    bucket: String,
    path: String,
    settings: Settings,
    encryption: Option<Encryption>,
) -> S3Location {
    let connection = settings.connection;
    S3Location {
        endpoint: connection.endpoint,
        region: connection.region,
        force_path_style: connection.force_path_style,
        access_key_id: settings.access_key_id,
        secret_access_key: settings.secret_access_key,
        session_token: settings.session_token,
        skip_verify: connection.skip_verify.unwrap_or(false),
        sign_payload: connection.sign_payload.unwrap_or(true),
        content_md5: connection.content_md5.unwrap_or(true),
        storage_class: connection.storage_class,
        encryption,
        ..S3Location::new(bucket, path)
    }
}
