//! A picture on its way to a file, which is written whole or not at all: written without a name, synced, named.
//!
//! A picture of the usual size waits in memory until all of it is there, so that a broken download touches no disk;
//! a larger one goes to its unnamed file at once, and memory stays flat. Nothing here knows where bytes come from.

use std::fmt::Write as _;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use ring::digest::{self, Digest};

use super::disk::{Synced, is_missing, parent, resolved, sync_dir};
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

    /// Writes all bytes to a file that has no name yet and will be at `path`. Where the same stand there already and
    /// `keep_same`, and where a device is to take them, nothing is left to do.
    ///
    /// Where `is_likely_new`, the path is not looked at before: in a list of a million every look counts.
    pub fn write(self, path: &Path, keep_same: bool, is_likely_new: bool) -> io::Result<Landing> {
        if is_likely_new || is_missing(path) {
            let file = self.into_file(parent(path))?;
            return Ok(Landing::Unnamed(Written {
                file,
                path: path.to_owned(),
                changed: None,
                keep_same,
                is_link: false,
            }));
        }
        let changed = !self.stands_at(path);
        if !changed && keep_same {
            return Ok(Landing::Done { changed });
        }
        let is_special = |there: Metadata| !there.is_file() && !there.is_dir();
        if self.begun.is_none() && fs::metadata(path).is_ok_and(is_special) {
            // A device or a pipe is written to, never replaced.
            let mut device = OpenOptions::new().write(true).open(path)?;
            device.write_all(&self.head)?;
            return Ok(Landing::Done { changed: true });
        }
        let is_link = path.is_symlink();
        let path = if is_link { resolved(path) } else { path.to_owned() };
        let mut file = self.into_file(parent(&path))?;
        if is_link {
            // What a link leads to may be on another file system than its neighbours.
            file.sync()?;
        }
        Ok(Landing::Unnamed(Written { file, path, changed: Some(changed), keep_same, is_link }))
    }

    /// The file with all bytes in it, begun in `dir` where it was not before.
    fn into_file(self, dir: &Path) -> io::Result<Unnamed> {
        match self.begun {
            Some(file) => Ok(file),
            None => {
                let mut file = Unnamed::new_in(dir)?;
                file.write_all(&self.head)?;
                Ok(file)
            }
        }
    }

    /// Whether a regular file with the same bytes is there.
    fn stands_at(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|there| there.len() == self.len)
            && digest_at(path).is_some_and(|digest| digest.as_ref() == self.digest().as_ref())
    }
}

/// What is left to do for a picture.
#[derive(Debug)]
pub enum Landing {
    /// Nothing.
    Done {
        /// Whether other bytes, or none, stood there before.
        changed: bool,
    },
    /// To put it on disk, and then to name it.
    Unnamed(Written),
}

/// All bytes of a picture in a file without a name.
#[derive(Debug)]
pub struct Written {
    file: Unnamed,
    path: PathBuf,
    /// Whether other bytes stand there; `None`: nothing stood there, or nobody looked.
    changed: Option<bool>,
    keep_same: bool,
    is_link: bool,
}

/// The same once it is on disk: only now it may have its name.
#[derive(Debug)]
pub struct OnDisk(Written);

impl Written {
    /// Puts the bytes on disk.
    pub fn sync(mut self) -> io::Result<OnDisk> {
        self.file.sync()?;
        Ok(OnDisk(self))
    }

    /// The bytes were put on disk with all others of the file system.
    pub fn synced(self, _: &Synced) -> OnDisk {
        OnDisk(self)
    }

    /// Whether the same bytes came there since nobody was there.
    fn stands_there(&mut self) -> io::Result<bool> {
        let ours = digest_of(self.file.rewound()?)?;
        Ok(digest_at(&self.path).is_some_and(|digest| digest.as_ref() == ours.as_ref()))
    }
}

impl OnDisk {
    /// Names the file. Whether other bytes, or none, stood there before.
    /// The name is on disk after [`sync_dir`] of its directory; where it is a link, what that leads to is so at once.
    pub fn name(self) -> io::Result<bool> {
        let OnDisk(mut written) = self;
        let changed = match written.changed {
            Some(changed) => changed,
            None => match written.file.name(&written.path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => !written.stands_there()?,
                result => return result.map(|()| true),
            },
        };
        if changed || written.changed.is_some() || !written.keep_same {
            written.file.replace(&written.path)?;
        }
        if written.is_link {
            sync_dir(parent(&written.path))?;
        }
        Ok(changed)
    }
}

/// The digest of a regular file: a pipe would never end.
fn digest_at(path: &Path) -> Option<Digest> {
    fs::metadata(path).ok().filter(Metadata::is_file)?;
    digest_of(&mut File::open(path).ok()?).ok()
}

fn digest_of(file: &mut File) -> io::Result<Digest> {
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
