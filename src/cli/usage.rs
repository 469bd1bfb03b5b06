//! Prints help and usage errors, with the secrets of the command line masked.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::failure::EXIT_USAGE;
use crate::output::{Color, Output};
use crate::token::{Masked, register};

/// Prints help to standard output or a usage error to standard error, and returns the exit status. The secrets of the
/// command line must be registered: clap's messages quote values.
pub fn print(error: &clap::Error, arguments: &[OsString]) -> u8 {
    let rendered = error.render();
    let text = |color: bool| if color { rendered.ansi().to_string() } else { rendered.to_string() };
    let color = typed_color(arguments);
    let output = Output::default();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let help = Masked::new(text(color.applies_to(&std::io::stdout())));
        return output.write_last(&help).map_or_else(|error| output.print_final_error(error), |()| 0);
    }
    let mut text = text(color.applies_to(&std::io::stderr())).trim_end().to_owned();
    // `greenavatar` without arguments prints its help, which is not an error.
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
    output.write_stderr(text);
    EXIT_USAGE
}

/// The value of `--color` on a command line that could not be parsed.
fn typed_color(arguments: &[OsString]) -> Color {
    let words: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let after = |at: usize| words.get(at + 1).map(AsRef::as_ref);
    let mut values = words.iter().enumerate().filter_map(|(at, word)| match word.as_ref() {
        "--color" => after(at),
        word => word.strip_prefix("--color="),
    });
    color(values.next_back().unwrap_or_default())
}

/// A value of `--color`.
pub fn color(word: &str) -> Color {
    match word {
        "never" => Color::Never,
        "always" => Color::Always,
        _ => Color::Auto,
    }
}

/// Registers every value that may be a token, to be masked: of options with "tok" in their name, misspelt ones too, and
/// of the environment.
pub fn register_secrets(arguments: &[OsString]) {
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
    secrets.iter().for_each(|secret| register(secret));
}
