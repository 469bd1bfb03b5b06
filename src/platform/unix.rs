//! The functions of `platform` on Linux, macOS and other Unix systems.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Signal, geteuid, getpgrp, getrlimit, kill_process, test_kill_process};
use rustix::termios::tcgetpgrp;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::{flag, low_level};

/// Stores the number of the first SIGINT or SIGTERM in `signal`; a second one ends the process. If that fails, they
/// have their default effect.
///
/// A signal that was ignored when the process started stays ignored, on Linux. SIGXFSZ is ignored so that exceeding
/// `ulimit -f` becomes a write error.
pub fn take_over_signals(signal: &Arc<AtomicUsize>) {
    let has_come = Arc::new(AtomicBool::new(false));
    let ignored = ignored_signals();
    for number in [SIGINT, SIGTERM] {
        if ignored >> (number - 1) & 1 == 1 {
            continue;
        }
        // Actions run in the order in which they were registered: the first signal finds the flag unset.
        let _ = flag::register_conditional_default(number, Arc::clone(&has_come))
            .and_then(|_| flag::register(number, Arc::clone(&has_come)))
            .and_then(|_| flag::register_usize(number, Arc::clone(signal), number as usize));
    }
    let _ = flag::register(SIGXFSZ, Arc::default());
}

/// The signals that the parent had ignored, as `nohup` and a shell's `&` do: bit 0 is signal 1 (SigIgn in
/// proc_pid_status(5)). Only Linux has that file; elsewhere they cannot be known without `unsafe`.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Ends the process by the signal, so that a shell, a loop and systemd see what happened.
pub fn die(signal: i32) -> ! {
    let _ = low_level::emulate_default_handler(signal);
    std::process::exit(128 + signal)
}

/// Prepares standard output and standard error for colours.
pub fn enable_colors() {}

/// Fails if standard input was opened for writing only, as by `0> FILE`. The standard library would report its end.
pub fn check_stdin() -> io::Result<()> {
    check(&io::stdin(), OFlags::WRONLY, "it is open for writing only")
}

/// Fails if standard output was opened for reading only, as by `1< FILE`. The standard library would report success
/// for each write.
///
/// A closed stream (`>&-`) looks like one to /dev/null, which the standard library opens in its place.
pub fn check_stdout() -> io::Result<()> {
    check(&io::stdout(), OFlags::RDONLY, "it is open for reading only")
}

fn check(stream: &impl AsFd, wrong: OFlags, why: &'static str) -> io::Result<()> {
    match fcntl_getfl(stream) {
        Ok(flags) if flags & OFlags::RWMODE == wrong => Err(io::Error::other(why)),
        _ => Ok(()),
    }
}

/// A path at which a file that is standard input can be opened anew, so that its position is its own. Only Linux has it.
pub const STDIN_PATH: &str = "/proc/self/fd/0";

/// Standard input as a file. Bytes that [`io::stdin`] has buffered are not in it.
pub fn stdin_file() -> io::Result<File> {
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

/// Options for a file that, if it is created, only its owner can read.
pub fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Creates a directory and its parents, readable by their owner only.
pub fn create_private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Syncs a directory, so that a new name in it survives a loss of power.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Whether an error means that a directory cannot be opened or synced on its file system, such as CIFS, NFS or WSL's.
pub fn is_dir_sync_unsupported(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput
            | io::ErrorKind::Unsupported
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::NotFound
    ) || Errno::from_io_error(error) == Some(Errno::NOTTY)
}

