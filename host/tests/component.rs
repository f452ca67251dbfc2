//! What the shipped components ask of their host.

use seawall::component::Program;

#[test]
fn the_component_gets_its_store_its_files_a_log_clocks_and_randomness_and_nothing_else() {
    let mut imports = Program::load().unwrap().imports();
    imports.sort();
    assert_eq!(
        imports,
        [
            "seawall:live/files@0.1.0",
            "seawall:objects/store@0.1.0",
            "seawall:replicator/report@0.1.0",
            "wasi:clocks/monotonic-clock@0.2.6",
            "wasi:clocks/wall-clock@0.2.6",
            "wasi:random/insecure-seed@0.2.6",
            "wasi:random/random@0.2.6",
        ]
    );
}

#[test]
fn the_half_that_speaks_sql_has_no_environment_no_files_and_no_way_out_but_the_store() {
    let mut imports = seawall::serve::imports().unwrap();
    imports.sort();
    assert_eq!(
        imports,
        [
            "seawall:edge/settings@0.1.0",
            "seawall:objects/store@0.1.0",
            "wasi:clocks/monotonic-clock@0.2.6",
            "wasi:clocks/monotonic-clock@0.3.2",
            "wasi:clocks/types@0.3.2",
            "wasi:clocks/wall-clock@0.2.6",
            "wasi:http/types@0.3.2",
            "wasi:random/insecure-seed@0.2.6",
            "wasi:random/random@0.2.6",
        ]
    );
}
