//! The sandbox over the wire: started on a free port and talked to through a plain socket, as no client library would.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Options, Sandbox};

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
    assert!(!url.contains(sandbox.token()), "{url}");
    assert_eq!(receive(&sandbox), first);
    assert_eq!(delete(&sandbox, "1")["result"], true);
    assert_eq!(delete(&sandbox, "1")["result"], false);
    ask(&sandbox, "getAvatarAsync", "120363043968066561@g.us");
    assert_eq!(receive(&sandbox)["receiptId"], 2);
}

#[test]
fn literal_docs_answer_success_with_an_empty_400() {
    let sandbox = start(|options| options.literal_docs = true);
    let accepted = ask(&sandbox, "getAvatarAsync", "11001234567@c.us");
    assert_eq!((accepted.status, accepted.text()), (400, ""));
    assert_eq!(receive(&sandbox)["body"]["avatarInfo"]["chatId"], "11001234567@c.us");
}

#[test]
fn a_status_row_answers_its_status_on_both_methods_and_notifies_nobody() {
    let sandbox = start(|_| {});
    for method in ["getAvatarAsync", "getAvatar"] {
        for status in [400, 401, 403, 404, 466, 499, 500, 502] {
            let answer = ask(&sandbox, method, &format!("11001234{status}@c.us"));
            assert_eq!(answer.status, status, "{method}");
            assert_eq!(answer.body.is_empty(), status == 401, "{method} {status}");
        }
    }
    assert_eq!(send(&sandbox, "GET", "/_sandbox/notifications", b"").json()["waiting"], 0);
}

#[test]
fn two_failures_then_well_and_the_count_starts_again() {
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
fn results_differ_by_row() {
    let sandbox = start(|_| {});
    for row in ["901", "902", "903", "904", "905", "906"] {
        assert_eq!(ask(&sandbox, "getAvatarAsync", &format!("11001234{row}@c.us")).status, 200);
    }
    let mut results = Vec::new();
    while send(&sandbox, "GET", "/_sandbox/notifications", b"").json()["waiting"] != 0 {
        let head = receive(&sandbox);
        delete(&sandbox, &head["receiptId"].to_string());
        results.push(head["body"].clone());
    }
    let rows: Vec<_> = results
        .iter()
        .map(|body| body["avatarInfo"]["chatId"].as_str().expect("a chat id")[8..11].to_owned())
        .collect();
    assert_eq!(rows, ["901", "902", "903", "905", "905", "906"]);
    assert_eq!(results[0]["avatarInfo"]["urlAvatar"], "");
    assert_eq!(results[2]["avatarInfo"]["existsWhatsapp"], false);
    assert_eq!(results[3], results[4]);
    assert_eq!(results[5]["avatarInfo"]["reason"], "get avatar timeout limit exceeded");
}

#[test]
fn get_avatar_says_at_once_what_it_found() {
    let sandbox = start(|_| {});
    let avatar = |row: &str| ask(&sandbox, "getAvatar", &format!("11001234{row}@c.us")).json();
    assert_eq!(avatar("567")["available"], true);
    assert!(avatar("904")["urlAvatar"].as_str().is_some_and(|url| url.starts_with("http://")));
    assert_eq!(avatar("901"), serde_json::json!({"urlAvatar": "", "available": true}));
    assert_eq!(avatar("902"), serde_json::json!({"urlAvatar": "", "available": false}));
    assert_eq!(avatar("903"), serde_json::json!({"existsWhatsapp": false, "urlAvatar": ""}));
    assert_eq!(avatar("906")["reason"], "get avatar timeout limit exceeded");
}

#[test]
fn a_late_answer_takes_three_seconds_of_the_clock() {
    let sandbox = start(|_| {});
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let late = scope.spawn(|| ask(&sandbox, "getAvatar", "11001234907@c.us"));
        let waits = || send(&sandbox, "GET", "/_sandbox/requests", b"").json()[0]["status"].is_null();
        while send(&sandbox, "GET", "/_sandbox/requests", b"").json().as_array().is_none_or(Vec::is_empty) {}
        assert!(waits());
        advance(&sandbox, 3);
        assert_eq!(late.join().expect("no panic").status, 200);
    });
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_connection_is_dropped_half_way_through_the_answer() {
    let sandbox = start(|_| {});
    for method in ["getAvatarAsync", "getAvatar"] {
        let answer = ask(&sandbox, method, "11001234908@c.us");
        let promised = answer.head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let promised: usize = promised.parse().expect("a number");
        assert_eq!((answer.status, answer.body.len()), (200, promised / 2), "{method}");
        assert!(!answer.body.is_empty());
    }
}

