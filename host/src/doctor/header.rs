//! What the first bytes of a database file tell (<https://www.sqlite.org/fileformat.html>). Pure.

/// As many bytes as the header has.
pub const HEADER_BYTES: usize = 100;

const MAGIC: &[u8] = b"SQLite format 3\0";

/// Where the versions for writing and reading stand: 1 is a rollback journal, 2 is WAL.
const WRITE_VERSION: usize = 18;
const READ_VERSION: usize = 19;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// The file has no bytes: the app has not written to it.
    Empty,
    Wal,
    RollbackJournal,
    /// A journal mode of a later SQLite, or damage.
    UnknownMode(u8, u8),
    /// It ends within the header.
    TooShort,
    /// Text, at the beginning of the file.
    Text,
    /// Nothing that is known: another format, an encrypted database, damage.
    Unknown,
}

impl Header {
    /// `head` is the beginning of the file, up to [`HEADER_BYTES`].
    pub fn read(head: &[u8]) -> Header {
        if head.is_empty() {
            return Header::Empty;
        }
        if !head.starts_with(MAGIC) {
            let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
            return if head.iter().all(is_text) {
                Header::Text
            } else {
                Header::Unknown
            };
        }
        if head.len() < HEADER_BYTES {
            return Header::TooShort;
        }
        match (head[WRITE_VERSION], head[READ_VERSION]) {
            (2, 2) => Header::Wal,
            (1, 1) => Header::RollbackJournal,
            (write, read) => Header::UnknownMode(write, read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(write: u8, read: u8) -> Vec<u8> {
        let mut head = MAGIC.to_vec();
        head.resize(HEADER_BYTES, 0);
        (head[WRITE_VERSION], head[READ_VERSION]) = (write, read);
        head
    }

    #[test]
    fn the_journal_mode_stands_in_two_bytes() {
        assert_eq!(Header::read(&head(2, 2)), Header::Wal);
        assert_eq!(Header::read(&head(1, 1)), Header::RollbackJournal);
        assert_eq!(Header::read(&head(3, 1)), Header::UnknownMode(3, 1));
    }

    #[test]
    fn what_is_no_database_is_told_apart() {
        assert_eq!(Header::read(b""), Header::Empty);
        assert_eq!(Header::read(MAGIC), Header::TooShort);
        assert_eq!(Header::read(b"dbs:\n  - path: x\n"), Header::Text);
        assert_eq!(Header::read(&[0x9c; 100]), Header::Unknown);
    }
}
