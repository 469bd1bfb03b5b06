//! The command line: commands, options and their help. [`crate::commands`] carries them out.

mod help;
pub mod pictures;
pub mod results;
mod settings;
pub mod setup;
mod usage;

use std::ffi::OsString;
use std::sync::LazyLock;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use self::pictures::{ContactsArgs, GalleryArgs, GetArgs, RequestArgs};
use self::results::{ListenArgs, ReceiveArgs};
use self::setup::{CompletionsArgs, DoctorArgs, ManArgs, SandboxArgs};
use crate::output::Color;
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
            "listen" => command.defer(|command| with_some::<ListenArgs>(command, &["env-file", "no-env-file"])),
            _ => command.defer(|command| with_some::<SandboxArgs>(command, &["id-instance", "api-token-instance"])),
        })
    }
}

/// A command that calls the service.
fn client<A: Args>(command: clap::Command) -> clap::Command {
    globals(A::augment_args(command))
}

/// A command that uses no settings.
fn local<A: Args>(command: clap::Command) -> clap::Command {
    with_some::<A>(command, &[])
}

/// A command that uses only some settings: help does not show the others.
fn with_some<A: Args>(command: clap::Command, used: &[&str]) -> clap::Command {
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
