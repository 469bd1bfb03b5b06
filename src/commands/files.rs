//! Files of a run that must not be the same: what is read must not be what is written, and two outputs not one file.

use std::io;
use std::path::{Path, PathBuf};

use same_file::Handle;

use crate::failure::{Failure, Kind};
use crate::text::sanitize;

/// The files of a run.
#[derive(Debug, Default)]
pub struct Files(Vec<Named>);

#[derive(Debug)]
struct Named {
    /// Such as `the journal j`.
    name: String,
    is_output: bool,
    identity: Identity,
}

/// What tells a file from others: its own identity, or the place where it will be created.
#[derive(Debug, PartialEq)]
enum Identity {
    Existing(Handle),
    New(PathBuf),
}

impl Files {
    /// The files that standard output and, if it is read, standard input lead to.
    pub fn of_streams(reads_stdin: bool) -> Result<Files, Failure> {
        let mut files = Files::default();
        let stdin = Handle::stdin().ok().filter(|_| reads_stdin).filter(is_regular);
        let stdout = Handle::stdout().ok().filter(is_regular);
        files.add_identity("standard input".into(), false, stdin.map(Identity::Existing))?;
        files.add_identity("standard output".into(), true, stdout.map(Identity::Existing))?;
        Ok(files)
    }

    /// Adds a file that is read or, if `is_output`, written. Fails if it is also another one that is written.
    ///
    /// Only regular files count: a terminal or `/dev/null` may be used twice, and a pipe must not be opened to look at
    /// it.
    pub fn add(&mut self, what: &str, path: &Path, is_output: bool) -> Result<(), Failure> {
        let name = format!("the {what} {}", sanitize(&path.display().to_string()));
        self.add_identity(name, is_output, identity(path))
    }

    fn add_identity(&mut self, name: String, is_output: bool, identity: Option<Identity>) -> Result<(), Failure> {
        let Some(identity) = identity else { return Ok(()) };
        let is_same = |other: &&Named| other.identity == identity && (other.is_output || is_output);
        if let Some(other) = self.0.iter().find(is_same) {
            let what = format!("{name} and {} are the same file", other.name);
            return Err(Failure::new(Kind::BadSettings, what).hint("give each a file of its own; nothing was sent"));
        }
        self.0.push(Named { name, is_output, identity });
        Ok(())
    }
}

fn is_regular(handle: &Handle) -> bool {
    handle.as_file().metadata().is_ok_and(|metadata| metadata.is_file())
}

/// `None`: not a regular file, or it cannot be found out; whoever opens it reports that.
fn identity(path: &Path) -> Option<Identity> {
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => Handle::from_path(path).ok().map(Identity::Existing),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Some(Identity::New(parent.canonicalize().ok()?.join(path.file_name()?)))
        }
        _ => None,
    }
}
