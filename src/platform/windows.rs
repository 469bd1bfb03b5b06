//! The functions of `platform` on Windows.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::windows::io::AsHandle;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of Ctrl-C, as on Unix.
const CTRL_C: usize = 2;
/// The exit status of a process that Ctrl-C ended: STATUS_CONTROL_C_EXIT.
const CTRL_C_EXIT: i32 = 0xC000_013A_u32 as i32;

/// Stores a number in `signal` at the first Ctrl-C or Ctrl-Break; a second one ends the process. If that fails, they
/// have their default effect. When the window is closed, the system ends the process without waiting.
pub fn take_over_signals(signal: &Arc<AtomicUsize>) {
    let signal = Arc::clone(signal);
    let _ = ctrlc::set_handler(move || {
        if signal.swap(CTRL_C, Ordering::SeqCst) != 0 {
            std::process::exit(CTRL_C_EXIT);
        }
    });
}

/// Ends the process as Ctrl-C does.
pub fn die(_signal: i32) -> ! {
    std::process::exit(CTRL_C_EXIT)
}

/// Makes the console interpret the escape sequences of colours.
pub fn enable_colors() {
    let _ = anstyle_query::windows::enable_ansi_colors();
}

/// Does nothing: the standard library reports the errors of streams opened for the wrong direction.
pub fn check_stdin() -> io::Result<()> {
    Ok(())
}

/// Does nothing, as [`check_stdin`].
pub fn check_stdout() -> io::Result<()> {
    Ok(())
}

/// Whether standard output is a pipe. `NUL` counts as one.
pub fn stdout_is_pipe() -> bool {
    let stdout = io::stdout();
    let file = stdout.as_handle().try_clone_to_owned().map(File::from);
    !stdout.is_terminal() && !file.and_then(|file| file.metadata()).is_ok_and(|file| file.is_file())
}

/// Empty: standard input cannot be opened anew.
pub const STDIN_PATH: &str = "";

/// Standard input as a file. Bytes that [`io::stdin`] has buffered are not in it.
pub fn stdin_file() -> io::Result<File> {
    io::stdin().as_handle().try_clone_to_owned().map(File::from)
}

/// Options for a file. The directory's access list decides who can read it; the user's profile is private.
pub fn private_file() -> OpenOptions {
    OpenOptions::new()
}

/// Creates a directory and its parents, with the access list that they inherit.
pub fn create_private_dir(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)
}

/// Does nothing: a directory cannot be synced. NTFS keeps a journal of its names.
pub fn sync_dir(_dir: &Path) -> io::Result<()> {
    Ok(())
}

/// `false`: [`sync_dir`] does not fail.
pub fn is_dir_sync_unsupported(_error: &io::Error) -> bool {
    false
}

/// `None`: the system has no limit that programs reach.
pub fn open_file_limit() -> Option<u64> {
    None
}

/// `false`, as [`open_file_limit`].
pub fn is_file_limit(_error: &io::Error) -> bool {
    false
}

/// `false`: [`env_file_dirs`] are those of the user.
pub fn belongs_to_another_user(_file: &Metadata) -> bool {
    false
}

/// `false`: an access list cannot be read without `unsafe`.
pub fn is_readable_by_others(_file: &Metadata) -> bool {
    false
}

/// The directories in which a `.env` is searched, in order: `here` and its parents up to the home directory. Outside of
/// it, where other users may create directories, only `here`.
pub fn env_file_dirs(here: &Path) -> Vec<&Path> {
    dirs_up_to(here, std::env::home_dir().as_deref())
}

fn dirs_up_to<'a>(here: &'a Path, home: Option<&Path>) -> Vec<&'a Path> {
    match home.filter(|home| here.starts_with(home)) {
        Some(home) => here.ancestors().take_while(|dir| dir.starts_with(home)).collect(),
        None => vec![here],
    }
}

/// The variable that names the directory of [`state_dir`].
pub const STATE_VARIABLES: &str = "LOCALAPPDATA";

pub fn state_dir() -> Option<PathBuf> {
    named_dir("LOCALAPPDATA")
}

pub fn config_dir() -> Option<PathBuf> {
    named_dir("APPDATA")
}

fn named_dir(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The command of PowerShell that sets a variable for the programs it starts.
pub fn export_line(name: &str, value: &str) -> String {
    format!("$env:{name} = '{}'", value.replace('\'', "''"))
}

/// `None`: which process started this one cannot be known without `unsafe`.
pub fn shell_id() -> Option<u32> {
    None
}

/// `false`: there is no [`shell_id`] to ask about.
pub fn is_running(_pid: u32) -> bool {
    false
}

/// `true`: Ctrl-C reaches every process of a console.
pub fn has_terminal() -> bool {
    true
}

/// Does nothing: the console sends Ctrl-C to the command.
pub fn set_process_group(_command: &mut Command) {}

/// Does nothing: the console has sent Ctrl-C.
pub fn send_signal(_child: &Child, _signal: i32, _has_terminal: bool) {}

/// The number of Ctrl-C, if that ended a process.
pub fn signal_of(status: ExitStatus) -> Option<i32> {
    (status.code() == Some(CTRL_C_EXIT)).then_some(CTRL_C as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_files_are_searched_no_higher_than_the_home_directory() {
        let dirs = |here: &'static str| -> Vec<_> {
            let dirs = dirs_up_to(Path::new(here), Some(Path::new(r"C:\Users\ann")));
            dirs.into_iter().map(|dir| dir.to_str().expect("UTF-8")).collect()
        };
        assert_eq!(dirs(r"C:\Users\ann\a\b"), [r"C:\Users\ann\a\b", r"C:\Users\ann\a", r"C:\Users\ann"]);
        assert_eq!(dirs(r"C:\Users\ann"), [r"C:\Users\ann"]);
        assert_eq!(dirs(r"C:\Users\annie\a"), [r"C:\Users\annie\a"]);
        assert_eq!(dirs(r"D:\work\a"), [r"D:\work\a"]);
    }

    #[test]
    fn a_quote_is_doubled_for_powershell() {
        assert_eq!(export_line("A", "it's"), "$env:A = 'it''s'");
    }
}
