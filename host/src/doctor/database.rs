//! One database: its directory, its files, and who works on them. Everything is looked at, nothing
//! is opened for writing.

use super::header::{HEADER_BYTES, Header};
use super::report::Section;
use super::rights::{closed_above, may, me, not_writable, owner_and_mode};
use super::{disk, replicators};
use crate::config::Database;
use crate::live;
use rustix::fs::Access;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const DIRECTORY: &str = "directory";
const FILE: &str = "file";
const FORMAT: &str = "format";
const JOURNAL: &str = "journal mode";
const COMPANIONS: &str = "-wal and -shm";
const OWN: &str = "checksums";

/// Blocks: it reads files and waits for a lock to be released.
pub fn check(database: &Database) -> Section {
    let path = &database.path;
    let mut section = Section::new(format!("database {}", path.display()));
    let directory = path.parent().unwrap_or(Path::new("/"));
    if !check_directory(&mut section, directory) {
        let because = "its directory cannot be used";
        section.skip(&[FILE, FORMAT, JOURNAL, COMPANIONS], because);
        section.skip(&["file system", "free space"], because);
        section.skip(&replicators::CHECKS, because);
        return section;
    }
    let is_there = check_file(&mut section, database);
    if is_there {
        check_format(&mut section, path);
        check_companions(&mut section, path);
    } else {
        let because = "there is no database file that can be read";
        section.skip(&[FORMAT, JOURNAL, COMPANIONS], because);
    }
    check_own(&mut section, path, directory);
    disk::check_kind(&mut section, directory);
    let wal_bytes = fs::metadata(live::with_suffix(path, "-wal")).map_or(0, |wal| wal.len());
    disk::check_room(&mut section, directory, Some(wal_bytes));
    if is_there {
        replicators::check(&mut section, path);
    } else {
        section.skip(&replicators::CHECKS, "there is no database file");
    }
    section
}

/// False: nothing below it can be looked at.
fn check_directory(section: &mut Section, directory: &Path) -> bool {
    let name = directory.display();
    if let Some(closed) = closed_above(&directory.join("x")) {
        section.fault(
            DIRECTORY,
            format!(
                "{} may not be searched by {} ({})",
                closed.display(),
                me(),
                owner_and_mode(closed)
            ),
            "run Seawall as the user that the app runs as (in Kubernetes `runAsUser` and \
             `fsGroup`), or let that user in: chmod, chown",
        );
        return false;
    }
    match fs::metadata(directory) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => {
            let text = format!("{name} is a file, not a directory");
            section.fault(DIRECTORY, text, "correct `path` in the config");
            return false;
        }
        Err(error) if is_absence(&error) => {
            section.fault(
                DIRECTORY,
                format!("{name} does not exist"),
                "make it, mount the volume that has it, or correct `path` in the config",
            );
            return false;
        }
        Err(error) => {
            section.fault(
                DIRECTORY,
                format!("{name} cannot be looked at: {error}"),
                "see to it that it can",
            );
            return false;
        }
    }
    match may(
        directory,
        Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK,
    ) {
        Ok(()) => section.ok(
            DIRECTORY,
            format!("{name} can be written ({})", owner_and_mode(directory)),
        ),
        Err(why) => {
            let (text, remedy) = not_writable(directory, why);
            let text = format!("{text}: -wal, -shm and Seawall's own file must be made there");
            section.fault(DIRECTORY, text, remedy);
        }
    }
    true
}

/// True: there is a file that can be read.
fn check_file(section: &mut Section, database: &Database) -> bool {
    let path = &database.path;
    let name = path.display();
    let found = match fs::symlink_metadata(path) {
        Ok(link) if link.is_symlink() => {
            let target = fs::canonicalize(path);
            let target =
                target.map_or_else(|error| error.to_string(), |path| path.display().to_string());
            section.fault(
                FILE,
                format!(
                    "{name} is a symbolic link (to {target}): SQLite keeps its WAL beside the file \
                     that it leads to, Seawall looks for it beside the link"
                ),
                "write the path of the file itself into the config",
            );
            return false;
        }
        found => found,
    };
    match found {
        Ok(found) if found.is_file() => {}
        Ok(_) => {
            section.fault(
                FILE,
                format!("{name} is not a file but a directory or device"),
                "correct `path` in the config; for a directory of databases write `dir:`",
            );
            return false;
        }
        Err(error) if is_absence(&error) => {
            if database.restore_if_db_not_exists {
                section.ok(
                    FILE,
                    format!("{name} is not there: replicate restores it first"),
                );
            } else {
                section.warn(
                    FILE,
                    format!("{name} is not there: Seawall waits until the app makes it"),
                    "start the app, restore a backup (seawall restore), or correct `path`",
                );
            }
            return false;
        }
        Err(error) => {
            let text = format!("{name} cannot be looked at: {error}");
            section.fault(FILE, text, "see to it that it can");
            return false;
        }
    }
    if let Err(why) = may(path, Access::READ_OK) {
        section.fault(
            FILE,
            format!("{name} may not be read by {} ({}): {why}", me(), owner_and_mode(path)),
            "run Seawall as the user that the app runs as, or give that user the file: chown, chmod",
        );
        return false;
    }
    match may(path, Access::WRITE_OK) {
        Ok(()) => section.ok(FILE, format!("can be written ({})", owner_and_mode(path))),
        Err(why) => {
            let (text, remedy) = not_writable(path, why);
            let text = format!("{text}: Seawall folds the WAL back into it");
            section.fault(FILE, text, remedy);
        }
    }
    true
}

