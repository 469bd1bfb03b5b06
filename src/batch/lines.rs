//! The lines of one input, as they come: a pipe that stays open is served line by line, in bounded memory.
//!
//! Blank lines, comments, carriage returns and a byte-order mark are taken off here. What a line means is not known.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use crate::escape::escape;
use crate::failure::{Failure, Kind};
use crate::interrupt;
use crate::platform::check_stdin;

/// A line that is longer is no chat id.
const LONGEST_LINE: usize = 1024;

/// One line.
pub enum Line {
    /// All of it, without its end.
    Whole(Vec<u8>),
    /// The start of a line that is longer than any chat id.
    TooLong(Vec<u8>),
}

/// What [`Lines::take`] found.
pub enum Next {
    /// A line.
    Line {
        /// It.
        text: Line,
        /// Its number, from 1.
        number: u64,
    },
    /// The input's end.
    End,
    /// Nothing came before the deadline or the signal.
    Waited,
}

/// The lines of one input that are neither blank nor comments.
#[derive(Debug)]
pub struct Lines {
    file: File,
    /// Bytes may be long in coming: it is no regular file.
    waits: bool,
    name: String,
    buffer: Vec<u8>,
    at: usize,
    number: u64,
    is_over: bool,
}

impl Lines {
    /// The lines of a file.
    pub fn open(path: &Path) -> Result<Lines, Failure> {
        let name = escape(&path.display().to_string());
        let file = File::open(path).map_err(|error| unreadable(&name, error))?;
        if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(unreadable(&name, io::ErrorKind::IsADirectory.into()));
        }
        Ok(Lines::new(file, name))
    }

    /// Fails where [`Lines::open`] would. Of a named pipe or a device it only looks whether it is there: whoever writes
    /// to a pipe would take its opening for the reader, and its closing for the end.
    pub fn check(path: &Path) -> Result<(), Failure> {
        match path.metadata() {
            Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => Ok(()),
            _ => Lines::open(path).map(drop),
        }
    }

    /// The lines of standard input.
    pub fn stdin() -> Result<Lines, Failure> {
        let name = "standard input".to_owned();
        let fd = check_stdin().and_then(|()| io::stdin().as_fd().try_clone_to_owned());
        let fd = fd.map_err(|error| unreadable(&name, error))?;
        Ok(Lines::new(File::from(fd), name))
    }

    fn new(file: File, name: String) -> Lines {
        let waits = !file.metadata().is_ok_and(|metadata| metadata.is_file());
        Lines { file, waits, name, buffer: Vec::new(), at: 0, number: 0, is_over: false }
    }

    /// The next line that is neither blank nor a comment.
    pub fn take(&mut self, deadline: Option<Instant>) -> Result<Next, Failure> {
        loop {
            let Some(line) = self.raw_line(deadline)? else {
                return Ok(if self.is_over { Next::End } else { Next::Waited });
            };
            self.number += 1;
            let text = match line {
                Line::TooLong(start) if start.trim_ascii_start().starts_with(b"#") => continue,
                Line::TooLong(start) => Line::TooLong(start),
                Line::Whole(mut bytes) => {
                    if self.number == 1 && bytes.starts_with("\u{feff}".as_bytes()) {
                        bytes.drain(..3);
                    }
                    if bytes.last() == Some(&b'\r') {
                        bytes.pop();
                    }
                    let blank = bytes.trim_ascii();
                    if blank.is_empty() || blank.starts_with(b"#") {
                        continue;
                    }
                    Line::Whole(bytes)
                }
            };
            return Ok(Next::Line { text, number: self.number });
        }
    }

    /// The next line without its newline; `None` at the end or when nothing more came.
    fn raw_line(&mut self, deadline: Option<Instant>) -> Result<Option<Line>, Failure> {
        let mut searched = self.at;
        let mut too_long: Option<Vec<u8>> = None;
        loop {
            if let Some(length) = self.buffer[searched..].iter().position(|&b| b == b'\n') {
                let line = &self.buffer[self.at..searched + length];
                let line = too_long.take().map(Line::TooLong).unwrap_or_else(|| whole_or_long(line));
                self.at = searched + length + 1;
                return Ok(Some(line));
            }
            if self.buffer.len() - self.at > LONGEST_LINE && too_long.is_none() {
                too_long = Some(self.buffer[self.at..self.at + LONGEST_LINE].to_vec());
            }
            // Of a line that is too long nothing more is kept.
            self.buffer.drain(..if too_long.is_some() { self.buffer.len() } else { self.at });
            self.at = 0;
            searched = self.buffer.len();
            if self.is_over || !self.fill(deadline)? {
                if !self.is_over || (self.buffer.is_empty() && too_long.is_none()) {
                    return Ok(None);
                }
                let rest = std::mem::take(&mut self.buffer);
                return Ok(Some(too_long.map(Line::TooLong).unwrap_or_else(|| whole_or_long(&rest))));
            }
        }
    }

    /// Reads more. False: the end, which sets `is_over`, or nothing came before the deadline or a signal.
    fn fill(&mut self, deadline: Option<Instant>) -> Result<bool, Failure> {
        const CHUNK: usize = 16 * 1024;
        let failed = |error| unreadable(&self.name, error);
        let is_ready = || interrupt::wait_for(self.file.as_fd(), PollFlags::IN, deadline, Duration::ZERO);
        if self.waits && !is_ready().map_err(failed)? {
            return Ok(false);
        }
        let old = self.buffer.len();
        self.buffer.resize(old + CHUNK, 0);
        let got = loop {
            match self.file.read(&mut self.buffer[old..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result.map_err(failed)?,
            }
        };
        self.buffer.truncate(old + got);
        self.is_over = got == 0;
        Ok(got > 0)
    }
}

fn whole_or_long(line: &[u8]) -> Line {
    if line.len() > LONGEST_LINE { Line::TooLong(line[..LONGEST_LINE].to_vec()) } else { Line::Whole(line.to_vec()) }
}

fn unreadable(name: &str, error: io::Error) -> Failure {
    Failure::caused(Kind::InputUnreadable, anyhow::Error::from(error).context(format!("cannot read {name}")))
}
