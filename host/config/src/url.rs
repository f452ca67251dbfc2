//! Replica URLs: `s3://bucket/path?endpoint=…&region=…&forcePathStyle=true`, `oss://bucket/path`,
//! `file:///backup`, or a plain path.

use super::Environment;
use super::findings::Findings;
use super::keys;
use super::oss;
use super::paths;
use super::section::Section;
use super::settings::{Connection, Provider};
use super::tree::{Entry, Node, Position, Value};
use percent_encoding::percent_decode_str;
use std::path::PathBuf;

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
pub enum ReplicaUrl {
    Bucket {
        provider: Provider,
        bucket: String,
        path: String,
        connection: Connection,
    },
    Directory(PathBuf),
}

/// Reads a URL that stands at `at`. None: it was wrong, and the findings say how.
pub fn parse(
    text: &str,
    at: Position,
    environment: Environment<'_>,
    findings: &Findings,
) -> Option<ReplicaUrl> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return directory(text, at, environment, findings);
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    match scheme {
        "file" => directory(&decode(rest), at, environment, findings),
        "s3" => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            Some(ReplicaUrl::Bucket {
                provider: Provider::Aws,
                bucket: bucket("s3", host, at, findings)?.to_owned(),
                path: decode(path),
                connection: connection(query, at, findings)?,
            })
        }
        "oss" => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let (host, endpoint) = oss::bucket_and_endpoint(host);
            let written = connection(query, at, findings)?;
            Some(ReplicaUrl::Bucket {
                provider: Provider::Alibaba,
                bucket: bucket("oss", host, at, findings)?.to_owned(),
                path: decode(path),
                connection: Connection {
                    endpoint: written.endpoint.or(endpoint),
                    ..written
                },
            })
        }
        other => {
            findings.error(at, unknown_kind(other));
            None
        }
    }
}

/// What to say of a kind of replica that is not there.
pub fn unknown_kind(kind: &str) -> String {
    let why = match kind {
        "gs" => {
            "are refused: Google's S3 interface ignores conditional writes without a word, so that \
             a second writer would not be kept out and would damage the replica; use a bucket of a \
             store that honours them"
        }
        "abs" | "sftp" | "webdav" | "nats" => "are not supported; use one of the others",
        _ => "are not known",
    };
    format!("replicas of type \"{kind}\" {why}; this release has: s3, file, oss")
}

/// A replica in a directory of this machine.
pub fn directory(
    text: &str,
    at: Position,
    environment: Environment<'_>,
    findings: &Findings,
) -> Option<ReplicaUrl> {
    match paths::local(text, environment) {
        Ok(path) => Some(ReplicaUrl::Directory(path)),
        Err(message) => {
            findings.error(at, format!("replica directory: {message}"));
            None
        }
    }
}

fn bucket<'a>(scheme: &str, host: &'a str, at: Position, findings: &Findings) -> Option<&'a str> {
    let problem = if host.is_empty() {
        format!("the URL of the replica names no bucket; write {scheme}://bucket/path")
    } else if host.contains('@') {
        "the URL of the replica must not hold credentials; \
         use access-key-id and secret-access-key, or the environment"
            .to_owned()
    } else if host.contains(':') || host.ends_with(".amazonaws.com") {
        format!(
            "the URL of the replica must name the bucket alone; \
             write {scheme}://bucket/path?endpoint=…&region=… instead of a host name"
        )
    } else {
        return Some(host);
    };
    findings.error(at, problem);
    None
}

