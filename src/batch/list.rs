//! Chat ids in: from arguments, standard input and files, one line at a time, each chat once.
//!
//! Input is read as it is needed, so that a pipe that stays open is served as its lines come. What is no chat id is
//! an entry like any other. Nothing here knows what becomes of an entry.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use crate::batch::journal::Done;
use crate::chat_id::{ChatId, ChatKey, NotAChatId, Rule};
use crate::escape::{escape, shorten};
use crate::failure::{Failure, Kind};
use crate::interrupt;

/// A line that is longer is no chat id.
const LONGEST_LINE: usize = 1024;
/// How far back a duplicate is noticed without a journal.
const WINDOW: usize = 65_536;
/// How much of what is no chat id is shown.
const SHOWN: usize = 80;

/// One thing to do.
#[derive(Debug)]
pub enum Entry {
    /// A chat to ask about.
    Chat(ChatId),
    /// No chat id.
    Invalid {
        /// The text, escaped and shortened.
        shown: String,
        /// Its line in a list, from 1.
        line: Option<u64>,
        /// What is wrong with it.
        why: NotAChatId,
    },
}

/// Where ids come from.
#[derive(Debug)]
pub enum Origin {
    /// An argument.
    Argument(OsString),
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// The chats of a run, in order.
#[derive(Debug)]
pub struct List {
    rule: Rule,
    origins: VecDeque<Origin>,
    reader: Option<Lines>,
    seen: Seen,
    /// Chats that came twice.
    pub duplicates: u64,
    /// Chats that a journal has done.
    pub already_done: u64,
}

impl List {
    /// A list; its files are opened here, so that a missing one is known before anything is sent.
    pub fn open(origins: Vec<Origin>, rule: Rule, done: Option<Done>) -> Result<List, Failure> {
        for origin in &origins {
            if let Origin::File(path) = origin {
                Lines::open(path)?;
            }
        }
        let seen = match done {
            Some(done) => Seen::Ever(done),
            None => Seen::Window(Window::default()),
        };
        Ok(List { rule, origins: origins.into(), reader: None, seen, duplicates: 0, already_done: 0 })
    }

    /// How many entries there are at most, where that is known without reading.
    pub fn known_length(&self) -> Option<usize> {
        let only_arguments = self.origins.iter().all(|origin| matches!(origin, Origin::Argument(_)));
        (only_arguments && self.reader.is_none()).then_some(self.origins.len())
    }

    /// The next entry; `None` at the end, and when the run is interrupted while input is awaited.
    pub fn take(&mut self) -> Result<Option<Entry>, Failure> {
        self.next_until(None)
    }

    /// How many entries are left; `None` where the input's end does not come within a moment.
    pub fn count_rest(&mut self) -> Option<u64> {
        let deadline = Instant::now() + Duration::from_millis(500);
        let mut count = 0;
        loop {
            match self.next_until(Some(deadline)) {
                Ok(Some(_)) => count += 1,
                Ok(None) => break,
                Err(_) => return None,
            }
        }
        (self.origins.is_empty() && self.reader.is_none()).then_some(count)
    }

    fn next_until(&mut self, deadline: Option<Instant>) -> Result<Option<Entry>, Failure> {
        loop {
            if let Some(lines) = &mut self.reader {
                match lines.next(deadline)? {
                    Next::Line { text, number } => {
                        let entry = parse_line(&text, number, self.rule);
                        if self.is_new(&entry) {
                            return Ok(Some(entry));
                        }
                        continue;
                    }
                    Next::End => self.reader = None,
                    Next::Waited => return Ok(None),
                }
            }
            match self.origins.pop_front() {
                None => return Ok(None),
                Some(Origin::Argument(text)) => {
                    let entry = parse(text.as_bytes(), None, self.rule);
                    if self.is_new(&entry) {
                        return Ok(Some(entry));
                    }
                }
                Some(Origin::Stdin) => self.reader = Some(Lines::stdin()?),
                Some(Origin::File(path)) => self.reader = Some(Lines::open(&path)?),
            }
        }
    }

