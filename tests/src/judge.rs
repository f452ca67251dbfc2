//! Judges what came back: is the database whole, and is every acknowledged write in it that was
//! old enough to be shipped?

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use crate::ack::Ack;

/// Every row that the app acknowledges: kind and id, with version and content's SHA-256.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State(BTreeMap<(String, String), (u64, String)>);

/// How each kind of row is read: kind, id and content.
const ROWS: [(&str, &str); 4] = [
    ("note", "SELECT id, content FROM Notes"),
    ("revision", "SELECT id, content FROM Revisions"),
    ("session", "SELECT sid, data FROM Sessions"),
    ("author", "SELECT CAST(id AS TEXT), color FROM Authors"),
];

/// Opens a private copy of a database that no other process uses, so that the file itself stays
/// as it is.
pub fn open_copy(db: &Path) -> Result<(tempfile::TempDir, Connection)> {
    let dir = tempfile::TempDir::with_prefix("judged-")?;
    let copy = dir.path().join("copy.db");
    std::fs::copy(db, &copy).with_context(|| db.display().to_string())?;
    let wal = db.with_file_name(format!("{}-wal", file_name(db)));
    if wal.exists() {
        std::fs::copy(&wal, dir.path().join("copy.db-wal"))?;
    }
    let connection = Connection::open(&copy)?;
    Ok((dir, connection))
}

fn file_name(db: &Path) -> String {
    db.file_name().unwrap_or_default().to_string_lossy().into()
}

/// Runs SQLite's own check on a copy of `db`.
pub fn check_integrity(db: &Path) -> Result<()> {
    let (_dir, connection) = open_copy(db)?;
    integrity(&connection)
}

fn integrity(connection: &Connection) -> Result<()> {
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(check == "ok", "integrity_check: {check}");
    Ok(())
}

impl State {
    /// Reads a restored database of the app. Errors when SQLite's check finds it damaged or a
    /// note is not whole.
    pub fn read(db: &Path) -> Result<Self> {
        let (_dir, connection) = open_copy(db)?;
        integrity(&connection)?;
        let mut rows = BTreeMap::new();
        for (kind, sql) in ROWS {
            let mut statement = connection.prepare(sql)?;
            let mut found = statement.query([])?;
            while let Some(row) = found.next()? {
                let (id, text): (String, String) = (row.get(0)?, row.get(1)?);
                let version = if kind == "note" {
                    version_of(&text)?
                } else {
                    0
                };
                let sha256 = format!("{:x}", HexDigest(Sha256::digest(text).as_slice()));
                rows.insert((kind.to_owned(), id), (version, sha256));
            }
        }
        let torn = "SELECT count(*) FROM Notes WHERE length(title) <> 64";
        let torn: u32 = connection.query_row(torn, [], |row| row.get(0))?;
        ensure!(torn == 0, "{torn} notes have no checksum");
        Ok(Self(rows))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn holds(&self, ack: &Ack) -> Result<bool> {
        let key = (ack.what.clone(), ack.id.clone());
        let Some((version, sha256)) = self.0.get(&key) else {
            return Ok(false);
        };
        ensure!(
            *version != ack.version || *sha256 == ack.sha256,
            "{} {} version {version} came back with other content",
            ack.what,
            ack.id
        );
        Ok(*version >= ack.version)
    }
}

struct HexDigest<'a>(&'a [u8]);

impl fmt::LowerHex for HexDigest<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(to, "{byte:02x}"))
    }
}

/// Lower-case hexadecimal SHA-256.
pub fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", HexDigest(Sha256::digest(bytes).as_slice()))
}

fn version_of(content: &str) -> Result<u64> {
    let line = content.lines().next().unwrap_or_default();
    let number = line
        .strip_prefix("version ")
        .context("a note without version")?;
    Ok(number.parse()?)
}

/// What became of one life's acknowledged writes.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub kept: usize,
    /// For each lost write, how old it was at the kill, in milliseconds, oldest first.
    pub lost_ages_ms: Vec<f64>,
}

