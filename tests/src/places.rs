//! Where the programs are that the tests run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The directory that cargo builds into, found from the running executable.
pub fn target() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    // Cargo tags only a directory that it has made itself.
    let target = exe
        .ancestors()
        .find(|dir| dir.join(".rustc_info.json").exists());
    Ok(target
        .context("this executable is not in a cargo target directory")?
        .into())
}

/// A program built by this workspace with the same profile as the running executable.
pub fn built(name: &str) -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let mut profile = exe.parent().context("executable without a directory")?;
    if profile.ends_with("deps") {
        profile = profile.parent().context("deps without a parent")?;
    }
    exists(profile.join(name), "cargo build")
}

/// The program that all this is about.
pub fn seawall() -> Result<PathBuf> {
    match std::env::var_os("SEAWALL_BIN") {
        Some(path) => exists(path.into(), "SEAWALL_BIN"),
        None => built("seawall"),
    }
}

/// A program that `scripts/setup test` installed.
pub fn tool(name: &str) -> Result<PathBuf> {
    exists(target()?.join("tools/bin").join(name), "scripts/setup test")
}

/// What `scripts/setup test` installed for the manifests.
pub fn kubernetes_tool(name: &str) -> Result<PathBuf> {
    let tools = target()?.join("tools/kubernetes/bin");
    exists(tools.join(name), "scripts/setup test")
}

/// What `make edge` makes: the component for hosts that have no store of their own.
pub fn edge_component() -> Result<PathBuf> {
    exists(target()?.join("guest/seawall-edge.wasm"), "make edge")
}

/// The Node app with its packages installed.
pub fn app() -> Result<PathBuf> {
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("app");
    exists(app.join("node_modules"), "scripts/setup test")?;
    Ok(app.join("app.js"))
}

/// The script that drives a browser, with its packages installed.
pub fn browser_driver() -> Result<PathBuf> {
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    exists(driver.join("node_modules"), "scripts/setup test")?;
    Ok(driver.join("drive.mjs"))
}

/// Debian's Chromium, or the one that `CHROMIUM` names.
pub fn chromium() -> Result<PathBuf> {
    let path = std::env::var_os("CHROMIUM").unwrap_or("/usr/bin/chromium".into());
    exists(path.into(), "scripts/setup test, CHROMIUM")
}

/// The WAL of a database.
pub fn wal_of(db: &Path) -> PathBuf {
    let mut name = db.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn exists(path: PathBuf, source: &str) -> Result<PathBuf> {
    if !path.exists() {
        bail!("{} is not there: run or check {source}", path.display());
    }
    Ok(path)
}
