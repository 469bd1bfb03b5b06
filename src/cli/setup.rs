//! `doctor`, `sandbox`, `completions` and `man`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::help;
use crate::duration::parse_duration;

const DOCTOR_HELP: &str = "\
Examples:
  greenavatar doctor
  greenavatar --sandbox doctor

The checks are, in this order: settings, name, connection, state,
notifications. The exit status is that of the first check that fails; a
warning is not a failure. Nothing is changed.";

/// Check credentials, the instance's state and its settings (getStateInstance, getSettings)
#[derive(Debug, Args)]
#[command(after_help = help::footer(help::CREDENTIALS), after_long_help = help::with_service(&[DOCTOR_HELP]))]
pub struct DoctorArgs {}

const SANDBOX_HELP: &str = "\
Examples:
  greenavatar sandbox -- greenavatar request 11001234567@c.us
  greenavatar sandbox -- sh nightly.sh      rehearse a script
  eval \"$(greenavatar sandbox --detach)\"    in the background of this shell
  greenavatar sandbox --bind 127.0.0.1:8088

Numbers that end in:
  400 401 403 404 466 499 500 502  that status
  429 503                          that status twice, then success
  901                              none
  902                              hidden
  903                              none: no account
  913                              no-account, in the form of older instances
  904                              no result
  905                              the same result twice
  906                              avatar-timeout
  907                              an answer after 3 s
  908                              an answer that is cut off
  920                              found, another picture each time
  others                           found

The sandbox serves getAvatarAsync, getAvatar, receiveNotification,
deleteNotification, getStateInstance, getSettings, getContacts, getChats and
getWaSettings. --id-instance and --api-token-instance set its credentials.";

/// Run a local mock of GREEN-API to try commands on and to rehearse errors
#[derive(Debug, Args)]
#[command(after_help = help::footer(""))]
#[command(after_long_help = help::sections(&[SANDBOX_HELP], help::NO_COLOR, "none are read or written"))]
pub struct SandboxArgs {
    /// Address to listen on [default: 127.0.0.1:8088; with COMMAND or --detach a free port]
    #[arg(long, value_name = "ADDR")]
    pub bind: Option<SocketAddr>,
    /// Delay between a request and its result
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "50ms")]
    pub delay: Duration,
    /// Send notifications to URL; the queue cannot be read then
    #[arg(long, value_name = "URL")]
    pub webhook_url: Option<String>,
    /// Send TOKEN with each notification
    #[arg(long, value_name = "TOKEN", requires = "webhook_url")]
    pub webhook_token: Option<String>,
    /// Allow any number of calls a second, instead of answering 429
    #[arg(long)]
    pub no_rate_limit: bool,
    /// Answer success with an empty 400, as GREEN-API's newest documentation says
    #[arg(long)]
    pub literal_docs: bool,
    /// Answer the first two calls of getContacts and of getChats with an empty list
    #[arg(long)]
    pub contacts_late: bool,
    /// Serve in the background until the parent shell ends
    #[arg(long, conflicts_with = "command")]
    pub detach: bool,
    /// Internal: exit together with process PID (set by --detach)
    #[arg(long, hide = true, value_name = "PID", conflicts_with_all = ["detach", "command"])]
    pub until_exit_of: Option<u32>,
    /// Run COMMAND with the sandbox's settings in its environment, and exit with its status
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

const COMPLETIONS_HELP: &str = "\
Examples:
  greenavatar completions bash > ~/.local/share/bash-completion/completions/greenavatar
  greenavatar completions zsh > _greenavatar    in a directory of $fpath
  greenavatar completions fish > ~/.config/fish/completions/greenavatar.fish";

const COMPLETIONS_FILES: &str = "\
~/.local/share/bash-completion/completions/
                            where bash looks for completions
  ~/.config/fish/completions/
                            where fish looks for completions";

/// Print the completion script of a shell
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_HELP, arg_required_else_help = true)]
#[command(after_long_help = help::sections(&[COMPLETIONS_HELP], help::NO_COLOR, COMPLETIONS_FILES))]
pub struct CompletionsArgs {
    /// Name of the shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

const MAN_HELP: &str = "\
Examples:
  greenavatar man | man -l -
  greenavatar man --dir ~/.local/share/man/man1    then: man greenavatar-request";

/// Print the manual page, or write one for each command
#[derive(Debug, Args)]
#[command(after_help = MAN_HELP)]
#[command(after_long_help = help::sections(&[MAN_HELP], help::NO_COLOR, "~/.local/share/man/man1/  where man looks for a user's pages"))]
pub struct ManArgs {
    /// Write a page for each command to DIR, which is created if missing
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
