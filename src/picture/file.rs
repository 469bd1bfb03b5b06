//! A picture on its way to a file, which is written whole or not at all: temporary file, sync, rename.
//!
//! A picture of the usual size waits in memory until all of it is there, so that a broken download touches no disk;
//! a larger one goes to a temporary file beside its place, and memory stays flat. Nothing here knows where bytes come from.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::digest;
use tempfile::NamedTempFile;

use super::format::Format;

/// What a download may take of memory, where it may go to a file.
const IN_MEMORY: usize = 256 * 1024;
/// Of what is no picture only this much is kept, to say what it is.
const KEPT_OF_JUNK: usize = 4 * 1024;

/// Bytes that come in, judged by their first ones.
pub struct Incoming {
    /// Where a temporary file may be made.
    spill: Option<PathBuf>,
    head: Vec<u8>,
    temporary: Option<NamedTempFile>,
    digest: digest::Context,
    len: u64,
    /// Why a temporary file cannot be written.
    pub unwritten: Option<io::Error>,
}

impl Incoming {
    /// Nothing yet. `spill` is the directory in which the file will be; without one all stays in memory.
    pub fn new(spill: Option<PathBuf>) -> Incoming {
        let digest = digest::Context::new(&digest::SHA256);
        Incoming { spill, head: Vec::new(), temporary: None, digest, len: 0, unwritten: None }
    }

    /// Takes the next piece. An error ends the download; it is in `unwritten`.
    pub fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        self.len += piece.len() as u64;
        let is_undecided = self.head.len() < Format::TELLING;
        if self.temporary.is_none() && (is_undecided || self.format().is_some()) {
            self.head.extend_from_slice(piece);
        } else if self.temporary.is_none() {
            let room = KEPT_OF_JUNK.saturating_sub(self.head.len());
            self.head.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        self.digest.update(piece);
        self.spill(piece).map_err(|error| {
            let kind = error.kind();
            self.unwritten = Some(error);
            kind.into()
        })
    }

    fn spill(&mut self, piece: &[u8]) -> io::Result<()> {
        if let Some(temporary) = &mut self.temporary {
            return temporary.write_all(piece);
        }
        if self.head.len() > IN_MEMORY
            && let Some(dir) = &self.spill
        {
            let mut temporary = temporary_in(dir)?;
            temporary.write_all(&self.head)?;
            self.head.truncate(Format::TELLING);
            self.head.shrink_to_fit();
            self.temporary = Some(temporary);
        }
        Ok(())
    }

    /// What the first bytes say.
    pub fn format(&self) -> Option<Format> {
        Format::of(&self.head)
    }

    /// The first bytes; of what is no picture enough to say what it is.
    pub fn head(&self) -> &[u8] {
        &self.head[..self.head.len().min(KEPT_OF_JUNK)]
    }

    /// All bytes that came.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The digest of all bytes that came, in hexadecimal.
    pub fn sha256(&self) -> String {
        self.digest.clone().finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// All bytes, where they were told to stay in memory.
    pub fn into_bytes(self) -> Vec<u8> {
        self.head
    }

    /// Puts all bytes at `path`. False: the same ones stood there already; then, if `keep_same`, the file is untouched.
    /// The name is on disk after [`sync_dir`] of its directory; where it is a link, what that leads to is so at once.
    pub fn place(mut self, path: &Path, keep_same: bool) -> io::Result<bool> {
        // In a list of a million most files are new, and every look at a path counts.
        let there = path.symlink_metadata();
        let is_link = there.as_ref().is_ok_and(Metadata::is_symlink);
        let is_new = there.is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        let changed = is_new || !self.stands_at(path);
        if !changed && keep_same {
            return Ok(false);
        }
        let is_special = |there: Metadata| !there.is_file() && !there.is_dir();
        if !is_new && self.temporary.is_none() && fs::metadata(path).is_ok_and(is_special) {
            // A device or a pipe is written to, never replaced.
            let mut device = OpenOptions::new().write(true).open(path)?;
            return device.write_all(&self.head).map(|()| true);
        }
        let file = if is_link { resolved(path) } else { path.to_owned() };
        let dir = parent(&file);
        let mut temporary = match self.temporary.take() {
            Some(temporary) => temporary,
            None => {
                let mut temporary = temporary_in(dir)?;
                temporary.write_all(&self.head)?;
                temporary
            }
        };
        temporary.as_file_mut().sync_all()?;
        temporary.persist(&file).map_err(|error| error.error)?;
        if is_link {
            sync_dir(dir)?;
        }
        Ok(changed)
    }

    /// Whether a regular file with the same bytes is there.
    fn stands_at(&self, path: &Path) -> bool {
        let Ok(there) = fs::metadata(path) else { return false };
        there.is_file() && there.len() == self.len && digest_of(path).is_ok_and(|digest| digest == self.sha_bytes())
    }

    fn sha_bytes(&self) -> Vec<u8> {
        self.digest.clone().finish().as_ref().to_vec()
    }
}

fn digest_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut digest = digest::Context::new(&digest::SHA256);
    let mut buffer = [0; 16 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(digest.finish().as_ref().to_vec()),
            Ok(got) => digest.update(&buffer[..got]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes the directory and its parents, readable by their owner alone; one that is there keeps its mode.
pub fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Fails where a file of that name could not be made: its directory is missing, or it is one itself.
pub fn could_write(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory: --dir writes into one"));
    }
    fs::metadata(parent(path)).and_then(
        |there| {
            if there.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
        },
    )
}

/// Whether nothing has this name, not even a link that leads nowhere.
fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Removes those of the files that are there; whether there were any. To look first costs less than to remove
/// nothing, which takes the directory for itself.
pub fn remove(files: &[PathBuf]) -> io::Result<bool> {
    let mut gone = false;
    for file in files.iter().filter(|file| !is_missing(file)) {
        match fs::remove_file(file) {
            Ok(()) => gone = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(gone)
}

/// A temporary file that its owner alone may read, and that goes when it is dropped.
fn temporary_in(dir: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(".greenavatar-").suffix(".part").tempfile_in(dir)
}

/// The file that a symbolic link leads to: the link stays.
fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The directory of a file.
pub fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// So that the name survives a loss of power as the bytes do. Some file systems know no such thing.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    let opened = OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::DIRECTORY.bits() as i32).open(dir)?;
    match opened.sync_all() {
        Err(error) if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Err(error),
        _ => Ok(()),
    }
}
