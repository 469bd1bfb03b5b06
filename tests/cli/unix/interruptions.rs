//! SIGINT and SIGTERM while a command reads a list, waits or serves.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::contacts::{account, contacts};
use crate::listen::{address_of, listen, post};
use crate::lists::{in_order, lines};
use crate::receive::receive;
use crate::support::client::{Client, ask, request};
use crate::support::pictures::{JPEG, get, names, picture_service};
use crate::support::queue::{calls, fresh, method, plain};
use crate::support::system::SIGNALS;
use crate::support::{Answer, CHAT, Cli, Gate, Queue, Server, chat, json, jsons, sample};
use crate::wait::{assert_timed_out, without_results};

#[test]
fn a_named_pipe_without_a_writer_ends_at_a_signal() {
    let server = Server::with(|_| Answer::status(200)).times(1);
    let script = r#"mkfifo pipe; exec "$0" "$@""#;
    let cli = in_order(&server).args([CHAT, "--from", "pipe"]).shell(script).dies(15);
    let running = cli.stdout(lines(&[CHAT])).any_stderr().start();
    running.wait_for_lines(1);
    running.signal(rustix::process::Signal::TERM);
    running.finish();
}

#[test]
fn an_interrupted_list_of_a_file_says_how_many_are_left() {
    let server = Server::always(Answer::status(200)).times(1);
    let list: String = (0..45).map(|n| chat(n) + "\n").collect();
    let cli = Cli::request(&server, ["--rate=0.05", "--concurrency=1", "--from", "list"]).file("list", list).dies(15);
    let running = cli.stdout(lines(&[&chat(0)])).stderr_has("1 accepted, 44 not tried; --journal FILE").start();
    running.wait_for_lines(1);
    running.signal(rustix::process::Signal::TERM);
    running.finish();
}

