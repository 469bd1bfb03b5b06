//! `request --wait`: one line and one request for each chat, also if its result arrives before its response, during
//! a retry, or at the end of the run.

use crate::support::queue::{calls, fresh, method, now, result};
use crate::support::{Answer, CHAT, Cli, Gate, Queue, Server, chat, json, jsons};

/// The lines of one chat.
pub fn of<'a>(lines: &'a [serde_json::Value], chat: &str) -> Vec<&'a serde_json::Value> {
    lines.iter().filter(|line| line["chatId"] == chat).collect()
}

#[test]
fn an_unsolicited_result_does_not_make_its_chat_done() {
    let (own, other) = (chat(1), chat(2));
    let queue = Queue::of([result(&other, now() - 3600, r#","urlAvatar":"""#)]);
    let server = queue.serve_with(|seen, queue| {
        queue.push(fresh(&seen.chat()));
        Answer::status(200)
    });
    let args = ["--json", "--wait=10s", "--journal", "j"];
    let output = Cli::request(&server, args).arg(&own).any_stdout().run();
    assert_eq!(jsons(&output.stdout).len(), 2, "{}", output.stdout);
    let journaled = jsons(&output.read("j"));
    assert_eq!(of(&journaled, &other)[0]["command"], "receive", "every line is in it");
    assert_eq!(of(&journaled, &own).last().expect("a line")["command"], "request");
    // With this journal the other chat is requested like a new one.
    let again = Cli::request(&server, args).arg(&other).file("j", output.read("j")).any_stdout().run();
    assert_eq!(json(&again.stdout)["status"], "none");
    assert_eq!(calls(&server, ["getAvatarAsync"]), [2]);
}

/// How often the chat was requested.
fn times_requested(server: &Server, chat: &str) -> usize {
    let requests = server.requests();
    requests.iter().filter(|seen| method(seen) == "getAvatarAsync" && seen.chat() == chat).count()
}

/// The response is an error, but the request was accepted: its result is the chat's line, and there is no retry.
#[test]
fn a_result_that_comes_before_a_retry_is_the_only_line() {
    let server = Queue::default().serve_with(|seen, queue| {
        // While the other chat is waited for, the queue is read.
        if seen.chat() != CHAT {
            return Answer::status(200);
        }
        queue.push(fresh(CHAT));
        // Long enough to read the result on a busy machine.
        Answer::status(500).header("Retry-After", "2")
    });
    let args = ["--json", "--wait=2s", "--rate", "0", "--retries", "1", &chat(2), CHAT];
    let output = Cli::request(&server, args).any_stdout().exits(1).any_stderr().run();
    let lines = jsons(&output.stdout);
    let line = of(&lines, CHAT);
    assert_eq!((line.len(), &line[0]["status"]), (1, &"none".into()), "{}", output.stdout);
    assert_eq!(times_requested(&server, CHAT), 1);
}

#[test]
fn a_chat_whose_result_came_before_its_response_has_one_line() {
    for (retries, last) in [("0", 500), ("1", 400)] {
        let queue = Queue::default();
        let gate = Gate::default();
        let held = gate.clone();
        let mut requests = 0;
        let server = queue
            .serve_with(move |seen, queue| {
                if seen.chat() != CHAT {
                    return Answer::status(200);
                }
                requests += 1;
                queue.push(fresh(CHAT));
                let status = if requests == 1 { 500 } else { last };
                Answer::status(status).body("bad request data").held(&held)
            })
            .opening(&gate);
        // While the other chat is waited for, the queue is read; this one has no response yet.
        let args = ["--json", "--rate", "0", "--wait=2s", "--retries", retries, &chat(2), CHAT];
        let running = Cli::request(&server, args).any_stdout().any_stderr().exits(1).start();
        running.wait_for_lines(1);
        gate.open();
        let output = running.finish();
        let lines = jsons(&output.stdout);
        let line = of(&lines, CHAT);
        assert_eq!((line.len(), &line[0]["status"]), (1, &"none".into()), "{}", output.stdout);
        assert_eq!(times_requested(&server, CHAT), 1, "it is not requested again");
    }
}

/// The journal must not show the chat as accepted: the next run would wait for it instead of requesting it.
#[test]
fn a_failed_result_before_its_response_is_requested_again_by_the_next_run() {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Queue::default()
        .serve_with(move |seen, queue| {
            if seen.chat() != CHAT {
                return Answer::status(200);
            }
            queue.push(result(CHAT, now(), r#","reason":"get avatar timeout limit exceeded""#));
            Answer::status(200).held(&held)
        })
        .opening(&gate);
    let args = ["--json", "--rate", "0", "--wait=1s", "--journal", "j", &chat(2), CHAT];
    let running = Cli::request(&server, args).any_stdout().any_stderr().exits(1).start();
    running.wait_for_lines(1);
    gate.open();
    let output = running.finish();
    assert_eq!(of(&jsons(&output.stdout), CHAT)[0]["error"]["code"], "avatar-timeout", "{}", output.stdout);
    let again = Cli::request(&server, ["--json", "--wait=10s", "--journal", "j", CHAT]).file("j", output.read("j"));
    let line = json(&again.exits(75).any_stdout().run().stdout);
    assert_eq!((&line["error"]["code"], times_requested(&server, CHAT)), (&"avatar-timeout".into(), 2), "{line}");
}

#[test]
fn a_chat_in_flight_at_the_end_of_the_run_has_only_the_line_of_its_response() {
    let queue = Queue::default();
    let gate = Gate::default();
    let held = gate.clone();
    let server = queue
        .serve_with(move |seen, queue| {
            if seen.chat() == CHAT {
                return Answer::status(400).body("bad request data").held(&held);
            }
            queue.push(r#"{"typeWebhook":"incomingCall"}"#);
            Answer::status(200)
        })
        .opening(&gate);
    let args = ["--json", "--rate", "0", "--wait=10s", CHAT, &chat(2)];
    let running = Cli::request(&server, args).any_stdout().any_stderr().exits(75).start();
    // The foreign notification ends the run while the other chat has no response.
    running.wait_for_stderr("foreign-notification");
    gate.open();
    let output = running.finish();
    let lines = jsons(&output.stdout);
    let (first, second) = (of(&lines, CHAT), of(&lines, &chat(2)));
    assert_eq!((first.len(), &first[0]["error"]["code"]), (1, &"bad-request-data".into()), "{}", output.stdout);
    assert_eq!((second.len(), &second[0]["status"]), (1, &"timed-out".into()), "{}", output.stdout);
}
