//! What holds for whatever bytes come in from outside: one function a door, which panics where its law is broken.
//!
//! Two engines drive them: `cargo test` with some hundred cases each (tests/properties.rs), and cargo-fuzz for as long as
//! one likes (fuzz/, by `.ci/fuzz`). So nothing here knows where its bytes come from.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::OnceLock;

use greenavatar::batch::input::{Entry, Input, Next, Source};
use greenavatar::batch::journal::{Journal, JournalFilter, RowOf, SeenIn};
use greenavatar::chat_id::{ChatId, Rule, phone};
use greenavatar::contacts;
use greenavatar::failure::Failure;
use greenavatar::greenapi::avatar::Avatar;
use greenavatar::greenapi::error::{failure_of, is_acceptance};
use greenavatar::greenapi::notification::{Head, Notification};
use greenavatar::greenapi::state::{InstanceSettings, State, shown_settings};
use greenavatar::http::Answer;
use greenavatar::output::{Options, Output};
use greenavatar::pictures::show::{Canvas, Colors, Glyph};
use greenavatar::pictures::url::{AllowedHost, check, expires_at, is_preview};
use greenavatar::record::{Record, Status};
use greenavatar::results::record;
use greenavatar::results::webhook::Server;
use greenavatar::results::webhook::auth::WebhookToken;
use greenavatar::results::webhook::writer::Writer;
use greenavatar::settings::env_file::EnvFile;
use greenavatar::settings::precedence::is_ours;
use greenavatar::text::sanitize;
use greenavatar::token::{Masked, register};
use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;

/// The token that answers echo. A byte 1 in an engine's input stands for it: no engine finds fifty digits by chance.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef01";

/// A chat id is accepted unchanged or refused with a hint that is itself right, and packing it loses nothing.
pub fn chat_id(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for rule in [Rule::Strict, Rule::Lenient] {
        match ChatId::parse(text, rule) {
            Ok(chat) => {
                assert_eq!(chat.as_str(), text);
                assert_eq!(chat.key().chat_id(), chat);
                assert!(text.len() <= 40 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"@.-".contains(&b)));
                assert!(ChatId::parse(text, Rule::Lenient).is_ok());
            }
            Err(why) => {
                let hint = why.hint.unwrap_or_default();
                assert_printable(why.message);
                assert_printable(&hint);
                if let Some(meant) = hint.strip_prefix("did you mean ") {
                    // A question mark separates an id that needs --lenient from the note that says so.
                    let (meant, note) = meant.split_once('?').unwrap_or((meant, ""));
                    assert_eq!(note.contains("--lenient"), rule == Rule::Strict && ChatId::parse(meant, rule).is_err());
                    assert!(ChatId::parse(meant, Rule::Lenient).is_ok(), "{meant}");
                    assert_ne!(meant, text);
                    // Nothing is made up: its digits are in the text, in this order.
                    let mut digits = phone::fold(text).into_bytes().into_iter();
                    let mut number = meant.bytes().filter(u8::is_ascii_digit);
                    assert!(number.all(|digit| digits.any(|b| b == digit)), "{meant} of {text:?}");
                }
            }
        }
    }
}

/// A list says what the simplest reader of it says: every line once, duplicates aside, and nothing that acts on a terminal.
pub fn chat_list(bytes: &[u8]) {
    let file = file_of(bytes);
    assert_eq!(entries(Source::File(file.path().to_owned())), simplest_reading(bytes));
}

/// However the bytes of a list are cut into pieces on their way, its entries are the same.
#[cfg(unix)]
pub fn chat_list_in_pieces(bytes: &[u8], cuts: &[usize]) {
    let (pipe, mut end) = std::io::pipe().expect("a pipe");
    let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&pipe));
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    let got = std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut done = 0;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                end.write_all(&bytes[done..cut]).expect("it is read");
                done = cut;
                std::thread::yield_now();
            }
        });
        entries(Source::File(path.into()))
    });
    assert_eq!(got, simplest_reading(bytes));
}

/// The chats with their names and the invalid lines; `None`: the file is not a list.
fn entries(source: Source) -> Option<Vec<String>> {
    let mut input = Input::open(vec![source], Rule::Lenient, None).ok()?;
    let mut entries = Vec::new();
    while let Next::Entry(entry) = input.next(None).ok()? {
        entries.push(match entry {
            Entry::Chat(chat) => format!("{chat} {}", chat.name().unwrap_or_default()),
            Entry::Invalid { shown, line, why } => {
                assert_printable(&shown);
                assert_printable(why.message);
                assert!(shown.len() <= 1024, "{shown}");
                format!("line {}", line.expect("lists have lines"))
            }
        });
    }
    Some(entries)
}

