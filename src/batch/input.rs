//! The chats of a run: from arguments, standard input, files and the account's contacts, each chat once.
//!
//! Input is read as it is needed, in constant memory, so that a pipe that stays open is served as its lines arrive. A
//! text that is not a chat id is an entry like any other.

mod lines;

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::lines::{Line, Lines};
use crate::batch::feed::Feed;
pub use crate::batch::feed::Next;
use crate::batch::journal::{Done, SeenIn};
use crate::chat_id::{ChatId, ChatKey, NotAChatId, Rule};
use crate::failure::Failure;
use crate::platform;
use crate::recent::Deduplicator;
use crate::text::{sanitize, shorten};

/// Characters of an invalid entry that are shown.
const SHOWN: usize = 80;
const NOT_UTF8: NotAChatId = NotAChatId { message: "not a chat id: not UTF-8", hint: None };

#[derive(Debug)]
pub enum Entry {
    /// A chat, with its name if the list has one.
    Chat(ChatId),
    Invalid {
        /// The text, escaped and shortened.
        shown: String,
        /// Its line in the list, from 1.
        line: Option<u64>,
        why: NotAChatId,
    },
}

#[derive(Debug)]
pub enum Source {
    Argument(OsString),
    Stdin,
    File(PathBuf),
    /// Chats that are known already: packed, with their names.
    Chats(std::vec::IntoIter<(ChatKey, Option<Box<str>>)>),
}

/// The entries of all sources, in order.
#[derive(Debug)]
pub struct Input {
    rule: Rule,
    sources: VecDeque<Source>,
    lines: Option<Lines>,
    /// Whether a source could not be read. Its remaining entries are unknown, so the input ends.
    is_broken: bool,
    /// The chats of the journal, and all of this run.
    done: Option<Done>,
    /// Without a journal, the last chats of this run.
    recent: Deduplicator,
    pub duplicates: u64,
    /// Chats that are done in the journal.
    pub already_done: u64,
}

impl Input {
    /// Looks at the files, so that a missing one is reported before anything is sent. Nothing else is read yet.
    pub fn open(sources: Vec<Source>, rule: Rule, done: Option<Done>) -> Result<Input, Failure> {
        for source in &sources {
            match source {
                Source::File(path) => Lines::check(path)?,
                Source::Stdin => Feed::check_stdin()?,
                Source::Argument(_) | Source::Chats(_) => {}
            }
        }
        let (sources, recent) = (sources.into(), Deduplicator::default());
        Ok(Input { rule, sources, lines: None, is_broken: false, done, recent, duplicates: 0, already_done: 0 })
    }

    /// The largest possible number of entries, if it is known without reading.
    pub fn known_length(&self) -> Option<usize> {
        let lengths = self.sources.iter().map(|source| match source {
            Source::Argument(_) => Some(1),
            Source::Chats(chats) => Some(chats.len()),
            Source::Stdin | Source::File(_) => None,
        });
        if self.lines.is_some() { None } else { lengths.sum() }
    }

    /// The number of chats ahead, duplicates included. Files are read for it; `None` if there is a pipe.
    pub fn count_ahead(&self) -> Option<u64> {
        // The chats that are waited for already have a line each.
        let mut count = self.done.as_ref().map_or(0, |done| done.awaited.len() as u64);
        let is_known = |key| self.done.as_ref().is_some_and(|done| done.contains(key) || done.awaited.contains(&key));
        let is_new = |key| u64::from(!is_known(key));
        for source in &self.sources {
            let path = match source {
                Source::Argument(_) => {
                    count += 1;
                    continue;
                }
                Source::Chats(chats) => {
                    count += chats.as_slice().iter().map(|(key, _)| is_new(*key)).sum::<u64>();
                    continue;
                }
                Source::Stdin => Path::new(platform::STDIN_PATH),
                Source::File(path) => path,
            };
            if !path.metadata().is_ok_and(|metadata| metadata.is_file()) {
                return None;
            }
            let mut lines = Lines::open(path).ok()?;
            while let Next::Item(line) = lines.next(None).ok()? {
                count += match parse_line(&line, self.rule) {
                    Entry::Chat(chat) => is_new(chat.key()),
                    Entry::Invalid { .. } => 1,
                };
            }
        }
        Some(count)
    }

