//! Answers of GREEN-API, notifications, URLs and pictures, and masking.

use std::net::IpAddr;

use greenavatar::greenapi::avatar::Avatar;
use greenavatar::greenapi::error::{failure_of, is_acceptance};
use greenavatar::greenapi::notification::{Head, Notification};
use greenavatar::greenapi::state::{InstanceSettings, read_state, shown_settings};
use greenavatar::http::Answer;
use greenavatar::pictures::show::Canvas;
use greenavatar::pictures::url::{AllowedHost, check, expires_at, is_preview};
use greenavatar::record::Record;
use greenavatar::text::sanitize;
use greenavatar::token::{Masked, register};
use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{TOKEN, assert_failure, assert_line, assert_notification, assert_printable, with_token};

/// Any answer of GREEN-API is understood or is a failure, and nothing of it prints the token or a control character.
/// The first two bytes choose the status and whether the body is complete.
pub fn api_answer(bytes: &[u8]) {
    let [first, second, rest @ ..] = bytes else { return };
    register(TOKEN);
    let answer = answer_of(*first, *second, rest);
    is_acceptance(&answer);
    shown_settings(&answer.body);
    if let Some(failure) = failure_of(&answer) {
        assert_failure(&failure);
        return;
    }
    match Avatar::read(&answer) {
        Ok(avatar) => {
            assert_line(&Record::of_avatar("11001234567@c.us", avatar));
        }
        Err(failure) => assert_printable(&failure.message()),
    }
    assert_printable(&read_state(&answer));
    match InstanceSettings::read(&answer) {
        Ok(settings) => settings.notifications.iter().chain(&settings.webhook).for_each(|text| assert_printable(text)),
        Err(failure) => assert_printable(&failure.message()),
    }
}

fn answer_of(first: u8, second: u8, rest: &[u8]) -> Answer {
    const STATUSES: [u16; 16] = [200, 200, 200, 201, 204, 301, 400, 400, 401, 403, 404, 429, 466, 499, 500, 503];
    let status = STATUSES[usize::from(first % 16)];
    Answer { status, retry_after: None, body: with_token(rest), complete: second & 1 == 0 }
}

/// A notification is a result, or a foreign notification on one line with the same content. Its receipt is digits.
pub fn notification(bytes: &[u8]) {
    if let Some(head) = Head::read(bytes) {
        let receipt = head.receipt.to_string();
        assert!(!receipt.is_empty() && receipt.bytes().all(|b| b.is_ascii_digit()), "{receipt}");
        assert_notification(&head.notification);
        let plain: Option<Value> = serde_json::from_slice(bytes).ok();
        if let Some(number) = plain.and_then(|value| value["receiptId"].as_u64()) {
            assert_eq!(receipt, number.to_string());
        }
    }
    let read = Notification::read(bytes);
    assert_notification(&read);
    if let Some(unsolicited) = Notification::read_unsolicited(bytes) {
        assert_eq!(unsolicited, read);
    }
    let Notification::Foreign(foreign) = read else { return };
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        assert_eq!(serde_json::from_slice::<Value>(&foreign.line).ok(), Some(value));
    }
    // Text that was not JSON may be JSON on one line, even a result. Text that was JSON is read the same again.
    match Notification::read(&foreign.line) {
        Notification::Foreign(again) => assert_eq!(again.line, foreign.line),
        Notification::Avatar(info) => assert!(serde_json::from_slice::<&RawValue>(bytes).is_err(), "{info:?}"),
    }
}

/// An allowed URL is https to a host under .whatsapp.net, or leads to the allowed host, for other parsers, too. The
/// first line is the allowed host.
pub fn avatar_url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (host, url) = text.split_once('\n').unwrap_or(("", text));
    is_preview(url);
    if let Some(instant) = expires_at(url) {
        assert!(instant.parse::<Timestamp>().expect("RFC 3339").as_second() > 0);
    }
    match check(url, &[]) {
        Ok(target) => {
            assert!(target.origin.is_https && target.origin.host.ends_with(".whatsapp.net"), "{url}");
            let rest = target.url.get(8..).expect("https://");
            assert!(target.url[..8].eq_ignore_ascii_case("https://"), "{url}");
            let authority = &rest[..rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())];
            let (authority, port) = authority.rsplit_once(':').unwrap_or((authority, "443"));
            assert_eq!(port.parse(), Ok(443), "{url}");
            assert!(authority.to_ascii_lowercase() == target.origin.host && url.starts_with(target.url), "{url}");
            assert_same_reading(target.url, &target.origin.host);
        }
        Err(failure) => assert_printable(&failure.message()),
    }
    let Ok(allowed) = AllowedHost::parse(host) else { return };
    if let Ok(target) = check(url, std::slice::from_ref(&allowed)) {
        let is_named = host.to_ascii_lowercase().contains(&target.origin.host)
            || host.parse().is_ok_and(|named| same(named, &target.origin.host))
            || host.contains('[');
        assert!(is_named || target.origin.host.ends_with(".whatsapp.net"), "{url} by {host}");
        assert_same_reading(target.url, &target.origin.host);
    }
}

fn same(named: IpAddr, host: &str) -> bool {
    host.parse() == Ok(named)
}

/// The parser of the HTTP client finds the same host, if it accepts the URL.
fn assert_same_reading(url: &str, host: &str) {
    let Ok(uri) = url.parse::<hyper::Uri>() else { return };
    let seen = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
    let is_address = |text: &str| text.parse::<IpAddr>().ok();
    assert!(
        seen == host || (is_address(&seen).is_some() && is_address(&seen) == is_address(host)),
        "{url}: {seen}, {host}"
    );
    assert!(!uri.authority().is_some_and(|authority| authority.as_str().contains('@')), "{url}");
}

/// A picture is drawn or not, in bounded memory and time. The first byte chooses the kind of terminal: with all four,
/// fuzzing would be too slow.
pub fn picture(bytes: &[u8]) {
    const CANVASES: [Canvas; 4] = [
        Canvas::Iterm,
        Canvas::Kitty,
        Canvas::Cells { is_true_color: true, has_half_blocks: true },
        Canvas::Cells { is_true_color: false, has_half_blocks: false },
    ];
    let Some((choice, picture)) = bytes.split_first() else { return };
    let start: &[u8] = if choice & 4 == 0 { b"\xff\xd8\xff" } else { b"" };
    if let Some(drawn) = CANVASES[usize::from(choice & 3)].draw(&[start, picture].concat()) {
        assert!(drawn.ends_with('\n'));
    }
}

/// Masked text has no part of the token, in upper or lower case, and is not changed otherwise.
pub fn token(bytes: &[u8]) {
    let text = String::from_utf8_lossy(&with_token(bytes)).into_owned();
    register(TOKEN);
    let masked = Masked::new(text.clone());
    let has_part = |text: &str| {
        let text = text.to_ascii_lowercase();
        let mut parts = (0..=TOKEN.len() - 8).map(|at| &TOKEN[at..at + 8]);
        parts.any(|part| text.contains(part) && part.bytes().any(|b| b.is_ascii_alphabetic()))
    };
    // The letter of an escape of JSON is not part of the word that follows.
    let words = masked.as_str().replace("\\b", " ").replace("\\f", " ");
    assert!(!has_part(&words), "{masked:?}");
    if !has_part(&text) && !text.contains(['\\', '%']) {
        assert_eq!(masked.as_str(), text);
    }
    assert_printable(&sanitize(&text));
}
