//! Parses the lists of the account's chats (getContacts, getChats) as a stream.
//!
//! A list may have hundreds of thousands of elements. Each has at most 64 KiB, and only its id and name are passed on.
//! Reading is lenient: keys may be missing, unknown or repeated, and a name may be cut in the middle of a character.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, Read};

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::json::{Lossy, Object};
use crate::chat_id::{ChatId, Rule};

/// The largest list that is read: 256 MiB.
pub const LIST_LIMIT: u64 = 256 * 1024 * 1024;
/// The largest element of a list.
const ELEMENT_LIMIT: u64 = 64 * 1024;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// List chats, the one with the most recent message first (getChats), instead of all contacts (getContacts).
    pub is_recent: bool,
    /// Only groups (`true`) or only people (`false`).
    pub groups: Option<bool>,
}

impl List {
    /// The method and its query.
    pub fn method(self) -> (&'static str, &'static str) {
        match (self.is_recent, self.groups) {
            (true, _) => ("getChats", ""),
            (false, None) => ("getContacts", ""),
            (false, Some(true)) => ("getContacts", "?group=true"),
            (false, Some(false)) => ("getContacts", "?group=false"),
        }
    }

    /// Whether a chat belongs to the list: getChats does not filter.
    fn has(self, chat: &ChatId) -> bool {
        self.groups.is_none_or(|groups| chat.is_group() == groups)
    }
}

/// Receives each chat with its name, or `None` for an id that cannot have a picture. Returns `false` to stop reading.
pub type Emit<'a> = dyn FnMut(Option<ChatId>) -> bool + 'a;

/// Reads a list. The error says why it is incomplete, without its text.
pub fn read_list(body: impl BufRead, list: List, emit: &mut Emit<'_>) -> Result<(), String> {
    let left = Cell::new(ELEMENT_LIMIT);
    let reader = Limited { inner: body, left: &left };
    let is_ended = Cell::new(false);
    let elements = Elements {
        left: &left,
        is_ended: &is_ended,
        emit: &mut |element| match chat_of(element) {
            Some(chat) if !list.has(&chat) => true,
            chat => emit(chat),
        },
    };
    match serde_json::Deserializer::from_reader(reader).deserialize_seq(elements) {
        Err(error) if !is_ended.get() => Err(match left.get() {
            0 => "an element has more than 64 KiB".to_owned(),
            _ if error.is_eof() || error.is_io() => "the answer ends in the middle".to_owned(),
            _ => format!("not JSON at line {}, column {}", error.line(), error.column()),
        }),
        _ => Ok(()),
    }
}

fn chat_of(element: &RawValue) -> Option<ChatId> {
    let fields = Object::parse(element.get().as_bytes())?;
    let text = |key: &str| {
        let Lossy(text) = serde_json::from_str(fields.value(key)?).ok()?;
        Some(text).filter(|text| !text.trim().is_empty())
    };
    let id = text("newChatId").or_else(|| text("id")).or_else(|| text("chatId"))?;
    let chat = ChatId::parse(id.trim(), Rule::Lenient).ok()?;
    Some(chat.named(text("contactName").or_else(|| text("name")).map(String::into_boxed_str)))
}

/// Visits the elements of the array one by one.
struct Elements<'a> {
    left: &'a Cell<u64>,
    is_ended: &'a Cell<bool>,
    emit: &'a mut dyn FnMut(&RawValue) -> bool,
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(element) = seq.next_element::<Box<RawValue>>()? {
            self.left.set(ELEMENT_LIMIT);
            if !(self.emit)(&element) {
                self.is_ended.set(true);
                return Err(Error::custom("no more is wanted"));
            }
        }
        Ok(())
    }
}

/// A reader that fails if an element is too long.
struct Limited<'a, R> {
    inner: R,
    left: &'a Cell<u64>,
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let most = buffer.len().min(left as usize);
        let got = self.inner.read(&mut buffer[..most])?;
        self.left.set(left - got as u64);
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, list: List) -> (Vec<String>, usize, Result<(), String>) {
        let (mut chats, mut unusable) = (Vec::new(), 0);
        let result = read_list(text.as_bytes(), list, &mut |chat| {
            match chat {
                Some(chat) => chats.push(format!("{chat} {}", chat.name().unwrap_or_default())),
                None => unusable += 1,
            }
            true
        });
        (chats, unusable, result)
    }

    #[test]
    fn a_name_is_the_one_in_the_phone_and_ids_come_in_several_keys() {
        let text = r#"[{"id":"11001234567@c.us","name":"Ivan Petrov","contactName":"Ivan Work","type":"user"},
            {"chatId":"11001234568@c.us","name":"Ada","contactName":""}, {"id":"1@lid","newChatId":"2@lid"},
            {"id":"79001234569-1479621234@g.us","name":"cut \ud83d","type":"group","type":"group"},
            {"id":"null@c.us"}, {"id":"status@broadcast"}, {"name":"nobody"}, {"id":7}, "x", null]"#;
        let (chats, unusable, result) = read(text, List::default());
        assert_eq!(chats[..3], ["11001234567@c.us Ivan Work", "11001234568@c.us Ada", "2@lid "]);
        assert!(chats[3].starts_with("79001234569-1479621234@g.us cut \u{fffd}"), "{}", chats[3]);
        assert_eq!((chats.len(), unusable, result), (4, 6, Ok(())));
    }

    #[test]
    fn people_and_groups_are_filtered() {
        let text = r#"[{"id":"11001234567@c.us"},{"id":"120363043968066561@g.us"},{"id":"1@lid"}]"#;
        let chats = |groups| read(text, List { is_recent: true, groups }).0.len();
        assert_eq!((chats(None), chats(Some(true)), chats(Some(false))), (3, 1, 2));
    }

    #[test]
    fn an_incomplete_list_is_an_error_after_its_chats() {
        let (chats, _, result) = read(r#"[{"id":"11001234567@c.us"},{"id":"1100"#, List::default());
        assert_eq!((chats.len(), result), (1, Err("the answer ends in the middle".into())));
        let (chats, _, result) = read(r#"[{"id":"11001234567@c.us"} {"#, List::default());
        assert_eq!((chats.len(), result), (1, Err("not JSON at line 1, column 28".into())));
        let long = format!(r#"[{{"id":"11001234567@c.us"}},{{"name":"{}"}}]"#, "x".repeat(70_000));
        let (chats, _, result) = read(&long, List::default());
        assert_eq!((chats.len(), result), (1, Err("an element has more than 64 KiB".into())));
    }
}
