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

use std::ops::ControlFlow;

use crate::batch::feed::Feed;
use crate::chat_id::ChatId;
use crate::failure::{Failure, Kind};
use crate::text::is_unsafe;

/// The longest name, in characters.
const LONGEST_NAME: usize = 200;
/// The bytes that are read to recognise the type of a file; also the longest record.
pub const LONGEST_RECORD: usize = 64 * 1024;
/// Receives what a parser finds, with the line on which it begins, from 1: one or more phone numbers or chat ids as they
/// are written, and the name beside them; or what cannot be read.
pub type Sink<'a> = dyn FnMut(u64, Result<(&str, &str), &'static str>) -> ControlFlow<()> + 'a;

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
    feed.fill_to(LONGEST_RECORD)?;
    let mut sink = |line, found: Result<(&str, &str), &'static str>| match found {
        Err(message) => emit(line, Err(Failure::new(Kind::InvalidChatId, message))),
        Ok((field, name)) => {
            let name = clean_name(name);
            number::split(field).into_iter().try_for_each(|text| {
                emit(line, number::convert(text, country_code).map(|chat| chat.named(name.clone())))
            })
        }
    };
    let start = feed.rest().trim_ascii_start();
    let is_vcard = start.get(..11).is_some_and(|start| start.eq_ignore_ascii_case(b"BEGIN:VCARD"));
    if is_vcard { vcard::parse(feed, &mut sink) } else { table::parse(feed, &mut sink) }
}

/// A name on one line, as it is printed; `None` if nothing is left of it.
pub fn clean_name(name: &str) -> Option<Box<str>> {
    let spaced = name.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c });
    // Marks for the direction of text and the like would be escaped in every line.
    let spaced: String = spaced.filter(|c| !is_unsafe(*c)).collect();
    let name: String = spaced.trim().chars().take(LONGEST_NAME).collect();
    (!name.is_empty()).then(|| name.trim_end().into())
}