/// The parameters of the URL: the replica's own keys, in camelCase or with hyphens.
fn connection(query: &str, at: Position, findings: &Findings) -> Option<Connection> {
    let entries = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = Value::Scalar(decode(&value.replace('+', " ")));
            Entry {
                key: with_hyphens(&decode(key)),
                key_at: at,
                node: Node { at, value },
            }
        })
        .collect();
    let parameters = Node {
        at,
        value: Value::Map(entries),
    };
    let mut section = Section::open("the replica's URL", &parameters, &keys::URL, findings)?;
    let connection = Connection::read(&mut section);
    section.close();
    Some(connection)
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// `forcePathStyle` and `requireContentMD5` as a config spells them.
fn with_hyphens(key: &str) -> String {
    let mut result = String::with_capacity(key.len() + 4);
    let mut after_lower = false;
    for letter in key.chars() {
        if after_lower && letter.is_ascii_uppercase() {
            result.push('-');
        }
        after_lower = letter.is_ascii_lowercase();
        result.push(letter.to_ascii_lowercase());
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Position = Position {
        line: 3,
        column: 10,
    };

    fn read(text: &str) -> Result<(ReplicaUrl, Vec<String>), Vec<String>> {
        let findings = Findings::on_the_command_line();
        let url = parse(text, HERE, &|_| None, &findings);
        let texts = |list: Vec<_>| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        findings
            .finish()
            .map_err(texts)
            .map(|warnings| (url.unwrap(), texts(warnings)))
    }

    fn error(text: &str) -> String {
        read(text).unwrap_err().join("\n")
    }

    #[test]
    fn an_s3_url_names_bucket_path_and_connection() {
        for query in [
            "endpoint=http://127.0.0.1:9000&region=eu-1&forcePathStyle=true&skipVerify=true\
             &signPayload=false&requireContentMD5=false&storageClass=COLD&partSize=8MiB\
             &concurrency=3",
            "endpoint=http%3A%2F%2F127.0.0.1%3A9000&region=eu-1&force-path-style=true\
             &skip-verify=true&sign-payload=false&require-content-md5=false&storage-class=COLD\
             &part-size=8388608&concurrency=3",
        ] {
            let (url, warnings) = read(&format!("s3://my.bucket/a%20dir/app.db?{query}")).unwrap();
            let connection = Connection {
                endpoint: Some("http://127.0.0.1:9000".to_owned()),
                region: Some("eu-1".to_owned()),
                force_path_style: Some(true),
                skip_verify: Some(true),
                sign_payload: Some(false),
                content_md5: Some(false),
                storage_class: Some("COLD".to_owned()),
                part_bytes: Some(8 << 20),
                concurrency: Some(3),
            };
            let expected = ReplicaUrl::Bucket {
                provider: Provider::Aws,
                bucket: "my.bucket".to_owned(),
                path: "a dir/app.db".to_owned(),
                connection,
            };
            assert_eq!(url, expected);
            assert_eq!(warnings, [""; 0]);
        }
    }

    #[test]
    fn an_oss_url_may_name_its_endpoint() {
        let place = |text| match read(text).unwrap().0 {
            ReplicaUrl::Bucket {
                provider: Provider::Alibaba,
                bucket,
                path,
                connection,
            } => (bucket, path, connection.endpoint),
            other => panic!("expected a bucket of OSS, found {other:?}"),
        };
        let endpoint = "https://s3.oss-cn-beijing.aliyuncs.com".to_owned();
        assert_eq!(
            place("oss://b.oss-cn-beijing.aliyuncs.com/a/b"),
            ("b".to_owned(), "a/b".to_owned(), Some(endpoint))
        );
        assert_eq!(place("oss://b/a"), ("b".to_owned(), "a".to_owned(), None));
    }

    #[test]
    fn a_file_url_and_a_plain_path_are_a_directory() {
        let expected = || ReplicaUrl::Directory(PathBuf::from("/backup/app"));
        assert_eq!(read("file:///backup/app").unwrap().0, expected());
        assert_eq!(read("/backup/app").unwrap().0, expected());
    }

    #[test]
    fn a_misspelt_parameter_is_an_error_with_the_nearest() {
        let message = error("s3://b/p?forcePathStile=true");
        assert!(
            message.contains("unknown key \"force-path-stile\""),
            "{message}"
        );
        assert!(
            message.contains("did you mean \"force-path-style\"?"),
            "{message}"
        );
    }

    #[test]
    fn other_stores_and_odd_hosts_are_refused() {
        assert!(error("gs://bucket/x").contains("ignores conditional writes"));
        assert!(error("abs://a@b/x").ends_with("this release has: s3, file, oss"));
        assert!(error("s3:///x").contains("names no bucket"));
        assert!(error("s3://minio:9000/b/x").contains("endpoint="));
        assert!(error("s3://b.s3.eu-west-1.amazonaws.com/x").contains("region="));
        let message = error("s3://key:hunter2@bucket/x");
        assert!(message.contains("must not hold credentials"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}
