//! An hour of HedgeDoc, as long or short as one likes: people type for some minutes, each note
//! they touch is saved whole once a second, and then nothing happens for some minutes.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use rusqlite::{Connection, params};

const HOUR: Duration = Duration::from_secs(3600);
/// HedgeDoc's dirty loop.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// Notes in the wiki, and the revisions that they have had.
const NOTES: u32 = 40;
const REVISIONS: usize = 200;
/// A save is 1 to 25 frames of the WAL.
const MAX_NOTE_BYTES: usize = 88_000;
const MIN_NOTE_BYTES: usize = 500;
/// How long people type, and how long they are away, in seconds of the hour.
const TYPING_S: std::ops::Range<u64> = 40..200;
const AWAY_S: std::ops::Range<u64> = 90..420;
/// Of the seconds in which somebody types, those in which a note has changed.
const CHANGED: f64 = 0.7;

/// One commit of the app.
#[derive(Clone, Debug, PartialEq)]
pub enum Commit {
    /// The whole note again, and its writer's history.
    Note {
        note: u32,
        bytes: usize,
    },
    Revision {
        note: u32,
        bytes: usize,
    },
    Session,
}

/// A commit and when it comes, from the beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub at: Duration,
    pub commit: Commit,
}

/// The hour in `length`, with the first minutes of it typing. The same seed is the same hour.
pub fn hour(seed: u64, length: Duration) -> Vec<Event> {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut sizes: Vec<usize> = (0..NOTES).map(|_| note_bytes(&mut chance)).collect();
    let mut events = Vec::new();
    let mut now = Duration::ZERO;
    let speed = length.as_secs_f64() / HOUR.as_secs_f64();
    let mut push = |at: Duration, commit| {
        let at = at.mul_f64(speed);
        events.push(Event { at, commit });
    };
    while now < HOUR {
        let end = now + Duration::from_secs(chance.random_range(TYPING_S));
        let people = chance.random_range(1..=3);
        let touched: Vec<u32> = (0..people).map(|_| chance.random_range(0..NOTES)).collect();
        push(now, Commit::Session);
        while now < end.min(HOUR) {
            for &note in &touched {
                if chance.random_bool(CHANGED) {
                    sizes[note as usize] =
                        (sizes[note as usize] + chance.random_range(0..40)).min(MAX_NOTE_BYTES);
                    let bytes = sizes[note as usize];
                    push(now, Commit::Note { note, bytes });
                }
            }
            now += SAVE_EVERY;
        }
        for &note in &touched {
            let bytes = 300 + sizes[note as usize] / 10;
            push(now, Commit::Revision { note, bytes });
        }
        now += Duration::from_secs(chance.random_range(AWAY_S));
    }
    events
}

/// Makes the wiki's database, with its notes and their revisions in it. The same seed makes the
/// same rows.
pub fn create(db: &Path, seed: u64) -> Result<()> {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut connection = Connection::open(db)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         CREATE TABLE Notes(id INTEGER PRIMARY KEY, content TEXT, updatedAt REAL);
         CREATE TABLE Revisions(id INTEGER PRIMARY KEY, noteId INTEGER, patch TEXT, createdAt REAL);
         CREATE INDEX revisionsOfNotes ON Revisions(noteId);
         CREATE TABLE Sessions(id INTEGER PRIMARY KEY, data TEXT, expires REAL)",
    )?;
    let transaction = connection.transaction()?;
    for note in 0..NOTES {
        let bytes = note_bytes(&mut chance);
        let sql = "INSERT INTO Notes VALUES (?, ?, 0)";
        transaction.execute(sql, params![note, prose(&mut chance, bytes)])?;
    }
    for _ in 0..REVISIONS {
        let note = chance.random_range(0..NOTES);
        let bytes = note_bytes(&mut chance) / 10;
        let sql = "INSERT INTO Revisions(noteId, patch, createdAt) VALUES (?, ?, 0)";
        transaction.execute(sql, params![note, prose(&mut chance, bytes)])?;
    }
    transaction.commit()?;
    Ok(())
}

/// Many small notes, some long ones.
fn note_bytes(chance: &mut impl Rng) -> usize {
    let span = (MAX_NOTE_BYTES - MIN_NOTE_BYTES) as f64;
    MIN_NOTE_BYTES + (span * chance.random::<f64>().powi(3)) as usize
}

/// Prose: it compresses as notes do, to about half.
pub fn prose(chance: &mut impl Rng, bytes: usize) -> String {
    const SYLLABLES: [&str; 24] = [
        "an", "ber", "ci", "do", "el", "fra", "go", "hin", "is", "ja", "kel", "lo", "mi", "nor",
        "ost", "pra", "qui", "re", "sa", "tum", "ul", "ver", "wen", "zo",
    ];
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        for _ in 0..chance.random_range(1..5) {
            text += SYLLABLES[chance.random_range(0..SYLLABLES.len())];
        }
        text += if chance.random_bool(0.1) { ".\n" } else { " " };
    }
    text.truncate(bytes);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_typing_and_idle_stretches_and_is_the_same_for_the_same_seed() {
        let length = Duration::from_secs(120);
        let events = hour(7, length);
        assert_eq!(events, hour(7, length));
        assert!(events.windows(2).all(|pair| pair[0].at <= pair[1].at));
        let minutes = |duration: Duration| duration.as_secs_f64() * 30.0 / 60.0;
        let gaps = events
            .windows(2)
            .map(|pair| minutes(pair[1].at - pair[0].at));
        let idle: f64 = gaps.filter(|gap| *gap > 1.0).sum();
        assert!((20.0..55.0).contains(&idle), "idle for {idle} minutes");
        assert!(events.len() > 500, "{} commits", events.len());
    }
}
