//! The command line: commands, options and their help; in this file, those of `get`, `request` and `receive`.
//! [`crate::commands`] carries them out.

pub mod contacts;
mod help;
pub mod listen;
mod settings;
pub mod setup;
mod usage;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, value_parser};

use self::contacts::{ContactsArgs, GalleryArgs};
use self::listen::ListenArgs;
use self::setup::{CompletionsArgs, DoctorArgs, ManArgs, SandboxArgs};
use crate::duration::{parse_duration, parse_timeout};
use crate::greenapi::contacts::List;
use crate::output::Color;
use crate::pictures::url::AllowedHost;
use crate::platform;
use crate::settings::Flags;

/// The version, the target and, in a package, the commit that it was built from.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let commit = option_env!("GREENAVATAR_COMMIT").map(|commit| format!(", {commit}")).unwrap_or_default();
    format!("{} ({}{commit})", env!("CARGO_PKG_VERSION"), platform::target())
});

const EXAMPLES: &str = "\
Examples:
  greenavatar --sandbox get 11001234567@c.us      try it without an account
  greenavatar get 11001234567@c.us -o avatar.jpg  save one picture
  greenavatar get --contacts --dir avatars        save those of all your contacts
  greenavatar get --from list.txt --dir avatars   those of a list, one chat id a line";

/// Get WhatsApp profile pictures (avatars) from GREEN-API
#[derive(Debug, Parser)]
#[command(name = "greenavatar", bin_name = "greenavatar", version = VERSION.as_str(), max_term_width = 100)]
#[command(after_help = help::footer(&format!("{EXAMPLES}\n\nOptions of a command: greenavatar get -h\n{}", help::CREDENTIALS)))]
#[command(after_long_help = help::with_service(&[EXAMPLES]))]
#[command(arg_required_else_help = true, disable_help_flag = true, disable_version_flag = true)]
#[command(arg = standard("version", 'V', ArgAction::Version, "Print the version"))]
pub struct Cli {
    #[command(flatten)]
    pub output: OutputFlags,
    #[command(flatten)]
    pub settings: Flags,
    #[command(subcommand)]
    pub command: Command,
}

/// The commands. clap builds only the one that is used: `defer`.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Command {
    /// Save profile pictures; the answer arrives at once (getAvatar)
    Get(GetArgs),
    /// Ask asynchronously (getAvatarAsync); --wait collects the results
    Request(RequestArgs),
    /// List the account's contacts, or convert a CSV or vCard file
    Contacts(ContactsArgs),
    /// Write an HTML page that shows the pictures in DIR
    Gallery(GalleryArgs),
    /// Take results off the instance's notification queue
    Receive(ReceiveArgs),
    /// Run the webhook endpoint that receives results
    Listen(ListenArgs),
    /// Check credentials, the instance's state and its settings
    Doctor(DoctorArgs),
    /// Run a local mock of GREEN-API to try commands on
    Sandbox(SandboxArgs),
    /// Print the completion script of a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for each command
    Man(ManArgs),
}

impl Cli {
    /// Parses the process's arguments, the first of which is its name. Otherwise prints help or a usage error, and
    /// returns the exit status.
    pub fn parse_arguments(arguments: &[OsString]) -> Result<Cli, u8> {
        usage::register_secrets(arguments);
        let matches = help::group_commands(Cli::definition()).try_get_matches_from(arguments);
        let cli = matches.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
        cli.map_err(|error| usage::print(&error, arguments))
    }

    /// The command line, for completions and the manual too.
    pub fn definition() -> clap::Command {
        // clap would copy a global option into all commands: instead, each command adds its own when it is built.
        Cli::command().mut_args(|arg| arg.global(false)).mut_subcommands(|command| match command.get_name() {
            "get" => command.defer(client::<GetArgs>),
            "request" => command.defer(client::<RequestArgs>),
            "contacts" => command.defer(client::<ContactsArgs>),
            "receive" => command.defer(client::<ReceiveArgs>),
            "doctor" => command.defer(client::<DoctorArgs>),
            "gallery" => command.defer(local::<GalleryArgs>),
            "completions" => command.defer(local::<CompletionsArgs>),
            "man" => command.defer(local::<ManArgs>),
            "listen" => command.defer(|command| with_settings::<ListenArgs>(command, &["env-file", "no-env-file"])),
            _ => command.defer(|command| with_settings::<SandboxArgs>(command, &["id-instance", "api-token-instance"])),
        })
    }
}

/// A command that calls the service.
fn client<A: Args>(command: clap::Command) -> clap::Command {
    globals(A::augment_args(command))
}

/// A command that uses no settings.
fn local<A: Args>(command: clap::Command) -> clap::Command {
    with_settings::<A>(command, &[])
}

