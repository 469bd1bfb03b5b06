//! Checks that no file of a run is both read and written, or written twice.

use std::io;
use std::path::{Path, PathBuf};

use same_file::Handle;

use crate::failure::{Failure, Kind};
use crate::platform::parent;

/// Each file with its name in messages, such as `the journal done.ndjson`, and whether it is written.
#[derive(Debug, Default)]
pub struct Files(Vec<(String, bool, Identity)>);

/// Identifies a file: an existing one by its handle, a new one by its path.
#[derive(Debug, PartialEq)]
enum Identity {
    Existing(Handle),
    New(PathBuf),
}

impl Files {
    /// Standard output and, if `reads_stdin`, standard input, where they are redirected to files.
    pub fn of_streams(reads_stdin: bool) -> Result<Files, Failure> {
        let mut files = Files::default();
        let stdin = Handle::stdin().ok().filter(|_| reads_stdin).filter(is_regular);
        let stdout = Handle::stdout().ok().filter(is_regular);
        files.add_identity("standard input".into(), false, stdin.map(Identity::Existing))?;
        files.add_identity("standard output".into(), true, stdout.map(Identity::Existing))?;
        Ok(files)
    }

    /// Adds a file that is read or, if `is_output`, written. Fails if it was added before and one of the two is written.
    ///
    /// Only regular files are compared: a terminal or `/dev/null` may be used twice, and opening a pipe would disturb
    /// it.
    pub fn add(&mut self, what: &str, path: &Path, is_output: bool) -> Result<(), Failure> {
        let name = format!("the {what} {}", path.display());
        self.add_identity(name, is_output, identity(path))
    }

    fn add_identity(&mut self, name: String, is_output: bool, identity: Option<Identity>) -> Result<(), Failure> {
        let Some(identity) = identity else { return Ok(()) };
        let is_same = |(_, is_written, other): &&(_, bool, Identity)| *other == identity && (*is_written || is_output);
        if let Some((other, ..)) = self.0.iter().find(is_same) {
            let what = format!("{name} and {other} are the same file");
            return Err(Failure::new(Kind::BadSettings, what).hint("use a different file for each; nothing was sent"));
        }
        self.0.push((name, is_output, identity));
        Ok(())
    }
}

fn is_regular(handle: &Handle) -> bool {
    handle.as_file().metadata().is_ok_and(|metadata| metadata.is_file())
}

/// `None` if it is not a regular file or cannot be examined; opening it later reports the error.
fn identity(path: &Path) -> Option<Identity> {
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => Handle::from_path(path).ok().map(Identity::Existing),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some(Identity::New(parent(path).canonicalize().ok()?.join(path.file_name()?)))
        }
        _ => None,
    }
}
