//! The `.env`: found here or in the nearest parent, or named; read into memory and into nothing else.
//!
//! A malformed line is named by file and number, never by its text: there may be a token in it. What the values
//! are for this file does not know.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::escape::escape;
use crate::failure::{Failure, Kind};
use crate::report::Report;
use crate::settings::Flags;
use crate::token::{MASK, could_be_a_token};

/// No `.env` is that large; what is, is something else.
const LARGEST: u64 = 1024 * 1024;

/// The values of a `.env`, or of none.
#[derive(Debug, Default)]
pub struct EnvFile {
    /// Where it is.
    pub path: PathBuf,
    /// True: found by search, not named by `--env-file`.
    pub was_searched: bool,
    values: HashMap<String, String>,
}

impl EnvFile {
    /// The file that the flags name, else the nearest one; an empty one where there is none or it is not trusted.
    pub fn open(flags: &Flags, report: &Report) -> Result<EnvFile, Failure> {
        let (path, was_searched) = match &flags.env_file {
            _ if flags.no_env_file => return Ok(EnvFile::default()),
            Some(path) => (path.clone(), false),
            None => match nearest() {
                Some(path) => (path, true),
                None => return Ok(EnvFile::default()),
            },
        };
        let shown = if could_be_a_token(&path) { MASK.to_owned() } else { escape(&path.display().to_string()) };
        let unreadable = |error: io::Error| {
            let error = anyhow::Error::from(error).context(format!("cannot read {shown}"));
            let failure = Failure::caused(Kind::InputUnreadable, error);
            if was_searched { failure.hint("--no-env-file leaves it alone") } else { failure }
        };
        if was_searched {
            // Its owner is asked before it is opened: somebody else's may be a trap, or simply not for us to read.
            let owner = std::fs::metadata(&path).map_err(unreadable)?.uid();
            if owner != 0 && owner != rustix::process::geteuid().as_raw() {
                report.warn(
                    &format!("{shown} belongs to another user and is left alone"),
                    "name it with --env-file if it is yours",
                );
                return Ok(EnvFile::default());
            }
        }
        let mut file = File::open(&path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.by_ref().take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > LARGEST {
            return Err(Failure::new(Kind::BadSettings, format!("{shown} is too large for a .env")));
        }
        warn_of_readers(&metadata, &shown, report);
        let values = parse(&bytes).map_err(|line| {
            Failure::new(Kind::BadSettings, format!("{shown}, line {line}: not NAME=value"))
                .hint("put values in single quotes; --no-env-file leaves a .env alone")
        })?;
        Ok(EnvFile { path, was_searched, values })
    }

    /// A variable's value; an empty one counts as unset.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    /// A variable's value, empty or not.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}

/// The nearest file of that name, here or in a parent. A folder of that name is a Python environment and no concern of ours.
fn nearest() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|folder| folder.join(".env")).find(|path| is_file(path))
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file())
}

fn warn_of_readers(metadata: &Metadata, shown: &str, report: &Report) {
    if metadata.is_file() && metadata.mode() & 0o044 != 0 {
        report.warn(&format!("{shown} can be read by other users"), &format!("chmod 600 {shown}"));
    }
}

/// The variables, of a repeated one the last; the error is the number of the line that cannot be read.
fn parse(bytes: &[u8]) -> Result<HashMap<String, String>, usize> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(lines_in(&bytes[..error.valid_up_to()]) + 1);
    }
    let mut values = HashMap::new();
    let read = std::cell::Cell::new(0);
    for item in dotenvy::from_read_iter(LineByLine { rest: bytes, read: &read }) {
        match item {
            Ok((name, value)) if value.contains('\0') || name.contains('\0') => return Err(read.get()),
            Ok((name, value)) => values.insert(name, value),
            Err(_) => return Err(read.get()),
        };
    }
    Ok(values)
}

fn lines_in(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&b| b == b'\n').count()
}

/// Hands out one line a read and counts them: dotenvy tells the text of a bad line, which must not be shown, but not its number.
struct LineByLine<'a> {
    rest: &'a [u8],
    read: &'a std::cell::Cell<usize>,
}

impl Read for LineByLine<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = self.rest.iter().position(|&b| b == b'\n').map_or(self.rest.len(), |end| end + 1);
        let n = line.min(buffer.len());
        buffer[..n].copy_from_slice(&self.rest[..n]);
        self.rest = &self.rest[n..];
        if n == line && n > 0 {
            self.read.set(self.read.get() + 1);
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_people_write_them() {
        let text = "\u{feff}# comment\r\nA=1\r\n\nexport B='two $x # y'\nC=\"a\\nb\"\nD=\nA=3 # last wins\nE='x\ny'\n";
        let values = parse(text.as_bytes()).expect("well formed");
        assert_eq!(values["A"], "3");
        assert_eq!(values["B"], "two $x # y");
        assert_eq!(values["C"], "a\nb");
        assert_eq!(values["D"], "");
        assert_eq!(values["E"], "x\ny");
    }

    #[test]
    fn a_bad_line_is_known_by_its_number() {
        assert_eq!(parse(b"A=1\nthis is bad\nB=2\n"), Err(2));
        assert_eq!(parse(b"A='x\ny'\n\nbad line\n"), Err(4));
        assert_eq!(parse(b"A=1\nB=\xff\n"), Err(2));
        assert_eq!(parse(b"A=1\nB='open\nC=2"), Err(3));
        assert_eq!(parse(b"bad line"), Err(1));
    }
}
