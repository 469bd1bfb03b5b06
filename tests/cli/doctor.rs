//! `doctor`: each check with its status and hint, and no secrets.

use std::net::TcpListener;

use crate::support::pictures::ok;
use crate::support::queue::{calls, method};
use crate::support::tls::Authority;
use crate::support::{Answer, Cli, INSTANCE, Proxy, Server, TOKEN, in_parallel, json, jsons};

const AUTHORIZED: &str = r#"{"stateInstance":"authorized"}"#;
const SETTINGS: &str = r#"{"wid":"11001234567@c.us","webhookUrl":"","webhookUrlToken":"","incomingWebhook":"yes","deviceWebhook":"no","outgoingWebhook":true}"#;

/// An instance with these answers to getStateInstance and getSettings.
fn instance(state: Answer, settings: Answer) -> Server {
    Server::with(move |seen| match (seen.method.as_str(), method(seen)) {
        ("GET", "getStateInstance") => state.clone(),
        ("GET", "getSettings") => settings.clone(),
        _ => panic!("doctor must only read: {} {}", seen.method, seen.path),
    })
}

/// The check and the status of each line.
fn marks(stdout: &str) -> Vec<(String, String)> {
    let word = |value: &serde_json::Value| value.as_str().expect("a word").to_owned();
    jsons(stdout).iter().map(|line| (word(&line["check"]), word(&line["status"]))).collect()
}

const CHECKS: [&str; 5] = ["settings", "name", "connection", "state", "notifications"];

#[test]
fn all_is_well() {
    let server = instance(ok(AUTHORIZED), ok(SETTINGS));
    let output = Cli::on(&server).arg("doctor").any_stdout().run();
    let lines: Vec<_> = output.stdout.lines().filter(|line| !line.trim_start().starts_with("hint: ")).collect();
    assert_eq!(lines.len(), 5, "{}", output.stdout);
    for (line, check) in lines.iter().zip(CHECKS) {
        assert!(line.starts_with("ok ") && line.contains(check), "{line}");
    }
    for part in [&server.url(), INSTANCE, "***", "GREEN_API_TOKEN_INSTANCE", "authorized", "incomingWebhook"] {
        assert!(output.stdout.contains(part), "{part} is in {}", output.stdout);
    }
    assert!(!output.stdout.contains("deviceWebhook"), "{}", output.stdout);
    assert_eq!(calls(&server, ["getStateInstance", "getSettings"]), [1, 1], "each may be called once a second");
    assert!(server.requests().iter().all(|seen| seen.path.ends_with(&format!("/{TOKEN}"))));
}

#[test]
fn each_check_is_a_line_of_json() {
    let server = instance(ok(AUTHORIZED), ok(SETTINGS));
    let cli = Cli::on(&server).without("GREEN_API_TOKEN_INSTANCE").without("GREEN_API_ID_INSTANCE");
    let cli = cli.file(".env", format!("ID_INSTANCE={INSTANCE}\nGREEN_API_URL=unused\n"));
    let output = cli.file("token", TOKEN).args(["doctor", "--json", "--api-token-file", "token"]).any_stdout().run();
    let expected: Vec<_> = CHECKS.iter().map(|check| ((*check).to_owned(), "ok".to_owned())).collect();
    assert_eq!(marks(&output.stdout), expected);
    let settings = &jsons(&output.stdout)[0]["settings"];
    let of = |n: usize, key: &str| settings[n][key].as_str().expect("a text").to_owned();
    assert_eq!((of(0, "name"), of(0, "value")), ("apiUrl".to_owned(), server.url()));
    assert!(of(0, "source").contains("GREEN_API_URL"), "{settings}");
    assert!(of(1, "value") == INSTANCE && of(1, "source").contains(".env"), "{settings}");
    assert!(of(2, "value") == "***" && of(2, "source").contains("--api-token-file"), "{settings}");
}

