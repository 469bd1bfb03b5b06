//! The lines of one list, one after the other, in constant memory.
//!
//! Lines end with LF, CRLF or CR. Blank lines and comments are left out. A list that is a table or a vCard is refused.

use std::path::Path;
use std::time::Instant;

use crate::batch::feed::{Feed, Next};
use crate::chat_id::{ChatId, Rule};
use crate::failure::{Failure, Kind};

/// The longest line that may be an entry.
const LONGEST_LINE: usize = 4096;

/// One line without its end.
#[derive(Debug)]
pub struct Line {
    /// The text; of a long line its beginning.
    pub text: Vec<u8>,
    /// Its number, from 1.
    pub number: u64,
    /// Whether it has more than 4 KiB.
    pub is_long: bool,
}

/// The lines of one list that are neither blank nor comments.
#[derive(Debug)]
pub struct Lines {
    feed: Feed,
    /// How the file is named on a command line.
    argument: String,
    state: State,
}

/// Whether the list may still turn out to be a table.
#[derive(Debug)]
enum State {
    /// No line was read.
    Start,
    /// The first line may be a table's: the second one decides.
    MaybeTable(Line),
    /// It is a list. A line that was read to find out is the next one.
    List(Option<Line>),
}

impl Lines {
    pub fn open(path: &Path) -> Result<Lines, Failure> {
        Ok(Lines { feed: Feed::open(path)?, argument: shell_word(path), state: State::Start })
    }

    pub fn stdin() -> Result<Lines, Failure> {
        Ok(Lines { feed: Feed::stdin()?, argument: "-".to_owned(), state: State::Start })
    }

    /// Fails if [`Lines::open`] would, or if the file is not a list. A pipe or a device is not opened: the program
    /// that writes to a pipe would take that for the reader, and its closing for the end.
    pub fn check(path: &Path) -> Result<(), Failure> {
        match path.metadata() {
            Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => Ok(()),
            _ => Lines::open(path)?.next(None).map(drop),
        }
    }

    /// The next line, awaited until the deadline.
    pub fn next(&mut self, deadline: Option<Instant>) -> Result<Next<Line>, Failure> {
        loop {
            if let State::List(ahead) = &mut self.state {
                return match ahead.take() {
                    Some(line) => Ok(Next::Item(line)),
                    None => self.read(deadline),
                };
            }
            let line = match self.read(deadline)? {
                Next::Item(line) => Some(line),
                Next::End => None,
                Next::Waiting => return Ok(Next::Waiting),
            };
            match (std::mem::replace(&mut self.state, State::List(None)), line) {
                (State::MaybeTable(first), second) => {
                    if second.as_ref().is_some_and(|second| are_of_a_table(&first.text, &second.text)) {
                        return Err(self.not_a_list("table"));
                    }
                    self.state = State::List(second);
                    return Ok(Next::Item(first));
                }
                (_, None) => return Ok(Next::End),
                (_, Some(first)) => {
                    let text = &first.text;
                    if text.trim_ascii().eq_ignore_ascii_case(b"BEGIN:VCARD") {
                        return Err(self.not_a_list("vCard"));
                    }
                    if text.contains(&b'\t') && !text.iter().any(u8::is_ascii_digit) {
                        return Err(self.not_a_list("table"));
                    }
                    self.state = match are_of_a_table(text, text) {
                        true => State::MaybeTable(first),
                        false => State::List(Some(first)),
                    };
                }
            }
        }
    }

    fn not_a_list(&self, what: &str) -> Failure {
        let message = format!("{} is a {what}, not a list of chat ids", self.feed.name);
        let hint = format!("convert it: greenavatar contacts --from {} > list.txt", self.argument);
        Failure::new(Kind::InputUnreadable, message).hint(hint)
    }

    /// The next line that is neither blank nor a comment.
    fn read(&mut self, deadline: Option<Instant>) -> Result<Next<Line>, Failure> {
        loop {
            // One byte more than a line may have shows that it is too long.
            let (number, mut text) = match self.feed.next_line(LONGEST_LINE + 1, deadline)? {
                Next::Item(line) => line,
                Next::End => return Ok(Next::End),
                Next::Waiting => return Ok(Next::Waiting),
            };
            let start = text.trim_ascii_start();
            if !start.is_empty() && !start.starts_with(b"#") {
                let is_long = text.len() > LONGEST_LINE;
                text.truncate(LONGEST_LINE);
                return Ok(Next::Item(Line { text, number, is_long }));
            }
        }
    }
}

/// Whether two lines may be a table's: they have the same number of commas or of semicolons, and no chat id of a list.
fn are_of_a_table(first: &[u8], second: &[u8]) -> bool {
    let starts_with_id = |line: &[u8]| {
        let id = line.split(|&b| b == b'\t').next().unwrap_or_default();
        std::str::from_utf8(id).is_ok_and(|id| ChatId::parse(id, Rule::Lenient).is_ok())
    };
    let count = |line: &[u8], sign: u8| line.iter().filter(|&&b| b == sign).count();
    let is_same = |sign| count(first, sign) > 0 && count(first, sign) == count(second, sign);
    (is_same(b',') || is_same(b';')) && !starts_with_id(first) && !starts_with_id(second)
}

/// A path as a word of a shell's command line, not to be taken for an option.
pub fn shell_word(path: &Path) -> String {
    let mut path = path.display().to_string();
    if path.starts_with('-') {
        path.insert_str(0, "./");
    }
    match path.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/+@%,:=".contains(&b)) {
        true => path,
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}
