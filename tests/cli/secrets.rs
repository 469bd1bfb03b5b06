//! The token is in no output, whatever happens. The harness looks for it in both outputs of every run; the runs
//! here are those where it is closest at hand.

use crate::support::{Answer, CHAT, Cli, INSTANCE, Server, TOKEN, at_once, chat, sample};

/// A secret of the wrong shape, so that it is not known as a token.
const MALFORMED: &str = "hunter2 is not a token!";

#[test]
fn a_server_that_echoes_the_token_does_not_get_it_printed() {
    let path = format!("/waInstance{INSTANCE}/getAvatarAsync/{TOKEN}");
    at_once(
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
                cli.ends_somehow().any_stdout().any_stderr().run();
            }
        },
    );
}

#[test]
fn what_is_sent_and_answered_is_shown_with_a_mask() {
    let server = Server::answering([Answer::status(200)]);
    let cli = Cli::request(&server, ["-v", CHAT]).stdout(format!("{CHAT}\taccepted\n"));
    let said = cli.stderr_has("POST").stderr_has("***").stderr_has("getAvatarAsync").stderr_has("200").run();
    assert!(said.stderr.contains(CHAT), "{}", said.stderr);
}

#[test]
fn errors_on_the_way_do_not_tell_the_url() {
    let down = Server::unasked().address();
    at_once(
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
                cli.ends_somehow().any_stdout().any_stderr().run();
            }
        },
    );
}

#[test]
fn what_is_not_http_does_not_get_the_token_printed() {
    for bytes in [format!("{TOKEN}\r\n\r\n"), format!("HTTP/1.1 200 {TOKEN}\r\n{TOKEN}\r\n\r\n")] {
        for args in [&["--json"][..], &["-v"]] {
            let server = Server::answering([Answer::raw(bytes.as_str())]);
            let cli = Cli::request(&server, args).args(["--retries", "0", CHAT]);
            cli.ends_somehow().any_stdout().any_stderr().run();
        }
    }
}

#[test]
fn help_does_not_show_what_is_set() {
    let cli = Cli::at("https://api.green-api.com");
    for args in [&["--help"][..], &["request", "--help"], &["request", "-h"], &["help", "request"], &["--version"]] {
        cli.again().args(args).any_stdout().run();
    }
    let cli = Cli::new().args(["--api-token-instance", TOKEN, "request", "--help"]);
    cli.any_stdout().run();
}

#[test]
fn a_bad_value_of_the_tokens_own_flag_is_not_told() {
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
fn a_bad_value_of_the_tokens_variable_is_not_told() {
    let server = Server::unasked();
    for name in ["GREEN_API_TOKEN_INSTANCE", "API_TOKEN_INSTANCE"] {
        let cli = Cli::on(&server).without("GREEN_API_TOKEN_INSTANCE").env(name, MALFORMED).secret("hunter2");
        cli.args(["request", "-v", CHAT]).exits(78).stderr_has("not a token").run();
    }
}

#[test]
fn a_token_that_json_spells_in_escapes_is_not_told_either() {
    let spelt: String = TOKEN.bytes().map(|byte| format!("\\u{:04x}", byte)).collect();
    let body = format!(r#"{{"statusCode":400,"message":"no {spelt} here, \u00e9"}}"#);
    let server = Server::always(Answer::status(400).body(body));
    let said = Cli::request(&server, ["-v", CHAT]).exits(65).any_stdout().stderr_has("no *** here").run();
    assert!(!said.stderr.contains(&spelt[..24]), "{}", said.stderr);
}

#[test]
fn a_dry_run_shows_no_token_in_the_url_either() {
    let url = format!("http://127.0.0.1:9/{TOKEN}");
    let cli = Cli::at(&url).env("GREEN_API_TOKEN_INSTANCE", TOKEN).env("GREEN_API_ID_INSTANCE", "7");
    cli.args(["request", "--dry-run", CHAT]).stdout_has("http://127.0.0.1:9/***/").run();
}

#[test]
fn the_token_in_the_wrong_place_is_not_told() {
    let server = Server::unasked();
    at_once(
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
            cli.ends_somehow().any_stdout().any_stderr().run();
        },
    );
}

#[test]
fn the_token_in_a_list_is_not_told() {
    let server = Server::with(|_| Answer::status(200)).times(1);
    let list = format!("{TOKEN}\n{}\nx{TOKEN}x\n", chat(1));
    let cli = Cli::request(&server, ["-"]).stdin(list.as_str()).exits(1).any_stdout().any_stderr();
    cli.run();
    let server = Server::with(|_| Answer::status(200)).times(1);
    let cli = Cli::request(&server, ["--json", "--journal", "j", "-"]).stdin(list).exits(1);
    let said = cli.any_stdout().any_stderr().run();
    assert!(!said.read("j").contains(TOKEN));
}

#[test]
fn a_dry_run_names_the_variable_and_not_the_token() {
    let server = Server::unasked();
    Cli::request(&server, ["--dry-run", CHAT]).stdout_has("$GREEN_API_TOKEN_INSTANCE").run();
}

#[test]
fn a_token_given_as_a_flag_is_masked_too() {
    let server = Server::answering([Answer::status(404).body("no /flag-token-99/ here")]);
    let cli = Cli::on(&server).args(["--api-token-instance", "flag-token-99", "request", "-v", CHAT]);
    cli.secret("flag-token-99").exits(69).any_stdout().stderr_has("***").run();
}
