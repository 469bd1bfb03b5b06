//! The records of a table, in bounded memory: one that is too long is an error with the line on which it begins.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::LONGEST_RECORD;
use crate::batch::feed::Feed;
use crate::failure::Failure;

const MOST_COLUMNS: usize = 1024;

pub enum Record {
    /// A record; the line on which it begins.
    At(u64),
    /// A record that cannot be read. `is_last`: its end is unknown, so it is the last one.
    Broken {
        line: u64,
        message: &'static str,
        is_last: bool,
    },
    End,
}

pub struct Records<'a> {
    core: Reader,
    feed: &'a mut Feed,
    lines: LineCounter,
    /// The fields one after another, and where each one ends.
    fields: Vec<u8>,
    ends: Vec<usize>,
}

impl<'a> Records<'a> {
    pub fn new(feed: &'a mut Feed, delimiter: u8, lines: LineCounter) -> Records<'a> {
        let core = ReaderBuilder::new().delimiter(delimiter).build();
        Records { core, feed, lines, fields: Vec::new(), ends: Vec::new() }
    }

    pub fn next(&mut self) -> Result<Record, Failure> {
        while self.feed.fill_unless_interrupted()? && matches!(self.feed.rest()[0], b'\n' | b'\r') {
            self.lines.pass(&self.feed.rest()[..1]);
            self.feed.consume(1);
        }
        let line = self.lines.line;
        let (mut written, mut ended, mut quotes) = (0, 0, 0);
        self.fields.resize(LONGEST_RECORD, 0);
        self.ends.resize(MOST_COLUMNS, 0);
        loop {
            // Empty only at the end of the file.
            self.feed.fill_unless_interrupted()?;
            let rest = self.feed.rest();
            let (result, read, wrote, ends) =
                self.core.read_record(rest, &mut self.fields[written..], &mut self.ends[ended..]);
            self.lines.pass(&rest[..read]);
            quotes += rest[..read].iter().filter(|&&b| b == b'"').count();
            let is_over = rest.is_empty();
            self.feed.consume(read);
            written += wrote;
            ended += ends;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    let is_last = quotes > 0;
                    if !is_last {
                        self.skip_line()?;
                    }
                    let message = match is_last {
                        true => "a record longer than 64 KiB: is a quote left open?",
                        false => "a line with more than 64 KiB or 1,024 fields",
                    };
                    return Ok(Record::Broken { line, message, is_last });
                }
                ReadRecordResult::End => return Ok(Record::End),
                ReadRecordResult::Record => {
                    self.ends.truncate(ended);
                    if is_over && quotes % 2 == 1 && self.lines.line > line {
                        return Ok(Record::Broken { line, message: "a quote that is left open", is_last: true });
                    }
                    return Ok(Record::At(line));
                }
            }
        }
    }

    /// Passes over the rest of a line that has no quotes.
    fn skip_line(&mut self) -> Result<(), Failure> {
        self.core.reset();
        while self.feed.fill_unless_interrupted()? {
            let rest = self.feed.rest();
            let end = rest.iter().position(|&b| b == b'\n' || b == b'\r');
            let passed = end.unwrap_or(rest.len());
            self.feed.consume(passed);
            if end.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Whether the last record is blank, or a comment among plain lines.
    pub fn is_skipped(&self) -> bool {
        let fields = self.fields[..self.ends.last().copied().unwrap_or_default()].trim_ascii_start();
        fields.is_empty() || self.len() == 1 && fields.starts_with(b"#")
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// A field of the last record; one that it does not have is empty.
    pub fn field(&self, column: usize) -> &[u8] {
        match self.ends.get(column) {
            Some(end) => &self.fields[column.checked_sub(1).map_or(0, |before| self.ends[before])..*end],
            None => &[],
        }
    }
}

/// Counts lines that end with LF, CRLF or CR.
#[derive(Debug)]
pub struct LineCounter {
    /// The number of the line that the next byte is on.
    pub line: u64,
    /// Whether the last byte was CR: an LF would belong to the same line end.
    after_cr: bool,
}

impl Default for LineCounter {
    fn default() -> LineCounter {
        LineCounter { line: 1, after_cr: false }
    }
}

impl LineCounter {
    pub fn pass(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.line += u64::from(b == b'\r' || b == b'\n' && !self.after_cr);
            self.after_cr = b == b'\r';
        }
    }
}
