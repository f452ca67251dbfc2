//! Builds the component under test in four variants, one sound and three deliberately broken, and
//! compiles them ahead of time. By the method of `host/build.rs`, in the same target directory, so
//! that SQLite is compiled once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Features of the guest's crate; the sound variant has none.
const VARIANTS: [&str; 4] = ["sound", "broken-pull", "broken-push", "broken-hash"];

fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = manifest
        .ancestors()
        .nth(2)
        .expect("tests/stress lies in the workspace");
    for path in [
        "guest/engine/src",
        "guest/engine/Cargo.toml",
        "guest/replicator/src",
        "host/build.rs",
        "tests/stress/guest",
        "wit",
        "Cargo.lock",
    ] {
        println!("cargo:rerun-if-changed={}", root.join(path).display());
    }
    let engine = engine();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for variant in VARIANTS {
        let component = build(root, variant);
        let wasm = fs::read(&component).expect("the component was built");
        let compiled = engine
            .precompile_component(&wasm)
            .expect("the component is valid");
        fs::write(out.join(format!("{variant}.cwasm")), compiled).expect("OUT_DIR can be written");
    }
}

/// What the program's own component is built with, too.
const SQLITE_FLAGS: &str = include_str!("../../guest/sqlite-flags");

fn build(root: &Path, variant: &str) -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), PathBuf::from)
        .join("guest");
    let mut cargo = Command::new(env::var_os("CARGO").expect("cargo sets it"));
    cargo
        .current_dir(root)
        .args(["build", "--locked", "-p", "stress-guest"])
        .args(["--profile", "component", "--target", "wasm32-wasip2"])
        .arg("--target-dir")
        .arg(&target)
        .env("LIBSQLITE3_FLAGS", SQLITE_FLAGS.trim());
    if variant != "sound" {
        cargo.args(["--features", variant]);
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
        "the guest of the stress test does not build; `scripts/setup build` installs what it takes"
    );
    target.join("wasm32-wasip2/component/stress_guest.wasm")
}

fn engine() -> wasmtime::Engine {
    let mut config = wasmtime::Config::new();
    config
        .target(&env::var("TARGET").expect("cargo sets TARGET"))
        .expect("Cranelift knows the target");
    wasmtime::Engine::new(&config).expect("wasmtime accepts the target")
}