/// A command that uses only some settings: help does not show the others.
fn with_settings<A: Args>(command: clap::Command, used: &[&str]) -> clap::Command {
    globals(A::augment_args(command)).mut_args(|arg| {
        let is_setting = matches!(arg.get_help_heading(), Some("Settings" | "Network"));
        let is_used = used.contains(&arg.get_id().as_str());
        if is_setting && !is_used { arg.hide(true) } else { arg }
    })
}

/// Adds the options of all commands behind the command's own: help shows headings in the order of their first options.
fn globals(command: clap::Command) -> clap::Command {
    Flags::augment_args(OutputFlags::augment_args(command))
}

/// The chats, how fast they are requested, and where they are recorded: the same for every list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Chat ids, like 11001234567@c.us or 120363043968066561@g.us; - reads standard input
    #[arg(value_name = "CHAT_ID", required_unless_present_any = ["from", "contacts"])]
    pub chats: Vec<OsString>,
    /// Read chat ids from FILE, one a line; a tab and a name may follow
    #[arg(long, value_name = "FILE", help_heading = "List")]
    pub from: Vec<PathBuf>,
    /// Take the account's contacts: all (default), people, groups or recent
    #[arg(long, value_name = "WHICH", help_heading = "List", hide_possible_values = true)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "all", conflicts_with_all = ["chats", "from"])]
    #[arg(value_parser = PossibleValuesParser::new(["all", "people", "groups", "recent"]).map(|word| list(&word)))]
    pub contacts: Option<List>,
    /// Also accept 7 to 16 digits and @lid [env: GREEN_API_LENIENT]
    #[arg(long, help_heading = "List", hide_short_help = true)]
    pub lenient: bool,
    /// Record results in FILE and skip chats already done; run again to resume
    #[arg(long, value_name = "FILE", help_heading = "Resume")]
    pub journal: Option<PathBuf>,
    /// Skip only chats done within DURATION, such as 20h for a nightly job
    #[arg(long, value_name = "DURATION", help_heading = "Resume", hide_short_help = true)]
    #[arg(value_parser = parse_duration, requires = "journal")]
    pub max_age: Option<Duration>,
    /// Requests a second, retries included; 0: no limit
    #[arg(long, value_name = "N", help_heading = "Pace", value_parser = parse_rate, default_value = "10")]
    pub rate: f64,
    /// Requests at a time, each on its own connection
    #[arg(long, value_name = "N", help_heading = "Pace", default_value = "8")]
    #[arg(value_parser = value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// Stop after N chats in a row for which the service was unavailable; 0: never
    #[arg(long, value_name = "N", help_heading = "Pace", hide_short_help = true, default_value = "20")]
    pub give_up_after: u32,
}

/// Where pictures are saved, and from which hosts: the same for every command that saves them.
#[derive(Debug, Args)]
pub struct SaveArgs {
    /// Save pictures in DIR, created if missing, as <chatId>.jpg, .png or .webp
    #[arg(long, value_name = "DIR", help_heading = "Save")]
    pub dir: Option<PathBuf>,
    /// Keep replaced and gone pictures in DIR/history/<chatId>/, named by save time
    #[arg(long, help_heading = "Save", requires = "dir")]
    pub history: bool,
    /// Also download from HOST, even at a private address; by http only if HOST is this machine
    #[arg(long, value_name = "HOST", help_heading = "Save", hide_short_help = true, value_parser = AllowedHost::parse)]
    pub allow_host: Vec<AllowedHost>,
}

const GET_HELP: &str = "\
Examples:
  greenavatar get 11001234567@c.us
  greenavatar get 11001234567@c.us -o picture.jpg
  greenavatar get 11001234567@c.us --show
  greenavatar get --from contacts.txt --dir avatars --history --only-changes

Changes:
  new         there was no file before
  changed     the file had another picture
  unchanged   the file has this picture already and is not written
  gone        there is a file from before, but no picture now
  (with --dir or -o FILE)

Pictures are downloaded by https from *.whatsapp.net. Other hosts need
--allow-host, unless GREEN_API_URL is on this machine and they are the same
server. A picture is a complete JPEG, PNG or WebP file of at most 5 MiB.
With --journal, a chat with a picture is done as long as its file is there.
Anyone who has the URL of a picture can open it until it expires.";

/// Get profile pictures with getAvatar, which answers at once, and save them
#[derive(Debug, Args)]
#[command(after_help = help::footer(help::CREDENTIALS))]
#[command(after_long_help = help::with_service(&[GET_HELP, help::STATUSES]))]
#[command(group = clap::ArgGroup::new("destination").args(["output", "dir"]))]
pub struct GetArgs {
    /// Save the picture of one chat as FILE; - writes it to standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Save", conflicts_with = "history")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub save: SaveArgs,
    /// Print only new, changed and gone pictures and failures, otherwise nothing
    #[arg(long, help_heading = "Save", requires = "dir", conflicts_with = "output")]
    pub only_changes: bool,
    /// Skip chats that have a picture in DIR
    #[arg(long, help_heading = "Save", requires = "dir", conflicts_with = "output")]
    pub skip_existing: bool,
    /// Draw the pictures in the terminal
    #[arg(long, help_heading = "Save")]
    pub show: bool,
    #[command(flatten)]
    pub chats: ListArgs,
}

