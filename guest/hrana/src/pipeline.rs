//! The requests of one pipeline, one after the other, whether those before failed or not.

use crate::batch;
use crate::budget::Turn;
use crate::error::{Error, STREAM_CLOSED};
use crate::stream::Stream;
use crate::wire::{StreamRequest, StreamResponse, StreamResult};

pub async fn run(
    stream: &mut Stream,
    turn: &Turn<'_>,
    requests: Vec<StreamRequest>,
) -> Vec<StreamResult> {
    let mut results = Vec::with_capacity(requests.len());
    for request in requests {
        results.push(match answer(stream, turn, request).await {
            Ok(response) => StreamResult::Ok { response },
            Err(error) => StreamResult::Error { error },
        });
    }
    results
}

async fn answer(
    stream: &mut Stream,
    turn: &Turn<'_>,
    request: StreamRequest,
) -> Result<StreamResponse, Error> {
    if stream.closed {
        return Err(Error::new(STREAM_CLOSED, "the stream was closed before"));
    }
    let Stream { texts, session, .. } = stream;
    Ok(match request {
        StreamRequest::Close => {
            stream.closed = true;
            StreamResponse::Close
        }
        StreamRequest::Execute { stmt } => {
            let sql = texts.get(stmt.sql.as_deref(), stmt.sql_id)?;
            let result = session.execute(turn, sql, &stmt).await?;
            StreamResponse::Execute { result }
        }
        StreamRequest::Batch { batch } => {
            let result = batch::run(stream, turn, &batch).await?;
            StreamResponse::Batch { result }
        }
        StreamRequest::Sequence { sql, sql_id } => {
            let sql = texts.get(sql.as_deref(), sql_id)?;
            session.sequence(turn, sql).await?;
            StreamResponse::Sequence
        }
        StreamRequest::Describe { sql, sql_id } => {
            let sql = texts.get(sql.as_deref(), sql_id)?;
            let result = session.describe(turn, sql)?;
            StreamResponse::Describe { result }
        }
        StreamRequest::StoreSql { sql_id, sql } => {
            texts.store(sql_id, sql, turn.limits)?;
            StreamResponse::StoreSql
        }
        StreamRequest::CloseSql { sql_id } => {
            texts.close(sql_id);
            StreamResponse::CloseSql
        }
        StreamRequest::GetAutocommit => StreamResponse::GetAutocommit {
            is_autocommit: session.is_autocommit(),
        },
    })
}
