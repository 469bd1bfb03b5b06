//! The pictures of a directory as one HTML page, with the earlier ones and the names of a list.
//!
//! This file finds the pictures; [`page`] makes the HTML.

pub mod page;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::chat_id::{ChatId, ChatKey, Rule};
use crate::failure::{Failure, Kind};
use crate::pictures::download::Format;

/// What the page shows about one chat.
#[derive(Debug)]
pub struct Chat {
    /// The chat, with its name if the list has one.
    pub id: ChatId,
    pub current: Option<Picture>,
    /// Its earlier pictures, newest first.
    pub earlier: Vec<Picture>,
    /// When its picture was saved or removed.
    changed: Option<Timestamp>,
}

#[derive(Debug)]
pub struct Picture {
    /// Its path below the directory.
    pub path: PathBuf,
    pub saved: Timestamp,
}

/// Finds the pictures in a directory and in its history, and adds `named` chats. Newest change first.
pub fn read(dir: &Path, named: Vec<ChatId>) -> Result<Vec<Chat>, Failure> {
    let mut chats = HashMap::new();
    for id in named {
        chat(&mut chats, id);
    }
    add_pictures(dir, &mut chats)?;
    add_history(dir, &mut chats)?;
    let mut chats: Vec<_> = chats.into_values().collect();
    for chat in &mut chats {
        chat.earlier.sort_by(|a, b| (b.saved, &b.path).cmp(&(a.saved, &a.path)));
    }
    chats.sort_by_cached_key(|chat| {
        (Reverse(chat.changed), chat.id.name().is_none(), chat.id.name().map(str::to_lowercase), chat.id.to_string())
    });
    Ok(chats)
}

fn chat(chats: &mut HashMap<ChatKey, Chat>, id: ChatId) -> &mut Chat {
    chats.entry(id.key()).or_insert(Chat { id, current: None, earlier: Vec::new(), changed: None })
}

fn add_pictures(dir: &Path, chats: &mut HashMap<ChatKey, Chat>) -> Result<(), Failure> {
    for (path, saved) in pictures_in(dir)? {
        let Some(id) = chat_id(path.file_stem()) else { continue };
        let chat = chat(chats, id);
        let picture = Picture { path: PathBuf::from(path.file_name().unwrap_or_default()), saved };
        // After a run that was killed there may be two: the newer one counts.
        let (newer, older) = match chat.current.take() {
            Some(other) if other.saved > saved => (other, Some(picture)),
            other => (picture, other),
        };
        chat.changed = Some(newer.saved);
        chat.current = Some(newer);
        chat.earlier.extend(older);
    }
    Ok(())
}

fn add_history(dir: &Path, chats: &mut HashMap<ChatKey, Chat>) -> Result<(), Failure> {
    let history = dir.join("history");
    let folders = match fs::read_dir(&history) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        folders => folders.map_err(|error| unreadable(&history, error))?,
    };
    for folder in folders {
        let folder = folder.map_err(|error| unreadable(&history, error))?;
        let Some(id) = chat_id(Some(&folder.file_name())) else { continue };
        let path = folder.path();
        if !path.is_dir() {
            continue;
        }
        let pictures = pictures_in(&path)?.into_iter().filter_map(|(path, _)| {
            let saved = time_of(path.file_stem()?.to_str()?)?;
            Some(Picture { path: path.strip_prefix(dir).ok()?.to_owned(), saved })
        });
        let mut pictures = pictures.peekable();
        if pictures.peek().is_none() {
            continue;
        }
        let chat = chat(chats, id);
        chat.earlier.extend(pictures);
        if chat.current.is_none() {
            // The last picture was moved there when it was gone.
            chat.changed = modified(&path).map_err(|error| unreadable(&path, error))?;
        }
    }
    Ok(())
}

/// The picture files in a directory and when they were changed.
fn pictures_in(dir: &Path) -> Result<Vec<(PathBuf, Timestamp)>, Failure> {
    let read = || {
        let mut pictures = Vec::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let has_extension = |format: &Format| path.extension() == Some(OsStr::new(format.extension()));
            if Format::ALL.iter().any(has_extension)
                && path.is_file()
                && let Some(time) = modified(&path)?
            {
                pictures.push((path, time));
            }
        }
        Ok(pictures)
    };
    read().map_err(|error| unreadable(dir, error))
}

/// When a file was changed; `None` if it has just been removed.
fn modified(path: &Path) -> io::Result<Option<Timestamp>> {
    match path.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        metadata => Ok(Some(Timestamp::try_from(metadata?.modified()?).unwrap_or_default())),
    }
}

fn chat_id(name: Option<&OsStr>) -> Option<ChatId> {
    ChatId::parse(name?.to_str()?, Rule::Lenient).ok()
}

/// The time in the name of a file of the history, such as `20261127T020000Z` or `20261127T020000Z-1`.
fn time_of(stem: &str) -> Option<Timestamp> {
    let (time, number) = stem.split_at_checked(16)?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !number.is_empty() && !number.strip_prefix('-').is_some_and(is_number) {
        return None;
    }
    let time = DateTime::strptime("%Y%m%dT%H%M%SZ", time).ok()?;
    time.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp())
}

fn unreadable(path: &Path, error: io::Error) -> Failure {
    Failure::new(Kind::InputUnreadable, format!("cannot read {}", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_history_file_is_in_its_name() {
        let time = |stem| time_of(stem).map(|time| time.to_string());
        assert_eq!(time("20261127T022429Z").as_deref(), Some("2026-11-27T02:24:29Z"));
        assert_eq!(time("20261127T022429Z-12").as_deref(), Some("2026-11-27T02:24:29Z"));
        for odd in [
            "",
            "x",
            "20261127T022429Z-",
            "20261127T022429Z-x",
            "20261327T022429Z",
            "é20261127T022429Z",
            "20261127T022429Z1",
        ] {
            assert_eq!(time(odd), None, "{odd}");
        }
    }
}
