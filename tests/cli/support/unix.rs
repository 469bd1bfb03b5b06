//! What tests need of Unix: modes, signals and shells.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::cli::Cli;
use super::running::Running;

/// The signals that end a run, and their numbers.
pub const SIGNALS: [(Signal, i32); 2] = [(Signal::INT, 2), (Signal::TERM, 15)];
/// How a program ends that [`stop`] ended.
pub const STOPPED: Option<i32> = Some(-15);

/// Prepares the start of a program: without this, it would ignore SIGINT and SIGTERM if the tests are in the
/// background of a shell. A child inherits an ignored signal but not a handler, here one with the default effect.
pub fn prepare(command: &mut Command, home: &Path) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (_, number) in SIGNALS {
            let is_default = Arc::new(AtomicBool::new(true));
            signal_hook::flag::register_conditional_default(number, is_default).expect("a handler");
        }
    });
    command.env("HOME", home).process_group(0);
}

/// The exit status, or the negative number of the signal that ended the process.
pub fn end_of(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| -status.signal().expect("a status or a signal"))
}

/// Ends a program as a service manager does.
pub fn stop(child: &mut Child) {
    // It may have ended already; then its output says why.
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
}

/// Kills a program and its children.
pub fn kill_all(child: &mut Child) {
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}

/// Lets only the owner read a file.
pub fn make_private(path: &Path) {
    set_mode(path, 0o600);
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a file");
}

/// Whether only the owner can read the file or directory.
#[track_caller]
pub fn is_private(path: &Path) -> bool {
    path.metadata().expect("a file").mode() & 0o077 == 0
}

/// The outputs as they are.
pub fn with_slashes(text: String) -> String {
    text
}

/// An argument that is not Unicode.
pub fn not_unicode() -> OsString {
    OsString::from_vec(b"1100\xff1234567@c.us".to_vec())
}

/// A command that ends with this status.
pub fn exiting(status: u8) -> [String; 3] {
    ["/bin/sh".to_owned(), "-c".to_owned(), format!("exit {status}")]
}

impl Cli {
    /// Sets the permission bits of a file.
    pub fn mode(self, name: &str, mode: u32) -> Cli {
        set_mode(&self.dir().join(name), mode);
        self
    }

    /// Runs a script of `/bin/sh` instead, with the program as `$0` and the arguments as `"$@"`.
    pub fn shell(self, script: &str) -> Cli {
        self.script("/bin/sh", script)
    }

    /// The same for another shell.
    pub fn script(mut self, interpreter: &'static str, script: &str) -> Cli {
        self.script = Some((interpreter, script.to_owned()));
        self
    }

    /// The process dies by this signal.
    pub fn dies(self, signal: i32) -> Cli {
        self.ends(Some(-signal))
    }
}

impl Running {
    /// Sends a signal. The program may notice it later: if a test depends on that, it waits for an effect.
    pub fn signal(&self, signal: Signal) {
        // It may have ended already; then its output says why.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// Sends a signal to the process and its children, as Ctrl-C in a terminal does.
    pub fn signal_all(&self, signal: Signal) {
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }
}

/// A file to which every write fails, as on a full disk. Only Linux has one.
#[cfg(target_os = "linux")]
pub fn full_disk() -> std::fs::File {
    std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full")
}