#[test]
fn what_the_service_refuses_is_refused_in_its_words() {
    let sandbox = start(|_| {});
    let (id, token) = (sandbox.id_instance(), sandbox.token());
    let good = path(&sandbox, "getAvatarAsync");
    let chat = br#"{"chatId":"11001234567@c.us"}"#.as_slice();
    let timeout = format!("{}?receiveTimeout=61", path(&sandbox, "receiveNotification"));
    let large = vec![b' '; 200_000];
    for (verb, path, body, status, expected) in [
        ("POST", format!("/waInstance{id}/getAvatarAsync/{token}0"), chat, 401, ""),
        ("POST", format!("/waInstance9/getAvatarAsync/{token}"), chat, 403, "<center>nginx</center>"),
        ("GET", good.clone(), b"", 404, "Cannot GET /waInstance"),
        ("POST", format!("/waInstance{id}/nothing/{token}"), chat, 404, "Cannot POST /waInstance"),
        ("GET", "/".to_owned(), b"", 404, "Cannot GET /"),
        ("POST", good.clone(), b"{oops", 400, "Unexpected token o in JSON at position 1"),
        ("POST", good.clone(), b"{}", 400, "'chatId' is required"),
        ("POST", good.clone(), br#"{"chatId":"1@c.us"}"#, 400, "must be one of the next formats"),
        ("POST", good.clone(), br#"{"chatId":"11001234567@c.us","a":1}"#, 400, "'a' is not allowed"),
        ("POST", good.clone(), &large, 413, "request entity too large"),
        ("GET", timeout, b"", 400, "'receiveTimeout' must be less than"),
        ("DELETE", format!("/waInstance{id}/deleteNotification/{token}/x"), b"", 400, "must be a Number"),
    ] {
        let answer = send(&sandbox, verb, &path, body);
        assert_eq!(answer.status, status, "{verb} {path}");
        assert!(answer.text().contains(expected), "{verb} {path}: {}", answer.text());
        if status == 400 {
            assert_eq!(answer.json()["path"], path, "the path is echoed, token and all");
        }
        assert_eq!(answer.body.is_empty(), status == 401);
    }
}

#[test]
fn requests_that_are_no_http_do_not_end_it() {
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
fn a_poll_returns_at_once_when_something_comes_and_null_when_its_time_is_over() {
    let sandbox = start(|_| {});
    let waits = |count: usize| {
        while send(&sandbox, "GET", "/_sandbox/requests", b"").json().as_array().map(Vec::len) != Some(count) {}
    };
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let poll = scope.spawn(|| send(&sandbox, "GET", &path(&sandbox, "receiveNotification"), b""));
        waits(1);
        let body = b"{\"b\" : 1.0000000000000000001,\n \"b\":2,}";
        assert_eq!(send(&sandbox, "POST", "/_sandbox/notifications", body).json()["receiptId"], 1);
        let head = poll.join().expect("no panic");
        assert_eq!(head.body, b"{\"receiptId\":1,\"body\":{\"b\" : 1.0000000000000000001,\n \"b\":2,}}");
    });
    delete(&sandbox, "1");
    std::thread::scope(|scope| {
        let poll = scope.spawn(|| receive(&sandbox));
        waits(3);
        advance(&sandbox, 5);
        assert_eq!(poll.join().expect("no panic"), Value::Null);
    });
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_notification_is_gone_after_a_day() {
    let sandbox = start(|_| {});
    ask(&sandbox, "getAvatarAsync", "11001234567@c.us");
    assert_eq!(receive(&sandbox)["receiptId"], 1);
    advance(&sandbox, 24 * 60 * 60);
    assert_eq!(send(&sandbox, "GET", "/_sandbox/notifications", b"").json()["waiting"], 0);
    assert_eq!(delete(&sandbox, "1")["result"], false);
}

#[test]
fn the_rates_are_kept_unless_told_otherwise() {
    let sandbox = start(|options| options.rate_limit = true);
    let state = path(&sandbox, "getStateInstance");
    let first = send(&sandbox, "GET", &state, b"");
    assert_eq!(first.json(), serde_json::json!({"stateInstance": "authorized"}));
    assert_eq!(send(&sandbox, "GET", &state, b"").status, 429);
    let settings = send(&sandbox, "GET", &path(&sandbox, "getSettings"), b"").json();
    assert_eq!((settings["webhookUrl"].as_str(), settings["incomingWebhook"].as_str()), (Some(""), Some("yes")));
    advance(&sandbox, 1);
    assert_eq!(send(&sandbox, "GET", &state, b"").status, 200);
}

#[test]
fn a_picture_is_a_jpeg_until_its_url_expires_or_is_changed() {
    let sandbox = start(|_| {});
    let url = ask(&sandbox, "getAvatar", "11001234567@c.us").json()["urlAvatar"].as_str().expect("a URL").to_owned();
    let path = url.strip_prefix(&sandbox.api_url()).expect("it is the sandbox's own").to_owned();
    let preview = send(&sandbox, "GET", &format!("{path}&stp=dst-jpg_s96x96"), b"");
    assert!(preview.head.contains("content-type: image/jpeg") && preview.body.starts_with(&[0xff, 0xd8, 0xff]));
    let changed = send(&sandbox, "GET", &path.replace("oe=", "oe=7"), b"");
    assert_eq!((changed.status, changed.text()), (403, "URL signature expired"));
    advance(&sandbox, 9 * 24 * 60 * 60);
    let expired = send(&sandbox, "GET", &path, b"");
    assert_eq!((expired.status, expired.text()), (403, "URL signature expired"));
}

#[test]
fn the_journal_says_what_was_received_and_never_the_token() {
    let sandbox = start(|_| {});
    ask(&sandbox, "getAvatarAsync", "11001234466@c.us");
    let journal = send(&sandbox, "GET", "/_sandbox/requests", b"");
    assert!(!journal.text().contains(sandbox.token()));
    let entry = &journal.json()[0];
    assert_eq!(entry["method"], "POST");
    assert_eq!(entry["path"], format!("/waInstance{}/getAvatarAsync/***", sandbox.id_instance()));
    assert_eq!(entry["body"]["chatId"], "11001234466@c.us");
    assert_eq!(entry["status"], 466);
    assert_eq!(send(&sandbox, "DELETE", "/_sandbox/requests", b"").status, 204);
    assert_eq!(send(&sandbox, "GET", "/_sandbox/requests", b"").text(), "[]");
}

#[test]
fn a_webhook_gets_the_same_notification_until_it_says_200() {
    let receiver = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = receiver.local_addr().expect("bound");
    let sandbox = start(|options| {
        options.webhook_url = Some(format!("http://{address}/hook"));
        options.webhook_token = Some("sesame".to_owned());
    });
    let refused = send(&sandbox, "GET", &path(&sandbox, "receiveNotification"), b"");
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("custom webhook url is set"));
    ask(&sandbox, "getAvatarAsync", "11001234567@c.us");
    ask(&sandbox, "getAvatarAsync", "11001234568@c.us");
    let turn = |status: &str| {
        let (mut stream, _) = receiver.accept().expect("a push");
        let pushed = read_request(&mut stream);
        if !status.is_empty() {
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).expect("it listens");
        }
        pushed
    };
    let first = turn("500 Oops");
    assert!(
        first.starts_with("POST /hook HTTP/1.1\r\n") && first.contains("authorization: Bearer sesame\r\n"),
        "{first}"
    );
    assert!(first.contains("11001234567@c.us") && !first.contains("receiptId"));
    wait_for_pause(&sandbox);
    assert_eq!(turn(""), first);
    wait_for_pause(&sandbox);
    assert_eq!(turn("200 OK"), first);
    assert!(turn("200 OK").contains("11001234568@c.us"));
}

