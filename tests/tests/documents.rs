//! Every relative link in the documents leads somewhere: to a file, and to a heading in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The documents of a directory and, with `deep`, of those below it.
fn documents(dir: &Path, deep: bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if deep && path.is_dir() {
            found.extend(documents(&path, deep)?);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The text without its fenced blocks: what looks like a link or a heading there is none.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let outside = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    outside.collect::<Vec<_>>().join("\n")
}

/// What stands in the parentheses of `[text](target)`.
fn links(prose: &str) -> impl Iterator<Item = &str> {
    let ends = prose.split("](").skip(1);
    ends.filter_map(|rest| Some(rest.split_once(')')?.0))
}

/// The anchors that GitHub gives the headings.
fn anchors(prose: &str) -> BTreeSet<String> {
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let text = line.trim_start_matches('#').trim().to_lowercase();
            let kept = text.chars().filter_map(|at| match at {
                ' ' => Some('-'),
                '-' | '_' => Some(at),
                _ => at.is_alphanumeric().then_some(at),
            });
            kept.collect()
        })
        .collect()
}

#[test]
fn every_link_in_the_documents_leads_somewhere() -> Result<()> {
    let mut files = documents(&root(), false)?;
    files.extend(documents(&root().join("docs"), true)?);
    let (mut seen, mut broken) = (0, Vec::new());
    for file in files {
        let text = prose(&fs::read_to_string(&file)?);
        for link in links(&text).filter(|link| !link.contains("://")) {
            seen += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => file.clone(),
                path => file.with_file_name("").join(path),
            };
            let leads_on = target.exists()
                && (anchor.is_empty()
                    || anchors(&prose(&fs::read_to_string(&target)?)).contains(anchor));
            if !leads_on {
                broken.push(format!("{}: {link}", file.display()));
            }
        }
    }
    ensure!(seen > 30, "only {seen} links were found");
    ensure!(broken.is_empty(), "{}", broken.join("\n"));
    Ok(())
}
