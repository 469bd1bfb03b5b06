//! What differs between operating systems. No other module names a system, or a crate that belongs to one.

use std::fs::File;
use std::io;
use std::path::Path;

use same_file::Handle;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;

/// The system that the program was built for, as in `x86_64-linux-gnu`.
pub fn target() -> String {
    let environments = [
        (cfg!(target_env = "gnu"), "-gnu"),
        (cfg!(target_env = "musl"), "-musl"),
        (cfg!(target_env = "msvc"), "-msvc"),
    ];
    let environment = environments.iter().find(|(is_it, _)| *is_it).map_or("", |(_, name)| name);
    format!("{}-{}{environment}", std::env::consts::ARCH, std::env::consts::OS)
}

/// The directory that a file is in.
pub fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
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
        // Windows may keep the name until the file is closed.
        #[cfg(unix)]
        {
            std::fs::remove_file(&other).expect("removed");
            assert!(!is_name_of(&other, &file));
        }
    }
}
