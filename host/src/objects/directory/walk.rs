//! Files below a directory as keys in byte order, the way a bucket lists them.
//!
//! A directory's own entries are sorted with `/` after the names of directories, as that is how
//! their keys go on: `sub-a` comes before `sub/x`, since `-` is less than `/`.

use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::super::keys::OWN_FILES;
use super::super::{Entry, Listing};
use super::is_absent;

/// The first `limit` keys that begin with `prefix` and come after `start_after`.
pub fn list(
    root: &Path,
    prefix: &str,
    start_after: Option<&str>,
    limit: usize,
) -> io::Result<Listing> {
    let mut walk = Walk {
        root,
        prefix,
        start_after,
        limit,
        found: Listing::default(),
    };
    // What does not lie below the whole parts of the prefix need not be looked at.
    let below = prefix.rfind('/').map_or("", |slash| &prefix[..=slash]);
    walk.directory(below)?;
    Ok(walk.found)
}

struct Walk<'a> {
    root: &'a Path,
    prefix: &'a str,
    start_after: Option<&'a str>,
    limit: usize,
    found: Listing,
}

impl Walk<'_> {
    /// `below` is empty or ends with a slash.
    fn directory(&mut self, below: &str) -> io::Result<()> {
        for key in self.sorted_entries(below)? {
            if self.found.truncated {
                break;
            }
            if key.ends_with('/') {
                self.directory(&key)?;
            } else {
                self.file(key)?;
            }
        }
        Ok(())
    }

    fn sorted_entries(&self, below: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.root.join(below)) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut keys = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with(OWN_FILES)) else {
                continue;
            };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                let key = format!("{below}{name}/");
                if self.may_hold_wanted(&key) {
                    keys.push(key);
                }
            } else if kind.is_file() {
                let key = format!("{below}{name}");
                if self.is_wanted(&key) {
                    keys.push(key);
                }
            }
        }
        keys.sort_unstable();
        Ok(keys)
    }

    fn is_wanted(&self, key: &str) -> bool {
        key.starts_with(self.prefix) && self.start_after.is_none_or(|after| key > after)
    }

    fn may_hold_wanted(&self, directory: &str) -> bool {
        let leads_to_prefix =
            directory.starts_with(self.prefix) || self.prefix.starts_with(directory);
        let ends_after = |after: &str| directory > after || after.starts_with(directory);
        leads_to_prefix && self.start_after.is_none_or(ends_after)
    }

    fn file(&mut self, key: String) -> io::Result<()> {
        if self.found.entries.len() == self.limit {
            self.found.truncated = true;
            return Ok(());
        }
        let metadata = match fs::metadata(self.root.join(&key)) {
            Ok(metadata) => metadata,
            // Deleted since the directory was read.
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        let modified_ms = metadata
            .modified()?
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64);
        self.found.entries.push(Entry {
            key,
            size: metadata.len(),
            modified_ms,
        });
        Ok(())
    }
}
