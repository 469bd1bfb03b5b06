//! What tests need of Windows.

use std::ffi::OsString;
use std::os::windows::ffi::OsStringExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

/// How a program ends that [`stop`] ended: not checked.
pub const STOPPED: Option<i32> = None;

/// Prepares the start of a program. Without SystemRoot no socket can be created. The user's directories are those of
/// Unix.
pub fn prepare(command: &mut Command, home: &Path) {
    command
        .envs(std::env::var_os("SystemRoot").map(|root| ("SystemRoot", root)))
        .env("USERPROFILE", home)
        .env("APPDATA", home.join(".config"))
        .env("LOCALAPPDATA", home.join(".local/state"));
}

/// The exit status.
pub fn end_of(status: ExitStatus) -> i32 {
    status.code().expect("a status")
}

/// Kills a program: only a console can send a signal.
pub fn stop(child: &mut Child) {
    // It may have ended already.
    let _ = child.kill();
}

/// Kills a program. Its children are not known.
pub fn kill_all(child: &mut Child) {
    stop(child);
}

/// Does nothing: the user's profile is private.
pub fn make_private(_path: &Path) {}

/// Not checked: access is inherited.
pub fn is_private(_path: &Path) -> bool {
    true
}

/// Replaces the backslashes of paths (two in JSON) by slashes, which the tests use. Escapes stay.
pub fn with_slashes(text: String) -> String {
    let kept = ["\\\\u{", "\\u{", "\\u0", "\\u2", "\\\""];
    let hidden = kept.iter().fold(text, |text, escape| text.replace(escape, &escape.replace('\\', "\0")));
    hidden.replace("\\\\", "/").replace('\\', "/").replace('\0', "\\")
}

/// An argument that is not Unicode: half of a surrogate pair.
pub fn not_unicode() -> OsString {
    OsString::from_wide(&[0x31, 0xd800, 0x31])
}

/// A command that ends with this status.
pub fn exiting(status: u8) -> [String; 3] {
    ["cmd".to_owned(), "/c".to_owned(), format!("exit {status}")]
}
