//! Parsing of notifications: the documented samples, unusual JSON, and text that is not JSON.

use super::*;
use crate::failure::Kind;

const PLAIN: &str = include_str!("../../../tests/cli/samples/avatar-info.json");
const OLDER: &str = include_str!("../../../tests/cli/samples/avatar-info-older.json");
const FAILED: &str = include_str!("../../../tests/cli/samples/avatar-info-failed.json");
const DEVICE: &str = include_str!("../../../tests/cli/samples/device-info.json");
const MESSAGE: &str = include_str!("../../../tests/cli/samples/incoming-message.json");
const DUPLICATE_KEY: &str = include_str!("../../../tests/cli/samples/message-status-duplicate-key.json");
const BROKEN: &str = include_str!("../../../tests/cli/samples/receive-trailing-comma.txt");

fn avatar(text: &str) -> AvatarInfo {
    match Notification::read(text.as_bytes()) {
        Notification::Avatar(info) => info,
        Notification::Foreign(foreign) => panic!("{} in {text}", foreign.what),
    }
}

fn foreign(text: &str) -> Foreign {
    match Notification::read(text.as_bytes()) {
        Notification::Foreign(foreign) => foreign,
        Notification::Avatar(info) => panic!("{info:?} in {text}"),
    }
}

#[test]
fn the_documented_forms_are_read() {
    let plain = avatar(PLAIN);
    assert_eq!(plain.chat_id, "79001234560@c.us");
    assert_eq!(plain.timestamp, Some(1_586_700_802));
    assert!(plain.url_avatar.is_some_and(|url| url.ends_with("oe=615A60EB")));
    let older = avatar(OLDER);
    assert_eq!((older.exists_whatsapp, older.url_avatar), (Some(true), None));
    let failed = avatar(FAILED);
    assert_eq!(failed.failure().map(|failure| failure.kind), Some(Kind::AvatarTimeout));
}

#[test]
fn unknown_repeated_escaped_and_reordered_keys_are_read() {
    let info = avatar(
        r#" {"avatarInfo":{"urlAvatar":"undefined","new":1e999,"chatId":"x@lid","\u0063hatId":"y@lid","n":"\ud800"},
            "\udfff":null,"big":123456789012345678901234567890,"timestamp":1,"timestamp":"2","instanceData":{"idInstance":"1"}} "#,
    );
    assert_eq!(info, AvatarInfo { chat_id: "y@lid".into(), timestamp: Some(2), ..AvatarInfo::default() });
}

