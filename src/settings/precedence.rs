//! The sources of a value, in their order: option, file named by `--env-file`, environment, `.env` in this directory or
//! its nearest parent that has one, the user's file.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use super::env_file::{self, EnvFile};
use crate::failure::Failure;
use crate::output::Output;
use crate::platform;
use crate::token::shown_path;

/// The variables of each setting, the preferred name first. `ID_INSTANCE` and `API_TOKEN_INSTANCE` are the names of
/// GREEN-API's official samples.
pub const URL: &[&str] = &["GREEN_API_URL"];
pub const ID: &[&str] = &["GREEN_API_ID_INSTANCE", "ID_INSTANCE"];
pub const TOKEN: &[&str] = &["GREEN_API_TOKEN_INSTANCE", "API_TOKEN_INSTANCE", TOKEN_FILE];
/// The name of a file with the token, not the token itself.
pub const TOKEN_FILE: &str = "GREEN_API_TOKEN_FILE";
pub const WEBHOOK_TOKEN: &[&str] = &["GREEN_API_WEBHOOK_TOKEN"];
pub const LENIENT: &[&str] = &["GREEN_API_LENIENT"];

/// Whether a variable is one of this program's.
pub fn is_ours(variable: &str) -> bool {
    [URL, ID, TOKEN, WEBHOOK_TOKEN, LENIENT].iter().any(|names| names.contains(&variable))
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An option, by its name.
    Flag(&'static str),
    Environment(&'static str),
    File {
        path: PathBuf,
        /// Whether it was found in this directory or a parent, not named by `--env-file` or the user's file.
        is_found: bool,
        variable: &'static str,
    },
    /// The first line of a file that another source names.
    TokenFile(PathBuf, Box<Source>),
    /// No source has a value.
    Default,
    Sandbox,
}

impl Source {
    pub fn variable(&self) -> Option<&'static str> {
        match self {
            Source::Environment(variable) | Source::File { variable, .. } => Some(variable),
            _ => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(name) => write!(f, "{name}"),
            Source::Environment(variable) => write!(f, "environment variable {variable}"),
            Source::File { path, variable, .. } => write!(f, "{variable} in {}", shown_path(path)),
            Source::TokenFile(path, named_by) => write!(f, "{}, named by {named_by}", shown_input(path)),
            Source::Default => write!(f, "default"),
            Source::Sandbox => write!(f, "sandbox"),
        }
    }
}

/// The name of a file, or of standard input if it is `-`, as messages show it.
pub fn shown_input(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { shown_path(path) }
}

#[derive(Clone, Debug)]
pub struct Sourced<T> {
    /// The value, trimmed.
    pub value: T,
    pub source: Source,
}

impl Sourced<String> {
    pub fn flag(name: &'static str, value: &OsStr) -> Sourced<String> {
        Sourced { value: trimmed(value), source: Source::Flag(name) }
    }
}

/// The sources below the options. A file that was not named is read when a value is first missing.
#[derive(Debug)]
pub struct Sources<'a> {
    output: &'a Output,
    named: Option<EnvFile>,
    read: Vec<EnvFile>,
    /// Files not read yet, the next one last, and whether each was found.
    unread: Vec<(PathBuf, bool)>,
}

impl<'a> Sources<'a> {
    /// Reads the file that `--env-file` names.
    pub fn open(env_file: Option<&Path>, no_env_file: bool, output: &'a Output) -> Result<Sources<'a>, Failure> {
        let named = env_file.map(|path| EnvFile::read(path, false, is_ours, output)).transpose()?.flatten();
        let mut unread = Vec::new();
        if env_file.is_none() && !no_env_file {
            unread.extend(user_file().filter(|path| path.is_file()).map(|path| (path, false)));
            unread.extend(env_file::nearest().map(|path| (path, true)));
        }
        Ok(Sources { output, named, read: Vec::new(), unread })
    }

    /// The value of a setting in the first source that has one.
    pub fn find(&mut self, names: &[&'static str]) -> Result<Option<Sourced<String>>, Failure> {
        let in_file = |file: &EnvFile| {
            names.iter().find_map(|&variable| {
                let value = file.values.get(variable).filter(|value| is_set(value, names))?.clone();
                let source = Source::File { path: file.path.clone(), is_found: file.is_found, variable };
                Some(Sourced { value, source })
            })
        };
        let found = self.named.as_ref().and_then(in_file).or_else(|| in_environment(names));
        if let Some(found) = found.or_else(|| self.read.iter().find_map(in_file)) {
            return Ok(Some(found));
        }
        while let Some((path, is_found)) = self.unread.last() {
            let file = EnvFile::read(path, *is_found, is_ours, self.output)?;
            self.unread.pop();
            let found = file.as_ref().and_then(in_file);
            self.read.extend(file);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

pub fn in_environment(names: &[&'static str]) -> Option<Sourced<String>> {
    names.iter().find_map(|&variable| {
        let value = trimmed(&std::env::var_os(variable)?);
        is_set(&value, names).then_some(Sourced { value, source: Source::Environment(variable) })
    })
}

/// An empty value counts as unset, except an empty webhook token, which is an error: if it were ignored, every sender
/// would be accepted.
fn is_set(value: &str, names: &[&str]) -> bool {
    !value.is_empty() || names == WEBHOOK_TOKEN
}

/// The value trimmed. Bytes that are not UTF-8 become U+FFFD, which no setting accepts.
fn trimmed(value: &OsStr) -> String {
    value.to_string_lossy().trim().to_owned()
}

/// `greenavatar/env` in the user's configuration directory.
pub fn user_file() -> Option<PathBuf> {
    platform::config_dir().map(|directory| directory.join("greenavatar").join("env"))
}
