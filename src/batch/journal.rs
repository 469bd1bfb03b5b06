//! The journal: what is done, on disk before it counts, so that a run that was killed goes on where it stopped.
//!
//! Every line is the JSON line of standard output with `command`, `idInstance` and `at` added. A torn last line is
//! cut off; a file with any other line that is not ours is refused and left as it is. What the lines mean to a
//! command is told from outside.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::chat_id::{ChatId, ChatKey, Rule};
use crate::escape::escape;
use crate::failure::{Failure, Kind};
use crate::record::Status;

/// No line of ours is that long: a notification has 1 MiB at most, and JSON's escapes make six bytes of one.
const LONGEST_LINE: u64 = 8 * 1024 * 1024;
/// The command that prints results as they come, and so the one that a line belongs to which answers no request.
const BY_THE_WAY: &str = "receive";
/// What each of our lines starts with; also a torn one, as far as it goes.
const START: &[u8] = br#"{"chatId":""#;
/// What follows the chat id, which has no quotation mark: it would be escaped.
const AFTER_ID: &[u8] = br#"","status":""#;

/// Whose lines count, and how old they may be.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The command's name.
    pub command: &'a str,
    /// The instance that was asked.
    pub id_instance: &'a str,
    /// Lines that are older do not count.
    pub max_age: Option<Duration>,
    /// Accepted means done. Under `--wait` it means asked and still waited for.
    pub accepted_is_done: bool,
}

/// The chats that are done or were met in this run, packed: at most 40 bytes each.
#[derive(Debug, Default)]
pub struct Done {
    journaled: BTreeSet<ChatKey>,
    /// Asked about by an earlier run, and waited for in this one.
    awaited: BTreeSet<ChatKey>,
    met: BTreeSet<ChatKey>,
}

/// Where a chat was met before.
#[derive(Debug, PartialEq, Eq)]
pub enum Before {
    /// An earlier run has done it.
    Journal,
    /// An earlier run has asked about it, and this one waits for its result: it will have a line.
    Awaited,
    /// In this run.
    Run,
}

impl Done {
    /// Whether an earlier run has done the chat.
    pub fn has(&self, key: ChatKey) -> bool {
        self.journaled.contains(&key)
    }

    /// Where the chat was met before; `None` the first time, and afterwards it was.
    pub fn meet(&mut self, key: ChatKey) -> Option<Before> {
        if self.has(key) {
            return Some(Before::Journal);
        }
        match self.met.insert(key) {
            false => Some(Before::Run),
            true => self.awaited.contains(&key).then_some(Before::Awaited),
        }
    }
}

/// A chat that an earlier run asked about and did not get an answer for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The chat.
    pub chat: ChatId,
    /// When, in Unix seconds.
    pub at: i64,
}

/// What an opened journal tells.
#[derive(Debug)]
pub struct Opened {
    /// To be written to.
    pub journal: Journal,
    /// What is done.
    pub done: Done,
    /// What was asked and not answered, oldest first; empty where accepted means done.
    pub asked: Vec<Asked>,
}

/// A journal that this run holds locked.
#[derive(Debug)]
pub struct Journal {
    file: File,
    name: String,
    form: Form,
    length: u64,
}

impl Journal {
    /// Locks the file, made if need be, checks every line and takes in those of `owner`.
    pub fn open(path: &Path, owner: Owner<'_>, now: Timestamp) -> Result<Opened, Failure> {
        let name = escape(&path.display().to_string());
        let unwritable = |error: io::Error| output_failed(&name, error);
        let file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map_err(unwritable)?;
        if !file.metadata().map_err(unwritable)?.is_file() {
            return Err(Failure::new(
                Kind::BadSettings,
                format!("{name} is not a regular file and cannot be a journal"),
            ));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(Kind::JournalBusy, format!("another run holds the journal {name}"))
                    .hint("wait for it to end, or give this run a journal of its own"));
            }
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        // Only now it stands still: whoever held the lock may have written until just before.
        let length_before = file.metadata().map_err(unwritable)?.len();
        if length_before == 0
            && let Some(folder) = path.parent()
        {
            // The new name is on disk too, where the folder can be synced at all.
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        let mut reading = Reading { owner, now, done: Done::default(), asked: BTreeMap::new() };
        let length = reading.read(&file, &name)?;
        if length < length_before {
            file.set_len(length).map_err(unwritable)?;
        }
        let mut file = file;
        file.seek(SeekFrom::End(0)).map_err(unwritable)?;
        let tail = |command: &str| {
            let (command, instance) = (serde_json::Value::from(command), serde_json::Value::from(owner.id_instance));
            format!(r#","command":{command},"idInstance":{instance},"at":"#)
        };
        let form = Form { tail: tail(owner.command), tail_by_the_way: tail(BY_THE_WAY) };
        let Reading { mut done, asked, .. } = reading;
        let waiting = asked.into_iter().filter(|(key, _)| !done.journaled.contains(key));
        let mut asked: Vec<_> = waiting.map(|(key, at)| Asked { chat: key.chat_id(), at }).collect();
        asked.sort_by_key(|asked| asked.at);
        // They are waited for, not asked again.
        done.awaited.extend(asked.iter().map(|asked| asked.chat.key()));
        Ok(Opened { journal: Journal { file, name, form, length }, done, asked })
    }

    /// How its lines are made.
    pub fn form(&self) -> Form {
        self.form.clone()
    }

    /// Hands one line to the system: from here on it survives our death, and after [`Syncer::sync`] the machine's.
    pub fn append(&mut self, line: &str) -> Result<(), Failure> {
        match self.file.write_all(line.as_bytes()) {
            Ok(()) => {
                self.length += line.len() as u64;
                Ok(())
            }
            Err(error) => {
                // A full disk may have taken half a line.
                let _ = self.file.set_len(self.length);
                Err(output_failed(&self.name, error))
            }
        }
    }

    /// A second handle to sync with, while lines are being written.
    pub fn syncer(&self) -> Result<Syncer, Failure> {
        let file = self.file.try_clone().map_err(|error| output_failed(&self.name, error))?;
        Ok(Syncer { file, name: self.name.clone() })
    }
}

/// Makes a journal's lines. Apart from the journal, so that workers needn't wait for each other meanwhile.
#[derive(Clone, Debug)]
pub struct Form {
    /// What is added to every line, before its closing brace.
    tail: String,
    tail_by_the_way: String,
}

impl Form {
    /// The journal's line, with its newline, for a finished one of standard output.
    pub fn line(&self, line: String) -> String {
        closed(line, &self.tail)
    }

