//! Starting and stopping, options, the journal.

use super::{Options, Sandbox, ask, path, send, start};
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

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
