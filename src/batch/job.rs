//! What a run is given: what to ask about each chat, how fast, and where lines go.

use indicatif::ProgressBar;

use crate::batch::sink::Sink;
use crate::chat_id::ChatId;
use crate::failure::Failure;
use crate::record::Record;
use crate::report::Report;

/// What is asked about each chat.
pub trait Job: Sync {
    /// One request, paced and repeated by the pool.
    fn attempt(&self, chat: &ChatId, turn: Turn) -> Result<Record, Failure>;

    /// What follows an answer, outside of the pace, such as a download. `None`: the line comes later, from elsewhere.
    fn finish(&self, chat: &ChatId, record: Record, floor: &dyn Floor) -> Result<Option<Record>, Failure> {
        let _ = (chat, floor);
        Ok(Some(record))
    }

    /// No attempt is left for a chat of the list. False: it has its line already, and the failure is nobody's business.
    fn gave_up(&self, chat: &ChatId) -> bool {
        let _ = chat;
        true
    }
}

/// What a job that finishes a chat finds in the run.
pub trait Floor {
    /// One more request about the chat, in its turn.
    fn again(&self, chat: &ChatId) -> Result<Record, Failure>;
}

/// Which request about a chat it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The first.
    First,
    /// One more, after a failure that may pass.
    Repeat,
    /// The companion brought the chat in again.
    Second,
}

/// How a run is carried out.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Requests a second at most; 0 lifts the limit.
    pub rate: f64,
    /// Workers, and so connections.
    pub concurrency: usize,
    /// How often a request is repeated.
    pub retries: u32,
    /// After so many chats in a row that found the service down the run ends; 0 never.
    pub give_up_after: u32,
    /// Whether there is exactly one chat, given as an argument: its failure is told with all its causes.
    pub is_single: bool,
}

/// Where a run's lines and words go.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    /// Lines.
    pub sink: &'a Sink<'a>,
    /// Errors.
    pub report: &'a Report,
    /// The bar.
    pub bar: Option<&'a ProgressBar>,
}