fn simplest_reading(bytes: &[u8]) -> Option<Vec<String>> {
    let decoded;
    let bytes = match bytes {
        [0xff, 0xfe, rest @ ..] | [0xfe, 0xff, rest @ ..] => {
            let unit = |pair: &[u8]| match (pair, bytes[0]) {
                (&[a, b], 0xff) => u16::from_le_bytes([a, b]),
                (&[a, b], _) => u16::from_be_bytes([a, b]),
                // Half a unit at the end.
                _ => 0xfffd,
            };
            decoded = String::from_utf16_lossy(&rest.chunks(2).map(unit).collect::<Vec<_>>());
            decoded.as_bytes()
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => rest,
        bytes => bytes,
    };
    let mut lines: Vec<&[u8]> = Vec::new();
    for line in bytes.split(|&b| b == b'\n') {
        let line =
            line.strip_suffix(b"\r").filter(|_| line.as_ptr_range().end < bytes.as_ptr_range().end).unwrap_or(line);
        lines.extend(line.split(|&b| b == b'\r'));
    }
    let is_text = |(_, line): &(usize, &[u8])| {
        let start = line.trim_ascii_start();
        !start.is_empty() && !start.starts_with(b"#")
    };
    let lines: Vec<(usize, &[u8])> = lines.into_iter().enumerate().filter(is_text).collect();
    let is_id = |text: &[u8]| std::str::from_utf8(text).is_ok_and(|text| ChatId::parse(text, Rule::Lenient).is_ok());
    let id_of = |line: &'_ [u8]| line.split(|&b| b == b'\t').next().unwrap_or_default().to_vec();
    let of_list = |line: &[u8]| is_id(&id_of(&line[..line.len().min(4096)]));
    if let Some((_, first)) = lines.first() {
        let first = &first[..first.len().min(4096)];
        let second = lines.get(1).map(|(_, line)| &line[..line.len().min(4096)]);
        let count = |line: &[u8], sign| line.iter().filter(|&&b| b == sign).count();
        let is_same =
            |sign| second.is_some_and(|second| count(first, sign) > 0 && count(first, sign) == count(second, sign));
        let is_table = (is_same(b',') || is_same(b';')) && !of_list(first) && !second.is_some_and(of_list);
        let is_header = first.contains(&b'\t') && !first.iter().any(u8::is_ascii_digit);
        if is_table || is_header || first.trim_ascii().eq_ignore_ascii_case(b"BEGIN:VCARD") {
            return None;
        }
    }
    let mut seen = std::collections::HashSet::new();
    let read = |(index, line): (usize, &[u8])| {
        let id = id_of(line);
        let name =
            std::str::from_utf8(line.get(id.len() + 1..).unwrap_or_default()).ok().filter(|_| line.len() <= 4096);
        match name.filter(|_| is_id(&id)) {
            Some(name) => {
                let id = String::from_utf8_lossy(&id).into_owned();
                seen.insert(id.clone()).then(|| format!("{id} {}", name.trim()))
            }
            None => Some(format!("line {}", index + 1)),
        }
    };
    Some(lines.into_iter().filter_map(read).collect())
}

/// Whatever an address book holds, what is printed of it are chat ids with names on one line, and errors with a line.
pub fn address_book(bytes: &[u8]) {
    for country_code in [None, Some("44"), Some("7")] {
        let mut last = 0;
        let summary = contacts::read_bytes(bytes, country_code, &mut |line, contact| {
            // Within a vCard numbers come in order, and vCards do.
            assert!(line >= 1 && line <= bytes.len() as u64 + 1, "line {line}");
            last = last.max(line);
            match contact {
                Ok(chat) => {
                    assert!(ChatId::parse(chat.as_str(), Rule::Lenient).is_ok());
                    let name = chat.name().unwrap_or("x");
                    assert!(!name.is_empty() && name.chars().count() <= 200 && name.trim() == name, "{name:?}");
                    assert_printable(name);
                }
                Err(problem) => {
                    assert_printable(&problem.message);
                    assert!(problem.message.len() <= 1024, "{}", problem.message);
                }
            }
            std::ops::ControlFlow::Continue(())
        });
        assert!(summary.is_ok(), "no file is read");
    }
}

/// A `.env` is read, or refused by file and line without a word of its text.
pub fn env_file(bytes: &[u8]) {
    const PROBLEMS: [&str; 2] = ["not NAME=value", "a $ outside of single quotes: variables are not substituted"];
    let file = file_of(bytes);
    let Err(failure) = EnvFile::read(file.path(), false, is_ours, &Output::default()) else { return };
    let place = format!("{}, line ", file.path().display());
    let message = failure.message();
    let (line, problem) = message.strip_prefix(&place).and_then(|rest| rest.split_once(": ")).expect("a line");
    assert!(PROBLEMS.contains(&problem), "{message}");
    let line: usize = line.parse().unwrap_or_else(|_| panic!("{message}"));
    let lines = bytes.iter().filter(|&&b| b == b'\n' || b == b'\r').count() + 1;
    assert!((1..=lines).contains(&line), "line {line} of {lines}");
}

/// Whatever GREEN-API answers has a meaning, and none of it brings the token or a control character to a terminal.
/// The first two bytes choose the status and the headers.
pub fn api_answer(bytes: &[u8]) {
    let [first, second, rest @ ..] = bytes else { return };
    register(TOKEN);
    let answer = answer_of(*first, *second, rest);
    is_acceptance(&answer);
    shown_settings(&answer.body);
    if let Some(failure) = failure_of(&answer) {
        assert_told(&failure);
        assert!(failure.retry_after.is_none_or(|wait| wait.as_secs() <= 60), "{failure:?}");
        return;
    }
    match Avatar::read(&answer) {
        Ok(avatar) => {
            assert_line(&Record::of_avatar("11001234567@c.us", avatar));
        }
        Err(failure) => assert_told(&failure),
    }
    assert_printable(State::read(&answer).word());
    match InstanceSettings::read(&answer) {
        Ok(settings) => settings.notifications.iter().chain(&settings.webhook).for_each(|text| assert_printable(text)),
        Err(failure) => assert_told(&failure),
    }
}

fn answer_of(first: u8, second: u8, rest: &[u8]) -> Answer {
    const STATUSES: [u16; 16] = [200, 200, 200, 201, 204, 301, 400, 400, 401, 403, 404, 429, 466, 499, 500, 503];
    let (retry_after, body) = match second & 2 {
        0 => (None, rest),
        _ => {
            let (header, body) = rest.split_at(rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()));
            (Some(String::from_utf8_lossy(header).into_owned()), body)
        }
    };
    let status = STATUSES[usize::from(first % 16)];
    Answer { status, retry_after, body: with_token(body), complete: second & 1 == 0 }
}

