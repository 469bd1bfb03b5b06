//! The writer of a run: syncs the journal, prints, counts, draws the bar, and decides when the run ends and how.
//!
//! It takes what has arrived at once, so that many lines share one sync and one write.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use crate::batch::input::Input;
use crate::batch::journal::Journal;
use crate::batch::tally::Tally;
use crate::failure::{EXIT_SOME_FAILED, Error, Failure, Kind};
use crate::output::Output;
use crate::record::{Change, Record, Status};
use crate::shutdown::{self, SLICE, StopFlag};
use crate::token::Masked;

/// How long after the cut-off the background task can still report results.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Events that share one sync and one write.
const MOST_AT_ONCE: usize = 256;
/// The shortest time from one batch to the next, unless a thread waits for a line: so more lines share a sync of the
/// journal, or a write.
const SYNC_INTERVAL: Duration = Duration::from_millis(10);
const WRITE_INTERVAL: Duration = Duration::from_millis(1);

/// Where the lines and messages of a run go.
#[derive(Clone, Copy)]
pub struct RunContext<'a> {
    pub output: &'a Output,
    pub journal: Option<&'a Journal>,
    pub stop: &'a StopFlag,
}

#[derive(Clone, Debug)]
pub struct RunConfig {
    /// Requests a second; 0: no limit.
    pub rate: f64,
    /// Workers, and so connections.
    pub concurrency: usize,
    pub retries: u32,
    /// The run ends after this number of chats in a row that failed because the service is unavailable; 0: never.
    pub give_up_after: u32,
    /// Whether there is exactly one chat, given as an argument: its failure is printed with all its causes.
    pub is_single: bool,
    /// Whether the tally is printed at the end.
    pub has_summary: bool,
    /// Whether nothing is printed of chats without a failure or a change of their picture; if there is none, not even
    /// the tally.
    pub only_changes: bool,
    pub saved_to: Option<PathBuf>,
}

/// What the threads of a run report to the writer.
pub enum Event {
    Line(Line),
    /// Text to print that is not a result line.
    Text(Masked),
    /// A response came for a chat whose line is reported later.
    Answered,
    /// A chat needs no request.
    Skipped,
    /// Entries of the list came before.
    Repeated(u64),
    /// A chat was taken from the list and not requested.
    Untried,
    /// Something is left undone that is not a chat of the list.
    Incomplete,
    /// A failure that is not one chat's ends the run.
    End(Failure),
    /// The journal cannot be written.
    Unwritten(Failure),
}

/// A line, and what is counted and reported of it.
pub struct Line {
    /// What is printed, with its newline; may be empty.
    pub text: Masked,
    pub chat_id: String,
    /// What is counted; `None` for a result that the run did not request.
    pub status: Option<Status>,
    pub change: Option<Change>,
    pub failure: Option<Failure>,
    /// Receives whether the line is flushed, once the writer has dealt with it.
    pub written: Option<SyncSender<bool>>,
}

impl Line {
    pub fn new(record: &Record, text: Masked, failure: Option<Failure>) -> Line {
        let (chat_id, status, change) = (record.chat_id.clone(), Some(record.status), record.change);
        Line { text, chat_id, status, change, failure, written: None }
    }
}

/// Deals with the events of a run, one batch after the other.
pub struct Writer<'a> {
    config: &'a RunConfig,
    context: RunContext<'a>,
    tally: Tally,
    /// Failures in a row that mean that the service is unavailable.
    in_a_row: u32,
    given_up: Option<Failure>,
    ended_by: Option<Failure>,
    last_failure: Option<Kind>,
    /// Chats that were taken from the list and not requested.
    untried: u64,
    is_incomplete: bool,
    output_error: Option<Error>,
    /// Whether a line could not be synced or printed. Then no more lines are.
    is_broken: bool,
    /// Whether the line of a chat was printed.
    has_news: bool,
}

