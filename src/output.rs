//! Standard output: lines in, flushed to the reader, and told apart when they cannot be: a closed pipe or a full disk.
//!
//! Whoever deletes or acknowledges something waits for `Ok` from here first. Nothing else in the program writes
//! to standard output, so the token is masked in all of it.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;

use rustix::event::PollFlags;

use crate::failure::{Failure, Kind};
use crate::interrupt;
use crate::record::{Record, Status};
use crate::report::Color;
use crate::token::Token;

/// What a pipe takes without blocking once it is ready: PIPE_BUF of pipe(7).
const PIPE_ROOM: usize = 4096;

/// Why a line did not get out.
#[derive(Debug)]
pub enum Unwritten {
    /// The reader of the pipe is gone: the run ends without a message.
    PipeClosed,
    /// Standard output cannot be written.
    Failed(Failure),
}

/// Writes lines to standard output.
#[derive(Debug)]
pub struct Output {
    json: bool,
    quiet: bool,
    color: bool,
    token: OnceLock<Token>,
}

impl Output {
    /// Lines as JSON or as text; under `quiet` text lines are not written at all.
    pub fn new(json: bool, quiet: bool, color: Color) -> Output {
        Output { json, quiet, color: !json && color.applies_to(&io::stdout()), token: OnceLock::new() }
    }

    /// From here on the token is masked in every line.
    pub fn mask(&self, token: &Token) {
        let _ = self.token.set(token.clone());
    }

    /// Whether no line is written at all.
    pub fn is_silent(&self) -> bool {
        self.quiet && !self.json
    }

    /// The finished line with its newline; empty where nothing is to be written.
    pub fn render(&self, record: &Record) -> String {
        if self.is_silent() {
            return String::new();
        }
        let line = if self.json { record.json() } else { record.text() };
        let mut line = self.masked(line);
        if self.color {
            line = colored(&line, record.status);
        }
        line.push('\n');
        line
    }

    /// The text without the token.
    pub fn masked(&self, text: String) -> String {
        match self.token.get() {
            Some(token) => token.mask(text),
            None => text,
        }
    }

    /// Renders, writes and flushes one line.
    pub fn line(&self, record: &Record) -> Result<(), Unwritten> {
        self.write(self.render(record).as_bytes())
    }

    /// Writes and flushes finished lines.
    pub fn write(&self, lines: &[u8]) -> Result<(), Unwritten> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        // A pipe that has room takes so much at once: a reader that has stalled cannot hold up an interrupted run.
        for piece in lines.chunks(PIPE_ROOM) {
            let fd = stdout.as_fd();
            let has_room = interrupt::wait_for(fd, PollFlags::OUT, None, interrupt::GRACE)?;
            // What became of a chat that was cut off is still told, where somebody reads.
            if !has_room && !interrupt::is_ready(fd, PollFlags::OUT) {
                return Err(Unwritten::PipeClosed);
            }
            stdout.write_all(piece)?;
            stdout.flush()?;
        }
        Ok(())
    }
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Unwritten {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Unwritten::PipeClosed,
            _ => Unwritten::Failed(Failure::caused(
                Kind::OutputFailed,
                anyhow::Error::from(error).context("standard output cannot be written"),
            )),
        }
    }
}

/// Colours the status, the second column.
fn colored(line: &str, status: Status) -> String {
    let color = match status {
        Status::Accepted | Status::Found => "32",
        Status::None | Status::Hidden | Status::NoAccount => "33",
        Status::TimedOut | Status::Failed | Status::Invalid => "31",
    };
    let word = status.word();
    line.replacen(&format!("\t{word}"), &format!("\t\u{1b}[{color}m{word}\u{1b}[0m"), 1)
}
