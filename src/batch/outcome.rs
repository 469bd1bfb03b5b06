//! How a run ended: its tally, what cut it short, and the exit status that follows.

use crate::failure::{EXIT_SOME_FAILED, Failure, Kind};
use crate::output::Unwritten;
use crate::record::Status;
use crate::report::Report;

/// Lines by status, and the chats that got none.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    by_status: [u64; 8],
    /// Chats that came twice.
    pub duplicates: u64,
    /// Chats that a journal had done.
    pub already_done: u64,
    /// Chats that were left when the run ended; `None`: nobody knows how many.
    pub not_tried: Option<u64>,
}

impl Tally {
    /// Counts a line.
    pub fn count(&mut self, status: Status) {
        self.by_status[status as usize] += 1;
    }

    /// Lines that are no answer.
    pub fn failures(&self) -> u64 {
        [Status::TimedOut, Status::Failed, Status::Invalid].iter().map(|status| self.by_status[*status as usize]).sum()
    }

    /// All lines.
    pub fn lines(&self) -> u64 {
        self.by_status.iter().sum()
    }

    /// Says it on standard error.
    pub fn report(&self, report: &Report) {
        let of = |status: Status| Some(self.by_status[status as usize]);
        report.tally(&[
            ("accepted", "accepted", of(Status::Accepted)),
            ("found", "found", of(Status::Found)),
            ("none", "without an avatar", of(Status::None)),
            ("hidden", "hidden", of(Status::Hidden)),
            ("noAccount", "without an account", of(Status::NoAccount)),
            ("timedOut", "timed out", of(Status::TimedOut)),
            ("failed", "failed", of(Status::Failed)),
            ("invalid", "invalid", of(Status::Invalid)),
            ("duplicates", "repeated", Some(self.duplicates)),
            ("alreadyDone", "done before", Some(self.already_done)),
            ("notTried", "not tried", self.not_tried),
        ]);
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// What became of the chats.
    pub tally: Tally,
    /// What ended the run before its time.
    pub ended_by: Option<Failure>,
    /// Why lines could not be written.
    pub unwritten: Option<Unwritten>,
    /// The failure of the last chat that failed.
    pub last_failure: Option<Kind>,
    /// Whether chats were left when the run ended, or a result in the queue.
    pub is_cut_short: bool,
}

impl Outcome {
    /// The exit status. An unwritable output comes back as the failure that it is, to be told.
    pub fn exit(self, is_single: bool) -> Result<u8, Failure> {
        match self.unwritten {
            Some(Unwritten::Failed(failure)) => return Err(failure),
            Some(Unwritten::PipeClosed) if self.is_cut_short => return Ok(Kind::OutputFailed.exit()),
            Some(Unwritten::PipeClosed) | None => {}
        }
        Ok(match (self.ended_by, self.last_failure) {
            (Some(failure), _) => failure.kind.exit(),
            (None, Some(kind)) if is_single => kind.exit(),
            (None, _) if self.tally.failures() > 0 => EXIT_SOME_FAILED,
            (None, _) => 0,
        })
    }
}
