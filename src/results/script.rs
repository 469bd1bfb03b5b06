//! For tests: a server that expects given requests in their order and says what it was told to say.
//!
//! It says what no sane service says, which is what the queue must live through. When it is dropped it checks that
//! every line of its script was played.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Duration;

use super::lock::Lock;
use super::queue::{CALL_TIMEOUT, Clients, Queue};
use super::spool::Spool;
use crate::greenapi::client::{Client, Instance};
use crate::http::{Agent, Options};
use crate::report::Report;
use crate::shutdown::StopFlag;
use crate::token::Token;

/// A whole answer, after which the connection is closed. If it is a failure, the call may be repeated at once.
pub fn reply(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\nRetry-After: 0\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// The server.
pub struct Script {
    instance: Instance,
    player: Option<JoinHandle<()>>,
}

impl Script {
    /// Plays pairs of a request, `METHOD method tail`, and the raw answer to it. After an empty answer the connection
    /// is held open until the other side ends it.
    pub fn start<const N: usize>(lines: [(&'static str, String); N]) -> Script {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let api_url = format!("http://{}", listener.local_addr().expect("a bound address"));
        let player = std::thread::spawn(move || {
            for (expected, answer) in lines {
                let (mut stream, _) = listener.accept().expect("a connection");
                stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).expect("a request");
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).expect("an ASCII head");
                let asked = head.lines().next().expect("a request line");
                let asked =
                    asked.replace("/waInstance1101/", "").replace("/secret-token", " ").replace(" HTTP/1.1", "");
                assert_eq!(asked, expected);
                if answer.is_empty() {
                    let _ = stream.read(&mut [0]);
                }
                // The other side may have heard enough.
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        let token = Token::parse("secret-token").expect("a token");
        Script { instance: Instance { api_url, id: "1101".into(), token }, player: Some(player) }
    }

    /// Opens the queue of this server, with two retries a call.
    pub fn queue(self, spool: Option<Spool>, work: impl FnOnce(&mut Queue<'_>)) {
        let home = tempfile::tempdir().expect("a directory");
        let lock = Lock::acquire_in(home.path(), &self.instance.api_url, &self.instance.id).expect("the lock");
        let report = Report::default();
        let client = || {
            let agent = Agent::new(&Options { timeout: CALL_TIMEOUT, ..Options::default() });
            Client::new(&self.instance, agent, CALL_TIMEOUT, &report)
        };
        let (poll, delete, stop) = (client(), client(), StopFlag::default());
        work(&mut Queue::new(Clients { poll: &poll, delete: &delete }, 2, spool, lock, &stop, &report));
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let player = self.player.take().expect("dropped once");
        if !std::thread::panicking() {
            player.join().expect("the script was played to its end");
        }
    }
}
