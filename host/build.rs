//! Builds the components and compiles them ahead of time, so that a start compiles nothing.
//!
//! `SEAWALL_COMPONENT=path` and `SEAWALL_EDGE_COMPONENT=path` hand in finished ones instead.

use std::path::{Path, PathBuf};
use std::{env, fs, process::Command};

/// What the guest's SQLite is built with. No files of its own, temporary data in memory; nothing
/// is left out that a user's schema might need, and pages can be written as they are.
const SQLITE_FLAGS: &str = include_str!("../guest/sqlite-flags");

fn main() {
    embed(
        "replicator",
        "SEAWALL_COMPONENT",
        ["SEAWALL_CWASM", "SEAWALL_WASM"],
    );
    embed(
        "edge",
        "SEAWALL_EDGE_COMPONENT",
        ["SEAWALL_EDGE_CWASM", "SEAWALL_EDGE_WASM"],
    );
}

/// Compiles a component; `names` are the variables by which the program finds it, compiled and as
/// it is.
fn embed(component: &str, override_by: &str, names: [&str; 2]) {
    println!("cargo:rerun-if-env-changed={override_by}");
    let wasm = match env::var_os(override_by) {
        Some(path) => PathBuf::from(path),
        None => build_component(component),
    };
    println!("cargo:rerun-if-changed={}", wasm.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let compiled = out.join(format!("{component}.cwasm"));
    fs::write(&compiled, precompile(&wasm)).expect("OUT_DIR can be written");
    println!("cargo:rustc-env={}={}", names[0], compiled.display());
    println!("cargo:rustc-env={}={}", names[1], wasm.display());
}

fn build_component(component: &str) -> PathBuf {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = manifest.parent().expect("host/ lies in the workspace");
    for path in [
        "guest/engine/src",
        "guest/engine/Cargo.toml",
        "guest/edge",
        "guest/hrana",
        "guest/objects",
        "guest/replicator",
        "wit",
        "Cargo.lock",
    ] {
        println!("cargo:rerun-if-changed={}", root.join(path).display());
    }
    // A target directory of its own: the outer cargo holds the lock of the shared one.
    let target = target_directory(root).join("guest");
    let mut cargo = Command::new(env::var_os("CARGO").expect("cargo sets it"));
    cargo
        .current_dir(root)
        .args([
            "build",
            "--locked",
            "-p",
            component,
            "--profile",
            "component",
        ])
        .args(["--target", "wasm32-wasip2", "--target-dir"])
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
        "the component does not build; `scripts/setup build` installs the wasm target and the C headers"
    );
    target.join(format!("wasm32-wasip2/component/{component}.wasm"))
}

fn target_directory(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

fn precompile(component: &Path) -> Vec<u8> {
    let mut config = wasmtime::Config::new();
    // The plain instruction set of the target, not what this machine happens to have.
    config
        .target(&env::var("TARGET").expect("cargo sets TARGET"))
        .expect("Cranelift knows the target");
    // It looks now and then whether it is to be interrupted.
    config.epoch_interruption(true);
    let engine = wasmtime::Engine::new(&config).expect("wasmtime accepts the target");
    let wasm = fs::read(component).expect("the component was built");
    engine
        .precompile_component(&wasm)
        .expect("the component is valid")
}
