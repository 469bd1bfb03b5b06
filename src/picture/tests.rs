//! Downloads from a scripted server on a loopback port: what is kept, what is not, and what goes over the wire.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use super::*;
use crate::chat_id::Rule;
use crate::report::Report;

mod places;

const CHAT: &str = "11001234567@c.us";
const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0 the picture";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR the picture";

/// Answers one connection after the other with the bytes given and closes it; joined, it gives the requests.
struct Host {
    address: SocketAddr,
    thread: Option<JoinHandle<Vec<String>>>,
}

impl Host {
    fn answers(answers: Vec<Vec<u8>>) -> Host {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let thread = std::thread::spawn(move || {
            let mut requests = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().expect("a connection");
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if stream.read(&mut byte).expect("a request") == 0 {
                        break;
                    }
                    request.push(byte[0]);
                }
                // A client that has seen enough closes before all is written.
                let _ = stream.write_all(&answer);
                requests.push(String::from_utf8(request).expect("a header in ASCII"));
            }
            requests
        });
        Host { address, thread: Some(thread) }
    }

    fn url(&self) -> String {
        format!("http://{}/v/x.jpg?oe=615A60EB", self.address)
    }

    fn requests(mut self) -> Vec<String> {
        self.thread.take().expect("joined once").join().expect("the server does not panic")
    }
}

fn answer(status: u16, body: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn chat() -> ChatId {
    ChatId::parse(CHAT, Rule::Strict).expect("a chat id")
}

fn rules(destination: Destination) -> Rules {
    Rules {
        destination,
        if_changed: false,
        digests: true,
        allowed: vec![AllowedHost::parse("127.0.0.1").expect("an address")],
        http: Options { timeout: Duration::from_secs(5), ..Options::default() },
        environment: Box::new(|_| None),
    }
}

impl Pictures<'_> {
    /// From the URL to its place, for one picture.
    fn save(&self, chat: &ChatId, url: &str) -> Result<Saved, Unsaved> {
        let fetched = self.fetch(chat, url)?;
        Ok(self.keep(vec![fetched]).pop().expect("one for one")?)
    }
}

fn save(rules: Rules, answer: Vec<u8>) -> Result<Saved, Failure> {
    let report = Report::default();
    let pictures = Pictures::new(rules, &report)?;
    let host = Host::answers(vec![answer]);
    let saved = pictures.save(&chat(), &host.url());
    host.requests();
    saved.map_err(|unsaved| unsaved.failure)
}

fn save_in(dir: &Path, answer: Vec<u8>) -> Result<Saved, Failure> {
    save(rules(Destination::Dir(dir.to_owned())), answer)
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

fn metadata(path: &Path) -> fs::Metadata {
    fs::metadata(path).expect("a file")
}

fn mode(path: &Path) -> u32 {
    metadata(path).permissions().mode() & 0o777
}

fn modified(path: &Path) -> SystemTime {
    metadata(path).modified().expect("a time")
}

fn temporary_dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn a_picture_is_written_under_its_chat_id_for_its_owner_alone() {
    let dir = temporary_dir();
    let deep = dir.path().join("a/b");
    let saved = save_in(&deep, answer(200, JPEG)).expect("saved");
    let path = deep.join("11001234567@c.us.jpg");
    assert_eq!(fs::read(&path).expect("the picture"), JPEG);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&deep), 0o700);
    assert_eq!((saved.file.as_deref(), saved.bytes, saved.changed), (Some(path.as_path()), JPEG.len() as u64, true));
    assert_eq!(names(&deep), ["11001234567@c.us.jpg"]);
}

#[test]
fn the_digest_is_that_of_the_bytes() {
    let dir = temporary_dir();
    let saved = save_in(dir.path(), answer(200, b"\xff\xd8\xff")).expect("saved");
    let digest = "6e568e1f67fba258184c78181539e5e8fdee447e49bb706fc0ea34fbf12336a5";
    assert_eq!(saved.sha256.as_deref(), Some(digest));
}

