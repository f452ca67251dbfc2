//! A request before it is signed, and its answer.

use bytes::Bytes;
use http::header::HeaderMap;
use http::{Method, StatusCode};

use crate::Operation;
use crate::limits::{ERROR_BYTES, Patience, XML_BYTES};

/// One request, which may be sent several times.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub method: Method,
    /// The object's full key; `None` for the bucket itself.
    pub key: Option<&'a str>,
    /// S3's own names and the values they have.
    pub query: Vec<(&'static str, String)>,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
    pub effect: Effect,
    /// The longest body of an answer that is taken.
    pub answer_bytes: u64,
    /// `None`: as usual for this store.
    pub patience: Option<Patience>,
}

/// What sending a request twice does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The same as once, or nothing: its failure leaves no doubt that matters.
    Repeatable,
    /// An object appears or is replaced: a lost answer must be told apart from a refusal.
    Visible,
}

impl<'a> Request<'a> {
    /// A request of the bucket that changes nothing.
    pub fn of_bucket(method: Method, query: Vec<(&'static str, String)>) -> Request<'a> {
        Request {
            method,
            key: None,
            query,
            headers: Vec::new(),
            body: Bytes::new(),
            effect: Effect::Repeatable,
            answer_bytes: XML_BYTES,
            patience: None,
        }
    }

    /// A request of an object, answered with little.
    pub fn of_object(method: Method, key: &'a str) -> Request<'a> {
        Request {
            key: Some(key),
            answer_bytes: ERROR_BYTES,
            ..Request::of_bucket(method, Vec::new())
        }
    }

    /// In words: `PUT s3://bucket/key`.
    pub fn name(&self, bucket: &str) -> String {
        match self.key {
            Some(key) => format!("{} s3://{bucket}/{key}", self.method),
            None => {
                let prefix = self.query.iter().find(|(name, _)| *name == "prefix");
                let prefix = prefix.map_or("", |(_, value)| value);
                format!("{} of s3://{bucket}/{prefix}", self.purpose())
            }
        }
    }

    /// What a request of the bucket is for, in words.
    pub fn purpose(&self) -> &'static str {
        match self.query.first() {
            Some(("delete", _)) => "deletion",
            Some(("location", _)) => "location",
            Some(("versioning", _)) => "versioning",
            Some(("uploads", _)) => "listing of unfinished uploads",
            _ => "listing",
        }
    }

    /// What it is billed as.
    pub fn operation(&self) -> Operation {
        let about_bucket = self.key.is_none();
        match self.method.as_str() {
            "PUT" => Operation::Put,
            "POST" if about_bucket => Operation::Delete,
            "POST" => Operation::Put,
            "DELETE" => Operation::Delete,
            _ if about_bucket => Operation::List,
            _ => Operation::Get,
        }
    }

    /// Does a condition make the store refuse this request?
    pub fn is_conditional(&self) -> bool {
        self.headers
            .iter()
            .any(|(name, _)| matches!(*name, "if-none-match" | "if-match"))
    }
}

/// An answer that says yes.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// A header's value, if it is there and a text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