fn check_format(section: &mut Section, path: &Path) {
    let name = path.display();
    let mut head = Vec::with_capacity(HEADER_BYTES);
    let read =
        File::open(path).and_then(|file| file.take(HEADER_BYTES as u64).read_to_end(&mut head));
    if let Err(error) = read {
        let text = format!("{name} cannot be read: {error}");
        section.fault(FORMAT, text, "check the disk");
        return section.skip(&[JOURNAL], "the file cannot be read");
    }
    let wrong_file = "correct `path` in the config, or restore the database (seawall restore)";
    let no_database = match Header::read(&head) {
        Header::Empty => {
            section.ok(FORMAT, "empty: the app has not written to it yet");
            return section.ok(JOURNAL, "none yet; Seawall switches the database to WAL");
        }
        Header::Wal => {
            section.ok(FORMAT, "an SQLite database");
            return section.ok(JOURNAL, "WAL");
        }
        Header::RollbackJournal => {
            section.ok(FORMAT, "an SQLite database");
            return section.ok(
                JOURNAL,
                "rollback journal; Seawall switches the database to WAL when it starts, which \
                 apps follow without noticing",
            );
        }
        Header::UnknownMode(write, read) => {
            section.ok(FORMAT, "an SQLite database");
            return section.fault(
                JOURNAL,
                format!("unknown (the header's bytes 18 and 19 are {write} and {read})"),
                "Seawall knows rollback journals and WAL: have the app use one of them, or \
                 restore the database if it is damaged",
            );
        }
        Header::TooShort => "it ends within SQLite's header: it is damaged".to_owned(),
        Header::Text => "it is a text file".to_owned(),
        Header::Unknown => {
            "it does not begin as SQLite's files do: it is encrypted (SQLCipher and the like, \
             which Seawall cannot replicate), damaged, or something else"
                .to_owned()
        }
    };
    let text = format!("{name} is not an SQLite database: {no_database}");
    section.fault(FORMAT, text, wrong_file);
    section.skip(&[JOURNAL], "it is not an SQLite database");
}

fn check_companions(section: &mut Section, path: &Path) {
    let owner = fs::metadata(path).map(|file| file.uid()).ok();
    let mut there = Vec::new();
    for suffix in ["-wal", "-shm"] {
        let companion = live::with_suffix(path, suffix);
        let Ok(found) = fs::metadata(&companion) else {
            continue;
        };
        if let Err(why) = may(&companion, Access::READ_OK | Access::WRITE_OK) {
            let (text, remedy) = not_writable(&companion, why);
            return section.fault(COMPANIONS, text, remedy);
        }
        let others_may_write = found.mode() & 0o022 != 0;
        if owner != Some(found.uid()) && !others_may_write {
            return section.warn(
                COMPANIONS,
                format!(
                    "{} has another owner than the database ({}): the app may not be able to \
                     open it",
                    companion.display(),
                    owner_and_mode(&companion)
                ),
                "run all that use the database as one user, and give that user the files: chown",
            );
        }
        there.push(suffix);
    }
    match there.as_slice() {
        [] => section.ok(
            COMPANIONS,
            "not there: nobody has the database open in WAL mode",
        ),
        there => section.ok(
            COMPANIONS,
            format!("{} can be written", there.join(" and ")),
        ),
    }
}

fn check_own(section: &mut Section, path: &Path, directory: &Path) {
    let own: PathBuf = live::checksums_path(path);
    let name = own.display();
    match fs::metadata(&own) {
        Ok(found) if !found.is_file() => section.fault(
            OWN,
            format!("{name}, where Seawall keeps its checksums, is not a file"),
            "move it away",
        ),
        Ok(_) if may(&own, Access::READ_OK).is_err() => section.warn(
            OWN,
            format!(
                "{name} may not be read by {} ({})",
                me(),
                owner_and_mode(&own)
            ),
            "give it to Seawall's user (chown); without it each start may copy the whole database",
        ),
        Ok(_) => section.ok(OWN, format!("{name} is there")),
        Err(_) if may(directory, Access::WRITE_OK).is_err() => {
            section.skip(&[OWN], "no file can be made in the directory");
        }
        Err(_) => section.ok(OWN, format!("{name} is made when it is needed")),
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