#[test]
fn the_number_left_in_an_open_pipe_is_unknown() {
    for (flags, summary) in [(&[][..], "the rest not tried"), (&["--json"], r#""notTried":null"#)] {
        let server = Server::with(|_| Answer::status(200)).times(1);
        let mut running = in_order(&server).arg("-").args(flags).dies(15).any_stdout().stderr_has(summary).start();
        running.write_stdin(format!("{CHAT}\n"));
        running.wait_for_lines(1);
        running.signal(rustix::process::Signal::TERM);
        // Standard input stays open.
        while running.is_running() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        running.finish();
    }
}

#[test]
fn a_pipe_without_a_writer_ends_at_a_signal() {
    let script = r#"mkfifo pipe; exec "$0" contacts --from a pipe"#;
    let cli = Cli::new().file("a", "+11001234567").shell(script);
    let running = cli.dies(15).stdout(format!("{CHAT}\n")).start();
    running.wait_for_lines(1);
    running.signal(rustix::process::Signal::TERM);
    running.finish();
}

#[test]
fn a_signal_ends_the_wait_for_the_list() {
    let server = account(|_, _| Answer::status(200).body("[]")).times(1);
    let running = contacts(&server).dies(15).any_stderr().start();
    running.wait_for_stderr("asking again");
    running.signal(rustix::process::Signal::TERM);
    assert!(running.finish().took < std::time::Duration::from_secs(4));
}

/// The body has no length, so the end of the connection looks like its end, even if the program closes it.
#[test]
fn a_download_that_the_cut_off_ends_is_not_a_picture() {
    let server = picture_service(|_| Answer::raw([b"HTTP/1.1 200 OK\r\n\r\n", JPEG].concat()).then_silence());
    let cli = get(&server, ["--json", "--dir", "d", CHAT]).any_stdout().any_stderr().dies(Signal::TERM.as_raw());
    let running = cli.start();
    server.wait_for(2);
    running.signal(Signal::TERM);
    let output = running.finish();
    assert_eq!(json(&output.stdout)["error"]["code"], "timeout");
    assert!(names(output.path("d")).is_empty());
}

#[test]
fn follow_continues_after_an_outage_and_unexpected_answers_with_one_warning() {
    let mut polls = 0;
    let queue = Queue::of([fresh(CHAT)]);
    let answers = queue.clone();
    let server = Server::with(move |seen| {
        polls += 1;
        match polls {
            1 => Answer::status(503).header("Retry-After", "0"),
            2 => Answer::status(200).body("<html>maintenance</html>"),
            _ => answers.answer(seen).expect("a call of the queue"),
        }
    });
    let cli = Cli::on(&server).args(["--json", "receive", "--follow", "--retries", "0"]);
    let running = cli.dies(15).any_stdout().any_stderr().start();
    running.wait_for_lines(1);
    let began = Instant::now();
    running.signal(Signal::TERM);
    let output = running.finish();
    assert!(began.elapsed() < Duration::from_secs(3), "the long poll ends with the signal: {:?}", began.elapsed());
    assert_eq!(output.stderr.matches("the queue cannot be read").count(), 1, "{}", output.stderr);
    assert_eq!(calls(&server, ["deleteNotification"]), [1]);
    assert_eq!(queue.left(), 0);
}

#[test]
fn a_signal_ends_the_wait_and_the_next_run_goes_on_with_it() {
    for (signal, number) in SIGNALS {
        let queue = Queue::default();
        let server = without_results(&queue);
        let args = ["request", "--json", "--wait", "--journal", "j", CHAT];
        let cli = Cli::on(&server).args(args);
        let again = cli.again().args(args);
        let running = cli.dies(number).any_stdout().start();
        server.wait_for(3);
        let began = Instant::now();
        running.signal(signal);
        let output = running.finish();
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert_timed_out(&json(&output.stdout), CHAT, "no-result");
        queue.push(fresh(CHAT));
        assert_eq!(json(&again.any_stdout().run().stdout)["status"], "none");
        assert_eq!(calls(&server, ["getAvatarAsync"]), [1]);
    }
}

#[test]
fn a_signal_ends_a_long_poll_at_once() {
    for (signal, number) in SIGNALS {
        let gate = Gate::default();
        let held = gate.clone();
        let server = Server::with(move |_| Answer::status(200).body("null").held(&held)).times(1).opening(&gate);
        let running = receive(&server, ["--follow"]).dies(number).start();
        server.wait_for(1);
        let began = Instant::now();
        running.signal(signal);
        running.finish();
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}

#[test]
fn a_notification_that_was_printed_when_the_signal_came_is_deleted() {
    let queue = Queue::of([plain(1), plain(2)]);
    let (gate, shared) = (Gate::default(), queue.clone());
    let held = gate.clone();
    let server = Server::with(move |seen| match method(seen) {
        "deleteNotification" => shared.answer(seen).expect("a queue's method").held(&held),
        // The signal may be noticed in the poll after the deletion only.
        _ if !shared.deleted().is_empty() => Answer::raw("").then_silence(),
        _ => shared.answer(seen).expect("a queue's method"),
    });
    let server = server.opening(&gate);
    let running = receive(&server, ["--follow"]).stdout(format!("{}\tnone\n", chat(1))).dies(15).start();
    server.wait_for(2);
    running.signal(Signal::TERM);
    gate.open();
    running.finish();
    assert_eq!((queue.deleted(), queue.left()), (vec![1], 1));
}

/// Not on Windows, where the run is killed and prints no summary.
#[test]
fn each_kind_of_refusal_is_reported_once_with_what_to_change() {
    let cli = listen(["--path", "/hook", "--discard-foreign"]).env("GREEN_API_WEBHOOK_TOKEN", "hush-hush");
    let running = cli.secret("hush-hush").secret("other").until_stopped().start();
    let address = address_of(&running);
    let status = |method, path, headers: &str, body: &str| ask(address, &request(method, path, headers, body)).0;
    let token = "Authorization: hush-hush\r\n";
    for _ in 0..3 {
        assert_eq!(status("POST", "/hook%0a", token, &plain(1)), 404);
        assert_eq!(status("GET", "/hook", token, ""), 405);
        assert_eq!(status("POST", "/hook", "", &plain(1)), 401);
        assert_eq!(status("POST", "/hook", "Authorization: other\r\n", &plain(1)), 401);
        assert_eq!(status("POST", "/hook", &format!("{token}Content-Encoding: gzip\r\n"), &plain(1)), 415);
        assert_eq!(status("POST", "/hook", token, "{}"), 200);
        assert_eq!(status("POST", "/hook", token, "<html>"), 400);
        assert_eq!(status("POST", "/hook", &format!("{token}Content-Length: 9999999\r\n"), "x"), 400);
    }
    // The start of a TLS handshake.
    assert_eq!(ask(address, "\u{16}\u{3}\u{1}\u{2}").0, 400);
    assert_eq!(status("POST", "/hook", &format!("X: {}\r\n", "x".repeat(17_000)), ""), 431);
    let output = running.stop();
    let lines = jsons(&output.stderr);
    let warnings: Vec<_> = lines.iter().filter_map(|line| line.get("warning")).collect();
    let reported = |part: &str, hint: &str| {
        let of = |key: &str, part: &str| {
            warnings.iter().filter(|warning| warning[key].as_str().is_some_and(|text| text.contains(part))).count()
        };
        assert!(of("message", part) == 1 && of("hint", hint) >= 1, "{part}, {hint}: {warnings:?}");
    };
    reported("POST /hook%0a was refused with 404", "must end with /hook");
    reported("GET /hook was refused with 405", "GET /healthz");
    reported("401: the webhook token is missing", "webhookUrlToken");
    reported("401: the webhook token is wrong", "webhookUrlToken");
    reported("415: the body is compressed", "compression");
    reported("400: the body is not a notification", "unchanged");
    reported("a request was refused with 400: it is not HTTP/1.1", "plain HTTP");
    reported("a request was refused with 431: the header is too large", "shorter headers");
    assert_eq!(warnings.len(), 8, "{warnings:?}");
    let tally = lines.iter().find_map(|line| line.get("tally")).expect("a summary");
    assert_eq!((&tally["refused"], &tally["discarded"], &tally["printed"]), (&23.into(), &3.into(), &0.into()));
}

#[test]
fn the_summary_counts_the_notifications() {
    let summary = |args: &[&str], bodies: &[String]| {
        let running = Cli::new().args(["listen", "--bind", "127.0.0.1:0"]).args(args).any_stdout().any_stderr();
        let running = running.until_stopped().start();
        let address = address_of(&running);
        bodies.iter().for_each(|body| assert_eq!(post(address, body), 200));
        running.stop().stderr.lines().last().expect("a line").to_owned()
    };
    let bodies = [plain(1), plain(1), plain(2), sample("avatar-info-failed.json"), sample("incoming-message.json")];
    assert_eq!(summary(&["--spool", "s"], &bodies), "greenavatar: 3 printed, 1 of them failed, 1 repeated, 1 spooled");
    assert_eq!(summary(&["--discard-foreign"], &[]), "greenavatar: note: no notifications were received");
}

#[test]
fn requests_in_flight_finish_after_a_signal() {
    for (signal, number) in SIGNALS {
        let running = listen(["--discard-foreign"]).dies(number).start();
        let address = address_of(&running);
        let mut client = Client::connect(address);
        let whole = request("POST", "/", "", &plain(1));
        let (first, rest) = whole.split_at(whole.len() - 20);
        client.send(first);
        // When a later client has its answer, the server has read the head of this request.
        assert_eq!(post(address, &plain(2)), 200);
        running.signal(signal);
        let began = Instant::now();
        while std::net::TcpStream::connect(address).is_ok() {
            assert!(began.elapsed() < Duration::from_secs(5), "a new connection is accepted");
            std::thread::sleep(Duration::from_millis(1));
        }
        client.send(rest);
        assert_eq!(client.answer().map(|(status, _)| status), Some(200));
        assert_eq!(running.finish().stdout.lines().count(), 2);
    }
}
