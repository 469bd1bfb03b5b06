//! The spool: notifications of other programs, one a line, on disk before they leave the queue.
//!
//! Lines are only appended. A line that a kill or a full disk cut short is ended with a newline first.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Kind};
use crate::platform::{is_name_of, parent, private_file, sync_dir};
use crate::token::shown_path;

#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    file: File,
    /// `false` for a device or a pipe, which cannot be synced.
    is_regular: bool,
    /// Whether the file ends in the middle of a line.
    is_torn: bool,
}

impl Spool {
    /// Opens the file. A new one is readable by its owner only.
    pub fn open(path: &Path) -> Result<Spool, Failure> {
        Spool::try_open(path).map_err(|error| unwritable(path, error))
    }

    fn try_open(path: &Path) -> io::Result<Spool> {
        let mut options = private_file();
        options.read(true).append(true);
        let mut file = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = options.create(true).open(path)?;
                // The name must survive a power cut as well. Not every file system can sync a directory.
                let _ = sync_dir(parent(path));
                file
            }
            opened => opened?,
        };
        let metadata = file.metadata()?;
        let mut last = [b'\n'];
        if metadata.is_file() && metadata.len() > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        Ok(Spool { path: path.to_owned(), file, is_regular: metadata.is_file(), is_torn: last != *b"\n" })
    }

    /// Appends whole lines, each with its newline, and returns once they are on disk.
    ///
    /// If the file was removed or renamed, as by logrotate, a new one is created under its name.
    pub fn append(&mut self, lines: &[u8]) -> Result<(), Failure> {
        self.try_append(lines).map_err(|error| {
            self.is_torn = true;
            unwritable(&self.path, error)
        })
    }

    fn try_append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.is_regular && !is_name_of(&self.path, &self.file) {
            *self = Spool::try_open(&self.path)?;
        }
        if self.is_torn {
            self.file.write_all(b"\n")?;
            self.is_torn = false;
        }
        self.file.write_all(lines)?;
        if self.is_regular { self.file.sync_data() } else { Ok(()) }
    }
}

fn unwritable(path: &Path, error: io::Error) -> Failure {
    Failure::new(Kind::OutputFailed, format!("cannot write the spool {}", shown_path(path))).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_to_what_is_there_and_the_file_is_its_owners() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("spool");
        Spool::open(&path).expect("a new spool").append(b"{\"a\":1}\n").expect("written");
        Spool::open(&path).expect("an old spool").append(b"{\"b\":2}\n{}\n").expect("written");
        assert_eq!(std::fs::read(&path).expect("readable"), b"{\"a\":1}\n{\"b\":2}\n{}\n");
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&path.metadata().expect("it is there")) & 0o777, 0o600);
    }

    #[test]
    fn a_line_after_a_torn_one_begins_on_a_new_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("spool");
        std::fs::write(&path, "{\"whole\":1}\n{\"torn").expect("written");
        let mut spool = Spool::open(&path).expect("a spool");
        assert_eq!(std::fs::read(&path).expect("readable").len(), 18, "nothing is written before there is a line");
        spool.append(b"{}\n").expect("written");
        spool.append(b"{}\n").expect("written");
        assert_eq!(std::fs::read(&path).expect("readable"), b"{\"whole\":1}\n{\"torn\n{}\n{}\n");
    }

    #[test]
    fn a_spool_that_was_removed_or_renamed_is_created_anew() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, rotated) = (directory.path().join("spool"), directory.path().join("spool.1"));
        let mut spool = Spool::open(&path).expect("a spool");
        spool.append(b"1\n").expect("written");
        std::fs::rename(&path, &rotated).expect("renamed");
        spool.append(b"2\n").expect("written");
        let read = |path: &Path| std::fs::read_to_string(path).expect("readable");
        assert_eq!((read(&rotated).as_str(), read(&path).as_str()), ("1\n", "2\n"));
        // Windows may keep the name until the file is closed.
        #[cfg(unix)]
        {
            std::fs::remove_file(&path).expect("removed");
            spool.append(b"3\n").expect("written");
            assert_eq!(read(&path), "3\n");
        }
        drop(directory);
        #[cfg(unix)]
        assert_eq!(spool.append(b"4\n").expect_err("the directory is gone").kind, Kind::OutputFailed);
    }

    #[test]
    fn a_directory_is_an_error() {
        assert_eq!(Spool::open(Path::new("/")).expect_err("a directory").kind, Kind::OutputFailed);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_needs_no_sync() {
        Spool::open(Path::new("/dev/null")).expect("it opens").append(b"{}\n").expect("written");
    }
}