#[test]
fn every_state_has_its_status_and_exit_code() {
    let rows = [
        (r#"{"stateInstance":"notAuthorized"}"#, "failed", Some("instance-not-authorized"), 77),
        (r#"{"stateInstance":"blocked"}"#, "failed", Some("instance-not-authorized"), 77),
        (r#"{"stateInstance":"suspended"}"#, "failed", Some("instance-not-authorized"), 77),
        (r#"{"stateInstance":"sleepMode"}"#, "failed", Some("instance-starting"), 75),
        (r#"{"stateInstance":"starting"}"#, "failed", Some("instance-starting"), 75),
        (r#"{"stateInstance":"yellowCard"}"#, "warning", None, 0),
        (r#"{"stateInstance":"new\u001b[2J"}"#, "warning", None, 0),
        ("null", "warning", None, 0),
        ("", "warning", None, 0),
        (r#"{"stateInstance":null}"#, "warning", None, 0),
    ];
    in_parallel(rows, |(body, status, code, exit)| {
        let server = instance(ok(body), ok(SETTINGS));
        let output = Cli::on(&server).args(["doctor", "--json"]).exits(exit).any_stdout().run();
        let line = &jsons(&output.stdout)[3];
        assert_eq!((&line["check"], &line["status"]), (&"state".into(), &status.into()), "{body}");
        assert_eq!(line["error"]["code"].as_str(), code, "{body}");
        assert!(line["hint"].is_string(), "the way on: {line}");
        assert_eq!(marks(&output.stdout)[4].1, "ok", "the next check is made nevertheless: {body}");
        let text = Cli::on(&server).arg("doctor").exits(exit).any_stdout().run().stdout;
        assert!(text.contains(if exit == 0 { "warn  state" } else { "FAIL  state" }), "{text}");
    });
}

#[test]
fn the_first_check_that_fails_gives_the_exit_status() {
    let rows = [
        (Answer::status(401), ok(SETTINGS), "unauthorized", 77, "skipped"),
        (ok(r#"{"code":401,"description":"Unauthorized"}"#), ok(SETTINGS), "unauthorized", 77, "skipped"),
        (
            Answer::status(403).body("<html><title>403 Forbidden</title></html>"),
            ok(SETTINGS),
            "forbidden",
            77,
            "skipped",
        ),
        (Answer::status(404), ok(SETTINGS), "not-found", 69, "skipped"),
        (ok(r#"{"stateInstance":"notAuthorized"}"#), Answer::status(500), "instance-not-authorized", 77, "failed"),
        (ok("<html><title>Log in</title></html>"), ok(SETTINGS), "unexpected-response", 76, "ok"),
    ];
    for (state, settings, code, exit, rest) in rows {
        let server = instance(state, settings);
        let output = Cli::on(&server).args(["doctor", "--json"]).exits(exit).any_stdout().run();
        let lines = jsons(&output.stdout);
        assert_eq!(lines[3]["error"]["code"], code);
        assert_eq!(
            marks(&output.stdout)[..3],
            CHECKS[..3].iter().map(|c| ((*c).into(), "ok".into())).collect::<Vec<_>>()
        );
        assert_eq!(lines[4]["status"], rest, "{code}");
    }
    for (settings, code, exit) in [
        (Answer::status(500), "server-error", 69),
        (ok("null"), "unexpected-response", 76),
        (Answer::status(466), "quota-exceeded", 69),
    ] {
        let server = instance(ok(AUTHORIZED), settings);
        let output = Cli::on(&server).args(["doctor", "--json"]).exits(exit).any_stdout().run();
        assert_eq!(jsons(&output.stdout)[4]["error"]["code"], code);
    }
}

#[test]
fn settings_that_cannot_be_used_are_the_first_check() {
    let rows = [
        (Cli::new(), "missing-credentials"),
        (Cli::at("ftp://a.example"), "bad-settings"),
        (Cli::at("http://api.green-api.com"), "bad-settings"),
        (Cli::at("https://a.example").env("GREEN_API_ID_INSTANCE", "x"), "bad-settings"),
        (Cli::at("https://a.example").env("GREEN_API_TOKEN_INSTANCE", "hush hush"), "bad-settings"),
    ];
    for (cli, code) in rows {
        let output = cli.secret("hush hush").args(["doctor", "--json"]).exits(78).any_stdout().run();
        let marks = marks(&output.stdout);
        assert_eq!((marks[0].1.as_str(), marks.len()), ("failed", 5));
        assert!(marks[1..].iter().all(|(_, status)| status == "skipped"), "{marks:?}");
        assert_eq!(jsons(&output.stdout)[0]["error"]["code"], code);
    }
    let output = Cli::new().arg("doctor").exits(78).any_stdout().run();
    assert!(output.stdout.starts_with("FAIL  settings") && output.stdout.contains("hint: "), "{}", output.stdout);
}

#[test]
fn a_service_that_does_not_answer_fails_the_connection() {
    // A port that was free a moment ago, so nothing listens there.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let output = Cli::at(&format!("http://{address}")).args(["doctor", "--json"]).exits(69).any_stdout().run();
    let lines = jsons(&output.stdout);
    assert_eq!((&lines[2]["status"], &lines[2]["error"]["code"]), (&"failed".into(), &"unreachable".into()));
    assert!(lines[3]["status"] == "skipped" && lines[4]["status"] == "skipped");
    let server = Server::always(Answer::raw("").then_silence());
    let output = Cli::on(&server).args(["doctor", "--json", "--timeout", "200ms"]).exits(75).any_stdout().run();
    assert_eq!(jsons(&output.stdout)[2]["error"]["code"], "timeout");
}

#[test]
fn with_a_proxy_the_name_is_not_checked_and_an_untrusted_certificate_fails_the_connection() {
    const HOST: &str = "api.green-api.com";
    let authority = Authority::new();
    let server = Server::tls(authority.server(HOST), ok(AUTHORIZED)).times(2);
    let proxy = Proxy::http(server.address());
    let cli = || {
        let cli = Cli::at(&format!("https://{HOST}")).env("https_proxy", format!("http://{}", proxy.address()));
        cli.file("ca.pem", authority.pem()).args(["doctor", "--json"]).any_stdout()
    };
    let trusted = cli().args(["--cacert", "ca.pem"]).run();
    let lines = jsons(&trusted.stdout);
    assert!(lines[1]["status"] == "skipped" && lines[2]["status"] == "ok", "{}", trusted.stdout);
    assert!(lines[2]["found"].as_str().expect("a text").contains("certificate"), "{}", lines[2]);
    let lines = jsons(&cli().exits(69).run().stdout);
    assert_eq!((&lines[2]["status"], &lines[2]["error"]["code"]), (&"failed".into(), &"unreachable".into()));
    assert!(lines[2]["hint"].as_str().expect("a hint").contains("--cacert"), "{}", lines[2]);
    assert_eq!(proxy.targets(), [format!("{HOST}:443"), format!("{HOST}:443")]);
}

#[test]
fn a_webhook_is_a_warning_and_its_secrets_are_not_shown() {
    let settings = r#"{"webhookUrl":"https://user:hush-hush@hooks.example:8443/hush-hush?key=hush-hush","webhookUrlToken":"hush-hush","incomingWebhook":"yes"}"#;
    let server = instance(ok(AUTHORIZED), ok(settings));
    for flags in [&["--json"][..], &[], &["-v"], &["-v", "--json"]] {
        let output = Cli::on(&server).arg("doctor").args(flags).secret("hush-hush").any_stdout().any_stderr().run();
        assert!(output.stdout.contains("https://hooks.example:8443"), "{}", output.stdout);
        if flags == ["--json"] {
            let line = &jsons(&output.stdout)[4];
            assert_eq!(line["status"], "warning");
            assert!(line["hint"].as_str().expect("a hint").contains("listen"), "{line}");
        }
    }
}

#[test]
fn quiet_prints_only_what_failed() {
    let server = instance(ok(AUTHORIZED), ok(SETTINGS));
    Cli::on(&server).args(["doctor", "-q"]).run();
    let server = instance(Answer::status(401), ok(SETTINGS));
    let output = Cli::on(&server).args(["doctor", "-q"]).exits(77).any_stdout().run();
    assert!(output.stdout.starts_with("FAIL  state"), "{}", output.stdout);
    assert_eq!(output.stdout.matches("FAIL").count() + output.stdout.matches("skip").count(), 1, "{}", output.stdout);
}

#[test]
fn a_call_that_is_rate_limited_is_repeated() {
    let mut requests = 0;
    let server = Server::with(move |seen| {
        requests += 1;
        match (requests, method(seen)) {
            (1, _) => Answer::status(429).header("Retry-After", "0"),
            (_, "getStateInstance") => ok(AUTHORIZED),
            _ => ok(SETTINGS),
        }
    });
    Cli::on(&server).args(["doctor", "-q"]).run();
    assert_eq!(calls(&server, ["getStateInstance", "getSettings"]), [2, 1]);
}

#[test]
fn the_sandbox_passes_every_check() {
    let output = Cli::new().args(["--sandbox", "doctor", "--json"]).any_stdout().any_stderr().run();
    assert!(marks(&output.stdout).iter().all(|(_, status)| status == "ok"), "{}", output.stdout);
    let line = jsons(&output.stdout).remove(0);
    assert_eq!(json(&line.to_string())["check"], "settings");
}
