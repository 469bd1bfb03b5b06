//! The journal: what is done, on disk before it counts, so that a run that was killed goes on from there.
//!
//! Every line is the JSON line of standard output with `command`, `idInstance` and `at` added. A torn last line is
//! cut off; a file with any other line that is not ours is refused and left as it is.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::chat_id::{ChatId, ChatKey, Rule};
use crate::failure::{Failure, Kind};
use crate::pictures::Pictures;
use crate::platform;
use crate::record::Status;
use crate::token::Masked;

/// Longer than any journal line: a notification has at most 1 MiB, and a JSON escape makes six bytes of one.
const LONGEST_LINE: u64 = 8 * 1024 * 1024;
/// Unsolicited results are journaled under `receive`.
const UNSOLICITED_COMMAND: &str = "receive";
/// The start of each line, also of a torn one that is long enough.
const START: &[u8] = br#"{"chatId":""#;
/// What follows the chat id, which holds no quotation mark: it would be escaped.
const AFTER_ID: [&[u8]; 2] = [br#"","status":""#, br#"","name":""#];

/// Which lines count as done.
#[derive(Clone, Copy, Debug)]
pub struct JournalFilter<'a> {
    pub command: &'a str,
    /// The instance that was asked.
    pub id_instance: &'a str,
    /// Lines that are older, or from the future, do not count.
    pub max_age: Option<Duration>,
    /// Whether accepted means done. With `--wait` it means requested, and the result is still waited for.
    pub accepted_is_done: bool,
    /// If pictures are saved, a chat whose picture was found is done only while its file is there.
    pub pictures: Option<&'a Pictures<'a>>,
}

/// The chats that are done or were seen in this run, packed: at most 40 bytes each.
#[derive(Debug, Default)]
pub struct Done {
    journaled: BTreeSet<ChatKey>,
    /// Requested by an earlier run, and waited for in this one.
    pub awaited: BTreeSet<ChatKey>,
    seen: BTreeSet<ChatKey>,
}

/// Why a chat is skipped.
#[derive(Debug, PartialEq, Eq)]
pub enum SeenIn {
    /// An earlier run has done it.
    Journal,
    /// An earlier run has requested it, and this one waits for its result: it will have a line.
    Awaited,
    /// It came before in this run.
    Run,
}

impl Done {
    /// Whether an earlier run has done the chat.
    pub fn contains(&self, key: ChatKey) -> bool {
        self.journaled.contains(&key)
    }

    /// Adds the chat. Returns where it was seen before, if it was.
    pub fn insert(&mut self, key: ChatKey) -> Option<SeenIn> {
        if self.contains(key) {
            return Some(SeenIn::Journal);
        }
        match self.seen.insert(key) {
            false => Some(SeenIn::Run),
            true => self.awaited.contains(&key).then_some(SeenIn::Awaited),
        }
    }
}

/// A chat that an earlier run requested and has no result of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    pub chat: ChatId,
    /// When, in Unix seconds.
    pub at: i64,
}

/// A journal and what it says.
#[derive(Debug)]
pub struct JournalState {
    pub journal: Journal,
    pub done: Done,
    /// What is still waited for, oldest first; empty if accepted means done.
    pub requested: Vec<Requested>,
}

/// Which row a line becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOf {
    /// One of the run's command.
    Command,
    /// One of `receive`: a result that the run did not request does not make its chat done.
    Unsolicited,
}

/// A journal that this run has locked.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// What is added to a line before its closing brace, up to the time.
    tail: String,
    unsolicited_tail: String,
    file: Mutex<(Arc<File>, u64)>,
}

