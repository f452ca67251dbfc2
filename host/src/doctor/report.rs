//! What was checked and what came of it: for people as a list, for machines as JSON.

use crate::exit::Code;
use serde::Serialize;
use std::fmt::{self, Display, Write};

/// What came of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// It works, and still somebody should know.
    Warning,
    /// Seawall cannot do its work like this.
    Fault,
    /// Not tried; the text says why.
    Skipped,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub check: &'static str,
    pub status: Status,
    pub text: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// The checks of one thing: the config, a database, a replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    pub subject: String,
    pub checks: Vec<Check>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub sections: Vec<Section>,
}

impl Section {
    pub fn new(subject: impl Into<String>) -> Section {
        Section {
            subject: subject.into(),
            checks: Vec::new(),
        }
    }

    pub fn ok(&mut self, check: &'static str, text: impl Into<String>) {
        self.add(check, Status::Ok, text.into(), None);
    }

    pub fn warn(
        &mut self,
        check: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(check, Status::Warning, text.into(), Some(remedy.into()));
    }

    pub fn fault(
        &mut self,
        check: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(check, Status::Fault, text.into(), Some(remedy.into()));
    }

    pub fn skip(&mut self, checks: &[&'static str], because: &str) {
        for check in checks {
            self.add(check, Status::Skipped, format!("because {because}"), None);
        }
    }

    fn add(&mut self, check: &'static str, status: Status, text: String, remedy: Option<String>) {
        self.checks.push(Check {
            check,
            status,
            text,
            remedy: remedy.filter(|remedy| !remedy.is_empty()),
        });
    }
}

impl Report {
    pub fn count(&self, status: Status) -> usize {
        let checks = self.sections.iter().flat_map(|section| &section.checks);
        checks.filter(|check| check.status == status).count()
    }

    pub fn code(&self) -> Code {
        if self.count(Status::Fault) == 0 {
            Code::Ok
        } else {
            Code::Error
        }
    }

    /// The last line: how many of what there are.
    pub fn summary(&self) -> String {
        let counted = |status, one: &str| match self.count(status) {
            1 => format!("1 {one}"),
            count => format!("{count} {one}s"),
        };
        let faults = counted(Status::Fault, "fault");
        let warnings = counted(Status::Warning, "warning");
        match (self.count(Status::Fault), self.count(Status::Warning)) {
            (0, 0) => "All is well.".to_owned(),
            (0, _) => format!("No faults, {warnings}."),
            _ => format!("{faults}, {warnings}."),
        }
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "ok": self.code() == Code::Ok,
            "faults": self.count(Status::Fault),
            "warnings": self.count(Status::Warning),
            "sections": self.sections,
        })
    }
}

impl Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fault => "FAULT",
            Self::Skipped => "skipped",
        })
    }
}

impl Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.subject)?;
        let tried = |check: &&Check| check.status != Status::Skipped;
        let names = self.checks.iter().filter(tried);
        let width = names.map(|check| check.check.len()).max().unwrap_or(0);
        // What was not tried for one reason is one line.
        let alike = |one: &Check, next: &Check| {
            one.status == Status::Skipped && next.status == one.status && next.text == one.text
        };
        for checks in self.checks.chunk_by(alike) {
            let check = &checks[0];
            if check.status == Status::Skipped {
                let names: Vec<_> = checks.iter().map(|check| check.check).collect();
                writeln!(
                    f,
                    "  {:7}  {}, {}",
                    check.status,
                    names.join(", "),
                    check.text
                )?;
                continue;
            }
            let before = format!("  {:7}  {:width$}  ", check.status, check.check);
            let indent = " ".repeat(before.len());
            // What others say may have several lines.
            let text = check.text.replace('\n', &format!("\n{indent}"));
            writeln!(f, "{before}{text}")?;
            if let Some(remedy) = &check.remedy {
                writeln!(f, "{indent}-> {remedy}")?;
            }
        }
        f.write_char('\n')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_reads_as_a_list_with_what_to_do_below_each_trouble() {
        let mut section = Section::new("/data/a.db");
        section.ok("file", "it is there");
        section.fault("journal mode", "it is odd", "mend it");
        section.skip(&["list", "put"], "nobody answers");
        assert_eq!(
            section.to_string(),
            "\
/data/a.db
  ok       file          it is there
  FAULT    journal mode  it is odd
                         -> mend it
  skipped  list, put, because nobody answers

"
        );
    }

    #[test]
    fn only_faults_make_the_exit_code() {
        let mut section = Section::new("x");
        section.warn("a", "hm", "look at it");
        let mut report = Report {
            sections: vec![section],
        };
        assert_eq!(report.code(), Code::Ok);
        assert_eq!(report.summary(), "No faults, 1 warning.");
        report.sections[0].fault("b", "no", "mend it");
        assert_eq!(report.code(), Code::Error);
        assert_eq!(report.summary(), "1 fault, 1 warning.");
        assert_eq!(report.json()["faults"], 1);
    }
}
