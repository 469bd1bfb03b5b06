//! The webhook: what is sent, and when it is sent again.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use super::{advance_clock, ask, get, start};
use crate::sandbox::Sandbox;

#[test]
fn a_webhook_gets_the_same_notification_until_it_answers_200() {
    let (receiver, url) = receiver();
    let sandbox = start(|config| {
        config.webhook_url = Some(url);
        config.webhook_token = Some("sesame".to_owned());
    });
    let refused = get(&sandbox, "receiveNotification");
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("custom webhook url is set"));
    ask(&sandbox, "getAvatarAsync", "11001234567@c.us");
    ask(&sandbox, "getAvatarAsync", "11001234568@c.us");
    let first = take_push(&sandbox, &receiver, "500 Oops");
    assert!(first.starts_with("POST /hook HTTP/1.1\r\n"), "{first}");
    assert!(first.contains("authorization: Bearer sesame\r\n"), "{first}");
    assert!(first.contains("11001234567@c.us") && !first.contains("receiptId"));
    // No answer, a status other than 200, then 200.
    for status in ["", "204 No Content", "200 OK"] {
        assert_eq!(take_push(&sandbox, &receiver, status), first);
    }
    assert!(take_push(&sandbox, &receiver, "200 OK").contains("11001234568@c.us"));
}

#[test]
fn a_webhook_that_is_silent_for_three_minutes_is_called_again() {
    let (receiver, url) = receiver();
    let sandbox = start(|config| config.webhook_url = Some(url));
    ask(&sandbox, "getAvatarAsync", "11001234567@c.us");
    let mut silent = accept(&sandbox, &receiver);
    let first = read_request(&mut silent);
    advance_clock(&sandbox, 180);
    assert_eq!(take_push(&sandbox, &receiver, "200 OK"), first);
}

fn receiver() -> (TcpListener, String) {
    let receiver = TcpListener::bind("127.0.0.1:0").expect("a free port");
    receiver.set_nonblocking(true).expect("a socket can be non-blocking");
    let address = receiver.local_addr().expect("bound");
    (receiver, format!("http://{address}/hook"))
}

/// The next connection. Advances the clock until there is one.
fn accept(sandbox: &Sandbox, receiver: &TcpListener) -> TcpStream {
    loop {
        match receiver.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).expect("a socket can be blocking");
                return stream;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        advance_clock(sandbox, 1);
    }
}

/// The next push, answered with `status`, or not at all if that is empty.
fn take_push(sandbox: &Sandbox, receiver: &TcpListener, status: &str) -> String {
    let mut stream = accept(sandbox, receiver);
    let pushed = read_request(&mut stream);
    if !status.is_empty() {
        let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).expect("it reads");
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
