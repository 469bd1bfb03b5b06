//! Where pictures are saved: file names, temporary files, sync and rename.
//!
//! A saved file is whole or absent: it is written under a hidden name in the same directory, synced and renamed, then
//! the directory is synced.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::download::Format;
use crate::chat_id::ChatId;

/// The hidden name of a file that is being written is random between these two.
const PREFIX: &str = ".greenavatar-";
const SUFFIX: &str = ".part";

/// Where pictures are saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// In this directory, as `<chatId>.<ext>`.
    Dir(PathBuf),
    /// In this file, whatever its extension.
    File(PathBuf),
    /// Not in a file.
    Memory,
}

impl Destination {
    /// Makes a missing directory, checks that a file can be created in it, and removes what killed runs left there.
    pub fn prepare(&self) -> io::Result<()> {
        let dir = match self {
            Destination::Dir(dir) => {
                DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
                dir
            }
            Destination::File(path) if path.is_dir() => {
                return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory: use --dir"));
            }
            Destination::File(path) if is_device(path) => return Ok(()),
            Destination::File(path) => &parent(&resolved(path)),
            Destination::Memory => return Ok(()),
        };
        temporary_file(dir)?;
        remove_abandoned(dir);
        Ok(())
    }

    /// Saves a picture of a chat, replaces its older ones, and returns the file and whether its content has changed.
    /// With `keep_same` a file with the same content is not touched.
    pub fn save(
        &self,
        chat: &ChatId,
        format: Format,
        picture: &[u8],
        keep_same: bool,
    ) -> Result<(Option<PathBuf>, bool), (PathBuf, io::Error)> {
        let path = match self {
            Destination::Dir(dir) => file_in(dir, chat, format),
            Destination::File(path) => path.clone(),
            Destination::Memory => return Ok((None, true)),
        };
        let changed = !has_content(&path, picture);
        let written = if changed || !keep_same { write(&path, picture) } else { Ok(()) };
        match written.and_then(|()| self.remove_others(chat, format)) {
            Ok(()) => Ok((Some(path), changed)),
            Err(error) => Err((path, error)),
        }
    }

    /// Removes the chat's older pictures in other formats.
    fn remove_others(&self, chat: &ChatId, format: Format) -> io::Result<()> {
        let Destination::Dir(dir) = self else { return Ok(()) };
        for other in Format::ALL.into_iter().filter(|other| *other != format) {
            match fs::remove_file(file_in(dir, chat, other)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

fn file_in(dir: &Path, chat: &ChatId, format: Format) -> PathBuf {
    dir.join(format!("{chat}.{}", format.extension()))
}

/// The file that is to be written: a symbolic link stays, and what it leads to is replaced.
fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The directory of a file.
fn parent(path: &Path) -> PathBuf {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

/// Whether the path leads to a device or a pipe, which is written to and never replaced.
fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| !file.is_file() && !file.is_dir())
}

fn has_content(path: &Path, bytes: &[u8]) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() == bytes.len() as u64)
        && fs::read(path).is_ok_and(|content| content == bytes)
}

/// Writes a file that is whole or absent, also after a loss of power. Only its owner can read it.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if is_device(path) {
        return OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    let path = resolved(path);
    let dir = parent(&path);
    let mut file = temporary_file(&dir)?;
    file.as_file_mut().write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|unnamed| unnamed.error)?;
    sync_dir(&dir)
}

/// A new file with a hidden name, locked so that no other run takes it for abandoned. Dropped before it gets its name,
/// it is removed.
fn temporary_file(dir: &Path) -> io::Result<NamedTempFile> {
    loop {
        let open = |path: &Path| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).make_in(dir, open)?;
        // Another run may have found it between its creation and the lock. A file system without locks is no reason to
        // fail: there the other run cannot lock the file either, and leaves it.
        let _ = file.as_file().lock();
        if file.path().exists() {
            return Ok(file);
        }
    }
}

/// Removes the temporary files of runs that were killed: those that no process has locked. What cannot be removed stays.
fn remove_abandoned(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        if is_ours && entry.file_type().is_ok_and(|file| file.is_file()) {
            // Locked until it is removed, so that it cannot belong to a run that has just created it.
            let _ = File::open(entry.path()).and_then(|file| {
                file.try_lock()?;
                fs::remove_file(entry.path())
            });
        }
    }
}

/// Syncs a directory, so that a new name in it survives a loss of power. Some file systems cannot.
fn sync_dir(dir: &Path) -> io::Result<()> {
    match File::open(dir)?.sync_all() {
        Err(error) if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::chat_id::Rule;

    const JPEG: &[u8] = b"\xff\xd8\xff a picture";

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("a directory");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }

    fn save(destination: Destination, format: Format, picture: &[u8]) -> Option<PathBuf> {
        let chat = ChatId::parse("11001234567@c.us", Rule::Strict).expect("a chat id");
        destination.save(&chat, format, picture, false).expect("saved").0
    }

    #[test]
    fn a_temporary_file_is_removed_unless_a_run_has_locked_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let abandoned = dir.path().join(".greenavatar-abc123.part");
        for name in [".greenavatar-abc123.part", ".greenavatar-abc123", "greenavatar-x.part", "x.jpg"] {
            fs::write(dir.path().join(name), b"half").expect("written");
        }
        let live = temporary_file(dir.path()).expect("a file");
        Destination::Dir(dir.path().into()).prepare().expect("writable");
        assert!(!abandoned.exists() && live.path().exists());
        assert_eq!(names(dir.path()).len(), 4);
        drop(live);
        Destination::File(dir.path().join("y.jpg")).prepare().expect("writable");
        assert_eq!(names(dir.path()), [".greenavatar-abc123", "greenavatar-x.part", "x.jpg"]);
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        // On another file system, if there is one.
        let elsewhere = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
        let target = elsewhere.path().join("picture");
        fs::write(&target, b"older").expect("written");
        for link in ["link", "11001234567@c.us.jpg"] {
            symlink(&target, dir.path().join(link)).expect("a link");
        }
        let link = dir.path().join("link");
        let png = b"\x89PNG a picture";
        assert_eq!(save(Destination::File(link.clone()), Format::Png, png), Some(link.clone()));
        assert!(link.is_symlink() && fs::read(&target).expect("a file") == png);
        save(Destination::Dir(dir.path().into()), Format::Jpeg, JPEG);
        assert_eq!(fs::read(&target).expect("a file"), JPEG);
        assert_eq!((names(dir.path()).len(), names(elsewhere.path()).len()), (2, 1));
    }

    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        let device = || Destination::File("/dev/null".into());
        device().prepare().expect("writable");
        save(device(), Format::Jpeg, JPEG);
        assert!(is_device(Path::new("/dev/null")));
    }

    #[test]
    fn an_error_does_not_name_the_temporary_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let error = write(&dir.path().join("missing/x.jpg"), JPEG).expect_err("no directory");
        assert!(!error.to_string().contains(PREFIX), "{error}");
    }
}
