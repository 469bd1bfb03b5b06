//! What only a Unix shell does: it runs printed commands and lines, and opens or closes standard streams.

use crate::support::{Answer, CHAT, Cli, GROUP, INSTANCE, Request, Server, TOKEN};

/// The method, path, content type and body of each request.
fn requests(server: &Server) -> Vec<(String, String, Option<String>, String)> {
    let of = |name: &str, request: &Request| request.header(name).map(str::to_owned);
    server
        .requests()
        .iter()
        .map(|request| {
            (request.method.clone(), request.path.clone(), of("content-type", request), request.body.clone())
        })
        .collect()
}

#[test]
fn the_printed_command_sends_the_same_request() {
    for id in [CHAT, GROUP, "11001234567-1586700802@g.us"] {
        let server = Server::with(|_| Answer::status(200)).times(2);
        let printed = Cli::request(&server, ["--dry-run", id]).any_stdout().run().stdout;
        assert_eq!(server.requests().len(), 0, "a dry run sends nothing");
        assert_eq!(printed.lines().count(), 1, "{printed}");
        assert!(
            printed.starts_with("curl ") && printed.contains("\"$GREEN_API_TOKEN_INSTANCE\"")
                || printed.contains("$GREEN_API_TOKEN_INSTANCE\""),
            "{printed}"
        );
        let script = format!("{}\n", printed.trim_end());
        Cli::new().env("GREEN_API_TOKEN_INSTANCE", TOKEN).shell(&script).any_stdout().run();
        Cli::request(&server, [id]).stdout(format!("{id}\taccepted\n")).run();
        let requests = requests(&server);
        assert_eq!(requests[0], requests[1]);
        assert_eq!(requests[0].1, format!("/waInstance{INSTANCE}/getAvatarAsync/{TOKEN}"));
    }
}

#[test]
fn each_chat_has_its_command() {
    let server = Server::with(|_| Answer::status(200)).times(2);
    let printed = Cli::request(&server, ["--dry-run", CHAT, GROUP]).any_stdout().any_stderr().run().stdout;
    Cli::new().env("GREEN_API_TOKEN_INSTANCE", TOKEN).shell(&printed).any_stdout().run();
    assert_eq!(server.chats(), [CHAT, GROUP]);
}

#[test]
fn a_command_finds_it_in_its_environment() {
    let cli = Cli::new().args(["sandbox", "--", "/bin/sh", "-c", r#"echo "$GREEN_API_URL" "$GREEN_API_ID_INSTANCE""#]);
    let output = cli.any_stdout().any_stderr().run();
    assert!(output.stdout.starts_with("http://127.0.0.1:"), "{}", output.stdout);
}

#[test]
fn its_lines_are_for_eval() {
    let cli = Cli::new().args(["sandbox", "--bind", "127.0.0.1:0", "--id-instance", INSTANCE]);
    let cli = cli.args(["--api-token-instance", "sandbox-token-1"]).any_stdout().any_stderr().until_stopped();
    let running = cli.start();
    let (lines, _) = running.wait_for_sandbox();
    let output = Cli::new()
        .env("LINES_FOR_EVAL", &lines)
        .arg(CHAT)
        .shell(r#"eval "$LINES_FOR_EVAL"; exec "$0" request "$@""#)
        .stdout(format!("{CHAT}\taccepted\n"))
        .run();
    assert!(output.stderr.is_empty());
    running.stop();
}

#[test]
fn a_closed_standard_error_does_not_stop_a_run() {
    let server = Server::with(|_| Answer::status(200)).times(2);
    let cli = Cli::request(&server, [CHAT, GROUP]).shell(r#"exec "$0" "$@" 2>&-"#);
    let output = cli.any_stdout().run();
    assert_eq!(output.stdout.lines().count(), 2);
}

#[test]
fn a_standard_output_for_reading_only_ends_a_run_before_it_begins() {
    let server = Server::unasked();
    let commands: [&[&str]; 9] = [
        &["--help"],
        &["request", CHAT],
        &["--json", "request", "--wait", CHAT],
        &["get", CHAT, "-o", "-"],
        &["receive"],
        &["listen", "--discard-foreign", "--bind", "127.0.0.1:0"],
        &["doctor"],
        &["man"],
        &["sandbox", "--", "true"],
    ];
    for command in commands {
        let cli = Cli::on(&server).args(command).shell(r#"exec "$0" "$@" 1< /dev/null"#);
        cli.exits(74).stderr_has("standard output cannot be written").run();
    }
}

/// Windows reports it at the first read only.
#[test]
fn a_standard_input_for_writing_only_is_input_unreadable() {
    let server = Server::unasked();
    for args in [
        &["request", "-"][..],
        &["request", CHAT, "-"],
        &["request", CHAT, "--from", "-"],
        &["get", "-"],
        &["request", "--api-token-file", "-", CHAT],
    ] {
        let cli = Cli::on(&server).args(args);
        let stdin = std::fs::File::create(cli.dir().join("written")).expect("a file");
        cli.stdin_from(stdin).exits(66).stderr_has("standard input").run();
    }
}
