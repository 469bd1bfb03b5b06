//! Parses, runs, prints the error, and exits.

use std::ffi::OsString;
use std::process::ExitCode;

use greenavatar::cli::Cli;
use greenavatar::commands::{self, Context};
use greenavatar::failure::EXIT_BUG;
use greenavatar::output::{Options, Output};
use greenavatar::platform;
use greenavatar::shutdown;

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        // The payload may hold anything; the place is enough to find the bug.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let what = format!("greenavatar: error: a bug in greenavatar, at {place}");
        Output::default().write_stderr(what + "\n  hint: please report it with the command that you ran");
        std::process::exit(EXIT_BUG.into());
    }));
    platform::enable_colors();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::parse_arguments(&arguments) {
        Ok(cli) => cli,
        Err(exit) => return ExitCode::from(exit),
    };
    let flags = &cli.output;
    let (json, quiet, verbose, no_progress) = (flags.json, flags.quiet, flags.verbose, flags.no_progress);
    let options = Options { json, quiet, verbose, no_progress, color: flags.color };
    let output = Output::new(options);
    let context = Context { flags: &cli.settings, output: &output };
    let run = || {
        shutdown::install()?;
        commands::run(&cli.command, &context)
    };
    let exit = run().unwrap_or_else(|error| output.print_final_error(error));
    match shutdown::signal() {
        Some(signal) => shutdown::die(signal),
        None => ExitCode::from(exit),
    }
}
