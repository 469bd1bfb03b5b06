//! One chat from the request to the saved picture, against a scripted GREEN-API and picture host in one.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use clap::{CommandFactory, Parser};

use super::*;
use crate::batch::job::{Floor, Job, Turn};
use crate::chat_id::{ChatId, Rule};
use crate::failure::{Failure, Kind};
use crate::greenapi::client::Instance;
use crate::http::Agent;
use crate::picture::show::{Colors, Glyph};
use crate::record::{Record, Status};
use crate::report::Report;
use crate::token::Token;

const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef01";
const JPEG: &[u8] = b"\xff\xd8\xff\xe0 picture";

#[derive(Debug, Parser)]
struct Typed {
    #[command(flatten)]
    pictures: PictureArgs,
}

/// A server that answers each connection with what `script` makes of the request's first line, and tells the lines.
fn server(script: fn(&str, usize) -> (u16, Vec<u8>)) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (tell, told) = channel();
    let own = url.clone();
    std::thread::spawn(move || {
        for (nth, stream) in listener.incoming().enumerate() {
            let mut stream = stream.expect("a connection");
            let mut request = Vec::new();
            let mut piece = [0; 1024];
            // A POST's body ends in a brace, a GET's header in an empty line.
            while !request.ends_with(b"\r\n\r\n") && !request.ends_with(b"}") {
                let got = stream.read(&mut piece).expect("a request");
                request.extend_from_slice(&piece[..got]);
            }
            let request = String::from_utf8(request).expect("text");
            let line = request.lines().next().expect("a line").to_owned();
            let (status, body) = script(&line, nth);
            let body = match String::from_utf8(body) {
                Ok(text) => text.replace("HERE", &own).into_bytes(),
                Err(error) => error.into_bytes(),
            };
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            // Told first: whoever has the answer finds the line.
            let _ = tell.send(line);
            let _ = stream.write_all(&[head.into_bytes(), body].concat());
        }
    });
    (url, told)
}

/// Runs the job for one chat; the line or the code word, and what was asked.
fn get(
    script: fn(&str, usize) -> (u16, Vec<u8>),
    typed: &[&str],
) -> (Result<Record, &'static str>, Vec<String>, Option<Vec<u8>>) {
    let (api_url, told) = server(script);
    let args =
        Typed::try_parse_from(["get", "--allow-host", "127.0.0.1"].iter().chain(typed)).expect("typed well").pictures;
    let instance = Instance { api_url, id: "1101".into(), token: Token::parse(TOKEN).expect("a token") };
    let report = Report::new(false, true, false, crate::report::Color::Never);
    let options = Options { timeout: Duration::from_secs(5), ..Options::default() };
    let client = Client::new(&instance, Agent::new(&options), options.timeout, &report);
    let output = Output::new(false, true, crate::report::Color::Never);
    let after = args.after(&output, true);
    let repeats = Repeats { most: 2, pause: |_, asked| asked.unwrap_or(Duration::from_millis(1)) };
    let job = GetJob::new(&client, args.rules(&options, true, after), after, repeats, &report).expect("can be written");
    let chat = ChatId::parse("11001234567@c.us", Rule::Strict).expect("a chat id");
    let result = whole(&job, &chat);
    let picture = job.picture();
    let asked = told.try_iter().collect();
    (result.map_err(|failure| failure.kind.code()), asked, picture)
}

/// A run of one chat, at no pace.
struct Alone<'a>(&'a GetJob<'a>);

impl Floor for Alone<'_> {
    fn again(&self, chat: &ChatId) -> Result<Record, Failure> {
        self.0.attempt(chat, Turn::First)
    }

    fn settle(&self, record: &Record, _: Option<Failure>) {
        panic!("the line of another chat: {record:?}");
    }
}

fn whole(job: &GetJob<'_>, chat: &ChatId) -> Result<Record, Failure> {
    let record = job.attempt(chat, Turn::First)?;
    Ok(job.finish(chat, record, &Alone(job))?.expect("each worker keeps its picture"))
}

