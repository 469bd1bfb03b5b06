//! An HTTP client for the program's own servers.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::LIMIT;

/// One connection.
pub struct Client(TcpStream);

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(LIMIT)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Client(stream)
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The server may have answered and closed already.
        let _ = self.0.write_all(bytes.as_ref());
    }

    /// Sends a request again and again until the server reads nothing for half a second. Returns how many were sent.
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

    /// Sends nothing more; answers are still read.
    pub fn half_close(&self) {
        self.0.shutdown(Shutdown::Write).expect("a socket");
    }

    /// Everything up to the end of the connection.
    pub fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        // A reset is an end, too.
        let _ = self.0.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether the server closes the connection without another answer.
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

    /// Posts a body. Returns the status of the answer.
    pub fn post(&mut self, path: &str, headers: &str, body: &str) -> Option<u16> {
        self.send(request("POST", path, headers, body));
        self.answer().map(|(status, _)| status)
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.0.read_exact(&mut byte).ok().map(|()| byte[0])
    }
}

/// The text of a request. Each of the headers ends with a line end.
pub fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Sends one request on a new connection. Returns the status and the body of the answer.
pub fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let mut client = Client::connect(address);
    client.send(request);
    client.answer().expect("an answer")
}
