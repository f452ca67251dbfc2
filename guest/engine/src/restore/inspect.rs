//! Looks into objects of a replica without restoring them: which pages they hold, and whether they
//! are sound.

use std::ops::ControlFlow;

use crate::ltx::{Decoder, Event, Header, Layout, Summary};
use crate::pageset::PageSet;
use crate::ports::{Environment, Objects};
use crate::restore::error::RestoreError;
use crate::restore::fetch::{Content, Source};
use crate::restore::plan::{Listed, Listing, PlanError, lead_on};
use crate::restore::reading::read_all;
use crate::restore::{DEFAULT_PARALLELISM, flow};
use crate::units::Txid;

/// The pages that changed after `from` and up to `to`, from the objects' page indexes. An object that
/// goes beyond `to` adds those that changed later.
///
/// `None`: the replica does not say, because transactions in between are only in snapshots.
pub async fn changed_pages<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    listing: &Listing,
    from: Txid,
    to: Txid,
) -> Result<Option<PageSet>, RestoreError> {
    let mut pages = PageSet::default();
    if from >= to {
        return Ok(Some(pages));
    }
    let plan = lead_on(listing, from);
    if plan.reached < to {
        return Ok(None);
    }
    let source = Source::new(objects, environment, listing.layout());
    let opened = plan.objects.iter().map(|object| source.open(object));
    flow::run(opened, DEFAULT_PARALLELISM, flow::Order::Done, |opened| {
        match opened.content {
            Content::Index { index, .. } => {
                pages.extend(index.entries.iter().map(|entry| entry.pgno));
            }
            Content::Whole(bytes) => {
                let mut decoder = Decoder::new();
                decoder.push(&bytes);
                let damaged = |why| source.damaged(&opened.object, why);
                while let Some(event) = decoder.event().map_err(damaged)? {
                    if let Event::Page { pgno, .. } = event {
                        pages.insert(pgno);
                    }
                }
                decoder.finish().map_err(damaged)?;
            }
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    Ok(Some(pages))
}

/// Reads all of an object and verifies everything that it says of itself.
pub async fn check_object<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    layout: Layout,
    object: &Listed,
) -> Result<(Header, Summary), RestoreError> {
    let source = Source::new(objects, environment, layout);
    let (mut header, mut summary) = (None, None);
    read_all(&source, [object], DEFAULT_PARALLELISM, |_, event| {
        match event {
            Event::Header(found) => header = Some(*found),
            Event::Page { .. } => {}
            Event::End(end) => summary = Some(end),
        }
        Ok(())
    })
    .await?;
    match (header, summary) {
        (Some(header), Some(summary)) => Ok((header, summary)),
        // A file without header or end is refused.
        _ => Err(PlanError::Empty.into()),
    }
}

/// Reads header, page index and checksum of an object, and all of a small one, and compares with
/// what was sent. The bytes in between were checked by the store when they came.
pub async fn is_as_sent<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    layout: Layout,
    object: &Listed,
    sent: (&Header, &Summary),
) -> Result<bool, RestoreError> {
    let source = Source::new(objects, environment, layout);
    let opened = source.open(object).await?;
    let checksum = match opened.content {
        Content::Index { index, .. } => index.file_checksum,
        Content::Whole(bytes) => {
            let mut decoder = Decoder::new();
            decoder.push(&bytes);
            let damaged = |why| source.damaged(object, why);
            while decoder.event().map_err(damaged)?.is_some() {}
            decoder.finish().map_err(damaged)?.file_checksum
        }
    };
    Ok(opened.header == *sent.0 && checksum == sent.1.file_checksum)
}
