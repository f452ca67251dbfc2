//! How the program speaks while it runs: one line an event, as text for people or JSON for
//! machines.

use config::{Format, Level};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// Where log lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Stdout,
    Stderr,
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