/// A notification is a result for us or somebody else's on one line that says the same; its receipt is digits.
pub fn notification(bytes: &[u8]) {
    if let Some(head) = Head::read(bytes) {
        let receipt = head.receipt.to_string();
        assert!(!receipt.is_empty() && receipt.bytes().all(|b| b.is_ascii_digit()), "{receipt}");
        assert_notification(&head.notification);
        let plain: Option<Value> = serde_json::from_slice(bytes).ok();
        if let Some(number) = plain.and_then(|value| value["receiptId"].as_u64()) {
            assert_eq!(receipt, number.to_string());
        }
    }
    let read = Notification::read(bytes);
    assert_notification(&read);
    if let Some(unsolicited) = Notification::read_unsolicited(bytes) {
        assert_eq!(unsolicited, read);
    }
    let Notification::Foreign(foreign) = read else { return };
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        assert_eq!(serde_json::from_slice::<Value>(&foreign.line).ok(), Some(value));
    }
    // What was no JSON may be JSON on one line, even a result of ours; what was JSON is the same once more.
    match Notification::read(&foreign.line) {
        Notification::Foreign(again) => assert_eq!(again.line, foreign.line),
        Notification::Avatar(info) => assert!(serde_json::from_slice::<&RawValue>(bytes).is_err(), "{info:?}"),
    }
}

fn assert_notification(notification: &Notification) {
    match notification {
        Notification::Avatar(info) => {
            assert_line(&record(info));
            if let Some(failure) = info.failure() {
                assert_printable(&failure.message());
            }
        }
        Notification::Foreign(foreign) => {
            assert_printable(&foreign.what);
            assert!(!foreign.line.iter().any(|b| b"\r\n".contains(b)), "more than one line");
        }
    }
}

