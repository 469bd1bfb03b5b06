//! Properties that hold for any bytes from outside: one function for each kind of input, which panics if one is
//! violated.
//!
//! `cargo test` calls them with some hundred cases each (tests/properties.rs), and cargo-fuzz for as long as it runs
//! (fuzz/, by `.ci/fuzz`).

use std::io::Write;

use greenavatar::failure::Failure;
use greenavatar::greenapi::notification::Notification;
use greenavatar::record::Record;
use greenavatar::results::record;
use serde_json::Value;

pub mod answers;
pub mod inputs;
pub mod journal;
pub mod webhook;

/// The token that answers echo. The input has a byte 1 in its place, since random input rarely has these fifty digits.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef01";

fn assert_notification(notification: &Notification) {
    match notification {
        Notification::Avatar(info) => {
            assert_line(&record(info));
            if let Some(failure) = info.failure() {
                assert_printable(&failure.message());
            }
        }
        Notification::Foreign(foreign) => {
            assert_printable(&foreign.what);
            assert!(!foreign.line.iter().any(|b| b"\r\n".contains(b)), "more than one line");
        }
    }
}

fn with_token(bytes: &[u8]) -> Vec<u8> {
    bytes.split(|&b| b == 1).collect::<Vec<_>>().join(TOKEN.as_bytes())
}

fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("written");
    file
}

fn assert_failure(failure: &Failure) {
    let hint = failure.hint.as_deref().unwrap_or_default();
    for text in [&*failure.message(), hint] {
        assert_printable(text);
        assert!(!text.to_ascii_lowercase().contains(TOKEN), "{text}");
    }
    assert_line(&Record::failed("11001234567@c.us", failure));
}

fn assert_line(record: &Record) {
    let (text, json) = (record.text(false), record.json());
    text.split('\t').for_each(assert_printable);
    assert!(text.split('\t').count() <= 3, "{text}");
    assert_printable(&json);
    let read: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(read["chatId"], record.chat_id.as_str());
    assert_eq!(read["urlAvatar"].as_str(), record.url_avatar.as_deref());
}

/// Checks that no character moves the cursor or changes the direction of text.
#[track_caller]
fn assert_printable(text: &str) {
    let is_unsafe = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(is_unsafe), "{text:?}");
}
