//! A replica in a directory.

use super::disk;
use super::report::Section;
use super::rights::{may, not_writable};
use crate::objects;
use rustix::fs::Access;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const DIRECTORY: &str = "directory";
const WRITE: &str = "write";
const SAME_DISK: &str = "other disk";

/// `database` is what is replicated there, when that is known.
pub async fn check(section: &mut Section, path: &Path, database: Option<&Path>) {
    let name = path.display();
    let there = path.ancestors().find(|above| above.exists());
    let there = there.unwrap_or(Path::new("/"));
    if !there.is_dir() {
        section.fault(
            DIRECTORY,
            format!("{} is a file, not a directory", there.display()),
            "correct the replica's path in the config",
        );
        return section.skip(&[WRITE, SAME_DISK, "free space"], "there is no directory");
    }
    if let Err(why) = may(there, Access::WRITE_OK | Access::EXEC_OK) {
        let (text, remedy) = not_writable(there, why);
        section.fault(DIRECTORY, text, remedy);
        section.skip(&[WRITE], "the directory cannot be written");
    } else if there == path {
        section.ok(DIRECTORY, format!("{name} is there"));
        match objects::try_out_directory(path.to_owned()).await {
            Ok(()) => section.ok(
                WRITE,
                "a file was written, not overwritten, read and removed",
            ),
            Err(error) => section.fault(
                WRITE,
                error.to_string(),
                "take a directory on a file system with hard links, that Seawall's user may write",
            ),
        }
    } else {
        let above = there.display();
        section.ok(
            DIRECTORY,
            format!("{name} is made in {above} at the first start"),
        );
        section.skip(&[WRITE], "the directory is not there yet");
    }
    if let Some(database) = database {
        check_disk(section, there, database);
    }
    disk::check_room(section, there, None);
}

fn check_disk(section: &mut Section, replica: &Path, database: &Path) {
    let device = |path: &Path| {
        let mut above = path.ancestors();
        above.find_map(|path| Some(fs::metadata(path).ok()?.dev()))
    };
    if device(replica) == device(database) {
        section.warn(
            SAME_DISK,
            "the replica is on the same disk as the database: it does not survive the loss of \
             this disk or machine",
            "replicate to a bucket (s3://…), or to a disk that another machine has",
        );
    } else {
        section.ok(
            SAME_DISK,
            "the replica is on another disk than the database",
        );
    }
}
