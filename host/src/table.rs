//! What commands print: tables for people, JSON for programs, times and sizes in words.

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

/// Indented, as Litestream prints it.
pub fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
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
    fn times_read_as_litestream_prints_them() {
        assert_eq!(time(1_795_646_235_999), "2026-11-25T22:37:15Z");
    }
}
