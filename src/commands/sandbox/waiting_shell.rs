//! Which shell waits for our standard output to end: that of `eval "$(greenavatar sandbox)"`, which does nothing else before.
//!
//! It is read off /proc, since no call tells. What follows from it is decided elsewhere.

use std::fs::{read_dir, read_link, read_to_string};
use std::path::{Path, PathBuf};
use std::time::Duration;

const SHELLS: [&str; 10] = ["sh", "bash", "dash", "zsh", "ksh", "ksh93", "mksh", "fish", "ash", "busybox"];

/// Commands that stay between a shell and what it runs, and hand on its output.
const WRAPPERS: [&str; 4] = ["timeout", "sudo", "doas", "strace"];

/// Ancestors that are looked at: wrappers such as `timeout`, subshells and scripts stand between us and the shell.
const MOST: usize = 16;

/// The shell that reads what we print, or what the pipeline around us prints, to its end. Of a shell and its subshells
/// the outermost: the others end with us.
pub fn waiting_shell() -> Option<i32> {
    let found = look()?;
    // A shell that has just started a pipeline holds both ends of its pipes for a moment, and waits for none of them.
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(15));
        if look() != Some(found) {
            return None;
        }
    }
    Some(found)
}

fn look() -> Option<i32> {
    let mut pipes = vec![standard_output("self").filter(|path| is_pipe(path))?];
    let mut process = parent("self")?;
    let mut found = None;
    for _ in 0..MOST {
        let folder = process.to_string();
        let Ok(name) = read_to_string(format!("/proc/{folder}/comm")) else { break };
        let is_shell = SHELLS.contains(&name.trim());
        // Any other program reads our pipe itself; whoever waits for its output does not wait for ours.
        if !is_shell && !WRAPPERS.contains(&name.trim()) {
            break;
        }
        if is_shell && reads_one_of(&pipes, &folder) {
            found = Some(process);
        }
        pipes.extend(standard_output(&folder).filter(|path| is_pipe(path)));
        match parent(&folder) {
            Some(next) if next > 1 => process = next,
            _ => break,
        }
    }
    found
}

fn standard_output(process: &str) -> Option<PathBuf> {
    read_link(format!("/proc/{process}/fd/1")).ok()
}

fn is_pipe(path: &Path) -> bool {
    path.to_string_lossy().starts_with("pipe:")
}

fn parent(process: &str) -> Option<i32> {
    let status = read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Whether a process holds the reading end of one of the pipes, and not as its own input.
fn reads_one_of(pipes: &[PathBuf], process: &str) -> bool {
    let Ok(open) = read_dir(format!("/proc/{process}/fd")) else { return false };
    open.flatten().filter(|fd| fd.file_name() != "0").any(|fd| {
        let number = fd.file_name().to_string_lossy().into_owned();
        read_link(fd.path()).is_ok_and(|target| pipes.contains(&target)) && is_for_reading(process, &number)
    })
}

fn is_for_reading(process: &str, number: &str) -> bool {
    let Ok(info) = read_to_string(format!("/proc/{process}/fdinfo/{number}")) else { return false };
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).map(str::trim).unwrap_or_default();
    // Octal, the last digit's two lowest bits are the access: 0 reads only.
    flags.ends_with(['0', '4'])
}
