//! Notifications as they arrive: an AvatarInfo, something for another program, or text that is not even JSON.
//!
//! Reading is lenient, since documented copies disagree: keys are missing, unknown, doubled or in any order. What
//! cannot be read is said to be unreadable, never guessed, and the original bytes are kept for whoever it is for.
//! No I/O here, and nothing of how a notification came: out of the queue or to the webhook.

use std::fmt;

use super::error::failure_of_reason;
use super::json::{Object, string, truth};
use crate::failure::Failure;
use crate::token::redact;

/// The result of getAvatarAsync: what WhatsApp says of a chat's avatar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AvatarInfo {
    /// Whose avatar: mostly a chat id as it was asked for, sometimes the same person's `@lid`.
    pub chat_id: String,
    /// When the notification was made, in Unix seconds.
    pub timestamp: Option<i64>,
    /// The avatar's URL, where there is one.
    pub url_avatar: Option<String>,
    /// Whether there is such an account; only an older form says so.
    pub exists_whatsapp: Option<bool>,
    /// Why the check failed, where it did.
    pub reason: Option<String>,
}

/// A notification that is not an AvatarInfo which can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// What it is, for people: `a notification of type incomingCall`. Fit to be printed.
    pub what: String,
    /// Its original bytes on one line, without the newline at the end.
    pub line: Vec<u8>,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notification {
    /// A result, for us.
    Avatar(AvatarInfo),
    /// Anything else.
    Foreign(Foreign),
}

/// What names a notification in the queue when it is deleted: digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt(String);

/// The queue's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What deletes it.
    pub receipt: Receipt,
    /// What it holds.
    pub notification: Notification,
}

impl Head {
    /// Reads `{"receiptId":N,"body":{…}}`. Where that is not JSON, or its body is no object, the whole text is the
    /// notification; `None` if there is no receipt in it either.
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
        Some(Head { receipt: Receipt(receipt?), notification })
    }
}

impl Notification {
    /// Reads a bare notification. Whatever it is, it is something: at the least text that cannot be read.
    pub fn read(body: &[u8]) -> Notification {
        Notification::parse(body).unwrap_or_else(|| Notification::unreadable(body, "a notification that is not JSON"))
    }

    /// Reads a bare notification that anybody may have sent: `None` where it is no JSON object and has nothing of a
    /// notification either.
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
    /// Recognised by the object `avatarInfo`, whatever the type says: the documented sample says deviceInfo.
    /// `None` too where its chat id or another part has the wrong type.
    fn read(notification: &Object) -> Option<AvatarInfo> {
        let info = Object::parse(notification.value("avatarInfo")?.as_bytes())?;
        let chat_id = string(info.value("chatId")?).filter(|id| !id.is_empty())?;
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

    /// The failure that the notification reports: a reason, and no URL.
    pub fn failure(&self) -> Option<Failure> {
        self.reason.as_deref().filter(|_| self.url_avatar.is_none()).map(failure_of_reason)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The bytes on one line. Between strings a newline means nothing and goes; within one, where only text that is no
/// JSON can have it, it becomes an escape.
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

/// The receipt in an envelope that is not JSON: the first key of that name that no inner object holds. Where brackets
/// don't match that cannot be told, and the only one is it.
fn scan_receipt(text: &[u8]) -> Option<String> {
    const KEY: &[u8] = b"\"receiptId\"";
    let (mut inner, mut open, mut do_match) = (Vec::new(), Vec::new(), true);
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            bracket @ (b'{' | b'[') => open.push(bracket),
            // In ASCII a closing bracket comes two after its opening one.
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

/// The number behind the key.
fn receipt_after(rest: &[u8]) -> Option<String> {
    let value = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let end = value.iter().position(|b| !b.is_ascii_digit()).unwrap_or(value.len());
    digits(std::str::from_utf8(&value[..end]).ok()?)
}

/// Where the string that begins at `start` ends: its closing quote, or the text's end.
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
