//! Reads the objects of a replica in their course, and takes down what is wrong with them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::ltx::{Event, Header, ObjectName};
use crate::ports::Objects;
use crate::restore::error::RestoreError;
use crate::restore::fetch::Source;
use crate::restore::flow;
use crate::restore::plan::{Listed, Listing};
use crate::restore::proof::course::{Step, course, leads};
use crate::restore::proof::pages::Pages;
use crate::restore::reading::{Piece, Reading, ranges, read};
use crate::units::Txid;

pub struct Walk<'a, O> {
    source: &'a Source<'a, O>,
    pages: Pages,
    reached: Option<Txid>,
    done: BTreeSet<ObjectName>,
    /// The object that could not be read last.
    gone: Option<ObjectName>,
    /// Of the object being read.
    header: Option<Header>,
    pub objects: u32,
    pub findings: Vec<String>,
}

impl<'a, O: Objects> Walk<'a, O> {
    pub fn new(source: &'a Source<'a, O>) -> Self {
        Walk {
            source,
            pages: Pages::new(),
            reached: None,
            done: BTreeSet::new(),
            gone: None,
            header: None,
            objects: 0,
            findings: Vec::new(),
        }
    }

    /// Reads these objects.
    ///
    /// Errors: the store's; [`RestoreError::is_vanished`] if an object is gone.
    pub async fn over(
        &mut self,
        listing: &Listing,
        parallelism: usize,
    ) -> Result<(), RestoreError> {
        let source = self.source;
        let steps = course(listing.objects(), self.reached);
        source.expect_more(steps.iter().map(|step| step.object.size).sum());
        let pieces = steps
            .iter()
            .flat_map(|step| ranges(&step.object).map(move |(object, range)| (step, object, range)))
            // What is wrong with one object does not end the reading of the others.
            .map(async |(step, object, range)| Ok((step, read(source, object, range).await)));
        let mut reading = Reading::new(source);
        let take = |(step, piece): (&Step, Result<Piece, RestoreError>)| {
            if self.done.contains(&step.object.name) {
                return Ok(ControlFlow::Continue(()));
            }
            match piece.and_then(|piece| self.piece(&mut reading, step, &piece)) {
                Ok(false) => {}
                Ok(true) => self.end(step),
                Err(error @ RestoreError::Damaged { .. }) => {
                    self.findings.push(error.to_string());
                    self.fail(step);
                    reading = Reading::new(source);
                }
                Err(error) => {
                    self.gone = Some(step.object.name);
                    if self.header.take().is_some() {
                        // A part of it was applied.
                        self.pages.fail(step);
                    }
                    return Err(error);
                }
            }
            Ok(ControlFlow::Continue(()))
        };
        flow::run(pieces, parallelism.max(1), flow::Order::Given, take).await
    }

    /// What is to be read when something is gone: the rest of `before`, and what came instead.
    pub fn left(&mut self, before: &Listing, now: &Listing) -> Listing {
        let names: BTreeSet<ObjectName> =
            before.objects().iter().map(|object| object.name).collect();
        let mut left = now.objects().to_vec();
        if let Some(gone) = self.gone.take()
            && left.iter().any(|object| object.name == gone)
        {
            let key = now.layout().key(&gone);
            self.findings.push(format!(
                "{key} is listed, and the store says that it is not there"
            ));
            self.done.insert(gone);
        }
        left.retain(|object: &Listed| {
            let name = object.name;
            let leads_on = self.reached.is_none_or(|reached| name.max > reached);
            !self.done.contains(&name) && (names.contains(&name) || leads_on)
        });
        Listing::of(now.layout(), left)
    }

    fn piece(
        &mut self,
        reading: &mut Reading<'_, O>,
        step: &Step,
        piece: &Piece,
    ) -> Result<bool, RestoreError> {
        let (pages, begun) = (&mut self.pages, &mut self.header);
        reading.piece(piece, &mut |_, event| {
            match event {
                Event::Header(header) => {
                    *begun = Some(*header);
                    pages.begin(step, header)?;
                }
                Event::Page { pgno, data } => pages.page(step, pgno, data),
                Event::End(_) => {}
            }
            Ok(())
        })
    }

    fn end(&mut self, step: &Step) {
        self.objects += 1;
        if let Some(header) = self.header.take()
            && let Err(wrong) = self.pages.end(step, &header)
        {
            let key = self.source.key(&step.object);
            self.findings.push(format!("{key}: {wrong}"));
        }
        self.close(step);
    }

    fn fail(&mut self, step: &Step) {
        self.header = None;
        self.pages.fail(step);
        self.close(step);
    }

    fn close(&mut self, step: &Step) {
        self.done.insert(step.object.name);
        if leads(step.role) {
            self.reached = Some(step.object.name.max);
        }
    }
}
