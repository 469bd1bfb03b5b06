//! Chat ids, lists, address books and `.env` files.

#[cfg(unix)]
use std::io::Write;

use greenavatar::batch::feed::Feed;
use greenavatar::batch::input::{Entry, Input, Next, Source};
use greenavatar::chat_id::{ChatId, Rule, phone};
use greenavatar::contacts;
use greenavatar::output::Output;
use greenavatar::settings::env_file::EnvFile;
use greenavatar::settings::precedence::is_ours;

use super::{assert_printable, file_of};

/// A chat id is accepted unchanged, or refused with a correct hint. Its key gives the same id.
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
                    // The digits of the id are in the text, in this order.
                    let mut digits = phone::fold(text).into_bytes().into_iter();
                    let mut number = meant.bytes().filter(u8::is_ascii_digit);
                    assert!(number.all(|digit| digits.any(|b| b == digit)), "{meant} of {text:?}");
                }
            }
        }
    }
}

/// A list has the entries that a simple reader finds, and nothing of it is unsafe to print.
pub fn chat_list(bytes: &[u8]) {
    let file = file_of(bytes);
    assert_eq!(entries(Source::File(file.path().to_owned())), simple_reading(bytes));
}

/// The entries of a list are the same whichever pieces its bytes arrive in.
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
                end.write_all(&bytes[done..cut]).expect("a reader");
                done = cut;
                std::thread::yield_now();
            }
        });
        entries(Source::File(path.into()))
    });
    assert_eq!(got, simple_reading(bytes));
}

/// The chats with their names, and the numbers of the invalid lines. `None` if the file is not a list.
fn entries(source: Source) -> Option<Vec<String>> {
    let mut input = Input::open(vec![source], Rule::Lenient, None).ok()?;
    let mut entries = Vec::new();
    while let Next::Item(entry) = input.next(None).ok()? {
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

/// What [`entries`] must return, read in a simple way from the whole text.
fn simple_reading(bytes: &[u8]) -> Option<Vec<String>> {
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

/// An address book gives chat ids with names on one line, and errors with a line.
pub fn address_book(bytes: &[u8]) {
    for country_code in [None, Some("44"), Some("7")] {
        let summary = contacts::read(&mut Feed::of(bytes), country_code, &mut |line, contact| {
            assert!(line >= 1 && line <= bytes.len() as u64 + 1, "line {line}");
            match contact {
                Ok(chat) => {
                    assert!(ChatId::parse(chat.as_str(), Rule::Lenient).is_ok());
                    let name = chat.name().unwrap_or("x");
                    assert!(!name.is_empty() && name.chars().count() <= 200 && name.trim() == name, "{name:?}");
                    assert_printable(name);
                }
                Err(failure) => {
                    let message = failure.message();
                    assert_printable(&message);
                    assert!(message.len() <= 1024, "{message}");
                }
            }
            std::ops::ControlFlow::Continue(())
        });
        assert!(summary.is_ok(), "reading from memory does not fail");
    }
}

/// A `.env` is read, or refused with the file and the line but without its text.
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
