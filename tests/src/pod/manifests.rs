//! The manifests as `kubectl apply -k` would send them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::places;

/// `deploy/kubernetes` of this project.
pub fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes")
}

/// A copy of the manifests in a directory of the caller's, for settings to be filled in.
pub fn copy(to: &Path) -> Result<()> {
    let copied = Command::new("cp")
        .arg("-r")
        .arg(source())
        .arg(to)
        .status()?;
    ensure!(copied.success(), "the manifests cannot be copied");
    Ok(())
}

/// Does what a user does: writes values after the names in a kustomization.
pub fn fill_in(kustomization: &Path, settings: &[(&str, &str)]) -> Result<()> {
    let mut text = std::fs::read_to_string(kustomization)?;
    for (name, value) in settings {
        let start = format!("- {name}=");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut found = lines
            .iter_mut()
            .filter(|line| line.trim_start().starts_with(&start));
        let line = found
            .next()
            .with_context(|| format!("no place for {name}"))?;
        ensure!(found.next().is_none(), "two places for {name}");
        let indent = line.len() - line.trim_start().len();
        line.truncate(indent + start.len());
        line.push_str(value);
        text = lines.join("\n") + "\n";
    }
    Ok(std::fs::write(kustomization, text)?)
}

/// What kustomize makes of a directory.
pub fn build(dir: &Path) -> Result<String> {
    let mut kubectl = Command::new(places::kubernetes_tool("kubectl")?);
    let output = kubectl.arg("kustomize").arg(dir).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success() && said.is_empty(),
        "{}: {said}",
        dir.display()
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// The objects of built manifests.
pub fn objects(built: &str) -> Result<Vec<Value>> {
    Ok(serde_saphyr::from_multiple(built)?)
}

/// Checks built manifests against Kubernetes' own schemas; a field that these do not have is an
/// error. Returns what was checked, one line for each object.
pub fn validate(built: &str) -> Result<String> {
    let dir = tempfile::TempDir::new()?;
    let file = dir.path().join("manifests.yaml");
    std::fs::write(&file, built)?;
    let output = Command::new(places::kubernetes_tool("kubernetes-validate")?)
        .arg("--strict")
        .arg(&file)
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(output.status.success(), "{said}");
    Ok(said)
}