/// A URL that may be followed is https to a host under .whatsapp.net, or to the host that the user named, to every reader
/// of it. The first line is such a host.
pub fn avatar_url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (host, url) = text.split_once('\n').unwrap_or(("", text));
    is_preview(url);
    if let Some(instant) = expires_at(url) {
        assert!(instant.parse::<Timestamp>().expect("RFC 3339").as_second() > 0);
    }
    match check(url, &[]) {
        Ok(target) => {
            assert!(target.origin.is_https && target.origin.host.ends_with(".whatsapp.net"), "{url}");
            let rest = target.url.get(8..).expect("https://");
            assert!(target.url[..8].eq_ignore_ascii_case("https://"), "{url}");
            let authority = &rest[..rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())];
            let (authority, port) = authority.rsplit_once(':').unwrap_or((authority, "443"));
            assert_eq!(port.parse(), Ok(443), "{url}");
            assert!(authority.to_ascii_lowercase() == target.origin.host && url.starts_with(target.url), "{url}");
            assert_same_reading(target.url, &target.origin.host);
        }
        Err(why) => assert_printable(&why),
    }
    let Ok(allowed) = AllowedHost::parse(host) else { return };
    if let Ok(target) = check(url, std::slice::from_ref(&allowed)) {
        let is_named = host.to_ascii_lowercase().contains(&target.origin.host)
            || host.parse().is_ok_and(|named| same(named, &target.origin.host))
            || host.contains('[');
        assert!(is_named || target.origin.host.ends_with(".whatsapp.net"), "{url} by {host}");
        assert_same_reading(target.url, &target.origin.host);
    }
}

fn same(named: std::net::IpAddr, host: &str) -> bool {
    host.parse() == Ok(named)
}

/// The parser that the HTTP client uses sees the same host, if it takes the URL at all.
fn assert_same_reading(url: &str, host: &str) {
    let Ok(uri) = url.parse::<hyper::Uri>() else { return };
    let seen = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
    let is_address = |text: &str| text.parse::<std::net::IpAddr>().ok();
    assert!(
        seen == host || (is_address(&seen).is_some() && is_address(&seen) == is_address(host)),
        "{url}: {seen}, {host}"
    );
    assert!(!uri.authority().is_some_and(|authority| authority.as_str().contains('@')), "{url}");
}

/// A journal is read, its torn end cut off, or refused and left as it is. What is left is read again the same way, and
/// a line can be added to it.
pub fn journal(bytes: &[u8]) {
    let file = file_of(bytes);
    let owner = JournalFilter {
        command: "request",
        id_instance: "1101999999",
        max_age: None,
        accepted_is_done: bytes.len().is_multiple_of(2),
        pictures: None,
    };
    let opened = Journal::open(file.path(), owner, Timestamp::UNIX_EPOCH);
    let left = std::fs::read(file.path()).expect("it is there");
    let opened = match opened {
        Ok(opened) => opened,
        Err(failure) => {
            assert_printable(&failure.message());
            return assert_eq!(left, bytes, "refused, so left as it is");
        }
    };
    assert!(bytes.starts_with(&left) && (left.is_empty() || left.ends_with(b"\n")));
    assert!(bytes[left.len()..].iter().all(|&b| b != b'\n'), "only what follows the last newline is cut off");
    let added = Record::new("11001234567@c.us", Status::Found);
    opened.journal.append(added.json(), RowOf::Command).expect("it can be written");
    let (requested, done) = (opened.requested.clone(), format!("{:?}", opened.done));
    drop(opened);
    std::fs::write(file.path(), &left).expect("it can be written");
    let again = Journal::open(file.path(), owner, Timestamp::UNIX_EPOCH).expect("what was left is a journal");
    assert_eq!((again.requested, format!("{:?}", again.done)), (requested, done));
}