    fn is_new(&mut self, entry: &Entry) -> bool {
        let Entry::Chat(chat) = entry else { return true };
        match self.seen.meet(chat.key()) {
            Meeting::First => return true,
            Meeting::Again => self.duplicates += 1,
            Meeting::Done => self.already_done += 1,
        }
        false
    }
}

fn parse_line(line: &Line, number: u64, rule: Rule) -> Entry {
    match line {
        Line::Whole(bytes) => parse(bytes, Some(number), rule),
        Line::TooLong(start) => Entry::Invalid {
            shown: shown(start),
            line: Some(number),
            why: NotAChatId { message: "a line longer than 1 KiB is not a chat id", hint: None },
        },
    }
}

fn parse(bytes: &[u8], line: Option<u64>, rule: Rule) -> Entry {
    let parsed = match std::str::from_utf8(bytes) {
        Ok(text) => ChatId::parse(text, rule),
        Err(_) => Err(NotAChatId { message: "not a chat id: not UTF-8", hint: None }),
    };
    match parsed {
        Ok(chat) => Entry::Chat(chat),
        Err(why) => Entry::Invalid { shown: shown(bytes), line, why },
    }
}

fn shown(bytes: &[u8]) -> String {
    // Shortened first: the escaped form of a long binary line would be six times as long.
    escape(&shorten(&String::from_utf8_lossy(bytes), SHOWN))
}

/// Chats that were met before.
#[derive(Debug)]
enum Seen {
    Window(Window),
    Ever(Done),
}

enum Meeting {
    First,
    Again,
    Done,
}

impl Seen {
    fn meet(&mut self, key: ChatKey) -> Meeting {
        match self {
            Seen::Window(window) => {
                if window.meet(key) {
                    Meeting::First
                } else {
                    Meeting::Again
                }
            }
            Seen::Ever(done) => match done.meet(key) {
                None => Meeting::First,
                Some(before) if before.was_in_the_journal => Meeting::Done,
                Some(_) => Meeting::Again,
            },
        }
    }
}

/// The last 65,536 chats.
#[derive(Debug, Default)]
struct Window {
    order: VecDeque<ChatKey>,
    keys: HashSet<ChatKey>,
}

impl Window {
    /// True where the chat is not among them; it is afterwards.
    fn meet(&mut self, key: ChatKey) -> bool {
        if !self.keys.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > WINDOW
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
        }
        true
    }
}

enum Line {
    Whole(Vec<u8>),
    /// The start of a line that is longer than any chat id.
    TooLong(Vec<u8>),
}

enum Next {
    Line {
        text: Line,
        number: u64,
    },
    End,
    /// Nothing came before the deadline or the signal.
    Waited,
}

/// The lines of one input that are neither blank nor comments.
#[derive(Debug)]
struct Lines {
    file: File,
    name: String,
    buffer: Vec<u8>,
    at: usize,
    number: u64,
    is_over: bool,
}

impl Lines {
    fn open(path: &Path) -> Result<Lines, Failure> {
        let name = escape(&path.display().to_string());
        let file = File::open(path).map_err(|error| unreadable(&name, error))?;
        if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(unreadable(&name, io::ErrorKind::IsADirectory.into()));
        }
        Ok(Lines::new(file, name))
    }

    fn stdin() -> Result<Lines, Failure> {
        let name = "standard input".to_owned();
        let fd = io::stdin().as_fd().try_clone_to_owned().map_err(|error| unreadable(&name, error))?;
        Ok(Lines::new(File::from(fd), name))
    }

    fn new(file: File, name: String) -> Lines {
        Lines { file, name, buffer: Vec::new(), at: 0, number: 0, is_over: false }
    }

    fn next(&mut self, deadline: Option<Instant>) -> Result<Next, Failure> {
        loop {
            let Some(line) = self.raw_line(deadline)? else {
                return Ok(if self.is_over { Next::End } else { Next::Waited });
            };
            self.number += 1;
            let text = match line {
                Line::TooLong(start) => Line::TooLong(start),
                Line::Whole(mut bytes) => {
                    if self.number == 1 && bytes.starts_with("\u{feff}".as_bytes()) {
                        bytes.drain(..3);
                    }
                    if bytes.last() == Some(&b'\r') {
                        bytes.pop();
                    }
                    let blank = bytes.trim_ascii();
                    if blank.is_empty() || blank.starts_with(b"#") {
                        continue;
                    }
                    Line::Whole(bytes)
                }
            };
            return Ok(Next::Line { text, number: self.number });
        }
    }

    /// The next line without its newline; `None` at the end or when nothing more came.
    fn raw_line(&mut self, deadline: Option<Instant>) -> Result<Option<Line>, Failure> {
        let mut searched = self.at;
        let mut too_long: Option<Vec<u8>> = None;
        loop {
            if let Some(length) = self.buffer[searched..].iter().position(|&b| b == b'\n') {
                let line = &self.buffer[self.at..searched + length];
                let line = too_long.take().map(Line::TooLong).unwrap_or_else(|| whole_or_long(line));
                self.at = searched + length + 1;
                return Ok(Some(line));
            }
            if self.buffer.len() - self.at > LONGEST_LINE && too_long.is_none() {
                too_long = Some(self.buffer[self.at..self.at + LONGEST_LINE].to_vec());
            }
            // Of a line that is too long nothing more is kept.
            self.buffer.drain(..if too_long.is_some() { self.buffer.len() } else { self.at });
            self.at = 0;
            searched = self.buffer.len();
            if self.is_over || !self.fill(deadline)? {
                if !self.is_over || (self.buffer.is_empty() && too_long.is_none()) {
                    return Ok(None);
                }
                let rest = std::mem::take(&mut self.buffer);
                return Ok(Some(too_long.map(Line::TooLong).unwrap_or_else(|| whole_or_long(&rest))));
            }
        }
    }

    /// Reads more. False: the end, which sets `is_over`, or nothing came before the deadline or a signal.
    fn fill(&mut self, deadline: Option<Instant>) -> Result<bool, Failure> {
        const CHUNK: usize = 16 * 1024;
        let failed = |error| unreadable(&self.name, error);
        if !interrupt::wait_for(self.file.as_fd(), PollFlags::IN, deadline, Duration::ZERO).map_err(failed)? {
            return Ok(false);
        }
        let old = self.buffer.len();
        self.buffer.resize(old + CHUNK, 0);
        let got = loop {
            match self.file.read(&mut self.buffer[old..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result.map_err(failed)?,
            }
        };
        self.buffer.truncate(old + got);
        self.is_over = got == 0;
        Ok(got > 0)
    }
}

