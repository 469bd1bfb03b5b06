//! What may be typed. What it means is said elsewhere.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, value_parser};

use crate::commands::{Context, completions, doctor, get, listen, man, receive, request, sandbox};
use crate::report::Color;
use crate::settings::{Error, Flags};

const EXAMPLES: &str = "\
Examples:
  greenavatar --sandbox request 11001234567@c.us   try it without an account
  greenavatar request 11001234567@c.us             ask for an avatar
  greenavatar get 11001234567@c.us -o avatar.jpg   get the picture at once
  greenavatar request - < contacts.txt             a list, one chat id a line

Exit status:
  0   all went well
  1   some chats of several failed
  2   usage
  65  malformed chat id or request
  66  input unreadable
  69  service unavailable, quota used up
  70  a bug
  74  output cannot be written
  75  try again later
  76  unexpected answer
  77  credentials refused
  78  settings";

/// Ask GREEN-API for the avatars of WhatsApp chats
#[derive(Debug, Parser)]
#[command(name = "greenavatar", version, after_help = EXAMPLES, max_term_width = 100, arg_required_else_help = true)]
#[command(arg(webhook_token_file()))]
pub struct Cli {
    /// How the output looks.
    #[command(flatten)]
    pub output: OutputFlags,
    /// Which instance is called and how.
    #[command(flatten)]
    pub settings: Flags,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The setting that is `listen`'s alone, which has its help and its value: it, too, may stand before the command's name.
fn webhook_token_file() -> Arg {
    Arg::new("webhook_token_file")
        .long("webhook-token-file")
        .global(true)
        .hide(true)
        .value_parser(value_parser!(PathBuf))
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask asynchronously for avatars (getAvatarAsync)
    Request(request::Args),
    /// Take results off the instance's queue (receiveNotification, deleteNotification)
    Receive(receive::Args),
    /// Be the webhook endpoint that GREEN-API sends results to
    Listen(listen::Args),
    /// Ask for avatars and get the answer at once (getAvatar); save the pictures
    Get(get::Args),
    /// Check credentials, the instance's state and its settings (getStateInstance, getSettings)
    Doctor(doctor::Args),
    /// Serve a local stand-in for GREEN-API, to try things and rehearse errors
    Sandbox(sandbox::Args),
    /// Print what a shell needs to complete command lines
    Completions(completions::Args),
    /// Print the manual, or write a page for each command
    Man(man::Args),
}

/// How one command is described alone, and taken from what was parsed.
type Alone = (&'static str, fn(clap::Command) -> clap::Command, fn(&mut ArgMatches) -> Result<Command, clap::Error>);

/// The commands whose start counts. One that is missing here is parsed all the same, more slowly.
const ALONE: [Alone; 6] = [
    ("request", request::Args::augment_args, |typed| Ok(Command::Request(take(typed)?))),
    ("receive", receive::Args::augment_args, |typed| Ok(Command::Receive(take(typed)?))),
    ("listen", listen::Args::augment_args, |typed| Ok(Command::Listen(take(typed)?))),
    ("get", get::Args::augment_args, |typed| Ok(Command::Get(take(typed)?))),
    ("doctor", doctor::Args::augment_args, |typed| Ok(Command::Doctor(take(typed)?))),
    ("sandbox", sandbox::Args::augment_args, |typed| Ok(Command::Sandbox(take(typed)?))),
];

impl Cli {
    /// Parses the process's arguments, its name first. The error renders itself, help and version included.
    ///
    /// Describing every command, each with all the flags that work everywhere, took most of a request's own time, and
    /// handing those flags from one level to the other a quarter of the rest. So where a command's name comes first,
    /// that command is described alone, flags and all on one level. Whatever that does not accept is parsed again in
    /// full, and that is where every message comes from.
    pub fn parse_arguments(arguments: &[OsString]) -> Result<Cli, clap::Error> {
        Cli::parse_alone(arguments).map_or_else(|| Cli::try_parse_from(arguments), Ok)
    }

    fn parse_alone(arguments: &[OsString]) -> Option<Cli> {
        let name = arguments.get(1)?;
        let (name, describe, command) = ALONE.iter().find(|(known, ..)| name == known)?;
        let flags = Flags::augment_args(OutputFlags::augment_args(clap::Command::new(*name)));
        // There is no other level to hand them to.
        let flags = flags.mut_args(|flag| flag.global(false));
        let mut alone = describe(flags).disable_help_flag(true);
        let typed = alone.try_get_matches_from_mut(&arguments[1..]);
        // Taking it apart would cost as much as half of the parsing.
        std::mem::forget(alone);
        let mut typed = typed.ok()?;
        Some(Cli {
            output: take(&mut typed).ok()?,
            settings: take(&mut typed).ok()?,
            command: command(&mut typed).ok()?,
        })
    }
}

fn take<T: FromArgMatches>(typed: &mut ArgMatches) -> Result<T, clap::Error> {
    T::from_arg_matches_mut(typed)
}

impl Command {
    /// Runs the command.
    pub fn run(&self, context: &Context<'_>) -> Result<u8, Error> {
        match self {
            Command::Request(args) => request::run(args, context),
            Command::Receive(args) => receive::run(args, context),
            Command::Listen(args) => listen::run(args, context),
            Command::Get(args) => get::run(args, context),
            Command::Doctor(args) => doctor::run(args, context),
            Command::Sandbox(args) => sandbox::run(args, context),
            Command::Completions(args) => completions::run(args, Cli::command(), context),
            Command::Man(args) => man::run(args, Cli::command(), context),
        }
    }
}

/// How the output looks.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputFlags {
    /// One JSON object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Say errors alone
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say what is sent and answered; the token shows as ***
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// When to colour
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value = "auto")]
    pub color: When,
}

