//! The endpoint over real sockets: which status comes when, and what is where by then.
//!
//! Every test ends the run with the bound on results, so none depends on a signal of the process.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Mutex;

use super::*;
use crate::report::{Color, Report};
use crate::results::spool::Spool;

const DEVICE: &str = include_str!("../../../tests/cli/samples/device-info.json");

fn avatar(number: u64) -> String {
    format!(r#"{{"typeWebhook":"deviceInfo","timestamp":{number},"avatarInfo":{{"chatId":"{number}@c.us"}}}}"#)
}

/// Runs an endpoint until `max` results were printed, and says how it ended and what it printed.
struct Run {
    rules: Rules,
    spool: Option<Spool>,
    max: u64,
    write: fn() -> Result<(), Unwritten>,
}

impl Default for Run {
    fn default() -> Run {
        Run { rules: Rules { path: "/".into(), token: None }, spool: None, max: 1, write: || Ok(()) }
    }
}

impl Run {
    fn with(self, client: impl FnOnce(SocketAddr)) -> (Result<u8, Failure>, String) {
        let Run { rules, spool, max, write } = self;
        let endpoint = Endpoint::bind("127.0.0.1:0".parse().expect("an address"), rules).expect("a free port");
        let address = endpoint.address();
        let printed = Mutex::new(Vec::new());
        let (output, report) =
            (crate::output::Output::new(true, false, Color::Never), Report::new(true, false, false, Color::Never));
        let print = |lines: &[u8]| {
            write()?;
            printed.lock().expect("not poisoned").extend_from_slice(lines);
            Ok(())
        };
        let commit = Commit::new(&output, &report, print, spool, Some(max));
        let exit = std::thread::scope(|scope| {
            let server = scope.spawn(move || endpoint.serve(commit));
            client(address);
            server.join().expect("no panic")
        });
        (exit, String::from_utf8(printed.into_inner().expect("not poisoned")).expect("UTF-8"))
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream
}

/// Sends a request on a connection of its own; the status and the whole answer.
fn send(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).expect("sent");
    answer(&mut stream)
}

fn answer(stream: &mut TcpStream) -> (u16, String) {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("an answer") == 1 {
        text.push(byte[0]);
    }
    let text = String::from_utf8(text).expect("UTF-8");
    let status = text.get(9..12).and_then(|status| status.parse().ok()).expect("a status");
    (status, text)
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn post(address: SocketAddr, body: &str) -> u16 {
    send(address, &request("POST", "/", "", body)).0
}

#[test]
fn a_result_is_printed_before_its_200_and_a_repeat_is_not_printed_again() {
    let (exit, printed) = Run { max: 2, ..Run::default() }.with(|address| {
        assert_eq!(post(address, &avatar(1)), 200);
        assert_eq!(post(address, &avatar(1)), 200);
        assert_eq!(post(address, &avatar(2)), 200);
    });
    assert_eq!(exit.expect("an exit status"), 0);
    assert_eq!(
        printed,
        "{\"chatId\":\"1@c.us\",\"status\":\"none\",\"timestamp\":1}\n{\"chatId\":\"2@c.us\",\"status\":\"none\",\"timestamp\":2}\n"
    );
}

#[test]
fn every_other_request_has_its_status() {
    let token = Some(WebhookToken::new("s3cret").expect("a token"));
    let rules = Rules { path: "/avatars".into(), token };
    let good = "Authorization: Bearer s3cret\r\n";
    let (exit, printed) = Run { rules, ..Run::default() }.with(|address| {
        let status = |method, path, headers, body: &str| send(address, &request(method, path, headers, body)).0;
        let body = avatar(1);
        assert_eq!(status("POST", "/", good, &body), 404);
        assert_eq!(status("GET", "/avatars", good, ""), 405);
        assert_eq!(status("PUT", "/avatars", "", &body), 405);
        assert_eq!(status("POST", "/avatars", "", &body), 401);
        assert_eq!(status("POST", "/avatars", "Authorization: Bearer other\r\n", &body), 401);
        for text in ["", "not json", "[]", "null", "{\"a\":"] {
            assert_eq!(status("POST", "/avatars", good, text), 400, "{text}");
        }
        assert_eq!(status("GET", "/healthz", "", ""), 200);
        assert_eq!(status("HEAD", "/healthz", "", ""), 200);
        assert_eq!(status("POST", "/healthz", good, &body), 404);
        assert_eq!(status("POST", "/avatars?x=1", good, &body), 200);
    });
    assert_eq!(exit.expect("an exit status"), 0);
    assert_eq!(printed.lines().count(), 1);
}

#[test]
fn a_body_over_1_mib_is_refused_whether_or_not_its_length_is_told() {
    let (exit, _) = Run::default().with(|address| {
        let long = "a".repeat(NOTIFICATION_LIMIT + 1);
        assert_eq!(post(address, &long), 413);
        let chunked = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
            long.len()
        );
        assert_eq!(send(address, &chunked).0, 413);
        let asking = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n";
        assert_eq!(send(address, asking).0, 413, "without the body");
        let fits = format!(r#"{{"pad":"{}",{}"#, "a".repeat(1_000_000), &avatar(1)[1..]);
        assert_eq!(post(address, &fits), 200);
    });
    assert_eq!(exit.expect("an exit status"), 0);
}

#[test]
fn other_notifications_are_in_the_spool_before_their_200() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("spool");
    let broken = r#"{"typeWebhook":"deviceInfo","avatarInfo":{},}"#;
    let run = Run { spool: Some(Spool::open(&path).expect("a spool")), ..Run::default() };
    let (exit, printed) = run.with(|address| {
        assert_eq!(post(address, DEVICE), 200);
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), format!("{}\n", DEVICE.trim()));
        assert_eq!(post(address, broken), 200);
        assert_eq!(post(address, &avatar(1)), 200);
    });
    assert_eq!(exit.expect("an exit status"), 0);
    assert_eq!(printed.lines().count(), 1);
    assert_eq!(std::fs::read_to_string(&path).expect("readable"), format!("{}\n{broken}\n", DEVICE.trim()));
}

