//! Where the store is, as the environment says.

use aws_credential_types::Credentials;
use s3_protocol::{Error, S3Location};

/// The variable of a setting: `SEAWALL_TOKEN` of `token`.
pub fn variable(setting: &str) -> String {
    format!("SEAWALL_{}", setting.to_uppercase().replace('-', "_"))
}

const BUCKET: &str = "SEAWALL_BUCKET";
const PATH: &str = "SEAWALL_PATH";
const ENDPOINT: &str = "SEAWALL_ENDPOINT";
const REGION: &str = "SEAWALL_REGION";
const FORCE_PATH_STYLE: &str = "SEAWALL_FORCE_PATH_STYLE";
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION: &str = "AWS_SESSION_TOKEN";

/// The variables that begin like settings and are only for this component.
pub const OURS: [&str; 5] = [BUCKET, PATH, ENDPOINT, REGION, FORCE_PATH_STYLE];

fn said(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn needed(name: &str) -> Result<String, Error> {
    said(name).ok_or_else(|| Error::Invalid(format!("the variable {name} is not set")))
}

/// Errors: [`Error::Invalid`] with the name of what is missing or makes no sense.
pub fn location() -> Result<S3Location, Error> {
    let path = said(PATH).unwrap_or_default();
    let mut location = S3Location::new(needed(BUCKET)?, path.trim_matches('/'));
    location.endpoint = said(ENDPOINT);
    location.region = said(REGION).or_else(|| said("AWS_REGION"));
    location.force_path_style = match said(FORCE_PATH_STYLE).as_deref() {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(other) => {
            let text = format!("{FORCE_PATH_STYLE} = {other:?}: expected true or false");
            return Err(Error::Invalid(text));
        }
    };
    Ok(location)
}

/// Errors: [`Error::Denied`] with the name of what is missing.
pub fn credentials() -> Result<Credentials, Error> {
    let missing = |name| Error::Denied(format!("the variable {name} is not set"));
    let id = said(KEY_ID).ok_or_else(|| missing(KEY_ID))?;
    let secret = said(SECRET).ok_or_else(|| missing(SECRET))?;
    Ok(Credentials::new(
        id,
        secret,
        said(SESSION),
        None,
        "environment",
    ))
}
