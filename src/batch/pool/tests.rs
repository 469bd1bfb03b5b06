//! What a run promises of its job.

use super::*;
use crate::batch::list::Origin;
use crate::batch::sink::Sink;
use crate::chat_id::Rule;
use crate::output::Output;
use crate::report::{Color, Report};

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

fn outcome_of(job: &dyn Job) -> Outcome {
    let list = List::open(vec![Origin::Argument("11001234567@c.us".into())], Rule::Strict, None).expect("a list");
    let (output, report) = (Output::new(false, true, Color::Never), Report::new(false, true, false, Color::Never));
    let sink = Sink::new(&output, &report, None);
    let plan = Plan { rate: 0.0, concurrency: 1, retries: 2, give_up_after: 0, is_single: true };
    run(list, job, None, plan, Way { sink: &sink, report: &report, bar: None })
}

#[test]
fn a_repeat_is_told_from_the_first_request() {
    let job = Failing::default();
    assert_eq!(outcome_of(&job).exit(true).expect("a status"), Kind::ServerError.exit());
    assert_eq!(*lock(&job.0), [Turn::First, Turn::Repeat, Turn::Repeat]);
}
