//! Who may do what: bearer tokens.

use crate::error::Error;
use crate::http::Response;
use crate::settings::Settings;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

pub struct Door {
    write: Option<[u8; 32]>,
    read: Option<[u8; 32]>,
    open: bool,
}

impl Door {
    pub fn new(settings: &Settings) -> Door {
        // Hashes are equally long, so that comparing them does not tell how long the token is.
        let hashed = |token: &Option<String>| token.as_deref().map(hash);
        Door {
            write: hashed(&settings.token),
            read: hashed(&settings.read_only_token),
            open: settings.open,
        }
    }

    /// False: nobody has said who may come in.
    pub fn is_set_up(&self) -> bool {
        self.open || self.write.is_some() || self.read.is_some()
    }

    /// `authorization` is the header of that name.
    pub fn admit(&self, authorization: Option<&str>) -> Result<Access, Response> {
        if self.open {
            return Ok(Access::Write);
        }
        let Some(token) = authorization.and_then(bearer) else {
            return Err(refused("this needs a token: Authorization: Bearer …", ""));
        };
        let token = hash(token);
        let is = |known: &Option<[u8; 32]>| match known {
            Some(known) => known.ct_eq(&token),
            None => Choice::from(0),
        };
        // Both are compared in any case.
        let (write, read) = (is(&self.write), is(&self.read));
        match (bool::from(write), bool::from(read)) {
            (true, _) => Ok(Access::Write),
            (false, true) => Ok(Access::Read),
            (false, false) => {
                let why = ", error=\"invalid_token\"";
                Err(refused("the token is not valid here", why))
            }
        }
    }
}

/// Until somebody has said who may come in, nobody may.
pub fn not_set_up() -> Response {
    let text = "nobody may come in yet: set `token` (SEAWALL_TOKEN) or `read-only-token` \
                (SEAWALL_READ_ONLY_TOKEN), or set `open` (SEAWALL_OPEN) to true to let in everybody";
    Response::error(503, &Error::new("NOT_SET_UP", text))
}

fn refused(text: &str, parameters: &str) -> Response {
    let challenge = format!("Bearer realm=\"seawall\"{parameters}");
    Response::error(401, &Error::new("UNAUTHORIZED", text)).with("www-authenticate", challenge)
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = Some(token.trim()).filter(|token| !token.is_empty());
    token.filter(|_| scheme.eq_ignore_ascii_case("bearer"))
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
