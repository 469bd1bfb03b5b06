//! The sandbox, called through a plain socket without a client library.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Config, Sandbox};

mod book;
mod webhook;

/// An answer that was received.
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
        serde_json::from_str(self.text()).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }
}

#[must_use]
fn start(change: impl FnOnce(&mut Config)) -> Sandbox {
    let mut config = Config { delay: Duration::ZERO, rate_limit: false, ..Config::default() };
    change(&mut config);
    Sandbox::start(config).expect("a loopback port is free")
}

fn connect(sandbox: &Sandbox) -> TcpStream {
    TcpStream::connect(&sandbox.api_url()["http://".len()..]).expect("it listens")
}

fn raw(sandbox: &Sandbox, request: &[u8]) -> Vec<u8> {
    let mut stream = connect(sandbox);
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
    // The sandbox may answer and close before it has read everything.
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

fn get(sandbox: &Sandbox, method: &str) -> Answer {
    send(sandbox, "GET", &path(sandbox, method), b"")
}

fn ask(sandbox: &Sandbox, method: &str, chat_id: &str) -> Answer {
    send(sandbox, "POST", &path(sandbox, method), format!(r#"{{"chatId":"{chat_id}"}}"#).as_bytes())
}

fn receive(sandbox: &Sandbox) -> Value {
    get(sandbox, "receiveNotification").json()
}

fn delete(sandbox: &Sandbox, receipt: &str) -> Value {
    send(sandbox, "DELETE", &format!("{}/{receipt}", path(sandbox, "deleteNotification")), b"").json()
}

fn waiting(sandbox: &Sandbox) -> Value {
    send(sandbox, "GET", "/_sandbox/notifications", b"").json()["waiting"].take()
}

fn advance_clock(sandbox: &Sandbox, seconds: u64) {
    let body = format!(r#"{{"advanceSeconds":{seconds}}}"#);
    assert_eq!(send(sandbox, "POST", "/_sandbox/clock", body.as_bytes()).status, 200);
}

/// Waits until a method was called this many times.
fn wait_for_calls(sandbox: &Sandbox, method: &str, count: u64) {
    while send(sandbox, "GET", "/_sandbox/requests", b"").json()[method] != count {}
}

#[test]
fn accepted_is_an_empty_200_and_the_result_a_notification_until_it_is_deleted() {
    let sandbox = start(|_| {});
    let accepted = ask(&sandbox, "getAvatarAsync", "11001234567@c.us");
    assert_eq!((accepted.status, accepted.text()), (200, ""));
    let first = receive(&sandbox);
    assert_eq!(first["receiptId"], 1);
    assert_eq!(first["body"]["typeWebhook"], "deviceInfo");
    assert_eq!(first["body"]["avatarInfo"]["chatId"], "11001234567@c.us");
    let url = first["body"]["avatarInfo"]["urlAvatar"].as_str().expect("a URL");
    assert!(url.starts_with(&format!("{}/pictures/11001234567.jpg?", sandbox.api_url())), "{url}");
    ask(&sandbox, "getAvatarAsync", "120363043968066561@g.us");
    assert_eq!(receive(&sandbox), first);
    assert_eq!(delete(&sandbox, "2")["result"], false, "only the head can be deleted");
    assert_eq!(delete(&sandbox, "1")["result"], true);
    assert_eq!(delete(&sandbox, "1")["result"], false);
    assert_eq!(receive(&sandbox)["receiptId"], 2);
}

#[test]
fn an_instance_with_leading_zeros_is_still_a_number() {
    for (id, number) in [("007", 7), ("000", 0), ("10", 10)] {
        let sandbox = start(|config| config.id_instance = id.to_owned());
        ask(&sandbox, "getAvatarAsync", "11001234567@c.us");
        assert_eq!(receive(&sandbox)["body"]["instanceData"]["idInstance"], number);
    }
}

#[test]
fn a_status_has_its_documented_body_on_both_methods_and_no_notification() {
    let sandbox = start(|_| {});
    for method in ["getAvatarAsync", "getAvatar"] {
        for (status, expected) in [
            (400, "\"message\":\"bad request data\""),
            (401, ""),
            (403, "<title>403 Forbidden</title>"),
            (404, "Cannot POST /waInstance"),
            (466, "Monthly quota has been exceeded"),
            (499, "Client Closed Request"),
            (500, "Internal Server Error"),
            (502, "<title>502 Bad Gateway</title>"),
        ] {
            let answer = ask(&sandbox, method, &format!("11001234{status}@c.us"));
            assert_eq!(answer.status, status, "{method}");
            assert!(answer.text().contains(expected), "{method} {status}: {}", answer.text());
            assert_eq!(answer.body.is_empty(), status == 401, "{method} {status}");
        }
    }
    assert_eq!(waiting(&sandbox), 0);
}

#[test]
fn two_failures_then_success_and_the_count_starts_again() {
    let sandbox = start(|_| {});
    for method in ["getAvatarAsync", "getAvatar"] {
        for (chat_id, status) in [("11001234429@c.us", 429), ("11001234503@c.us", 503)] {
            for _ in 0..2 {
                let statuses = [(); 3].map(|()| ask(&sandbox, method, chat_id).status);
                assert_eq!(statuses, [status, status, 200], "{method}");
            }
        }
    }
    let answer = ask(&sandbox, "getAvatar", "11001234429@c.us");
    assert!(answer.head.contains("retry-after: 1\r\n"), "{}", answer.head);
}

#[test]
fn results_differ_by_number() {
    let sandbox = start(|_| {});
    for row in ["901", "902", "903", "904", "905", "906", "913"] {
        assert_eq!(ask(&sandbox, "getAvatarAsync", &format!("11001234{row}@c.us")).status, 200);
    }
    let mut results = Vec::new();
    while waiting(&sandbox) != 0 {
        let head = receive(&sandbox);
        delete(&sandbox, &head["receiptId"].to_string());
        results.push(head["body"].clone());
    }
    let rows: Vec<_> = results
        .iter()
        .map(|body| body["avatarInfo"]["chatId"].as_str().expect("a chat id")[8..11].to_owned())
        .collect();
    assert_eq!(rows, ["901", "902", "903", "905", "905", "906", "913"]);
    assert_eq!(results[2]["avatarInfo"], json!({"chatId": "11001234903@c.us", "urlAvatar": ""}));
    assert_eq!(results[6]["avatarInfo"]["existsWhatsapp"], false);
    assert_eq!(results[3], results[4]);
    assert_eq!(results[5]["avatarInfo"]["reason"], "get avatar timeout limit exceeded");
}

#[test]
fn get_avatar_answers_at_once() {
    let sandbox = start(|_| {});
    let avatar = |row: &str| ask(&sandbox, "getAvatar", &format!("11001234{row}@c.us")).json();
    assert_eq!(avatar("567")["available"], true);
    assert!(avatar("904")["urlAvatar"].as_str().is_some_and(|url| url.starts_with("http://")));
    assert_eq!(avatar("901"), json!({"urlAvatar": "", "available": true}));
    assert_eq!(avatar("902"), json!({"urlAvatar": "", "available": false}));
    assert_eq!(avatar("903"), avatar("901"));
    assert_eq!(avatar("913"), json!({"existsWhatsapp": false, "urlAvatar": ""}));
    assert_ne!(avatar("920"), avatar("920"));
    assert_eq!(avatar("906")["reason"], "get avatar timeout limit exceeded");
}

#[test]
fn a_late_answer_takes_three_seconds_of_the_clock() {
    let sandbox = start(|_| {});
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let late = scope.spawn(|| ask(&sandbox, "getAvatar", "11001234907@c.us"));
        wait_for_calls(&sandbox, "getAvatar", 1);
        assert!(!late.is_finished());
        while !late.is_finished() {
            advance_clock(&sandbox, 1);
        }
        assert_eq!(late.join().expect("no panic").status, 200);
    });
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_connection_is_closed_half_way_through_the_answer() {
    let sandbox = start(|_| {});
    for method in ["getAvatarAsync", "getAvatar"] {
        let answer = ask(&sandbox, method, "11001234908@c.us");
        let announced = answer.head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let announced: usize = announced.parse().expect("a number");
        assert_eq!((answer.status, answer.body.len()), (200, announced / 2), "{method}");
        assert!(!answer.body.is_empty());
    }
}

#[test]
fn a_poll_returns_at_once_when_something_comes_and_null_when_its_time_is_over() {
    let sandbox = start(|_| {});
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let poll = scope.spawn(|| get(&sandbox, "receiveNotification"));
        wait_for_calls(&sandbox, "receiveNotification", 1);
        let body = b"{\"b\" : 1.0000000000000000001,\n \"b\":2,}";
        assert_eq!(send(&sandbox, "POST", "/_sandbox/notifications", body).status, 200);
        let head = poll.join().expect("no panic");
        assert_eq!(head.body, b"{\"receiptId\":1,\"body\":{\"b\" : 1.0000000000000000001,\n \"b\":2,}}");
    });
    delete(&sandbox, "1");
    std::thread::scope(|scope| {
        let poll = scope.spawn(|| receive(&sandbox));
        wait_for_calls(&sandbox, "receiveNotification", 2);
        while !poll.is_finished() {
            advance_clock(&sandbox, 1);
        }
        assert_eq!(poll.join().expect("no panic"), Value::Null);
    });
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_result_comes_after_the_delay_and_what_is_pushed_earlier_before_it() {
    let sandbox = start(|config| config.delay = Duration::from_secs(9));
    ask(&sandbox, "getAvatarAsync", "11001234567@c.us");
    assert_eq!(waiting(&sandbox), 0);
    send(&sandbox, "POST", "/_sandbox/notifications", b"{}");
    assert_eq!(waiting(&sandbox), 1);
    advance_clock(&sandbox, 9);
    assert_eq!(waiting(&sandbox), 2);
    assert_eq!(receive(&sandbox), json!({"receiptId": 1, "body": {}}));
}

#[test]
fn a_notification_is_gone_after_a_day() {
    let sandbox = start(|_| {});
    ask(&sandbox, "getAvatarAsync", "11001234567@c.us");
    assert_eq!(receive(&sandbox)["receiptId"], 1);
    advance_clock(&sandbox, 24 * 60 * 60);
    assert_eq!(waiting(&sandbox), 0);
    assert_eq!(delete(&sandbox, "1")["result"], false);
}

#[test]
fn refusals_have_the_texts_of_the_service() {
    let sandbox = start(|_| {});
    let (id, token) = (sandbox.id_instance(), sandbox.token());
    let good = path(&sandbox, "getAvatarAsync");
    let chat = br#"{"chatId":"11001234567@c.us"}"#.as_slice();
    let timeout = |seconds: &str| format!("{}?receiveTimeout={seconds}", path(&sandbox, "receiveNotification"));
    for (verb, path, body, status, expected) in [
        ("POST", format!("/waInstance{id}/getAvatarAsync/{token}0"), chat, 401, ""),
        ("POST", format!("/waInstance9/getAvatarAsync/{token}"), chat, 403, "<center>nginx</center>"),
        ("POST", "/waInstance".to_owned(), chat, 403, "<center>nginx</center>"),
        ("GET", good.clone(), b"", 404, "Cannot GET /waInstance"),
        ("POST", format!("/waInstance{id}/nothing/{token}"), chat, 404, "Cannot POST /waInstance"),
        ("POST", format!("/waInstance{id}/getAvatar/{token}/1"), chat, 404, "Cannot POST /waInstance"),
        ("GET", "/".to_owned(), b"", 404, "Cannot GET /"),
        ("POST", good.clone(), b"{oops", 400, "Unexpected token"),
        ("POST", good.clone(), br#"{"chatId":"1@c.us"}"#, 400, "must be one of the next formats"),
        ("GET", timeout("4"), b"", 400, "from 5 to 60"),
        ("GET", timeout("61"), b"", 400, "from 5 to 60"),
        ("GET", timeout("5s"), b"", 400, "from 5 to 60"),
        ("DELETE", format!("/waInstance{id}/deleteNotification/{token}/x"), b"", 400, "must be a Number"),
    ] {
        let answer = send(&sandbox, verb, &path, body);
        assert_eq!(answer.status, status, "{verb} {path}");
        assert!(answer.text().contains(expected), "{verb} {path}: {}", answer.text());
        if status == 400 {
            assert_eq!(answer.json()["path"], path, "the path is echoed, token included");
        }
        assert_eq!(answer.body.is_empty(), status == 401);
    }
}

#[test]
fn malformed_http_does_not_end_it() {
    let sandbox = start(|_| {});
    for request in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".as_slice(),
        b"GET\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        &[b'a'; 600_000],
    ] {
        raw(&sandbox, request);
    }
    assert_eq!(ask(&sandbox, "getAvatar", "11001234567@c.us").status, 200);
}

#[test]
fn rates_are_limited_by_method() {
    let sandbox = start(|config| config.rate_limit = true);
    let status = |method: &str| get(&sandbox, method).status;
    let first = get(&sandbox, "getStateInstance");
    assert_eq!(first.json(), json!({"stateInstance": "authorized"}));
    assert_eq!((status("getStateInstance"), status("getSettings")), (429, 200));
    advance_clock(&sandbox, 1);
    assert_eq!(status("getStateInstance"), 200);
    assert_eq!((0..20).filter(|_| sandbox.state.allow("getAvatar", 10)).count(), 10);
    assert_eq!(ask(&sandbox, "getAvatarAsync", "11001234567@c.us").status, 200);
}

#[test]
fn a_picture_is_a_jpeg_until_its_url_expires_or_is_changed() {
    let sandbox = start(|_| {});
    let url = ask(&sandbox, "getAvatar", "11001234567@c.us").json()["urlAvatar"].as_str().expect("a URL").to_owned();
    let path = url.strip_prefix(sandbox.api_url()).expect("it is the sandbox's own").to_owned();
    let picture = send(&sandbox, "GET", &path, b"");
    assert!(picture.head.contains("content-type: image/jpeg") && picture.body.starts_with(&[0xff, 0xd8, 0xff]));
    let changed = send(&sandbox, "GET", &path.replace("oe=", "oe=7"), b"");
    assert_eq!((changed.status, changed.text()), (403, "URL signature expired"));
    advance_clock(&sandbox, 9 * 24 * 60 * 60);
    let expired = send(&sandbox, "GET", &path, b"");
    assert_eq!((expired.status, expired.text()), (403, "URL signature expired"));
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let sandbox = start(|_| {});
    let address = sandbox.api_url()["http://".len()..].to_owned();
    let config = Config { bind: address.parse().expect("an address"), ..Config::default() };
    let error = Sandbox::start(config.clone()).err().expect("it is taken");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&address), "{error}");
    drop(sandbox);
    Sandbox::start(config).expect("it is free again");
}

#[test]
fn dropping_it_is_quick_even_while_a_client_waits() {
    let sandbox = start(|_| {});
    let mut poll = connect(&sandbox);
    let request =
        format!("GET {}?receiveTimeout=60 HTTP/1.1\r\nHost: a\r\n\r\n", path(&sandbox, "receiveNotification"));
    poll.write_all(request.as_bytes()).expect("it reads");
    wait_for_calls(&sandbox, "receiveNotification", 1);
    let begun = Instant::now();
    drop(sandbox);
    assert!(begun.elapsed() < Duration::from_secs(1));
}
