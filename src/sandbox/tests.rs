//! The sandbox over the wire: started on a free port and talked to through a plain socket, as no client library would.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::{Options, Sandbox};

mod delivery;
mod house;
mod refusals;
mod rows;

/// An answer as it came over the wire.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    fn json(&self) -> Value {
        serde_json::from_str(self.text()).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }
}

#[must_use]
fn start(change: impl FnOnce(&mut Options)) -> Sandbox {
    let mut options = Options { delay: Duration::ZERO, rate_limit: false, ..Options::default() };
    change(&mut options);
    Sandbox::start(options).expect("a loopback port is free")
}

fn raw(sandbox: &Sandbox, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(sandbox.address()).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
    // It may answer and close before it has read all.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn send(sandbox: &Sandbox, verb: &str, path: &str, body: &[u8]) -> Answer {
    let length = body.len();
    let head =
        format!("{verb} {path} HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    let answer = raw(sandbox, &[head.as_bytes(), body].concat());
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(answer[..end].to_vec()).expect("ASCII").to_ascii_lowercase();
    let status = head.get(9..12).and_then(|status| status.parse().ok()).expect("a status");
    assert!(head.contains("x-greenavatar-sandbox: 1"), "{head}");
    Answer { status, head, body: answer[end + 4..].to_vec() }
}

fn path(sandbox: &Sandbox, method: &str) -> String {
    format!("/waInstance{}/{method}/{}", sandbox.id_instance(), sandbox.token())
}

fn ask(sandbox: &Sandbox, method: &str, chat_id: &str) -> Answer {
    send(sandbox, "POST", &path(sandbox, method), format!(r#"{{"chatId":"{chat_id}"}}"#).as_bytes())
}

fn receive(sandbox: &Sandbox) -> Value {
    let answer = send(sandbox, "GET", &path(sandbox, "receiveNotification"), b"");
    assert_eq!(answer.status, 200);
    answer.json()
}

fn delete(sandbox: &Sandbox, receipt: &str) -> Value {
    let answer = send(sandbox, "DELETE", &format!("{}/{receipt}", path(sandbox, "deleteNotification")), b"");
    assert_eq!(answer.status, 200);
    answer.json()
}

fn advance(sandbox: &Sandbox, seconds: u64) {
    let body = format!(r#"{{"advanceSeconds":{seconds}}}"#);
    assert_eq!(send(sandbox, "POST", "/_sandbox/clock", body.as_bytes()).status, 200);
}
