//! Listings: ListObjectsV2, in byte order whatever the store's own order is.

use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;

use crate::failure::{Failure, Kind};
use crate::limits::{GATHERED_LISTINGS, LIST_PAGE};
use crate::order::{Gathered, Order, marker};
use crate::request::{Answer, Effect, Request};
use crate::xml::{self, ListBucketResult};
use crate::{Bucket, Carrier, Error, escape};
use crate::{Entry, Listing};

/// Whether this store was seen to list by directory.
#[derive(Debug, Default)]
pub struct SeenOrder(AtomicBool);

impl SeenOrder {
    fn get(&self) -> Order {
        if self.0.load(Ordering::Relaxed) {
            Order::Directories
        } else {
            Order::Bytes
        }
    }

    fn note_directories(&self) {
        if !self.0.swap(true, Ordering::Relaxed) {
            tracing::debug!("this store lists by directory: listings are put in order");
        }
    }
}

/// One answer to ListObjectsV2.
struct Page {
    listing: Listing,
    next: Option<String>,
}

impl<C: Carrier> Bucket<C> {
    pub async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listing, Error> {
        self.try_list(prefix, start_after)
            .await
            .map_err(|failure| failure.into_error(Effect::Repeatable))
    }

    async fn try_list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listing, Failure> {
        let seen = &self.order;
        'ordered: loop {
            let mut order = seen.get();
            let mut gathered = Gathered::new(order, prefix, start_after);
            let mut query = self.query(prefix, start_after.map(|key| marker(order, prefix, key)));
            for _ in 0..GATHERED_LISTINGS {
                let page = self.page(&query).await?;
                gathered.add(page.listing);
                if order == Order::Bytes && gathered.is_disordered() {
                    seen.note_directories();
                }
                if order != seen.get() {
                    // Where the walk begins is known; only the order was taken for another one.
                    if start_after.is_some() {
                        continue 'ordered;
                    }
                    order = gathered.walks();
                }
                if let Some(listing) = gathered.answer() {
                    return Ok(listing);
                }
                query.retain(|(name, _)| !matches!(*name, "start-after" | "continuation-token"));
                let token = page.next.ok_or_else(|| self.no_token(prefix))?;
                query.push(("continuation-token", token));
            }
            return Err(Failure::certain(
                Kind::Invalid,
                format!(
                    "listing s3://{}/{}{prefix}: this store lists by directory, and \
                     {GATHERED_LISTINGS} listings were not enough to find the first key; move \
                     what does not belong to the replica out of its path",
                    self.carrier.site().bucket(),
                    self.prefix
                ),
            ));
        }
    }

    fn query(&self, prefix: &str, start_after: Option<String>) -> Vec<(&'static str, String)> {
        let mut query = vec![
            ("list-type", "2".to_owned()),
            ("encoding-type", "url".to_owned()),
            ("max-keys", LIST_PAGE.to_string()),
            ("prefix", self.full_key(prefix)),
        ];
        if let Some(start_after) = start_after {
            query.push(("start-after", self.full_key(&start_after)));
        }
        query
    }

    async fn page(&self, query: &[(&'static str, String)]) -> Result<Page, Failure> {
        let request = Request::of_bucket(Method::GET, query.to_vec());
        let answer = self.carrier.call(&request).await?;
        if lists_by_directory(&answer) {
            self.order.note_directories();
        }
        self.read_page(&answer.body).map_err(|text| {
            let name = self.name(&request);
            Failure::certain(Kind::Invalid, format!("{name}: {text}"))
        })
    }

    fn read_page(&self, body: &[u8]) -> Result<Page, String> {
        let result: ListBucketResult = xml::read("ListBucketResult", body)?;
        let encoded = result.encoding_type.as_deref() == Some("url");
        let mut entries = Vec::with_capacity(result.contents.len());
        for found in result.contents {
            let key = if encoded {
                escape::decode(&found.key)
                    .ok_or_else(|| format!("the listed key {:?} cannot be decoded", found.key))?
            } else {
                found.key
            };
            let modified: jiff::Timestamp = found
                .last_modified
                .parse()
                .map_err(|error| format!("the time of {key} cannot be read: {error}"))?;
            entries.push(Entry {
                key: self.relative(&key)?.to_owned(),
                size: found.size,
                modified_ms: u64::try_from(modified.as_millisecond()).unwrap_or(0),
            });
        }
        let listing = Listing {
            entries,
            truncated: result.is_truncated,
        };
        Ok(Page {
            listing,
            next: result.next_continuation_token,
        })
    }

    /// A listed key below our prefix.
    pub(super) fn relative<'a>(&self, key: &'a str) -> Result<&'a str, String> {
        let prefix = &self.prefix;
        // SeaweedFS drops the slash that keys begin with where the replica's path is empty.
        key.strip_prefix(prefix.as_str())
            .or_else(|| key.strip_prefix(prefix.strip_prefix('/')?))
            .ok_or_else(|| format!("the listed key {key:?} does not begin with {prefix:?}"))
    }

    fn no_token(&self, prefix: &str) -> Failure {
        Failure::certain(
            Kind::Invalid,
            format!(
                "listing s3://{}/{}{prefix}: the listing is not complete, but the store does not \
                 say how it goes on",
                self.carrier.site().bucket(),
                self.prefix
            ),
        )
    }
}

/// SeaweedFS is known to walk.
fn lists_by_directory(answer: &Answer) -> bool {
    answer
        .header("server")
        .is_some_and(|server| server.starts_with("SeaweedFS"))
}