const REQUEST_HELP: &str = "\
Examples:
  greenavatar request 11001234567@c.us 120363043968066561@g.us
  greenavatar request - --journal done.ndjson < contacts.txt
  greenavatar request --wait --fallback --dir avatars 11001234567@c.us
  greenavatar request --dry-run 11001234567@c.us
  greenavatar --sandbox request 11001234466@c.us   rehearse a quota error

GREEN-API answers getAvatarAsync with a status only and sends the picture's
URL later, as a notification. GREEN-API's documentation marks the method as
\"not used\" and the notification as \"temporarily not working\", so a result may
never arrive. --wait takes results off the queue; --fallback then asks with
getAvatar, as `greenavatar get` does, for chats without a result.";

/// Ask for profile pictures with getAvatarAsync; the results arrive later, as notifications
#[derive(Debug, Args)]
#[command(after_help = help::footer(help::CREDENTIALS))]
#[command(after_long_help = help::with_service(&[REQUEST_HELP, help::STATUSES]))]
pub struct RequestArgs {
    /// Wait for each result for up to DURATION after its request [default: 2m]
    #[arg(long, value_name = "DURATION", help_heading = "Results", value_parser = parse_timeout)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "2m")]
    pub wait: Option<Duration>,
    /// Ask with getAvatar for chats without a result at the end of their wait
    #[arg(long, help_heading = "Results", requires = "wait")]
    pub fallback: bool,
    /// Move other programs' notifications from the queue to FILE, one a line
    #[arg(long, value_name = "FILE", help_heading = "Results", requires = "wait")]
    pub spool: Option<PathBuf>,
    #[command(flatten)]
    pub save: SaveArgs,
    #[command(flatten)]
    pub chats: ListArgs,
    /// Print the equivalent curl commands and send nothing
    #[arg(long, help_heading = "Output", conflicts_with = "contacts")]
    pub dry_run: bool,
}

const RECEIVE_HELP: &str = "\
Examples:
  greenavatar receive                                  until the queue is empty
  greenavatar --json receive --idle 2m                 until 2 minutes without a result
  greenavatar receive --follow --spool others.ndjson   until a signal
  greenavatar receive --dir avatars                    save the pictures

A notification is deleted only after its picture is saved and its line is
written. A notification that is not a result (AvatarInfo) belongs to another
program: without --spool the run stops there and deletes nothing. The queue
keeps notifications for 24 hours.";

/// Take results off the notification queue (receiveNotification, deleteNotification)
#[derive(Debug, Args)]
#[command(after_help = help::footer(help::CREDENTIALS))]
#[command(after_long_help = help::with_service(&[RECEIVE_HELP, help::STATUSES]))]
pub struct ReceiveArgs {
    /// Continue when the queue is empty, until a signal
    #[arg(long)]
    pub follow: bool,
    /// Continue when the queue is empty, until there was no result for DURATION
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout)]
    pub idle: Option<Duration>,
    /// Stop after N results; repeated results do not count
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub max: Option<u64>,
    /// Move other programs' notifications from the queue to FILE, one a line
    #[arg(long, value_name = "FILE")]
    pub spool: Option<PathBuf>,
    #[command(flatten)]
    pub save: SaveArgs,
}

fn list(word: &str) -> List {
    let groups = match word {
        "people" => Some(false),
        "groups" => Some(true),
        _ => None,
    };
    List { is_recent: word == "recent", groups }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate == 0.0 || (0.001..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err("a rate is a number of requests a second, such as 10 or 0.5; 0 lifts the limit".into()),
    }
}

// How the output looks. Not a doc comment, which would become the help of the commands that take these options.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
#[command(arg = standard("help", 'h', ArgAction::Help, "Print help; --help prints all of it").global(true))]
pub struct OutputFlags {
    /// Print one JSON object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Print errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print every request and response; the token is shown as ***
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Show neither a progress bar nor what is waited for
    #[arg(long, global = true, hide_short_help = true)]
    pub no_progress: bool,
    /// When to use colours
    #[arg(long, global = true, hide_short_help = true, value_name = "WHEN", default_value = "auto")]
    #[arg(value_parser = PossibleValuesParser::new(["auto", "always", "never"]).map(|word| usage::color(&word)))]
    pub color: Color,
}

/// An option that every program has, at the end of its heading.
fn standard(name: &'static str, short: char, action: ArgAction, help: &'static str) -> Arg {
    Arg::new(name).short(short).long(name).action(action).help(help).help_heading("Output").display_order(100)
}
