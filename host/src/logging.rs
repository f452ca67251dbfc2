//! How the program speaks while it runs: one line an event, as text for people or JSON for
//! machines.

use std::io::IsTerminal;
use std::str::FromStr;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

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

/// Where log lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Stdout,
    Stderr,
}

impl Level {
    pub const EXPECTED: &str = "one of trace, debug, info, warn, error";

    fn name(self) -> &'static str {
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

/// Sets logging up for the whole process. A second call does nothing.
pub fn init(level: Level, format: Format, source: bool, output: Output) {
    // What libraries have to say interests only when something is wrong. AWS's warns at each try that
    // a machine offers no credentials; that comes back to us as an error, which is told once.
    let filter = EnvFilter::new(format!("warn,aws_config=error,seawall={}", level.name()));
    let (writer, terminal) = match output {
        Output::Stdout => (
            BoxMakeWriter::new(std::io::stdout),
            std::io::stdout().is_terminal(),
        ),
        Output::Stderr => (
            BoxMakeWriter::new(std::io::stderr),
            std::io::stderr().is_terminal(),
        ),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(terminal)
        .with_target(false)
        // It would complain on stderr and panic there when nobody reads that either.
        .log_internal_errors(false)
        .with_file(source)
        .with_line_number(source);
    let already_set = match format {
        Format::Text => builder.compact().try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    drop(already_set);
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
