//! The sandbox: with `--sandbox`, around a command, and as a server.

use std::time::Duration;

use crate::support::cli::{SANDBOX_TOKEN, program, start_sandbox};
use crate::support::client::{Client, request};
use crate::support::system::exiting;
use crate::support::{CHAT, Cli, GROUP, INSTANCE, Proxy, TOKEN, in_parallel, json};

/// The chat id whose last digits choose what the sandbox does.
fn number(row: &str) -> String {
    format!("11001234{row}@c.us")
}

#[test]
fn it_needs_no_account() {
    for id in [CHAT, GROUP] {
        let cli = Cli::new().args(["--sandbox", "request", id]).stdout(format!("{id}\taccepted\n"));
        let output = cli.stderr_has("sandbox").run();
        assert_eq!(output.stderr.lines().count(), 1, "one line says so: {}", output.stderr);
    }
    Cli::new().args(["request", "--sandbox", "-q", CHAT]).run();
}

#[test]
fn each_number_has_its_code_and_exit_status() {
    in_parallel(
        [
            ("400", "bad-request-data", 65),
            ("401", "unauthorized", 77),
            ("403", "forbidden", 77),
            ("404", "not-found", 69),
            ("466", "quota-exceeded", 69),
            ("429", "too-many-requests", 75),
            ("503", "server-error", 69),
            ("499", "client-closed-request", 75),
            ("500", "server-error", 69),
            ("502", "server-error", 69),
            ("908", "unreachable", 69),
        ],
        |(row, code, exit)| {
            let args = ["--sandbox", "request", "--json", "--retries", "0", &number(row)];
            let output = Cli::new().args(args).exits(exit).any_stdout().any_stderr().run();
            assert_eq!(json(&output.stdout)["error"]["code"], code, "{row}");
        },
    );
}

#[test]
fn success_is_accepted_at_the_first_attempt() {
    in_parallel(["901", "902", "903", "904", "905", "906", "913", "920", "567"], |row| {
        let args = ["--sandbox", "request", "--json", &number(row)];
        let output = Cli::new().args(args).any_stdout().any_stderr().run();
        let line = json(&output.stdout);
        assert_eq!((&line["status"], &line["attempts"]), (&"accepted".into(), &1.into()), "{row}");
    });
}

#[test]
fn a_429_is_retried_until_it_succeeds() {
    let output = Cli::new().args(["--sandbox", "request", "--json", &number("429")]).any_stdout().any_stderr().run();
    let line = json(&output.stdout);
    assert_eq!((&line["status"], &line["attempts"]), (&"accepted".into(), &3.into()));
    assert!(output.took > Duration::from_secs(2), "Retry-After is a second: {:?}", output.took);
}

#[test]
fn a_late_answer_is_a_timeout_with_a_short_limit() {
    let args = ["--sandbox", "request", "--json", "--retries", "0", "--timeout", "300ms", &number("907")];
    let output = Cli::new().args(args).exits(75).any_stdout().any_stderr().run();
    assert_eq!(json(&output.stdout)["error"]["code"], "timeout");
}

#[test]
fn the_sandbox_option_reads_no_real_settings() {
    let proxy = Proxy::refusing();
    let cli = Cli::new()
        .env("GREEN_API_URL", "nonsense")
        .env("GREEN_API_ID_INSTANCE", "nonsense")
        .env("GREEN_API_TOKEN_INSTANCE", "hunter2 is not a token")
        .env("GREEN_API_TOKEN_FILE", "/no/such/file")
        .env("http_proxy", format!("http://{}", proxy.address()))
        .env("ALL_PROXY", "nonsense://")
        .file(".env", "this is not a setting\n")
        .secret("hunter2");
    let output = cli.args(["--sandbox", "request", CHAT]).stdout(format!("{CHAT}\taccepted\n")).any_stderr().run();
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
    assert!(proxy.targets().is_empty());
}

#[test]
fn a_list_is_served() {
    let list = format!("{CHAT}\n{GROUP}\n{}\n", number("400"));
    let cli = Cli::new().args(["--sandbox", "request", "--rate", "0", "-"]).stdin(list);
    cli.exits(1).stdout_has("bad-request-data").stderr_has("2 accepted").run();
}

