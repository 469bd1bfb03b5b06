//! Each check by itself, and all of them against a scripted GREEN-API.

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::Value;

use super::*;
use crate::greenapi::client::Instance;
use crate::http::Agent;
use crate::token::{Masked, Token};

const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef01";

fn settings(webhook: Option<&str>, on: &[&str]) -> InstanceSettings {
    InstanceSettings {
        webhook: webhook.map(str::to_owned),
        notifications: on.iter().map(|name| name.to_string()).collect(),
    }
}

#[test]
fn each_state_is_fine_or_has_a_way_on() {
    for (state, status, exit) in [
        (State::Authorized, Status::Ok, None),
        (State::YellowCard, Status::Warning, None),
        (State::Unknown, Status::Warning, None),
        (State::Other("new".into()), Status::Warning, None),
        (State::NotAuthorized, Status::Failed, Some(77)),
        (State::Blocked, Status::Failed, Some(77)),
        (State::Suspended, Status::Failed, Some(77)),
        (State::Starting, Status::Failed, Some(75)),
        (State::SleepMode, Status::Failed, Some(75)),
    ] {
        let finding = of_state(state.clone());
        assert_eq!(finding.status, status, "{state:?}");
        assert_eq!(finding.failure.as_ref().map(|failure| failure.kind.exit()), exit, "{state:?}");
        assert_eq!(finding.hint.is_none(), status == Status::Ok, "{state:?}");
    }
}

#[test]
fn a_webhook_is_a_warning_and_no_failure() {
    let finding = of_notifications(settings(Some("https://h.example"), &["incomingWebhook"]));
    assert_eq!((finding.status, finding.failure.is_none()), (Status::Warning, true));
    assert!(finding.found.contains("https://h.example") && finding.found.contains("incomingWebhook"));
    assert_eq!(of_notifications(settings(None, &[])).status, Status::Ok);
}

#[test]
fn settings_are_told_with_their_sources() {
    let shown = [Setting { name: "idInstance", value: "1101".into(), source: "default".into() }];
    let finding = of_settings(&shown);
    assert_eq!(finding.found, "idInstance 1101 (default)");
    let json: Value = serde_json::from_str(&finding.json()).expect("an object");
    assert_eq!(json["settings"][0]["source"], "default");
}

/// The statuses of all checks in order, their lines, and the exit status; `answers` go out one a connection.
fn examined(answers: &'static [&'static str]) -> (Vec<String>, String, u8) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let api_url = format!("http://{}", listener.local_addr().expect("an address"));
    let server = std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = Vec::new();
            let mut piece = [0; 1024];
            while !request.ends_with(b"\r\n\r\n") {
                let got = stream.read(&mut piece).expect("a request");
                request.extend_from_slice(&piece[..got]);
            }
            let (head, body) = answer.split_once('|').expect("a head and a body");
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        }
    });
    let instance = Instance { api_url, id: "1101".into(), token: Token::parse(TOKEN).expect("a token") };
    let report = Report::default();
    let http = Options { timeout: Duration::from_secs(5), ..Options::default() };
    let client = Client::new(&instance, Agent::new(&http), http.timeout, &report);
    let mut lines = String::new();
    let mut sink = |line: &Masked| {
        lines.push_str(line.as_str());
        Ok(())
    };
    let mut sheet = Sheet { form: Form::Json, sink: &mut sink, exit: 0 };
    let shown = vec![Setting { name: "idInstance", value: "1101".into(), source: "default".into() }];
    examine(Settings::Complete { shown, client: &client, http: &http }, &mut sheet).expect("written");
    let exit = sheet.exit;
    server.join().expect("every answer was asked for");
    let status = |line: &str| {
        let json: Value = serde_json::from_str(line).expect("an object");
        json["status"].as_str().expect("a status").to_owned()
    };
    (lines.lines().map(status).collect(), lines, exit)
}

const SETTINGS: &str =
    r#"200 OK|{"webhookUrl":"https://h.example/hush","webhookUrlToken":"hush","incomingWebhook":"yes"}"#;

#[test]
fn all_is_well_but_for_a_webhook() {
    let (statuses, lines, exit) = examined(&[r#"200 OK|{"stateInstance":"authorized"}"#, SETTINGS]);
    assert_eq!(statuses, ["ok", "ok", "ok", "ok", "warning"]);
    assert_eq!(exit, 0);
    assert!(!lines.contains("hush") && lines.contains("https://h.example"), "{lines}");
}

#[test]
fn a_call_that_came_too_fast_is_repeated_when_it_may_be() {
    const TOO_FAST: &str = "429 Too Many Requests\r\nRetry-After: 0|";
    let (statuses, _, exit) = examined(&[TOO_FAST, "200 OK|null", TOO_FAST, TOO_FAST, SETTINGS]);
    assert_eq!(statuses, ["ok", "ok", "ok", "warning", "warning"]);
    assert_eq!(exit, 0);
}

#[test]
fn an_instance_without_a_phone_fails_and_its_settings_are_looked_at_all_the_same() {
    let (statuses, _, exit) = examined(&[r#"200 OK|{"stateInstance":"notAuthorized"}"#, SETTINGS]);
    assert_eq!(statuses, ["ok", "ok", "ok", "failed", "warning"]);
    assert_eq!(exit, 77);
}

#[test]
fn wrong_credentials_fail_once() {
    let (statuses, lines, exit) = examined(&["401 Unauthorized|"]);
    assert_eq!(statuses, ["ok", "ok", "ok", "failed", "skipped"]);
    assert_eq!(exit, 77);
    assert!(lines.contains(r#""code":"unauthorized""#), "{lines}");
}

#[test]
fn a_connection_that_breaks_off_leaves_nothing_to_check() {
    let (statuses, _, exit) = examined(&[]);
    assert_eq!(statuses, ["ok", "ok", "failed", "skipped", "skipped"]);
    assert_eq!(exit, 69);
}

#[test]
fn the_first_failure_gives_the_exit_status() {
    let (_, _, exit) = examined(&[r#"200 OK|{"stateInstance":"starting"}"#, "403 Forbidden|"]);
    assert_eq!(exit, 75);
}

#[test]
fn broken_settings_are_the_only_check() {
    let mut lines = Vec::new();
    let mut sink = |line: &Masked| {
        lines.push(line.as_str().to_owned());
        Ok(())
    };
    let mut sheet = Sheet { form: Form::Failures, sink: &mut sink, exit: 0 };
    let failure = Failure::new(Kind::MissingCredentials, "no token is given");
    examine(Settings::Broken(failure), &mut sheet).expect("written");
    assert_eq!(sheet.exit, 78);
    assert_eq!(lines, ["FAIL  settings       no token is given\n"]);
}