    /// The same for a result that nobody asked for: what the command did for its chats is not told by it.
    pub fn line_by_the_way(&self, line: String) -> String {
        closed(line, &self.tail_by_the_way)
    }
}

fn closed(mut line: String, tail: &str) -> String {
    line.pop();
    line.push_str(tail);
    line.push_str(&format!("\"{:.3}\"}}\n", Timestamp::now()));
    line
}

/// Puts a journal's lines on disk.
#[derive(Debug)]
pub struct Syncer {
    file: File,
    name: String,
}

impl Syncer {
    /// Returns when everything that was appended before is on disk.
    pub fn sync(&self) -> Result<(), Failure> {
        self.file.sync_data().map_err(|error| output_failed(&self.name, error))
    }
}

fn output_failed(name: &str, error: io::Error) -> Failure {
    let error = anyhow::Error::from(error).context(format!("the journal {name} cannot be written"));
    Failure::caused(Kind::OutputFailed, error)
}

/// What of a line matters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow)]
    chat_id: Cow<'a, str>,
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
}

struct Reading<'a> {
    owner: Owner<'a>,
    now: Timestamp,
    done: Done,
    asked: BTreeMap<ChatKey, i64>,
}

impl Reading<'_> {
    /// Reads all lines; how many bytes of the file are whole lines.
    fn read(&mut self, file: &File, name: &str) -> Result<u64, Failure> {
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        let (mut length, mut number) = (0, 0_u64);
        loop {
            line.clear();
            number += 1;
            let got = io::Read::take(&mut reader, LONGEST_LINE)
                .read_until(b'\n', &mut line)
                .map_err(|error| output_failed(name, error))?;
            if got == 0 {
                return Ok(length);
            }
            if line.last() != Some(&b'\n') && (got as u64) < LONGEST_LINE && is_torn(&line) {
                return Ok(length);
            }
            if line.last() != Some(&b'\n') || !self.take(&line) {
                return Err(Failure::new(
                    Kind::BadSettings,
                    format!("{name} is not a journal: line {number} is not ours"),
                )
                .hint("it was left as it is; name another file, or none that exists"));
            }
            length += got as u64;
        }
    }

    /// Takes a line in. False: it is not ours.
    fn take(&mut self, line: &[u8]) -> bool {
        let Ok(line) = serde_json::from_slice::<Line<'_>>(line) else { return false };
        let Ok(at) = line.at.parse::<Timestamp>() else { return false };
        if line.command != self.owner.command || line.id_instance != self.owner.id_instance || line.stale {
            return true;
        }
        let age = self.now.duration_since(at);
        let is_old = self
            .owner
            .max_age
            .is_some_and(|max| age > jiff::SignedDuration::try_from(max).unwrap_or(jiff::SignedDuration::MAX));
        // A line that is no chat's has nothing to be done.
        let Ok(chat) = ChatId::parse(&line.chat_id, Rule::Lenient) else { return true };
        match line.status {
            // Asked and failed for good, such as a wait that ended: to be asked again.
            status if !status.went_well() => {
                self.asked.remove(&chat.key());
            }
            _ if is_old => {}
            Status::Accepted if !self.owner.accepted_is_done => {
                // The line is of when the answer came; the result may be as old as the request.
                self.asked.insert(chat.key(), at.as_millisecond().saturating_sub(line.elapsed_ms).div_euclid(1000));
            }
            _ => {
                self.done.journaled.insert(chat.key());
            }
        }
        true
    }
}

/// Whether the last bytes of a file can be a line of ours that was torn: the beginning of one as far as they go, and no
/// JSON text of somebody else's that merely lacks its newline.
fn is_torn(line: &[u8]) -> bool {
    let begins = |bytes: &[u8], with: &[u8]| bytes.iter().zip(with).all(|(byte, other)| byte == other);
    let after_id = line.get(START.len()..).and_then(|rest| {
        let end = rest.iter().position(|&byte| byte == b'"')?;
        Some(&rest[end..])
    });
    begins(line, START)
        && after_id.is_none_or(|rest| begins(rest, AFTER_ID))
        && (serde_json::from_slice::<serde::de::IgnoredAny>(line).is_err()
            || serde_json::from_slice::<Line<'_>>(line).is_ok())
}

#[cfg(test)]
mod tests;
