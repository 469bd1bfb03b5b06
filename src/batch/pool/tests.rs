//! What a run promises of its job and its journal together.

use jiff::Timestamp;

use super::*;
use crate::batch::journal::{Journal, Owner};
use crate::batch::list::Origin;
use crate::batch::sink::Sink;
use crate::chat_id::Rule;
use crate::output::{Output, Unwritten};
use crate::record::Status;
use crate::report::{Color, Report};

/// Finds everything, and cannot put it on disk.
struct Unsecured;

impl Job for Unsecured {
    fn attempt(&self, chat: &ChatId, _: Turn) -> Result<Record, Failure> {
        Ok(Record::new(chat.as_str(), Status::Found))
    }

    fn secure(&self) -> Result<(), Failure> {
        Err(Failure::new(Kind::OutputFailed, "not on disk"))
    }
}

/// Fails at once and for ever, and remembers which turn it was.
#[derive(Default)]
struct Failing(Mutex<Vec<Turn>>);

impl Job for Failing {
    fn attempt(&self, _: &ChatId, turn: Turn) -> Result<Record, Failure> {
        lock(&self.0).push(turn);
        let failure = Failure::new(Kind::ServerError, "down");
        Err(Failure { retry_after: Some(Duration::ZERO), ..failure })
    }
}

fn outcome(journal: Option<Journal>) -> Outcome {
    outcome_of(&Unsecured, journal)
}

fn outcome_of(job: &dyn Job, journal: Option<Journal>) -> Outcome {
    let list = List::open(vec![Origin::Argument("11001234567@c.us".into())], Rule::Strict, None).expect("a list");
    let (output, report) = (Output::new(false, true, Color::Never), Report::new(false, true, false, Color::Never));
    let sink = Sink::new(&output, &report, journal);
    let plan = Plan { rate: 0.0, concurrency: 1, retries: 2, give_up_after: 0, is_single: true };
    run(list, job, None, plan, Way { sink: &sink, report: &report, bar: None })
}

#[test]
fn what_lines_speak_of_is_on_disk_before_the_journal_is() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let owner = Owner { command: "get", id_instance: "1101000001", max_age: None, accepted_is_done: true };
    let journal = Journal::open(file.path(), owner, Timestamp::now()).expect("opened").journal;
    let outcome = outcome(Some(journal));
    assert!(matches!(outcome.unwritten, Some(Unwritten::Failed(_))), "the line is not shown, as if not journaled");
    assert!(outcome.exit(true).is_err());
}

#[test]
fn what_lines_speak_of_is_on_disk_at_the_end_without_a_journal() {
    let outcome = outcome(None);
    assert!(outcome.unwritten.is_none());
    assert_eq!(outcome.exit(true).expect("a status"), Kind::OutputFailed.exit());
}

#[test]
fn a_repeat_is_told_from_the_first_request() {
    let job = Failing::default();
    assert_eq!(outcome_of(&job, None).exit(true).expect("a status"), Kind::ServerError.exit());
    assert_eq!(*lock(&job.0), [Turn::First, Turn::Repeat, Turn::Repeat]);
}
