//! The stress test itself: the sound component among others, and the proof that it can fail.
//!
//! `STRESS_SECONDS` says how long the sound component runs (60 seconds if nothing is said).

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

/// The program's exit code when it has seen what must not be.
const CAUGHT: i32 = 3;
/// A broken variant must be caught within this time; it takes seconds.
const LIMIT_SECONDS: &str = "120";

/// Runs the program to its end and returns its exit code.
fn stress(arguments: &[&str]) -> Option<i32> {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // One after the other, in whatever processes the tests run: each needs the machine.
    let turn = File::create(scratch.join("stress.lock")).unwrap();
    turn.lock().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_stress"))
        .arg("run")
        .args(arguments)
        .arg("--disk")
        .arg(scratch)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    output.status.code()
}

fn is_caught(variant: &str) -> bool {
    let arguments = ["--seconds", LIMIT_SECONDS, "--mode", "memory"];
    stress(&[&arguments[..], &["--variant", variant]].concat()) == Some(CAUGHT)
}

#[test]
fn guests_and_native_writers_share_a_wal() {
    assert_eq!(stress(&[]), Some(0));
}

#[test]
fn a_guest_that_does_not_pull_after_a_lock_is_caught() {
    assert!(is_caught("broken-pull"));
}

#[test]
fn a_guest_that_does_not_push_before_an_unlock_is_caught() {
    assert!(is_caught("broken-push"));
}

#[test]
fn a_guest_that_does_not_pull_the_hash_tables_is_caught() {
    assert!(is_caught("broken-hash"));
}
