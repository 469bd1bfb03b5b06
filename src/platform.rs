//! What the operating system decides.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{OFlags, fcntl_getfl};
use same_file::Handle;

/// Fails if standard input was opened for writing only, as by `0> FILE`. The standard library would report its end.
pub fn check_stdin() -> io::Result<()> {
    check(&io::stdin(), OFlags::WRONLY, "it is open for writing only")
}

/// Fails if standard output was opened for reading only, as by `1< FILE`. The standard library would report success
/// for each write.
///
/// A closed stream (`>&-`) cannot be told from one to /dev/null, which the standard library opens in its place.
pub fn check_stdout() -> io::Result<()> {
    check(&io::stdout(), OFlags::RDONLY, "it is open for reading only")
}

fn check(stream: &impl AsFd, wrong: OFlags, why: &'static str) -> io::Result<()> {
    match fcntl_getfl(stream) {
        Ok(flags) if flags & OFlags::RWMODE == wrong => Err(io::Error::other(why)),
        _ => Ok(()),
    }
}

/// Whether `path` is still the name of the open file: `false` once it was removed, renamed or replaced.
pub fn is_name_of(path: &Path, file: &File) -> bool {
    let compare = || -> io::Result<bool> { Ok(Handle::from_path(path)? == Handle::from_file(file.try_clone()?)?) };
    compare().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_loses_its_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, other) = (directory.path().join("a"), directory.path().join("b"));
        let file = File::create(&path).expect("a file");
        assert!(is_name_of(&path, &file));
        std::fs::rename(&path, &other).expect("renamed");
        assert!(!is_name_of(&path, &file));
        assert!(is_name_of(&other, &file));
        File::create(&path).expect("another file");
        assert!(!is_name_of(&path, &file));
        std::fs::remove_file(&other).expect("removed");
        assert!(!is_name_of(&other, &file));
    }
}
