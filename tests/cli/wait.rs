//! `request --wait`: each chat is waited for until its own deadline, and gets one line: the result, or timed-out.

use std::time::Duration;

use crate::support::cli::{closed_pipe, start_sandbox};
use crate::support::queue::{calls, fresh, method, now, result};
use crate::support::{Answer, CHAT, Cli, GROUP, Queue, Server, chat, json, jsons, sample};

/// Accepts every request, and adds its result to the queue at once.
pub fn with_results(queue: &Queue) -> Server {
    queue.serve_with(|seen, queue| {
        queue.push(fresh(&seen.chat()));
        Answer::status(200)
    })
}

/// Accepts every request, and never sends a result.
pub fn without_results(queue: &Queue) -> Server {
    queue.serve_with(|_, _| Answer::status(200))
}

#[track_caller]
pub fn assert_timed_out(line: &serde_json::Value, chat: &str, code: &str) {
    assert_eq!((&line["chatId"], &line["status"]), (&chat.into(), &"timed-out".into()), "{line}");
    assert_eq!(line["error"]["code"], code, "{line}");
}

#[test]
fn the_line_of_a_chat_is_its_result() {
    let queue = Queue::default();
    let server = with_results(&queue);
    let output = Cli::request(&server, ["--wait", CHAT]).stdout(format!("{CHAT}\tnone\n")).run();
    assert!(output.took < Duration::from_secs(2), "it ends as soon as everything is answered: {:?}", output.took);
    let called: Vec<_> = server.requests().iter().map(|seen| method(seen).to_owned()).collect();
    let ask = "receiveNotification";
    assert_eq!(called.first().map(String::as_str), Some(ask), "the queue is polled before anything is sent");
    assert_eq!(called.last().map(String::as_str), Some("deleteNotification"));
    assert_eq!(calls(&server, ["getAvatarAsync", "getAvatar"]), [1, 0]);
    assert_eq!(queue.left(), 0);
}