#[test]
fn nothing_of_green_api_goes_to_the_pictures_host() {
    let dir = temporary_dir();
    let report = Report::default();
    let pictures = Pictures::new(rules(Destination::Dir(dir.path().into())), &report).expect("rules");
    let host = Host::answers(vec![answer(200, JPEG)]);
    let address = host.address;
    pictures.save(&chat(), &host.url()).expect("saved");
    let request = host.requests().remove(0).to_lowercase();
    let mut lines: Vec<_> = request.trim_end().split("\r\n").collect();
    lines.sort_unstable();
    let version = concat!("user-agent: greenavatar/", env!("CARGO_PKG_VERSION"));
    assert_eq!(lines, ["accept: */*", "get /v/x.jpg?oe=615a60eb http/1.1", &format!("host: {address}"), version]);
}

#[test]
fn what_is_no_whole_picture_leaves_nothing_behind() {
    let cut = {
        let mut cut = answer(200, JPEG);
        cut.truncate(cut.len() - 5);
        cut
    };
    let long_cut = {
        let mut cut = answer(200, &[JPEG, &vec![b'x'; 600 * 1024]].concat());
        cut.truncate(cut.len() - 5);
        cut
    };
    let chunked_cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n\xff\xd8\xff\xe0 cut".to_vec();
    let large = vec![b'x'; 5 * 1024 * 1024];
    let html = b"<!DOCTYPE html><html><title>Expired</title></html>";
    for (what, answer, code) in [
        ("cut", cut, "unreachable"),
        ("cut after much", long_cut, "unreachable"),
        ("cut in a chunk", chunked_cut, "unreachable"),
        ("nothing", Vec::new(), "unreachable"),
        ("too large", answer(200, &[JPEG, &large].concat()), "bad-picture"),
        ("junk too large", answer(200, &[&b"no picture"[..], &large].concat()), "bad-picture"),
        ("no picture", answer(200, b"GIF89a and so on"), "bad-picture"),
        ("SVG", answer(200, b"<svg onload='x'></svg>"), "bad-picture"),
        ("empty", answer(200, b""), "bad-picture"),
        ("short", answer(200, b"\xff\xd8"), "bad-picture"),
        ("HTML", answer(200, html), "bad-picture"),
        ("expired with 200", answer(200, b"URL signature expired"), "picture-expired"),
        ("expired", answer(403, b"URL signature expired"), "picture-expired"),
        ("a picture with 403", answer(403, JPEG), "picture-expired"),
        ("gone", answer(404, html), "picture-expired"),
        ("failed", answer(503, JPEG), "server-error"),
        ("too fast", answer(429, b""), "too-many-requests"),
        ("partial", answer(206, JPEG), "unexpected-response"),
        ("redirected", answer(302, JPEG), "unexpected-response"),
        ("not HTTP", b"\xff\xd8\xff\xe0\r\n\r\n".to_vec(), "unexpected-response"),
    ] {
        let dir = temporary_dir();
        fs::write(dir.path().join("11001234567@c.us.jpg"), b"older").expect("written");
        let failure = save_in(dir.path(), answer).expect_err(what);
        assert_eq!(failure.kind.code(), code, "{what}: {}", failure.message());
        assert_eq!(names(dir.path()), ["11001234567@c.us.jpg"], "{what}");
        assert_eq!(fs::read(dir.path().join("11001234567@c.us.jpg")).expect("a picture"), b"older", "{what}");
    }
}

#[test]
fn five_mebibytes_are_taken_and_keep_their_bytes_on_the_way_through_a_temporary_file() {
    let dir = temporary_dir();
    let picture: Vec<u8> =
        JPEG.iter().copied().chain((0..).map(|n: u32| (n % 251) as u8)).take(5 * 1024 * 1024).collect();
    let saved = save_in(dir.path(), answer(200, &picture)).expect("saved");
    assert_eq!(saved.bytes, 5 * 1024 * 1024);
    assert!(fs::read(dir.path().join("11001234567@c.us.jpg")).expect("a picture") == picture);
    assert_eq!(mode(&dir.path().join("11001234567@c.us.jpg")), 0o600);
    assert_eq!(names(dir.path()).len(), 1);
}

#[test]
fn what_a_server_says_is_told_without_its_control_characters() {
    let dir = temporary_dir();
    let message = save_in(dir.path(), answer(403, b"URL signature \x1b[2Jexpired")).expect_err("expired").message();
    assert_eq!(message, "the picture's URL is no longer valid: status 403: URL signature \\u{1b}[2Jexpired");
}