    /// The number of entries that are left; `None` if the end of the input does not come within half a second.
    pub fn count_rest(&mut self) -> Option<u64> {
        if self.is_broken {
            return None;
        }
        let deadline = Instant::now() + Duration::from_millis(500);
        let mut count = 0;
        // A file never waits, and may be long.
        while Instant::now() < deadline {
            match self.next(Some(deadline)) {
                Ok(Next::Item(_)) => count += 1,
                Ok(Next::End) => return Some(count),
                Ok(Next::Waiting) | Err(_) => return None,
            }
        }
        None
    }

    /// The next entry, awaited until the deadline. After a failure there is none.
    pub fn next(&mut self, deadline: Option<Instant>) -> Result<Next<Entry>, Failure> {
        if self.is_broken {
            return Ok(Next::End);
        }
        let next = self.find(deadline);
        self.is_broken = next.is_err();
        next
    }

    fn find(&mut self, deadline: Option<Instant>) -> Result<Next<Entry>, Failure> {
        loop {
            let entry = if let Some(lines) = &mut self.lines {
                match lines.next(deadline)? {
                    Next::Item(line) => Some(parse_line(&line, self.rule)),
                    Next::Waiting => return Ok(Next::Waiting),
                    Next::End => {
                        self.lines = None;
                        None
                    }
                }
            } else {
                match self.sources.pop_front() {
                    None => return Ok(Next::End),
                    Some(Source::Argument(text)) => Some(parse_argument(&text, self.rule)),
                    Some(Source::Stdin) => {
                        self.lines = Some(Lines::stdin()?);
                        None
                    }
                    Some(Source::File(path)) => {
                        self.lines = Some(Lines::open(&path)?);
                        None
                    }
                    Some(Source::Chats(mut chats)) => chats.next().map(|(key, name)| {
                        self.sources.push_front(Source::Chats(chats));
                        Entry::Chat(key.chat_id().named(name))
                    }),
                }
            };
            if let Some(entry) = entry.filter(|entry| self.is_new(entry)) {
                return Ok(Next::Item(entry));
            }
        }
    }

    fn is_new(&mut self, entry: &Entry) -> bool {
        let Entry::Chat(chat) = entry else { return true };
        let seen = match &mut self.done {
            Some(done) => done.insert(chat.key()),
            None => (!self.recent.insert(&chat.key())).then_some(SeenIn::Run),
        };
        match seen {
            None => return true,
            Some(SeenIn::Journal) => self.already_done += 1,
            Some(SeenIn::Awaited) => {}
            Some(SeenIn::Run) => self.duplicates += 1,
        }
        false
    }
}

fn parse_argument(argument: &OsStr, rule: Rule) -> Entry {
    let bytes = argument.as_encoded_bytes();
    let mut entry = parse(bytes, None, rule);
    if let Entry::Invalid { why, .. } = &mut entry
        && Path::new(argument).metadata().is_ok_and(|metadata| !metadata.is_dir())
    {
        why.message = "a file instead of a chat id";
        let file = lines::shell_word(Path::new(argument));
        why.hint = Some(format!("--from FILE reads chat ids from a file: --from {file}"));
    }
    entry
}

fn parse_line(line: &Line, rule: Rule) -> Entry {
    if line.is_long {
        let why = NotAChatId { message: "a line longer than 4 KiB is not a chat id", hint: None };
        return Entry::Invalid { shown: shown(&line.text), line: Some(line.number), why };
    }
    let tab = line.text.iter().position(|&b| b == b'\t');
    let (id, name) = line.text.split_at(tab.unwrap_or(line.text.len()));
    match (parse(id, Some(line.number), rule), std::str::from_utf8(name)) {
        (Entry::Chat(chat), Ok(name)) => {
            let name = name.trim();
            Entry::Chat(chat.named((!name.is_empty()).then(|| name.into())))
        }
        (Entry::Chat(_), Err(_)) => Entry::Invalid { shown: shown(&line.text), line: Some(line.number), why: NOT_UTF8 },
        (invalid, _) => invalid,
    }
}

