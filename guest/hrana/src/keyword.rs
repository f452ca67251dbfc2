//! What a statement does to the transaction that it is in, by its first words.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    Begin,
    /// libSQL's own `BEGIN TRANSACTION READONLY`, which SQLite does not know.
    BeginReadOnly,
    Commit,
    /// Of everything, not to a savepoint.
    Rollback,
    Other,
}

pub fn of(sql: &str) -> Keyword {
    let mut words = words(sql);
    let first = words.next().unwrap_or_default();
    let is = |word: &str| first.eq_ignore_ascii_case(word);
    let mut rest = words.filter(|word| !word.eq_ignore_ascii_case("TRANSACTION"));
    let second = rest.next().unwrap_or_default();
    if is("BEGIN") && second.eq_ignore_ascii_case("READONLY") {
        Keyword::BeginReadOnly
    } else if is("BEGIN") {
        Keyword::Begin
    } else if is("COMMIT") || is("END") {
        Keyword::Commit
    } else if is("ROLLBACK") && !second.eq_ignore_ascii_case("TO") {
        Keyword::Rollback
    } else {
        Keyword::Other
    }
}

/// Without comments, spaces and semicolons before and between them.
fn words(mut sql: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        loop {
            sql = sql.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ';');
            let after = if let Some(comment) = sql.strip_prefix("--") {
                comment.split_once('\n')
            } else if let Some(comment) = sql.strip_prefix("/*") {
                comment.split_once("*/")
            } else {
                break;
            };
            sql = after.map_or("", |(_, after)| after);
        }
        let end = sql
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(sql.len());
        let (word, rest) = sql.split_at(end);
        sql = rest;
        (!word.is_empty()).then_some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::{Keyword, of};

    #[test]
    fn the_first_words_tell_what_happens_to_the_transaction() {
        for (sql, keyword) in [
            ("BEGIN", Keyword::Begin),
            ("begin immediate", Keyword::Begin),
            ("BEGIN TRANSACTION", Keyword::Begin),
            ("BEGIN TRANSACTION READONLY", Keyword::BeginReadOnly),
            ("begin readonly;", Keyword::BeginReadOnly),
            (" ; -- now\n/* really */COMMIT", Keyword::Commit),
            ("END TRANSACTION", Keyword::Commit),
            ("ROLLBACK", Keyword::Rollback),
            ("ROLLBACK TRANSACTION;", Keyword::Rollback),
            ("ROLLBACK TO a", Keyword::Other),
            ("ROLLBACK TRANSACTION TO a", Keyword::Other),
            ("SELECT 'BEGIN'", Keyword::Other),
            ("BEGINNING", Keyword::Other),
            ("-- BEGIN", Keyword::Other),
            ("/* BEGIN", Keyword::Other),
            ("", Keyword::Other),
        ] {
            assert_eq!(of(sql), keyword, "{sql}");
        }
    }
}
