//! For build scripts of tests: components of the workspace, by the method of `host/build.rs` and in
//! the same target directory, so that SQLite is compiled once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What the program's own component is built with, too.
const SQLITE_FLAGS: &str = include_str!("../guest/sqlite-flags");

/// The workspace's root; `manifest` is two directories below.
pub fn root() -> PathBuf {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = manifest.ancestors().nth(2);
    root.expect("the crate lies in the workspace").to_owned()
}

/// Builds the crate `package` and compiles it into `OUT_DIR/<name>.cwasm`. `feature`: one of its own.
pub fn compile(
    root: &Path,
    engine: &wasmtime::Engine,
    package: &str,
    feature: Option<&str>,
    name: &str,
) {
    let component = build(root, package, feature);
    let wasm = fs::read(&component).expect("the component was built");
    let compiled = engine.precompile_component(&wasm);
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let compiled = compiled.expect("the component is valid");
    fs::write(out.join(format!("{name}.cwasm")), compiled).expect("OUT_DIR can be written");
}

fn build(root: &Path, package: &str, feature: Option<&str>) -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), PathBuf::from)
        .join("guest");
    let mut cargo = Command::new(env::var_os("CARGO").expect("cargo sets it"));
    cargo
        .current_dir(root)
        .args(["build", "--locked", "-p", package])
        .args(["--profile", "component", "--target", "wasm32-wasip2"])
        .arg("--target-dir")
        .arg(&target)
        .env("LIBSQLITE3_FLAGS", SQLITE_FLAGS.trim());
    if let Some(feature) = feature {
        cargo.args(["--features", feature]);
    }
    // Flags and wrappers of the outer build are meant for the host.
    for (key, _) in env::vars_os() {
        let name = key.to_string_lossy();
        let outer = [
            "RUSTFLAGS",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "TARGET",
            "HOST",
            "OPT_LEVEL",
            "PROFILE",
            "DEBUG",
        ];
        if name.starts_with("CARGO_CFG_")
            || name.starts_with("CARGO_FEATURE_")
            || name == "CARGO_ENCODED_RUSTFLAGS"
            || outer.contains(&name.as_ref())
        {
            cargo.env_remove(&key);
        }
    }
    let status = cargo.status().expect("cargo can be started");
    assert!(
        status.success(),
        "{package} does not build; `scripts/setup build` installs what it takes"
    );
    let file = package.replace('-', "_");
    target.join(format!("wasm32-wasip2/component/{file}.wasm"))
}

/// `interruptible`: as the program's own components are compiled.
pub fn engine(interruptible: bool) -> wasmtime::Engine {
    let mut config = wasmtime::Config::new();
    config
        .target(&env::var("TARGET").expect("cargo sets TARGET"))
        .expect("Cranelift knows the target");
    config.epoch_interruption(interruptible);
    wasmtime::Engine::new(&config).expect("wasmtime accepts the target")
}
