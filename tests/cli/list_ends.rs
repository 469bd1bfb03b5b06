//! What ends a list before its last chat: failures that end a run, and a service that is unavailable.

use crate::lists::in_order;
use crate::support::{Answer, CHAT, Cli, Gate, Server, chat, jsons};

#[test]
fn a_failure_that_ends_the_run_gives_its_exit_status() {
    for (status, body, exit) in [
        (401, "", 77),
        (403, "", 77),
        (404, "", 69),
        (466, "", 69),
        (400, "instance account not authorized", 77),
        (400, "instance account expired", 77),
        (400, "instance is deleted", 77),
    ] {
        let mut requests = 0;
        let server = Server::with(move |_| {
            requests += 1;
            if requests == 3 { Answer::status(status).body(body) } else { Answer::status(200) }
        })
        .times(3);
        let output = in_order(&server).args((1..=9).map(chat)).exits(exit).any_stdout().stderr_has("6 not tried").run();
        let statuses: Vec<_> = output.stdout.lines().map(|line| line.split('\t').nth(1).unwrap_or_default()).collect();
        assert_eq!(statuses, ["accepted", "accepted", "failed"], "{status} {body}");
    }
}

#[test]
fn the_entries_left_in_a_list_are_counted() {
    let server = Server::always(Answer::status(401)).times(1);
    let list: String = (1..=40).map(|n| chat(n) + "\n").collect();
    in_order(&server).arg("-").stdin(list).exits(77).any_stdout().stderr_has("39 not tried").run();
}

#[test]
fn requests_in_flight_are_finished_when_another_ends_the_run() {
    let gate = Gate::default();
    let held = gate.clone();
    let mut requests = 0;
    let server = Server::with(move |_| {
        requests += 1;
        if requests == 1 { Answer::status(401).held(&held) } else { Answer::status(200).held(&held) }
    })
    .times(4)
    .opening(&gate);
    let cli = Cli::request(&server, ["--concurrency", "4", "--rate", "0", "--json"]).args((0..4).map(chat));
    let running = cli.exits(77).any_stdout().any_stderr().start();
    server.wait_for(4);
    gate.open();
    let output = running.finish();
    assert_eq!(
        jsons(&output.stdout).iter().filter(|line| line["status"] == "accepted").count(),
        3,
        "{}",
        output.stdout
    );
}

#[test]
fn an_unavailable_service_ends_the_run() {
    for (flags, requests) in [(&["--give-up-after", "3"][..], 3), (&[], 20)] {
        let server = Server::always(Answer::status(500)).times(requests);
        let cli = in_order(&server).args(flags).args(["--retries", "0", "--json"]).args((0..40).map(chat));
        let output = cli.exits(69).any_stdout().any_stderr().run();
        assert_eq!(output.stdout.lines().count(), requests);
        assert!(output.stderr.contains("--give-up-after"), "it says why the run ended: {}", output.stderr);
    }
}

#[test]
fn a_throttled_or_starting_instance_ends_a_list_like_an_unavailable_one() {
    for (status, body, code, exit) in
        [(429, "", "too-many-requests", 75), (400, "instance in starting process try later", "instance-starting", 75)]
    {
        let server = Server::with(move |_| Answer::status(status).header("Retry-After", "0").body(body)).times(20);
        let args = ["--json", "--rate", "0", "--retries", "0", "--concurrency", "1"];
        let ids = (0..30).map(chat);
        let output = Cli::request(&server, args).args(ids).exits(exit).any_stdout().any_stderr().run();
        assert_eq!(jsons(&output.stdout).len(), 20);
        assert_eq!(jsons(&output.stderr)[0]["error"]["code"], code, "{}", output.stderr);
        assert!(output.stderr.contains("20 chats in a row"), "{}", output.stderr);
    }
}

#[test]
fn a_service_that_does_not_answer_ends_a_list_with_a_timeout() {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::with(move |_| Answer::status(200).held(&held)).opening(&gate);
    let args = ["--json", "--retries", "0", "--timeout", "50ms", "--give-up-after", "3"];
    let output = in_order(&server).args(args).args((0..9).map(chat)).exits(75).any_stdout().any_stderr().run();
    assert_eq!(jsons(&output.stderr)[0]["error"]["code"], "timeout", "{}", output.stderr);
}

#[test]
fn the_outage_is_reported_once() {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::with(move |_| Answer::status(500).held(&held)).times(8).opening(&gate);
    let args = ["--json", "--rate", "0", "--retries", "0", "--give-up-after", "1", "--concurrency", "8"];
    let running = Cli::request(&server, args).args((0..40).map(chat)).exits(69).any_stdout().any_stderr().start();
    server.wait_for(8);
    gate.open();
    let output = running.finish();
    assert_eq!(
        (output.stdout.lines().count(), output.stderr.matches("--give-up-after").count()),
        (8, 1),
        "{}",
        output.stderr
    );
}

#[test]
fn give_up_after_zero_tries_every_chat() {
    let server = Server::always(Answer::status(500)).times(40);
    let cli = in_order(&server).args(["--give-up-after", "0", "--retries", "0"]).args((0..40).map(chat));
    cli.exits(1).any_stdout().any_stderr().run();
}

#[test]
fn an_answer_resets_the_count() {
    let mut requests = 0;
    let server = Server::with(move |_| {
        requests += 1;
        Answer::status(if requests % 3 == 0 { 200 } else { 503 })
    })
    .times(12);
    let cli = in_order(&server).args(["--give-up-after", "3", "--retries", "0"]).args((0..12).map(chat));
    cli.exits(1).any_stdout().any_stderr().run();
}

#[test]
fn a_single_chat_has_its_own_status_and_one_error() {
    let server = Server::always(Answer::status(503)).times(1);
    let args = ["--retries", "0", "--give-up-after", "1", CHAT];
    let output = Cli::request(&server, args).exits(69).any_stdout().any_stderr().run();
    assert_eq!(output.stderr.matches("error: ").count(), 1, "{}", output.stderr);
}

#[test]
fn twenty_failures_at_the_end_of_a_list_are_not_an_outage() {
    let server = Server::always(Answer::status(503)).times(20);
    let args = ["--json", "--rate", "0", "--retries", "0", "--concurrency", "1"];
    let output = Cli::request(&server, args).args((0..20).map(chat)).exits(1).any_stdout().any_stderr().run();
    assert!(!output.stderr.contains("in a row"), "{}", output.stderr);
}