#[test]
fn what_cannot_be_kept_is_not_acknowledged_and_ends_the_run() {
    let spool = Some(Spool::open(Path::new("/dev/full")).expect("it opens"));
    let (exit, _) = Run { spool, ..Run::default() }.with(|address| assert_eq!(post(address, DEVICE), 503));
    assert_eq!(exit.expect_err("full").kind, Kind::OutputFailed);
    let closed = Run { write: || Err(Unwritten::PipeClosed), ..Run::default() };
    let (exit, printed) = closed.with(|address| assert_eq!(post(address, &avatar(1)), 503));
    assert_eq!((exit.expect("a silent end"), printed.as_str()), (74, ""));
}

#[test]
fn one_more_than_max_is_neither_printed_nor_acknowledged() {
    let (exit, printed) = Run { max: 3, ..Run::default() }.with(|address| {
        let mut streams: Vec<_> = (0..8).map(|_| connect(address)).collect();
        for (number, stream) in streams.iter_mut().enumerate() {
            let _ = stream.write_all(request("POST", "/", "", &avatar(number as u64)).as_bytes());
        }
        let taken = streams.iter_mut().filter_map(|stream| {
            let mut status = [0; 12];
            stream.read_exact(&mut status).ok().map(|()| status.ends_with(b"200"))
        });
        assert_eq!(taken.filter(|taken| *taken).count(), 3);
    });
    assert_eq!(exit.expect("an exit status"), 0);
    assert_eq!(printed.lines().count(), 3);
}

#[test]
fn a_failed_result_shows_in_the_exit_status() {
    let failed = include_str!("../../../tests/cli/samples/avatar-info-failed.json");
    let (exit, _) = Run::default().with(|address| assert_eq!(post(address, failed), 200));
    assert_eq!(exit.expect("an exit status"), EXIT_SOME_FAILED);
}

#[test]
fn three_hundred_stalled_clients_do_not_stop_the_next_one() {
    let (exit, _) = Run { max: 2, ..Run::default() }.with(|address| {
        let mut kept = connect(address);
        let stalled: Vec<_> = (0..300)
            .map(|number| {
                let mut stream = connect(address);
                let said = ["", "POST / HT", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"][number % 3];
                let _ = stream.write_all(said.as_bytes());
                stream
            })
            .collect();
        assert_eq!(post(address, &avatar(1)), 200);
        let _ = kept.write_all(request("POST", "/", "", &avatar(3)).as_bytes());
        assert!(matches!(kept.read(&mut [0]), Ok(0) | Err(_)), "the one that was still for longest had to go");
        // Those that say nothing are not waited for at the end; the one in the middle of a body may be.
        drop(stalled);
        assert_eq!(post(address, &avatar(2)), 200);
    });
    assert_eq!(exit.expect("an exit status"), 0);
}

#[test]
fn many_requests_on_one_connection_are_answered_one_by_one() {
    let (exit, printed) = Run { max: 100, ..Run::default() }.with(|address| {
        let mut stream = connect(address);
        for number in 0..100 {
            stream.write_all(request("POST", "/", "", &avatar(number)).as_bytes()).expect("sent");
            assert_eq!(answer(&mut stream).0, 200);
        }
    });
    assert_eq!(exit.expect("an exit status"), 0);
    assert_eq!(printed.lines().count(), 100);
}

#[test]
fn beyond_this_machine_a_token_is_asked_for() {
    let bind = |address: &str, token: Option<&str>| {
        let token = token.map(|token| WebhookToken::new(token).expect("a token"));
        let rules = Rules { path: "/".into(), token };
        Endpoint::bind(address.parse().expect("an address"), rules).map_err(|failure| failure.kind)
    };
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
        assert_eq!(bind(address, None).map(|_| ()).expect_err("open to all"), Kind::BadSettings);
    }
    assert!(bind("127.0.0.1:0", None).is_ok());
    let open = bind("0.0.0.0:0", Some("s3cret")).expect("a token keeps strangers out");
    let taken = open.address().port();
    assert_eq!(bind(&format!("0.0.0.0:{taken}"), Some("x")).map(|_| ()).expect_err("taken"), Kind::BadSettings);
}
