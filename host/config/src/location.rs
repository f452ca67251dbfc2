//! Where objects are kept, as the configuration states it.

use std::path::{Path, PathBuf};

use s3_protocol::{Error, S3Location};

/// A bucket's prefix or a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    S3(Box<S3Location>),
    /// `file://`: keys are paths below this directory, which is made when it is first written to.
    Directory {
        path: PathBuf,
    },
}

impl Location {
    /// Errors: [`Error::Invalid`] when the location makes no sense. Asks nobody.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Location::S3(location) => s3_protocol::check(location),
            Location::Directory { .. } => Ok(()),
        }
    }

    /// The place `relative` below this one, of which every part is UTF-8.
    pub fn join(&self, relative: &Path) -> Location {
        match self {
            Location::Directory { path } => Location::Directory {
                path: path.join(relative),
            },
            Location::S3(s3) => {
                let mut path = s3.path.trim_end_matches('/').to_owned();
                for part in relative {
                    if !path.is_empty() {
                        path.push('/');
                    }
                    path.push_str(&part.to_string_lossy());
                }
                let joined = S3Location {
                    path,
                    ..(**s3).clone()
                };
                Location::S3(Box::new(joined))
            }
        }
    }

    /// Where this place is below `base`: empty when it is `base`, `None` when it is elsewhere.
    pub fn below(&self, base: &Location) -> Option<PathBuf> {
        match (self, base) {
            (Location::Directory { path }, Location::Directory { path: base }) => {
                path.strip_prefix(base).ok().map(Path::to_owned)
            }
            (Location::S3(s3), Location::S3(base)) if s3.bucket_name() == base.bucket_name() => {
                // As paths they are compared part by part.
                Path::new(s3.path.trim_matches('/'))
                    .strip_prefix(base.path.trim_matches('/'))
                    .ok()
                    .map(Path::to_owned)
            }
            _ => None,
        }
    }

    /// The same text for two locations that would overwrite each other.
    pub fn identity(&self) -> String {
        match self {
            Location::Directory { path } => format!("file://{}", path.display()),
            Location::S3(s3) => format!("s3://{}/{}", s3.bucket_name(), s3.path.trim_matches('/')),
        }
    }

    /// What is away when this place is: the same text for all places in one bucket.
    pub fn store(&self) -> String {
        match self {
            Location::Directory { path } => format!("file://{}", path.display()),
            Location::S3(s3) => format!("s3://{}", s3.bucket_name()),
        }
    }

    /// As a replica's URL, without anything secret.
    pub fn url(&self) -> String {
        match self {
            Location::Directory { path } => format!("file://{}", path.display()),
            Location::S3(s3) => s3.url(),
        }
    }
}

impl From<S3Location> for Location {
    fn from(location: S3Location) -> Location {
        Location::S3(Box::new(location))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3_protocol::{Encryption, Secret};

    fn bucket(path: &str) -> Location {
        S3Location::new("b", path).into()
    }

    fn directory(path: &str) -> Location {
        Location::Directory { path: path.into() }
    }

    #[test]
    fn a_place_below_another_is_found_again() {
        for (base, joined) in [
            (bucket("p"), bucket("p/sub/app.db")),
            (bucket("p/"), bucket("p/sub/app.db")),
            (bucket(""), bucket("sub/app.db")),
            (directory("/backup"), directory("/backup/sub/app.db")),
        ] {
            let relative = Path::new("sub/app.db");
            assert_eq!(base.join(relative), joined);
            assert_eq!(joined.below(&base).as_deref(), Some(relative));
            assert_eq!(base.below(&base), Some(PathBuf::new()));
            assert_eq!(base.below(&joined), None);
        }
    }

    #[test]
    fn what_only_looks_alike_is_elsewhere() {
        let mut other = S3Location::new("b", "p/x");
        other.endpoint = Some("http://127.0.0.1:9000".into());
        let other = Location::from(other);
        assert_eq!(bucket("pp/x").below(&bucket("p")), None);
        assert_eq!(other.below(&bucket("p")), None);
        assert_eq!(directory("/p/x").below(&bucket("p")), None);
        assert_ne!(other.identity(), bucket("p/x").identity());
    }

    #[test]
    fn one_place_in_two_spellings_is_one_place() {
        let at = |endpoint: &str, path| {
            let mut location = S3Location::new("b", path);
            location.endpoint = Some(endpoint.into());
            Location::from(location).identity()
        };
        assert_eq!(
            at("https://S3.example.com/", "p"),
            at("s3.example.com", "/p/")
        );
    }

    #[test]
    fn a_printed_location_shows_no_secret() {
        let mut location = S3Location::new("bucket", "db");
        location.access_key_id = Some("AKID".into());
        location.secret_access_key = Some(Secret::new("hush-1"));
        location.session_token = Some(Secret::new("hush-2"));
        location.encryption = Some(Encryption::Customer {
            algorithm: "AES256".into(),
            key_base64: Secret::new("hush-3"),
        });

        let location = Location::from(location);
        let printed = format!("{location:?} {} {}", location.url(), location.identity());

        assert!(printed.contains("bucket"));
        assert!(!printed.contains("hush"), "{printed}");
    }
}