impl Journal {
    /// Opens the file, creating it if needed, locks it, and checks every line.
    pub fn open(path: &Path, filter: JournalFilter<'_>, now: Timestamp) -> Result<JournalState, Failure> {
        let unwritable = |error: io::Error| output_failed(path, error);
        let mut file = open_locked(path)?;
        // Read after locking: another run may have written until it released the lock.
        let length_before = file.metadata().map_err(unwritable)?.len();
        if length_before == 0 {
            sync_name(path);
        }
        let mut reading = Reading { filter, now, done: Done::default(), requested: BTreeMap::new() };
        let length = reading.read(&file, path)?;
        if length < length_before {
            file.set_len(length).map_err(unwritable)?;
        }
        file.seek(SeekFrom::End(0)).map_err(unwritable)?;
        let tail = |command: &str| {
            let (command, instance) = (serde_json::Value::from(command), serde_json::Value::from(filter.id_instance));
            format!(r#","command":{command},"idInstance":{instance},"at":"#)
        };
        let Reading { mut done, requested, .. } = reading;
        let waiting = requested.into_iter().filter(|(key, _)| !done.contains(*key));
        let request = |(key, (at, name)): (ChatKey, _)| Requested { chat: key.chat_id().named(name), at };
        let mut requested: Vec<_> = waiting.map(request).collect();
        requested.sort_by_key(|requested| requested.at);
        done.awaited.extend(requested.iter().map(|requested| requested.chat.key()));
        let (tail, unsolicited_tail) = (tail(filter.command), tail(UNSOLICITED_COMMAND));
        let path = path.to_owned();
        let journal = Journal { path, tail, unsolicited_tail, file: Mutex::new((Arc::new(file), length)) };
        Ok(JournalState { journal, done, requested })
    }

    /// Appends a JSON line of standard output, without its newline. It survives the end of this process, and after
    /// [`Journal::sync`] that of the machine.
    pub fn append(&self, mut json: String, row: RowOf) -> Result<(), Failure> {
        let tail = match row {
            RowOf::Command => &self.tail,
            RowOf::Unsolicited => &self.unsolicited_tail,
        };
        json.pop();
        json.push_str(tail);
        json.push_str(&format!("\"{:.3}\"}}\n", Timestamp::now()));
        let line = Masked::new(json);
        let bytes = line.as_str().as_bytes();
        let (file, length) = &mut *self.lock();
        if !platform::is_name_of(&self.path, file) {
            // [`Journal::sync`] will sync the new file only.
            file.sync_data().map_err(|error| output_failed(&self.path, error))?;
            (*file, *length) = self.reopen()?;
        }
        match (&**file).write_all(bytes) {
            Ok(()) => {
                *length += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Part of the line may be written, if the disk is full.
                let _ = file.set_len(*length);
                Err(output_failed(&self.path, error))
            }
        }
    }

    /// Opens the journal anew after the file was removed or renamed, as by logrotate: the next run would not find lines
    /// in the old file.
    fn reopen(&self) -> Result<(Arc<File>, u64), Failure> {
        let mut file = open_locked(&self.path)?;
        let length = file.seek(SeekFrom::End(0)).map_err(|error| output_failed(&self.path, error))?;
        sync_name(&self.path);
        Ok((Arc::new(file), length))
    }

    /// Returns when everything that was appended before is on disk.
    pub fn sync(&self) -> Result<(), Failure> {
        // Without the lock, so that lines can be appended at the same time.
        let file = Arc::clone(&self.lock().0);
        file.sync_data().map_err(|error| output_failed(&self.path, error))
    }

    fn lock(&self) -> MutexGuard<'_, (Arc<File>, u64)> {
        self.file.lock().expect("no holder of this lock panics")
    }
}

/// Syncs a new file's name, so that it survives a power cut, if the file system can do that.
fn sync_name(path: &Path) {
    let _ = platform::sync_dir(platform::parent(path));
}

/// Opens the file, creating it if needed, and locks it.
fn open_locked(path: &Path) -> Result<File, Failure> {
    let name = path.display();
    let unwritable = |error: io::Error| output_failed(path, error);
    // Not in append mode, in which Windows cannot shorten a file.
    let opened = platform::private_file().read(true).write(true).create(true).truncate(false).open(path);
    let file = opened.map_err(unwritable)?;
    if !file.metadata().map_err(unwritable)?.is_file() {
        let what = format!("{name} is not a regular file and cannot be a journal");
        return Err(Failure::new(Kind::BadSettings, what));
    }
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Failure::new(Kind::JournalBusy, format!("another run is using the journal {name}"))
                .hint("wait until it ends, or use another --journal"));
        }
        Err(TryLockError::Error(error)) => {
            let what = format!("the file system does not support locks: cannot lock the journal {name}");
            return Err(Failure::new(Kind::OutputFailed, what)
                .because(error)
                .hint("name a journal on a local file system"));
        }
    }
    Ok(file)
}

fn output_failed(path: &Path, error: io::Error) -> Failure {
    Failure::new(Kind::OutputFailed, format!("the journal {} cannot be written", path.display())).because(error)
}

/// The parts of a line that matter.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    #[serde(borrow)]
    chat_id: Cow<'a, str>,
    name: Option<Box<str>>,
    status: Status,
    #[serde(borrow)]
    command: Cow<'a, str>,
    #[serde(borrow)]
    id_instance: Cow<'a, str>,
    #[serde(borrow)]
    at: Cow<'a, str>,
    #[serde(default)]
    elapsed_ms: i64,
    #[serde(default)]
    stale: bool,
    /// Present if a picture was found and not downloaded.
    error: Option<IgnoredAny>,
}

