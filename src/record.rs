//! The result line of one chat, as text or as JSON.
//!
//! One [`Record`] is one line on standard output and one line of a journal. Secrets are masked when the line is
//! written.

use serde::{Deserialize, Serialize};

use crate::chat_id::ChatId;
use crate::failure::{ErrorBody, Failure, Kind};
use crate::greenapi::avatar::Avatar;
use crate::output::Output;
use crate::text::{sanitize, sanitize_json};
use crate::token::Masked;

/// The result for a chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// GREEN-API accepted the request; the result may arrive later, as a notification.
    Accepted,
    Found,
    /// There is no picture, or no account: the service's answer is the same.
    None,
    /// Privacy settings hide the picture.
    Hidden,
    /// There is no account. Only older instances answer this, also for accounts without a picture.
    NoAccount,
    /// The wait ended without a result.
    TimedOut,
    #[default]
    Failed,
    /// The text is not a chat id.
    Invalid,
}

impl Status {
    pub const fn word(self) -> &'static str {
        match self {
            Status::Accepted => "accepted",
            Status::Found => "found",
            Status::None => "none",
            Status::Hidden => "hidden",
            Status::NoAccount => "no-account",
            Status::TimedOut => "timed-out",
            Status::Failed => "failed",
            Status::Invalid => "invalid",
        }
    }

    /// The ANSI code of the word's colour.
    const fn color(self) -> &'static str {
        match self {
            Status::Accepted | Status::Found => "32",
            Status::None | Status::Hidden | Status::NoAccount => "33",
            Status::TimedOut | Status::Failed | Status::Invalid => "31",
        }
    }

    /// Whether the chat got an answer: none, hidden and no-account are answers.
    pub const fn is_answer(self) -> bool {
        !matches!(self, Status::TimedOut | Status::Failed | Status::Invalid)
    }
}

/// How the picture of a chat compares with its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// There was no file before.
    New,
    /// There was a file with another picture.
    Changed,
    /// The file has this picture already.
    Unchanged,
    /// There is a file from before, but the chat has no picture now.
    Gone,
}

impl Change {
    pub const fn word(self) -> &'static str {
        match self {
            Change::New => "new",
            Change::Changed => "changed",
            Change::Unchanged => "unchanged",
            Change::Gone => "gone",
        }
    }
}

/// One line. Keys that do not apply are left out.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The chat id; if the text is not a chat id, the escaped and shortened text.
    pub chat_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub status: Status,
    /// The line of the list, from 1; only if the status is invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_avatar: Option<String>,
    /// When the URL expires, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// When the notification was made, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
    /// The method that answered, if the run uses more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'static str>,
    /// True if the result is older than the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<bool>,
    /// GREEN-API's `available`: false if privacy settings hide the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<bool>,
    /// True if the URL is that of the 96-pixel preview.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The picture's SHA-256, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How the picture compares with its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Requests sent for this chat, retries included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Milliseconds from the first request to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<u64>,
}

impl Record {
    pub fn new(chat_id: impl Into<String>, status: Status) -> Record {
        Record { chat_id: chat_id.into(), status, ..Record::default() }
    }

    /// The line of a chat that failed. The status follows from the kind: invalid, timed-out or failed.
    pub fn failed(chat_id: impl Into<String>, failure: &Failure) -> Record {
        let status = match failure.kind {
            Kind::InvalidChatId => Status::Invalid,
            Kind::NoResult => Status::TimedOut,
            _ => Status::Failed,
        };
        Record { error: Some(failure.body()), ..Record::new(chat_id, status) }
    }

    /// Whether the line reports a failure or a change of the chat's picture.
    pub fn is_news(&self) -> bool {
        self.error.is_some() || !matches!(self.change, None | Some(Change::Unchanged))
    }

    pub fn of_avatar(chat_id: impl Into<String>, avatar: Avatar) -> Record {
        let status = match (&avatar.url, avatar.exists_whatsapp, avatar.available) {
            (Some(_), _, _) => Status::Found,
            (None, Some(false), _) => Status::NoAccount,
            (None, _, Some(false)) => Status::Hidden,
            (None, _, _) => Status::None,
        };
        let Avatar { url: url_avatar, available, http_status, .. } = avatar;
        Record { url_avatar, available, http_status: Some(http_status), ..Record::new(chat_id, status) }
    }

    pub fn named_as(self, chat: &ChatId) -> Record {
        Record { name: chat.name().map(str::to_owned), ..self }
    }

    /// The line as JSON without its newline; control characters are escaped.
    pub fn json(&self) -> String {
        sanitize_json(serde_json::to_string(self).expect("a record has string keys and finite numbers"))
    }