/// The program, run as the command of `sandbox`.
fn in_sandbox<const N: usize>(cli: Cli, options: &[&str], args: [&str; N]) -> Cli {
    cli.arg("sandbox").args(options).arg("--").arg(program()).args(args).any_stderr()
}

#[test]
fn greenavatar_works_as_its_command() {
    in_sandbox(Cli::new(), &[], ["request", CHAT]).stdout(format!("{CHAT}\taccepted\n")).run();
    in_sandbox(Cli::new(), &[], ["request", &number("466")]).exits(69).stdout_has("quota-exceeded").run();
    // The settings of a real instance in the environment are replaced.
    let cli = Cli::at("https://api.green-api.com");
    in_sandbox(cli, &[], ["request", CHAT]).stdout(format!("{CHAT}\taccepted\n")).run();
}

#[test]
fn it_ends_with_the_status_of_its_command() {
    for status in [0, 1, 7, 65, 127] {
        Cli::new().args(["sandbox", "--"]).args(exiting(status)).exits(status).any_stderr().run();
    }
    Cli::new().args(["sandbox", "--", "/no/such/command"]).any_status().stderr_has("/no/such/command").run();
}

#[test]
fn it_takes_the_credentials_that_it_is_given() {
    let options = ["--id-instance", "4711", "--api-token-instance", "my-own-token"];
    let cli = in_sandbox(Cli::new(), &options, ["request", "-v", CHAT]).secret("my-own-token");
    cli.stdout(format!("{CHAT}\taccepted\n")).stderr_has("/waInstance4711/getAvatarAsync/***").run();
}

#[test]
fn credentials_that_no_command_would_take_are_a_usage_error() {
    let (digits, letters) = ("1".repeat(21), "a".repeat(129));
    for wrong in [
        ["--id-instance", digits.as_str()],
        ["--id-instance", "4711x"],
        ["--api-token-instance", "short"],
        ["--api-token-instance", letters.as_str()],
        ["--api-token-instance", "not a token"],
    ] {
        let cli = Cli::new().arg("sandbox").args(wrong).args(["--", "true"]);
        cli.exits(2).stderr_has("greenavatar: error: the sandbox's ").run();
    }
}

#[test]
fn with_literal_docs_success_is_an_empty_400_and_accepted() {
    let output = in_sandbox(Cli::new(), &["--literal-docs"], ["request", "--json", CHAT]).any_stdout().run();
    let line = json(&output.stdout);
    assert_eq!((&line["status"], &line["httpStatus"]), (&"accepted".into(), &400.into()));
}

#[test]
fn its_token_is_masked() {
    let cli = Cli::new().args(["--sandbox", "request", "-v", "--retries", "0", &number("404")]);
    let output = cli.exits(69).any_stdout().stderr_has("/***").run();
    assert!(!output.stderr.contains(TOKEN));
}

#[test]
fn one_number_has_another_picture_each_time() {
    let pictures = [(); 2].map(|()| {
        let cli = Cli::new().args(["--sandbox", "get", "-o", "picture.jpg", &number("920")]).any_stdout().any_stderr();
        std::fs::read(cli.run().path("picture.jpg")).expect("a picture")
    });
    assert_ne!(pictures[0], pictures[1]);
}

#[test]
fn contacts_may_be_late() {
    let (running, address) = start_sandbox(&["--contacts-late"]);
    let mut client = Client::connect(address);
    let mut get = |method: &str| {
        client.send(request("GET", &format!("/waInstance{INSTANCE}/{method}/{SANDBOX_TOKEN}"), "", ""));
        let (status, body) = client.answer().expect("an answer");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<serde_json::Value>(&body).expect("JSON")
    };
    assert_eq!(get("getContacts"), serde_json::json!([]));
    assert_eq!(get("getChats"), serde_json::json!([]));
    assert_eq!(get("getWaSettings")["historySyncProgress"], 40);
    running.stop();
}

#[test]
fn a_webhook_token_that_does_not_fit_a_header_is_refused() {
    let cli =
        Cli::new().args(["sandbox", "--webhook-url", "http://127.0.0.1:1", "--webhook-token", "a\nb", "--", "true"]);
    cli.exits(2).stderr_has("must fit a header").run();
}
