//! A store for hosts that have none of their own: S3 over `wasi:http`.
//!
//! The credentials live here and nowhere else: what is plugged together with this component sees
//! objects below one prefix, and settings by their names.
#![cfg(target_family = "wasm")]

mod carrier;
mod said;
mod settings;
mod store;

wit_bindgen::generate!({
    path: ["../../wit/objects", "../../wit/deps/spin-sqlite@3.1.0", "../../wit/edge"],
    world: "seawall:edge/s3",
});

struct Component;

export!(Component);
