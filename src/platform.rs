//! What the operating system decides.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{OFlags, fcntl_getfl};

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
