//! Builds a component that means harm, and one that asks for more than there is.

#[path = "../guests.rs"]
mod guests;

fn main() {
    let root = guests::root();
    for path in [
        "guest/replicator/src/sandbox.rs",
        "tests/guests.rs",
        "tests/hostile/guest",
        "wit",
        "Cargo.lock",
    ] {
        println!("cargo:rerun-if-changed={}", root.join(path).display());
    }
    let engine = guests::engine(true);
    guests::compile(&root, &engine, "hostile-guest", None, "hostile");
    guests::compile(&root, &engine, "hostile-guest", Some("greedy"), "greedy");
}
