//! Sends a transaction: one object at the next TXID, created by us or not at all.

use super::head::{FOLLOW_MS, STAY_MS};
use super::upkeep::Pending;
use super::{Edge, EdgeError, PageMap};
use crate::ltx::header::{HEADER_BYTES, WAL_HEADER_BYTES};
use crate::ltx::{
    EncodeError, Encoder, Extra, Header, Index, IndexEntry, IndexError, ObjectName, Parsed,
    Rolling, page_checksum,
};
use crate::mutants::{self, Mutant};
use crate::ports::{ByteRange, Condition, LogLevel, ObjectError, Objects};
use crate::restore::RestoreError;
use crate::units::{Level, Pgno, Txid};
use futures::StreamExt;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How often a `put` whose answer was lost is tried again before the caller is told that nobody
/// knows. Each try is given up after half a minute at most.
const SETTLE_TRIES: usize = 4;

/// Old pages read at once for the database's checksum.
const READ_AT_ONCE: usize = 8;

/// Pages whose old version is fetched for the database's checksum, at most. They are in the cache
/// already, but for those that are cut off; beyond this the checksum is given up.
const CHECKSUM_PAGES: usize = 4096;

/// What a transaction changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The database's length after it, pages.
    pub pages: u32,
    pub set: BTreeMap<Pgno, Vec<u8>>,
}

impl<O: Objects> Edge<O> {
    /// Makes `changes` the transaction after `base`, durably.
    ///
    /// Errors: [`EdgeError::Conflict`] when there is another transaction after `base` already. After
    /// any error but [`EdgeError::UnknownOutcome`] nothing took effect.
    pub async fn commit(
        &self,
        base: &Rc<PageMap>,
        changes: Changes,
    ) -> Result<Rc<PageMap>, EdgeError> {
        if self.settings.read_only {
            return Err(EdgeError::ReadOnly);
        }
        let newest_ms = self.check_base(base).await?;
        let changes = self.complete(base, changes);
        let header = self.transaction(base, &changes).await?;
        let (body, index) = encode(&header, &changes)?;
        let began = self.environment.now_ms();
        self.send(&header, body).await?;
        self.check_won(&header, newest_ms).await?;
        self.upkeep.update(Pending::committed);
        let name = ObjectName::shipped(header.max);
        for (pgno, page) in changes.set {
            self.hold(name, pgno, page.into());
        }
        let mut map = Rc::clone(base);
        Rc::make_mut(&mut map).apply(name, &header, index);
        Ok(self.confirm(map, began))
    }

    /// A create-if-absent proves that nobody else committed only as long as nobody else's object
    /// can have been merged and deleted again. Returns when `base` certainly was the newest.
    async fn check_base(&self, base: &PageMap) -> Result<u64, EdgeError> {
        let known = self.head.borrow().clone();
        let now = self.environment.now_ms();
        let recent = known
            .as_ref()
            .and_then(|head| now.checked_sub(head.confirmed_ms));
        let (newest, newest_ms) = match known {
            Some(head) if recent.is_some_and(|age| age < FOLLOW_MS) => {
                (head.map.txid(), head.confirmed_ms)
            }
            _ => (self.confirmed().await?.txid(), now),
        };
        match newest == base.txid() || mutants::is(Mutant::NeverLooks) {
            true => Ok(newest_ms),
            false => Err(EdgeError::Conflict(base.txid().next())),
        }
    }

    /// The same after the create-if-absent succeeded, however long that took: an instance that
    /// stood still meanwhile may have come too late.
    async fn check_won(&self, sent: &Header, newest_ms: u64) -> Result<(), EdgeError> {
        let age = self.environment.now_ms().checked_sub(newest_ms);
        if age.is_some_and(|age| age < STAY_MS) || mutants::is(Mutant::NeverLooks) {
            return Ok(());
        }
        let after = Some(self.key(sent.max));
        let unknown = match self.source().list_after(Level::SHIPPED, after).await {
            Ok(newer) if newer.is_empty() => return Ok(()),
            Ok(_) => ObjectError::Invalid(
                "this instance stood still for minutes, and others went on meanwhile".to_owned(),
            ),
            Err(RestoreError::List { source, .. }) => source,
            Err(error) => ObjectError::Invalid(error.to_string()),
        };
        self.forget();
        Err(EdgeError::UnknownOutcome {
            txid: sent.max,
            source: unknown,
        })
    }

    /// Pages that came into being and were never written are zeros; a first object holds all.
    fn complete(&self, base: &PageMap, mut changes: Changes) -> Changes {
        let lock = base.page_size().lock_page();
        for number in base.pages() + 1..=changes.pages {
            let pgno = Pgno(number);
            if pgno != lock {
                let zeros = || vec![0; base.page_size().bytes()];
                changes.set.entry(pgno).or_insert_with(zeros);
            }
        }
        changes.set.retain(|pgno, _| pgno.0 <= changes.pages);
        changes
    }

