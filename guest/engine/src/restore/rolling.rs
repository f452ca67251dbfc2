//! Brings the page checksums of a database from one transaction to the newest, without the pages.

use crate::ltx::{Event, Header, Layout, page_checksum};
use crate::ports::{Environment, LogLevel, Objects};
use crate::restore::error::RestoreError;
use crate::restore::fetch::Source;
use crate::restore::pages::{MAX_PAGES, TooLarge};
use crate::restore::plan::{Listing, Target, plan};
use crate::restore::reading::read_all;
use crate::restore::{DEFAULT_PARALLELISM, REPLANS};
use crate::units::Txid;

/// Where the checksums are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rolled {
    pub txid: Txid,
    /// The database's length, pages.
    pub commit: u32,
    /// Of the newest object; `None` if there was nothing to apply.
    pub header: Option<Header>,
    pub downloaded_bytes: u64,
    pub requests: u64,
}

/// Applies what came after `from` to `checksums`, which are those of the database at `from`.
///
/// Every object is read whole and its file checksum verified. After an error the checksums are of
/// no use.
pub async fn roll_forward<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    layout: Layout,
    listing: &Listing,
    from: Txid,
    checksums: &mut Vec<u64>,
) -> Result<Rolled, RestoreError> {
    let source = Source::new(objects, environment, layout);
    let mut roll = Roll {
        source: &source,
        txid: from,
        header: None,
        checksums,
    };
    let (mut replans, mut again) = (0..REPLANS, None);
    loop {
        match roll.over(again.as_ref().unwrap_or(listing)).await {
            Err(error) if error.is_worth_a_new_listing() && replans.next().is_some() => {
                let message = format!("{error}; listing the replica again");
                environment.log(LogLevel::Warn, &message);
                again = Some(source.list().await?);
            }
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    Ok(Rolled {
        txid: roll.txid,
        commit: roll.checksums.len() as u32,
        header: roll.header,
        downloaded_bytes: source.downloaded_bytes(),
        requests: source.requests(),
    })
}

struct Roll<'a, O> {
    source: &'a Source<'a, O>,
    /// The newest transaction that was applied in full.
    txid: Txid,
    header: Option<Header>,
    checksums: &'a mut Vec<u64>,
}

impl<O: Objects> Roll<'_, O> {
    async fn over(&mut self, listing: &Listing) -> Result<(), RestoreError> {
        let plan = plan(listing, Some(self.txid), Target::Latest)?;
        let source = self.source;
        source.expect_more(plan.bytes());
        read_all(
            source,
            &plan.objects,
            DEFAULT_PARALLELISM,
            |object, event| {
                match event {
                    Event::Header(header) => {
                        self.header = Some(*header);
                        resize(self.checksums, header.commit)?;
                    }
                    // The decoder lets no page through that is beyond the header's commit.
                    Event::Page { pgno, data } => {
                        self.checksums[pgno.0 as usize - 1] = page_checksum(pgno, data);
                    }
                    Event::End(_) => self.txid = object.name.max,
                }
                Ok(())
            },
        )
        .await
    }
}

/// Pages that are cut off are forgotten, new ones begin as missing.
pub fn resize(checksums: &mut Vec<u64>, commit: u32) -> Result<(), TooLarge> {
    let more = (commit as usize).saturating_sub(checksums.len());
    if commit > MAX_PAGES || checksums.try_reserve_exact(more).is_err() {
        return Err(TooLarge { commit });
    }
    checksums.resize(commit as usize, 0);
    Ok(())
}
