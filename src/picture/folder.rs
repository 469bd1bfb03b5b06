//! The directory that takes the pictures of many chats, each as `<chatId>.<ext>`.
//!
//! It remembers what was there and what came, so that a list needn't look for each chat's older pictures where there can
//! be none: every look waits for those who are just adding a file. It knows no URL and no server.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::file::{self, Incoming};
use super::format::Format;
use crate::chat_id::ChatId;

/// A directory of pictures. Shared by all workers.
#[derive(Debug)]
pub struct Folder {
    /// Where it is.
    pub dir: PathBuf,
    was_empty: bool,
    /// Whether there may be pictures of each of [`Format::ALL`].
    may_hold: [AtomicBool; Format::ALL.len()],
}

impl Folder {
    /// Makes the directory where there is none, readable by its owner alone.
    pub fn open(dir: &Path) -> io::Result<Folder> {
        file::make_dir(dir)?;
        // One that may be written and not listed may hold anything.
        let was_empty = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
        Ok(Folder { dir: dir.to_owned(), was_empty, may_hold: Format::ALL.map(|_| AtomicBool::new(!was_empty)) })
    }

    /// Where a chat's picture goes.
    pub fn path(&self, chat: &ChatId, format: Format) -> PathBuf {
        self.dir.join(format!("{chat}.{}", format.extension()))
    }

    /// Puts a chat's picture there, and removes its older ones of other formats. Whether other bytes, or none, stood
    /// there before, and whether there were older ones. Where the same stood there it may be kept: `keep_same`.
    pub fn place(
        &self,
        chat: &ChatId,
        format: Format,
        picture: Incoming<'_>,
        keep_same: bool,
    ) -> io::Result<(bool, bool)> {
        self.may_hold[format as usize].store(true, Ordering::SeqCst);
        let has_changed = picture.place(&self.path(chat, format), keep_same, self.was_empty)?;
        let mut had_others = false;
        for other in Format::ALL {
            if other != format && self.may_hold[other as usize].load(Ordering::SeqCst) {
                had_others |= file::remove(&self.path(chat, other))?;
            }
        }
        Ok((has_changed, had_others))
    }
}
