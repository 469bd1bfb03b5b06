//! The writer of `listen`: one thread prints results and spools other notifications, then acknowledges them.

use std::iter;
use std::sync::mpsc::Receiver;

use tokio::sync::oneshot;

use crate::failure::Error;
use crate::greenapi::notification::Notification;
use crate::output::Output;
use crate::recent::Deduplicator;
use crate::results::spool::Spool;
use crate::results::{identity, record};
use crate::token::Masked;

/// A notification on its way to the writer.
#[derive(Debug)]
pub struct Delivery {
    pub notification: Notification,
    /// Signalled once the notification is printed or spooled; dropped if it is not.
    pub kept: oneshot::Sender<()>,
}

/// Prints results and spools other notifications, then lets their requests be answered with 200.
pub struct Writer<'a> {
    pub(super) output: &'a Output,
    pub(super) counts: Counts,
    write: Box<Write<'a>>,
    spool: Option<Spool>,
    max: Option<u64>,
    printed: Deduplicator,
}

/// Writes and flushes finished lines.
type Write<'a> = dyn FnMut(&Masked) -> Result<(), Error> + Send + 'a;

/// What became of the notifications.
#[derive(Debug, Default)]
pub(super) struct Counts {
    printed: u64,
    /// Of those that were printed.
    pub(super) failed: u64,
    repeated: u64,
    spooled: u64,
    discarded: u64,
}

impl<'a> Writer<'a> {
    /// A writer of at most `max` results to `write`, in the form that `output` has. Other notifications are appended to
    /// the spool; without one they are discarded.
    pub fn new(
        output: &'a Output,
        write: impl FnMut(&Masked) -> Result<(), Error> + Send + 'a,
        spool: Option<Spool>,
        max: Option<u64>,
    ) -> Writer<'a> {
        let (counts, printed) = (Counts::default(), Deduplicator::default());
        Writer { output, counts, write: Box::new(write), spool, max, printed }
    }

    /// Runs until the senders are gone, `max` results are printed, or a write fails.
    pub(super) fn run(&mut self, inbox: Receiver<Delivery>) -> Result<(), Error> {
        while !self.is_done(0) {
            let Ok(first) = inbox.recv() else { break };
            // Everything that arrived during the last write shares the next flush and the next sync.
            self.keep(iter::once(first).chain(inbox.try_iter()).collect())?;
        }
        Ok(())
    }

    /// Whether `max` results are printed, with the `more` ones that are about to be.
    fn is_done(&self, more: u64) -> bool {
        self.max == Some(self.counts.printed + more)
    }

    fn keep(&mut self, deliveries: Vec<Delivery>) -> Result<(), Error> {
        let (mut lines, mut foreign, mut failures, mut kept) = (Masked::default(), Vec::new(), Vec::new(), Vec::new());
        let (mut printed, mut spooled) = (0, 0);
        for Delivery { notification, kept: sender } in deliveries {
            match notification {
                Notification::Avatar(info) if self.printed.contains(&identity(&info)) => self.counts.repeated += 1,
                // The rest is not printed, and will be sent again.
                Notification::Avatar(_) if self.is_done(printed) => break,
                Notification::Avatar(info) => {
                    lines.push(&record(&info).line(self.output));
                    self.printed.insert(&identity(&info));
                    printed += 1;
                    failures.extend(info.failure().map(|failure| (info.chat_id, failure)));
                }
                Notification::Foreign(other) if self.spool.is_some() => {
                    foreign.extend_from_slice(&other.line);
                    foreign.push(b'\n');
                    spooled += 1;
                }
                Notification::Foreign(other) => {
                    self.output.wire(|| format!("discarded: {}", other.what));
                    self.counts.discarded += 1;
                }
            }
            kept.push(sender);
        }
        (self.write)(&lines)?;
        self.counts.printed += printed;
        if let Some(spool) = self.spool.as_mut().filter(|_| !foreign.is_empty()) {
            spool.append(&foreign)?;
        }
        self.counts.spooled += spooled;
        for sender in kept {
            // An error means that the client is gone. It will send the notification again, as a repeat.
            let _ = sender.send(());
        }
        self.counts.failed += failures.len() as u64;
        for (chat, failure) in failures {
            self.output.chat_failure_in_list(&chat, &failure);
        }
        Ok(())
    }

    /// Prints what became of the notifications.
    pub(super) fn summarize(&self, refused: u64) {
        let Counts { printed, failed, repeated, spooled, discarded } = self.counts;
        if printed + repeated + spooled + discarded + refused == 0 && !self.output.is_json() {
            return self.output.note("no notifications were received");
        }
        self.output.tally(&[
            ("printed", "printed", printed),
            ("failed", "of them failed", failed),
            ("repeated", "repeated", repeated),
            ("spooled", "spooled", spooled),
            ("discarded", "discarded", discarded),
            ("refused", "refused", refused),
        ]);
    }
}
