//! Address books: files with phone numbers as chat ids with names, and the contacts of the account.
//!
//! The parsers (`table`, `vcard`) find numbers and names; `number` makes chat ids of them. Nothing is stored, and
//! memory is bounded whatever a file holds.

pub mod account;
mod headers;
mod number;
mod records;
mod table;
mod vcard;

use std::borrow::Cow;
use std::ops::ControlFlow;

use crate::batch::feed::{Feed, Next};
use crate::chat_id::ChatId;
use crate::failure::{Failure, Kind};
use crate::text::is_unsafe;

/// The longest name, in characters.
const LONGEST_NAME: usize = 200;
/// The bytes that are read to recognise the type of a file; also the longest record.
pub const LONGEST_RECORD: usize = 64 * 1024;
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// One or more phone numbers or chat ids as they are written, and the name beside them.
    Numbers(&'a str, &'a str),
    /// A part of the file that cannot be read: what it is.
    Broken(&'static str),
}

/// Receives what a parser finds, with the line on which it begins, from 1.
pub type Sink<'a> = dyn FnMut(u64, Found<'_>) -> ControlFlow<()> + 'a;

/// What was found besides the contacts of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Entries that have no number.
    pub without_number: u64,
    /// Whether a name has bytes that are not UTF-8.
    pub has_bad_utf8: bool,
}

/// Receives the contacts of a file, and what is wrong with parts of it, with the line.
pub type Emit<'a> = dyn FnMut(u64, Result<ChatId, Failure>) -> ControlFlow<()> + 'a;

/// Converts a file: the contacts in it, in order, and what cannot be converted, each with its line.
pub fn read(feed: &mut Feed, country_code: Option<&str>, emit: &mut Emit<'_>) -> Result<Summary, Failure> {
    convert(Bytes::open(feed)?, country_code, emit)
}

/// Like [`read`], for a file that is in memory.
pub fn read_bytes(bytes: &[u8], country_code: Option<&str>, emit: &mut Emit<'_>) -> Result<Summary, Failure> {
    convert(Bytes::of(bytes), country_code, emit)
}

fn convert(bytes: Bytes<'_>, country_code: Option<&str>, emit: &mut Emit<'_>) -> Result<Summary, Failure> {
    let mut sink = |line, found: Found<'_>| match found {
        Found::Broken(message) => emit(line, Err(Failure::new(Kind::InvalidChatId, message))),
        Found::Numbers(field, name) => {
            let name = clean_name(name);
            number::split(field).into_iter().try_for_each(|text| {
                emit(line, number::convert(text, country_code).map(|chat| chat.named(name.clone())))
            })
        }
    };
    let start = bytes.rest().trim_ascii_start();
    let is_vcard = start.get(..11).is_some_and(|start| start.eq_ignore_ascii_case(b"BEGIN:VCARD"));
    if is_vcard { vcard::parse(bytes, &mut sink) } else { table::parse(bytes, &mut sink) }
}

/// A name on one line, as it is printed; `None` if nothing is left of it.
pub fn clean_name(name: &str) -> Option<Box<str>> {
    let spaced = name.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c });
    // Marks for the direction of text and the like would be escaped in every line.
    let spaced: String = spaced.filter(|c| !is_unsafe(*c)).collect();
    let name: String = spaced.trim().chars().take(LONGEST_NAME).collect();
    (!name.is_empty()).then(|| name.trim_end().into())
}

/// The bytes of a file, piece by piece. The first piece has 64 KiB, or the whole file if that is smaller.
pub struct Bytes<'a> {
    feed: Option<&'a mut Feed>,
    piece: Cow<'a, [u8]>,
    at: usize,
}

impl<'a> Bytes<'a> {
    pub fn open(feed: &'a mut Feed) -> Result<Bytes<'a>, Failure> {
        let (mut head, mut piece) = (Vec::new(), Vec::new());
        while head.len() < LONGEST_RECORD && feed.next_unless_interrupted(&mut piece)? == Next::Item(()) {
            head.append(&mut piece);
        }
        Ok(Bytes { feed: Some(feed), piece: head.into(), at: 0 })
    }

    pub fn of(text: &'a [u8]) -> Bytes<'a> {
        Bytes { feed: None, piece: text.into(), at: 0 }
    }

    /// What was read and not yet consumed.
    pub fn rest(&self) -> &[u8] {
        &self.piece[self.at..]
    }

    pub fn consume(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Reads on when everything is consumed. `false`: the end of the file.
    pub fn fill(&mut self) -> Result<bool, Failure> {
        if self.at < self.piece.len() {
            return Ok(true);
        }
        self.at = 0;
        let piece = self.piece.to_mut();
        piece.clear();
        match &mut self.feed {
            Some(feed) => Ok(feed.next_unless_interrupted(piece)? == Next::Item(())),
            None => Ok(false),
        }
    }
}

/// Counts lines that end with LF, CRLF or CR.
#[derive(Debug)]
pub struct LineCounter {
    /// The number of the line that the next byte is on.
    pub line: u64,
    /// Whether the last byte was CR: an LF would belong to the same line end.
    pub after_cr: bool,
}

impl Default for LineCounter {
    fn default() -> LineCounter {
        LineCounter { line: 1, after_cr: false }
    }
}

impl LineCounter {
    pub fn pass(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.line += u64::from(b == b'\r' || b == b'\n' && !self.after_cr);
            self.after_cr = b == b'\r';
        }
    }
}
