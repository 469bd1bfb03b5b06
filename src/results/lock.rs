//! One reader of an instance's queue at a time: two would take each other's results away.
//!
//! The lock is the system's, on a file in the user's state directory, so that a terminal and a cron job meet there
//! and a killed run leaves none behind. This file knows nothing of what is read.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Kind};
use crate::http::Origin;

/// A file system whose numbers never agree must not hold a run up for ever.
const MOST_TURNS: u32 = 20;

/// The right to read an instance's queue, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Takes the lock of an instance in `${XDG_STATE_HOME:-~/.local/state}/greenavatar/`; queue-busy where another
    /// run holds it.
    pub fn acquire(api_url: &str, id_instance: &str) -> Result<Lock, Failure> {
        // Without HOME, as under some service managers, the user's entry in passwd says where home is.
        let directory = state_directory(std::env::var_os("XDG_STATE_HOME"), std::env::home_dir())?;
        Lock::acquire_in(&directory, api_url, id_instance)
    }

    /// The same in a directory of the caller's choice, which is made if need be.
    pub fn acquire_in(directory: &Path, api_url: &str, id_instance: &str) -> Result<Lock, Failure> {
        let path = directory.join(file_name(api_url, id_instance));
        let unwritable = |error: std::io::Error| {
            let error = anyhow::Error::from(error).context(format!("the lock {} cannot be taken", path.display()));
            Failure::caused(Kind::OutputFailed, error)
                .hint("XDG_STATE_HOME names a directory for it that can be written")
        };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(unwritable)?;
        let mut turns = 0;
        loop {
            turns += 1;
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)
                .map_err(unwritable)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(busy(&mut file, id_instance)),
                Err(TryLockError::Error(error)) => return Err(unwritable(error)),
            }
            let lock = Lock { path: path.clone(), file };
            if turns == MOST_TURNS || lock.is_in_place() {
                // For the message of a second run alone, so it matters little whether it can be written.
                let _ = lock.file.set_len(0).and_then(|()| writeln!(&lock.file, "{}", std::process::id()));
                return Ok(lock);
            }
            // A run that ended took the file away after we had opened it: the name is another file's now, or free.
        }
    }

    /// Whether the locked file is the one that a next run would find.
    fn is_in_place(&self) -> bool {
        let (there, ours) = (self.path.metadata(), self.file.metadata());
        let inode = |file: &std::fs::Metadata| (file.dev(), file.ino());
        matches!((&there, &ours), (Ok(there), Ok(ours)) if inode(there) == inode(ours))
    }
}

impl Drop for Lock {
    /// Takes the file away while it is still locked: sandboxes on ever new ports would leave a heap of them.
    fn drop(&mut self) {
        if self.is_in_place() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn busy(file: &mut File, id_instance: &str) -> Failure {
    let mut holder = String::new();
    let _ = file.take(20).read_to_string(&mut holder);
    let holder = match holder.trim().parse::<u32>() {
        Ok(process) => format!("another run, process {process},"),
        Err(_) => "another run".to_owned(),
    };
    Failure::new(Kind::QueueBusy, format!("{holder} reads the queue of instance {id_instance}"))
        .hint("one run at a time reads a queue: wait until it ends, or end it")
}

/// Where state belongs. A relative XDG_STATE_HOME is to be ignored, as the XDG specification has it.
fn state_directory(xdg_state_home: Option<OsString>, home: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let absolute = |path: &PathBuf| path.is_absolute();
    xdg_state_home
        .map(PathBuf::from)
        .filter(absolute)
        .or_else(|| home.filter(absolute).map(|home| home.join(".local/state")))
        .map(|state| state.join("greenavatar"))
        .ok_or_else(|| {
            Failure::new(Kind::BadSettings, "neither XDG_STATE_HOME nor HOME says where the queue's lock belongs")
                .hint("set HOME, or XDG_STATE_HOME to a directory, as an absolute path")
        })
}

/// Host and instance. All hosts of the service are one: an instance answers under more than one of them.
fn file_name(api_url: &str, id_instance: &str) -> String {
    let host = match Origin::parse(api_url) {
        Some(origin) if origin.is_green_api() => "green-api.com".to_owned(),
        Some(origin) => origin.authority(),
        None => api_url.to_owned(),
    };
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
    let name: String = host.chars().take(150).chain(['-']).chain(id_instance.chars().take(20)).map(safe).collect();
    format!("queue-{name}.lock")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const URL: &str = "https://api.green-api.com";

    #[test]
    fn a_second_reader_of_an_instance_is_told_who_reads() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = home.path().join("a/greenavatar");
        let first = Lock::acquire_in(&directory, URL, "1101").expect("the lock");
        let second = Lock::acquire_in(&directory, URL, "1101").expect_err("it is taken");
        assert_eq!(second.kind, Kind::QueueBusy);
        assert!(second.message().contains(&format!("process {},", std::process::id())), "{}", second.message());
        Lock::acquire_in(&directory, URL, "1102").expect("another instance's lock");
        drop(first);
        assert!(!directory.join("queue-green-api.com-1101.lock").exists(), "nothing is left behind");
        let _again = Lock::acquire_in(&directory, URL, "1101").expect("the lock again");
        let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(mode(&directory.join("queue-green-api.com-1101.lock")), 0o600);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_told() {
        let failure = Lock::acquire_in(Path::new("/dev/null/x"), URL, "1101").expect_err("no directory");
        assert_eq!(failure.kind, Kind::OutputFailed);
    }

    #[test]
    fn every_name_of_the_service_is_one_lock_and_every_other_host_its_own() {
        let service = file_name(URL, "1101");
        for url in ["https://1101.api.greenapi.com", "https://API.green-api.com:443/x", "https://green-api.com"] {
            assert_eq!(file_name(url, "1101"), service);
        }
        assert_eq!(file_name("http://127.0.0.1:8088", "1101"), "queue-127.0.0.1_8088-1101.lock");
        assert_eq!(file_name("http://[::1]:8088", "1"), "queue-[::1]_8088-1.lock".replace(['[', ']', ':'], "_"));
        assert_ne!(file_name("https://notgreen-api.com", "1101"), service);
        assert!(!file_name("https://../../x", "1").contains('/'));
    }

    #[test]
    fn the_state_directory_is_an_absolute_one() {
        let of = |xdg: Option<&str>, home: Option<&str>| {
            state_directory(xdg.map(OsString::from), home.map(PathBuf::from)).ok()
        };
        assert_eq!(of(Some("/x"), Some("/h")), Some("/x/greenavatar".into()));
        assert_eq!(of(None, Some("/h")), Some("/h/.local/state/greenavatar".into()));
        assert_eq!(of(Some("x"), Some("/h")), Some("/h/.local/state/greenavatar".into()));
        assert_eq!(of(Some(""), Some("/h")), Some("/h/.local/state/greenavatar".into()));
        assert_eq!(of(None, Some("")), None);
        assert_eq!(state_directory(None, None).expect_err("nowhere").kind, Kind::BadSettings);
    }
}