fn whole_or_long(line: &[u8]) -> Line {
    if line.len() > LONGEST_LINE { Line::TooLong(line[..LONGEST_LINE].to_vec()) } else { Line::Whole(line.to_vec()) }
}

fn unreadable(name: &str, error: io::Error) -> Failure {
    Failure::caused(Kind::InputUnreadable, anyhow::Error::from(error).context(format!("cannot read {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list_of(text: &[u8]) -> (List, tempfile::NamedTempFile) {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("written");
        let list = List::open(vec![Origin::File(file.path().into())], Rule::Strict, None).expect("opened");
        (list, file)
    }

    fn all(text: &[u8]) -> Vec<String> {
        let (mut list, _file) = list_of(text);
        let mut entries = Vec::new();
        while let Some(entry) = list.take().expect("read") {
            entries.push(match entry {
                Entry::Chat(chat) => chat.to_string(),
                Entry::Invalid { shown, line, .. } => format!("{}: {shown}", line.expect("a line number")),
            });
        }
        entries
    }

    #[test]
    fn comments_blank_lines_carriage_returns_and_the_mark_are_no_ids() {
        let text = b"\xef\xbb\xbf11001234567@c.us\r\n\r\n  \n# people\n  # more\n11001234568@c.us\nx\n11001234569@c.us";
        assert_eq!(all(text), ["11001234567@c.us", "11001234568@c.us", "7: x", "11001234569@c.us"]);
    }

    #[test]
    fn a_line_that_is_too_long_or_not_utf8_is_an_entry_with_its_number() {
        let mut text = b"11001234567@c.us\n".to_vec();
        text.extend(vec![b'9'; 100_000]);
        text.extend(b"\n\xff\xfe\n11001234568@c.us\n");
        text.extend(vec![b'8'; 1025]);
        let entries = all(&text);
        assert_eq!(entries.len(), 5);
        assert!(entries[1].starts_with("2: 999") && entries[1].len() < 100, "{}", entries[1]);
        assert!(entries[2].starts_with("3: "), "{}", entries[2]);
        assert_eq!(entries[3], "11001234568@c.us");
        assert!(entries[4].starts_with("5: 888"), "{}", entries[4]);
    }

    #[test]
    fn lines_survive_the_borders_of_reads() {
        let ids: Vec<_> = (0..5000).map(|i| format!("1100{i:07}@c.us")).collect();
        assert_eq!(all(ids.join("\n").as_bytes()), ids);
    }

    #[test]
    fn a_duplicate_is_met_once_and_counted() {
        let (mut list, _file) = list_of(b"11001234567@c.us\n11001234568@c.us\n11001234567@c.us\n");
        let mut count = 0;
        while list.take().expect("read").is_some() {
            count += 1;
        }
        assert_eq!((count, list.duplicates), (2, 1));
    }

    #[test]
    fn the_window_forgets_what_is_long_past() {
        let mut window = Window::default();
        let key = |i: usize| ChatId::parse(&format!("{i:011}@c.us"), Rule::Strict).expect("an id").key();
        assert!(window.meet(key(0)));
        assert!((1..=WINDOW).all(|i| window.meet(key(i))));
        assert!(!window.meet(key(1)));
        assert!(window.meet(key(0)));
    }

    #[test]
    fn a_missing_file_is_known_before_anything_is_read() {
        let missing = vec![Origin::Argument("11001234567@c.us".into()), Origin::File("/nonexistent/list".into())];
        let failure = List::open(missing, Rule::Strict, None).expect_err("missing");
        assert_eq!(failure.kind, Kind::InputUnreadable);
    }

    #[test]
    fn the_rest_is_counted_without_the_duplicates() {
        let (mut list, _file) = list_of(b"11001234567@c.us\n11001234568@c.us\nx\n11001234567@c.us\n");
        list.take().expect("read");
        assert_eq!(list.count_rest(), Some(2));
    }
}
