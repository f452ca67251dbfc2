//! The tests' own view of the objects under one prefix, past the program under test and the proxy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::weed::{BUCKET, Store};

/// Where objects are.
#[derive(Clone, Debug)]
pub enum Objects {
    /// In SeaweedFS, read and written through its filer.
    S3 { store: Store, prefix: String },
    /// In a directory.
    Files(PathBuf),
}

/// Keys below the prefix, with sizes in bytes.
pub type Listing = BTreeMap<String, u64>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    entries: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    full_path: String,
    mode: u32,
    #[serde(default)]
    file_size: u64,
}

/// Go's `os.ModeDir`.
const DIRECTORY: u32 = 1 << 31;

impl Objects {
    pub fn list(&self) -> Result<Listing> {
        let mut found = Listing::new();
        match self {
            Self::S3 { store, prefix } => {
                let root = format!("/buckets/{BUCKET}/{prefix}/");
                list_filer(*store, &root, root.len(), &mut found)?;
            }
            Self::Files(dir) => list_files(dir, dir, &mut found)?,
        }
        Ok(found)
    }

    pub fn get(&self, key: &str) -> Result<Vec<u8>> {
        match self {
            Self::S3 { .. } => {
                let mut answer = ureq::get(self.url(key)).call().context(key.to_owned())?;
                Ok(answer
                    .body_mut()
                    .with_config()
                    .limit(u64::MAX)
                    .read_to_vec()?)
            }
            Self::Files(dir) => Ok(std::fs::read(dir.join(key))?),
        }
    }

    pub fn put(&self, key: &str, body: &[u8]) -> Result<()> {
        match self {
            Self::S3 { .. } => {
                ureq::put(self.url(key))
                    .send(body)
                    .context(key.to_owned())?;
                Ok(())
            }
            Self::Files(dir) => {
                let path = dir.join(key);
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent)?;
                }
                Ok(std::fs::write(path, body)?)
            }
        }
    }

    pub fn delete(&self, key: &str) -> Result<()> {
        match self {
            Self::S3 { .. } => {
                ureq::delete(self.url(key)).call().context(key.to_owned())?;
                Ok(())
            }
            Self::Files(dir) => Ok(std::fs::remove_file(dir.join(key))?),
        }
    }

    fn url(&self, key: &str) -> String {
        match self {
            Self::S3 { store, prefix } => {
                format!("http://{}/buckets/{BUCKET}/{prefix}/{key}", store.filer)
            }
            Self::Files(dir) => dir.join(key).display().to_string(),
        }
    }
}

fn list_filer(store: Store, dir: &str, skip: usize, found: &mut Listing) -> Result<()> {
    let url = format!("http://{}{dir}?limit=100000", store.filer);
    let answer = ureq::get(url).header("accept", "application/json").call();
    let mut answer = match answer {
        Err(ureq::Error::StatusCode(404)) => return Ok(()),
        other => other?,
    };
    let page: Page = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
    for entry in page.entries.unwrap_or_default() {
        if entry.mode & DIRECTORY != 0 {
            list_filer(store, &format!("{}/", entry.full_path), skip, found)?;
        } else {
            found.insert(entry.full_path[skip..].to_owned(), entry.file_size);
        }
    }
    Ok(())
}

fn list_files(root: &Path, dir: &Path, found: &mut Listing) -> Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            list_files(root, &path, found)?;
        } else if let Ok(meta) = path.metadata() {
            let key = path.strip_prefix(root)?.to_string_lossy().into_owned();
            found.insert(key, meta.len());
        }
    }
    Ok(())
}
