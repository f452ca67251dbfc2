//! What reading a config brought to light: mistakes, which stop, and remarks, which do not.
//! All of them are gathered, so that a person mends a file in one go.

use super::Mistake;
use super::tree::Position;
use std::cell::RefCell;
use std::fmt;

/// One finding and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// None when the text came from the command line.
    file: Option<String>,
    at: Position,
    text: String,
}

impl Finding {
    pub fn mistake(&self) -> Mistake {
        Mistake {
            line: Some(self.at.line),
            column: Some(self.at.column),
            message: self.text.clone(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:{}:{}: ", self.at.line, self.at.column)?;
        }
        f.write_str(&self.text)
    }
}

/// Gathers findings while a config is read.
#[derive(Debug)]
pub struct Findings {
    file: Option<String>,
    errors: RefCell<Vec<Finding>>,
    warnings: RefCell<Vec<Finding>>,
}

impl Findings {
    pub fn in_file(file: impl Into<String>) -> Self {
        Self::new(Some(file.into()))
    }

    pub fn on_the_command_line() -> Self {
        Self::new(None)
    }

    fn new(file: Option<String>) -> Self {
        Self {
            file,
            errors: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    pub fn error(&self, at: Position, text: impl Into<String>) {
        self.errors.borrow_mut().push(self.finding(at, text.into()));
    }

    pub fn warn(&self, at: Position, text: impl Into<String>) {
        self.warnings
            .borrow_mut()
            .push(self.finding(at, text.into()));
    }

    fn finding(&self, at: Position, text: String) -> Finding {
        Finding {
            file: self.file.clone(),
            at,
            text,
        }
    }

    /// The warnings if nothing was wrong, else the errors; both in the order of the file.
    pub fn finish(self) -> Result<Vec<Finding>, Vec<Finding>> {
        let mut errors = self.errors.into_inner();
        let mut warnings = self.warnings.into_inner();
        errors.sort_by_key(|finding| finding.at);
        warnings.sort_by_key(|finding| finding.at);
        if errors.is_empty() {
            Ok(warnings)
        } else {
            Err(errors)
        }
    }
}
