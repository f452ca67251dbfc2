//! What stands for the images: their entrypoints and files, in a directory of this machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::places;
use crate::program::Program;

pub struct Image {
    pub root: PathBuf,
    pub entrypoint: Vec<String>,
    pub directory: &'static str,
    /// Files of this machine that the image is made of, with their places in it.
    pub files: Vec<(PathBuf, String)>,
}

/// What container.sh puts into each root.
const OWN: [&str; 3] = ["usr", "dev", "proc"];

impl Image {
    /// The image that a manifest names, laid out below `dir`.
    pub fn pull(name: &str, dir: &Path) -> Result<Self> {
        if name.contains("seawall") {
            Self::seawall(dir)
        } else if name.contains("hedgedoc") {
            Self::hedgedoc(dir)
        } else {
            bail!("nothing stands for the image {name}")
        }
    }

    /// As `deploy/Containerfile` has it.
    fn seawall(dir: &Path) -> Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/Containerfile");
        let text = fs::read_to_string(path)?;
        let entrypoint = text
            .lines()
            .find_map(|line| line.strip_prefix("ENTRYPOINT "))
            .context("the Containerfile has no ENTRYPOINT")?;
        let entrypoint: Vec<String> = serde_json::from_str(entrypoint)?;
        let files = vec![(Program::Seawall.path()?, entrypoint[0].clone())];
        Self::lay_out(dir.join("seawall"), entrypoint, "/", files)
    }

    /// The Node app in HedgeDoc's place: its directory, its user, its settings, its ports.
    fn hedgedoc(dir: &Path) -> Result<Self> {
        let app = places::app()?;
        let app = app.parent().context("the app has a directory")?;
        let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("pod/hedgedoc.js");
        let mut files = vec![(stand_in, "/hedgedoc/hedgedoc.js".to_owned())];
        for name in ["app.js", "tables.js", "node_modules"] {
            files.push((app.join(name).canonicalize()?, format!("/hedgedoc/{name}")));
        }
        let entrypoint = ["node", "hedgedoc.js"].map(str::to_owned).into();
        Self::lay_out(dir.join("hedgedoc"), entrypoint, "/hedgedoc", files)
    }

    fn lay_out(
        root: PathBuf,
        entrypoint: Vec<String>,
        directory: &'static str,
        files: Vec<(PathBuf, String)>,
    ) -> Result<Self> {
        let image = Self {
            root,
            entrypoint,
            directory,
            files,
        };
        if image.root.exists() {
            return Ok(image);
        }
        for own in OWN {
            fs::create_dir_all(image.root.join(own))?;
        }
        for link in ["bin", "lib", "lib64"] {
            std::os::unix::fs::symlink(format!("usr/{link}"), image.root.join(link))?;
        }
        for (source, target) in &image.files {
            image.make_place(target, source.is_dir())?;
        }
        Ok(image)
    }

    /// Makes something for a mount to cover.
    pub fn make_place(&self, path: &str, is_dir: bool) -> Result<()> {
        let place = self.root.join(path.trim_start_matches('/'));
        if is_dir {
            fs::create_dir_all(place)?;
        } else {
            fs::create_dir_all(place.parent().context("a file has a directory")?)?;
            fs::write(place, "")?;
        }
        Ok(())
    }
}
