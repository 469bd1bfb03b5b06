//! The token is in no output. `Expected` looks for it in both outputs of every run of all tests; the runs here are
//! those in which it is most likely to appear.

use std::path::Path;

use crate::support::client::{ask, request};
use crate::support::pictures::JPEG;
use crate::support::queue::{Queue, method};
use crate::support::{Answer, CHAT, Cli, GROUP, INSTANCE, Output, Request, Server, TOKEN, chat, in_parallel, sample};

/// A secret that does not have the form of a token.
const MALFORMED: &str = "hunter2 is not a token!";

#[test]
fn a_server_that_echoes_the_token_does_not_get_it_printed() {
    let path = format!("/waInstance{INSTANCE}/getAvatarAsync/{TOKEN}");
    in_parallel(
        [
            (400, sample("error-400-envelope.json")),
            (404, sample("error-404-envelope.json")),
            (400, path.clone()),
            (500, format!("<html><title>{path}</title></html>")),
            (200, format!("<html><title>{path}</title></html>")),
            (418, TOKEN.to_uppercase()),
            (418, format!("{}{TOKEN}", "x".repeat(280))),
            (418, format!("{TOKEN}{TOKEN}")),
            (401, format!(r#"{{"message":["a","{TOKEN}"]}}"#)),
            (429, format!(r#"{{"reason":"{TOKEN}"}}"#)),
        ],
        |(status, body)| {
            for args in [&["--json"][..], &["-v"], &["-q"], &["-v", "--json"], &[]] {
                let location = format!("http://127.0.0.1{path}");
                let server =
                    Server::answering([Answer::status(status).header("Location", &location).body(body.as_str())]);
                let cli = Cli::request(&server, args).args(["--retries", "0", CHAT]);
                cli.any_status().any_stdout().any_stderr().run();
            }
        },
    );
}

#[test]
fn verbose_masks_the_token() {
    let server = Server::answering([Answer::status(200)]);
    let cli = Cli::request(&server, ["-v", CHAT]).stdout(format!("{CHAT}\taccepted\n"));
    let output = cli.stderr_has("POST").stderr_has("***").stderr_has("getAvatarAsync").stderr_has("200").run();
    assert!(output.stderr.contains(CHAT), "{}", output.stderr);
}

#[test]
fn errors_of_a_call_do_not_contain_the_url() {
    let down = Server::unasked().address();
    in_parallel(
        [
            format!("http://{down}"),
            format!("https://{down}"),
            format!("http://{down}/{TOKEN}"),
            "https://no-such-host.invalid".to_owned(),
            format!("https://{}.invalid", "a".repeat(70)),
            "http://[::1]:1".to_owned(),
        ],
        |url| {
            for args in [&["--json"][..], &["-v"], &[]] {
                let cli = Cli::at(&url).arg("request").args(args).args(["--retries", "0", "--timeout", "3s", CHAT]);
                cli.any_status().any_stdout().any_stderr().run();
            }
        },
    );
}

#[test]
fn an_answer_that_is_not_http_does_not_get_the_token_printed() {
    for bytes in [format!("{TOKEN}\r\n\r\n"), format!("HTTP/1.1 200 {TOKEN}\r\n{TOKEN}\r\n\r\n")] {
        for args in [&["--json"][..], &["-v"]] {
            let server = Server::answering([Answer::raw(bytes.as_str())]);
            let cli = Cli::request(&server, args).args(["--retries", "0", CHAT]);
            cli.any_status().any_stdout().any_stderr().run();
        }
    }
}

#[test]
fn help_does_not_show_the_values_of_settings() {
    let cli = Cli::at("https://api.green-api.com");
    for args in [&["--help"][..], &["request", "--help"], &["request", "-h"], &["help", "request"], &["--version"]] {
        cli.again().args(args).any_stdout().run();
    }
    let cli = Cli::new().args(["--api-token-instance", TOKEN, "request", "--help"]);
    cli.any_stdout().run();
}

#[test]
fn a_malformed_value_of_the_tokens_flag_is_not_printed() {
    let server = Server::unasked();
    for args in [
        vec!["--api-token-instance", MALFORMED],
        vec!["--api-token-instance=hunter2 is not a token!"],
        vec!["--id-instance", "hunter2"],
        vec!["--api-token-instanc=hunter2"],
        vec!["--api-token-instanc", "hunter2"],
        vec!["--api-token=hunter2"],
        vec!["--token=hunter2"],
    ] {
        let cli = Cli::on(&server).arg("request").args(args).arg(CHAT).secret("hunter2");
        cli.exits(2).any_stderr().run();
    }
}

#[test]
fn a_malformed_value_of_the_tokens_variable_is_not_printed() {
    let server = Server::unasked();
    for name in ["GREEN_API_TOKEN_INSTANCE", "API_TOKEN_INSTANCE"] {
        let cli = Cli::on(&server).without("GREEN_API_TOKEN_INSTANCE").env(name, MALFORMED).secret("hunter2");
        cli.args(["request", "-v", CHAT]).exits(78).stderr_has("not a token").run();
    }
}

#[test]
fn a_token_in_json_escapes_is_masked() {
    let spelt: String = TOKEN.bytes().map(|byte| format!("\\u{:04x}", byte)).collect();
    let body = format!(r#"{{"statusCode":400,"message":"no {spelt} here, \u00e9"}}"#);
    let server = Server::always(Answer::status(400).body(body));
    let output = Cli::request(&server, ["-v", CHAT]).exits(65).any_stdout().stderr_has("no *** here").run();
    assert!(!output.stderr.contains(&spelt[..24]), "{}", output.stderr);
}

#[test]
fn a_dry_run_shows_no_token_in_the_url_either() {
    let url = format!("http://127.0.0.1:9/{TOKEN}");
    let cli = Cli::at(&url).env("GREEN_API_TOKEN_INSTANCE", TOKEN).env("GREEN_API_ID_INSTANCE", "7");
    cli.args(["request", "--dry-run", CHAT]).stdout_has("http://127.0.0.1:9/***/").run();
}

#[test]
fn a_token_in_the_wrong_place_is_not_printed() {
    let server = Server::unasked();
    in_parallel(
        [
            vec!["request", TOKEN],
            vec!["request", "--json", TOKEN],
            vec!["request", "--json", &format!("{TOKEN}@c.us")],
            vec!["request", "--dry-run", TOKEN],
            vec!["request", "--timeout", TOKEN, CHAT],
            vec!["request", "--id-instance", TOKEN, CHAT],
            vec!["request", "--api-url", TOKEN, CHAT],
            vec!["request", "--retries", TOKEN, CHAT],
            vec!["request", "--color", TOKEN, CHAT],
            vec!["request", "--from", TOKEN],
            vec!["request", "--env-file", TOKEN, "--id-instance=", CHAT],
            vec!["request", "--api-token-file", TOKEN, CHAT],
            vec!["request", "--cacert", TOKEN, CHAT],
            vec!["request", &format!("--{TOKEN}"), CHAT],
            vec![TOKEN],
            vec!["completions", TOKEN],
        ],
        |args| {
            let cli = Cli::on(&server).args(&args);
            cli.any_status().any_stdout().any_stderr().run();
        },
    );
}

#[test]
fn a_token_in_a_list_is_not_printed() {
    let server = Server::with(|_| Answer::status(200)).times(1);
    let list = format!("{TOKEN}\n{}\nx{TOKEN}x\n", chat(1));
    let cli = Cli::request(&server, ["-"]).stdin(list.as_str()).exits(1).any_stdout().any_stderr();
    cli.run();
    let server = Server::with(|_| Answer::status(200)).times(1);
    let cli = Cli::request(&server, ["--json", "--journal", "j", "-"]).stdin(list).exits(1);
    let output = cli.any_stdout().any_stderr().run();
    assert!(!output.read("j").contains(TOKEN));
}

#[test]
fn a_token_given_as_a_flag_is_masked_too() {
    let server = Server::answering([Answer::status(404).body("no /flag-token-99/ here")]);
    let cli = Cli::on(&server).args(["--api-token-instance", "flag-token-99", "request", "-v", CHAT]);
    cli.secret("flag-token-99").exits(69).any_stdout().stderr_has("***").run();
}

/// The token as a server may write it: unchanged, in part, in capitals, in JSON escapes, and percent-encoded.
fn spellings() -> [String; 5] {
    let spelt = |form: fn(u8) -> String| TOKEN.bytes().map(form).collect();
    [
        TOKEN.to_owned(),
        TOKEN[3..28].to_owned(),
        TOKEN.to_uppercase(),
        spelt(|byte| format!("\\u{byte:04x}")),
        spelt(|byte| format!("%{byte:02x}")),
    ]
}

/// Answers every method with the token in all fields and some headers. `kind` chooses the kind of answer.
fn echo(seen: &Request, token: &str, kind: usize) -> Answer {
    let host = seen.header("host").expect("a host");
    let envelope = format!(r#"{{"statusCode":400,"timestamp":"{token}","path":"/{token}","message":"no {token}"}}"#);
    let url = format!(r#""urlAvatar":"http://{host}/{token}/p.jpg?x={token}&oe=615A60EB""#);
    let fields = format!(r#""base64Avatar":"{token}","{token}":"{token}","existsWhatsapp":true"#);
    let (status, body) = match (method(seen), kind % 4) {
        ("getAvatarAsync", 0) => (200, String::new()),
        ("getAvatarAsync", 1) => (200, format!(r#"{{"reason":"{token}","message":"{token}"}}"#)),
        ("getAvatar", 0 | 1) => (200, format!(r#"{{{url},{fields},"available":true,"reason":"{token}"}}"#)),
        ("getAvatar", 2) => (200, format!(r#"{{"urlAvatar":"",{fields},"reason":"{token}"}}"#)),
        ("getStateInstance", 0) => (200, format!(r#"{{"stateInstance":"{token}","wid":"{token}"}}"#)),
        ("getSettings", 0) => (
            200,
            format!(
                r#"{{"webhookUrl":"https://{token}@{token}.example/{token}","webhookUrlToken":"{token}","{token}Webhook":"yes","wid":"{token}"}}"#
            ),
        ),
        ("getAvatarAsync" | "getAvatar" | "getStateInstance" | "getSettings", 3) => {
            (502, format!("{{not JSON {token}"))
        }
        ("getAvatarAsync" | "getAvatar" | "getStateInstance" | "getSettings", _) => (400, envelope),
        _ => return Answer::status(200).header("X-Odd", token).body(JPEG),
    };
    let answer = Answer::status(status).body(body).header("Location", &format!("http://{host}/{token}"));
    answer.header("Retry-After", token).header("X-Odd", token)
}

/// Notifications, results and others, with the token in all fields.
fn notifications(token: &str) -> Vec<String> {
    let info = |chat: &str, rest: &str| {
        format!(
            r#"{{"typeWebhook":"{token}","timestamp":1586700802,"instanceData":{{"wid":"{token}"}},"avatarInfo":{{"chatId":"{chat}",{rest}}}}}"#
        )
    };
    vec![
        info(CHAT, &format!(r#""urlAvatar":"https://pps.whatsapp.net/{token}/p.jpg?x={token}","reason":"{token}""#)),
        info(&format!("{token}@c.us"), &format!(r#""urlAvatar":"","reason":"{token}""#)),
        info(&format!("{token}@lid"), r#""urlAvatar":"","reason":"get avatar timeout limit exceeded""#),
        format!(r#"{{"typeWebhook":"{token}","text":"{token}"}}"#),
        format!(r#"{{"typeWebhook":"{token}","avatarInfo":{{"chatId":true,"reason":"{token}"}}}}"#),
        format!(r#"{{"typeWebhook":"{token}","#),
    ]
}

/// Whether the text has eight characters of the token in a row, a letter among them.
fn has_part_of_token(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let mut parts = TOKEN.as_bytes().windows(8).map(|part| std::str::from_utf8(part).expect("ASCII"));
    parts.any(|part| part.contains(|c: char| c.is_ascii_alphabetic()) && text.contains(part))
}

/// Checks that no part of the token is in either stream or in a written file, except the spool.
#[track_caller]
fn assert_secret(output: &Output, what: &str) {
    for text in [&output.stdout, &output.stderr] {
        let decoded =
            serde_json::from_str(&format!("\"{}\"", text.replace(['"', '\n', '\t'], " "))).unwrap_or_default();
        for text in [text, &decoded, &percent_decoded(text)] {
            assert!(!has_part_of_token(text), "{what}: {text}");
        }
    }
    assert_files_secret(&output.path(".."), what);
}

#[track_caller]
fn assert_files_secret(folder: &Path, what: &str) {
    for entry in std::fs::read_dir(folder).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(!has_part_of_token(&name), "{what}: {name}");
        if path.is_dir() {
            assert_files_secret(&path, what);
        } else if name != "spool" {
            let text = String::from_utf8_lossy(&std::fs::read(&path).expect("a file")).into_owned();
            assert!(!has_part_of_token(&text) && !has_part_of_token(&percent_decoded(&text)), "{what}: {name}: {text}");
        }
    }
}

fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(u8::is_ascii_graphic) {
            Some(byte) => decoded.extend([char::from(byte).to_string().as_str(), &part[2..]]),
            None => decoded.extend(["%", part]),
        }
    }
    decoded
}

#[test]
fn a_server_that_echoes_the_token_everywhere_gets_it_printed_nowhere() {
    let commands: [&[&str]; 14] = [
        &["request", CHAT],
        &["request", CHAT, GROUP, "--journal", "j"],
        &["request", "--dry-run", CHAT],
        &["request", "--wait=200ms", "--spool", "spool", "--journal", "j", CHAT],
        &["request", "--wait=200ms", "--fallback", "--spool", "spool", CHAT],
        &["get", CHAT],
        &["get", CHAT, GROUP, "--journal", "j"],
        &["get", "-o", "-", CHAT, "--journal", "j"],
        &["get", "-o", "picture.jpg", CHAT, "--journal", "j"],
        &["get", "--dir", "avatars", CHAT, GROUP, "--journal", "j"],
        &["receive", "--spool", "spool"],
        &["receive"],
        &["doctor"],
        &["--sandbox", "get", CHAT],
    ];
    let options: [&[&str]; 5] = [&[], &["-v"], &["--json"], &["--json", "-v"], &["-q"]];
    let cases = commands.into_iter().flat_map(|command| (0..4).map(move |kind| (command, kind)));
    in_parallel(cases, |(command, kind)| {
        for (nth, token) in spellings().into_iter().enumerate() {
            let queue = Queue::of(notifications(&token).into_iter().skip(kind));
            let shown = token.clone();
            let server = queue.serve_with(move |seen, _| echo(seen, &shown, kind)).any_times();
            let options = options[(kind + nth) % options.len()];
            let cli = Cli::on(&server).args(options).args(command).args(["--retries", "0"]);
            let cli = if command[0] == "get" { cli.args(["--allow-host", "127.0.0.1"]) } else { cli };
            // The picture goes to a file: it is not text.
            let cli = if command.contains(&"-") {
                let picture = std::fs::File::create(cli.dir().join("picture")).expect("a file");
                cli.stdout_to(picture)
            } else {
                cli
            };
            let output = cli.any_status().any_stdout().any_stderr().run();
            assert_secret(&output, &format!("{options:?} {command:?}, kind {kind}, {token}"));
        }
    });
}

#[test]
fn a_notification_to_the_endpoint_does_not_get_the_token_printed() {
    in_parallel(spellings(), |token| {
        for options in [&["--json"][..], &[], &["--json", "-v"]] {
            let cli = Cli::at("http://127.0.0.1:9").args(options).args(["listen", "--bind", "127.0.0.1:0"]);
            let cli = cli.args(["--spool", "spool", "--webhook-token-file", "hook"]).file("hook", "hook-secret-77");
            let running = cli.secret("hook-secret-77").until_stopped().any_stdout().any_stderr().start();
            let address = crate::listen::address_of(&running);
            for body in notifications(&token) {
                let authorization = "Authorization: Bearer hook-secret-77\r\n";
                ask(
                    address,
                    &request(
                        "POST",
                        "/",
                        authorization,
                        &body.replace("\"reason\"", "\"reason\":\"hook-secret-77\",\"reason\""),
                    ),
                );
                ask(address, &request("POST", &format!("/{TOKEN}"), &format!("Authorization: {TOKEN}\r\n"), &body));
            }
            assert_secret(&running.stop(), &token);
        }
    });
}

#[test]
fn an_answer_that_ends_within_the_token_does_not_get_a_part_printed() {
    in_parallel([8, 9, 20, 49], |length| {
        for body in [
            format!("{}{}", "x".repeat(300 - length), TOKEN),
            format!("no {}", &TOKEN[..length]),
            format!("<title>{}", &TOKEN[..length]),
            format!(r#"{{"message":"{}"#, &TOKEN[10..(10 + length).min(50)]),
        ] {
            for options in [&["--json"][..], &["-v"]] {
                let server = Server::answering([Answer::status(418).body(body.as_str())]);
                let output = Cli::request(&server, options).arg(GROUP).exits(76).any_stdout().any_stderr().run();
                assert_secret(&output, &body);
                let shown = output.stdout + &output.stderr;
                assert!(!shown.contains(&TOKEN[..8]), "{shown}");
            }
        }
    });
}
