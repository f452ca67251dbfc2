//! What goes over the wire: Hrana's structures in JSON.

mod request;
mod response;
mod value;

pub use request::{
    Batch, Condition, CursorBody, PipelineBody, Statement, Step, StreamRequest, V1BatchBody,
    V1ExecuteBody,
};
pub use response::{
    BatchResult, Column, CursorAnswer, CursorEntry, DescribeResult, Parameter, PipelineAnswer,
    StatementResult, StreamResponse, StreamResult, V1Answer,
};
pub use value::Value;
