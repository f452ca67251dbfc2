//! Spin gives its components variables, not an environment that could be filled in when an
//! application starts. This hands them on: `SEAWALL_BUCKET` is the variable `seawall_bucket`.
#![cfg(target_family = "wasm")]

wit_bindgen::generate!({
    path: ["../../wit/deps/fermyon-spin@2.0.0", "../../wit/deps/wasi-cli@0.2.6", "../../wit/spin"],
    world: "seawall:spin/variables",
    generate_all,
});

use exports::wasi::cli::environment::Guest;
use fermyon::spin::variables;

struct Component;

export!(Component);

/// All that the component `s3` reads, and the settings of the component `edge`.
const NAMES: [&str; 24] = [
    "SEAWALL_BUCKET",
    "SEAWALL_PATH",
    "SEAWALL_ENDPOINT",
    "SEAWALL_REGION",
    "SEAWALL_FORCE_PATH_STYLE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "SEAWALL_TOKEN",
    "SEAWALL_READ_ONLY_TOKEN",
    "SEAWALL_OPEN",
    "SEAWALL_READ_ONLY",
    "SEAWALL_FRESHNESS",
    "SEAWALL_CACHE",
    "SEAWALL_MAX_TRANSACTION",
    "SEAWALL_MAX_BODY",
    "SEAWALL_MAX_RESPONSE",
    "SEAWALL_MAX_ROWS",
    "SEAWALL_STATEMENT_TIMEOUT",
    "SEAWALL_CONFLICT_RETRIES",
    "SEAWALL_MAX_STREAMS",
    "SEAWALL_STREAM_IDLE",
    "SEAWALL_BATON_KEY",
    "SEAWALL_DEBUG",
];

impl Guest for Component {
    fn get_environment() -> Vec<(String, String)> {
        let variable = |name: &str| {
            let value = variables::get(&name.to_lowercase()).ok()?;
            Some((name.to_owned(), value))
        };
        NAMES.iter().filter_map(|name| variable(name)).collect()
    }

    fn get_arguments() -> Vec<String> {
        Vec::new()
    }

    fn initial_cwd() -> Option<String> {
        None
    }
}
