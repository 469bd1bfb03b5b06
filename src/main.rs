//! The process edge: parse, run, print the failure, end with the exit status or by the signal that came.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use greenavatar::cli::Cli;
use greenavatar::commands::Context;
use greenavatar::failure::{EXIT_BUG, EXIT_USAGE};
use greenavatar::output::{Output, Unwritten};
use greenavatar::report::{Color, Report};
use greenavatar::settings::Error;
use greenavatar::shutdown;
use greenavatar::token::mask_value;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        // The payload may hold anything; the place is enough to find the bug.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        say(&format!(
            "greenavatar: error: a bug in greenavatar, at {place}\n  hint: please report it with the command that you ran\n"
        ));
        std::process::exit(EXIT_BUG.into());
    }));
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(usage(&error, &arguments)),
    };
    shutdown::install();
    let report = Report::new(cli.output.json, cli.output.quiet, cli.output.verbose, cli.output.color.into());
    let output = Output::new(cli.output.json, cli.output.quiet, cli.output.color.into());
    let context = Context { flags: &cli.settings, output: &output, report: &report };
    let exit = match cli.command.run(&context) {
        Ok(exit) => exit,
        Err(Error::Failure(failure)) => {
            report.failure(&failure);
            failure.kind.exit()
        }
        Err(Error::Usage(message)) => {
            say(&format!("greenavatar: error: {message}\n  hint: greenavatar --help shows what may be typed\n"));
            EXIT_USAGE
        }
    };
    match shutdown::signal() {
        Some(signal) => shutdown::die(signal),
        None => ExitCode::from(exit),
    }
}

/// Prints what clap has to say, without the secrets that were typed: help to standard output, errors to standard error.
fn usage(error: &clap::Error, arguments: &[OsString]) -> u8 {
    let rendered = error.render();
    let text = |color: bool| if color { rendered.ansi().to_string() } else { rendered.to_string() };
    let color = typed_color(arguments);
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(text(color.applies_to(&stdout)).as_bytes()).and_then(|()| stdout.flush());
        return match written.map_err(Unwritten::from) {
            // A reader that has gone does not want the rest.
            Ok(()) | Err(Unwritten::PipeClosed) => 0,
            Err(Unwritten::Failed(failure)) => {
                Report::default().failure(&failure);
                failure.kind.exit()
            }
        };
    }
    let mut text = text(color.applies_to(&std::io::stderr()));
    for secret in typed_secrets(arguments) {
        text = mask_value(text, &secret);
    }
    // What is no error is the help that a bare `greenavatar` gets.
    if error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        text.insert_str(0, "greenavatar: ");
    }
    let missing = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(names)) => names.as_slice(),
        _ => &[],
    };
    if error.kind() == ErrorKind::MissingRequiredArgument && missing.iter().any(|name| name.contains("<CHAT_ID>")) {
        text.push_str("  hint: name a chat like 11001234567@c.us, a file with --from FILE, or - for standard input\n");
    }
    say(&text);
    EXIT_USAGE
}

/// Standard error that cannot be written leaves nobody to tell.
fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// What `--color` says where the rest cannot be understood.
fn typed_color(arguments: &[OsString]) -> Color {
    let words: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let after = |at: usize| words.get(at + 1).map(AsRef::as_ref);
    let mut values = words.iter().enumerate().filter_map(|(at, word)| match word.as_ref() {
        "--color" => after(at),
        word => word.strip_prefix("--color="),
    });
    match values.next_back() {
        Some("never") => Color::Never,
        Some("always") => Color::Always,
        _ => Color::Auto,
    }
}

/// What stands where a token may stand, however its flag is spelt, and what the environment holds.
fn typed_secrets(arguments: &[OsString]) -> Vec<String> {
    let mut secrets = Vec::new();
    let mut next_is_secret = false;
    for argument in arguments.iter().skip(1).map(|argument| argument.to_string_lossy()) {
        if next_is_secret {
            secrets.push(argument.clone().into_owned());
        }
        next_is_secret = false;
        if argument.starts_with("--") && argument.contains("tok") {
            match argument.split_once('=') {
                Some((_, value)) => secrets.push(value.to_owned()),
                None => next_is_secret = !argument.contains("file"),
            }
        }
    }
    for name in ["GREEN_API_TOKEN_INSTANCE", "API_TOKEN_INSTANCE", "GREEN_API_WEBHOOK_TOKEN"] {
        secrets.extend(std::env::var(name).ok());
    }
    // Short words would take the message apart, and are no tokens.
    secrets.retain(|secret| secret.len() >= 6);
    secrets
}