/// Cut off anywhere, a journal of ours opens again, and every whole line of it still counts.
pub fn journal_torn(chats: &[String], cut: usize) {
    let file = file_of(b"");
    let owner = JournalFilter {
        command: "get",
        id_instance: "1101999999",
        max_age: None,
        accepted_is_done: true,
        pictures: None,
    };
    let chats: Vec<ChatId> = chats.iter().map(|chat| ChatId::parse(chat, Rule::Lenient).expect("a chat id")).collect();
    let opened = Journal::open(file.path(), owner, Timestamp::now()).expect("an empty journal");
    for chat in &chats {
        let found = Record {
            url_avatar: Some("https://pps.whatsapp.net/x\u{202e}\n.jpg".to_owned()),
            ..Record::new(chat.as_str(), Status::Found)
        };
        opened.journal.append(found.json(), RowOf::Command).expect("it can be written");
    }
    drop(opened);
    let whole = std::fs::read(file.path()).expect("it is there");
    let torn = &whole[..cut % (whole.len() + 1)];
    std::fs::write(file.path(), torn).expect("it can be written");
    let kept = torn.iter().filter(|&&b| b == b'\n').count();
    let mut opened = Journal::open(file.path(), owner, Timestamp::now()).expect("a torn journal is one");
    for (nth, chat) in chats.iter().enumerate() {
        let before = opened.done.insert(chat.key());
        let is_done = before == Some(SeenIn::Journal);
        assert_eq!(is_done, chats[..kept].contains(chat), "{chat}, number {nth} of {kept}");
    }
}

/// The webhook's door and its reader: a header lets in only who has the token, and a body is refused or a notification.
/// Then the endpoint itself, over a socket: it answers with a status of its own or not at all, and goes on.
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

/// What the endpoint answers to a well-formed request, exactly.
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
    // It may refuse and close before it has read all.
    let _ = stream.write_all(request).and_then(|()| stream.shutdown(Shutdown::Write));
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// One server for the whole process.
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
            // Nobody told it to end: the next connection fails, and with it the law.
            panic!("the server ended: {ended:?}");
        });
        address
    })
}

/// A picture is drawn or not, in no more than its due of memory and time. The first byte chooses where: decoding four
/// times over would leave an engine a few inputs a second.
pub fn picture(bytes: &[u8]) {
    const CANVASES: [Canvas; 4] = [
        Canvas::Iterm,
        Canvas::Kitty,
        Canvas::Cells(Colors::True, Glyph::HalfBlock),
        Canvas::Cells(Colors::Indexed, Glyph::Space),
    ];
    let Some((choice, picture)) = bytes.split_first() else { return };
    let start: &[u8] = if choice & 4 == 0 { b"\xff\xd8\xff" } else { b"" };
    if let Some(drawn) = CANVASES[usize::from(choice & 3)].draw(&[start, picture].concat()) {
        assert!(drawn.ends_with('\n'));
    }
}

/// Masked text has neither the token nor a part of it, in any capitals, and is not changed otherwise.
pub fn token(bytes: &[u8]) {
    let text = String::from_utf8_lossy(&with_token(bytes)).into_owned();
    register(TOKEN);
    let masked = Masked::new(text.clone());
    let has_part = |text: &str| {
        let text = text.to_ascii_lowercase();
        let mut parts = (0..=TOKEN.len() - 8).map(|at| &TOKEN[at..at + 8]);
        parts.any(|part| text.contains(part) && part.bytes().any(|b| b.is_ascii_alphabetic()))
    };
    assert!(!has_part(masked.as_str()), "{masked:?}");
    if !has_part(&text) && !text.contains(['\\', '%']) {
        assert_eq!(masked.as_str(), text);
    }
    assert_printable(&sanitize(&text));
}

fn with_token(bytes: &[u8]) -> Vec<u8> {
    bytes.split(|&b| b == 1).collect::<Vec<_>>().join(TOKEN.as_bytes())
}

fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("written");
    file
}

fn assert_told(failure: &Failure) {
    let hint = failure.hint.as_deref().unwrap_or_default();
    for text in [&*failure.message(), hint] {
        assert_printable(text);
        assert!(!text.to_ascii_lowercase().contains(TOKEN), "{text}");
    }
    assert_line(&Record::failed("11001234567@c.us", failure));
}

fn assert_line(record: &Record) {
    let (text, json) = (record.text(false), record.json());
    text.split('\t').for_each(assert_printable);
    assert!(text.split('\t').count() <= 3, "{text}");
    assert_printable(&json);
    let read: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(read["chatId"], record.chat_id.as_str());
    assert_eq!(read["urlAvatar"].as_str(), record.url_avatar.as_deref());
}

/// Nothing in it moves a cursor or turns text round.
#[track_caller]
fn assert_printable(text: &str) {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(acts), "{text:?}");
}