/// Turns the clock past the pause, once it has begun: before that, it would pass for the receiver's silence.
fn wait_for_pause(sandbox: &Sandbox) {
    std::thread::sleep(Duration::from_millis(20));
    advance(sandbox, 61);
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

#[test]
fn a_seed_changes_the_order_of_results_the_same_way_each_time() {
    let order = |seed| {
        let sandbox = start(|options| {
            options.seed = seed;
            options.delay = Duration::from_secs(10);
        });
        let chat = |at: usize| format!("1100123400{at}@c.us");
        (0..8).for_each(|at| assert_eq!(ask(&sandbox, "getAvatarAsync", &chat(at)).status, 200));
        advance(&sandbox, 20);
        let mut order = Vec::new();
        for receipt in 1..=8 {
            order.push(receive(&sandbox)["body"]["avatarInfo"]["chatId"].as_str().expect("an id").to_owned());
            delete(&sandbox, &receipt.to_string());
        }
        order
    };
    assert!(order(None).is_sorted());
    assert!(!order(Some(7)).is_sorted());
    assert_eq!(order(Some(7)), order(Some(7)));
    assert_ne!(order(Some(7)), order(Some(8)));
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let sandbox = start(|_| {});
    let bind = sandbox.address();
    let error = Sandbox::start(Options { bind, ..Options::default() }).err().expect("it is taken");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&bind.to_string()), "{error}");
    sandbox.stop();
    Sandbox::start(Options { bind, ..Options::default() }).expect("it is free again").stop();
}

#[test]
fn options_of_the_wrong_shape_are_errors() {
    for change in [
        |options: &mut Options| options.id_instance = "1/2".to_owned(),
        |options: &mut Options| options.token = "a b".to_owned(),
        |options: &mut Options| options.webhook_url = Some("https://localhost/".to_owned()),
    ] {
        let mut options = Options::default();
        change(&mut options);
        assert_eq!(Sandbox::start(options).err().map(|error| error.kind()), Some(std::io::ErrorKind::InvalidInput));
    }
}

#[test]
fn dropping_it_is_quick_even_while_somebody_waits() {
    let sandbox = start(|_| {});
    let mut poll = TcpStream::connect(sandbox.address()).expect("it listens");
    let request =
        format!("GET {}?receiveTimeout=60 HTTP/1.1\r\nHost: a\r\n\r\n", path(&sandbox, "receiveNotification"));
    poll.write_all(request.as_bytes()).expect("it reads");
    let begun = Instant::now();
    drop(sandbox);
    assert!(begun.elapsed() < Duration::from_secs(1));
}
