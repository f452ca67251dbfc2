//! With the feature `mutants`: builds the components with deliberate faults in them, in a target
//! directory of their own, and compiles them ahead of time. By the method of `host/build.rs`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What the program's own component is built with, too.
const SQLITE_FLAGS: &str = include_str!("../../guest/sqlite-flags");

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_MUTANTS").is_none() {
        return;
    }
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = manifest
        .ancestors()
        .nth(2)
        .expect("tests/sim lies in the workspace");
    for path in [
        "guest/engine/src",
        "guest/engine/Cargo.toml",
        "guest/objects",
        "guest/replicator",
        "guest/edge",
        "guest/hrana",
        "wit",
        "Cargo.lock",
    ] {
        println!("cargo:rerun-if-changed={}", root.join(path).display());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for component in ["replicator", "edge"] {
        let wasm = fs::read(build(root, component)).expect("the component was built");
        let mut config = wasmtime::Config::new();
        config
            .epoch_interruption(true)
            .target(&env::var("TARGET").expect("cargo sets TARGET"))
            .expect("Cranelift knows the target");
        let engine = wasmtime::Engine::new(&config).expect("wasmtime accepts the target");
        let compiled = engine
            .precompile_component(&wasm)
            .expect("the component is valid");
        let file = out.join(format!("{component}-mutants.cwasm"));
        fs::write(file, compiled).expect("OUT_DIR can be written");
    }
}

fn build(root: &Path, component: &str) -> PathBuf {
    // Not where the program's own component lies: that is taken from there by name.
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), PathBuf::from)
        .join("guest-mutants");
    let mut cargo = Command::new(env::var_os("CARGO").expect("cargo sets it"));
    cargo
        .current_dir(root)
        .args(["build", "--locked", "-p", component])
        .args(["--features", "mutants"])
        .args(["--profile", "component", "--target", "wasm32-wasip2"])
        .arg("--target-dir")
        .arg(&target)
        .env("LIBSQLITE3_FLAGS", SQLITE_FLAGS.trim());
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
        "the {component} does not build; `scripts/setup build` installs what it takes"
    );
    target.join(format!("wasm32-wasip2/component/{component}.wasm"))
}
