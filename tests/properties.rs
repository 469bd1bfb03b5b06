//! Everything that parses bytes from outside, with some hundred generated inputs each: random bytes, and fragments of
//! real inputs in random order. `PROPTEST_CASES=100000 cargo test --release --test properties` tries more, and
//! `.ci/fuzz` fuzzes the same properties, guided by coverage.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

#[path = "properties/checks.rs"]
mod checks;

use checks::{answers, inputs, journal, webhook};

/// Few cases, so that the suite stays fast. PROPTEST_CASES overrides their number.
fn config() -> ProptestConfig {
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 128 };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Fragments of real inputs, mixed with random bytes and characters.
fn pieces(known: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => select(known).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..6),
        1 => any::<char>().prop_map(|c| c.to_string().into_bytes()),
        1 => select(&["\n", "\r\n", " ", "\t", "\"", "\\", "\u{1}", "\u{1b}[31m", "\u{202e}", "\u{feff}", "\0"][..])
            .prop_map(|piece| piece.as_bytes().to_vec()),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

const IDS: &[&str] = &[
    "11001234567@c.us",
    "120363043968066561@g.us",
    "79001234567-1581234048@g.us",
    "210987654321@lid",
    "+7 (900) 123-45-67",
    "1",
    "0",
    "7",
    "@",
    "c.us",
    "@g.us",
    "@lid",
    "-",
    "+",
    "@C.US",
    "５",
    "\u{663}",
    "(0)",
    ".0",
    "00",
    "/",
    " ext. ",
    "1.10012E+10",
    "tel:",
    "wa.me/",
    "30s",
    "# note",
    "\tAda",
    ",",
    ";",
    "BEGIN:VCARD",
    "\r",
    "\n",
    "\r\n",
    "\n\n",
];

const ADDRESS_BOOKS: &[&str] = &[
    "Name",
    "First Name",
    "Phone 1 - Value",
    "Телефон",
    "+1 100 123-45-67",
    "07700 900123",
    "8 (900) 123-45-67",
    "11001234567.0",
    "1.10012E+10",
    "120363043968066561@g.us",
    " ::: ",
    "Ada",
    ",",
    ",",
    ";",
    "\t",
    "\"",
    "\n",
    "\r\n",
    "\r",
    "BEGIN:VCARD\n",
    "\nEND:VCARD\n",
    "\nFN:",
    "\nN:",
    "\nTEL;TYPE=CELL:",
    "\nitem1.TEL;VALUE=uri:tel:",
    ";ENCODING=QUOTED-PRINTABLE:",
    ";CHARSET=ISO-8859-1:",
    "=\n",
    "=D0=98",
    "\n ",
    "\\,",
    "sep=;\n",
];

const SETTINGS: &[&str] = &[
    "GREEN_API_URL",
    "ID_INSTANCE",
    "A",
    "=",
    "=",
    "'",
    "\"",
    "$A",
    "${A}",
    "#",
    "export ",
    "\n",
    "\n",
    "\\n",
    "1101999999",
];

const ANSWERS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\"message\":",
    "\"reason\":",
    "\"description\":",
    "\"error\":",
    "\"path\":",
    "\"code\":401",
    "\"statusCode\":400",
    "\"status\":false",
    "\"urlAvatar\":",
    "\"available\":",
    "\"existsWhatsapp\":",
    "\"correspondentsStatus\":",
    "\"invokeStatus\":",
    "\"stateInstance\":",
    "\"webhookUrl\":",
    "\"incomingWebhook\":\"yes\"",
    "\"https://pps.whatsapp.net/x.jpg?oe=615A60EB\"",
    "\"/waInstance1/getAvatar/\u{1}\"",
    "\u{1}",
    "true",
    "false",
    "null",
    "\"\"",
    "\"rate-overlimit\"",
    "bad request data",
    "not authorized",
    "<html><title>",
    "</title>",
    "\\u001b",
    "\\u202e",
    "120\n",
    "-1\n",
    "Wed, 21 Oct 2099 07:28:00 GMT\n",
];