/// How many files the process may have open: `ulimit -n`. `None` if there is no limit.
pub fn open_file_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Whether an error means that too many files are open.
pub fn is_file_limit(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// Whether a file belongs to another user, root aside.
pub fn belongs_to_another_user(file: &Metadata) -> bool {
    file.uid() != 0 && file.uid() != geteuid().as_raw()
}

/// Whether users other than its owner can read a file.
pub fn is_readable_by_others(file: &Metadata) -> bool {
    file.mode() & 0o044 != 0
}

/// The directories in which a `.env` is searched, in order: `here` and its parents.
pub fn env_file_dirs(here: &Path) -> Vec<&Path> {
    here.ancestors().collect()
}

/// The variables that name the directory of [`state_dir`].
pub const STATE_VARIABLES: &str = "XDG_STATE_HOME or HOME";

pub fn state_dir() -> Option<PathBuf> {
    xdg_dir("XDG_STATE_HOME", ".local/state")
}

pub fn config_dir() -> Option<PathBuf> {
    xdg_dir("XDG_CONFIG_HOME", ".config")
}

/// The directory that a variable names, or the default one in the home directory. A relative one is ignored, as the XDG
/// specification says. Without HOME, as under some service managers, `home_dir` looks the user up in passwd.
fn xdg_dir(variable: &str, default: &str) -> Option<PathBuf> {
    choose_dir(std::env::var_os(variable).map(PathBuf::from), std::env::home_dir(), default)
}

fn choose_dir(named: Option<PathBuf>, home: Option<PathBuf>, default: &str) -> Option<PathBuf> {
    let is_absolute = |path: &PathBuf| path.is_absolute();
    named.filter(is_absolute).or_else(|| home.filter(is_absolute).map(|home| home.join(default)))
}

/// The command of a shell that sets a variable for the programs it starts.
pub fn export_line(name: &str, value: &str) -> String {
    format!("export {name}={value}")
}

/// The shell that started this process, with which a background process ends. `None` if the system does not tell.
///
/// For `$(… 2>file)` bash forks itself once more: a parent with the same command line and process group as its own
/// parent is such a copy, which ends at once. Only Linux has the files that tell.
pub fn shell_id() -> Option<u32> {
    // Parent, process group and command line.
    let look = |pid: u32| -> Option<(u32, u32, Vec<u8>)> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command's name, in brackets, may hold anything.
        let mut numbers = stat.rsplit_once(") ")?.1.split(' ').skip(1).map(str::parse);
        let (parent, group) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some((parent, group, fs::read(format!("/proc/{pid}/cmdline")).ok()?))
    };
    let parent = std::os::unix::process::parent_id();
    let copied = look(parent).and_then(|(above, group, command_line)| {
        let is_same = |(_, other, line)| (other, line) == (group, command_line);
        look(above).is_some_and(is_same).then_some(above)
    });
    Some(copied.unwrap_or(parent))
}

pub fn is_running(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| matches!(test_kill_process(pid), Ok(()) | Err(Errno::PERM)))
}

pub fn stdout_is_pipe() -> bool {
    fstat(io::stdout().as_fd()).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo)
}

/// Whether Ctrl-C reaches this process and those it starts: its group is in the foreground of a terminal.
pub fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok_and(|tty| tcgetpgrp(tty).is_ok_and(|group| group == getpgrp()))
}

/// Keeps signals for this process group from the command.
pub fn set_process_group(command: &mut Command) {
    command.process_group(0);
}

/// Sends a signal to a process, unless the terminal has done so already.
pub fn send_signal(child: &Child, signal: i32, has_terminal: bool) {
    if let Some(signal) = Signal::from_named_raw(signal).filter(|signal| !(has_terminal && *signal == Signal::INT)) {
        // It may have ended already.
        let _ = kill_process(Pid::from_child(child), signal);
    }
}

pub fn signal_of(status: ExitStatus) -> Option<i32> {
    status.signal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_the_user_is_an_absolute_one() {
        let of = |named: Option<&str>, home: Option<&str>| {
            choose_dir(named.map(PathBuf::from), home.map(PathBuf::from), ".local/state")
        };
        assert_eq!(of(Some("/x"), Some("/h")), Some("/x".into()));
        assert_eq!(of(None, Some("/h")), Some("/h/.local/state".into()));
        assert_eq!(of(Some("x"), Some("/h")), Some("/h/.local/state".into()));
        assert_eq!(of(Some(""), Some("/h")), Some("/h/.local/state".into()));
        assert_eq!(of(None, Some("")), None);
        assert_eq!(of(None, None), None);
    }
}