/// When to colour.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl From<When> for Color {
    fn from(when: When) -> Color {
        match when {
            When::Auto => Color::Auto,
            When::Always => Color::Always,
            When::Never => Color::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{EXIT_BUG, EXIT_SOME_FAILED, EXIT_USAGE, Kind};

    #[test]
    fn the_help_has_every_exit_status() {
        let rows = EXAMPLES.split_once("Exit status:\n").expect("a table").1.lines();
        let told: Vec<u8> =
            rows.map(|row| row.trim().split(' ').next().unwrap_or_default().parse().expect(row)).collect();
        let mut real: Vec<u8> = Kind::ALL.iter().map(|kind| kind.exit()).collect();
        real.extend([0, EXIT_SOME_FAILED, EXIT_USAGE, EXIT_BUG]);
        real.sort_unstable();
        real.dedup();
        assert_eq!(told, real);
    }

    fn typed(line: &str) -> Vec<OsString> {
        ["greenavatar"].into_iter().chain(line.split_whitespace()).map(OsString::from).collect()
    }

    #[test]
    fn a_command_alone_means_what_it_means_in_full() {
        let lines = [
            "request 11001234567@c.us",
            "request 11001234567@c.us 120363043968066561@g.us --json -v --color never",
            "request - --from list.txt --rate 0 --concurrency 3 --journal done.ndjson --max-age 7d -q",
            "request --sandbox 11001234567@c.us --wait --fallback --dry-run",
            "request --wait=2m --spool foreign.ndjson --retries 0 --timeout 5s -- -1@c.us",
            "request 11001234567@c.us --api-url http://127.0.0.1:1 --id-instance 1101 --api-token-instance abc --insecure-http",
            "receive --json",
            "listen --bind 127.0.0.1:0 --path /hook --discard-foreign",
            "get 11001234567@c.us -o - --allow-host example.com",
            "get - --dir pictures --if-changed",
            "doctor --sandbox",
            "sandbox --bind 127.0.0.1:0 --seed 7 -- sh -c exit",
        ];
        for line in lines {
            let (alone, full) = (Cli::parse_alone(&typed(line)), Cli::try_parse_from(typed(line)));
            let full = full.unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(format!("{alone:?}"), format!("{:?}", Some(full)), "{line}");
        }
    }

    #[test]
    fn what_a_command_alone_does_not_accept_is_left_to_the_full_parse() {
        let lines = [
            "",
            "--sandbox request 1@c.us",
            "request --help",
            "request -V",
            "request --nonsense",
            "man",
            "request -q -v",
        ];
        for line in lines {
            assert!(Cli::parse_alone(&typed(line)).is_none(), "{line}");
        }
    }
}
