//! Statements that depend on how those before them went.

use crate::budget::Turn;
use crate::error::Error;
use crate::stream::Stream;
use crate::wire::{Batch, BatchResult, Condition, CursorEntry};

/// An error is one of the batch as a whole: nothing of it was run.
pub async fn run(
    stream: &mut Stream,
    turn: &Turn<'_>,
    batch: &Batch,
) -> Result<BatchResult, Error> {
    for (at, step) in batch.steps.iter().enumerate() {
        if let Some(condition) = &step.condition {
            check(condition, at, turn.limits.condition_depth)?;
        }
    }
    let mut done = BatchResult::default();
    for step in &batch.steps {
        let due = match &step.condition {
            Some(condition) => holds(condition, &done, stream.session.is_autocommit()),
            None => true,
        };
        let result = match due {
            true => Some(execute(stream, turn, step).await),
            false => None,
        };
        let (result, error) = match result {
            Some(Ok(result)) => (Some(result), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        done.step_results.push(result);
        done.step_errors.push(error);
    }
    Ok(done)
}

async fn execute(
    stream: &mut Stream,
    turn: &Turn<'_>,
    step: &crate::wire::Step,
) -> Result<crate::wire::StatementResult, Error> {
    let stmt = &step.stmt;
    let sql = stream.texts.get(stmt.sql.as_deref(), stmt.sql_id)?;
    stream.session.execute(turn, sql, stmt).await
}

/// Of the step `at`: it may ask about those before it.
fn check(condition: &Condition, at: usize, depth: usize) -> Result<(), Error> {
    let Some(depth) = depth.checked_sub(1) else {
        let text = format!("the conditions of step {at} are nested too deeply");
        return Err(Error::protocol(text));
    };
    match condition {
        Condition::Ok { step } | Condition::Error { step } if *step >= at => {
            let text =
                format!("the condition of step {at} is about step {step}, which comes later");
            Err(Error::protocol(text))
        }
        Condition::Ok { .. } | Condition::Error { .. } | Condition::IsAutocommit => Ok(()),
        Condition::Not { cond } => check(cond, at, depth),
        Condition::And { conds } | Condition::Or { conds } => {
            let mut conds = conds.iter();
            conds.try_for_each(|condition| check(condition, at, depth))
        }
    }
}

fn holds(condition: &Condition, done: &BatchResult, is_autocommit: bool) -> bool {
    let holds = |condition: &Condition| holds(condition, done, is_autocommit);
    match condition {
        Condition::Ok { step } => done.step_results.get(*step).is_some_and(Option::is_some),
        Condition::Error { step } => done.step_errors.get(*step).is_some_and(Option::is_some),
        Condition::Not { cond } => !holds(cond),
        Condition::And { conds } => conds.iter().all(holds),
        Condition::Or { conds } => conds.iter().any(holds),
        Condition::IsAutocommit => is_autocommit,
    }
}

/// The same as a cursor tells it.
pub fn entries(result: Result<BatchResult, Error>) -> Vec<CursorEntry> {
    let done = match result {
        Ok(done) => done,
        Err(error) => return vec![CursorEntry::Error { error }],
    };
    let steps = done.step_results.into_iter().zip(done.step_errors);
    let mut entries = Vec::new();
    for (step, (result, error)) in steps.enumerate() {
        if let Some(error) = error {
            entries.push(CursorEntry::StepError { step, error });
        }
        let Some(result) = result else {
            continue;
        };
        let cols = result.cols;
        entries.push(CursorEntry::StepBegin { step, cols });
        let rows = result.rows.into_iter();
        entries.extend(rows.map(|row| CursorEntry::Row { row }));
        entries.push(CursorEntry::StepEnd {
            affected_row_count: result.affected_row_count,
            last_insert_rowid: result.last_insert_rowid,
        });
    }
    entries
}
