//! What commands print: tables for people, JSON for programs, times and sizes in words.

use crate::output::print;
use serde::Serialize;

/// Columns two spaces apart, each as wide as its widest cell; no spaces at the ends of lines.
pub fn render<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([head[column].chars().count()])
            .max()
            .unwrap_or(0)
    });
    let line = |cells: [&str; N]| {
        let padded: Vec<String> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(head);
    for row in rows {
        text += &line(std::array::from_fn(|column| row[column].as_str()));
    }
    text
}

/// Sixteen hexadecimal digits, as in the names of objects.
pub fn txid(txid: u64) -> String {
    format!("{txid:016x}")
}

/// Unix milliseconds as `2026-11-25T22:37:15Z`.
pub fn time(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).map_or_else(
        |_| "-".to_owned(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

/// Bytes as `17 kB`, in powers of 1000 as Litestream has it.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut name = "";
    for unit in UNITS {
        value /= 1000.0;
        name = unit;
        if value < 1000.0 {
            break;
        }
    }
    let tenths = (value * 10.0).round() / 10.0;
    if tenths < 10.0 {
        format!("{tenths:.1} {name}")
    } else {
        format!("{tenths:.0} {name}")
    }
}

/// Indented, as Litestream prints it.
pub fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(format_args!("{}\n", serde_json::to_string_pretty(value)?))
}

/// One line for each key.
pub fn print_lines(value: &impl Serialize) -> anyhow::Result<()> {
    print(lines(value)?)
}

fn lines(value: &impl Serialize) -> anyhow::Result<String> {
    // Its order is that of the fields, which that of a map would not be.
    let text = serde_json::to_string_pretty(value)?;
    let lines = text.lines().filter_map(|line| {
        let (key, value) = line.trim().trim_end_matches(',').split_once(": ")?;
        let key: String = serde_json::from_str(key).ok()?;
        let value: serde_json::Value = serde_json::from_str(value).ok()?;
        Some(match value {
            serde_json::Value::String(text) => format!("{key}: {text}\n"),
            other => format!("{key}: {other}\n"),
        })
    });
    Ok(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_columns_as_wide_as_their_cells() {
        let rows = [
            ["/data/a.db".into(), "ok".into()],
            ["/b".into(), "no database".into()],
        ];
        assert_eq!(
            render(["database", "status"], &rows),
            "database    status\n/data/a.db  ok\n/b          no database\n"
        );
    }

    #[test]
    fn sizes_and_times_read_as_litestream_prints_them() {
        let sizes = [0, 999, 1000, 4152, 16_512, 9_960_000, 121_000_000].map(size);
        assert_eq!(
            sizes,
            [
                "0 B", "999 B", "1.0 kB", "4.2 kB", "16 kB", "10 MB", "121 MB"
            ]
        );
        assert_eq!(time(1_795_646_235_999), "2026-11-25T22:37:15Z");
    }

    #[test]
    fn lines_keep_the_order_of_the_fields() {
        #[derive(Serialize)]
        struct Said {
            status: &'static str,
            db_path: &'static str,
            txid: u64,
        }
        let said = Said {
            status: "started",
            db_path: "/data/a: b.db",
            txid: 3,
        };
        assert_eq!(
            lines(&said).unwrap(),
            "status: started\ndb_path: /data/a: b.db\ntxid: 3\n"
        );
    }
}
