//! Parses notifications: an AvatarInfo, a notification for another program, or text that is not JSON.
//!
//! Reading is lenient, as documented samples differ: keys may be missing, unknown, repeated or in any order. The original
//! bytes of a notification that is not an AvatarInfo, or cannot be read, are kept for the program that it belongs to.

use super::error::failure_of_reason;
use super::json::{Object, string, truth};
use crate::chat_id::{ChatId, Rule};
use crate::failure::Failure;
use crate::token::redact;

/// The result of getAvatarAsync.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AvatarInfo {
    /// The chat id as it was requested, or the same person's `@lid`.
    pub chat_id: String,
    /// When the notification was made, in Unix seconds.
    pub timestamp: Option<i64>,
    pub url_avatar: Option<String>,
    /// Whether there is an account; only in an older form.
    pub exists_whatsapp: Option<bool>,
    pub reason: Option<String>,
}

/// A notification that is not a readable AvatarInfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Its description for messages, such as `a notification of type incomingCall`, escaped.
    pub what: String,
    /// Its original bytes on one line, without a newline at the end.
    pub line: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notification {
    Avatar(AvatarInfo),
    Foreign(Foreign),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The `receiptId` with which it is deleted: digits.
    pub receipt: String,
    pub notification: Notification,
}

impl Head {
    /// Reads `{"receiptId":N,"body":{…}}`. If that is not JSON, or its body is not an object, the whole text is the
    /// notification. `None` if it has no receipt.
    pub fn read(answer: &[u8]) -> Option<Head> {
        let parsed = Object::parse(answer);
        let body = parsed.as_ref().and_then(|envelope| envelope.value("body")).filter(|body| body.starts_with('{'));
        let receipt = match &parsed {
            Some(envelope) => digits(envelope.value("receiptId")?.trim_matches('"')),
            None => scan_receipt(answer),
        };
        let notification = match body {
            Some(body) => Notification::read(body.as_bytes()),
            None => Notification::unreadable(answer, "a notification that cannot be read"),
        };
        Some(Head { receipt: receipt?, notification })
    }
}

impl Notification {
    /// Reads a notification without an envelope. Text that is not JSON is a foreign notification.
    pub fn read(body: &[u8]) -> Notification {
        Notification::parse(body).unwrap_or_else(|| Notification::unreadable(body, "a notification that is not JSON"))
    }

    /// Reads a notification from an unknown sender. `None` if it is neither a JSON object nor resembles a notification.
    pub fn read_unsolicited(body: &[u8]) -> Option<Notification> {
        const KEY: &[u8] = b"\"typeWebhook\"";
        let is_meant = || body.trim_ascii_start().starts_with(b"{") && body.windows(KEY.len()).any(|part| part == KEY);
        Notification::parse(body).or_else(|| is_meant().then(|| Notification::read(body)))
    }

    fn parse(body: &[u8]) -> Option<Notification> {
        let object = Object::parse(body)?;
        if let Some(info) = AvatarInfo::read(&object) {
            return Some(Notification::Avatar(info));
        }
        let of_type = match object.value("typeWebhook").and_then(string) {
            Some(name) => format!("of type {}", redact(&name)),
            None => "without a type".to_owned(),
        };
        let what = match object.value("avatarInfo") {
            Some(_) => format!("an AvatarInfo {of_type} that cannot be read"),
            None => format!("a notification {of_type}"),
        };
        Some(Notification::Foreign(Foreign { what, line: one_line(body) }))
    }

    fn unreadable(text: &[u8], what: &str) -> Notification {
        Notification::Foreign(Foreign { what: what.to_owned(), line: one_line(text) })
    }
}

impl AvatarInfo {
    /// Recognised by the object `avatarInfo`, whatever its type: the documented sample has the type deviceInfo. `None` if
    /// it has no chat id, or a field has the wrong type.
    fn read(notification: &Object) -> Option<AvatarInfo> {
        let info = Object::parse(notification.value("avatarInfo")?.as_bytes())?;
        let id = info.value("chatId")?;
        let chat_id = string(id).filter(|id| !id.is_empty()).or_else(|| id_of_number(id))?;
        Some(AvatarInfo {
            chat_id,
            timestamp: notification.value("timestamp").and_then(integer),
            url_avatar: info.url_avatar().ok()?,
            exists_whatsapp: match info.value("existsWhatsapp") {
                None | Some("null") => None,
                Some(value) => Some(truth(value)?),
            },
            reason: match info.value("reason") {
                None | Some("null") => None,
                Some(value) => Some(string(value)?).filter(|reason| !reason.trim().is_empty()),
            },
        })
    }

    /// The failure that it reports, if it has a reason and no URL.
    pub fn failure(&self) -> Option<Failure> {
        self.reason.as_deref().filter(|_| self.url_avatar.is_none()).map(failure_of_reason)
    }
}

/// The chat id that a JSON number means, which lacks the part after the @: 11 or 12 digits are a person's number. `None`
/// for other values.
fn id_of_number(value: &str) -> Option<String> {
    ChatId::parse(&format!("{value}@c.us"), Rule::Strict).ok().map(|chat| chat.to_string())
}

/// The bytes on one line. A newline between strings is removed; one within a string, which is not valid JSON, is
/// escaped.
fn one_line(text: &[u8]) -> Vec<u8> {
    let text = text.trim_ascii();
    let mut line = Vec::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    for &byte in text {
        match byte {
            b'\n' if in_string => line.extend_from_slice(b"\\n"),
            b'\r' if in_string => line.extend_from_slice(b"\\r"),
            b'\n' | b'\r' => {}
            _ => line.push(byte),
        }
        in_string ^= byte == b'"' && !escaped;
        escaped = in_string && byte == b'\\' && !escaped;
    }
    line
}

/// The receipt in an envelope that is not valid JSON: the first `receiptId` that is not in an inner object. If brackets
/// do not match, it is the only `receiptId` there is.
fn scan_receipt(text: &[u8]) -> Option<String> {
    const KEY: &[u8] = b"\"receiptId\"";
    let (mut inner, mut open, mut do_match) = (Vec::new(), Vec::new(), true);
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            bracket @ (b'{' | b'[') => open.push(bracket),
            // In ASCII, the code of a closing bracket is that of its opening one plus 2.
            bracket @ (b'}' | b']') => do_match &= open.pop() == Some(bracket - 2),
            b'"' => {
                match text[at..].strip_prefix(KEY).and_then(receipt_after) {
                    Some(receipt) if open.len() <= 1 => return Some(receipt),
                    found => inner.extend(found),
                }
                at = end_of_string(text, at);
            }
            _ => {}
        }
        at += 1;
    }
    inner.pop().filter(|_| inner.is_empty() && !(do_match && open.is_empty()))
}

fn receipt_after(rest: &[u8]) -> Option<String> {
    let value = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let end = value.iter().position(|b| !b.is_ascii_digit()).unwrap_or(value.len());
    digits(std::str::from_utf8(&value[..end]).ok()?)
}

/// The position of the quote that closes the string at `start`, or the end of the text.
fn end_of_string(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < text.len() && text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at
}

fn digits(text: &str) -> Option<String> {
    let is_number = (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.to_owned())
}

fn integer(value: &str) -> Option<i64> {
    value.trim_matches('"').trim().parse().ok()
}

#[cfg(test)]
mod tests;
