//! Chat ids in: from arguments, standard input and files, one line at a time, each chat once.
//!
//! Input is read as it is needed, so that a pipe that stays open is served as its lines come. What is no chat id is
//! an entry like any other. Nothing here knows what becomes of an entry.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::batch::journal::{Done, SeenIn};
use crate::batch::lines::{Line, Lines, Next};
use crate::chat_id::{ChatId, ChatKey, NotAChatId, Rule};
use crate::escape::{escape, shorten};
use crate::failure::Failure;
use crate::recent::Deduplicator;

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

/// What [`List::take`] found.
#[derive(Debug)]
pub enum Taken {
    /// Something to do.
    Entry(Entry),
    /// The list's end.
    End,
    /// Nothing came before the deadline or the signal.
    Nothing,
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
    /// What could not be read is told once, and nothing is known of what is behind it.
    is_broken: bool,
    seen: Seen,
    /// Chats that came twice.
    pub duplicates: u64,
    /// Chats that a journal has done.
    pub already_done: u64,
}

impl List {
    /// A list; its files are looked at here, so that a missing one is known before anything is sent.
    pub fn open(origins: Vec<Origin>, rule: Rule, done: Option<Done>) -> Result<List, Failure> {
        for origin in &origins {
            match origin {
                Origin::Argument(_) => {}
                Origin::File(path) => Lines::check(path)?,
                Origin::Stdin => Lines::stdin().map(drop)?,
            }
        }
        let seen = match done {
            Some(done) => Seen::Ever(done),
            None => Seen::Window(Deduplicator::default()),
        };
        Ok(List { rule, origins: origins.into(), reader: None, is_broken: false, seen, duplicates: 0, already_done: 0 })
    }

    /// How many entries there are at most, where that is known without reading.
    pub fn known_length(&self) -> Option<usize> {
        let only_arguments = self.origins.iter().all(|origin| matches!(origin, Origin::Argument(_)));
        (only_arguments && self.reader.is_none()).then_some(self.origins.len())
    }

    /// How many chats lie ahead, duplicates included, counted in files without disturbing them; `None` for a pipe.
    pub fn count_ahead(&self) -> Option<u64> {
        let mut count = 0;
        for origin in &self.origins {
            let path = match origin {
                Origin::Argument(_) => {
                    count += 1;
                    continue;
                }
                // Opened anew, so that its position is its own.
                Origin::Stdin => Path::new("/proc/self/fd/0"),
                Origin::File(path) => path,
            };
            if !path.metadata().is_ok_and(|metadata| metadata.is_file()) {
                return None;
            }
            let mut lines = Lines::open(path).ok()?;
            while let Next::Line { text, number } = lines.take(None).ok()? {
                count += u64::from(match parse_line(&text, number, self.rule) {
                    Entry::Chat(chat) => !self.seen.is_done(chat.key()),
                    Entry::Invalid { .. } => true,
                });
            }
        }
        Some(count)
    }

    /// How many entries are left; `None` where the input's end does not come within a moment.
    pub fn count_rest(&mut self) -> Option<u64> {
        if self.is_broken {
            return None;
        }
        let deadline = Instant::now() + Duration::from_millis(500);
        let mut count = 0;
        // A file never waits, and may be long.
        while Instant::now() < deadline {
            match self.take(Some(deadline)) {
                Ok(Taken::Entry(_)) => count += 1,
                Ok(Taken::End) => return Some(count),
                Ok(Taken::Nothing) | Err(_) => return None,
            }
        }
        None
    }

    /// The next entry, awaited until the deadline or a signal. After a failure there is none.
    pub fn take(&mut self, deadline: Option<Instant>) -> Result<Taken, Failure> {
        if self.is_broken {
            return Ok(Taken::End);
        }
        let taken = self.find(deadline);
        self.is_broken = taken.is_err();
        taken
    }

    fn find(&mut self, deadline: Option<Instant>) -> Result<Taken, Failure> {
        loop {
            if let Some(lines) = &mut self.reader {
                match lines.take(deadline)? {
                    Next::Line { text, number } => {
                        let entry = parse_line(&text, number, self.rule);
                        if self.is_new(&entry) {
                            return Ok(Taken::Entry(entry));
                        }
                        continue;
                    }
                    Next::End => self.reader = None,
                    Next::Waited => return Ok(Taken::Nothing),
                }
            }
            match self.origins.pop_front() {
                None => return Ok(Taken::End),
                Some(Origin::Argument(text)) => {
                    let entry = parse(text.as_encoded_bytes(), None, self.rule);
                    if self.is_new(&entry) {
                        return Ok(Taken::Entry(entry));
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
            Meeting::Awaited => {}
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
    Window(Deduplicator),
    Ever(Done),
}

enum Meeting {
    First,
    Again,
    Awaited,
    Done,
}

impl Seen {
    /// Whether a journal has the chat as done.
    fn is_done(&self, key: ChatKey) -> bool {
        matches!(self, Seen::Ever(done) if done.contains(key))
    }

    fn meet(&mut self, key: ChatKey) -> Meeting {
        match self {
            Seen::Window(window) => {
                if window.insert(&key) {
                    Meeting::First
                } else {
                    Meeting::Again
                }
            }
            Seen::Ever(done) => match done.insert(key) {
                None => Meeting::First,
                Some(SeenIn::Journal) => Meeting::Done,
                Some(SeenIn::Awaited) => Meeting::Awaited,
                Some(SeenIn::Run) => Meeting::Again,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;

    fn list_of(text: &[u8]) -> (List, tempfile::NamedTempFile) {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("written");
        let list = List::open(vec![Origin::File(file.path().into())], Rule::Strict, None).expect("opened");
        (list, file)
    }

    fn all(text: &[u8]) -> Vec<String> {
        let (mut list, _file) = list_of(text);
        let mut entries = Vec::new();
        while let Taken::Entry(entry) = list.take(None).expect("read") {
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
        while let Taken::Entry(_) = list.take(None).expect("read") {
            count += 1;
        }
        assert_eq!((count, list.duplicates), (2, 1));
    }

    #[test]
    fn a_missing_file_is_known_before_anything_is_read() {
        let missing = vec![Origin::Argument("11001234567@c.us".into()), Origin::File("/nonexistent/list".into())];
        let failure = List::open(missing, Rule::Strict, None).expect_err("missing");
        assert_eq!(failure.kind, Kind::InputUnreadable);
    }

    #[test]
    fn what_cannot_be_read_is_told_once_and_ends_the_list() {
        // It opens, and every read of its beginning fails.
        let mut list = List::open(vec![Origin::File("/proc/self/mem".into())], Rule::Strict, None).expect("opened");
        assert_eq!(list.take(None).expect_err("unreadable").kind, Kind::InputUnreadable);
        assert!(matches!(list.take(None), Ok(Taken::End)));
        assert_eq!(list.count_rest(), None, "nobody knows what was in it");
    }

    #[test]
    fn the_rest_is_counted_without_the_duplicates() {
        let (mut list, _file) = list_of(b"11001234567@c.us\n11001234568@c.us\nx\n11001234567@c.us\n");
        list.take(None).expect("read");
        assert_eq!(list.count_rest(), Some(2));
    }
}
