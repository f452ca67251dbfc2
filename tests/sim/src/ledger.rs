//! What the apps did: every commit that was tried, what the database looked like after it, what was
//! acknowledged, and what the sidecars said is durable. Knows nothing of WAL and LTX.

use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The rows of a database, each as a number that stands for its content.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contents {
    rows: BTreeMap<i64, u64>,
    /// The last commit.
    pub head: u64,
}

fn row_digest(id: i64, version: u64, body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (id, version, body).hash(&mut hasher);
    hasher.finish()
}

impl Contents {
    pub fn put(&mut self, id: i64, version: u64, body: &[u8]) {
        self.rows.insert(id, row_digest(id, version, body));
    }

    pub fn remove(&mut self, id: i64) {
        self.rows.remove(&id);
    }

    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.rows, self.head).hash(&mut hasher);
        hasher.finish()
    }

    pub fn head_of(connection: &Connection) -> rusqlite::Result<u64> {
        connection.query_row("SELECT number FROM head", [], |row| {
            row.get::<_, i64>(0).map(|number| number as u64)
        })
    }

    pub fn read(connection: &Connection) -> rusqlite::Result<Contents> {
        let mut contents = Contents {
            head: Contents::head_of(connection)?,
            ..Contents::default()
        };
        let mut statement = connection.prepare("SELECT id, version, body FROM notes")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let body: Vec<u8> = row.get(2)?;
            contents.put(row.get(0)?, row.get::<_, i64>(1)? as u64, &body);
        }
        Ok(contents)
    }
}

#[derive(Debug, Clone, Copy)]
struct Commit {
    parent: u64,
    digest: u64,
}

/// A sidecar said that this commit is durable in the replica.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    pub commit: u64,
    pub txid: u64,
    pub machine: u32,
}

#[derive(Default)]
struct Inner {
    /// Every commit that was tried. 0 is the empty database.
    commits: BTreeMap<u64, Commit>,
    numbers: u64,
    /// By machine: the last commit that its app was told of, or found when it opened the database.
    current: BTreeMap<u32, u64>,
    claims: Vec<Claim>,
}

/// A handle: clones are the same book.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Inner>>);

impl Ledger {
    pub fn new() -> Ledger {
        let ledger = Ledger::default();
        ledger.tries(0, 0, Contents::default().digest());
        ledger
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn next_number(&self) -> u64 {
        let mut inner = self.inner();
        inner.numbers += 1;
        inner.numbers
    }

    pub fn tries(&self, number: u64, parent: u64, digest: u64) {
        self.inner()
            .commits
            .insert(number, Commit { parent, digest });
    }

    /// The app of that machine was told that the commit is done.
    pub fn acknowledged(&self, machine: u32, number: u64) {
        self.inner().current.insert(machine, number);
    }

    /// What an app found in the database that it opened. `forgets`: its disk may have lost what
    /// was not synced, and then nobody can ask for it any more.
    pub fn found(&self, machine: u32, number: u64, forgets: bool) {
        self.inner().current.insert(machine, number);
        if forgets {
            let claims = std::mem::take(&mut self.inner().claims);
            let kept = claims
                .into_iter()
                .filter(|claim| claim.machine != machine || self.leads_to(claim.commit, number));
            let kept = kept.collect();
            self.inner().claims = kept;
        }
    }

    pub fn current(&self, machine: u32) -> u64 {
        let inner = self.inner();
        inner.current.get(&machine).copied().unwrap_or_default()
    }

    pub fn commits(&self) -> u64 {
        self.inner().numbers
    }

    pub fn claims(&self, claim: Claim) {
        self.inner().claims.push(claim);
    }

    /// Is `older` among what led to `newer`?
    pub fn leads_to(&self, older: u64, newer: u64) -> bool {
        let inner = self.inner();
        let mut at = newer;
        while at > older {
            match inner.commits.get(&at) {
                Some(commit) => at = commit.parent,
                None => return false,
            }
        }
        at == older
    }

    /// All that led to this commit, and itself.
    fn led_to(&self, head: u64) -> BTreeSet<u64> {
        let inner = self.inner();
        let parent = |at: &u64| inner.commits.get(at).map(|commit| commit.parent);
        let before = |at: &u64| parent(at).filter(|_| *at > 0);
        std::iter::successors(Some(head), before).collect()
    }

    /// What was claimed so far.
    pub fn claimed(&self) -> Vec<Claim> {
        self.inner().claims.clone()
    }

    /// Judges a database: is it what some commit left, and does it hold all of `claims`?
    ///
    /// Errors: what is wrong with it.
    pub fn judge(&self, contents: &Contents, claims: &[Claim]) -> Result<(), String> {
        let head = contents.head;
        let known = self.inner().commits.get(&head).copied();
        let Some(commit) = known else {
            return Err(format!(
                "it says that commit {head} was the last, which was never tried"
            ));
        };
        if commit.digest != contents.digest() {
            return Err(format!("its rows are not those that commit {head} left"));
        }
        let led_here = self.led_to(head);
        for claim in claims {
            if !led_here.contains(&claim.commit) {
                return Err(format!(
                    "commit {} was said to be durable (TXID {}, machine {}), and is not part of \
                     commit {head}",
                    claim.commit, claim.txid, claim.machine
                ));
            }
        }
        Ok(())
    }
}
