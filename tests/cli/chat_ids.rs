//! Text that is not a chat id is never sent: it has a result line, with a hint if the likely id is known.

use crate::support::system::not_unicode;
use crate::support::{Answer, CHAT, Cli, Server, chat, in_parallel, json, jsons};

/// What people type, and the id that the hint must name, if any.
const MISTYPED: &[(&str, Option<&str>)] = &[
    ("+1 100 123-45-67", Some(CHAT)),
    ("+11001234567", Some(CHAT)),
    ("11001234567", Some(CHAT)),
    ("+11001234567@c.us", Some(CHAT)),
    ("11001234567@C.US", Some(CHAT)),
    ("１１００１２３４５６７@c.us", Some(CHAT)),
    ("(1100) 123-45-67", Some(CHAT)),
    ("0011001234567", Some(CHAT)),
    ("11001234567.0", Some(CHAT)),
    ("+44 (0)7700 900123", Some("447700900123@c.us")),
    ("\u{200e}+1 100 123-45-67\u{202c}", Some(CHAT)),
    ("\u{feff}11001234567@c.us", Some(CHAT)),
    ("١١٠٠١٢٣٤٥٦٧", Some(CHAT)),
    ("+65 8123 4567", Some("6581234567@c.us? --lenient or GREEN_API_LENIENT=1")),
    ("07700 900123", None),
    ("+44 07700 900123", None),
    ("8 (900) 123-45-67", None),
    ("11001234567/8", None),
    ("11001234567.5", None),
    ("1100123456-7", None),
    ("11001234567 ext. 5", None),
    ("+11001234567, +11001234568", None),
    ("1.10012E+10", None),
    ("81234567", None),
    ("01001234567@c.us", None),
    ("", None),
    (" ", None),
    ("@c.us", None),
    ("12345@c.us", None),
    ("1100123456@c.us", None),
    ("11001234567@c.us\n", Some(CHAT)),
    ("11001234567@c.us\r\nX-Injected: 1", None),
    (" 11001234567@c.us", Some(CHAT)),
    ("11001234567 @c.us", Some(CHAT)),
    ("11001234567@c.us/../../deleteNotification", None),
    ("11001234567@c.us\",\"x\":\"y", None),
    ("11001234567@g.us@c.us", None),
    ("120363043968066561@newsletter", None),
    ("status@broadcast", None),
    ("11001234567@example.com", None),
    ("11001234567-@g.us", None),
    ("-1@g.us", None),
    ("\u{1b}[31m11001234567@c.us", None),
    ("\u{202e}su.c@76543210011", None),
];

/// Whether a hint names an id other than the one of the examples.
fn names_an_id(hint: &str) -> bool {
    let is_id = |word: &str| word.contains('@') && word.contains(|c: char| c.is_ascii_digit());
    hint.split_whitespace().any(|word| is_id(word) && word != CHAT)
}

#[test]
fn a_text_that_is_not_a_chat_id_is_never_sent_and_has_its_line() {
    let server = Server::unasked();
    in_parallel(MISTYPED, |(text, meant)| {
        let output = Cli::request(&server, ["--json", "--", text]).exits(65).any_stdout().run();
        let line = json(&output.stdout);
        assert_eq!(line["status"], "invalid", "{text:?}");
        assert_eq!(line["error"]["code"], "invalid-chat-id", "{text:?}");
        assert_eq!((&line["attempts"], output.stdout.contains("\"elapsedMs\":_")), (&0.into(), true), "{text:?}");
        assert!(line["chatId"].is_string() && line["line"].is_null(), "{text:?}");
        let hint = line["error"]["hint"].as_str().unwrap_or_default();
        match meant {
            Some(meant) => assert!(hint.starts_with(&format!("did you mean {meant}")), "{text:?}: {line}"),
            None => assert!(!hint.contains("did you mean") && !names_an_id(hint), "{text:?}: {line}"),
        }
    });
}

#[test]
fn a_text_that_is_not_a_chat_id_has_a_line_of_text_too() {
    let server = Server::unasked();
    in_parallel(MISTYPED, |(text, meant)| {
        let output =
            Cli::request(&server, ["--", text]).exits(65).any_stdout().stderr_has("greenavatar: error: ").run();
        assert!(output.stdout.ends_with("\tinvalid\tinvalid-chat-id\n"), "{text:?}: {}", output.stdout);
        assert_eq!((output.stdout.lines().count(), output.stdout.matches('\t').count()), (1, 2), "{text:?}");
        assert!(output.stderr.contains(meant.unwrap_or_default()), "{text:?}: {}", output.stderr);
    });
}

#[test]
fn the_line_is_the_documented_one() {
    let server = Server::unasked();
    let output = Cli::request(&server, ["--json", "12345@c.us"]).exits(65).any_stdout().run();
    let line = output.stdout;
    let start = r#"{"chatId":"12345@c.us","status":"invalid","error":{"code":"invalid-chat-id","message":""#;
    assert!(line.starts_with(start), "{line}");
    assert!(line.ends_with("},\"attempts\":0,\"elapsedMs\":_}\n"), "{line}");
    let output = Cli::request(&server, ["12345@c.us"]).exits(65).stdout("12345@c.us\tinvalid\tinvalid-chat-id\n");
    output.stderr_has("greenavatar: error: 12345@c.us: ").run();
}

