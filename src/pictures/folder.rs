//! Where pictures are saved: file names, history, temporary files, sync and rename.
//!
//! A saved file is whole or absent: it is written under a hidden name in the same directory, synced and renamed, then
//! the directory is synced. Before a picture is replaced or removed it is in the history, if there is one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf, is_separator};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use jiff::Timestamp;
use tempfile::NamedTempFile;

use super::download::Format;
use crate::chat_id::ChatId;
use crate::failure::{Failure, Kind};
use crate::output::Output;
use crate::platform::{self, parent};
use crate::record::Change;
use crate::token::Masked;

/// The hidden name of a file that is being written is random between these two.
const PREFIX: &str = ".greenavatar-";
const SUFFIX: &str = ".part";

/// The directory of pictures that were replaced or are gone, with a directory for each chat.
const HISTORY: &str = "history";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// In a directory, as `<chatId>.<ext>`.
    Dir {
        dir: PathBuf,
        /// Whether a replaced or gone picture is moved to `history/<chatId>/` in it.
        history: bool,
    },
    /// In this file, whatever its extension.
    File(PathBuf),
    Memory,
}

impl Destination {
    fn path(&self, chat: &ChatId, format: Format) -> Option<PathBuf> {
        match self {
            Destination::Dir { dir, .. } => Some(dir.join(format!("{chat}.{}", format.extension()))),
            Destination::File(path) => Some(path.clone()),
            Destination::Memory => None,
        }
    }

    /// The chat's picture files: one, or more after a run was killed.
    pub fn files(&self, chat: &ChatId) -> Vec<PathBuf> {
        let mut files: Vec<_> = Format::ALL.into_iter().filter_map(|format| self.path(chat, format)).collect();
        files.dedup();
        files.retain(|path| path.is_file());
        files
    }
}

/// Saves pictures. Shared by all workers.
#[derive(Debug)]
pub struct Folder<'a> {
    pub destination: Destination,
    output: &'a Output,
    has_warned: AtomicBool,
}

impl<'a> Folder<'a> {
    /// Makes a missing directory, checks that a file can be created in it, and removes what killed runs left there.
    pub fn open(destination: Destination, output: &'a Output) -> Result<Folder<'a>, Failure> {
        let (path, prepared) = match &destination {
            Destination::Dir { dir, history } => {
                let histories = fs::read_dir(dir.join(HISTORY)).into_iter().flatten().flatten();
                histories.filter(|_| *history).for_each(|chat| remove_abandoned(&chat.path()));
                (dir, platform::create_private_dir(dir).and_then(|()| prepare(dir)))
            }
            Destination::File(path) if is_dir(path) => {
                (path, Err(io::Error::new(ErrorKind::IsADirectory, "it is a directory: use --dir")))
            }
            Destination::File(path) if !is_device(path) => (path, prepare(parent(&resolved(path)))),
            Destination::File(_) | Destination::Memory => (&PathBuf::new(), Ok(())),
        };
        prepared.map_err(|error| write_failure(path, error))?;
        Ok(Folder { destination, output, has_warned: AtomicBool::new(false) })
    }

    /// Saves a picture of a chat in place of its older ones. A file that has the same content is not touched.
    pub fn save(&self, chat: &ChatId, format: Format, picture: &[u8]) -> Result<Option<(PathBuf, Change)>, Failure> {
        let Some(path) = self.destination.path(chat, format) else { return Ok(None) };
        let files = self.destination.files(chat);
        let is_same = has_content(&path, picture).map_err(|error| write_failure(&path, error))?;
        let older: Vec<_> = files.iter().filter(|file| !is_same || **file != path).collect();
        let saved = (|| {
            for file in &older {
                self.archive(chat, file)?;
            }
            if !is_same {
                self.write(&path, picture, None)?;
            }
            older.iter().filter(|file| ***file != path).try_for_each(|file| self.remove(file))
        })();
        saved.map_err(|error| write_failure(&path, error))?;
        let change = match (files.is_empty(), older.is_empty()) {
            (true, _) => Change::New,
            (false, true) => Change::Unchanged,
            (false, false) => Change::Changed,
        };
        Ok(Some((path, change)))
    }

    /// Notes that a chat has no picture any more, and returns whether it has a file from before. That stays unless it
    /// is moved to the history.
    pub fn remove_gone(&self, chat: &ChatId) -> Result<bool, Failure> {
        let files = self.destination.files(chat);
        if matches!(self.destination, Destination::Dir { history: true, .. }) {
            for file in &files {
                self.archive(chat, file)
                    .and_then(|()| self.remove(file))
                    .map_err(|error| write_failure(file, error))?;
            }
        }
        Ok(!files.is_empty())
    }

    /// Copies a picture to the history, named by the time at which it was saved. A copy that is there already is kept.
    fn archive(&self, chat: &ChatId, file: &Path) -> io::Result<()> {
        let Destination::Dir { dir, history: true } = &self.destination else { return Ok(()) };
        let history = dir.join(HISTORY);
        let folder = history.join(chat.as_str());
        platform::create_private_dir(&folder)?;
        let (content, modified) = (fs::read(file)?, fs::metadata(file)?.modified()?);
        let time = Timestamp::try_from(modified).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string();
        let extension = file.extension().unwrap_or_default().to_string_lossy();
        for number in 0.. {
            let suffix = if number == 0 { String::new() } else { format!("-{number}") };
            let copy = folder.join(format!("{time}{suffix}.{extension}"));
            if has_content(&copy, &content)? {
                break;
            }
            if copy.symlink_metadata().is_err() {
                self.write(&copy, &content, Some(modified))?;
                break;
            }
        }
        // Both directories may be new.
        self.sync_dir(&history)?;
        self.sync_dir(dir)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        match fs::remove_file(file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => self.sync_dir(parent(file)),
        }
    }

    /// Writes a file that is whole or absent, also after a loss of power. Only its owner can read it.
    fn write(&self, path: &Path, bytes: &[u8], modified: Option<SystemTime>) -> io::Result<()> {
        if is_device(path) {
            return OpenOptions::new().write(true).open(path)?.write_all(bytes);
        }
        let path = resolved(path);
        let dir = parent(&path);
        let mut file = temporary_file(dir)?;
        file.as_file_mut().write_all(bytes)?;
        if let Some(modified) = modified {
            file.as_file().set_modified(modified)?;
        }
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|unnamed| unnamed.error)?;
        self.sync_dir(dir)
    }

