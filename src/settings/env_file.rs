//! Finds and reads `.env` files. Their variables are never exported to the environment.
//!
//! An error names the file and the line but not the line's text, which may contain a token.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Kind};
use crate::output::Output;
use crate::platform;
use crate::token::shown_path;

const LARGEST: u64 = 1024 * 1024;

#[derive(Debug)]
pub struct EnvFile {
    pub path: PathBuf,
    /// Whether it was found in this directory or a parent.
    pub is_found: bool,
    /// Variables and their trimmed values.
    pub values: HashMap<String, String>,
}

impl EnvFile {
    /// Reads a file. `None` if it was found and belongs to another user (except root), who may want to redirect
    /// requests.
    ///
    /// A `$` outside of single quotes is an error in the variables that `is_ours` selects.
    pub fn read(
        path: &Path,
        is_found: bool,
        is_ours: fn(&str) -> bool,
        output: &Output,
    ) -> Result<Option<EnvFile>, Failure> {
        let shown = shown_path(path);
        let unreadable = |error: io::Error| {
            let failure = Failure::new(Kind::InputUnreadable, format!("cannot read {shown}")).because(error);
            if is_found { failure.hint("--no-env-file ignores it") } else { failure }
        };
        let is_strangers = |metadata: &Metadata| is_found && platform::belongs_to_another_user(metadata);
        let ignored = || {
            let hint = "name it with --env-file to use it";
            output.warn(&format!("{shown} belongs to another user and is ignored"), hint);
            Ok(None)
        };
        // Checked before it is opened, as it may be unreadable, and after, as it may have been replaced in between.
        if is_strangers(&path.metadata().map_err(unreadable)?) {
            return ignored();
        }
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if is_strangers(&metadata) {
            return ignored();
        }
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > LARGEST {
            return Err(Failure::new(Kind::BadSettings, format!("{shown} is too large for a .env file")));
        }
        if metadata.is_file() && platform::is_readable_by_others(&metadata) {
            output.warn(&format!("{shown} can be read by other users"), &format!("chmod 600 {shown}"));
        }
        let values = parse(&bytes, is_ours).map_err(|(line, problem)| {
            Failure::new(Kind::BadSettings, format!("{shown}, line {line}: {problem}"))
                .hint("put values in single quotes; --no-env-file ignores a .env that was not named")
        })?;
        Ok(Some(EnvFile { path: path.to_owned(), is_found, values }))
    }
}

/// The `.env` in this directory or its nearest parent that has one. Directories do not count: Python's virtual
/// environments are often named `.env`.
pub fn nearest() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let mut files = platform::env_file_dirs(&here).into_iter().map(|directory| directory.join(".env"));
    files.find(|path| path.is_file())
}

/// Parses a file. Values are trimmed, and the last one of a repeated variable counts.
///
/// The error is the first line of the malformed entry, and what is wrong with it.
fn parse(bytes: &[u8], is_ours: fn(&str) -> bool) -> Result<HashMap<String, String>, (usize, &'static str)> {
    const MALFORMED: &str = "not NAME=value";
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.replace("\r\n", "\n").replace('\r', "\n"),
        Err(error) => return Err((bytes[..error.valid_up_to()].split(|&b| b == b'\n').count(), MALFORMED)),
    };
    let mut values = HashMap::new();
    for Entry { line, text, has_reference } in split(&text) {
        let mut items = dotenvy::from_read_iter(text.as_bytes());
        match (items.next(), items.next()) {
            (None, _) => {}
            (Some(Ok((name, value))), None) if !value.contains('\0') => {
                if has_reference && is_ours(&name) {
                    return Err((line, "a $ outside of single quotes: variables are not substituted"));
                }
                values.insert(name, value.trim().to_owned());
            }
            _ => return Err((line, MALFORMED)),
        }
    }
    Ok(values)
}

/// A `NAME=value`, which spans several lines if it has a quoted line end, or a blank line.
struct Entry {
    /// Its first line.
    line: usize,
    /// Its text with the line end and without comments. Each `$` outside of single quotes is escaped, as dotenvy would
    /// substitute a variable.
    text: String,
    /// Whether there was such a `$`.
    has_reference: bool,
}

