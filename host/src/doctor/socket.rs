//! Whether the control socket can be opened where the config wants it.

use super::report::Section;
use super::rights::{may, not_writable};
use crate::config::Socket;
use rustix::fs::Access;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// What fits into the kernel's address of a socket, with the suffix under which it is made.
const MOST_PATH_BYTES: usize = 107 - ".4194304".len();

const SOCKET: &str = "control socket";

pub fn check(section: &mut Section, socket: &Socket) {
    let path = &socket.path;
    let name = path.display();
    if !socket.enabled {
        return section.ok(SOCKET, "not wanted (`socket.enabled` is not set)");
    }
    if path.as_os_str().len() > MOST_PATH_BYTES {
        return section.fault(
            SOCKET,
            format!("the path of {name} is longer than {MOST_PATH_BYTES} bytes"),
            "set a shorter `socket.path`",
        );
    }
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return section.fault(
                SOCKET,
                format!("{name} is there and is not a socket"),
                "move it away, or set another `socket.path`",
            );
        }
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => return section.ok(SOCKET, format!("a running seawall serves {name}")),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(error) => {
                return section.fault(
                    SOCKET,
                    format!("{name} cannot be asked: {error}"),
                    "run as the user that Seawall runs as, or set `socket.permissions`",
                );
            }
        },
        Err(_) => {}
    }
    // Directories that are missing are made at the start.
    let parents = path.ancestors().skip(1);
    let there = parents.into_iter().find(|above| above.exists());
    let there = there.unwrap_or(Path::new("/"));
    match may(there, Access::WRITE_OK | Access::EXEC_OK) {
        _ if !there.is_dir() => section.fault(
            SOCKET,
            format!("{} is a file, not a directory", there.display()),
            "set another `socket.path`",
        ),
        Ok(()) => section.ok(SOCKET, format!("{name} can be made")),
        Err(why) => {
            let (text, remedy) = not_writable(there, why);
            let remedy =
                format!("set a `socket.path` in a directory that can be written, or: {remedy}");
            section.fault(SOCKET, text, remedy);
        }
    }
}
