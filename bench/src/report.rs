//! What was measured, as a table for people and as JSON for programs.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use end_to_end::program::Program;
use serde::Serialize;

use crate::measured::{Aim, BOTH, Measured, Series};
use crate::picture;
use crate::rows::Row;

/// A figure in all rounds.
#[derive(Debug, Serialize)]
struct Line {
    what: String,
    unit: &'static str,
    aim: Option<Aim>,
    /// One value for each round: of Seawall, of Litestream.
    rounds: [Vec<f64>; 2],
    medians: [Option<f64>; 2],
    /// Seawall's median to Litestream's.
    ratio: Option<f64>,
}

#[derive(Serialize)]
pub struct RowReport {
    #[serde(skip)]
    row: &'static Row,
    name: &'static str,
    title: &'static str,
    lines: Vec<Line>,
    /// Of the last round.
    series: Vec<Series>,
}

impl RowReport {
    pub fn new(row: &'static Row) -> RowReport {
        RowReport {
            row,
            name: row.name,
            title: row.title,
            lines: Vec::new(),
            series: Vec::new(),
        }
    }

    pub fn push(&mut self, program: Program, measured: Measured) {
        let column = column(program);
        for figure in measured.figures {
            let known = self.lines.iter().position(|line| line.what == figure.what);
            let at = known.unwrap_or_else(|| {
                self.lines.push(Line {
                    what: figure.what,
                    unit: figure.unit,
                    aim: None,
                    rounds: Default::default(),
                    medians: [None; 2],
                    ratio: None,
                });
                self.lines.len() - 1
            });
            let line = &mut self.lines[at];
            line.aim = line.aim.or(figure.aim);
            line.rounds[column].push(figure.value);
            line.medians[column] = median(&line.rounds[column]);
            line.ratio = match line.medians {
                [Some(ours), Some(theirs)] if theirs != 0.0 => Some(ours / theirs),
                _ => None,
            };
        }
        for mut series in measured.series {
            series.name = format!("{}, {}", program.name(), series.name);
            self.series.retain(|known| known.name != series.name);
            self.series.push(series);
        }
        self.series.sort_by(|one, other| one.name.cmp(&other.name));
    }
}

fn column(program: Program) -> usize {
    usize::from(program != BOTH[0])
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

impl Line {
    /// `None`: nothing was aimed at, or it was not measured.
    fn reached(&self) -> Option<bool> {
        let ours = self.medians[0]?;
        Some(match self.aim? {
            Aim::AtMost(most) => ours <= most,
            Aim::AtLeast(least) => ours >= least,
            Aim::Share(share) => self.medians[1].is_some_and(|theirs| ours <= share * theirs),
        })
    }

    fn markdown(&self) -> String {
        let cell = |at: usize| match self.medians[at] {
            None => "–".to_owned(),
            Some(median) => {
                let rounds = &self.rounds[at];
                let least = rounds.iter().copied().fold(f64::INFINITY, f64::min);
                let most = rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                match rounds.len() {
                    1 => number(median),
                    _ => format!("{} ({}–{})", number(median), number(least), number(most)),
                }
            }
        };
        let aim = match self.aim {
            None => String::new(),
            Some(Aim::AtMost(most)) => format!("≤ {}", number(most)),
            Some(Aim::AtLeast(least)) => format!("≥ {}", number(least)),
            Some(Aim::Share(share)) => format!("≤ {} ×", number(share)),
        };
        let reached = match self.reached() {
            None => "",
            Some(true) => "yes",
            Some(false) => "**no**",
        };
        let ratio = self.ratio.map_or_else(|| "–".to_owned(), number);
        let name = match self.unit {
            "" => self.what.clone(),
            unit => format!("{}, {unit}", self.what),
        };
        let (ours, theirs) = (cell(0), cell(1));
        format!("| {name} | {ours} | {theirs} | {ratio} | {aim} | {reached} |")
    }
}

/// With about three digits that count.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    let digits = match magnitude {
        _ if magnitude >= 100.0 || value == 0.0 => 0,
        _ if magnitude >= 10.0 => 1,
        _ if magnitude >= 0.1 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// All rows of one run.
#[derive(Serialize)]
pub struct Report {
    seawall: String,
    litestream: String,
    rounds: usize,
    quick: bool,
    cores: usize,
    rows: Vec<RowReport>,
}

impl Report {
    pub fn new(rounds: usize, quick: bool) -> Result<Report> {
        let version = |program: Program| -> Result<String> {
            let output = std::process::Command::new(program.path()?)
                .arg("version")
                .output()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok(text.lines().next().unwrap_or_default().to_owned())
        };
        Ok(Report {
            seawall: version(Program::Seawall)?,
            litestream: version(Program::Litestream)?,
            rounds,
            quick,
            cores: std::thread::available_parallelism()?.get(),
            rows: Vec::new(),
        })
    }

    pub fn push(&mut self, row: RowReport) {
        self.rows.push(row);
    }

    /// The table, in Markdown.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            // Writing to a string does not fail.
            let _ = write!(text, "\n### {}\n\n{}\n\n", row.title, row.row.how);
            text += "| | Seawall | Litestream | ratio | aim | reached |\n|-|-|-|-|-|-|\n";
            for line in &row.lines {
                text += &line.markdown();
                text.push('\n');
            }
            if row.row.picture.is_some() {
                let _ = write!(text, "\n![{}]({}.svg)\n", row.title, row.name);
            }
        }
        text
    }

    pub fn write(&self, dir: &Path) -> Result<()> {
        std::fs::create_dir_all(dir)?;
        let put = |name: &str, text: String| {
            let path = dir.join(name);
            std::fs::write(&path, text).with_context(|| path.display().to_string())
        };
        let head = format!(
            "# Benchmarks\n\nWritten by `make bench`: Seawall {} and Litestream {} in turns on the same {} cores, \
             against one SeaweedFS on loopback. “+30 ms”: a proxy adds 30 ms to each request, as a bucket in \
             the same region would. Medians of up to {} rounds, in parentheses the least and the most; a ratio \
             below 1 is less than Litestream.\n",
            self.seawall, self.litestream, self.cores, self.rounds
        );
        put("README.md", head + &self.table())?;
        put("results.json", serde_json::to_string_pretty(self)? + "\n")?;
        for row in &self.rows {
            if let Some(picture) = row.row.picture {
                let path = dir.join(format!("{}.svg", row.name));
                picture::draw(&path, row.title, picture, &row.series)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn numbers_have_the_digits_that_count() {
        let shown = [0.0, 0.0123, 0.5, 12.34, 1234.5, 2.0].map(number);
        assert_eq!(shown, ["0", "0.012", "0.5", "12.3", "1234", "2"]);
    }

    #[test]
    fn an_aim_is_reached_or_it_is_not() {
        let line = |ours: f64, theirs: f64, aim| Line {
            what: "x".into(),
            unit: "ms",
            aim: Some(aim),
            rounds: [vec![ours], vec![theirs]],
            medians: [Some(ours), Some(theirs)],
            ratio: None,
        };
        assert_eq!(line(5.0, 1.0, Aim::AtMost(5.0)).reached(), Some(true));
        assert_eq!(line(5.1, 9.0, Aim::AtMost(5.0)).reached(), Some(false));
        assert_eq!(line(0.9, 0.5, Aim::AtLeast(0.8)).reached(), Some(true));
        assert_eq!(line(4.0, 10.0, Aim::Share(0.3)).reached(), Some(false));
    }
}