/// Compares what was restored with what was acknowledged in the life that ended at `killed_ms`
/// and with what that life began with.
///
/// Errors when anything older than `bound_ms` is lost, when something came back with other
/// content, or when a write came back that followed a lost one.
pub fn judge(
    before: &State,
    acks: &[Ack],
    after: &State,
    killed_ms: f64,
    bound_ms: f64,
) -> Result<Verdict> {
    for (key, (version, sha256)) in &before.0 {
        let found = after.0.get(key);
        ensure!(
            found.is_some_and(|(now, same)| now > version || now == version && same == sha256),
            "{key:?} version {version} was there when this life began; restored: {found:?}"
        );
    }
    let (mut kept, mut lost) = (Vec::new(), Vec::new());
    for ack in acks.iter().filter(|ack| is_judged(ack)) {
        if after.holds(ack)? {
            kept.push(ack);
        } else {
            lost.push(ack);
        }
    }
    lost.sort_by(|a, b| a.at.total_cmp(&b.at));
    if let Some(first) = lost.first() {
        let age_ms = killed_ms - first.at;
        ensure!(
            age_ms <= bound_ms,
            "lost a write acknowledged {age_ms:.0} ms before the kill (bound {bound_ms:.0} ms): \
             {first:?}; {} of {} lost",
            lost.len(),
            acks.len()
        );
        let later = kept.iter().find(|ack| ack.sent > first.at);
        ensure!(
            later.is_none(),
            "not a prefix: {first:?} is lost, but {later:?} is there, which came after it"
        );
    }
    Ok(Verdict {
        kept: kept.len(),
        lost_ages_ms: lost.iter().map(|ack| killed_ms - ack.at).collect(),
    })
}

fn is_judged(ack: &Ack) -> bool {
    ROWS.iter().any(|(kind, _)| *kind == ack.what)
}

/// What a database is beside its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Name and SQL of every table and index.
    pub objects: Vec<(String, String)>,
    pub user_version: i64,
    pub schema_version: i64,
    pub application_id: i64,
}

impl Schema {
    pub fn read(db: &Path) -> Result<Self> {
        let (_dir, connection) = open_copy(db)?;
        let sql = "SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name";
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get(0));
        Ok(Self {
            objects: rows.collect::<Result<_, _>>()?,
            user_version: pragma("user_version")?,
            schema_version: pragma("schema_version")?,
            application_id: pragma("application_id")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(rows: &[(&str, u64, &str)]) -> State {
        let row = |(id, version, sha256): &(&str, u64, &str)| {
            let key = ("note".to_owned(), (*id).to_owned());
            (key, (*version, (*sha256).to_owned()))
        };
        State(rows.iter().map(row).collect())
    }

    /// Sent one millisecond before it was acknowledged.
    fn ack(id: &str, version: u64, sha256: &str, at: f64) -> Ack {
        Ack {
            what: "note".into(),
            id: id.into(),
            version,
            sha256: sha256.into(),
            sent: at - 1.0,
            at,
            wal_bytes: 0,
        }
    }

    const KILLED_MS: f64 = 10_000.0;

    fn verdict(acks: &[Ack], after: &State) -> Result<Verdict> {
        judge(&state(&[("a", 1, "x")]), acks, after, KILLED_MS, 1000.0)
    }

    #[test]
    fn a_young_write_may_be_lost_and_is_counted() {
        let acks = [ack("a", 2, "y", 5000.0), ack("a", 3, "z", 9500.0)];
        let verdict = verdict(&acks, &state(&[("a", 2, "y")])).unwrap();
        assert_eq!((verdict.kept, verdict.lost_ages_ms), (1, vec![500.0]));
    }

    #[test]
    fn an_old_write_may_not_be_lost() {
        let error = verdict(&[ack("a", 2, "y", 8000.0)], &state(&[("a", 1, "x")])).unwrap_err();
        assert!(error.to_string().contains("2000 ms before"), "{error}");
    }

    #[test]
    fn what_was_there_before_may_not_be_lost_or_go_back() {
        assert!(verdict(&[], &state(&[])).is_err());
        assert!(verdict(&[], &state(&[("a", 0, "w")])).is_err());
        assert!(verdict(&[], &state(&[("a", 1, "other")])).is_err());
        assert!(verdict(&[], &state(&[("a", 2, "never acknowledged")])).is_ok());
    }

    #[test]
    fn other_content_under_an_acknowledged_version_is_noticed() {
        let acks = [ack("a", 2, "y", 9900.0)];
        assert!(verdict(&acks, &state(&[("a", 2, "torn")])).is_err());
    }

    #[test]
    fn a_write_kept_after_a_lost_one_is_noticed() {
        let after = state(&[("a", 1, "x"), ("b", 1, "q")]);
        let lost = ack("a", 2, "y", 9500.0);
        let error = verdict(&[lost.clone(), ack("b", 1, "q", 9600.0)], &after).unwrap_err();
        assert!(error.to_string().starts_with("not a prefix"), "{error}");
        // Sent before the lost one was acknowledged: either may have come first.
        assert!(verdict(&[lost, ack("b", 1, "q", 9500.5)], &after).is_ok());
    }
}
