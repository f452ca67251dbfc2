//! What whoever runs an instance may say, and the limits that hold otherwise.

use std::time::Duration;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whoever brings it may do everything.
    pub token: Option<String>,
    /// Whoever brings it may read.
    pub read_only_token: Option<String>,
    /// Nobody is asked for a token.
    pub open: bool,
    /// Signs batons. Instances that share it can tell a baton of another one from a forged one.
    pub baton_key: Option<String>,
    /// Where on the client's host this very instance can be reached: what is left open is only here.
    /// It ends in a slash, as clients resolve paths against it. None: nowhere else than where any is.
    pub base_path: Option<String>,
    pub limits: Limits,
}

/// How much one request may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Of a request, bytes.
    pub body: u64,
    /// Of the rows in an answer, bytes.
    pub response: u64,
    /// Of one statement.
    pub rows: u64,
    /// Of one statement's text, bytes. A `sequence` may be as long as a body.
    pub sql: u64,
    /// For one statement, with all its tries.
    pub statement: Duration,
    /// For all statements of a request together.
    pub request: Duration,
    /// How often a single statement is tried again when another instance was faster.
    pub retries: u32,
    /// That are kept for clients to come back to.
    pub streams: usize,
    /// A stream that nobody came back to for so long is closed.
    pub stream_idle: Duration,
    /// Texts that a stream keeps.
    pub stored_sql: usize,
    /// Conditions within conditions.
    pub condition_depth: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body: 10_000_000,
            response: 10_000_000,
            rows: 100_000,
            sql: 1 << 20,
            statement: Duration::from_secs(5),
            request: Duration::from_secs(30),
            retries: 8,
            // Each keeps a connection with up to 2 MB of pages.
            streams: 32,
            stream_idle: Duration::from_secs(10),
            // The clients keep 30.
            stored_sql: 150,
            // The clients need 3.
            condition_depth: 16,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} = {value:?}: expected {expected}")]
pub struct SettingsError {
    pub name: &'static str,
    pub value: String,
    pub expected: &'static str,
}

impl Settings {
    /// `get` knows what was said, by name. What is empty was not said.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Settings, SettingsError> {
        let said = |name: &'static str| get(name).filter(|value| !value.is_empty());
        let usual = Limits::default();
        let limits = Limits {
            body: parsed(said, "max-body", SIZE, bytes, usual.body)?,
            response: parsed(said, "max-response", SIZE, bytes, usual.response)?,
            rows: parsed(said, "max-rows", COUNT, count, usual.rows)?,
            statement: parsed(said, "statement-timeout", TIME, duration, usual.statement)?,
            stream_idle: parsed(said, "stream-idle", TIME, duration, usual.stream_idle)?,
            retries: parsed(said, "conflict-retries", COUNT, count, usual.retries)?,
            streams: parsed(said, "max-streams", COUNT, count, usual.streams)?,
            ..usual
        };
        Ok(Settings {
            token: said("token"),
            read_only_token: said("read-only-token"),
            open: parsed(said, "open", "true or false", flag, false)?,
            baton_key: said("baton-key"),
            base_path: said("base-path"),
            limits: Limits {
                request: limits.request.max(limits.statement),
                ..limits
            },
        })
    }
}

const SIZE: &str = "bytes, such as 500kB or 10MB";
const TIME: &str = "a time, such as 500ms, 5s or 1m";
const COUNT: &str = "a number";

fn parsed<T>(
    said: impl Fn(&'static str) -> Option<String>,
    name: &'static str,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
    otherwise: T,
) -> Result<T, SettingsError> {
    let Some(value) = said(name) else {
        return Ok(otherwise);
    };
    parse(value.trim()).ok_or(SettingsError {
        name,
        value,
        expected,
    })
}

fn flag(value: &str) -> Option<bool> {
    value.parse().ok()
}

fn count<T: std::str::FromStr>(value: &str) -> Option<T> {
    value.parse().ok()
}

fn with_unit(value: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = value.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = value[digits.len()..].trim();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

/// `10MB`, `64 KiB`, `4096`.
pub fn bytes(value: &str) -> Option<u64> {
    with_unit(
        value,
        &[
            ("", 1),
            ("B", 1),
            ("kB", 1000),
            ("KB", 1000),
            ("KiB", 1 << 10),
            ("MB", 1_000_000),
            ("MiB", 1 << 20),
            ("GB", 1_000_000_000),
            ("GiB", 1 << 30),
        ],
    )
}

/// `500ms`, `5s`, `1m`, `1h`. A unit has to be said.
pub fn duration(value: &str) -> Option<Duration> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    with_unit(value, &units).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::{Duration, Limits, Settings, bytes, duration};

    #[test]
    fn what_is_not_said_is_as_usual() {
        let settings = Settings::read(|_| None).unwrap();
        assert_eq!(settings, Settings::default());
        assert_eq!(Settings::read(|_| Some(String::new())).unwrap(), settings);
    }

    #[test]
    fn what_is_said_is_taken_or_refused_by_its_name() {
        let settings = Settings::read(|name| match name {
            "token" => Some("t".to_owned()),
            "statement-timeout" => Some("60s".to_owned()),
            "max-rows" => Some("7".to_owned()),
            _ => None,
        });
        let settings = settings.unwrap();
        assert_eq!(settings.token.as_deref(), Some("t"));
        // A request has at least the time of one statement.
        let minute = Duration::from_secs(60);
        let expected = Limits {
            rows: 7,
            statement: minute,
            request: minute,
            ..Limits::default()
        };
        assert_eq!(settings.limits, expected);
        for name in ["open", "max-body", "stream-idle", "max-streams"] {
            let refused = Settings::read(|asked| (asked == name).then(|| "much".to_owned()));
            assert_eq!(refused.unwrap_err().name, name);
        }
    }

    #[test]
    fn sizes_and_times_have_units() {
        assert_eq!(bytes("10MB"), Some(10_000_000));
        assert_eq!(bytes("64 KiB"), Some(65536));
        assert_eq!(bytes("7"), Some(7));
        assert_eq!(bytes("-7"), None);
        assert_eq!(bytes("99999999999999999999GB"), None);
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
        assert_eq!(duration("5"), None);
        assert_eq!(duration("é"), None);
    }
}
