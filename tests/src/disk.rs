//! A disk that is soon full.

use std::ffi::CString;
use std::path::Path;

use anyhow::{Result, ensure};

/// Mounts a file system of `bytes` at `dir`, for this thread and the programs that it starts.
/// It goes with them. It takes root.
pub fn small_disk(dir: &Path, bytes: u64) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    // SAFETY: no memory effects; only this thread's view of mounts changes.
    let unshared = unsafe { libc::unshare(libc::CLONE_NEWNS) };
    let error = std::io::Error::last_os_error();
    ensure!(
        unshared == 0,
        "mounting a small disk takes root: {error}. Run the tests as root, or under `unshare -rm`"
    );
    mount(
        "none",
        Path::new("/"),
        "none",
        libc::MS_REC | libc::MS_PRIVATE,
        "",
    )?;
    mount("tmpfs", dir, "tmpfs", 0, &format!("size={bytes}"))
}

/// Nothing can be written any more to what [`small_disk`] mounted, and nobody has it open to write.
pub fn make_read_only(dir: &Path) -> Result<()> {
    mount(
        "tmpfs",
        dir,
        "tmpfs",
        libc::MS_REMOUNT | libc::MS_RDONLY,
        "",
    )
}

fn mount(source: &str, target: &Path, kind: &str, flags: libc::c_ulong, data: &str) -> Result<()> {
    let target = CString::new(target.to_string_lossy().into_owned())?;
    let (source, kind) = (CString::new(source)?, CString::new(kind)?);
    let data = CString::new(data)?;
    // SAFETY: all pointers are to NUL-terminated strings that outlive the call.
    let result = unsafe {
        let (source, kind) = (source.as_ptr(), kind.as_ptr());
        libc::mount(source, target.as_ptr(), kind, flags, data.as_ptr().cast())
    };
    let error = std::io::Error::last_os_error();
    ensure!(result == 0, "mount: {error}");
    Ok(())
}
