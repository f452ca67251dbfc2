//! Which files of a Litestream 0.3 backup to read, and in what order.
//!
//! Pure. How long a segment is shows only when it is inflated; until then two of them follow one
//! another if the names allow it.

use std::fmt;

use crate::ports::Entry;
use crate::restore::generations::backups::{Backups, History, Segment, Snapshot};
use crate::restore::generations::name::{Generation, WalIndex};
use crate::restore::moment::Moment;

/// A snapshot and the WALs to apply to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerationPlan {
    pub generation: Generation,
    pub snapshot: Snapshot,
    /// In the order in which they are applied.
    pub segments: Vec<Segment>,
    /// Another generation that has newer segments, though its snapshots are older: two programs
    /// wrote to the replica at the same time.
    pub newer_elsewhere: Option<Generation>,
    /// The segment after the last one, when the wanted time lies between the two. If something is
    /// missing before it, nobody knows whether that came before the wanted time.
    next: Option<Segment>,
    oldest: Moment,
}

/// Times that can be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub oldest: Moment,
    pub newest: Moment,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.oldest, self.newest)
    }
}

/// Where a line of segments is broken. Offsets are bytes of the WAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// Nothing is there of these.
    Wals { first: WalIndex, last: WalIndex },
    /// These bytes are missing.
    Bytes {
        index: WalIndex,
        from: u64,
        until: u64,
    },
    /// These bytes are there twice.
    Overlap {
        index: WalIndex,
        from: u64,
        until: u64,
    },
    /// Two segments begin here.
    Twice { index: WalIndex, offset: u64 },
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Break::Wals { first, last } if first == last => write!(f, "WAL {first} is missing"),
            Break::Wals { first, last } => write!(f, "WALs {first} to {last} are missing"),
            Break::Bytes { index, from, until } => {
                write!(f, "bytes {from} to {until} of WAL {index} are missing")
            }
            Break::Overlap { index, from, until } => {
                write!(f, "bytes {from} to {until} of WAL {index} are there twice")
            }
            Break::Twice { index, offset } => {
                write!(f, "two segments of WAL {index} begin at byte {offset}")
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerationError {
    #[error("no matching backup files available")]
    Empty,
    #[error("nothing was backed up by {wanted}; times that can be restored: {span}")]
    TooEarly { wanted: Moment, span: Span },
    #[error(
        "generation {generation} has WAL segments up to {newest}, but no snapshot to apply them to{}",
        others(.span)
    )]
    NoSnapshot {
        generation: Generation,
        newest: Moment,
        span: Option<Span>,
    },
    #[error(
        "generation {generation}: {what}, before {next}{}",
        others(.span)
    )]
    Broken {
        generation: Generation,
        what: Break,
        /// The key of the segment that cannot be applied.
        next: String,
        span: Option<Span>,
    },
}

fn others(span: &Option<Span>) -> String {
    match span {
        Some(span) => format!("; times that can be restored: {span}"),
        None => "; no time can be restored".to_owned(),
    }
}

impl GenerationPlan {
    /// The files to read, in order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let segments = self.segments.iter().map(|segment| &segment.entry);
        std::iter::once(&self.snapshot.entry).chain(segments)
    }

    /// Of all files together.
    pub fn bytes(&self) -> u64 {
        self.entries().map(|entry| entry.size).sum()
    }

    /// When the newest file came, Unix milliseconds.
    pub fn reached_ms(&self) -> u64 {
        let newest = self
            .segments
            .last()
            .map(|segment| segment.entry.modified_ms);
        newest.unwrap_or(0).max(self.snapshot.entry.modified_ms)
    }

    /// The segment that must go on where segment `number` ends, whether it is to be applied or not.
    pub(super) fn after(&self, number: usize) -> Option<&Segment> {
        self.segments.get(number + 1).or(self.next.as_ref())
    }

    /// The key of the planned segment that holds this byte of a WAL, or is the last one before it.
    pub(super) fn key_at(&self, index: WalIndex, offset: u64) -> &str {
        let at = |segment: &Segment| (segment.index, segment.offset) <= (index, offset);
        let after = self.segments.partition_point(at);
        let segment = after.checked_sub(1).map(|at| &self.segments[at].entry);
        &segment.unwrap_or(&self.snapshot.entry).key
    }

    /// What is wrong when segment `number` ends at byte `end`, if anything is.
    pub(super) fn check_end(&self, number: usize, end: u64) -> Result<(), GenerationError> {
        let index = self.segments[number].index;
        let following = self.after(number).filter(|next| next.index == index);
        let Some(next) = following.filter(|next| next.offset != end) else {
            return Ok(());
        };
        let (from, until) = (end.min(next.offset), end.max(next.offset));
        let what = if end < next.offset {
            Break::Bytes { index, from, until }
        } else {
            Break::Overlap { index, from, until }
        };
        Err(self.broken(what, self.segments.get(number), next))
    }

    /// `before`: the last segment that can be applied.
    fn broken(&self, what: Break, before: Option<&Segment>, next: &Segment) -> GenerationError {
        let snapshot_ms = self.snapshot.entry.modified_ms;
        let before_ms = before.map(|segment| segment.entry.modified_ms);
        // A snapshot holds the beginning of its WAL, which is older than the snapshot's time: if
        // the WAL breaks off before that time, only earlier snapshots lead to a known state.
        let newest = before_ms.filter(|&before| before >= snapshot_ms);
        let newest = Moment(newest.unwrap_or(snapshot_ms.saturating_sub(1)));
        let oldest = self.oldest;
        GenerationError::Broken {
            generation: self.generation,
            what,
            next: next.entry.key.clone(),
            span: (oldest <= newest).then_some(Span { oldest, newest }),
        }
    }
}