const NOTIFICATIONS: &[&str] = &[
    "{",
    "}",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    ",",
    "\"",
    "\"receiptId\":",
    "1234567",
    "\"body\":",
    "\"typeWebhook\":",
    "\"deviceInfo\"",
    "\"timestamp\":1586700802",
    "\"avatarInfo\":",
    "\"chatId\":",
    "\"79001234560@c.us\"",
    "true",
    "null",
    "\"urlAvatar\":",
    "\"https://pps.whatsapp.net/x\"",
    "\"reason\":",
    "\"existsWhatsapp\":",
    "\\\"",
    "\\n",
    "1e999",
    "\n",
];

const URLS: &[&str] = &[
    "https://",
    "http://",
    "HTTPS://",
    "pps.whatsapp.net",
    ".whatsapp.net",
    "whatsapp.net",
    "evil.example",
    "127.0.0.1",
    "[::1]",
    "::1",
    "0x7f.1",
    ":443",
    ":80",
    ":0443",
    "@",
    "/",
    "\\",
    "?",
    "#",
    "&",
    "oe=",
    "615A60EB",
    "FFFFFFFFFFFFFFFF",
    "stp=",
    "s96x96",
    "/s96x96/",
    ".",
    "%2e",
    "-",
    "_",
    "\n",
];

const LINES: &[&str] = &[
    "{\"chatId\":\"11001234567@c.us\",\"status\":\"found\",\"command\":\"request\",\"idInstance\":\"1101999999\",\"at\":\"2026-01-01T00:00:00Z\"}\n",
    "{\"chatId\":\"11001234568@c.us\",\"status\":\"accepted\",\"command\":\"request\",\"idInstance\":\"1101999999\",\"at\":\"2026-01-01T00:00:00Z\"}\n",
    "{\"chatId\":\"",
    "{\"chatId\":\"1",
    "\",\"status\":\"",
    "accepted",
    "failed",
    "\"}\n",
    "\n",
    "{",
    "}",
];