fn found(name: &str) -> (u16, Vec<u8>) {
    (200, format!(r#"{{"urlAvatar":"HERE/{name}?oe=615A60EB","available":true}}"#).into_bytes())
}

#[test]
fn a_verdict_alone_downloads_nothing() {
    let (record, asked, _) = get(|_, _| found("x.jpg"), &[]);
    let record = record.expect("found");
    assert_eq!((record.status, record.expires_at.as_deref()), (Status::Found, Some("2021-10-04T02:03:23Z")));
    assert_eq!((record.available, record.preview, record.bytes), (Some(true), None, None));
    assert_eq!(asked, [format!("POST /waInstance1101/getAvatar/{TOKEN} HTTP/1.1")]);
}

#[test]
fn a_picture_is_saved_and_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_str().expect("a path");
    let (record, asked, _) =
        get(|line, _| if line.starts_with("POST") { found("x.jpg") } else { (200, JPEG.into()) }, &["--dir", path]);
    let record = record.expect("saved");
    assert_eq!(record.file, Some(format!("{path}/11001234567@c.us.jpg")));
    assert_eq!((record.bytes, record.changed), (Some(JPEG.len() as u64), Some(true)));
    assert_eq!(asked.len(), 2);
}

#[test]
fn an_ended_url_is_asked_for_anew_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x.jpg");
    let path = path.to_str().expect("a path");
    let fresh = |line: &str, nth: usize| match (line.starts_with("POST"), nth) {
        (true, 0) => found("old.jpg"),
        (true, _) => found("new.jpg"),
        (false, _) if line.contains("/old.jpg") => (403, b"URL signature expired".to_vec()),
        (false, _) => (200, JPEG.into()),
    };
    let (record, asked, _) = get(fresh, &["-o", path]);
    assert!(record.expect("saved").url_avatar.expect("a URL").contains("/new.jpg"));
    assert_eq!(asked.len(), 4);
    assert_eq!(fs::read(path).expect("a picture"), JPEG);

    let never = |line: &str, _| if line.starts_with("POST") { found("x.jpg") } else { (404, Vec::new()) };
    let (record, asked, _) = get(never, &["-o", path]);
    assert_eq!(record.err(), Some("picture-expired"));
    assert_eq!(asked.len(), 4);

    let gone = |line: &str, nth| match (line.starts_with("POST"), nth) {
        (true, 0) => found("x.jpg"),
        (true, _) => (200, br#"{"urlAvatar":"","available":false}"#.to_vec()),
        (false, _) => (200, b"<html>expired</html>".to_vec()),
    };
    let (record, _, _) = get(gone, &["-o", path]);
    assert_eq!(record.expect("an answer").status, Status::Hidden);
    assert_eq!(fs::read(path).expect("the older picture stays"), JPEG);
}

#[test]
fn a_download_that_may_go_well_later_is_repeated() {
    let flaky = |line: &str, nth| match (line.starts_with("POST"), nth) {
        (true, _) => found("x.jpg"),
        (false, 1 | 2) => (503, Vec::new()),
        (false, _) => (200, JPEG.into()),
    };
    let (record, asked, picture) = get(flaky, &["-o", "-"]);
    assert_eq!(record.expect("saved").file, None);
    assert_eq!(asked.len(), 4);
    assert_eq!(picture.as_deref(), Some(JPEG));
    let (record, asked, picture) =
        get(|line, _| if line.starts_with("POST") { found("x.jpg") } else { (500, Vec::new()) }, &["-o", "-"]);
    assert_eq!((record.err(), asked.len(), picture), (Some("server-error"), 4, None));
}

#[test]
fn nothing_is_downloaded_to_be_shown_where_nobody_looks() {
    let (record, asked, _) = get(|_, _| found("x.jpg"), &["--show"]);
    assert_eq!(record.expect("found").bytes, None);
    assert_eq!(asked.len(), 1);
}

#[test]
fn what_contradicts_itself_is_a_usage_error() {
    Typed::command().debug_assert();
    let typed = |words: &[&str]| Typed::try_parse_from(["get"].iter().chain(words)).map(|typed| typed.pictures);
    assert!(typed(&["--if-changed"]).is_err());
    assert!(typed(&["-o", "x", "--dir", "y"]).is_err());
    assert!(typed(&["--allow-host", "https://x.example"]).is_err());
    assert!(typed(&["--dir", "y", "--if-changed", "--allow-host", "a.example", "--allow-host", "::1"]).is_ok());
    let file = typed(&["-o", "x"]).expect("well");
    assert!(file.check(true).is_ok() && file.check(false).is_err());
    let stdout = typed(&["-o", "-", "--if-changed"]).expect("well");
    assert!(stdout.is_stdout() && stdout.check(true).is_err());
    assert!(typed(&["--dir", "y"]).expect("well").check(false).is_ok());
}

#[test]
fn the_sandboxs_verdicts_and_pictures_are_understood() {
    let sandbox = crate::sandbox::Sandbox::start(crate::sandbox::Options::default()).expect("a sandbox");
    let instance = Instance {
        api_url: sandbox.api_url(),
        id: sandbox.id_instance().to_owned(),
        token: Token::parse(sandbox.token()).expect("a token"),
    };
    let dir = tempfile::tempdir().expect("a directory");
    let report = Report::new(false, true, false, crate::report::Color::Never);
    let options = Options { timeout: Duration::from_secs(5), ..Options::default() };
    let client = Client::new(&instance, Agent::new(&options), options.timeout, &report);
    let args = PictureArgs { dir: Some(dir.path().into()), ..PictureArgs::default() };
    let repeats = Repeats { most: 0, pause: |_, _| Duration::ZERO };
    let after = After::Nothing;
    let job = GetJob::new(&client, args.rules(&options, true, after), after, repeats, &report).expect("writable");
    let get = |id: &str| {
        let chat = ChatId::parse(id, Rule::Strict).expect("a chat id");
        whole(&job, &chat)
    };
    let found = get("11001234567@c.us").expect("found");
    assert_eq!((found.status, found.changed), (Status::Found, Some(true)));
    assert!(found.expires_at.is_some());
    let picture = fs::read(found.file.expect("a file")).expect("a picture");
    for canvas in [Canvas::Iterm, Canvas::Kitty, Canvas::Cells(Colors::True, Glyph::HalfBlock)] {
        assert!(canvas.draw(&picture).is_some(), "{canvas:?}");
    }
    assert_eq!(get("11001234567@c.us").expect("found").changed, Some(false));
    assert_eq!(get("11001234901@c.us").expect("none").status, Status::None);
    assert_eq!(get("11001234902@c.us").expect("hidden").status, Status::Hidden);
    assert_eq!(get("11001234903@c.us").expect("no account").status, Status::NoAccount);
    assert_eq!(get("11001234906@c.us").expect_err("late").kind, Kind::AvatarTimeout);
    assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 1);
}
