//! The webhook server and its token.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::OnceLock;

use greenavatar::greenapi::notification::Notification;
use greenavatar::output::{Options, Output};
use greenavatar::results::webhook::Server;
use greenavatar::results::webhook::auth::WebhookToken;
use greenavatar::results::webhook::writer::Writer;
use greenavatar::token::Masked;

use super::{TOKEN, assert_notification, assert_printable, with_token};

/// A header is accepted only with the token, and a body is refused or a notification. Over a socket, the server answers
/// with one of its statuses or not at all, and continues.
pub fn webhook_request(bytes: &[u8]) {
    let token = WebhookToken::new(TOKEN).expect("a token");
    if token.verify(Some(bytes)) {
        assert!(bytes.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes()));
    }
    if let Some(notification) = Notification::read_unsolicited(bytes) {
        assert_notification(&notification);
    }
    let answer = send(&with_token(bytes));
    if answer.is_empty() {
        return;
    }
    let status = answer.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5)).unwrap_or_default();
    let known = ["100", "200", "400", "401", "404", "405", "408", "413", "414", "415", "431", "503"];
    assert!(known.iter().any(|known| known.as_bytes() == status), "{}", String::from_utf8_lossy(&answer));
    assert!(!answer.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes()));
}

/// The status of the answer to a well-formed request.
pub fn webhook_status(verb: &str, path: &str, authorization: Option<&str>, body: &[u8]) {
    let mut request =
        format!("{verb} {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if let Some(value) = authorization {
        request.push_str(&format!("Authorization: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(webhook_server()).expect("it listens");
    stream.write_all(&[request.as_bytes(), b"\r\n", body].concat()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let has_token = authorization
        .is_some_and(|value| ["", "Bearer ", "Basic "].iter().any(|scheme| value.strip_prefix(scheme) == Some(TOKEN)));
    let expected = match (path, verb) {
        ("/healthz", "GET" | "HEAD") => "200",
        ("/", "POST") if !has_token => "401",
        ("/", "POST") if body.len() > 1024 * 1024 => "413",
        ("/", "POST") if Notification::read_unsolicited(body).is_none() => "400",
        ("/", "POST") => "200",
        ("/", _) => "405",
        _ => "404",
    };
    assert_eq!(answer.get(9..12), Some(expected), "{verb} {path} {authorization:?}: {answer}");
}

fn send(request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(webhook_server()).expect("it listens");
    let mut answer = Vec::new();
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(request).and_then(|()| stream.shutdown(Shutdown::Write));
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// The address of the server, one for the whole process.
fn webhook_server() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| {
        let token = Some(WebhookToken::new(TOKEN).expect("a token"));
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::bind(loopback, "/", token).expect("a free port");
        let address = server.address();
        std::thread::spawn(move || {
            let output = Output::new(Options { json: true, quiet: true, ..Options::default() });
            let write = |lines: &Masked| {
                assert_printable(lines.as_str().trim_end_matches('\n'));
                Ok(())
            };
            let ended = server.run(Writer::new(&output, write, None, None));
            // Nothing ends it. If it ends nevertheless, the next connection fails.
            panic!("the server ended: {ended:?}");
        });
        address
    })
}