/// Splits a file into entries with their line numbers, which dotenvy does not report. Line ends are `\n`.
fn split(text: &str) -> Vec<Entry> {
    let new = |line| Entry { line, text: String::new(), has_reference: false };
    let mut entries = vec![new(1)];
    let mut line = 1;
    let (mut quote, mut is_escaped, mut is_comment) = (None, false, false);
    for c in text.chars().chain(['\n']) {
        let entry = entries.last_mut().expect("it has one from the start");
        line += usize::from(c == '\n');
        if c == '\n' && quote.is_none() {
            entry.text.push(c);
            (is_escaped, is_comment) = (false, false);
            entries.push(new(line));
            continue;
        }
        if is_comment {
            continue;
        }
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if quote != Some('\'') => is_escaped = true,
            '\'' | '"' if quote.is_none() => quote = Some(c),
            '\'' | '"' if quote == Some(c) => quote = None,
            '#' if quote.is_none() && entry.text.chars().next_back().is_none_or(char::is_whitespace) => {
                is_comment = true;
                continue;
            }
            '$' if quote != Some('\'') => {
                entry.has_reference = true;
                entry.text.push('\\');
            }
            _ => {}
        }
        entry.text.push(c);
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ours(name: &str) -> bool {
        name.starts_with("GREEN_API_")
    }

    fn values(text: &str) -> HashMap<String, String> {
        parse(text.as_bytes(), is_ours).unwrap_or_else(|error| panic!("{error:?} in {text}"))
    }

    fn bad_line(text: &[u8]) -> Option<usize> {
        parse(text, is_ours).err().map(|(line, _)| line)
    }

    #[test]
    fn values_are_read_as_people_write_them() {
        let values = values(
            "\u{feff}# it's a comment\r\nA=1\r\n\nexport B='two $x # y'\nC=\"a\\nb\"\nD=\nA=3  # it's the last one\nE='x\ny'\nF=\" z \" ",
        );
        assert_eq!(values["A"], "3");
        assert_eq!(values["B"], "two $x # y");
        assert_eq!(values["C"], "a\nb");
        assert_eq!(values["D"], "");
        assert_eq!(values["E"], "x\ny");
        assert_eq!(values["F"], "z");
    }

    #[test]
    fn a_malformed_entry_is_reported_at_its_first_line() {
        for (text, line) in [
            ("A=1\nthis is bad\nB=2\n", 2),
            ("A='x\ny'\n\nbad line\n", 4),
            ("A=1\rB='x\ry'\r\nbad line\r", 4),
            ("A=1\nB='open\nC=2", 2),
            ("A=1\nB=\"open\nC='2'\nD='3'\n", 2),
            ("A=1\n\nB='open\nC='2'\nD='3'\n", 3),
            ("A=1\nit's bad\nC=2\n", 2),
            ("A=1\nB=x y\n", 2),
            ("A=1\nB=\\q\n", 2),
            ("A=1\nB=\0\n", 2),
            ("bad line", 1),
        ] {
            assert_eq!(bad_line(text.as_bytes()), Some(line), "{text:?}");
        }
        assert_eq!(bad_line(b"A=1\nB=\xff\n"), Some(2));
    }

    #[test]
    fn a_reference_is_an_error_only_in_our_variables() {
        for value in ["$HOME", "${HOME}", "a$b", "\"$HOME\"", "\"a${HOME\"", "'a'$HOME", "a$"] {
            let ours = format!("X=1\nexport GREEN_API_URL={value}\n");
            assert_eq!(bad_line(ours.as_bytes()), Some(2), "{value}");
            assert_eq!(bad_line(format!("X={value}\nGREEN_API_URL=x\n").as_bytes()), None, "{value}");
        }
        assert_eq!(values("GREEN_API_URL='$a'\\$b\"\\$c\" # $d")["GREEN_API_URL"], "$a$b$c");
        assert_eq!(bad_line(b"X=$HOME y\n"), Some(1));
    }
}
