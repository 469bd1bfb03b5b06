//! How results arrive: polls, retention, the webhook, chance.

use super::{advance, ask, delete, path, receive, send, start};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

#[test]
fn a_poll_returns_at_once_when_something_comes_and_null_when_its_time_is_over() {
    let sandbox = start(|_| {});
    let waits = |count: usize| {
        while send(&sandbox, "GET", "/_sandbox/requests", b"").json().as_array().map(Vec::len) != Some(count) {}
    };
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let poll = scope.spawn(|| send(&sandbox, "GET", &path(&sandbox, "receiveNotification"), b""));
        waits(1);
        let body = b"{\"b\" : 1.0000000000000000001,\n \"b\":2,}";
        assert_eq!(send(&sandbox, "POST", "/_sandbox/notifications", body).json()["receiptId"], 1);
        let head = poll.join().expect("no panic");
        assert_eq!(head.body, b"{\"receiptId\":1,\"body\":{\"b\" : 1.0000000000000000001,\n \"b\":2,}}");
    });
    delete(&sandbox, "1");
    std::thread::scope(|scope| {
        let poll = scope.spawn(|| receive(&sandbox));
        waits(3);
        advance(&sandbox, 5);
        assert_eq!(poll.join().expect("no panic"), Value::Null);
    });
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_notification_is_gone_after_a_day() {
    let sandbox = start(|_| {});
    ask(&sandbox, "getAvatarAsync", "11001234567@c.us");
    assert_eq!(receive(&sandbox)["receiptId"], 1);
    advance(&sandbox, 24 * 60 * 60);
    assert_eq!(send(&sandbox, "GET", "/_sandbox/notifications", b"").json()["waiting"], 0);
    assert_eq!(delete(&sandbox, "1")["result"], false);
}

#[test]
fn a_webhook_gets_the_same_notification_until_it_says_200() {
    let (receiver, url) = receiver();
    let sandbox = start(|options| {
        options.webhook_url = Some(url);
        options.webhook_token = Some("sesame".to_owned());
        options.resend_pause = Duration::from_millis(5);
    });
    let refused = send(&sandbox, "GET", &path(&sandbox, "receiveNotification"), b"");
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("custom webhook url is set"));
    ask(&sandbox, "getAvatarAsync", "11001234567@c.us");
    ask(&sandbox, "getAvatarAsync", "11001234568@c.us");
    let first = take_push(&receiver, "500 Oops");
    assert!(
        first.starts_with("POST /hook HTTP/1.1\r\n") && first.contains("authorization: Bearer sesame\r\n"),
        "{first}"
    );
    assert!(first.contains("11001234567@c.us") && !first.contains("receiptId"));
    // An answer that never comes because the connection ends, one that is not 200, then the one that counts.
    for status in ["", "204 No Content", "200 OK"] {
        assert_eq!(take_push(&receiver, status), first);
    }
    assert!(take_push(&receiver, "200 OK").contains("11001234568@c.us"));
}

#[test]
fn a_webhook_that_is_silent_for_three_minutes_is_asked_again() {
    let (receiver, url) = receiver();
    let sandbox = start(|options| {
        options.webhook_url = Some(url);
        options.resend_pause = Duration::ZERO;
    });
    ask(&sandbox, "getAvatarAsync", "11001234567@c.us");
    let (mut silent, _) = receiver.accept().expect("a push");
    let first = read_request(&mut silent);
    advance(&sandbox, 180);
    assert_eq!(take_push(&receiver, "200 OK"), first);
}

#[test]
fn a_webhook_s_connection_is_kept_while_the_receiver_keeps_it() {
    let (receiver, url) = receiver();
    let sandbox = start(|options| options.webhook_url = Some(url));
    let (last, mut stream) = (12, None);
    for chat in 10..=last {
        ask(&sandbox, "getAvatarAsync", &format!("110012345{chat}@c.us"));
        let stream = stream.get_or_insert_with(|| receiver.accept().expect("a push").0);
        assert!(read_request(stream).contains(&format!("110012345{chat}@c.us")));
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").expect("it listens");
    }
}

fn receiver() -> (TcpListener, String) {
    let receiver = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = receiver.local_addr().expect("bound");
    (receiver, format!("http://{address}/hook"))
}

/// The next push, answered with `status`, or not at all where that is empty.
fn take_push(receiver: &TcpListener, status: &str) -> String {
    let (mut stream, _) = receiver.accept().expect("a push");
    let pushed = read_request(&mut stream);
    if !status.is_empty() {
        let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).expect("it listens");
    }
    pushed
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).expect("a request");
        text.push_str(std::str::from_utf8(&buffer[..count]).expect("text"));
        if count == 0 || text.ends_with("}}") {
            return text;
        }
    }
}

#[test]
fn a_seed_changes_the_order_of_results_the_same_way_each_time() {
    let order = |seed| {
        let sandbox = start(|options| {
            options.seed = seed;
            options.delay = Duration::from_secs(10);
        });
        let chat = |at: usize| format!("1100123400{at}@c.us");
        (0..8).for_each(|at| assert_eq!(ask(&sandbox, "getAvatarAsync", &chat(at)).status, 200));
        advance(&sandbox, 20);
        let mut order = Vec::new();
        for receipt in 1..=8 {
            order.push(receive(&sandbox)["body"]["avatarInfo"]["chatId"].as_str().expect("an id").to_owned());
            delete(&sandbox, &receipt.to_string());
        }
        order
    };
    assert!(order(None).is_sorted());
    assert!(!order(Some(7)).is_sorted());
    assert_eq!(order(Some(7)), order(Some(7)));
    assert_ne!(order(Some(7)), order(Some(8)));
}
