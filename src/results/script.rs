//! For unit tests: an instance's queue, with a server that expects given requests and has an answer to each.

use super::lock::Lock;
use super::queue::{CALL_TIMEOUT, Queue};
use super::spool::Spool;
use crate::greenapi::client::{Client, Instance};
use crate::http::{Options, Origin};
use crate::output::Output;
use crate::shutdown::StopFlag;
use crate::testing::Server;
use crate::token::Token;

/// A whole answer, after which the connection is closed. If it is a failure, the call may be repeated at once.
pub fn reply(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\nRetry-After: 0\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// The server, and the requests that it expects.
pub struct Script {
    server: Server,
    expected: Vec<&'static str>,
}

impl Script {
    /// Takes pairs of a request, `METHOD method tail`, and the raw answer to it. After an empty answer the connection
    /// stays open until the client closes it.
    pub fn start<const N: usize>(lines: [(&'static str, String); N]) -> Script {
        let expected = lines.iter().map(|(request, _)| *request).collect();
        Script { server: Server::start(lines.map(|(_, answer)| answer.into_bytes())), expected }
    }

    /// Opens the queue of this server, with two retries a call, and checks afterwards that every request came.
    pub fn queue(self, spool: Option<Spool>, work: impl FnOnce(&mut Queue<'_>)) {
        let token = Token::parse("secret-token").expect("a token");
        let api_url = self.server.url().to_owned();
        let origin = Origin::parse(&api_url).expect("a URL");
        let instance = Instance { api_url, origin, id: "1101".into(), token };
        let home = tempfile::tempdir().expect("a directory");
        let lock = Lock::acquire_in(home.path(), &instance).expect("the lock");
        let output = Output::default();
        let options = Options { timeout: CALL_TIMEOUT, ..Options::default() };
        let client = || Client::new(&instance, &options, &output);
        let (poll, delete, stop) = (client(), client(), StopFlag::default());
        work(&mut Queue::new(&poll, &delete, 2, spool, lock, &stop, &output));
        let first_line = |request: &String| {
            let line = request.lines().next().unwrap_or_default();
            line.replace("/waInstance1101/", "").replace("/secret-token", " ").replace(" HTTP/1.1", "")
        };
        assert_eq!(self.server.requests().iter().map(first_line).collect::<Vec<_>>(), self.expected);
    }
}
