//! A picture on its way to a file, which is written whole or not at all: written without a name, synced, named.
//!
//! A picture of the usual size waits in memory until all of it is there, so that a broken download touches no disk;
//! a larger one goes to its unnamed file at once, and memory stays flat. Nothing here knows where bytes come from.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::digest::{self, Digest};

use super::format::Format;
use super::unnamed::Unnamed;

/// What a download may take of memory, where it may go to a file.
const IN_MEMORY: usize = 256 * 1024;
/// Of what is no picture only this much is kept, to say what it is.
const KEPT_OF_JUNK: usize = 4 * 1024;

/// Bytes that come in, judged by their first ones.
pub struct Incoming<'a> {
    /// Where a file may be begun before all of it is there.
    spill: Option<&'a Path>,
    head: Vec<u8>,
    begun: Option<Unnamed>,
    /// Of all bytes, once they are not in memory any more.
    digest: Option<digest::Context>,
    len: u64,
    /// Why the file that was begun cannot be written.
    pub unwritten: Option<io::Error>,
}

impl<'a> Incoming<'a> {
    /// Nothing yet. `spill` is the directory in which the file will be; without one all stays in memory.
    pub fn new(spill: Option<&'a Path>) -> Incoming<'a> {
        Incoming { spill, head: Vec::new(), begun: None, digest: None, len: 0, unwritten: None }
    }

    /// Takes the next piece. An error ends the download; it is in `unwritten`.
    pub fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        self.len += piece.len() as u64;
        let is_undecided = self.head.len() < Format::TELLING;
        if self.begun.is_none() && (is_undecided || self.format().is_some()) {
            self.head.extend_from_slice(piece);
        } else if self.begun.is_none() {
            let room = KEPT_OF_JUNK.saturating_sub(self.head.len());
            self.head.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        self.spill(piece).map_err(|error| {
            let kind = error.kind();
            self.unwritten = Some(error);
            kind.into()
        })
    }

    fn spill(&mut self, piece: &[u8]) -> io::Result<()> {
        if let (Some(begun), Some(digest)) = (&mut self.begun, &mut self.digest) {
            digest.update(piece);
            return begun.write_all(piece);
        }
        if self.head.len() > IN_MEMORY
            && let Some(dir) = self.spill
        {
            self.digest.insert(digest::Context::new(&digest::SHA256)).update(&self.head);
            self.begun.insert(Unnamed::new_in(dir)?).write_all(&self.head)?;
            self.head.truncate(Format::TELLING);
            self.head.shrink_to_fit();
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

    /// The SHA-256 of a whole picture, in hexadecimal.
    pub fn sha256(&self) -> String {
        self.digest().as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    fn digest(&self) -> Digest {
        match &self.digest {
            Some(digest) => digest.clone().finish(),
            None => digest::digest(&digest::SHA256, &self.head),
        }
    }

    /// All bytes, where they were told to stay in memory.
    pub fn into_bytes(self) -> Vec<u8> {
        self.head
    }

    /// Puts all bytes at `path`. False: the same ones stood there already; then, if `keep_same`, the file is untouched.
    /// Where `is_likely_new`, the path is not looked at before: in a list of a million every look counts.
    /// The name is on disk after [`sync_dir`] of its directory; where it is a link, what that leads to is so at once.
    pub fn place(mut self, path: &Path, keep_same: bool, is_likely_new: bool) -> io::Result<bool> {
        if is_likely_new || is_missing(path) {
            match self.written(parent(path))?.name(path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => return result.map(|()| true),
            }
        }
        let changed = !self.stands_at(path);
        if !changed && keep_same {
            return Ok(false);
        }
        let is_special = |there: Metadata| !there.is_file() && !there.is_dir();
        if self.begun.is_none() && fs::metadata(path).is_ok_and(is_special) {
            // A device or a pipe is written to, never replaced.
            let mut device = OpenOptions::new().write(true).open(path)?;
            return device.write_all(&self.head).map(|()| true);
        }
        if !path.is_symlink() {
            return self.written(parent(path))?.replace(path).map(|()| changed);
        }
        let file = resolved(path);
        let dir = parent(&file);
        self.written(dir)?.replace(&file)?;
        sync_dir(dir)?;
        Ok(changed)
    }

    /// The file with all bytes in it, begun in `dir` where it was not before.
    fn written(&mut self, dir: &Path) -> io::Result<&mut Unnamed> {
        if self.begun.is_none() {
            let begun = self.begun.insert(Unnamed::new_in(dir)?);
            begun.write_all(&self.head)?;
        }
        Ok(self.begun.as_mut().expect("just begun"))
    }

    /// Whether a regular file with the same bytes is there.
    fn stands_at(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|there| there.is_file() && there.len() == self.len)
            && digest_of(path).is_ok_and(|digest| digest.as_ref() == self.digest().as_ref())
    }
}

fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut digest = digest::Context::new(&digest::SHA256);
    let mut buffer = [0; 16 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(digest.finish()),
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
pub fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Removes a file that may be there; whether it was. To look first costs less than to remove nothing, which takes the
/// directory for itself.
pub fn remove(file: &Path) -> io::Result<bool> {
    if is_missing(file) {
        return Ok(false);
    }
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        result => result.map(|()| true),
    }
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
