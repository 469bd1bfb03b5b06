//! What is asked of the disk about names and directories: whether one is there, to make it, to sync it.
//!
//! It knows nothing of pictures.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Makes the directory and its parents, readable by their owner alone; one that is there keeps its mode.
pub fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Fails where a file of that name could not be made: its directory is missing, or it is one itself.
pub fn could_write(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory: --dir writes into one"));
    }
    fs::metadata(parent(path)).and_then(
        |there| {
            if there.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
        },
    )
}

/// Whether nothing has this name, not even a link that leads nowhere.
pub fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Removes a file that may be there; whether it was. To look first costs less than to remove nothing, which takes the
/// directory for itself.
pub fn remove(file: &Path) -> io::Result<bool> {
    if is_missing(file) {
        return Ok(false);
    }
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        result => result.map(|()| true),
    }
}

/// The file that a symbolic link leads to: the link stays.
pub fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The directory of a file.
pub fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Everything that had been written to a file system is on disk.
#[derive(Debug)]
pub struct Synced(());

/// Puts on disk what was written to any file of the directory's file system. For many files that takes a fraction of
/// what it takes for one after the other. Before Linux 5.8 it does not tell of bytes that could not be written.
///
/// The directory must have been open before they were written: a failure is told once to each who had it open.
pub fn sync_file_system(dir: &File) -> io::Result<Synced> {
    rustix::fs::syncfs(dir)?;
    Ok(Synced(()))
}

/// A directory, opened to be synced.
pub fn open_dir(dir: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::DIRECTORY.bits() as i32).open(dir)
}

/// So that the name survives a loss of power as the bytes do. Some file systems know no such thing.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    match open_dir(dir)?.sync_all() {
        Err(error) if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Err(error),
        _ => Ok(()),
    }
}
