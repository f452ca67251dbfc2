//! Byte order of listings, also from stores that list directory by directory.
//!
//! Some stores keep keys as files and list them as a walk through directories: `sub/x` comes
//! before `sub-a`, although `-` is less than `/`. Within one listing that is put right by sorting.
//! Between listings it is not: what comes later in the walk may belong before what was listed, and
//! `start-after` means the place in the walk. Both are dealt with here. Only keys of which one has
//! another's directory as the beginning of its name are concerned; nothing in a replica's layout is.

use crate::limits::LIST_PAGE;
use crate::{Entry, Listing};

/// The order in which a store lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Bytes,
    Directories,
}

/// What to send as `start-after`, so that nothing after `start_after` in byte order is left out.
pub fn marker(order: Order, prefix: &str, start_after: &str) -> String {
    let base = directory_of(prefix).len();
    let Some(rest) = start_after
        .get(base..)
        .filter(|_| order == Order::Directories)
    else {
        return start_after.to_owned();
    };
    // With `sub-a` the walk is past `sub/`, whose keys are still to come: begin before `sub`.
    match rest.find(|c| c < '/') {
        Some(stem) => before(&start_after[..base + stem]),
        None => start_after.to_owned(),
    }
}

/// What stands up to the last slash of a prefix.
fn directory_of(prefix: &str) -> &str {
    prefix.rfind('/').map_or("", |slash| &prefix[..=slash])
}

/// Listings of one prefix, one after the other, until enough is known to answer.
#[derive(Debug)]
pub struct Gathered<'a> {
    order: Order,
    prefix: &'a str,
    start_after: Option<&'a str>,
    entries: Vec<Entry>,
    last: Option<String>,
    complete: bool,
}

impl<'a> Gathered<'a> {
    pub fn new(order: Order, prefix: &'a str, start_after: Option<&'a str>) -> Gathered<'a> {
        Gathered {
            order,
            prefix,
            start_after,
            entries: Vec::new(),
            last: None,
            complete: false,
        }
    }

    /// Takes the next listing in, in the store's order.
    pub fn add(&mut self, page: Listing) {
        self.complete = !page.truncated;
        if let Some(last) = page.entries.last() {
            self.last = Some(last.key.clone());
        }
        self.entries.extend(page.entries);
    }

    /// The store was seen to list by directory.
    pub fn walks(&mut self) -> Order {
        self.order = Order::Directories;
        self.order
    }

    /// Did the store break byte order?
    pub fn is_disordered(&self) -> bool {
        let before_start = |entry: &Entry| {
            self.start_after
                .is_some_and(|after| entry.key.as_str() <= after)
        };
        !self.entries.is_sorted_by(|one, next| one.key < next.key)
            || self.entries.first().is_some_and(before_start)
    }

    /// The answer, or `None` while nothing is certain to come first.
    pub fn answer(&self) -> Option<Listing> {
        let certain = |entry: &&Entry| {
            let wanted = entry.key.starts_with(self.prefix)
                && self
                    .start_after
                    .is_none_or(|after| entry.key.as_str() > after);
            wanted && (self.complete || entry.key.as_str() <= self.bound())
        };
        let mut entries: Vec<Entry> = self.entries.iter().filter(certain).cloned().collect();
        if entries.is_empty() && !self.complete {
            return None;
        }
        entries.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        let truncated = !self.complete || entries.len() > LIST_PAGE;
        entries.truncate(LIST_PAGE);
        Some(Listing { entries, truncated })
    }

    /// Up to which key nothing can come any more.
    fn bound(&self) -> &str {
        let Some(last) = self.last.as_deref() else {
            return "";
        };
        if self.order == Order::Bytes {
            return last;
        }
        // Within the directory `sub/`, the walk has still to come to `sub-a`.
        let base = directory_of(self.prefix).len();
        match last.get(base..).and_then(|rest| rest.find('/')) {
            Some(length) => &last[..base + length],
            None => last,
        }
    }
}

/// A key that is less than `key`, with few or none between the two.
pub fn before(key: &str) -> String {
    let mut shorter = key.to_owned();
    shorter.pop();
    shorter
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
