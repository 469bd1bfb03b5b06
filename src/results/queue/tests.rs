//! The queue with scripted answers of the service.

use super::*;
use crate::results::script::{Script, reply};

const AVATAR: &str = include_str!("../../../tests/cli/samples/avatar-info.json");
const MESSAGE: &str = include_str!("../../../tests/cli/samples/incoming-message.json");
const BROKEN: &str = include_str!("../../../tests/cli/samples/receive-trailing-comma.txt");
const DELETED: &str = r#"{"result":true,"reason":""}"#;
const POLL: &str = "GET receiveNotification ?receiveTimeout=5";

fn head(receipt: u32, body: &str) -> String {
    reply(200, &format!(r#"{{"receiptId":{receipt},"body":{body}}}"#))
}

fn next(queue: &mut Queue<'_>) -> Result<Next, Failure> {
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
        (POLL, head(1, AVATAR)),
        (POLL, head(1, AVATAR)),
        ("DELETE deleteNotification /1", reply(200, DELETED)),
        (POLL, head(2, AVATAR)),
        ("DELETE deleteNotification /2", reply(200, r#"{"result":false,"reason":"gone"}"#)),
        (POLL, reply(200, "null")),
    ]);
    script.queue(None, |queue| {
        assert!(matches!(next(queue), Ok(Next::Result(_))), "looked at and left");
        let Ok(Next::Result(message)) = next(queue) else { panic!("a result") };
        assert_eq!(message.info.chat_id, "79001234560@c.us");
        queue.ack(message, None).expect("deleted");
        let Ok(Next::Result(repeat)) = next(queue) else { panic!("a repeat") };
        assert!(repeat.is_repeat);
        queue.ack(repeat, None).expect("it was gone");
        assert!(matches!(next(queue), Ok(Next::Empty)));
    });
}

#[test]
fn foreign_and_unreadable_heads_are_spooled_before_they_are_deleted() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("spool");
    let script = Script::start([
        (POLL, head(1, MESSAGE)),
        ("DELETE deleteNotification /1", reply(200, DELETED)),
        (POLL, reply(200, BROKEN)),
        ("DELETE deleteNotification /1234567", reply(200, DELETED)),
    ]);
    script.queue(Some(Spool::open(&path).expect("a spool")), |queue| {
        assert!(matches!(next(queue), Ok(Next::Skipped)));
        assert!(matches!(next(queue), Ok(Next::Skipped)));
    });
    let kept = std::fs::read_to_string(&path).expect("readable");
    assert_eq!(kept, format!("{}\n{}\n", MESSAGE.trim(), BROKEN.trim()));
}

#[test]
fn a_head_that_is_too_long_is_not_deleted() {
    let long = head(1, &format!(r#"{{"typeWebhook":"x","a":"{}"}}"#, "a".repeat(1_100_000)));
    let directory = tempfile::tempdir().expect("a directory");
    let spool = Spool::open(&directory.path().join("spool")).expect("it opens");
    Script::start([(POLL, long)]).queue(Some(spool), |queue| {
        assert_eq!(next(queue).expect_err("too long").kind, Kind::ForeignNotification);
    });
}

#[test]
fn failures_are_retried_and_empty_answers_are_not_failures() {
    let script = Script::start([
        (POLL, reply(500, "")),
        (POLL, reply(502, "<html>")),
        (POLL, head(1, AVATAR)),
        ("DELETE deleteNotification /1", reply(503, "")),
        ("DELETE deleteNotification /1", reply(500, "findUnAckedMessage: no such message")),
        (POLL, reply(408, "")),
        (POLL, reply(504, "<html>")),
        (POLL, reply(200, "")),
        (POLL, reply(200, " null\n")),
    ]);
    script.queue(None, |queue| {
        let Ok(Next::Result(message)) = next(queue) else { panic!("a result") };
        queue.ack(message, None).expect("it was gone");
        for _ in 0..4 {
            assert!(matches!(next(queue), Ok(Next::Empty)));
            assert!(queue.not_before > Instant::now(), "an answer that came at once is not a long poll");
            queue.not_before = Instant::now();
        }
    });
}

#[test]
fn error_texts_inside_a_notification_are_not_errors() {
    let text = r#"{"typeWebhook":"x","text":"instance account not authorized","code":401,"n":1e999,}"#;
    Script::start([(POLL, head(1, text))]).queue(None, |queue| {
        assert_eq!(next(queue).expect_err("not ours").kind, Kind::ForeignNotification);
    });
}

#[test]
fn a_long_poll_is_cut_off_in_time_without_a_result() {
    let script = Script::start([("GET receiveNotification ?receiveTimeout=20", String::new())]);
    script.queue(None, |queue| {
        let began = Instant::now();
        let next = queue.next(LONGEST_POLL, Some(began + Duration::from_secs(1)));
        assert!(matches!(next, Ok(Next::Waited)), "{next:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    });
}

#[test]
fn after_a_429_calls_are_spaced() {
    Script::start([(POLL, reply(429, "")), (POLL, head(1, AVATAR))]).queue(None, |queue| {
        assert!(matches!(next(queue), Ok(Next::Result(_))));
        assert_eq!(queue.not_before, queue.quiet_since + SPACING);
    });
}
