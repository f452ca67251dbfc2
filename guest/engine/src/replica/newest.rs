//! Makes sure that the tip is still the newest transaction of the replica.
//!
//! A create-if-absent that succeeds proves it, but only as long as somebody else's object of the
//! next TXID cannot have been merged and deleted again. Who stood still for longer than objects
//! of level 0 stay (a stopped process, a machine that slept) must look.

use super::error::Error;
use super::{Replicator, State};
use crate::ltx::ObjectName;
use crate::mutants::{self, Mutant};
use crate::ports::Objects;
use crate::restore::Source;
use crate::units::{Level, Txid};

/// How long Litestream, and Seawall if nothing else was set, keeps merged objects of level 0.
const USUAL_STAY_MS: u64 = 5 * 60_000;

impl<O: Objects> Replicator<O> {
    /// How long an object of level 0 stays at least, whoever wrote it: all writers of a replica are
    /// expected to have the same settings.
    fn stay_ms(&self) -> u64 {
        let schedule = &self.settings.schedule;
        let stay = match schedule.shipped_retention {
            0 => USUAL_STAY_MS,
            stay => stay.min(USUAL_STAY_MS),
        };
        stay.min(schedule.snapshot_retention)
    }

    /// To be called before anything is written or deleted. Sends a request only if the tip was not
    /// known to be the newest for some time.
    pub(super) async fn ensure_newest(&self) -> Result<(), Error> {
        self.look_if_older(self.stay_ms() / 2).await
    }

    /// To be called when a create-if-absent succeeded, however long that took.
    pub(super) async fn ensure_won(&self) -> Result<(), Error> {
        self.look_if_older(self.stay_ms()).await
    }

    async fn look_if_older(&self, limit_ms: u64) -> Result<(), Error> {
        let now = self.environment.now_ms();
        let known = self.with(|state| {
            let tip = state.tip.as_ref()?;
            Some((tip.txid, tip.newest_ms))
        });
        let Some((txid, newest_ms)) = known else {
            return Ok(());
        };
        // A clock that was put back proves nothing.
        if now
            .checked_sub(newest_ms)
            .is_some_and(|age| age <= limit_ms)
            || mutants::is(Mutant::NeverLooks)
        {
            return Ok(());
        }
        let found = self.newest_after(txid).await?;
        let next = self.with(|state| {
            match &mut state.tip {
                Some(tip) if tip.txid == txid && found.is_none() => tip.newest_ms = now,
                _ => {}
            }
            state.tip_txid().next()
        });
        // Whose the next one is, its create-if-absent tells.
        match found.filter(|found| found.max > next) {
            Some(newest) => {
                let theirs = self.read_header(&newest).await?;
                Err(self.with(|state| self.disown(state, newest.max, theirs.node)))
            }
            None => Ok(()),
        }
    }

    /// The newest object of level 0 after `txid`.
    async fn newest_after(&self, txid: Txid) -> Result<Option<ObjectName>, Error> {
        let layout = self.settings.layout;
        let after = (txid > Txid::ZERO).then(|| layout.key(&ObjectName::shipped(txid)));
        let source = Source::new(&self.objects, &*self.environment, layout);
        let entries = source.list_after(Level::SHIPPED, after).await?;
        let names = entries.iter().filter_map(|entry| layout.parse(&entry.key));
        Ok(names.max_by_key(|name| name.max))
    }

    /// The replica went on with an object of `node` that is not the pending one.
    pub(super) fn disown(&self, state: &mut State, txid: Txid, node: u64) -> Error {
        state.pending = None;
        if node == self.writer || mutants::is(Mutant::GoesOnFenced) {
            // An earlier attempt of ours that was given up has arrived after all.
            state.forget_tip();
            return Error::Busy(format!(
                "TXID {txid}: an earlier attempt of ours arrived late; finding the position again"
            ));
        }
        let author = match node {
            0 => "Litestream or another program".to_owned(),
            node => format!("the writer {node:016x}"),
        };
        state.fenced = Some((txid, author.clone()));
        Error::Fenced { txid, author }
    }
}
