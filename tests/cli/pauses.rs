//! Pauses of Retry-After: they delay neither deadlines, nor other chats, nor the end of the run.

use std::time::Duration;

use crate::support::pictures::ok;
use crate::support::queue::{method, now, result};
use crate::support::{Answer, CHAT, Cli, GROUP, Queue, Server, chat, json, jsons};

/// A service that answers 429 for the queue, with a pause of 20 s. The closure answers other calls.
fn throttled(mut other: impl FnMut(&str) -> Answer + Send + 'static) -> Server {
    Server::with(move |seen| match method(seen) {
        "receiveNotification" => Answer::status(429).header("Retry-After", "20"),
        name => other(name),
    })
}

#[test]
fn a_wait_ends_at_its_deadline_although_the_queue_asks_for_a_pause() {
    let server = throttled(|_| Answer::status(200));
    let output = Cli::request(&server, ["--json", "--wait=2s", CHAT]).exits(75).any_stdout().any_stderr().run();
    assert_eq!(json(&output.stdout)["error"]["code"], "no-result");
    assert!(output.took < Duration::from_secs(8), "{:?}", output.took);
}

#[test]
fn the_fallback_asks_at_the_deadline_although_the_queue_asks_for_a_pause() {
    let server = throttled(|name| match name {
        "getAvatar" => Answer::status(200).body(r#"{"urlAvatar":"","available":false}"#),
        _ => Answer::status(200),
    });
    let args = ["--json", "--wait=1s", "--fallback", CHAT];
    let output = Cli::request(&server, args).any_stdout().any_stderr().run();
    assert_eq!(json(&output.stdout)["status"], "hidden");
    assert!(output.took < Duration::from_secs(8), "{:?}", output.took);
}

#[test]
fn a_failure_that_ends_the_run_does_not_wait_for_the_queues_pause() {
    // The first chat is accepted, so that the queue is read for its result.
    let mut requests = 0;
    let server = throttled(move |_| {
        requests += 1;
        Answer::status(if requests == 1 { 200 } else { 401 })
    });
    let args = ["--wait=1m", "--rate", "1", CHAT, GROUP];
    let output = Cli::request(&server, args).exits(77).any_stdout().any_stderr().run();
    assert!(output.took < Duration::from_secs(8), "{:?}", output.took);
}

#[test]
fn an_idle_time_is_over_although_the_queue_asks_for_a_pause() {
    let server = throttled(|_| Answer::status(404));
    let cli = Cli::on(&server).args(["--json", "receive", "--idle", "1s"]);
    let output = cli.exits(75).any_stderr().run();
    assert_eq!(json(&output.stderr)["error"]["code"], "too-many-requests", "a throttled queue is not an empty one");
    assert!(output.took < Duration::from_secs(8), "{:?}", output.took);
}

#[test]
fn a_pause_of_the_picture_host_ends_with_the_run() {
    let server = Server::with(|seen| match (method(seen), seen.header("host")) {
        ("getAvatar", _) if seen.chat() == GROUP => Answer::status(401),
        ("getAvatar", Some(host)) => ok(&format!(r#"{{"urlAvatar":"http://{host}/pictures/1"}}"#)),
        _ => Answer::status(503).header("Retry-After", "30"),
    });
    let args = ["get", "--allow-host", "127.0.0.1", "--dir", "d", "--rate", "1", CHAT, GROUP];
    let output = Cli::on(&server).args(args).exits(77).any_stdout().any_stderr().run();
    assert!(output.took < Duration::from_secs(8), "{:?}", output.took);
}

/// Delivery is at least once: an equal result may have been printed as unsolicited before its chat is requested.
#[test]
fn a_repeat_answers_a_chat_that_waits_for_it() {
    let own = chat(1);
    let early = result(&own, now(), r#","urlAvatar":"""#);
    let again = early.clone();
    let queue = Queue::of([early]);
    let server = queue.serve_with(move |seen, queue| {
        if seen.chat() != CHAT {
            queue.push(again.clone());
        }
        Answer::status(200)
    });
    // The rate gives the early result time to be printed before its chat is requested.
    let args = ["--json", "--wait=10s", "--rate", "1", CHAT, &own];
    let output = Cli::request(&server, args).exits(1).any_stdout().any_stderr().run();
    let lines = jsons(&output.stdout);
    let of_own: Vec<_> = lines.iter().filter(|line| line["chatId"] == own.as_str()).collect();
    assert_eq!(of_own.len(), 2, "unsolicited, and the answer: {}", output.stdout);
    assert!(of_own.iter().all(|line| line["status"] == "none"), "{}", output.stdout);
}