#[test]
fn in_memory_the_picture_is_whole() {
    let large = [JPEG, &vec![b'x'; 1024 * 1024]].concat();
    let saved = save(rules(Destination::Memory), answer(200, &large)).expect("saved");
    assert_eq!((saved.file, saved.bytes), (None, large.len() as u64));
    assert!(saved.picture.expect("a picture") == large);
}

#[test]
fn what_cannot_be_written_ends_the_run() {
    let dir = temporary_dir();
    let file = dir.path().join("file");
    fs::write(&file, b"").expect("written");
    let report = Report::default();
    for destination in [
        Destination::Dir(file.clone()),
        Destination::Dir(file.join("below")),
        Destination::File(dir.path().into()),
        Destination::File(dir.path().join("missing/x.jpg")),
        Destination::File(file.join("x.jpg")),
    ] {
        let failure = Pictures::new(rules(destination.clone()), &report).expect_err("not writable");
        assert_eq!(failure.kind, Kind::OutputFailed, "{destination:?}");
    }
    fs::create_dir(dir.path().join("11001234567@c.us.jpg")).expect("made");
    let failure = save_in(dir.path(), answer(200, JPEG)).expect_err("a directory stands there");
    assert_eq!(failure.kind, Kind::OutputFailed);
    assert_eq!(names(dir.path()), ["11001234567@c.us.jpg", "file"]);
    let full = save(rules(Destination::File("/dev/full".into())), answer(200, JPEG)).expect_err("full");
    assert_eq!(full.kind, Kind::OutputFailed);
    assert!(full.message().starts_with("cannot write /dev/full: "), "{}", full.message());
}

#[test]
fn a_large_picture_for_a_directory_that_went_away_is_told_as_unwritten() {
    let dir = temporary_dir();
    let target = dir.path().join("gone");
    let report = Report::default();
    let pictures = Pictures::new(rules(Destination::Dir(target.clone())), &report).expect("rules");
    fs::remove_dir(&target).expect("removed");
    let host = Host::answers(vec![answer(200, &[JPEG, &vec![b'x'; 1024 * 1024]].concat())]);
    assert_eq!(pictures.save(&chat(), &host.url()).expect_err("nowhere to write").failure.kind, Kind::OutputFailed);
    host.requests();
}

#[test]
fn a_host_that_is_not_allowed_is_not_even_connected_to() {
    let dir = temporary_dir();
    let report = Report::default();
    let strict = Rules { allowed: Vec::new(), ..rules(Destination::Dir(dir.path().into())) };
    let pictures = Pictures::new(strict, &report).expect("rules");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let url = format!("http://{}/x.jpg", listener.local_addr().expect("an address"));
    assert_eq!(pictures.save(&chat(), &url).expect_err("refused").failure.kind, Kind::BadPicture);
    assert_eq!(listener.accept().expect_err("nobody came").kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_name_that_leads_to_this_machine_is_refused_although_it_was_allowed() {
    let dir = temporary_dir();
    let report = Report::default();
    let named = Rules {
        allowed: vec![AllowedHost::parse("localhost").expect("a name")],
        ..rules(Destination::Dir(dir.path().into()))
    };
    let pictures = Pictures::new(named, &report).expect("rules");
    let failure = pictures.save(&chat(), "https://localhost:9/x.jpg").expect_err("refused").failure;
    assert_eq!(failure.kind, Kind::BadPicture, "{}", failure.message());
    assert!(failure.message().contains("not public"), "{}", failure.message());
}

#[test]
fn a_long_url_is_followed_to_its_end_and_a_longer_one_not_at_all() {
    let dir = temporary_dir();
    let report = Report::default();
    let pictures = Pictures::new(rules(Destination::Dir(dir.path().into())), &report).expect("rules");
    let host = Host::answers(vec![answer(200, JPEG)]);
    let mut url = format!("{}&x=", host.url());
    url.push_str(&"y".repeat(avatar_url::LONGEST_URL - url.len()));
    pictures.save(&chat(), &url).expect("saved");
    assert_eq!(pictures.save(&chat(), &(url.clone() + "y")).expect_err("too long").failure.kind, Kind::BadPicture);
    assert!(host.requests()[0].contains(&url[url.len() - 2000..]));
}
