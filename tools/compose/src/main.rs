//! Plugs components into one another: what one of them imports another one exports.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser;
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, PackageId, plug};

/// Plugs components into another one, which is then one component without those imports
#[derive(Parser)]
struct Cli {
    /// A component whose exports are imports of the other one
    #[arg(long = "plug", required = true)]
    plugs: Vec<PathBuf>,

    /// The component that is plugged into
    #[arg(long = "into")]
    socket: PathBuf,

    /// Where the result goes
    #[arg(short, long)]
    output: PathBuf,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let mut graph = CompositionGraph::new();
    let plugs = cli.plugs.iter().map(|path| register(&mut graph, path));
    let plugs = plugs.collect::<Result<_>>()?;
    let socket = register(&mut graph, &cli.socket)?;
    plug(&mut graph, plugs, socket).context("the components do not fit together")?;
    let bytes = graph.encode(EncodeOptions::default())?;
    std::fs::write(&cli.output, bytes).with_context(|| cli.output.display().to_string())
}

fn register(graph: &mut CompositionGraph, path: &Path) -> Result<PackageId> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let package = Package::from_file(&format!("local:{name}"), None, path, graph.types_mut());
    let package = package.with_context(|| path.display().to_string())?;
    Ok(graph.register_package(package)?)
}
