//! For unit tests: an HTTP server that sends given answers and records the requests.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// Answers one connection after the other, each with the next answer, and closes it.
pub struct Server {
    url: String,
    thread: JoinHandle<Vec<String>>,
}

impl Server {
    /// Listens on a free loopback port. After an empty answer the connection stays open until the client closes it.
    pub fn start(answers: impl IntoIterator<Item = Vec<u8>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let answers: Vec<_> = answers.into_iter().collect();
        let serve = move |answer: Vec<u8>| {
            let (mut stream, _) = listener.accept().expect("a connection");
            let request = read_request(&mut stream);
            if answer.is_empty() {
                let _ = stream.read(&mut [0]);
            }
            // The client may have closed the connection before it got everything.
            let _ = stream.write_all(&answer);
            request
        };
        Server { url, thread: std::thread::spawn(|| answers.into_iter().map(serve).collect()) }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until every answer has been sent, and returns the requests: head and body, unchanged.
    pub fn requests(self) -> Vec<String> {
        self.thread.join().expect("the server does not panic")
    }
}

/// A complete answer, after which the connection is closed.
pub fn answer(status: u16, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn read_request(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a request");
        request.push(byte[0]);
    }
    let head = String::from_utf8(request).expect("an ASCII head");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().expect("a length"))
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).expect("a body");
    head + &String::from_utf8(body).expect("UTF-8")
}