struct Reading<'a> {
    filter: JournalFilter<'a>,
    now: Timestamp,
    done: Done,
    /// When each chat was requested, and its name.
    requested: BTreeMap<ChatKey, (i64, Option<Box<str>>)>,
}

impl Reading<'_> {
    /// Reads all lines. Returns how many bytes of the file are whole lines.
    fn read(&mut self, file: &File, path: &Path) -> Result<u64, Failure> {
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        let (mut length, mut number) = (0, 0_u64);
        loop {
            line.clear();
            number += 1;
            let got = Read::take(&mut reader, LONGEST_LINE).read_until(b'\n', &mut line);
            let got = got.map_err(|error| output_failed(path, error))? as u64;
            if got == 0 {
                return Ok(length);
            }
            let is_whole = line.ends_with(b"\n");
            // In a file without a whole journal line, only the start of one counts as torn: other text may be a file of
            // the user that lacks its last newline.
            let mut is_torn = || match got < LONGEST_LINE {
                true => number > 1 || is_torn(&line),
                // A power cut may leave more zeros than any line has.
                false => is_zeros(&line) && reader.by_ref().bytes().all(|byte| byte.is_ok_and(|byte| byte == 0)),
            };
            if !is_whole && is_torn() {
                return Ok(length);
            }
            if !(is_whole && self.add(&line)) {
                return Err(Failure::new(
                    Kind::BadSettings,
                    format!("{} is not a journal: line {number} is not a journal line", path.display()),
                )
                .hint("the file was not changed; use another file, or a new one"));
            }
            length += got;
        }
    }

    /// Adds a line. Returns `false` if it is not a journal line.
    fn add(&mut self, line: &[u8]) -> bool {
        let Ok(row) = serde_json::from_slice::<Row<'_>>(line) else { return false };
        let Ok(at) = row.at.parse::<Timestamp>() else { return false };
        if row.command != self.filter.command || row.id_instance != self.filter.id_instance || row.stale {
            return true;
        }
        // A line from the future does not count as young: a clock that was wrong once would keep its chat done for
        // ever.
        let age = self.now.duration_since(at);
        let is_young = |max| !age.is_negative() && age <= SignedDuration::try_from(max).unwrap_or(SignedDuration::MAX);
        let counts = self.filter.max_age.is_none_or(is_young);
        // The line of an invalid entry does not make a chat done.
        let Ok(chat) = ChatId::parse(&row.chat_id, Rule::Lenient) else { return true };
        match row.status {
            // It failed, or its wait ended: it is requested again.
            status if !status.is_answer() || row.error.is_some() => {
                self.requested.remove(&chat.key());
            }
            _ if !counts => {}
            Status::Found if self.filter.pictures.is_some_and(|pictures| !pictures.has_file(&chat)) => {
                self.requested.remove(&chat.key());
                self.done.journaled.remove(&chat.key());
            }
            Status::Accepted if !self.filter.accepted_is_done => {
                // The line was written at the response. The result may be as old as the request.
                let requested_at = at.as_millisecond().saturating_sub(row.elapsed_ms).div_euclid(1000);
                self.requested.insert(chat.key(), (requested_at, row.name));
            }
            _ => {
                self.done.journaled.insert(chat.key());
            }
        }
        true
    }
}

/// Whether the only line of a file, without a newline, can be a torn journal line: the start of one, or zeros that a
/// power cut left. Complete JSON is not torn, unless it is a journal line that lacks only its newline.
fn is_torn(line: &[u8]) -> bool {
    let begins = |bytes: &[u8], with: &[u8]| bytes.iter().zip(with).all(|(byte, other)| byte == other);
    let after_start = line.get(START.len()..).unwrap_or_default();
    let after_id = after_start.iter().position(|&byte| byte == b'"').map_or(&[][..], |end| &after_start[end..]);
    let is_json = || serde_json::from_slice::<IgnoredAny>(line).is_ok();
    let is_row = || serde_json::from_slice::<Row<'_>>(line).is_ok();
    is_zeros(line)
        || (begins(line, START) && AFTER_ID.iter().any(|after| begins(after_id, after)) && (!is_json() || is_row()))
}

fn is_zeros(line: &[u8]) -> bool {
    line.iter().all(|&byte| byte == 0)
}

#[cfg(test)]
mod tests;