#[test]
fn every_kind_of_result_has_its_status() {
    for (rest, status, exit) in [
        (r#","urlAvatar":"https://pps.whatsapp.net/x.jpg?oe=615A60EB""#, "found", 0),
        (r#","existsWhatsapp":false"#, "no-account", 0),
        (r#","reason":"get avatar timeout limit exceeded""#, "failed", 75),
        (r#","reason":"bad request data""#, "failed", 65),
        (r#","reason":"Connection Closed""#, "failed", 76),
        (r#","reason":"request timeout expired""#, "failed", 76),
    ] {
        let server = Queue::default().serve_with(move |seen, queue| {
            queue.push(result(&seen.chat(), now(), rest));
            Answer::status(200)
        });
        let output = Cli::request(&server, ["--json", "--wait=10s", CHAT]).exits(exit).any_stdout().run();
        let line = json(&output.stdout);
        assert_eq!((&line["chatId"], &line["status"]), (&CHAT.into(), &status.into()), "{rest}");
        assert!(line["timestamp"].is_number(), "{line}");
    }
}

#[test]
fn a_foreign_notification_at_the_head_stops_it_before_anything_is_sent() {
    let queue = Queue::of([sample("device-info.json")]);
    let server = without_results(&queue);
    let output = Cli::request(&server, ["--json", "--wait", CHAT]).exits(75).any_stderr().run();
    let error = &json(&output.stderr)["error"];
    assert_eq!(error["code"], "foreign-notification");
    assert!(error["message"].as_str().expect("a message").contains("deviceInfo"), "{error}");
    assert_eq!(calls(&server, ["getAvatarAsync", "deleteNotification"]), [0, 0]);
    // With a spool it is kept, and the request is sent.
    let queue = Queue::of([sample("device-info.json"), sample("incoming-message.json")]);
    let server = with_results(&queue);
    let output = Cli::request(&server, ["--wait", "--spool", "spool", CHAT]).stdout(format!("{CHAT}\tnone\n")).run();
    assert_eq!(output.read("spool"), sample("device-info.json") + &sample("incoming-message.json"));
    assert_eq!(queue.left(), 0);
}

#[test]
fn a_queue_that_cannot_be_read_stops_it_before_anything_is_sent() {
    let server = Server::answering([Answer::status(400).body("custom webhook url is set")]);
    let output = Cli::request(&server, ["--json", "--wait", CHAT]).exits(78).any_stderr().run();
    assert_eq!(json(&output.stderr)["error"]["code"], "webhook-url-set");
}

#[test]
fn a_wait_without_a_result_names_the_alternatives() {
    let queue = Queue::default();
    let server = without_results(&queue);
    let output = Cli::request(&server, ["--wait=200ms", CHAT])
        .exits(75)
        .stdout(format!("{CHAT}\ttimed-out\n"))
        .stderr_has("temporarily not working")
        .stderr_has("greenavatar get")
        .stderr_has("--fallback")
        .run();
    assert!(output.took > Duration::from_millis(200) && output.took < Duration::from_secs(2), "{:?}", output.took);
    let output = Cli::request(&server, ["--json", "--wait=50ms", CHAT]).exits(75).any_stdout().run();
    let line = json(&output.stdout);
    assert_timed_out(&line, CHAT, "no-result");
    let text = line["error"].to_string();
    assert!(text.contains("not working") && text.contains("get") && text.contains("--fallback"), "{text}");
    // With several chats the exit status is 1.
    let output = Cli::request(&server, ["--wait=50ms", CHAT, GROUP]).exits(1).any_stdout().any_stderr().run();
    assert_eq!(output.stdout.lines().count(), 2);
}

#[test]
fn a_request_that_fails_is_not_waited_for() {
    let server = Queue::default().serve_with(|_, _| Answer::status(400).body("bad request data"));
    let cli = Cli::request(&server, ["--wait", CHAT]);
    let output = cli.exits(65).stdout(format!("{CHAT}\tfailed\tbad-request-data\n")).any_stderr().run();
    assert!(output.took < Duration::from_secs(2), "{:?}", output.took);
}

#[test]
fn fallback_requests_missing_results_and_names_the_method() {
    let queue = Queue::default();
    let server = queue.serve_with(|seen, queue| match method(seen) {
        "getAvatar" => Answer::status(200).body(r#"{"urlAvatar":"https://pps.whatsapp.net/x.jpg","available":true}"#),
        _ => {
            if seen.chat() == GROUP {
                queue.push(fresh(GROUP));
            }
            Answer::status(200)
        }
    });
    // Long enough to get the one result on a busy machine.
    let args = ["--json", "--wait=2s", "--fallback", "--journal", "j", CHAT, GROUP];
    let output = Cli::request(&server, args).any_stdout().any_stderr().run();
    let mut lines = jsons(&output.stdout);
    lines.sort_by_key(|line| line["chatId"].to_string());
    assert_eq!((&lines[0]["status"], &lines[0]["method"]), (&"found".into(), &"getAvatar".into()));
    assert_eq!((&lines[1]["status"], &lines[1]["method"]), (&"none".into(), &"getAvatarAsync".into()));
    assert_eq!(lines.len(), 2);
    let requests: Vec<_> = server.requests().into_iter().filter(|seen| method(seen) == "getAvatar").collect();
    assert_eq!((requests.len(), requests[0].chat()), (1, CHAT.to_owned()));
    assert!(output.read("j").contains(r#""method":"getAvatar""#));
    assert!(!output.stderr.contains("busy"), "the workers waited for the results: {}", output.stderr);
    // If getAvatar fails, too, that is the chat's line.
    let server = Queue::default().serve_with(|seen, _| match method(seen) {
        "getAvatar" => Answer::status(200).body(r#"{"reason":"get avatar timeout limit exceeded"}"#),
        _ => Answer::status(200),
    });
    let output = Cli::request(&server, ["--json", "--wait=50ms", "--fallback", CHAT]).exits(75).any_stdout().run();
    assert_eq!(json(&output.stdout)["error"]["code"], "avatar-timeout");
}

#[test]
fn fallback_and_spool_need_wait() {
    for flag in ["--fallback", "--spool=s"] {
        Cli::request(&Server::unasked(), [flag, CHAT]).exits(2).any_stderr().run();
    }
    for wait in ["--wait=0", "--wait=2", "--wait=2d", "--wait="] {
        Cli::request(&Server::unasked(), [wait, CHAT]).exits(2).any_stderr().run();
    }
    Cli::request(&Server::unasked(), ["-q", "--wait", CHAT]).exits(78).any_stderr().run();
}

#[test]
fn a_stale_result_is_printed_as_stale_and_answers_nothing() {
    let old = now() - 60;
    let queue = Queue::of([result(CHAT, old, r#","urlAvatar":"https://a.example/old""#)]);
    let server = with_results(&queue);
    let output = Cli::request(&server, ["--json", "--wait", CHAT]).any_stdout().run();
    let lines = jsons(&output.stdout);
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["status"], &lines[0]["stale"]), (&"found".into(), &true.into()));
    assert_eq!((&lines[1]["status"], lines[1].get("stale")), (&"none".into(), None));
    assert_eq!(queue.left(), 0);
    let queue = Queue::of([result(CHAT, old, "")]);
    let server = without_results(&queue);
    let output = Cli::request(&server, ["--json", "--wait=100ms", CHAT]).exits(75).any_stdout().run();
    let lines = jsons(&output.stdout);
    assert_eq!((lines.len(), &lines[0]["stale"]), (2, &true.into()));
    assert_timed_out(&lines[1], CHAT, "no-result");
    // A result up to 5 s older than the request is its answer, as clocks differ.
    let server = Queue::default().serve_with(|seen, queue| {
        queue.push(result(&seen.chat(), now() - 3, ""));
        Answer::status(200)
    });
    Cli::request(&server, ["--wait", CHAT]).stdout(format!("{CHAT}\tnone\n")).run();
}

#[test]
fn unsolicited_results_are_printed_too() {
    let queue = Queue::of([
        result("185912345678901@lid", now(), ""),
        result(GROUP, 1, r#","existsWhatsapp":false"#),
        result("status@broadcast", now(), r#","reason":"bad request data""#),
    ]);
    let server = with_results(&queue);
    let output = Cli::request(&server, ["--json", "--wait", CHAT]).any_stdout().run();
    let lines = jsons(&output.stdout);
    let of = |n: usize| (lines[n]["chatId"].as_str().unwrap_or_default(), lines[n]["status"].as_str());
    assert_eq!(of(0), ("185912345678901@lid", Some("none")));
    assert_eq!(of(1), (GROUP, Some("no-account")));
    assert_eq!(of(2), ("status@broadcast", Some("failed")));
    assert_eq!(of(3), (CHAT, Some("none")));
    assert!(lines.iter().all(|line| line.get("stale").is_none()), "{}", output.stdout);
    assert_eq!((lines.len(), queue.left()), (4, 0));
}

#[test]
fn a_result_that_comes_twice_makes_one_line() {
    let queue = Queue::default();
    let server = queue.serve_with(|seen, queue| {
        let body = fresh(&seen.chat());
        queue.push(body.clone());
        queue.push(body);
        Answer::status(200)
    });
    let chats: Vec<_> = (0..5).map(chat).collect();
    let output = Cli::request(&server, ["--json", "--rate=0", "--wait"]).args(&chats).any_stdout().any_stderr().run();
    let mut seen: Vec<_> = jsons(&output.stdout).iter().map(|line| line["chatId"].to_string()).collect();
    seen.sort();
    seen.dedup();
    assert_eq!((seen.len(), output.stdout.lines().count()), (5, 5), "{}", output.stdout);
}

#[test]
fn each_chat_is_waited_for_from_its_own_request_on() {
    let server = without_results(&Queue::default());
    let mut running = Cli::request(&server, ["--json", "--wait=200ms", "-"]).exits(1).any_stdout().any_stderr().start();
    running.write_stdin(format!("{}\n", chat(1)));
    // The wait of the first chat ends although the list is still open.
    running.wait_for_lines(1);
    running.write_stdin(format!("{}\n", chat(2)));
    running.wait_for_lines(2);
    let requests = server.requests();
    let waited = requests.iter().rfind(|seen| method(seen) == "getAvatarAsync").expect("a request").at.elapsed();
    assert!(waited > Duration::from_millis(190) && waited < Duration::from_secs(2), "{waited:?}");
    let lines = jsons(&running.finish().stdout);
    assert_timed_out(&lines[0], &chat(1), "no-result");
    assert_timed_out(&lines[1], &chat(2), "no-result");
}

#[test]
fn a_result_just_before_the_deadline_is_seen() {
    // The server answers polls at once instead of waiting. The pauses in between must not exceed the deadline.
    let queue = Queue::default();
    let shared = queue.clone();
    let mut due = None;
    let server = Server::with(move |seen| {
        if method(seen) == "getAvatarAsync" {
            due = Some((seen.at + Duration::from_millis(800), seen.chat()));
            return Answer::status(200);
        }
        if let Some((_, chat)) = due.take_if(|(at, _)| *at < seen.at) {
            shared.push(fresh(&chat));
        }
        shared.answer(seen).expect("a queue's method")
    });
    Cli::request(&server, ["--wait=1500ms", CHAT]).stdout(format!("{CHAT}\tnone\n")).run();
}

#[test]
fn the_failure_that_ends_the_run_is_the_error_of_pending_chats() {
    let after_the_requests = |last: fn(&Queue) -> Option<Answer>| {
        let queue = Queue::default();
        let mut requests = 0;
        Server::with(move |seen| {
            if method(seen) == "getAvatarAsync" {
                requests += 1;
                return Answer::status(200);
            }
            let ending = if requests == 2 { last(&queue) } else { None };
            ending.unwrap_or_else(|| queue.answer(seen).expect("a queue's method"))
        })
    };
    let unauthorized = after_the_requests(|_| Some(Answer::status(401)));
    let interrupted = after_the_requests(|queue| {
        if queue.left() == 0 {
            queue.push(sample("device-info.json"));
        }
        None
    });
    for (server, code, exit) in [(unauthorized, "unauthorized", 77), (interrupted, "foreign-notification", 75)] {
        let args = ["--json", "--rate=0", "--wait=10s", "--journal", "j", CHAT, GROUP];
        let output = Cli::request(&server, args).exits(exit).any_stdout().any_stderr().run();
        let mut lines = jsons(&output.stdout);
        lines.sort_by_key(|line| line["chatId"].to_string());
        assert_timed_out(&lines[0], CHAT, code);
        assert_timed_out(&lines[1], GROUP, code);
        assert_eq!((lines.len(), calls(&server, ["deleteNotification"])), (2, [0]));
        let error = output.stderr.lines().next().expect("an error");
        assert_eq!(json(error)["error"]["code"], code);
        // The next run still waits for them.
        let kept = output.read("j");
        assert!(kept.contains("\"accepted\"") && !kept.contains("timed-out"), "{kept}");
    }
}

#[test]
fn a_result_into_a_closed_pipe_is_not_deleted() {
    let queue = Queue::default();
    let server = with_results(&queue);
    Cli::request(&server, ["--wait", CHAT]).stdout_to(closed_pipe()).exits(74).run();
    assert_eq!((queue.deleted(), queue.left()), (vec![], 1));
}

#[test]
fn the_sandbox_sends_every_kind_of_result() {
    let (sandbox, address) = start_sandbox(&["--delay", "1ms"]);
    // A result that is already in the queue, so that the first look at the queue ends at once.
    Cli::at_sandbox(address).args(["request", "-q", "11001234000@c.us"]).run();
    let rows = [
        ("000", "found"),
        ("567", "found"),
        ("901", "none"),
        ("902", "none"),
        ("903", "none"),
        ("904", "timed-out"),
        ("905", "found"),
        ("906", "failed"),
        ("913", "no-account"),
    ];
    let chats = rows[1..].iter().map(|(row, _)| format!("11001234{row}@c.us"));
    let cli = Cli::at_sandbox(address).args(["request", "--json", "--rate=0", "--wait=2s"]).args(chats);
    let mut lines = jsons(&cli.exits(1).any_stdout().any_stderr().run().stdout);
    lines.sort_by_key(|line| line["chatId"].to_string());
    assert_eq!(lines.len(), rows.len());
    for (line, (row, word)) in lines.iter().zip(rows) {
        assert_eq!((&line["chatId"], &line["status"]), (&format!("11001234{row}@c.us").into(), &word.into()));
    }
    sandbox.stop();
}
