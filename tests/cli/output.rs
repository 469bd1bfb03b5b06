//! Both streams: results on standard output, everything else on standard error; closed and wrong streams.

use crate::support::cli::closed_pipe;
use crate::support::{Answer, CHAT, Cli, GROUP, Server, chat, json};

#[test]
fn help_names_commands_and_options_and_version_the_target() {
    let output = Cli::new().arg("--help").any_stdout().run();
    for word in ["request", "sandbox", "--api-url", "--json"] {
        assert!(output.stdout.contains(word), "{word} is in\n{}", output.stdout);
    }
    let output = Cli::new().args(["request", "--help"]).any_stdout().run();
    for word in ["getAvatarAsync", "--retries", "--timeout", "--dry-run", "--lenient", "process list"] {
        assert!(output.stdout.contains(word), "{word} is in\n{}", output.stdout);
    }
    let output = Cli::new().arg("--version").any_stdout().run().stdout;
    let target = format!("({}-{}", std::env::consts::ARCH, std::env::consts::OS);
    assert!(output.starts_with(&format!("greenavatar {} {target}", env!("CARGO_PKG_VERSION"))), "{output}");
    assert!(output.ends_with(")\n") && output.lines().count() == 1, "{output}");
}

#[test]
fn malformed_arguments_are_a_usage_error() {
    let server = Server::unasked();
    for args in [
        &[][..],
        &["request"],
        &["nonsense"],
        &["request", "--nonsense", CHAT],
        &["request", "--color", "pink", CHAT],
        &["request", "--rate", "-1", CHAT],
        &["request", "--rate", "fast", CHAT],
        &["request", "--concurrency", "0", CHAT],
        &["request", "--give-up-after", "x", CHAT],
    ] {
        Cli::on(&server).args(args).exits(2).any_stderr().run();
    }
}

#[test]
fn an_error_that_is_not_about_a_chat_is_one_object_on_standard_error() {
    let output = Cli::new().args(["request", "--json", CHAT]).exits(78).any_stderr().run();
    assert!(output.stderr.starts_with(r#"{"error":{"code":"missing-credentials","message":""#), "{}", output.stderr);
    let error = json(&output.stderr);
    let keys: Vec<_> = error["error"].as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys, ["code", "hint", "message"]);
    let output = Cli::on(&Server::unasked()).args(["request", "--from", "missing"]).exits(66).any_stderr().run();
    let cause = output.stderr.lines().nth(1).expect("a cause");
    let words = cause.strip_prefix("  caused by: ").expect("a cause");
    assert!(words.starts_with(char::is_lowercase), "the system's message in lower case: {cause}");
}

#[test]
fn with_json_a_failed_chat_has_only_its_line() {
    let server = Server::answering([Answer::status(466).body("QUOTA_EXCEEDED")]);
    Cli::request(&server, ["--json", CHAT]).exits(69).stdout_has("\"quota-exceeded\"").stderr("").run();
}

#[test]
fn quiet_prints_nothing_if_all_went_well() {
    let server = Server::with(|_| Answer::status(200)).times(4);
    Cli::request(&server, ["-q", CHAT]).run();
    Cli::request(&server, ["-q", CHAT, GROUP]).run();
    Cli::request(&server, ["--quiet", "--json", CHAT]).stdout_has("\"accepted\"").stderr("").run();
}

#[test]
fn quiet_still_prints_errors() {
    let server = Server::answering([Answer::status(401)]);
    Cli::request(&server, ["-q", CHAT]).exits(77).any_stdout().stderr_has("greenavatar: error: ").run();
}

#[test]
fn several_chats_have_a_line_each() {
    let server = Server::with(|_| Answer::status(200)).times(3);
    let args = ["--rate", "0", "--concurrency", "1", &chat(1), &chat(2), &chat(3)];
    let lines: String = (1..=3).map(|n| format!("{}\taccepted\n", chat(n))).collect();
    let output = Cli::request(&server, args).stdout(lines).any_stderr().run();
    assert_eq!(output.stderr.lines().count(), 1, "a tally and nothing else: {}", output.stderr);
    assert!(output.stderr.contains("3 accepted"), "{}", output.stderr);
}

#[test]
fn each_failure_of_several_is_one_line_and_a_hint_comes_once() {
    let server = Server::with(|_| Answer::status(400).body("bad request data")).times(4);
    let cli = Cli::request(&server, ["--rate", "0"]).args((1..=4).map(chat)).exits(1).any_stdout().any_stderr();
    let output = cli.run();
    assert_eq!(output.stderr.matches("greenavatar: error: ").count(), 4, "{}", output.stderr);
    assert_eq!(output.stderr.matches("  hint: ").count(), 1, "{}", output.stderr);
    assert_eq!(output.stderr.matches("caused by").count(), 0, "{}", output.stderr);
}

#[test]
fn only_a_terminal_gets_colours_unless_color_says_otherwise() {
    let server = Server::with(|_| Answer::status(200)).times(4);
    let plain = format!("{CHAT}\taccepted\n");
    Cli::request(&server, [CHAT]).stdout(&plain).run();
    Cli::request(&server, ["--color", "never", CHAT]).stdout(&plain).run();
    Cli::request(&server, ["--color", "always", CHAT]).raw().stdout_has("\u{1b}[").run();
    Cli::request(&server, ["--color", "always", "--json", CHAT]).stdout_has("{\"chatId\"").run();
}

#[test]
fn a_closed_pipe_after_the_only_line_is_not_a_failure() {
    let server = Server::answering([Answer::status(200)]);
    Cli::request(&server, [CHAT]).stdout_to(closed_pipe()).run();
}

#[test]
fn a_closed_pipe_ends_a_list_without_a_message() {
    let server = Server::with(|_| Answer::status(200));
    let args = ["--concurrency", "1", "--rate", "0"];
    Cli::request(&server, args).args((0..200).map(chat)).stdout_to(closed_pipe()).exits(74).run();
    assert!(server.requests().len() < 20, "{} requests", server.requests().len());
}

#[test]
fn an_error_into_a_closed_pipe_keeps_its_status() {
    let usage: [&[&str]; 5] =
        [&["--nosuch"], &[], &["request"], &["request", "-", "-"], &["request", "--timeout", "0", CHAT]];
    let others = [(&["request", CHAT][..], 78), (&["request", "--from", "missing"], 78), (&["nothing"], 2)];
    for (words, status) in usage.map(|words| (words, 2)).into_iter().chain(others) {
        Cli::new().args(words).stdout_to(closed_pipe()).stderr_to(closed_pipe()).exits(status).run();
    }
}

#[test]
fn a_sandbox_ends_if_standard_output_is_a_closed_pipe() {
    Cli::new().args(["sandbox", "--bind", "127.0.0.1:0"]).stdout_to(closed_pipe()).exits(74).any_stderr().run();
}

#[test]
fn a_dry_run_into_a_closed_pipe_is_output_failed() {
    let ids: Vec<String> = (0..40).map(chat).collect();
    let server = Server::unasked();
    Cli::request(&server, ["--dry-run"]).args(ids).stdout_to(closed_pipe()).exits(74).run();
}

#[test]
fn help_into_a_closed_pipe_is_not_a_failure() {
    for words in [&["--help"][..], &["completions", "bash"], &["man"]] {
        Cli::new().args(words).stdout_to(closed_pipe()).run();
    }
}
