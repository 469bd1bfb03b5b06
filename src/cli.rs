//! What may be typed. What it means is said elsewhere.

pub mod pictures;
pub mod results;
pub mod setup;
mod usage;

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use self::pictures::{ContactsArgs, GalleryArgs, GetArgs, RequestArgs};
use self::results::{ListenArgs, ReceiveArgs};
use self::setup::{CompletionsArgs, DoctorArgs, ManArgs, SandboxArgs};
use crate::output::Color;
use crate::settings::Flags;

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
#[command(name = "greenavatar", bin_name = "greenavatar", version, after_help = EXAMPLES, max_term_width = 100, arg_required_else_help = true)]
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

/// The commands. Only the one that was typed is described in full: `defer`.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Command {
    /// Ask asynchronously for avatars (getAvatarAsync)
    Request(RequestArgs),
    /// Take results off the instance's queue (receiveNotification, deleteNotification)
    Receive(ReceiveArgs),
    /// Run the webhook endpoint that GREEN-API sends results to
    Listen(ListenArgs),
    /// Ask for avatars and get the answer at once (getAvatar); save the pictures
    Get(GetArgs),
    /// Print the account's contacts and groups (getContacts, getChats), or convert a CSV or vCard file
    Contacts(ContactsArgs),
    /// Write an HTML page that shows the pictures in DIR
    Gallery(GalleryArgs),
    /// Check credentials, the instance's state and its settings (getStateInstance, getSettings)
    Doctor(DoctorArgs),
    /// Run a local mock of GREEN-API, to try things and rehearse errors
    Sandbox(SandboxArgs),
    /// Print what a shell needs to complete command lines
    Completions(CompletionsArgs),
    /// Print the manual, or write a page for each command
    Man(ManArgs),
}

impl Cli {
    /// Parses the process's arguments, its name first. Otherwise help or a usage error is printed, and the exit status
    /// returned.
    pub fn parse_arguments(arguments: &[OsString]) -> Result<Cli, u8> {
        usage::register_secrets(arguments);
        Cli::try_parse_from(arguments).map_err(|error| usage::print(&error, arguments))
    }
}

/// How the output looks.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputFlags {
    /// One JSON object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Print errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print every request and answer, the token as ***
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
            rows.map(|row| row.trim().split(' ').next().unwrap_or_default().parse::<u8>().expect(row)).collect();
        let mut real: Vec<u8> = Kind::ALL.iter().map(|kind| kind.exit()).collect();
        real.extend([0, EXIT_SOME_FAILED, EXIT_USAGE, EXIT_BUG]);
        real.sort_unstable();
        real.dedup();
        assert_eq!(told, real);
    }
}