impl<'a> Writer<'a> {
    /// A writer, with a progress bar if one is wanted; only then `count` is asked for the number of chats.
    pub fn new(config: &'a RunConfig, context: RunContext<'a>, count: impl FnOnce() -> Option<u64>) -> Writer<'a> {
        context.output.progress().start_bar(count);
        Writer {
            config,
            context,
            tally: Tally::default(),
            in_a_row: 0,
            given_up: None,
            ended_by: None,
            last_failure: None,
            untried: 0,
            is_incomplete: false,
            output_error: None,
            is_broken: false,
            has_news: false,
        }
    }

    /// Deals with events until all senders are gone. Returns `false` if the cut-off came first. Calls `interrupt` once
    /// when the run stops.
    pub fn receive(&mut self, events: &Receiver<Event>, interrupt: &dyn Fn()) -> bool {
        let mut is_interrupted = false;
        let mut wait = None;
        let interval = if self.context.journal.is_some() { SYNC_INTERVAL } else { WRITE_INTERVAL };
        let mut next = Instant::now();
        loop {
            match events.recv_timeout(SLICE) {
                Ok(first) => {
                    if !matches!(&first, Event::Line(line) if line.written.is_some()) {
                        thread::sleep(next.saturating_duration_since(Instant::now()));
                    }
                    self.write([first].into_iter().chain(events.try_iter()).take(MOST_AT_ONCE).collect());
                    next = Instant::now() + interval;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return true,
            }
            if !is_interrupted && self.context.stop.is_set() {
                is_interrupted = true;
                interrupt();
            }
            if let Some(cut_off) = shutdown::cut_off() {
                let text = "finishing requests, {} left; Ctrl-C again ends the run";
                wait.get_or_insert_with(|| self.context.output.wait(text, Some(cut_off)));
                if Instant::now() >= cut_off + LAST_WORDS {
                    return false;
                }
            }
        }
    }

    /// Puts a batch on disk, prints it, and only then reports and counts it.
    fn write(&mut self, batch: Vec<Event>) {
        let mut text = Masked::default();
        for event in &batch {
            match event {
                Event::Line(line) => text.push(&line.text),
                Event::Text(other) => text.push(other),
                _ => {}
            }
        }
        let has_lines = batch.iter().any(|event| matches!(event, Event::Line(_) | Event::Answered));
        if let Some(journal) = self.context.journal.filter(|_| has_lines && !self.is_broken)
            && let Err(failure) = journal.sync()
        {
            self.break_off(Error::Failure(failure));
        }
        self.print(&text);
        for event in batch {
            match event {
                Event::Line(line) => self.count(line),
                Event::Answered => self.in_a_row = 0,
                Event::Skipped => {
                    self.tally.skipped_existing += 1;
                    self.advance(1);
                }
                Event::Repeated(count) => self.advance(count),
                Event::Untried => self.untried += 1,
                Event::Incomplete => self.is_incomplete = true,
                Event::End(failure) => {
                    self.context.output.failure(&failure);
                    self.context.stop.set_because(&failure);
                    self.ended_by.get_or_insert(failure);
                }
                Event::Unwritten(failure) => {
                    self.context.stop.set();
                    self.output_error.get_or_insert(Error::Failure(failure));
                }
                Event::Text(_) => self.is_incomplete |= self.is_broken,
            }
        }
    }

    fn advance(&self, chats: u64) {
        self.context.output.progress().advance(chats, self.tally.failures());
    }

    fn print(&mut self, text: &Masked) {
        if !self.is_broken
            && let Err(error) = self.context.output.write(text)
        {
            self.break_off(error);
        }
    }

    fn break_off(&mut self, error: Error) {
        self.is_broken = true;
        self.context.stop.set();
        self.output_error.get_or_insert(error);
    }

    fn count(&mut self, line: Line) {
        if let Some(failure) = &line.failure {
            match self.config.is_single {
                true => self.context.output.chat_failure(&line.chat_id, failure),
                false => self.context.output.chat_failure_in_list(&line.chat_id, failure),
            }
        }
        if let Some(status) = line.status {
            // A picture that was found and not downloaded is a failure.
            let is_failed = line.failure.is_some() && status.is_answer();
            self.tally.count(if is_failed { Status::Failed } else { status }, line.change);
            self.has_news |= !line.text.as_str().is_empty() || line.failure.is_some();
            match line.failure {
                None => self.in_a_row = 0,
                Some(failure) => self.note_failure(failure),
            }
            self.advance(1);
        }
        if let Some(written) = line.written {
            let _ = written.send(!self.is_broken);
        }
    }

    fn note_failure(&mut self, failure: Failure) {
        self.last_failure = Some(failure.kind);
        if failure.kind.ends_run() {
            self.context.stop.set_because(&failure);
            self.ended_by.get_or_insert(failure);
        } else if failure.kind.means_service_down() && !was_cut_off(&failure) {
            self.in_a_row += 1;
            if self.in_a_row == self.config.give_up_after && !self.config.is_single {
                self.context.stop.set_because(&failure);
                self.given_up = Some(failure);
            }
        } else if failure.kind != Kind::InvalidChatId {
            self.in_a_row = 0;
        }
    }

    /// Prints the lines of chats that the run ended before. They are not journaled: the next run takes them up.
    pub fn print_unfinished(&mut self, lines: impl IntoIterator<Item = (Record, Failure)>) {
        let output = self.context.output;
        let line =
            |(record, failure): (Record, Failure)| Event::Line(Line::new(&record, record.line(output), Some(failure)));
        self.write(lines.into_iter().map(line).collect());
    }

    /// Prints the summary. Returns the exit status, or the error of standard output or the journal. `list`: what is left
    /// of it; `None` if it cannot be looked at. `is_slow`: it took longer than its rate says because all workers were
    /// busy.
    pub fn finish(mut self, list: Option<&mut Input>, is_slow: bool) -> Result<u8, Error> {
        self.context.output.progress().clear();
        if let Some(list) = list {
            self.tally.duplicates = list.duplicates;
            self.tally.already_done = list.already_done;
            self.tally.not_tried = match self.context.stop.is_set() {
                true => list.count_rest().map(|rest| rest + self.untried),
                false => Some(0),
            };
        }
        let is_cut_short = self.is_incomplete || self.tally.not_tried != Some(0);
        // If no chat was left, the list has ended normally.
        let given_up = self.given_up.take().filter(|_| self.ended_by.is_none() && self.tally.not_tried != Some(0));
        if let Some(failure) = given_up.map(|failure| self.giving_up(failure)) {
            self.context.output.failure(&failure);
            self.ended_by = Some(failure);
        }
        // For a single chat its line is enough, and after a broken pipe nothing is printed.
        let is_read = !matches!(self.output_error, Some(Error::BrokenPipe));
        let is_worth_it = if self.config.only_changes { self.has_news || is_cut_short } else { true };
        if is_read && is_worth_it && self.config.has_summary && (!self.config.is_single || self.tally.lines() == 0) {
            let saved_to = self.config.saved_to.as_deref();
            let (mut text, mut json) = (self.tally.text(saved_to), self.tally.json(saved_to));
            if let Some(hint) = self.hint(is_slow) {
                text += &format!("; {hint}");
                json["hint"] = hint.into();
            }
            self.context.output.summary(text, &json);
        }
        match self.output_error {
            Some(Error::BrokenPipe) if !is_cut_short => {}
            Some(error) => return Err(error),
            None => {}
        }
        Ok(match (self.ended_by, self.last_failure) {
            (Some(failure), _) => failure.kind.exit(),
            (None, Some(kind)) if self.config.is_single => kind.exit(),
            (None, _) if self.tally.failures() > 0 => EXIT_SOME_FAILED,
            (None, _) => 0,
        })
    }

    /// What the summary recommends for the next run.
    fn hint(&self, is_slow: bool) -> Option<&'static str> {
        match (self.tally.not_tried, self.context.journal) {
            (Some(0), _) => is_slow.then_some("all workers were busy: a higher --concurrency takes less time"),
            (_, Some(_)) => Some("the same --journal resumes the list"),
            (_, None) => Some("--journal FILE makes a list that can be resumed"),
        }
    }

    fn giving_up(&self, failure: Failure) -> Failure {
        let chats = match self.config.give_up_after {
            1 => "1 chat".to_owned(),
            count => format!("{count} chats in a row"),
        };
        let error = failure.error.context(format!("service unavailable for {chats}"));
        Failure::caused(failure.kind, error).hint("--give-up-after N tries more chats, 0 all of them")
    }
}

/// Whether the run's own end cut the request off, which says nothing about the service.
fn was_cut_off(failure: &Failure) -> bool {
    failure.kind == Kind::Timeout && failure.is_final
}
