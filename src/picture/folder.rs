//! The directory that takes the pictures of many chats, each as `<chatId>.<ext>`.
//!
//! It remembers what was there and what came, so that a list needn't look for each chat's older pictures where there can
//! be none: every look waits for those who are just adding a file. It knows no URL and no server.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::disk::{self, Synced};
use super::file::{Incoming, Landing};
use super::format::Format;
use crate::chat_id::ChatId;

/// A directory of pictures. Shared by all workers.
#[derive(Debug)]
pub struct Folder {
    /// Where it is.
    pub dir: PathBuf,
    was_empty: bool,
    /// To sync its file system with; `None` where it may not be listed, or once that failed.
    opened: Mutex<Option<File>>,
    /// Whether there may be pictures of each of [`Format::ALL`].
    may_hold: [AtomicBool; Format::ALL.len()],
}

impl Folder {
    /// Makes the directory where there is none, readable by its owner alone.
    pub fn open(dir: &Path) -> io::Result<Folder> {
        disk::make_dir(dir)?;
        // One that may be written and not listed may hold anything.
        let was_empty = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
        let may_hold = Format::ALL.map(|_| AtomicBool::new(!was_empty));
        let opened = Mutex::new(disk::open_dir(dir).ok());
        Ok(Folder { dir: dir.to_owned(), was_empty, opened, may_hold })
    }

    /// Where a chat's picture goes.
    pub fn path(&self, chat: &ChatId, format: Format) -> PathBuf {
        self.dir.join(format!("{chat}.{}", format.extension()))
    }

    /// Writes a chat's picture to a file that has no name yet; see [`Incoming::write`].
    pub fn write(&self, path: &Path, format: Format, picture: Incoming<'_>, keep_same: bool) -> io::Result<Landing> {
        self.may_hold[format as usize].store(true, Ordering::SeqCst);
        picture.write(path, keep_same, self.was_empty)
    }

    /// Puts all that was written on disk at once. `None`: that is not known, and each file has to be synced. Once it has
    /// failed that is so for good: the system tells of a failure once, and it may have been of a later file.
    pub fn sync_together(&self) -> Option<Synced> {
        let mut opened = self.opened.lock().expect("no holder of this lock panics");
        let synced = opened.as_ref().and_then(|dir| disk::sync_file_system(dir).ok());
        if synced.is_none() {
            *opened = None;
        }
        synced
    }

    /// Removes a chat's older pictures, of other formats than the one that is there now. Whether there were any.
    pub fn remove_others(&self, chat: &ChatId, format: Format) -> io::Result<bool> {
        let mut had_others = false;
        for other in Format::ALL {
            if other != format && self.may_hold[other as usize].load(Ordering::SeqCst) {
                had_others |= disk::remove(&self.path(chat, other))?;
            }
        }
        Ok(had_others)
    }
}