#[test]
fn an_id_that_is_not_unicode_is_invalid() {
    let server = Server::unasked();
    let output = Cli::on(&server).args(["request", "--json"]).arg(not_unicode()).exits(65).any_stdout().run();
    assert_eq!(json(&output.stdout)["error"]["code"], "invalid-chat-id");
}

#[test]
fn a_very_long_id_is_shortened() {
    let server = Server::unasked();
    let long = "9".repeat(100_000);
    let output = Cli::request(&server, ["--json", &long]).exits(65).any_stdout().run();
    assert!(output.stdout.len() < 2000, "{} bytes", output.stdout.len());
}

#[test]
fn a_duration_in_place_of_an_id_has_a_hint() {
    let server = Server::answering([Answer::status(200)]);
    let output = Cli::request(&server, ["--json", CHAT, "2m"]).exits(1).any_stdout().any_stderr().run();
    let lines = jsons(&output.stdout);
    let odd = lines.iter().find(|line| line["chatId"] == "2m").expect("a line for it");
    assert!(odd["error"]["hint"].as_str().expect("a hint").contains("=2m"), "{odd}");
}

#[test]
fn newer_ids_need_the_lenient_rule() {
    for id in ["6581234567@c.us", "1100123@c.us", "1100123456789@c.us", "1100123456789012@c.us", "123456789012345@lid"]
    {
        let server = Server::answering([Answer::status(200)]);
        let output = Cli::request(&server, ["--json", id]).exits(65).any_stdout().run();
        let error = json(&output.stdout)["error"].to_string();
        assert!(error.contains("--lenient") && error.contains("GREEN_API_LENIENT"), "{id}: {error}");
        Cli::request(&server, ["--lenient", id]).stdout(format!("{id}\taccepted\n")).run();
        assert_eq!(server.chats(), [id]);
    }
    let server = Server::unasked();
    for id in ["11001234567890123@c.us", "110012@c.us", "01001234567@c.us"] {
        Cli::request(&server, ["--lenient", id]).exits(65).any_stdout().any_stderr().run();
    }
}

#[test]
fn a_number_that_begins_with_zero_needs_its_country_code() {
    let server = Server::unasked();
    for id in ["07700900123@c.us", "07700 900123", "077009001234567@c.us"] {
        let output = Cli::request(&server, ["--lenient", "--json", id]).exits(65).any_stdout().run();
        let error = json(&output.stdout)["error"].clone();
        assert_eq!(error["message"], "a number without its country code", "{id}");
        assert!(error["hint"].as_str().unwrap_or_default().contains("with its country code"), "{id}");
    }
}

#[test]
fn an_invisible_character_is_shown_as_its_number() {
    let server = Server::unasked();
    let cli = Cli::request(&server, ["1\u{fe0f}2\u{34f}3\u{e0100}"]).exits(65).any_stderr();
    cli.stdout("1\\u{fe0f}2\\u{34f}3\\u{e0100}\tinvalid\tinvalid-chat-id\n").run();
}

/// In a list, a hint is printed once for each code word, so the flag must be in the error itself.
#[test]
fn in_a_list_the_error_of_each_newer_id_names_the_flag() {
    let server = Server::unasked();
    let ids = ["1100123456789@c.us", "+1 100 123-45-67", "123456789012345@lid"];
    let output = Cli::request(&server, ids).exits(1).any_stdout().any_stderr().run();
    for id in [ids[0], ids[2]] {
        let line = output.stderr.lines().find(|line| line.contains(id)).expect("a line for it");
        assert!(line.starts_with("greenavatar: error: ") && line.contains("--lenient"), "{line}");
    }
    assert_eq!(output.stderr.matches("hint: ").count(), 1, "{}", output.stderr);
}

#[test]
fn documented_ids_are_accepted() {
    for id in [CHAT, "110012345678@c.us", "120363043968066561@g.us", "11001234567-1586700802@g.us"] {
        let server = Server::answering([Answer::status(200)]);
        Cli::request(&server, [id]).stdout(format!("{id}\taccepted\n")).run();
        assert_eq!(server.chats(), [id]);
    }
}

#[test]
fn a_bad_id_among_good_ones_does_not_stop_them() {
    let server = Server::with(|_| Answer::status(200)).times(2);
    let output =
        Cli::request(&server, ["--json", &chat(1), "nonsense", &chat(2)]).exits(1).any_stdout().any_stderr().run();
    let mut statuses: Vec<_> = jsons(&output.stdout).iter().map(|line| line["status"].clone()).collect();
    statuses.sort_by_key(ToString::to_string);
    assert_eq!(statuses, ["accepted", "accepted", "invalid"]);
}

#[test]
fn several_invalid_ids_have_the_status_of_some_that_failed() {
    let server = Server::unasked();
    let output = Cli::request(&server, ["--json", "a", "b"]).exits(1).any_stdout().any_stderr().run();
    assert_eq!(output.stdout.lines().count(), 2);
}
