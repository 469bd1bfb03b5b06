//! The process edge: parse, run, print the failure, end with the exit status or by the signal that came.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use greenavatar::cli::Cli;
use greenavatar::commands::Context;
use greenavatar::failure::{EXIT_BUG, EXIT_USAGE, Error, Kind};
use greenavatar::output::{Color, Options, Output};
use greenavatar::shutdown;
use greenavatar::token::{Masked, register};

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        // The payload may hold anything; the place is enough to find the bug.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        Output::default().print(format!(
            "greenavatar: error: a bug in greenavatar, at {place}\n  hint: please report it with the command that you ran"
        ));
        std::process::exit(EXIT_BUG.into());
    }));
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(usage(&error, &arguments)),
    };
    shutdown::install();
    typed_secrets(&arguments).iter().for_each(|secret| register(secret));
    let flags = &cli.output;
    let output = Output::new(Options {
        json: flags.json,
        quiet: flags.quiet,
        verbose: flags.verbose,
        color: flags.color.into(),
    });
    let context = Context { flags: &cli.settings, output: &output, report: &output };
    let checked = output.check().map_err(Error::from);
    let exit = checked.and_then(|()| cli.command.run(&context)).unwrap_or_else(|error| end(error, &output));
    match shutdown::signal() {
        Some(signal) => shutdown::die(signal),
        None => ExitCode::from(exit),
    }
}

/// Prints an error; its exit status.
fn end(error: Error, output: &Output) -> u8 {
    match error {
        Error::Failure(failure) => {
            output.failure(&failure);
            failure.kind.exit()
        }
        Error::Usage(message) => {
            output.print(format!("greenavatar: error: {message}\n  hint: greenavatar --help shows what may be typed"));
            EXIT_USAGE
        }
        Error::BrokenPipe => Kind::OutputFailed.exit(),
    }
}

/// Prints what clap has to say, without the secrets that were typed: help to standard output, errors to standard error.
fn usage(error: &clap::Error, arguments: &[OsString]) -> u8 {
    let rendered = error.render();
    let text = |color: bool| if color { rendered.ansi().to_string() } else { rendered.to_string() };
    let color = typed_color(arguments);
    let output = Output::default();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let help = Masked::new(text(color.applies_to(&std::io::stdout())));
        return output.write_last(&help).map_or_else(|error| end(error, &output), |()| 0);
    }
    typed_secrets(arguments).iter().for_each(|secret| register(secret));
    let mut text = text(color.applies_to(&std::io::stderr())).trim_end().to_owned();
    // A bare `greenavatar` gets its help, which is not an error.
    if error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        text.insert_str(0, "greenavatar: ");
    }
    let missing = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(names)) => names.as_slice(),
        _ => &[],
    };
    if error.kind() == ErrorKind::MissingRequiredArgument && missing.iter().any(|name| name.contains("<CHAT_ID>")) {
        text.push_str("\n  hint: name a chat like 11001234567@c.us, a file with --from FILE, or - for standard input");
    }
    output.print(text);
    EXIT_USAGE
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
    secrets
}
