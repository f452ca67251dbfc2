//! Builds the component under test in four variants, one sound and three deliberately broken.

#[path = "../guests.rs"]
mod guests;

/// Features of the guest's crate; the sound variant has none.
const VARIANTS: [&str; 4] = ["sound", "broken-pull", "broken-push", "broken-hash"];

fn main() {
    let root = guests::root();
    for path in [
        "guest/engine/src",
        "guest/engine/Cargo.toml",
        "guest/replicator/src",
        "tests/guests.rs",
        "tests/stress/guest",
        "wit",
        "Cargo.lock",
    ] {
        println!("cargo:rerun-if-changed={}", root.join(path).display());
    }
    let engine = guests::engine(false);
    for variant in VARIANTS {
        let feature = Some(variant).filter(|variant| *variant != "sound");
        guests::compile(&root, &engine, "stress-guest", feature, variant);
    }
}
