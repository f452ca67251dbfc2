//! What clients are told.

use super::Value;
use crate::error::Error;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct PipelineAnswer {
    pub baton: Option<String>,
    /// Where the client goes on with this stream; null: at the address that it has.
    pub base_url: Option<String>,
    pub results: Vec<StreamResult>,
}

#[derive(Debug, Serialize)]
pub struct CursorAnswer {
    pub baton: Option<String>,
    pub base_url: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct V1Answer<T> {
    pub result: T,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StreamResult {
    Ok { response: StreamResponse },
    Error { error: Error },
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StreamResponse {
    Close,
    Execute { result: StatementResult },
    Batch { result: BatchResult },
    Sequence,
    Describe { result: DescribeResult },
    StoreSql,
    CloseSql,
    GetAutocommit { is_autocommit: bool },
}

#[derive(Debug, Default, Serialize)]
pub struct StatementResult {
    pub cols: Vec<Column>,
    pub rows: Vec<Vec<Value>>,
    pub affected_row_count: u64,
    /// As text, since JSON's numbers lose digits.
    pub last_insert_rowid: Option<String>,
    /// There are no replicas to wait for.
    pub replication_index: Option<u64>,
}

#[derive(Debug, Serialize)]
pub struct Column {
    pub name: String,
    pub decltype: Option<String>,
}

#[derive(Debug, Default, Serialize)]
pub struct BatchResult {
    pub step_results: Vec<Option<StatementResult>>,
    pub step_errors: Vec<Option<Error>>,
    pub replication_index: Option<u64>,
}

#[derive(Debug, Serialize)]
pub struct DescribeResult {
    pub params: Vec<Parameter>,
    pub cols: Vec<Column>,
    pub is_explain: bool,
    pub is_readonly: bool,
}

#[derive(Debug, Serialize)]
pub struct Parameter {
    pub name: Option<String>,
}

/// One line each.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CursorEntry {
    StepBegin {
        step: usize,
        cols: Vec<Column>,
    },
    Row {
        row: Vec<Value>,
    },
    StepEnd {
        affected_row_count: u64,
        last_insert_rowid: Option<String>,
    },
    StepError {
        step: usize,
        error: Error,
    },
    Error {
        error: Error,
    },
}
