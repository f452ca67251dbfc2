//! What a config says of logging, and who has the last word on its level.

use std::str::FromStr;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Trace,
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Text,
    Json,
}

/// What a config says of logging.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logging {
    pub level: Option<Level>,
    pub format: Format,
    pub stderr: bool,
    /// Lines name the source file and line that they come from.
    pub source: bool,
}

impl Level {
    pub const EXPECTED: &str = "one of trace, debug, info, warn, error";

    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// The flag wins over `LOG_LEVEL`, which wins over the config. A `LOG_LEVEL` that means
    /// nothing here is another program's, and ignored.
    pub fn choose(flag: Option<Self>, variable: Option<&str>, config: Option<Self>) -> Self {
        let variable = variable.and_then(|text| text.parse().ok());
        flag.or(variable).or(config).unwrap_or_default()
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "trace" => Ok(Self::Trace),
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" | "warning" => Ok(Self::Warn),
            "error" => Ok(Self::Error),
            _ => Err(format!("a level is {}", Self::EXPECTED)),
        }
    }
}

impl Format {
    pub const EXPECTED: &str = "text or json";
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            // Litestream's "pretty" is its text for terminals, which ours is too.
            "text" | "pretty" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("a format is {}", Self::EXPECTED)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_over_the_variable_and_the_variable_over_the_config() {
        use Level::{Debug, Error, Info, Warn};
        assert_eq!(Level::choose(Some(Debug), Some("warn"), Some(Error)), Debug);
        assert_eq!(Level::choose(None, Some("WARN"), Some(Error)), Warn);
        assert_eq!(Level::choose(None, Some("chatty"), Some(Error)), Error);
        assert_eq!(Level::choose(None, None, None), Info);
    }
}
