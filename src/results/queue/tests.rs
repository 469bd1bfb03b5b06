//! What a queue does with what a service answers.

use super::*;
use crate::results::script::{Script, reply};

const AVATAR: &str = include_str!("../../../tests/cli/samples/avatar-info.json");
const MESSAGE: &str = include_str!("../../../tests/cli/samples/incoming-message.json");
const BROKEN: &str = include_str!("../../../tests/cli/samples/receive-trailing-comma.txt");
const GONE: &str = r#"{"result":true,"reason":""}"#;
const ASK: &str = "GET receiveNotification ?receiveTimeout=5";

fn head(receipt: u32, body: &str) -> String {
    reply(200, &format!(r#"{{"receiptId":{receipt},"body":{body}}}"#))
}

fn look(queue: &mut Queue<'_>) -> Result<Next, Failure> {
    loop {
        match queue.next(SHORTEST_POLL, None)? {
            Next::Waited => {}
            next => return Ok(next),
        }
    }
}

#[test]
fn a_result_is_deleted_only_when_it_is_acknowledged_and_its_repeat_is_marked() {
    let script = Script::start([
        (ASK, head(1, AVATAR)),
        (ASK, head(1, AVATAR)),
        ("DELETE deleteNotification /1", reply(200, GONE)),
        (ASK, head(2, AVATAR)),
        ("DELETE deleteNotification /2", reply(200, r#"{"result":false,"reason":"gone"}"#)),
        (ASK, reply(200, "null")),
    ]);
    script.queue(None, |queue| {
        assert!(matches!(look(queue), Ok(Next::Result(_))), "looked at and left");
        let Ok(Next::Result(message)) = look(queue) else { panic!("a result") };
        assert_eq!(message.info.chat_id, "79001234560@c.us");
        queue.ack(message, None).expect("deleted");
        let Ok(Next::Result(repeat)) = look(queue) else { panic!("a repeat") };
        assert!(repeat.is_repeat);
        queue.ack(repeat, None).expect("it was gone");
        assert!(matches!(look(queue), Ok(Next::Empty)));
    });
}

#[test]
fn a_foreign_head_stops_the_run_and_stays() {
    Script::start([(ASK, head(1, MESSAGE))]).queue(None, |queue| {
        let failure = look(queue).expect_err("not ours");
        assert_eq!(failure.kind, Kind::ForeignNotification);
        assert!(failure.message().contains("incomingMessageReceived"), "{}", failure.message());
    });
}

#[test]
fn foreign_and_unreadable_heads_are_in_the_spool_before_they_go() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("spool");
    let script = Script::start([
        (ASK, head(1, MESSAGE)),
        ("DELETE deleteNotification /1", reply(200, GONE)),
        (ASK, reply(200, BROKEN)),
        ("DELETE deleteNotification /1234567", reply(200, GONE)),
    ]);
    script.queue(Some(Spool::open(&path).expect("a spool")), |queue| {
        assert!(matches!(look(queue), Ok(Next::Skipped)));
        assert!(matches!(look(queue), Ok(Next::Skipped)));
    });
    let kept = std::fs::read_to_string(&path).expect("readable");
    assert_eq!(kept, format!("{}\n{}\n", MESSAGE.trim(), BROKEN.trim()));
}

#[test]
fn a_head_without_end_deletes_nothing() {
    let long = head(1, &format!(r#"{{"typeWebhook":"x","a":"{}"}}"#, "a".repeat(1_100_000)));
    let directory = tempfile::tempdir().expect("a directory");
    let spool = Spool::open(&directory.path().join("spool")).expect("it opens");
    Script::start([(ASK, long)]).queue(Some(spool), |queue| {
        assert_eq!(look(queue).expect_err("too long").kind, Kind::ForeignNotification);
    });
}

#[test]
fn failures_are_repeated_and_what_is_nothing_is_not_a_failure() {
    let script = Script::start([
        (ASK, reply(500, "")),
        (ASK, reply(502, "<html>")),
        (ASK, head(1, AVATAR)),
        ("DELETE deleteNotification /1", reply(503, "")),
        ("DELETE deleteNotification /1", reply(500, "findUnAckedMessage: no such message")),
        (ASK, reply(408, "")),
        (ASK, reply(504, "<html>")),
        (ASK, reply(200, "")),
        (ASK, reply(200, " null\n")),
    ]);
    script.queue(None, |queue| {
        let Ok(Next::Result(message)) = look(queue) else { panic!("a result") };
        queue.ack(message, None).expect("it was gone");
        for _ in 0..4 {
            assert!(matches!(look(queue), Ok(Next::Empty)));
            assert!(queue.not_before > Instant::now(), "an answer that came at once is not a long poll");
            queue.not_before = Instant::now();
        }
    });
}

#[test]
fn a_service_that_stays_down_ends_the_run() {
    let script = Script::start([(ASK, reply(503, "")), (ASK, reply(503, "")), (ASK, reply(503, ""))]);
    script.queue(None, |queue| assert_eq!(look(queue).expect_err("down").kind, Kind::ServerError));
}

#[test]
fn a_queue_that_cannot_be_read_says_why() {
    for (status, body, kind) in [
        (400, r#"{"message":"custom webhook url is set"}"#, Kind::WebhookUrlSet),
        (200, r#"{"code":401,"description":"Unauthorized"}"#, Kind::Unauthorized),
        (200, "<html><title>Log in</title></html>", Kind::UnexpectedResponse),
        (200, "{}", Kind::UnexpectedResponse),
    ] {
        Script::start([(ASK, reply(status, body))])
            .queue(None, |queue| assert_eq!(look(queue).expect_err(body).kind, kind));
    }
}

#[test]
fn words_inside_of_a_notification_are_not_the_services_own() {
    let text = r#"{"typeWebhook":"x","text":"instance account not authorized","code":401,"n":1e999,}"#;
    Script::start([(ASK, head(1, text))]).queue(None, |queue| {
        assert_eq!(look(queue).expect_err("not ours").kind, Kind::ForeignNotification);
    });
}

#[test]
fn a_long_poll_is_cut_off_in_time_and_nothing_came() {
    let script = Script::start([("GET receiveNotification ?receiveTimeout=20", String::new())]);
    script.queue(None, |queue| {
        let began = Instant::now();
        let next = queue.next(LONGEST_POLL, Some(began + Duration::from_secs(1)));
        assert!(matches!(next, Ok(Next::Waited)), "{next:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    });
}

#[test]
fn after_a_429_calls_keep_their_distance() {
    Script::start([(ASK, reply(429, "")), (ASK, head(1, AVATAR))]).queue(None, |queue| {
        assert!(matches!(look(queue), Ok(Next::Result(_))));
        assert_eq!(queue.not_before, queue.quiet_since + SPACING);
    });
}