    /// The line for standard output with its newline, as text or JSON; empty with `-q`.
    pub fn line(&self, output: &Output) -> Masked {
        if output.is_silent() {
            return Masked::default();
        }
        let line = if output.is_json() { self.json() } else { self.text(output.colors_lines()) };
        Masked::new(line + "\n")
    }

    /// The line as tab-separated text, without its newline: chat id, status, detail and change. Empty columns at the
    /// end are omitted.
    pub fn text(&self, is_colored: bool) -> String {
        let word = self.status.word();
        let status =
            if is_colored { format!("\u{1b}[{}m{word}\u{1b}[0m", self.status.color()) } else { word.to_owned() };
        let detail = match (&self.file, &self.url_avatar, &self.error) {
            (Some(text), _, _) | (None, Some(text), _) if self.status == Status::Found => sanitize(text),
            // The status says it all.
            (_, _, Some(error)) if self.status != Status::TimedOut => error.code.to_owned(),
            _ => String::new(),
        };
        let change = self.change.map_or("", Change::word);
        format!("{}\t{status}\t{detail}\t{change}", sanitize(&self.chat_id)).trim_end_matches('\t').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_exactly_the_documented_ones() {
        let accepted = Record {
            http_status: Some(200),
            attempts: Some(1),
            elapsed_ms: Some(41),
            ..Record::new("11001234567@c.us", Status::Accepted)
        };
        assert_eq!(
            accepted.json(),
            r#"{"chatId":"11001234567@c.us","status":"accepted","httpStatus":200,"attempts":1,"elapsedMs":41}"#
        );
        assert_eq!(accepted.text(false), "11001234567@c.us\taccepted");
        let mut failure = Failure::new(Kind::BadRequestData, "bad").hint("look");
        failure.http_status = Some(400);
        let failed = Record { attempts: Some(1), elapsed_ms: Some(38), ..Record::failed("11001234400@c.us", &failure) };
        assert_eq!(
            failed.json(),
            r#"{"chatId":"11001234400@c.us","status":"failed","error":{"code":"bad-request-data","message":"bad","hint":"look","httpStatus":400},"attempts":1,"elapsedMs":38}"#
        );
        assert_eq!(failed.text(false), "11001234400@c.us\tfailed\tbad-request-data");
        let found = Record {
            url_avatar: Some("https://pps.whatsapp.net/x".into()),
            expires_at: Some("2026-12-01T10:00:00Z".into()),
            timestamp: Some(1_586_700_802),
            ..Record::new("11001234567@c.us", Status::Found)
        };
        assert_eq!(
            found.json(),
            r#"{"chatId":"11001234567@c.us","status":"found","urlAvatar":"https://pps.whatsapp.net/x","expiresAt":"2026-12-01T10:00:00Z","timestamp":1586700802}"#
        );
    }

    #[test]
    fn a_line_has_the_fields_of_the_get_avatar_answer() {
        let url = Some("https://pps.whatsapp.net/x.jpg".into());
        let avatar = Avatar { url, exists_whatsapp: None, available: Some(true), http_status: 200 };
        assert_eq!(
            Record::of_avatar("11001234567@c.us", avatar).json(),
            r#"{"chatId":"11001234567@c.us","status":"found","urlAvatar":"https://pps.whatsapp.net/x.jpg","httpStatus":200,"available":true}"#
        );
    }

    #[test]
    fn a_json_line_escapes_unsafe_characters_and_keeps_its_content() {
        let odd = "a\u{1b}\u{9b}\u{202e}\u{7f}\u{e0001}b";
        let json = Record::new(odd, Status::Invalid).json();
        assert!(json.is_ascii() && json.chars().all(|c| !c.is_control()), "{json}");
        let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(read["chatId"], odd);
    }

    #[test]
    fn a_saved_picture_and_its_change_are_columns() {
        let mut record = Record::new("11001234567@c.us", Status::Found);
        record.url_avatar = Some("https://pps.whatsapp.net/x".into());
        record.file = Some("a\tb/11001234567@c.us.jpg".into());
        record.change = Some(Change::New);
        assert_eq!(record.text(false), "11001234567@c.us\tfound\ta\\tb/11001234567@c.us.jpg\tnew");
        assert!(record.json().ends_with(r#""change":"new"}"#), "{}", record.json());
        let gone = Record { change: Some(Change::Gone), ..Record::new("11001234567@c.us", Status::None) };
        assert_eq!(gone.text(false), "11001234567@c.us\tnone\t\tgone");
    }

    #[test]
    fn text_lines_keep_their_columns_with_any_content() {
        let odd = Record::new("a\tb\n\u{1b}[31m", Status::Invalid);
        assert_eq!(odd.text(false), "a\\tb\\n\\u{1b}[31m\tinvalid");
    }
}
