//! The bytes of a file or of standard input, as UTF-8, without a read that a signal cannot end.
//!
//! A regular file is read directly. A pipe, a terminal or a device is opened and read by a thread of its own, which a
//! run that ends does not wait for.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Instant;

use encoding_rs_io::DecodeReaderBytesBuilder;

use crate::failure::{Failure, Kind};
use crate::platform::{check_stdin, stdin_file};
use crate::shutdown::{self, SLICE};

const STDIN: &str = "standard input";
const CHUNK: usize = 16 * 1024;

/// A file that is read piece by piece or line by line. UTF-16 with a byte-order mark becomes UTF-8, and a mark is
/// removed; UTF-8 is not checked.
pub struct Feed {
    source: Source,
    /// The file's name for messages.
    pub name: String,
    /// What was read, and how much of it is consumed.
    buffer: Vec<u8>,
    at: usize,
    /// The part of the current line that was read.
    line: Vec<u8>,
    /// Number of lines that were read to their ends.
    lines: u64,
    /// Whether the last line ended with CR: an LF right after it belongs to that line end.
    after_cr: bool,
}

enum Source {
    Direct(Box<dyn Read + Send>),
    Thread(Receiver<io::Result<Vec<u8>>>),
}

/// The next part of an input, if it has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<T> {
    Item(T),
    End,
    /// Nothing came before the deadline.
    Waiting,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Feed {
    /// The bytes of a text in memory.
    pub fn of(text: &[u8]) -> Feed {
        Feed { buffer: text.to_vec(), ..Feed::from(Source::Direct(Box::new(io::empty())), String::new()) }
    }

    /// Opens a file. A pipe is opened by the thread: it waits until a program opens the other end.
    pub fn open(path: &Path) -> Result<Feed, Failure> {
        Feed::new(path.display().to_string(), || {
            let metadata = path.metadata()?;
            if metadata.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            if metadata.is_file() {
                return Ok(Source::direct(File::open(path)?));
            }
            let path = path.to_owned();
            Source::thread(move || File::open(&path))
        })
    }

    pub fn stdin() -> Result<Feed, Failure> {
        Feed::new(STDIN.to_owned(), || {
            check_stdin()?;
            let stdin = stdin_file()?;
            let is_file = stdin.metadata().is_ok_and(|metadata| metadata.is_file());
            if is_file { Ok(Source::direct(stdin)) } else { Source::thread(stdin_file) }
        })
    }

    /// Fails if standard input cannot be read at all. Nothing is read.
    pub fn check_stdin() -> Result<(), Failure> {
        check_stdin().map_err(|error| unreadable(STDIN, error))
    }

    fn new(name: String, open: impl FnOnce() -> io::Result<Source>) -> Result<Feed, Failure> {
        match open() {
            Ok(source) => Ok(Feed::from(source, name)),
            Err(error) => Err(unreadable(&name, error)),
        }
    }

    fn from(source: Source, name: String) -> Feed {
        Feed { source, name, buffer: Vec::new(), at: 0, line: Vec::new(), lines: 0, after_cr: false }
    }

    /// What was read and not yet consumed.
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    pub fn consume(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// If everything is consumed, reads on, until the deadline.
    pub fn fill(&mut self, deadline: Option<Instant>) -> Result<Next<()>, Failure> {
        if !self.rest().is_empty() {
            return Ok(Next::Item(()));
        }
        self.at = 0;
        self.buffer.clear();
        self.read(deadline)
    }

    /// Like [`Feed::fill`], but waits until a signal, which counts as the end. Returns whether there are bytes.
    pub fn fill_unless_interrupted(&mut self) -> Result<bool, Failure> {
        while shutdown::signal().is_none() || !self.rest().is_empty() {
            match self.fill(Some(Instant::now() + SLICE))? {
                Next::Waiting => {}
                next => return Ok(next == Next::Item(())),
            }
        }
        Ok(false)
    }

    /// The next line and its number, from 1, awaited until the deadline. It ends with LF, CRLF or CR, which is left out. Of
    /// a line longer than `longest` bytes the beginning is returned.
    pub fn next_line(&mut self, longest: usize, deadline: Option<Instant>) -> Result<Next<(u64, Vec<u8>)>, Failure> {
        loop {
            let has_ended = match self.fill(deadline)? {
                Next::Item(()) => false,
                Next::Waiting => return Ok(Next::Waiting),
                Next::End if self.line.is_empty() => return Ok(Next::End),
                Next::End => true,
            };
            if std::mem::take(&mut self.after_cr) && self.rest().starts_with(b"\n") {
                self.consume(1);
                continue;
            }
            let rest = &self.buffer[self.at..];
            let end = rest.iter().position(|&b| b == b'\n' || b == b'\r');
            let length = end.unwrap_or(rest.len());
            self.line.extend_from_slice(&rest[..length.min(longest - self.line.len())]);
            self.after_cr = end.is_some_and(|end| rest[end] == b'\r');
            self.consume(length + usize::from(end.is_some()));
            if end.is_some() || has_ended {
                self.lines += 1;
                return Ok(Next::Item((self.lines, std::mem::take(&mut self.line))));
            }
        }
    }

    /// Reads this many bytes, or all if there are fewer, without consuming any.
    pub fn fill_to(&mut self, bytes: usize) -> Result<(), Failure> {
        while self.rest().len() < bytes && shutdown::signal().is_none() {
            if self.read(Some(Instant::now() + SLICE))? == Next::End {
                break;
            }
        }
        Ok(())
    }

    /// Reads one piece more.
    fn read(&mut self, deadline: Option<Instant>) -> Result<Next<()>, Failure> {
        let before = self.buffer.len();
        let got = match &mut self.source {
            Source::Direct(file) => {
                self.buffer.resize(before + CHUNK, 0);
                let got = read(file, &mut self.buffer[before..]);
                self.buffer.truncate(before + *got.as_ref().unwrap_or(&0));
                got.map(drop)
            }
            Source::Thread(receiver) => {
                let received = match deadline {
                    Some(at) => receiver.recv_timeout(at.saturating_duration_since(Instant::now())),
                    None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                };
                match received {
                    Ok(piece) => piece.map(|piece| self.buffer.extend(piece)),
                    Err(RecvTimeoutError::Timeout) => return Ok(Next::Waiting),
                    Err(RecvTimeoutError::Disconnected) => Ok(()),
                }
            }
        };
        got.map_err(|error| unreadable(&self.name, error))?;
        Ok(if self.buffer.len() == before { Next::End } else { Next::Item(()) })
    }
}

impl Source {
    fn direct(file: File) -> Source {
        Source::Direct(Box::new(decoded(file)))
    }

    fn thread(open: impl Fn() -> io::Result<File> + Clone + Send + 'static) -> io::Result<Source> {
        // Without a buffer: at most one piece is read before it is needed.
        let (sender, receiver) = sync_channel(0);
        let thread_open = open.clone();
        let reader = thread::Builder::new().name("input".into()).spawn(move || {
            let mut file = thread_open().map(decoded);
            loop {
                let mut buffer = vec![0; CHUNK];
                let piece = match &mut file {
                    Ok(file) => read(file, &mut buffer).map(|got| buffer[..got].to_vec()),
                    Err(error) => Err(std::mem::replace(error, io::ErrorKind::Other.into())),
                };
                let is_last = !piece.as_ref().is_ok_and(|piece| !piece.is_empty());
                // An error means that the run has ended.
                if sender.send(piece).is_err() || is_last {
                    return;
                }
            }
        });
        match reader {
            Ok(_) => Ok(Source::Thread(receiver)),
            // No thread can be started: a read that waits then ends with the process, at the cut-off.
            Err(_) => open().map(Source::direct),
        }
    }
}

fn decoded(file: File) -> impl Read + Send {
    DecodeReaderBytesBuilder::new().utf8_passthru(true).strip_bom(true).build(file)
}

fn read(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn unreadable(name: &str, error: io::Error) -> Failure {
    Failure::new(Kind::InputUnreadable, format!("cannot read {name}")).because(error)
}
