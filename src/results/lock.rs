//! Lets one run at a time read the queue of an instance: two would take each other's results.
//!
//! The lock is a file in the user's state directory, so that it also works between a terminal and a cron job. It is
//! held by the system (flock), so that a killed run leaves none behind.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Kind};
use crate::greenapi::client::Instance;
use crate::http::Origin;
use crate::platform::{self, is_name_of};
use crate::token::shown_path;

/// How often the lock is tried again because its file was removed in between. Some network file systems never report
/// the same file twice.
const MAX_ATTEMPTS: u32 = 20;

/// The right to read the queue of an instance, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Takes the lock of an instance in `greenavatar` in the user's directory for state. If another run holds it, the
    /// failure is queue-busy.
    pub fn acquire(instance: &Instance) -> Result<Lock, Failure> {
        let directory = platform::state_dir().ok_or_else(|| {
            Failure::new(Kind::BadSettings, "no directory for the lock of the queue")
                .hint(format!("set {} to the absolute path of a directory", platform::STATE_VARIABLES))
        })?;
        Lock::acquire_in(&directory.join("greenavatar"), instance)
    }

    /// Like [`Lock::acquire`], in a given directory, which is created if need be.
    pub fn acquire_in(directory: &Path, instance: &Instance) -> Result<Lock, Failure> {
        let path = directory.join(file_name(&instance.origin, &instance.id));
        let open = || -> io::Result<File> {
            platform::create_private_dir(directory)?;
            platform::private_file().read(true).write(true).create(true).truncate(false).open(&path)
        };
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut file = open().map_err(|error| {
                Failure::new(Kind::OutputFailed, format!("cannot write the lock file {}", shown_path(&path)))
                    .because(error)
                    .hint(format!("set {} to a directory that can be written", platform::STATE_VARIABLES))
            })?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(busy(&mut file, &instance.id)),
                Err(TryLockError::Error(error)) => return Err(unlockable(error, &path)),
            }
            // A run that has just ended may have removed the file after it was opened here.
            if is_name_of(&path, &file) || attempts == MAX_ATTEMPTS {
                // Only the message of a second run needs it.
                let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
                return Ok(Lock { path, file });
            }
        }
    }
}

impl Drop for Lock {
    /// Removes the file while it is still locked: otherwise each port of a sandbox would leave one behind.
    fn drop(&mut self) {
        if is_name_of(&self.path, &self.file) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn busy(file: &mut File, id_instance: &str) -> Failure {
    let mut holder = String::new();
    let _ = file.take(20).read_to_string(&mut holder);
    let holder = match holder.trim().parse::<u32>() {
        Ok(process) => format!("another run (process {process})"),
        Err(_) => "another run".to_owned(),
    };
    Failure::new(Kind::QueueBusy, format!("{holder} reads the queue of instance {id_instance}"))
        .hint("only one run at a time can read a queue: wait until it ends, or stop it")
}

/// A lock that failed although the file is open: the file system has no locks, or they are switched off.
fn unlockable(error: io::Error, path: &Path) -> Failure {
    let what = format!("the file system does not support locks: cannot lock {}", shown_path(path));
    Failure::new(Kind::OutputFailed, what)
        .because(error)
        .hint(format!("set {} to a directory on a local file system", platform::STATE_VARIABLES))
}

/// The host and the instance. All hosts of GREEN-API are one: an instance answers under more than one of them.
fn file_name(origin: &Origin, id_instance: &str) -> String {
    let host = if origin.is_green_api() { "green-api.com".to_owned() } else { origin.authority() };
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
    let name: String = host.chars().take(150).chain(['-']).chain(id_instance.chars().take(20)).map(safe).collect();
    format!("queue-{name}.lock")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Token;

    fn origin(url: &str) -> Origin {
        Origin::parse(url).expect(url)
    }

    fn instance(id: &str) -> Instance {
        let api_url = "https://api.green-api.com";
        let token = Token::parse("secret-token").expect("a token");
        Instance { api_url: api_url.into(), origin: origin(api_url), id: id.into(), token }
    }

    #[test]
    fn a_second_reader_learns_which_process_reads() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = home.path().join("a/greenavatar");
        let first = Lock::acquire_in(&directory, &instance("1101")).expect("the lock");
        let second = Lock::acquire_in(&directory, &instance("1101")).expect_err("it is taken");
        assert_eq!(second.kind, Kind::QueueBusy);
        assert!(second.message().contains(&format!("(process {})", std::process::id())), "{}", second.message());
        Lock::acquire_in(&directory, &instance("1102")).expect("another instance's lock");
        drop(first);
        assert!(!directory.join("queue-green-api.com-1101.lock").exists(), "nothing is left behind");
        let _again = Lock::acquire_in(&directory, &instance("1101")).expect("the lock again");
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_it() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = home.path().join("a/greenavatar");
        let lock = Lock::acquire_in(&directory, &instance("1101")).expect("the lock");
        let mode = |path: &Path| std::os::unix::fs::MetadataExt::mode(&path.metadata().expect("it is there")) & 0o777;
        assert_eq!((mode(&directory), mode(&lock.path)), (0o700, 0o600));
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_that_cannot_be_written_or_locked_is_an_error_with_a_hint() {
        let failure = Lock::acquire_in(Path::new("/dev/null/\u{1b}x"), &instance("1101")).expect_err("no directory");
        assert_eq!(failure.kind, Kind::OutputFailed);
        assert!(failure.message().contains(r"/dev/null/\u{1b}x/queue-"), "{}", failure.message());
        let failure = unlockable(io::ErrorKind::Unsupported.into(), Path::new("/mnt/\u{1b}x"));
        assert_eq!(failure.kind, Kind::OutputFailed);
        assert!(failure.message().contains(r"does not support locks: cannot lock /mnt/\u{1b}x"), "{failure:?}");
        assert!(failure.hint.is_some_and(|hint| hint.contains("XDG_STATE_HOME")));
    }

    #[test]
    fn all_hosts_of_green_api_share_a_lock_and_other_hosts_have_their_own() {
        let file_name = |url: &str, id: &str| file_name(&origin(url), id);
        let service = file_name("https://api.green-api.com", "1101");
        for url in ["https://1101.api.greenapi.com", "https://API.green-api.com:443/x", "https://green-api.com"] {
            assert_eq!(file_name(url, "1101"), service);
        }
        assert_eq!(file_name("http://127.0.0.1:8088", "1101"), "queue-127.0.0.1_8088-1101.lock");
        assert_eq!(file_name("http://[::1]:8088", "1"), "queue-[::1]_8088-1.lock".replace(['[', ']', ':'], "_"));
        assert_ne!(file_name("https://notgreen-api.com", "1101"), service);
        assert!(!file_name("https://../../x", "1").contains('/'));
    }
}