    /// Syncs a directory, so that a new name in it survives a loss of power. Warns once if its file system cannot.
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        match platform::sync_dir(dir) {
            Err(error) if platform::is_dir_sync_unsupported(&error) => {
                if !self.has_warned.swap(true, Ordering::Relaxed) {
                    let (dir, error) = (dir.to_string_lossy(), error.to_string().to_lowercase());
                    let what = format!("cannot sync the directory {dir}: {error}");
                    self.output.warn(&what, "pictures are saved; after a loss of power the newest may be missing");
                }
                Ok(())
            }
            result => result,
        }
    }
}

/// Writes a text file as a picture is written: it is whole or absent.
pub fn write_text(path: &Path, text: &Masked, output: &Output) -> Result<(), Failure> {
    if is_dir(path) {
        let error = io::Error::new(ErrorKind::IsADirectory, "it is a directory: name a file in it");
        return Err(write_failure(path, error));
    }
    let folder = Folder::open(Destination::File(path.to_owned()), output)?;
    folder.write(path, text.as_str().as_bytes(), None).map_err(|error| write_failure(path, error))
}

/// Checks that a file can be created in a directory, and removes what killed runs left there.
fn prepare(dir: &Path) -> io::Result<()> {
    temporary_file(dir)?;
    remove_abandoned(dir);
    Ok(())
}

/// Whether the path leads to a directory, or can lead to nothing else because it ends with a slash.
fn is_dir(path: &Path) -> bool {
    path.is_dir() || path.to_string_lossy().ends_with(is_separator)
}

/// The file that is to be written: a symbolic link stays, and what it leads to is replaced.
fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Whether the path leads to a device or a pipe, which is written to and never replaced.
fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| !file.is_file() && !file.is_dir())
}

fn has_content(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(file) => Ok(file.is_file() && file.len() == bytes.len() as u64 && fs::read(path)? == bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A new file with a hidden name, locked so that other runs do not remove it as abandoned. If it is dropped before it
/// is renamed, it is removed.
fn temporary_file(dir: &Path) -> io::Result<NamedTempFile> {
    loop {
        let open = |path: &Path| platform::private_file().write(true).create_new(true).open(path);
        let file = tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).make_in(dir, open)?;
        // Another run may have found it between its creation and the lock. A file system without locks is no reason to
        // fail: there the other run cannot lock the file either, and leaves it.
        let _ = file.as_file().lock();
        if file.path().exists() {
            return Ok(file);
        }
    }
}

/// Removes the temporary files of runs that were killed: those that no process has locked. What cannot be removed
/// stays.
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

fn write_failure(path: &Path, error: io::Error) -> Failure {
    let hint = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some("make room and run it again"),
        _ if platform::is_file_limit(&error) => {
            Some("raise the limit on open files (`ulimit -n` shows it), or lower --concurrency")
        }
        _ => None,
    };
    let what = format!("cannot write {}", path.to_string_lossy());
    let failure = Failure::new(Kind::OutputFailed, what).because(error);
    Failure { hint: hint.map(str::to_owned), ..failure }
}

#[cfg(test)]
mod tests;