const REQUESTS: &[&str] = &[
    "POST ",
    "GET ",
    "/ ",
    "/healthz ",
    "HTTP/1.1\r\n",
    "HTTP/1.0\r\n",
    "Host: a\r\n",
    "Authorization: Bearer \u{1}\r\n",
    "Authorization: ",
    "Basic ",
    "Bearer ",
    "\u{1}",
    "Content-Length: 2\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Expect: 100-continue\r\n",
    "\r\n",
    "\r\n\r\n",
    "{}",
    "2\r\n{}\r\n0\r\n\r\n",
    "{\"typeWebhook\":\"x\"}",
];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_chat_id_is_accepted_unchanged_or_refused_with_a_correct_hint(bytes in pieces(IDS)) {
        inputs::chat_id(&bytes);
    }

    #[test]
    fn an_address_book_gives_chat_ids_and_errors_with_a_line(bytes in pieces(ADDRESS_BOOKS), is_vcard in any::<bool>()) {
        inputs::address_book(&bytes);
        if is_vcard {
            inputs::address_book(&[b"BEGIN:VCARD\n", &bytes[..]].concat());
        }
    }

    #[test]
    fn a_chat_id_of_the_right_form_keeps_its_leading_zeros_in_its_key(text in "[1-9][0-9]{6,15}@c\\.us|[0-9]{1,35}@(g\\.us|lid)|[0-9]{1,17}-[0-9]{1,17}@g\\.us") {
        prop_assert!(greenavatar::chat_id::ChatId::parse(&text, greenavatar::chat_id::Rule::Lenient).is_ok());
        inputs::chat_id(text.as_bytes());
    }

    #[test]
    fn a_list_has_the_entries_that_a_simple_reader_finds(bytes in pieces(IDS), long in 1000..1030_usize) {
        inputs::chat_list(&bytes);
        inputs::chat_list(&[&vec![b'7'; long][..], &bytes].concat());
    }

    #[cfg(unix)]
    #[test]
    fn a_list_may_come_in_any_pieces(bytes in pieces(IDS), long in 0..40_000_usize, cuts in vec(any::<usize>(), 0..6)) {
        inputs::chat_list_in_pieces(&[&bytes, &vec![b'7'; long][..], b"\n", &bytes].concat(), &cuts);
    }

    #[test]
    fn an_env_file_is_read_or_refused_without_its_text(bytes in pieces(SETTINGS)) {
        inputs::env_file(&bytes);
    }

    #[test]
    fn no_answer_gets_the_token_or_a_control_character_printed(first in any::<u8>(), second in 0..4_u8, bytes in pieces(ANSWERS)) {
        answers::api_answer(&[&[first, second], &bytes[..]].concat());
    }

    #[test]
    fn no_json_error_gets_the_token_printed(status in any::<u8>(), key in select(&["message", "reason", "description", "error"][..]), said in ".{0,40}", url in ".{0,20}") {
        let said = format!("{said}{}{said}", checks::TOKEN);
        let body = serde_json::json!({ key: said, "urlAvatar": format!("https://{url}"), "path": checks::TOKEN }).to_string();
        answers::api_answer(&[&[status, 0], body.as_bytes()].concat());
    }

    #[test]
    fn a_notification_is_a_result_or_one_line_with_the_same_content(bytes in pieces(NOTIFICATIONS)) {
        answers::notification(&bytes);
    }

    #[test]
    fn a_result_of_any_texts_is_printed_without_control_characters(chat in ".{1,20}", url in ".{0,20}", reason in ".{0,20}", kind in ".{0,8}") {
        let info = serde_json::json!({ "chatId": chat, "urlAvatar": format!("https://{url}"), "reason": reason });
        let body = serde_json::json!({ "typeWebhook": kind, "avatarInfo": info });
        answers::notification(serde_json::json!({ "receiptId": 7, "body": body }).to_string().as_bytes());
        answers::notification(serde_json::to_string_pretty(&body).expect("JSON").as_bytes());
    }

    #[test]
    fn an_allowed_url_leads_to_whatsapp_or_an_allowed_host(bytes in pieces(URLS)) {
        answers::avatar_url(&bytes);
        answers::avatar_url(&[b"\nhttps://pps.whatsapp.net", &bytes[..]].concat());
    }

    #[test]
    fn a_journal_is_read_or_refused_and_left_as_it_is(bytes in pieces(LINES)) {
        journal::journal(&bytes);
    }

    #[test]
    fn a_journal_torn_anywhere_keeps_its_whole_lines(chats in vec("[1-9][0-9]{10,11}@c\\.us", 0..6), cut in any::<usize>()) {
        journal::journal_torn(&chats, cut);
    }

    #[test]
    fn a_request_of_any_bytes_does_not_end_the_server(bytes in pieces(REQUESTS)) {
        webhook::webhook_request(&bytes);
    }

    #[test]
    fn a_well_formed_request_has_its_status(
        verb in select(&["POST", "POST", "POST", "GET", "HEAD", "PUT"][..]),
        path in select(&["/", "/", "/", "/healthz", "/x"][..]),
        scheme in select(&["Bearer ", "Basic ", "", "Other "][..]),
        has_token in prop::bool::weighted(0.8),
        body in pieces(NOTIFICATIONS),
    ) {
        let token = if has_token { checks::TOKEN } else { "wrong" };
        webhook::webhook_status(verb, path, Some(&format!("{scheme}{token}")), &body);
        webhook::webhook_status(verb, path, None, &body);
    }

    #[test]
    fn a_picture_of_any_bytes_is_drawn_or_not(bytes in vec(any::<u8>(), 0..200)) {
        answers::picture(&bytes);
    }

    #[test]
    fn the_token_is_masked_everywhere(bytes in pieces(ANSWERS)) {
        answers::token(&bytes);
    }
}
