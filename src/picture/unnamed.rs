//! A file that gets its name last, when all of it is on disk: until then, a kill leaves nothing of it behind.
//!
//! Linux makes files without a name on most of its file systems. On the others the file has a hidden name meanwhile,
//! and a kill leaves that. Nothing here knows what is in a file.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};
use rustix::io::Errno;
use tempfile::NamedTempFile;

use super::disk::{is_missing, parent};

/// A file that is being written. Dropped without a name, it is gone.
#[derive(Debug)]
pub enum Unnamed {
    /// It has no name at all.
    Nameless(File),
    /// It has a hidden one.
    Hidden(NamedTempFile),
}

impl Unnamed {
    /// An empty file that its owner alone may read, in the directory where it will have its name.
    pub fn new_in(dir: &Path) -> io::Result<Unnamed> {
        match open(dir, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR) {
            Ok(file) => Ok(Unnamed::Nameless(file.into())),
            // File systems have several ways to say that they know no such thing; any other trouble comes again.
            Err(_) => hidden().tempfile_in(dir).map(Unnamed::Hidden),
        }
    }

    /// Appends bytes.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file().write_all(bytes)
    }

    /// Puts the bytes on disk. It is for whoever names the file to have that done before.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file().sync_all()
    }

    /// Gives the file its name. `AlreadyExists`: the name is taken, and nothing was done.
    pub fn name(&mut self, path: &Path) -> io::Result<()> {
        match self {
            Unnamed::Nameless(file) => match link(file, path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => self.hide(path)?.name(path),
                result => result,
            },
            Unnamed::Hidden(file) if is_missing(path) => fs::rename(file.path(), path),
            Unnamed::Hidden(_) => Err(io::ErrorKind::AlreadyExists.into()),
        }
    }

    /// Gives the file its name, whatever file had it before.
    pub fn replace(&mut self, path: &Path) -> io::Result<()> {
        match self {
            // Only what has a name can take another one over.
            Unnamed::Nameless(file) => match hidden().make_in(parent(path), |hidden| link(file, hidden)) {
                Ok(linked) => fs::rename(linked.path(), path),
                Err(_) => self.hide(path)?.replace(path),
            },
            Unnamed::Hidden(file) => fs::rename(file.path(), path),
        }
    }

    /// The file, to be read from its first byte.
    pub fn rewound(&mut self) -> io::Result<&mut File> {
        self.file().rewind()?;
        Ok(self.file())
    }

    fn file(&mut self) -> &mut File {
        match self {
            Unnamed::Nameless(file) => file,
            Unnamed::Hidden(file) => file.as_file_mut(),
        }
    }

    /// Copies the bytes to a file with a hidden name, where one without cannot be named after all.
    fn hide(&mut self, path: &Path) -> io::Result<&mut Unnamed> {
        let mut copy = hidden().tempfile_in(parent(path))?;
        io::copy(self.rewound()?, copy.as_file_mut())?;
        copy.as_file().sync_all()?;
        *self = Unnamed::Hidden(copy);
        Ok(self)
    }
}

/// A name that nobody looks for. Whoever drops the file removes it, unless it was renamed meanwhile.
fn hidden() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".greenavatar-").suffix(".part");
    builder
}

fn link(file: &File, path: &Path) -> io::Result<()> {
    match linkat(file, "", CWD, path, AtFlags::EMPTY_PATH) {
        // Before Linux 6.10 that needs a privilege, and the way round is through /proc.
        Err(Errno::NOENT) => {
            let open = format!("/proc/self/fd/{}", file.as_raw_fd());
            Ok(linkat(CWD, open, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
        }
        result => Ok(result?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// One of each kind, and one that cannot be named as it is: a file that had a name once.
    fn kinds(dir: &Path) -> [Unnamed; 3] {
        let hidden_one = || hidden().tempfile_in(dir).expect("a file");
        let nameless = Unnamed::new_in(dir).expect("a file");
        [nameless, Unnamed::Hidden(hidden_one()), Unnamed::Nameless(hidden_one().into_file())]
    }

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").file_name());
        names.map(|name| name.into_string().expect("UTF-8")).collect()
    }

    #[test]
    fn a_file_gets_a_free_name_and_only_by_force_a_taken_one() {
        for kind in 0..3 {
            let dir = tempfile::tempdir().expect("a directory");
            let path = dir.path().join("x");
            let mut first = kinds(dir.path()).into_iter().nth(kind).expect("three");
            first.write_all(b"fir").and_then(|()| first.write_all(b"st")).expect("written");
            first.name(&path).expect("named");
            let mut second = kinds(dir.path()).into_iter().nth(kind).expect("three");
            second.write_all(b"second").expect("written");
            assert_eq!(second.name(&path).expect_err("taken").kind(), io::ErrorKind::AlreadyExists, "{kind}");
            assert_eq!(fs::read(&path).expect("a file"), b"first", "{kind}");
            second.replace(&path).expect("replaced");
            drop((first, second));
            assert_eq!(fs::read(&path).expect("a file"), b"second", "{kind}");
            assert_eq!(path.metadata().expect("a file").permissions().mode() & 0o777, 0o600, "{kind}");
            assert_eq!(names(dir.path()), ["x"], "{kind}");
        }
    }

    #[test]
    fn one_that_is_dropped_is_gone() {
        let dir = tempfile::tempdir().expect("a directory");
        for mut file in kinds(dir.path()) {
            file.write_all(b"half").expect("written");
        }
        assert!(names(dir.path()).is_empty());
    }
}