    async fn transaction(&self, base: &PageMap, changes: &Changes) -> Result<Header, EdgeError> {
        let txid = base.txid().next();
        let now = self.environment.now_ms() as i64;
        Ok(Header {
            page_size: base.page_size(),
            commit: changes.pages,
            min: txid,
            max: txid,
            // Restores by time count on times that never go back.
            timestamp_ms: now.max(base.header.timestamp_ms),
            wal_offset: WAL_HEADER_BYTES,
            wal_size: 0,
            salts: (0, 0),
            node: self.settings.writer,
            extra: Extra {
                database_checksum: self.checksum(base, changes).await?,
                wal_checksum: (0, 0),
                epoch: 0,
            },
        })
    }

    /// Of the database after the changes; `None`: it was not known before.
    async fn checksum(&self, base: &PageMap, changes: &Changes) -> Result<Option<u64>, EdgeError> {
        let mut rolling = match (base.txid(), base.header.extra.database_checksum) {
            (Txid::ZERO, _) => Rolling::new(),
            (_, Some(checksum)) => Rolling::from_value(checksum),
            (_, None) => return Ok(None),
        };
        let changed = changes.set.keys().map(|pgno| pgno.0);
        let cut = changes.pages + 1..=base.pages();
        let old: Vec<u32> = changed
            .filter(|pgno| *pgno <= base.pages())
            .chain(cut)
            .collect();
        if old.len() > CHECKSUM_PAGES.max(changes.set.len()) {
            return Ok(None);
        }
        // A page that no object has counts as none.
        let old = old
            .into_iter()
            .map(Pgno)
            .filter(|pgno| base.slot(*pgno).is_some());
        let reads = old.map(|pgno| async move { (pgno, self.page(base, pgno).await) });
        let mut reads = futures::stream::iter(reads).buffer_unordered(READ_AT_ONCE);
        let mut outcome = Ok(());
        // All that were begun are waited for: nothing is left in flight.
        while let Some((pgno, page)) = reads.next().await {
            match page {
                Ok(page) => rolling.remove(page_checksum(pgno, &page)),
                Err(error) => outcome = Err(error),
            }
        }
        outcome?;
        for (pgno, page) in &changes.set {
            rolling.replace(0, page_checksum(*pgno, page));
        }
        Ok(Some(rolling.value()))
    }

    /// Until the object is there for certain, or certainly is not.
    async fn send(&self, header: &Header, body: Vec<u8>) -> Result<(), EdgeError> {
        let key = self.key(header.max);
        let created = header.timestamp_ms as u64;
        let mut tries = 0;
        loop {
            tries += 1;
            let absent = match mutants::is(Mutant::NoCondition) {
                false => Condition::IfAbsent,
                true => Condition::None,
            };
            let put = self.objects.put(&key, body.clone(), absent, created).await;
            let lost = match put {
                Ok(_) => return Ok(()),
                Err(ObjectError::UnknownOutcome(_)) if mutants::is(Mutant::LostIsStored) => {
                    return Ok(());
                }
                Err(ObjectError::PreconditionFailed(_)) => match self.is_ours(header).await {
                    Ok(true) => return Ok(()),
                    Ok(false) => return Err(EdgeError::Conflict(header.max)),
                    Err(error) => error,
                },
                Err(error @ ObjectError::UnknownOutcome(_)) => error,
                // A try before may still have had its effect.
                Err(error) if tries > 1 => error,
                Err(error) => return Err(EdgeError::Store(error)),
            };
            if tries == SETTLE_TRIES {
                let txid = header.max;
                self.forget();
                return Err(EdgeError::UnknownOutcome { txid, source: lost });
            }
            let message = format!("{key}: {lost}; trying the same again");
            self.environment.log(LogLevel::Warn, &message);
        }
    }

    /// Whether the object that is there is the one that was sent.
    async fn is_ours(&self, header: &Header) -> Result<bool, ObjectError> {
        let range = ByteRange {
            offset: 0,
            length: HEADER_BYTES as u64,
        };
        let found = self.objects.get(&self.key(header.max), Some(range)).await?;
        let same = header.encode().is_ok_and(|ours| ours[..] == found[..]);
        Ok(same || mutants::is(Mutant::AnyIsOurs))
    }
}

fn encode(header: &Header, changes: &Changes) -> Result<(Vec<u8>, Vec<IndexEntry>), EdgeError> {
    let raw = changes.set.len() * header.page_size.bytes();
    let mut body = Vec::with_capacity(raw / 2 + 1024);
    let mut encoder = Encoder::new(*header)?;
    for (pgno, page) in &changes.set {
        encoder.page(*pgno, page, &mut body)?;
    }
    let summary = encoder.finish(&mut body)?;
    match Index::parse(&body, summary.size).map_err(EncodeError::from)? {
        Parsed::Complete(index) => Ok((body, index.entries)),
        Parsed::NeedMore(_) => Err(EncodeError::from(IndexError::EndMark).into()),
    }
}
