//! Opening, repairing and appending to journals.

use super::*;
use crate::record::Record;

const FILTER: JournalFilter<'_> = JournalFilter {
    command: "request",
    id_instance: "1101000001",
    max_age: None,
    accepted_is_done: true,
    pictures: None,
};

fn key(id: &str) -> ChatKey {
    ChatId::parse(id, Rule::Strict).expect("an id").key()
}

fn open_with(text: &str, filter: JournalFilter<'_>) -> (Result<JournalState, Failure>, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("written");
    (Journal::open(file.path(), filter, Timestamp::now()), file)
}

fn line(id: &str, status: &str, command: &str, instance: &str, at: &str) -> String {
    format!(r#"{{"chatId":"{id}","status":"{status}","command":"{command}","idInstance":"{instance}","at":"{at}"}}"#)
        + "\n"
}

#[test]
fn a_written_chat_is_done_in_the_next_run() {
    let (opened, file) = open_with("", FILTER);
    let journal = opened.expect("opened").journal;
    for (id, status) in [("11001234567@c.us", Status::Accepted), ("11001234568@c.us", Status::Failed)] {
        journal.append(Record::new(id, status).json(), RowOf::Command).expect("appended");
    }
    journal.sync().expect("synced");
    drop(journal);
    let mut done = Journal::open(file.path(), FILTER, Timestamp::now()).expect("opened").done;
    assert_eq!(done.insert(key("11001234567@c.us")), Some(SeenIn::Journal));
    assert_eq!(done.insert(key("11001234568@c.us")), None);
    assert_eq!(done.insert(key("11001234568@c.us")), Some(SeenIn::Run));
}

#[test]
fn done_is_per_command_and_instance_and_age() {
    let now = Timestamp::now();
    let old = now.checked_sub(Duration::from_secs(3600)).expect("an hour ago").to_string();
    let now = now.to_string();
    let text = line("11001234561@c.us", "accepted", "get", "1101000001", &now)
        + &line("11001234562@c.us", "accepted", "request", "7", &now)
        + &line("11001234563@c.us", "accepted", "request", "1101000001", &old)
        + &line("11001234564@c.us", "none", "request", "1101000001", &now)
        + &line("nonsense", "invalid", "request", "1101000001", &now);
    let (opened, _file) = open_with(&text, JournalFilter { max_age: Some(Duration::from_secs(60)), ..FILTER });
    let done = opened.expect("opened").done;
    assert_eq!(done.journaled, BTreeSet::from([key("11001234564@c.us")]));
}

#[test]
fn a_torn_last_line_is_cut_off_wherever_it_was_torn() {
    let whole = line("11001234561@c.us", "accepted", "request", "1101000001", "2026-11-22T10:00:00Z");
    let second = line("11001234562@c.us", "accepted", "request", "1101000001", "2026-11-22T10:00:00Z");
    for cut in 0..second.len() {
        let (opened, file) = open_with(&(whole.clone() + &second[..cut]), FILTER);
        assert_eq!(opened.expect("opened").done.journaled.len(), 1, "cut at {cut}");
        assert_eq!(std::fs::read_to_string(file.path()).expect("read"), whole, "cut at {cut}");
    }
}

/// A full disk or a power cut may leave anything after the last line, such as zeros.
#[test]
fn any_tail_without_a_newline_is_cut_off() {
    let whole = line("11001234561@c.us", "accepted", "request", "1101000001", "2026-11-22T10:00:00Z");
    let zeros = "\0".repeat(4096);
    for tail in ["x", &zeros, &format!("{{\"chatId\":\"1{zeros}"), "{\"a\":1}"] {
        let (opened, file) = open_with(&(whole.clone() + tail), FILTER);
        assert_eq!(opened.expect("opened").done.journaled.len(), 1);
        assert_eq!(std::fs::read_to_string(file.path()).expect("read"), whole);
    }
    let (opened, file) = open_with(&zeros, FILTER);
    assert!(opened.is_ok());
    assert_eq!(file.path().metadata().expect("it is there").len(), 0);
}

#[test]
fn a_line_from_the_future_is_not_young() {
    let text = line("11001234561@c.us", "accepted", "request", "1101000001", "2096-11-22T10:00:00Z");
    let done = |max_age| open_with(&text, JournalFilter { max_age, ..FILTER }).0.expect("opened").done.journaled.len();
    assert_eq!((done(None), done(Some(Duration::from_secs(72_000)))), (1, 0));
}

#[test]
fn a_file_that_is_not_a_journal_is_refused_and_left_as_it_is() {
    let ours = line("11001234561@c.us", "accepted", "request", "1", "2026-11-22T10:00:00Z");
    for text in [
        "11001234567@c.us".to_owned(),
        "11001234567@c.us\n".to_owned(),
        "{\"a\":1}\n".to_owned(),
        "{\"a\":1".to_owned(),
        "\n".to_owned(),
        "{\"chatId\":\"1\"}\n".to_owned(),
        ours.clone() + "x\n" + &ours,
        ours.replace("2026-11-22T10:00:00Z", "yesterday"),
        "y".repeat(200_000),
    ] {
        let (opened, file) = open_with(&text, FILTER);
        assert_eq!(opened.expect_err("refused").kind, Kind::BadSettings);
        assert_eq!(std::fs::read_to_string(file.path()).expect("read"), text);
    }
}

#[test]
fn a_text_that_only_begins_like_a_journal_line_is_left_as_it_is() {
    for text in [
        r#"{"chatId":"11001234567@c.us","secretnotes":"important"}"#,
        r#"{"chatId":"11001234567@c.us","note":"not yet ended"#,
        r#"{"chatId":"11001234567@c.us","status":"mine"}"#,
        r#"{"chatId":"11001234567@c.us"}"#,
    ] {
        let (opened, file) = open_with(text, FILTER);
        assert_eq!(opened.expect_err("not ours").kind, Kind::BadSettings, "{text}");
        assert_eq!(std::fs::read_to_string(file.path()).expect("read"), text);
    }
}

#[test]
fn a_second_run_finds_it_busy() {
    let (opened, file) = open_with("", FILTER);
    let opened = opened.expect("opened");
    let second = Journal::open(file.path(), FILTER, Timestamp::now()).expect_err("busy");
    assert_eq!(second.kind, Kind::JournalBusy);
    drop(opened);
    assert!(Journal::open(file.path(), FILTER, Timestamp::now()).is_ok());
}

#[test]
fn with_wait_accepted_means_requested_until_a_result_comes() {
    let at = "2026-11-22T10:00:00Z";
    let text = line("11001234561@c.us", "accepted", "request", "1101000001", at)
        + &line("11001234562@c.us", "accepted", "request", "1101000001", at)
        + &line("11001234561@c.us", "found", "request", "1101000001", at)
        + &line("11001234563@c.us", "accepted", "request", "1101000001", at)
        + &line("11001234563@c.us", "timed-out", "request", "1101000001", at);
    let (opened, _file) = open_with(&text, JournalFilter { accepted_is_done: false, ..FILTER });
    let opened = opened.expect("opened");
    let mut done = opened.done;
    assert_eq!(done.insert(key("11001234561@c.us")), Some(SeenIn::Journal));
    assert_eq!(done.insert(key("11001234562@c.us")), Some(SeenIn::Awaited));
    assert_eq!(done.insert(key("11001234562@c.us")), Some(SeenIn::Run));
    assert_eq!(done.insert(key("11001234563@c.us")), None);
    let requested: Vec<_> = opened.requested.iter().map(|requested| requested.chat.as_str()).collect();
    assert_eq!(requested, ["11001234562@c.us"]);
}
