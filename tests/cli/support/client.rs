//! A client that sends what a test tells it to, and says what came back.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Nothing that a test waits for takes longer.
const PATIENCE: Duration = Duration::from_secs(15);

/// One connection.
pub struct Client(TcpStream);

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Client(stream)
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The other side may have said enough and closed: its answer tells.
        let _ = self.0.write_all(bytes.as_ref());
    }

    /// Sends a request again and again until no more is taken for half a second; how many were sent in whole.
    pub fn send_until_blocked(&mut self, request: &str) -> usize {
        // Few unread answers fill a small buffer.
        socket2::SockRef::from(&self.0).set_recv_buffer_size(4096).expect("a socket");
        self.0.set_write_timeout(Some(Duration::from_millis(500))).expect("a socket");
        let requests = request.repeat(100);
        let mut sent = 0;
        while let Ok(written) = self.0.write(&requests.as_bytes()[sent % request.len()..]) {
            sent += written;
        }
        sent / request.len()
    }

    /// Nothing more is sent; answers are still read.
    pub fn half_close(&self) {
        self.0.shutdown(Shutdown::Write).expect("a socket");
    }

    /// Everything that still comes before the connection ends.
    pub fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        // A connection that is reset has an end, too.
        let _ = self.0.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether the other side closes the connection without another answer.
    pub fn is_dropped(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }

    /// The status and the body of the next answer; `None` if the connection ends without one.
    pub fn answer(&mut self) -> Option<(u16, String)> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte()?);
        }
        let head = String::from_utf8(head).expect("a head is ASCII").to_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse::<usize>().expect("a length"));
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        Some((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// Posts a body and gives the answer's status.
    pub fn post(&mut self, path: &str, headers: &str, body: &str) -> Option<u16> {
        self.send(request("POST", path, headers, body));
        self.answer().map(|(status, _)| status)
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.0.read_exact(&mut byte).ok().map(|()| byte[0])
    }
}

/// The bytes of a request; each header ends with a line's end.
pub fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Sends one request on a connection of its own; the status and the body of the answer.
pub fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let mut client = Client::connect(address);
    client.send(request);
    client.answer().expect("an answer")
}
