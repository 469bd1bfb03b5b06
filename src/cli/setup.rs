//! The commands that set things up and try them.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::duration::parse_duration;

const DOCTOR_HELP: &str = "\
Checks, in this order: settings, name, connection, state, notifications. The exit status is that of
the first check that fails; a warning is not a failure. It calls getStateInstance and getSettings,
and changes nothing.";

/// Check credentials, the instance's state and its settings (getStateInstance, getSettings)
#[derive(Debug, clap::Args)]
#[command(after_help = DOCTOR_HELP)]
pub struct DoctorArgs {}

const SANDBOX_HELP: &str = "\
Examples:
  greenavatar sandbox -- greenavatar request 11001234567@c.us
  greenavatar sandbox -- sh nightly.sh      rehearse a script
  eval \"$(greenavatar sandbox --detach)\"    in the background of this shell
  greenavatar sandbox --bind 127.0.0.1:8088

The last three digits of a number choose what happens: 400 401 403 404 466 499
500 502 that status; 429 and 503 that status twice, then success; 901 none, 902
hidden, 903 none (no account), 913 no account as older instances say it; 904 no
result, 905 it comes twice, 906 avatar timeout; 907 an answer after 3 s, 908 one
that is cut off; 920 another picture each time; any other: found.

The sandbox serves getAvatarAsync, getAvatar, receiveNotification,
deleteNotification, getStateInstance, getSettings, getContacts, getChats and
getWaSettings. --id-instance and --api-token-instance give it other credentials.";

/// Run a local mock of GREEN-API, to try things and rehearse errors
#[derive(Debug, clap::Args)]
#[command(after_help = SANDBOX_HELP)]
pub struct SandboxArgs {
    /// Address to listen on [default: 127.0.0.1:8088; with COMMAND or --detach a free port]
    #[arg(long, value_name = "ADDR")]
    pub bind: Option<SocketAddr>,
    /// Time between a request and its result
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "50ms")]
    pub delay: Duration,
    /// Push notifications to this URL; the queue cannot be read then
    #[arg(long, value_name = "URL")]
    pub webhook_url: Option<String>,
    /// Send this token with each push
    #[arg(long, value_name = "TOKEN", requires = "webhook_url")]
    pub webhook_token: Option<String>,
    /// Never answer 429 for too many calls a second
    #[arg(long)]
    pub no_rate_limit: bool,
    /// Answer success with an empty 400, as the newest documentation says
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
    /// Run this command with the sandbox in its environment, and exit with its status
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

const COMPLETIONS_HELP: &str = "\
Examples:
  greenavatar completions bash > ~/.local/share/bash-completion/completions/greenavatar
  greenavatar completions zsh > _greenavatar    into a directory of $fpath
  greenavatar completions fish > ~/.config/fish/completions/greenavatar.fish";

/// Print what a shell needs to complete command lines
#[derive(Debug, clap::Args)]
#[command(after_help = COMPLETIONS_HELP, arg_required_else_help = true)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

const MAN_HELP: &str = "\
Examples:
  greenavatar man | man -l -
  greenavatar man --dir ~/.local/share/man/man1    then: man greenavatar-request";

/// Print the manual, or write a page for each command
#[derive(Debug, clap::Args)]
#[command(after_help = MAN_HELP)]
pub struct ManArgs {
    /// Write a page for each command into DIR, which is made if need be
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