#[test]
fn a_number_is_a_persons_chat_id() {
    for number in ["79001234560", "380441234567"] {
        let text = format!(r#"{{"avatarInfo":{{"chatId":{number},"urlAvatar":""}}}}"#);
        assert_eq!(avatar(&text).chat_id, format!("{number}@c.us"));
    }
}

#[test]
fn every_form_of_no_url_is_read() {
    for value in [r#""""#, "null", "false", r#""null""#, r#""undefined""#, r#"" ""#] {
        let text = format!(r#"{{"avatarInfo":{{"chatId":"1@c.us","urlAvatar":{value},"reason":""}}}}"#);
        assert_eq!(avatar(&text).url_avatar, None, "{value}");
    }
}

#[test]
fn an_avatar_info_that_cannot_be_read_is_foreign() {
    for info in [
        "true",
        "null",
        "[]",
        r#""x""#,
        "{}",
        r#"{"chatId":true}"#,
        r#"{"chatId":7}"#,
        r#"{"chatId":120363043968066561}"#,
        r#"{"chatId":7.9001234560e10}"#,
        r#"{"chatId":""}"#,
        r#"{"chatId":"\ud800"}"#,
        r#"{"chatId":"1@c.us","urlAvatar":5}"#,
        r#"{"chatId":"1@c.us","urlAvatar":"javascript:x"}"#,
        r#"{"chatId":"1@c.us","reason":{}}"#,
        r#"{"chatId":"1@c.us","existsWhatsapp":"perhaps"}"#,
    ] {
        let text = format!(r#"{{"typeWebhook":"deviceInfo","avatarInfo":{info}}}"#);
        assert_eq!(foreign(&text).what, "an AvatarInfo of type deviceInfo that cannot be read", "{info}");
    }
    assert_eq!(foreign(DEVICE).what, "a notification of type deviceInfo");
    assert_eq!(foreign(r#"{"typeWebhook":"a\u001b[31m"}"#).what, "a notification of type a\\u{1b}[31m");
    assert_eq!(foreign("{}").what, "a notification without a type");
}

#[test]
fn reasons_have_their_kind_unless_there_is_a_url() {
    let kind = |reason: &str, url: Option<&str>| {
        let url_avatar = url.map(str::to_owned);
        let info = AvatarInfo { reason: Some(reason.into()), url_avatar, ..AvatarInfo::default() };
        info.failure().map(|failure| failure.kind)
    };
    assert_eq!(kind("bad request data", None), Some(Kind::BadRequestData));
    assert_eq!(kind("Get avatar timeout limit exceeded", None), Some(Kind::AvatarTimeout));
    assert_eq!(kind("rate-overlimit", None), Some(Kind::TooManyRequests));
    for other in ["Connection Closed", "not-authorized", "instance account expired", "request timeout expired"] {
        assert_eq!(kind(other, None), Some(Kind::UnexpectedResponse), "{other}");
    }
    assert_eq!(kind("bad request data", Some("https://x.whatsapp.net/")), None);
}

#[test]
fn foreign_notifications_keep_their_bytes() {
    for sample in [DEVICE, MESSAGE, DUPLICATE_KEY] {
        assert_eq!(foreign(sample).line, sample.trim().as_bytes());
        let envelope = format!("{{\"body\" :\n{sample}\n, \"receiptId\":\"77\"}}");
        let head = Head::read(envelope.as_bytes()).expect("a head");
        assert_eq!(head.receipt.to_string(), "77");
        assert_eq!(head.notification, Notification::Foreign(foreign(sample)));
    }
    let pretty = "{\"typeWebhook\":\r\n \"a\\\"b\\nc\",\n\"n\": 1.50e+99999}";
    assert_eq!(foreign(pretty).line, b"{\"typeWebhook\": \"a\\\"b\\nc\",\"n\": 1.50e+99999}");
}

#[test]
fn a_head_that_is_not_json_gives_its_receipt_and_its_text() {
    let head = Head::read(BROKEN.as_bytes()).expect("a head");
    assert_eq!(head.receipt.to_string(), "1234567");
    assert!(matches!(head.notification, Notification::Foreign(f) if f.line == BROKEN.trim().as_bytes()));
    let receipt = |text: &str| Head::read(text.as_bytes()).map(|head| head.receipt.to_string());
    assert_eq!(receipt(r#"{"body":{"receiptId":1,"a":"}\""},}, "receiptId" : 22}"#), Some("22".into()));
    assert_eq!(receipt("{\"receiptId\":5,\"body\":{\"a\":\"\u{0}\n\"}}"), Some("5".into()));
    assert_eq!(receipt(r#"{"receiptId":5,"body":{"a":"#), Some("5".into()));
    assert_eq!(receipt(r#"{"text":"\"receiptId\":6","#), None);
    assert_eq!(receipt(r#"{"body":{"typeWebhook":"quoted","receiptId":7},}"#), None);
    // If brackets do not match, a single receiptId is used, but none of two.
    assert_eq!(receipt(r#"{"body":{"a":[1,2},"receiptId":101}"#), Some("101".into()));
    assert_eq!(receipt(r#"{"body":{"a":[1,2,"receiptId":7},"receiptId":101}"#), None);
    assert_eq!(receipt("<html>"), None);
    assert_eq!(receipt(r#"{"body":{}}"#), None);
    assert_eq!(receipt(r#"{"receiptId":-5,"body":{}}"#), None);
    let bytes = Head::read(b"{\"receiptId\":8,\"body\":{\"a\":\"\xff\n\"}}").expect("a head");
    assert!(matches!(bytes.notification, Notification::Foreign(f) if f.line.ends_with(b"\"\xff\\n\"}}")));
}

#[test]
fn a_body_that_is_not_an_object_is_kept_with_its_envelope() {
    let head = Head::read(br#"{"receiptId":5,"body":null}"#).expect("a head");
    assert!(matches!(head.notification, Notification::Foreign(f) if f.line == br#"{"receiptId":5,"body":null}"#));
}

#[test]
fn deeply_nested_json_is_foreign() {
    let deep = format!(r#"{{"typeWebhook":"x","a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(foreign(&deep).what, "a notification of type x");
}

#[test]
fn text_that_does_not_resemble_a_notification_is_refused() {
    let is_one = |text: &str| Notification::read_unsolicited(text.as_bytes()).is_some();
    for text in [PLAIN, DEVICE, "{}", r#" {"typeWebhook":"deviceInfo",}"#] {
        assert!(is_one(text), "{text}");
    }
    for text in ["", "null", "[]", r#""text""#, "{not json}", r#"["typeWebhook"]"#, r#"{"a":"#] {
        assert!(!is_one(text), "{text}");
    }
}
