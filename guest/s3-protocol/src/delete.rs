//! Deleting objects, and seeing to it that they are gone.
//!
//! A store's word is checked with a listing of the span of names, except at AWS: R2 has answered
//! 200 to DeleteObjects and kept the objects.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::Method;
use quick_xml::escape::escape;

use crate::failure::{self, Failure, Kind};
use crate::limits::{DELETE_BATCH, DELETES_IN_FLIGHT, VERIFY_LISTINGS};
use crate::order::before;
use crate::request::{Effect, Request};
use crate::xml::{self, DeleteResult};
use crate::{Bucket, Carrier, Error};

type Refused = Vec<(String, Error)>;

impl<C: Carrier> Bucket<C> {
    pub async fn delete(&self, keys: &[String]) -> Result<Refused, Error> {
        let mut refused = Vec::new();
        for batch in keys.chunks(DELETE_BATCH) {
            let found = self.delete_some(batch).await?;
            if !self.deletes_are_sure {
                let refused_keys: BTreeSet<&str> =
                    found.iter().map(|(key, _)| key.as_str()).collect();
                let said_gone: BTreeSet<&str> = batch
                    .iter()
                    .map(String::as_str)
                    .filter(|key| !refused_keys.contains(key))
                    .collect();
                refused.extend(self.delete_kept(&said_gone).await?);
            }
            refused.extend(found);
        }
        Ok(refused)
    }

    async fn delete_some(&self, keys: &[String]) -> Result<Refused, Error> {
        let singly = &self.deletes_singly;
        if keys.len() == 1 || singly.load(Ordering::Relaxed) {
            return self.delete_singly(keys.iter().map(String::as_str)).await;
        }
        match self.delete_batch(keys).await {
            Ok(refused) => Ok(refused),
            Err(failure) if failure.kind == Kind::Invalid => {
                tracing::debug!(why = failure.text, "this store has no batch delete");
                singly.store(true, Ordering::Relaxed);
                self.delete_singly(keys.iter().map(String::as_str)).await
            }
            Err(failure) => Err(failure.into_error(Effect::Repeatable)),
        }
    }

    async fn delete_batch(&self, keys: &[String]) -> Result<Refused, Failure> {
        let mut body = String::from("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        for key in keys {
            let key = self.full_key(key);
            body.push_str(&format!("<Object><Key>{}</Key></Object>", escape(&key)));
        }
        body.push_str("<Quiet>true</Quiet></Delete>");

        let mut request = Request::of_bucket(Method::POST, vec![("delete", String::new())]);
        request
            .headers
            .push(("content-type", "application/xml".to_owned()));
        request.body = Bytes::from(body);
        let answer = self.carrier.call(&request).await?;
        let result: DeleteResult = xml::read("DeleteResult", &answer.body)
            .map_err(|text| Failure::certain(Kind::Invalid, text))?;
        let mut refused = Vec::new();
        for error in result
            .error
            .into_iter()
            .filter(|error| error.code != "NoSuchKey")
        {
            let key = self
                .relative(&error.key)
                .map_err(|text| Failure::certain(Kind::Invalid, text))?;
            let failure = failure::of_code(&error.code, &error.message);
            refused.push((key.to_owned(), failure.into_error(Effect::Repeatable)));
        }
        Ok(refused)
    }

    async fn delete_singly<'a>(
        &self,
        keys: impl Iterator<Item = &'a str>,
    ) -> Result<Refused, Error> {
        let deletes = keys.map(str::to_owned).map(|key| async move {
            let deleted = self.delete_one(&key).await;
            (key, deleted)
        });
        let mut refused = Vec::new();
        let mut done = stream::iter(deletes).buffer_unordered(DELETES_IN_FLIGHT);
        while let Some((key, result)) = done.next().await {
            match result {
                Ok(()) => {}
                // It concerns the bucket: there is no sense in going on.
                Err(error @ Error::NotFound(_)) => return Err(error),
                Err(error) => refused.push((key, error)),
            }
        }
        Ok(refused)
    }

    async fn delete_one(&self, key: &str) -> Result<(), Error> {
        let key = self.full_key(key);
        match self
            .carrier
            .call(&Request::of_object(Method::DELETE, &key))
            .await
        {
            Ok(_) => Ok(()),
            Err(failure) if failure.kind == Kind::NotFound && failure.code != "NoSuchBucket" => {
                Ok(())
            }
            Err(failure) => Err(failure.into_error(Effect::Repeatable)),
        }
    }

    /// Deletes once more what the store still lists, and returns what it goes on to list.
    async fn delete_kept(&self, keys: &BTreeSet<&str>) -> Result<Refused, Error> {
        let kept = self.still_listed(keys).await?;
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        tracing::debug!(objects = kept.len(), "said to be deleted, but still listed");
        let mut refused = self.delete_singly(kept.iter().map(String::as_str)).await?;
        let kept: BTreeSet<&str> = kept
            .iter()
            .map(String::as_str)
            .filter(|kept| refused.iter().all(|(key, _)| key != kept))
            .collect();
        refused.extend(self.still_listed(&kept).await?.into_iter().map(|key| {
            let text = format!(
                "DELETE s3://{}/{}: the store says that it is deleted, but still lists it",
                self.carrier.site().bucket(),
                self.full_key(&key)
            );
            (key, Error::Unavailable(text))
        }));
        Ok(refused)
    }

    /// Which of these keys the bucket still lists, as far as a few listings reach.
    async fn still_listed(&self, keys: &BTreeSet<&str>) -> Result<Vec<String>, Error> {
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else {
            return Ok(Vec::new());
        };
        let prefix = common_prefix(first, last);
        let mut start_after = Some(before(first)).filter(|key| key.starts_with(prefix));
        let mut kept = Vec::new();
        for _ in 0..VERIFY_LISTINGS {
            let listing = self.list(prefix, start_after.as_deref()).await?;
            let Some(reached) = listing.entries.last().map(|entry| entry.key.clone()) else {
                break;
            };
            let listed = listing.entries.into_iter().map(|entry| entry.key);
            kept.extend(listed.filter(|key| keys.contains(key.as_str())));
            if !listing.truncated || reached.as_str() >= *last {
                return Ok(kept);
            }
            start_after = Some(reached);
        }
        Ok(kept)
    }
}

fn common_prefix<'a>(one: &'a str, other: &str) -> &'a str {
    let same = one
        .char_indices()
        .zip(other.chars())
        .find(|((_, a), b)| a != b);
    let end = same.map_or(one.len().min(other.len()), |((at, _), _)| at);
    &one[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_prefix_ends_within_no_character() {
        assert_eq!(common_prefix("0000/0a1", "0000/0b2"), "0000/0");
        assert_eq!(common_prefix("same", "same"), "same");
        assert_eq!(common_prefix("a", "ab"), "a");
        assert_eq!(common_prefix("aü", "aö"), "a");
        assert_eq!(common_prefix("x", "y"), "");
    }
}
