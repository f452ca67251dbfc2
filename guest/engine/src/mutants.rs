//! Deliberate faults, for the simulator to find (`make mutants`). Without the feature `mutants`,
//! which no release has, none of them is in the program.

#[cfg(feature = "mutants")]
use std::sync::atomic::{AtomicU32, Ordering};

/// What is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Mutant {
    /// Objects are sent without create-if-absent.
    NoCondition = 1,
    /// An answer that was lost counts as success.
    LostIsStored,
    /// Whatever is there at our TXID counts as ours.
    AnyIsOurs,
    /// Who is fenced goes on.
    GoesOnFenced,
    /// After standing still, nobody looks whether others went on.
    NeverLooks,
    /// The checkpoint that goes with an object copies what that had no room for.
    CheckpointTooFar,
    /// A sealed object that the store did not take is dropped.
    SealForgotten,
    /// A WAL that began anew in our absence is taken for one that was shipped to its end.
    RestartUnseen,
    /// A WAL that lost its tail with the power is taken for the one that was shipped.
    OldWalTrusted,
    /// Objects end between two commits.
    CutAnywhere,
    /// The WAL-index is believed while it is half written.
    TornIndex,
    /// After an absence the database is not compared.
    NoComparison,
    /// A database that shrank keeps its old length.
    ShrinkForgotten,
    /// Everything counts as durable when a call ends.
    ClaimsEarly,
    /// A page of each transaction is not merged.
    MergeForgets,
    /// Level 0 is deleted before it is merged.
    DeletesUnmerged,
    /// At the edge: what is known counts as the newest, however old it is.
    NeverAsks,
}

/// Those that the edge has, too or alone.
pub const EDGE: [Mutant; 6] = [
    Mutant::NoCondition,
    Mutant::LostIsStored,
    Mutant::AnyIsOurs,
    Mutant::NeverLooks,
    Mutant::DeletesUnmerged,
    Mutant::NeverAsks,
];

/// Those of the sidecar, in the order of their numbers.
pub const SIDECAR: [Mutant; 16] = [
    Mutant::NoCondition,
    Mutant::LostIsStored,
    Mutant::AnyIsOurs,
    Mutant::GoesOnFenced,
    Mutant::NeverLooks,
    Mutant::CheckpointTooFar,
    Mutant::SealForgotten,
    Mutant::RestartUnseen,
    Mutant::OldWalTrusted,
    Mutant::CutAnywhere,
    Mutant::TornIndex,
    Mutant::NoComparison,
    Mutant::ShrinkForgotten,
    Mutant::ClaimsEarly,
    Mutant::MergeForgets,
    Mutant::DeletesUnmerged,
];

#[cfg(feature = "mutants")]
static CHOSEN: AtomicU32 = AtomicU32::new(0);

/// The mutant of that number from now on; 0: none.
#[cfg(feature = "mutants")]
pub fn choose(number: u32) {
    CHOSEN.store(number, Ordering::Relaxed);
}

/// Is this the fault that was chosen?
#[cfg(feature = "mutants")]
pub(crate) fn is(mutant: Mutant) -> bool {
    CHOSEN.load(Ordering::Relaxed) == mutant as u32
}

#[cfg(not(feature = "mutants"))]
pub(crate) const fn is(_: Mutant) -> bool {
    false
}