fn parse(bytes: &[u8], line: Option<u64>, rule: Rule) -> Entry {
    let parsed = match std::str::from_utf8(bytes) {
        Ok(text) => ChatId::parse(text, rule),
        Err(_) => Err(NOT_UTF8),
    };
    match parsed {
        Ok(chat) => Entry::Chat(chat),
        Err(why) => Entry::Invalid { shown: shown(bytes), line, why },
    }
}

fn shown(bytes: &[u8]) -> String {
    // Shortened first: the escaped form of a long binary line would be six times as long.
    sanitize(&shorten(&String::from_utf8_lossy(bytes), SHOWN))
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;

    fn input_of(text: &[u8]) -> (Input, tempfile::NamedTempFile) {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("written");
        let input = Input::open(vec![Source::File(file.path().into())], Rule::Strict, None).expect("opened");
        (input, file)
    }

    fn all(text: &[u8]) -> Vec<String> {
        let (mut input, _file) = input_of(text);
        let mut entries = Vec::new();
        while let Next::Item(entry) = input.next(None).expect("read") {
            entries.push(match entry {
                Entry::Chat(chat) => chat.to_string(),
                Entry::Invalid { shown, line, .. } => format!("{}: {shown}", line.expect("a line number")),
            });
        }
        entries
    }

    #[test]
    fn comments_blank_lines_carriage_returns_and_the_byte_order_mark_are_ignored() {
        let text = b"\xef\xbb\xbf11001234567@c.us\r\n\r\n  \n# people\n  # more\n11001234568@c.us\nx\n11001234569@c.us";
        assert_eq!(all(text), ["11001234567@c.us", "11001234568@c.us", "7: x", "11001234569@c.us"]);
    }

    #[test]
    fn a_line_that_is_too_long_or_not_utf8_is_an_entry_with_its_number() {
        let mut text = b"11001234567@c.us\n".to_vec();
        text.extend(vec![b'9'; 100_000]);
        text.extend(b"\n\xff\xfe\n11001234568@c.us\n");
        text.extend(vec![b'8'; 4097]);
        let entries = all(&text);
        assert_eq!(entries.len(), 5);
        assert!(entries[1].starts_with("2: 999") && entries[1].len() < 100, "{}", entries[1]);
        assert!(entries[2].starts_with("3: "), "{}", entries[2]);
        assert_eq!(entries[3], "11001234568@c.us");
        assert!(entries[4].starts_with("5: 888"), "{}", entries[4]);
    }

    #[test]
    fn lines_that_span_two_reads_are_whole() {
        let ids: Vec<_> = (0..5000).map(|i| format!("1100{i:07}@c.us")).collect();
        assert_eq!(all(ids.join("\n").as_bytes()), ids);
    }

    #[test]
    fn a_duplicate_is_skipped_and_counted() {
        let (mut input, _file) = input_of(b"11001234567@c.us\n11001234568@c.us\n11001234567@c.us\n");
        let mut count = 0;
        while let Next::Item(_) = input.next(None).expect("read") {
            count += 1;
        }
        assert_eq!((count, input.duplicates), (2, 1));
    }

    #[test]
    fn a_missing_file_is_an_error_before_anything_is_read() {
        let missing = vec![Source::Argument("11001234567@c.us".into()), Source::File("/nonexistent/list".into())];
        let failure = Input::open(missing, Rule::Strict, None).expect_err("missing");
        assert_eq!(failure.kind, Kind::InputUnreadable);
    }

    #[test]
    fn the_rest_is_counted_without_the_duplicates() {
        let (mut input, _file) = input_of(b"11001234567@c.us\n11001234568@c.us\nx\n11001234567@c.us\n");
        input.next(None).expect("read");
        assert_eq!(input.count_rest(), Some(2));
    }
}
