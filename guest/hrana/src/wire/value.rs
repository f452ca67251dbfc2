//! SQLite's values in JSON: integers as text, blobs in base64.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD_NO_PAD};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use serde::de::Error as _;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Clients send blobs with padding or without.
const ANY_PADDING: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Integer(i64),
    Float(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Value {
    /// `None`: text that is not UTF-8, which JSON cannot hold.
    pub fn read(value: ValueRef<'_>) -> Option<Value> {
        Some(match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(integer) => Value::Integer(integer),
            ValueRef::Real(float) => Value::Float(float),
            ValueRef::Text(text) => Value::Text(String::from_utf8(text.to_vec()).ok()?),
            ValueRef::Blob(blob) => Value::Blob(blob.to_vec()),
        })
    }

    /// About how long it is in JSON, in bytes.
    pub fn json_bytes(&self) -> u64 {
        const AROUND: usize = r#"{"type":"integer","value":""},"#.len();
        /// Of the longest number.
        const NUMBER: usize = 20;
        let bytes = match self {
            Value::Null => 0,
            Value::Integer(_) | Value::Float(_) => NUMBER,
            Value::Text(text) => text.len(),
            Value::Blob(blob) => blob.len().div_ceil(3) * 4,
        };
        (AROUND + bytes) as u64
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Integer(integer) => ValueRef::Integer(*integer),
            Value::Float(float) => ValueRef::Real(*float),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(blob) => ValueRef::Blob(blob),
        }))
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Json {
    Null,
    Integer { value: String },
    Float { value: f64 },
    Text { value: String },
    Blob { base64: String },
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        Ok(match Json::deserialize(from)? {
            Json::Null => Value::Null,
            Json::Integer { value } => {
                let error = |error| D::Error::custom(format!("the integer {value:?}: {error}"));
                Value::Integer(value.parse().map_err(error)?)
            }
            Json::Float { value } => Value::Float(value),
            Json::Text { value } => Value::Text(value),
            Json::Blob { base64 } => {
                let error = |error| D::Error::custom(format!("a blob: {error}"));
                Value::Blob(ANY_PADDING.decode(base64).map_err(error)?)
            }
        })
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let fields = 1 + usize::from(*self != Value::Null);
        let mut object = to.serialize_struct("Value", fields)?;
        match self {
            Value::Null => object.serialize_field("type", "null")?,
            Value::Integer(integer) => {
                object.serialize_field("type", "integer")?;
                object.serialize_field("value", &integer.to_string())?;
            }
            Value::Float(float) => {
                object.serialize_field("type", "float")?;
                match infinite(*float) {
                    Some(number) => object.serialize_field("value", &number)?,
                    None => object.serialize_field("value", float)?,
                }
            }
            Value::Text(text) => {
                object.serialize_field("type", "text")?;
                object.serialize_field("value", text)?;
            }
            Value::Blob(blob) => {
                object.serialize_field("type", "blob")?;
                object.serialize_field("base64", &STANDARD_NO_PAD.encode(blob))?;
            }
        }
        object.end()
    }
}

/// JSON has no infinity, but every reader takes a number that is too large for it.
fn infinite(float: f64) -> Option<Box<RawValue>> {
    let number = match float {
        f64::INFINITY => "1e999",
        f64::NEG_INFINITY => "-1e999",
        _ => return None,
    };
    RawValue::from_string(number.to_owned()).ok()
}
