//! Journals, also torn ones.

use greenavatar::batch::journal::{Journal, JournalFilter, RowOf, SeenIn};
use greenavatar::chat_id::{ChatId, Rule};
use greenavatar::record::{Record, Status};
use jiff::Timestamp;

use super::{assert_printable, file_of};

/// A journal is read and its torn end cut off, or refused and left as it is. What is left is read the same way again,
/// and a line can be added to it.
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
            return assert_eq!(left, bytes, "a refused file is unchanged");
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

/// A journal that is cut off anywhere opens again, and every whole line of it counts.
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
