//! The control socket.

use super::Environment;
use super::paths;
use super::section::Section;
use std::path::PathBuf;

const DEFAULT_PATH: &str = "/var/run/litestream.sock";
const DEFAULT_PERMISSIONS: u32 = 0o600;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    pub enabled: bool,
    pub path: PathBuf,
    /// Unix permissions.
    pub permissions: u32,
}

impl Default for Socket {
    fn default() -> Self {
        Self {
            enabled: false,
            path: PathBuf::from(DEFAULT_PATH),
            permissions: DEFAULT_PERMISSIONS,
        }
    }
}

impl Socket {
    pub fn read(top: &mut Section<'_>, environment: Environment<'_>) -> Self {
        let standard = Self::default();
        let Some(mut section) = top.mapping("socket") else {
            return standard;
        };
        let enabled = section.boolean("enabled");
        let path = section.placed_text("path").and_then(|path| {
            paths::local(&path.text, environment)
                .map_err(|message| {
                    let text = format!("socket.path: {message}");
                    section.findings().error(path.at, text);
                })
                .ok()
        });
        let permissions = section.permissions("permissions");
        section.close();
        Self {
            enabled: enabled.unwrap_or(standard.enabled),
            path: path.unwrap_or(standard.path),
            permissions: permissions.unwrap_or(standard.permissions),
        }
    }
}
