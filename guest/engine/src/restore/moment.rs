//! Which transaction was the last before a moment, and which moments there are.

use crate::ltx::Header;
use crate::ltx::header::HEADER_BYTES;
use crate::ports::{ByteRange, Objects};
use crate::restore::error::{Damage, RestoreError};
use crate::restore::fetch::{Source, check_name};
use crate::restore::plan::{Listed, Listing, PlanError, Target};
use crate::units::Txid;

/// The goal of a restore: a target by time is looked up in the objects' headers.
///
/// Transactions follow each other in time, so that a handful of headers tell.
///
/// Errors: [`RestoreError::TimeUnavailable`] names the moments that can be had.
pub async fn resolve<O: Objects>(
    source: &Source<'_, O>,
    listing: &Listing,
    target: Target,
) -> Result<Target, RestoreError> {
    let Target::Before(before_ms) = target else {
        return Ok(target);
    };
    let points = points(listing);
    let (mut low, mut high) = (0, points.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if time_ms(source, &points[middle]).await? < before_ms {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if let Some(last) = low.checked_sub(1) {
        return Ok(Target::Txid(points[last].name.max));
    }
    let (Some(oldest), Some(newest)) = (points.first(), points.last()) else {
        return Err(PlanError::Empty.into());
    };
    Err(RestoreError::TimeUnavailable {
        wanted: Moment(before_ms),
        oldest: Moment(time_ms(source, oldest).await?),
        newest: Moment(time_ms(source, newest).await?),
    })
}

/// The transactions to which the replica can be restored, each with an object that ends there, in
/// ascending order.
pub fn points(listing: &Listing) -> Vec<Listed> {
    let mut ends: Vec<Listed> = listing.objects().to_vec();
    ends.sort_by_key(|object| (object.name.max, object.size));
    let mut reached: Option<Txid> = None;
    // Whatever leads to an object ends before it does, so that one pass finds them all.
    ends.retain(|object| {
        let name = object.name;
        let reachable = name.is_snapshot() || reached.is_some_and(|txid| name.min <= txid.next());
        if reachable {
            reached = Some(name.max);
        }
        reachable
    });
    ends.dedup_by_key(|object| object.name.max);
    ends
}

/// When an object's last transaction was committed, Unix milliseconds.
async fn time_ms<O: Objects>(source: &Source<'_, O>, object: &Listed) -> Result<u64, RestoreError> {
    let header = header(source, object).await?;
    Ok(header.timestamp_ms.max(0) as u64)
}

/// An object's header.
pub async fn header<O: Objects>(
    source: &Source<'_, O>,
    object: &Listed,
) -> Result<Header, RestoreError> {
    let range = ByteRange {
        offset: 0,
        length: HEADER_BYTES as u64,
    };
    let bytes = source.range(object, range).await?;
    let Some(head) = bytes.first_chunk() else {
        let damage = Damage::Short {
            offset: 0,
            expected: range.length,
            found: bytes.len() as u64,
        };
        return Err(source.damaged(object, damage));
    };
    let (header, _) = Header::parse(head).map_err(|why| source.damaged(object, why))?;
    check_name(object, &header).map_err(|why| source.damaged(object, why))?;
    Ok(header)
}

/// Unix time, milliseconds; shown in UTC as RFC 3339, as `-timestamp` takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = i64::try_from(self.0).map(jiff::Timestamp::from_millisecond);
        match ms {
            // Always with milliseconds: that is how finely transactions are told apart.
            Ok(Ok(moment)) => write!(f, "{moment:.3}"),
            _ => write!(f, "{} ms after 1970", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_shown_in_utc_with_milliseconds() {
        assert_eq!(Moment(0).to_string(), "1970-01-01T00:00:00.000Z");
        let shown = Moment(1_795_646_626_734).to_string();
        assert_eq!(shown, "2026-11-25T22:43:46.734Z");
        assert_eq!(
            Moment(u64::MAX).to_string(),
            format!("{} ms after 1970", u64::MAX)
        );
    }
}
