//! Does the store honour create-if-absent? Some ignore the condition and answer 200.

use crate::ports::{Condition, ObjectError, Objects};
use futures::future::join_all;

/// Writers in the race: a store that checks before it writes, but not atomically, passes the
/// sequence and fails here.
const RACERS: usize = 8;

/// Tries it on objects outside the replica's levels, in sequence and in a race, and removes them.
///
/// Errors: those of the store, other than the refusal that is hoped for.
pub async fn honours_conditions<O: Objects>(objects: &O, nonce: u64) -> Result<bool, ObjectError> {
    let keys = [
        format!("probe/{nonce:016x}-1"),
        format!("probe/{nonce:016x}-2"),
    ];
    let outcome = try_both(objects, &keys).await;
    // Left behind they would be a few bytes that no plan looks at.
    let _ = objects.delete(&keys).await;
    outcome
}

async fn try_both<O: Objects>(objects: &O, keys: &[String; 2]) -> Result<bool, ObjectError> {
    let put = |key: usize, body: u8| objects.put(&keys[key], vec![body], Condition::IfAbsent, 0);
    if refused(put(0, 1).await)? {
        return Ok(true);
    }
    if !refused(put(0, 2).await)? {
        return Ok(false);
    }
    let race = join_all((0..RACERS).map(|racer| put(1, racer as u8))).await;
    let mut winners = 0;
    for outcome in race {
        match outcome {
            // Neither won nor refused for certain: it cannot be held against the store.
            Err(
                ObjectError::UnknownOutcome(_)
                | ObjectError::Throttled(_)
                | ObjectError::Unavailable(_),
            ) => {}
            outcome => winners += usize::from(!refused(outcome)?),
        }
    }
    Ok(winners <= 1)
}

fn refused(outcome: Result<String, ObjectError>) -> Result<bool, ObjectError> {
    match outcome {
        Ok(_) => Ok(false),
        Err(ObjectError::PreconditionFailed(_)) => Ok(true),
        Err(error) => Err(error),
    }
}
