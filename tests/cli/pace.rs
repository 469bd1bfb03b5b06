//! The rate of requests and the number of connections, as a server sees them.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::support::{Answer, Cli, Gate, Server, chat, in_parallel, jsons};

/// The largest number of requests within any period of this length.
fn most_in(server: &Server, window: Duration) -> usize {
    let at: Vec<Instant> = server.requests().iter().map(|request| request.at).collect();
    (0..at.len())
        .map(|first| at[first..].iter().take_while(|&&at_| at_ - at[first] < window).count())
        .max()
        .unwrap_or(0)
}

/// A little less than a second, since a request may arrive late.
const WINDOW: Duration = Duration::from_millis(850);

#[test]
fn no_second_has_more_requests_than_the_rate_plus_one() {
    // With `is_repeated`, each chat's first answer is a 503: retries count, too.
    in_parallel([false, true], |is_repeated| {
        let mut known = HashSet::new();
        let server = Server::with(move |request| {
            let is_first = known.insert(request.body.clone());
            Answer::status(if is_repeated && is_first { 503 } else { 200 }).header("Retry-After", "0")
        });
        let chats = if is_repeated { 30 } else { 60 };
        let args = ["-q", "--rate", "40", "--retries", "9"];
        let output = Cli::request(&server, args).args((0..chats).map(chat)).run();
        let most = most_in(&server, WINDOW);
        assert!(server.requests().len() >= 60 && most <= 41, "{most} requests in a second");
        assert!(output.took < Duration::from_millis(3000), "the rate is reached: {:?}", output.took);
    });
}

#[test]
fn ten_a_second_are_the_default() {
    let server = Server::with(|_| Answer::status(200)).times(13);
    let output = Cli::request(&server, ["-q"]).args((0..13).map(chat)).run();
    assert!(most_in(&server, WINDOW) <= 11);
    assert!(output.took > Duration::from_millis(800), "{:?}", output.took);
}

#[test]
fn a_rate_of_zero_is_no_limit() {
    let server = Server::with(|_| Answer::status(200)).times(300);
    let output = Cli::request(&server, ["-q", "--rate", "0"]).args((0..300).map(chat)).run();
    assert!(output.took < Duration::from_secs(3), "{:?}", output.took);
}

#[test]
fn too_many_requests_pause_all_workers() {
    let limiter = Answer::status(200).body(r#"{"reason":"rate-overlimit"}"#);
    // The pause is Retry-After's, otherwise about a second.
    let said_so = || Answer::status(429).header("Retry-After", "1");
    // Without retries, the other workers wait nevertheless.
    let variants = [(said_so(), 950, 3), (Answer::status(429), 450, 3), (limiter, 450, 3), (said_so(), 950, 0)];
    in_parallel(variants, |(limited, pause, retries)| {
        let mut requests = 0;
        let server = Server::with(move |_| {
            requests += 1;
            // Slow, so that the other workers send little before the answer is read.
            std::thread::sleep(Duration::from_millis(5));
            if requests == 9 { limited.clone() } else { Answer::status(200) }
        })
        .times(if retries == 0 { 40 } else { 41 });
        let args = ["-q", "--json", "--rate", "0", "--concurrency", "4", "--retries", &retries.to_string()];
        let output =
            Cli::request(&server, args).args((0..40).map(chat)).exits(u8::from(retries == 0)).any_stdout().run();
        let accepted = jsons(&output.stdout).iter().filter(|line| line["status"] == "accepted").count();
        assert_eq!(accepted, if retries == 0 { 39 } else { 40 });
        let at: Vec<_> = server.requests().iter().map(|request| request.at).collect();
        // Requests in flight may still arrive; the others arrive after the pause.
        let late: Vec<Duration> = at[9..].iter().map(|&later| later - at[8]).collect();
        let (early, rest): (Vec<Duration>, Vec<Duration>) =
            late.iter().partition(|late| **late < Duration::from_millis(pause));
        assert!(early.iter().all(|late| *late < Duration::from_millis(150)), "{late:?}");
        assert!(rest.len() > early.len(), "{late:?}");
    });
}

#[test]
fn each_worker_keeps_one_connection() {
    for workers in [1, 8] {
        let gate = Gate::default();
        let held = gate.clone();
        let server = Server::with(move |_| Answer::status(200).held(&held)).times(200).opening(&gate);
        let args = ["-q", "--rate", "0", "--concurrency", &workers.to_string()];
        let running = Cli::request(&server, args).args((0..200).map(chat)).start();
        // No request is answered before each worker has sent one.
        server.wait_for(workers);
        gate.open();
        running.finish();
        assert_eq!(server.connections(), workers);
    }
}

#[test]
fn there_are_never_more_requests_at_once_than_workers() {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::with(move |_| Answer::status(200).held(&held)).times(30).opening(&gate);
    let running = Cli::request(&server, ["-q", "--rate", "0", "--concurrency", "3"]).args((0..30).map(chat)).start();
    server.wait_for(3);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(server.requests().len(), 3);
    gate.open();
    running.finish();
}

#[test]
fn a_connection_that_was_closed_while_idle_is_replaced() {
    let server = Server::with(|_| Answer::status(200).then_closed()).times(60);
    let args = ["-q", "--json", "--rate", "0", "--concurrency", "4", "--retries", "0"];
    let output = Cli::request(&server, args).args((0..60).map(chat)).any_stdout().run();
    for line in jsons(&output.stdout) {
        assert_eq!((&line["status"], &line["attempts"]), (&"accepted".into(), &1.into()), "{line}");
    }
}

#[test]
fn a_connection_that_was_reset_while_idle_is_replaced() {
    let server = Server::with(|_| Answer::status(200).then_reset()).times(30);
    let args = ["-q", "--rate", "100", "--concurrency", "2", "--retries", "0"];
    Cli::request(&server, args).args((0..30).map(chat)).run();
}