/// The newest snapshot of all generations, and the segments that lead on from it.
///
/// With `until_ms` (Unix time) only what was there by then; it need not be the time of a file.
/// Segments count up to the first one that came later.
pub fn plan(backups: &Backups, until_ms: Option<u64>) -> Result<GenerationPlan, GenerationError> {
    let until = until_ms.unwrap_or(u64::MAX);
    let newest = backups
        .generations()
        .filter_map(|(name, history)| Some((name, history, history.snapshot(until)?)))
        .max_by_key(|(_, _, snapshot)| (snapshot.entry.modified_ms, snapshot.index));
    let (Some((generation, history, snapshot)), Some(span)) = (newest, span(backups)) else {
        return Err(nothing(backups, until_ms));
    };
    let mut plan = GenerationPlan {
        generation,
        snapshot: snapshot.clone(),
        segments: Vec::new(),
        newer_elsewhere: None,
        next: None,
        oldest: span.oldest,
    };
    let begin = |segment: &Segment| segment.index < snapshot.index;
    let begin = history.segments.partition_point(begin);
    for segment in &history.segments[begin..] {
        let before = plan.segments.last();
        let late = segment.entry.modified_ms > until;
        let what = broken(snapshot, before, segment);
        // The time of a segment itself: whatever is missing after that one does not matter.
        let settled = before.is_some_and(|before| until <= before.entry.modified_ms);
        if settled && (late || what.is_some()) {
            break;
        }
        if let Some(what) = what {
            return Err(plan.broken(what, before, segment));
        }
        if late {
            plan.next = Some(segment.clone());
            break;
        }
        plan.segments.push(segment.clone());
    }
    plan.newer_elsewhere = newer_elsewhere(backups, &plan, until)?;
    Ok(plan)
}

/// What keeps a segment from being applied after the one before it, or after the snapshot.
fn broken(snapshot: &Snapshot, before: Option<&Segment>, next: &Segment) -> Option<Break> {
    let index = next.index;
    // The WAL that has to go on, or else the one that has to begin.
    let begins = match before {
        Some(before) if before.index == index => {
            let offset = next.offset;
            return (before.offset == offset).then_some(Break::Twice { index, offset });
        }
        Some(before) => before.index.next()?,
        None => snapshot.index,
    };
    if begins < index {
        let last = WalIndex(index.0 - 1);
        return Some(Break::Wals {
            first: begins,
            last,
        });
    }
    (next.offset > 0).then_some(Break::Bytes {
        index,
        from: 0,
        until: next.offset,
    })
}

/// From the oldest snapshot to the newest file of a generation that has any.
fn span(backups: &Backups) -> Option<Span> {
    let whole = |(_, history): &(Generation, &History)| !history.snapshots.is_empty();
    let snapshots = backups
        .generations()
        .flat_map(|(_, history)| &history.snapshots);
    let oldest = snapshots.map(|snapshot| snapshot.entry.modified_ms).min()?;
    let newest = backups.generations().filter(whole);
    let newest = newest.filter_map(|(_, history)| history.newest_ms(u64::MAX));
    Some(Span {
        oldest: Moment(oldest),
        newest: Moment(newest.max().unwrap_or(oldest)),
    })
}

/// Why there is no snapshot.
fn nothing(backups: &Backups, until_ms: Option<u64>) -> GenerationError {
    if let (Some(wanted), Some(span)) = (until_ms.map(Moment), span(backups)) {
        return GenerationError::TooEarly { wanted, span };
    }
    let newest = backups
        .generations()
        .filter_map(|(name, history)| Some((history.newest_ms(u64::MAX)?, name)))
        .max();
    match newest {
        Some((newest, generation)) => GenerationError::NoSnapshot {
            generation,
            newest: Moment(newest),
            span: None,
        },
        None => GenerationError::Empty,
    }
}

/// Whether another generation has something that the plan passes over. If that cannot be restored,
/// what can be is not the newest state, and must not be taken for it.
fn newer_elsewhere(
    backups: &Backups,
    plan: &GenerationPlan,
    until: u64,
) -> Result<Option<Generation>, GenerationError> {
    let reached = plan.reached_ms();
    let mut newer = None;
    for (generation, history) in backups.generations() {
        let newest = history.newest_ms(until).filter(|&newest| newest > reached);
        let Some(newest) = newest.filter(|_| generation != plan.generation) else {
            continue;
        };
        if history.snapshot(until).is_none() {
            return Err(GenerationError::NoSnapshot {
                generation,
                newest: Moment(newest),
                span: Some(Span {
                    oldest: plan.oldest,
                    newest: Moment(reached),
                }),
            });
        }
        newer = newer.max(Some((newest, generation)));
    }
    Ok(newer.map(|(_, generation)| generation))
}
