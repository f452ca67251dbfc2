//! The XML that S3 speaks.

use serde::Deserialize;

/// What went wrong, in S3's words. Every field may be missing.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "PascalCase")]
pub struct ErrorDocument {
    pub code: String,
    pub message: String,
    /// Where the bucket is, in answers to requests of the wrong region.
    pub region: Option<String>,
}

impl ErrorDocument {
    /// Reads a body that may or may not be an error document.
    pub fn read(body: &[u8]) -> Option<ErrorDocument> {
        let text = std::str::from_utf8(body).ok()?;
        if root_of(text)? != "Error" {
            return None;
        }
        quick_xml::de::from_str(text).ok()
    }
}

/// An answer to ListObjectsV2.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListBucketResult {
    #[serde(default)]
    pub contents: Vec<Contents>,
    #[serde(default)]
    pub is_truncated: bool,
    pub next_continuation_token: Option<String>,
    /// Set when keys are percent-encoded; some stores ignore that this was asked for.
    pub encoding_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Contents {
    pub key: String,
    pub size: u64,
    pub last_modified: String,
}

/// An answer to DeleteObjects in quiet mode: what was not deleted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteResult {
    #[serde(default)]
    pub error: Vec<DeleteError>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteError {
    pub key: String,
    #[serde(default)]
    pub code: String,
    #[serde(default)]
    pub message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct InitiateMultipartUploadResult {
    pub upload_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CompleteMultipartUploadResult {
    #[serde(rename = "ETag")]
    pub etag: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListMultipartUploadsResult {
    #[serde(default)]
    pub upload: Vec<UnfinishedUpload>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UnfinishedUpload {
    pub key: String,
    pub upload_id: String,
    pub initiated: String,
}

/// Reads an answer whose root element is `root`.
///
/// Errors: a text that says what came instead.
pub fn read<'de, T: Deserialize<'de>>(root: &str, body: &'de [u8]) -> Result<T, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the answer is not UTF-8".to_owned())?;
    match root_of(text) {
        Some(found) if found == root => {}
        Some(found) => return Err(format!("the answer is <{found}>, not <{root}>")),
        None => return Err("the answer is not XML: is this the endpoint of an S3 store?".into()),
    }
    quick_xml::de::from_str(text).map_err(|error| format!("the answer cannot be read: {error}"))
}

/// Whether a bucket keeps old versions, by its VersioningConfiguration; without a `Status` it
/// never did. `None`: the answer is none.
pub fn keeps_versions(body: &[u8]) -> Option<bool> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Configuration {
        status: Option<String>,
    }
    let found: Configuration = read("VersioningConfiguration", body).ok()?;
    Some(found.status.as_deref() == Some("Enabled"))
}

/// The text of the bucket's LocationConstraint. Stores disagree about what is around it, and AWS
/// leaves it empty for its oldest region and writes `EU` for its second.
pub fn read_location(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, behind) = text.split_once("<LocationConstraint")?;
    let (attributes, content) = behind.split_once('>')?;
    let region = content
        .split_once('<')
        .map_or("", |(region, _)| region.trim());
    Some(match region {
        _ if attributes.ends_with('/') => "us-east-1".into(),
        "" => "us-east-1".into(),
        "EU" => "eu-west-1".into(),
        region => region.into(),
    })
}

/// The name of the first element.
fn root_of(text: &str) -> Option<&str> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let text = match text.strip_prefix("<?") {
        Some(declaration) => declaration.split_once("?>")?.1.trim_start(),
        None => text,
    };
    let name = text.strip_prefix('<')?;
    let end = name.find(|c: char| c.is_whitespace() || c == '>' || c == '/')?;
    Some(&name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_document_is_read() {
        let body = br#"<?xml version="1.0" encoding="UTF-8"?>
            <Error><Code>PermanentRedirect</Code><Message>Use &quot;it&quot;</Message>
            <Region>eu-west-1</Region><Unknown/></Error>"#;
        let document = ErrorDocument::read(body).unwrap();
        assert_eq!(document.code, "PermanentRedirect");
        assert_eq!(document.message, "Use \"it\"");
        assert_eq!(document.region.as_deref(), Some("eu-west-1"));
    }

    #[test]
    fn what_is_no_error_document_is_none() {
        for body in [
            "",
            "<html><body>404</body></html>",
            "not found",
            "<ListBucketResult/>",
        ] {
            assert_eq!(ErrorDocument::read(body.as_bytes()), None, "{body}");
        }
        assert_eq!(ErrorDocument::read(&[0xff, 0xfe]), None);
    }

    #[test]
    fn a_listing_is_read() {
        let body = br#"<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
            <Name>b</Name><IsTruncated>true</IsTruncated><KeyCount>2</KeyCount>
            <Contents><Key>a%2Bb</Key><ETag>&#34;e&#34;</ETag><Size>5</Size>
              <LastModified>2026-11-22T14:15:59.000Z</LastModified></Contents>
            <Contents><Key>c</Key><Size>6</Size>
              <LastModified>2026-11-22T14:15:59Z</LastModified></Contents>
            <NextContinuationToken>tok/==</NextContinuationToken>
            <EncodingType>url</EncodingType></ListBucketResult>"#;
        let listing: ListBucketResult = read("ListBucketResult", body).unwrap();
        assert_eq!(listing.contents.len(), 2);
        assert_eq!(
            (listing.contents[0].key.as_str(), listing.contents[1].size),
            ("a%2Bb", 6)
        );
        assert!(listing.is_truncated);
        assert_eq!(listing.next_continuation_token.as_deref(), Some("tok/=="));
    }

    #[test]
    fn an_empty_listing_and_a_foreign_page_are_told_apart() {
        let empty: ListBucketResult =
            read("ListBucketResult", b"<ListBucketResult></ListBucketResult>").unwrap();
        assert!(empty.contents.is_empty() && !empty.is_truncated);
        let page = read::<ListBucketResult>("ListBucketResult", b"<html><p>Log in</p></html>");
        assert!(page.unwrap_err().contains("<html>"));
        assert!(read::<ListBucketResult>("ListBucketResult", b"hello").is_err());
    }

    #[test]
    fn a_bucket_that_never_kept_versions_has_no_status() {
        for (status, keeps) in [
            ("<Status>Enabled</Status>", true),
            ("<Status>Suspended</Status>", false),
            ("", false),
        ] {
            let body = format!("<VersioningConfiguration>{status}</VersioningConfiguration>");
            assert_eq!(keeps_versions(body.as_bytes()), Some(keeps), "{status}");
        }
        assert_eq!(keeps_versions(b"<html/>"), None);
    }

    #[test]
    fn locations_are_read_in_every_dialect() {
        for (body, region) in [
            (
                "<LocationConstraint xmlns=\"x\">eu-west-3</LocationConstraint>",
                "eu-west-3",
            ),
            ("<LocationConstraint xmlns=\"x\"/>", "us-east-1"),
            (
                "<?xml?><LocationConstraint></LocationConstraint>",
                "us-east-1",
            ),
            ("<LocationConstraint>EU</LocationConstraint>", "eu-west-1"),
            (
                "<CreateBucketConfiguration><LocationConstraint>x</LocationConstraint></a>",
                "x",
            ),
        ] {
            assert_eq!(
                read_location(body.as_bytes()).as_deref(),
                Some(region),
                "{body}"
            );
        }
        assert_eq!(read_location(b"<html/>"), None);
    }
}
