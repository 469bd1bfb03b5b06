//! Where notifications of the endpoint are put down: one thread that writes, flushes and syncs, then says so.
//!
//! Whatever came in while a write or a sync was under way shares the next one: so one flush, and one sync, serve as
//! many requests as there are connections. This file knows no HTTP.

use std::sync::mpsc::Receiver;

use tokio::sync::oneshot;

use crate::failure::Failure;
use crate::greenapi::messages::{AvatarInfo, Notification};
use crate::output::{Output, Unwritten};
use crate::report::Report;
use crate::results::record;
use crate::results::repeats::Repeats;
use crate::results::spool::Spool;

/// A buffer that grew beyond this is not kept.
const KEPT_BUFFER: usize = 256 * 1024;

/// One notification, and whom to tell when it is safe. Dropped without a word where it is not.
#[derive(Debug)]
pub struct Job {
    /// What came.
    pub notification: Notification,
    /// Told once it is where it belongs.
    pub done: oneshot::Sender<()>,
}

/// Writes and flushes finished lines.
type Write<'a> = dyn FnMut(&[u8]) -> Result<(), Unwritten> + Send + 'a;

/// Puts notifications down.
pub struct Commit<'a> {
    output: &'a Output,
    report: &'a Report,
    write: Box<Write<'a>>,
    spool: Option<Spool>,
    left: Option<u64>,
    repeats: Repeats,
    some_failed: bool,
}

impl<'a> Commit<'a> {
    /// Results are rendered by `output` and go where `write` puts and flushes them, up to `max` of them; other
    /// notifications to the spool, or nowhere without one.
    pub fn new(
        output: &'a Output,
        report: &'a Report,
        write: impl FnMut(&[u8]) -> Result<(), Unwritten> + Send + 'a,
        spool: Option<Spool>,
        max: Option<u64>,
    ) -> Commit<'a> {
        let repeats = Repeats::default();
        Commit { output, report, write: Box::new(write), spool, left: max, repeats, some_failed: false }
    }

    /// Works until nobody sends any more, enough is printed, or something cannot be written. Whether a printed result
    /// told of a failure.
    pub fn run(mut self, inbox: &Receiver<Job>) -> Result<bool, Unwritten> {
        let (mut batch, mut lines, mut foreign, mut failures) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        while self.left != Some(0) {
            let Ok(first) = inbox.recv() else { break };
            batch.push(first);
            batch.extend(inbox.try_iter());
            let mut taken = 0;
            for job in &batch {
                match &job.notification {
                    Notification::Avatar(info) if self.repeats.knows(info) => {}
                    // What is beyond the bound, and behind that, comes again.
                    Notification::Avatar(_) if self.left == Some(0) => break,
                    Notification::Avatar(info) => failures.extend(self.take(info, &mut lines)),
                    Notification::Foreign(other) if self.spool.is_some() => {
                        foreign.extend_from_slice(&other.line);
                        foreign.push(b'\n');
                    }
                    Notification::Foreign(other) => self.report.wire(|| format!("discarded: {}", other.what)),
                }
                taken += 1;
            }
            batch.truncate(taken);
            if !lines.is_empty() {
                (self.write)(&lines)?;
            }
            if let Some(spool) = self.spool.as_mut().filter(|_| !foreign.is_empty()) {
                spool.append(&foreign).map_err(Unwritten::Failed)?;
            }
            for Job { done, .. } in batch.drain(..) {
                // A client that has gone sends the notification again, and it is a repeat then.
                let _ = done.send(());
            }
            for (chat, failure) in failures.drain(..) {
                self.report.chat_failure_in_list(&chat, &failure);
            }
            for buffer in [&mut lines, &mut foreign] {
                buffer.clear();
                buffer.shrink_to(KEPT_BUFFER);
            }
        }
        Ok(self.some_failed)
    }

    /// Adds a result's line. It counts as known from here on, as it is written before anybody hears of it.
    fn take(&mut self, info: &AvatarInfo, lines: &mut Vec<u8>) -> Option<(String, Failure)> {
        lines.extend_from_slice(self.output.render(&record(info)).as_bytes());
        self.repeats.remember(info);
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        let failure = info.failure()?;
        self.some_failed = true;
        Some((info.chat_id.clone(), failure))
    }
}
