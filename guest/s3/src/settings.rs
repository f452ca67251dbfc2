//! Settings of the other half: variables of the environment, but for those that are ours.

use crate::Component;
use crate::exports::seawall::edge::settings::{Guest, Level};
use crate::said::{OURS, variable};

impl Guest for Component {
    fn get(name: String) -> Option<String> {
        let name = variable(&name);
        // Where the store is, and who may use it, is nobody else's business.
        match OURS.contains(&name.as_str()) {
            true => None,
            false => std::env::var(name).ok(),
        }
    }

    fn log(level: Level, message: String) {
        let level = match level {
            Level::Error => "ERROR",
            Level::Warn => "WARN",
            Level::Info => "INFO",
            Level::Debug if std::env::var_os("SEAWALL_DEBUG").is_some() => "DEBUG",
            Level::Debug => return,
        };
        eprintln!("{level} {message}");
    }
}
