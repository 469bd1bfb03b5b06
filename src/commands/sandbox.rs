//! `sandbox`: serves a local stand-in for GREEN-API, in the foreground, beside a command, or behind the shell that asked.
//!
//! How it answers is the sandbox's business; here are its options, the lines for `eval`, and how long it lives.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::event::PollFlags;
use rustix::process::{Pid, PidfdFlags, Signal, getpgrp, getppid, kill_process, pidfd_open, setsid};
use rustix::stdio::dup2_stderr;
use rustix::termios::tcgetpgrp;

mod waiting_shell;
use waiting_shell::waiting_shell;

use crate::commands::Context;
use crate::duration::parse_duration;
use crate::failure::{Failure, Kind};
use crate::interrupt;
use crate::output::Unwritten;
use crate::sandbox::{Options, Sandbox};
use crate::settings::Error;

const EXAMPLES: &str = "\
Examples:
  greenavatar sandbox -- greenavatar request 11001234567@c.us
  greenavatar sandbox -- sh nightly.sh      rehearse a script
  eval \"$(greenavatar sandbox)\"             behind this shell until it ends
  greenavatar sandbox --bind 127.0.0.1:8088

The last three digits of a number choose what happens: 400 401 403 404 466 499
500 502 that status; 429 and 503 twice, then well; 901 none, 902 hidden, 903 no
account; 904 no result, 905 it comes twice, 906 avatar timeout; 907 an answer
after 3 s, 908 one that breaks off; any other: found.

The sandbox plays getAvatarAsync, getAvatar, receiveNotification,
deleteNotification, getStateInstance and getSettings. --id-instance and
--api-token-instance give it other credentials.";

/// Serve a local stand-in for GREEN-API, to try things and rehearse errors
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where to listen [default: 127.0.0.1:8088; beside a COMMAND or behind a shell a free port]
    #[arg(long, value_name = "ADDR")]
    bind: Option<SocketAddr>,
    /// Time between a request and its result
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "50ms")]
    delay: Duration,
    /// Push notifications to this URL; the queue cannot be read then
    #[arg(long, value_name = "URL")]
    webhook_url: Option<String>,
    /// Send this token with each push
    #[arg(long, value_name = "TOKEN", requires = "webhook_url")]
    webhook_token: Option<String>,
    /// Pause before a push that failed is sent again
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "60s")]
    resend_pause: Duration,
    /// Never answer 429 for too many calls a second
    #[arg(long)]
    no_rate_limit: bool,
    /// Answer success with an empty 400, as the newest documentation has it
    #[arg(long)]
    literal_docs: bool,
    /// Vary the delay of results by chance, the same way for the same seed
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Serve behind the process that asks, until that ends
    #[arg(long, conflicts_with = "command")]
    detach: bool,
    /// The process to outlive by nothing: how --detach starts itself again
    #[arg(long, hide = true, value_name = "PID", conflicts_with = "detach")]
    until_exit_of: Option<i32>,
    /// Run this command with the sandbox in its environment, and end with its status
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context<'_>) -> Result<u8, Error> {
    if args.command.is_empty() && args.until_exit_of.is_none() {
        let parent = || getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
        // In a subshell the parent ends with us, and only the shell around it is worth living for.
        let shell = waiting_shell().or_else(|| args.detach.then(parent));
        if let Some(shell) = shell {
            return Ok(detach(shell, context)?);
        }
    }
    let sandbox = start(args, context)?;
    let _ = interrupt::install();
    if !args.command.is_empty() {
        return Ok(run_beside(&args.command, &sandbox, context)?);
    }
    match context.output.write(exports(&sandbox).as_bytes()) {
        Ok(()) => {}
        // Nobody will know where it is.
        Err(Unwritten::PipeClosed) => return Ok(Kind::OutputFailed.exit()),
        Err(Unwritten::Failed(failure)) => return Err(failure.into()),
    }
    match args.until_exit_of.and_then(Pid::from_raw) {
        Some(shell) => {
            // Ctrl-C in the shell is not meant for what serves behind it.
            let _ = setsid();
            // Whoever reads standard error to its end shall not wait for us either.
            if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
                let _ = dup2_stderr(null);
            }
            await_exit(shell)?;
        }
        None => {
            context.report.note(&format!("sandbox at {}, until Ctrl-C", sandbox.api_url()));
            while interrupt::sleep_until(Instant::now() + Duration::from_secs(3600)) {}
        }
    }
    sandbox.stop();
    Ok(0)
}

fn start(args: &Args, context: &Context<'_>) -> Result<Sandbox, Error> {
    let mut options = Options {
        delay: args.delay,
        webhook_url: args.webhook_url.clone(),
        webhook_token: args.webhook_token.clone(),
        rate_limit: !args.no_rate_limit,
        literal_docs: args.literal_docs,
        seed: args.seed,
        resend_pause: args.resend_pause,
        ..Options::default()
    };
    let is_foreground = args.command.is_empty() && args.until_exit_of.is_none();
    if let Some(bind) = args.bind.or(is_foreground.then_some(SocketAddr::from(([127, 0, 0, 1], 8088)))) {
        options.bind = bind;
    }
    if let Some(id) = &context.flags.id_instance {
        options.id_instance = id.to_string_lossy().into_owned();
    }
    if let Some(token) = &context.flags.api_token_instance {
        options.token = token.to_string_lossy().into_owned();
    }
    Sandbox::start(options).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidInput => Error::Usage(error.to_string()),
        _ => {
            let error = anyhow::Error::from(error).context("the sandbox cannot start");
            Failure::caused(Kind::BadSettings, error).hint("--bind 127.0.0.1:0 takes a free port").into()
        }
    })
}

/// The variables that lead a program to the sandbox.
fn variables(sandbox: &Sandbox) -> [(&'static str, String); 3] {
    [
        ("GREEN_API_URL", sandbox.api_url()),
        ("GREEN_API_ID_INSTANCE", sandbox.id_instance().to_owned()),
        ("GREEN_API_TOKEN_INSTANCE", sandbox.token().to_owned()),
    ]
}

fn exports(sandbox: &Sandbox) -> String {
    variables(sandbox).iter().map(|(name, value)| format!("export {name}={value}\n")).collect()
}

/// Runs a command against the sandbox; its status is ours.
fn run_beside(command: &[OsString], sandbox: &Sandbox, context: &Context<'_>) -> Result<u8, Failure> {
    let mut child = Command::new(&command[0]);
    child.args(&command[1..]).envs(variables(sandbox));
    // Whatever else could lead to a real account, or take what is said to the sandbox elsewhere.
    for name in ["ID_INSTANCE", "API_TOKEN_INSTANCE", "GREEN_API_TOKEN_FILE", "GREEN_API_WEBHOOK_TOKEN"] {
        child.env_remove(name);
    }
    for name in ["no_proxy", "NO_PROXY"] {
        let others = std::env::var(name).unwrap_or_default();
        child.env(name, format!("127.0.0.1,localhost,{others}").trim_end_matches(','));
    }
    // A terminal sends Ctrl-C to the command as well. Anywhere else it gets a group of its own, so that a signal for ours
    // reaches it once, from us: two would be an order to end at once.
    let is_foreground = has_the_terminal();
    if !is_foreground {
        child.process_group(0);
    }
    let mut child = match child.spawn() {
        Ok(child) => child,
        Err(error) => {
            let exit = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
            let error = anyhow::Error::from(error).context(format!("cannot run {}", command[0].to_string_lossy()));
            context.report.failure(&Failure::caused(Kind::BadSettings, error));
            return Ok(exit);
        }
    };
    let status = await_child(&mut child, is_foreground)
        .context("cannot wait for the command")
        .map_err(|error| Failure::caused(Kind::Unreachable, error))?;
    if let Some(signal) = status.signal() {
        interrupt::die(signal);
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    if interrupt::signal().is_some() {
        // The command took the signal and ended in its own way. Its status is ours then too, not the signal.
        std::process::exit(code.into());
    }
    Ok(code)
}

/// Whether Ctrl-C at our terminal, if there is one, is meant for us.
fn has_the_terminal() -> bool {
    let Ok(terminal) = std::fs::File::open("/dev/tty") else { return false };
    tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp())
}

/// Waits for the command, and hands a signal that was sent to us on to it.
fn await_child(child: &mut Child, is_foreground: bool) -> std::io::Result<std::process::ExitStatus> {
    let pid = Pid::from_child(child);
    let ended = pidfd_open(pid, PidfdFlags::empty())?;
    if !interrupt::wait_for(ended.as_fd(), PollFlags::IN, None, Duration::ZERO)?
        && let Some(signal) = interrupt::signal().and_then(Signal::from_named_raw)
        && !(is_foreground && signal == Signal::INT)
    {
        let _ = kill_process(pid, signal);
    }
    child.wait()
}

/// Waits until a process that is not our child has ended.
fn await_exit(pid: Pid) -> Result<(), Failure> {
    // No such process: it has ended already.
    let Ok(ended) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
    interrupt::wait_for(ended.as_fd(), PollFlags::IN, None, Duration::ZERO)
        .map(|_| ())
        .map_err(|error| Failure::caused(Kind::Unreachable, error.into()))
}

/// Starts this command again behind the shell that asked, hands on the lines for `eval`, and ends.
fn detach(shell: i32, context: &Context<'_>) -> Result<u8, Failure> {
    let cannot = |error: std::io::Error| {
        Failure::caused(
            Kind::BadSettings,
            anyhow::Error::from(error).context("the sandbox cannot start behind the shell"),
        )
        .hint("run it in another terminal, or beside a command: greenavatar sandbox -- COMMAND")
    };
    let mut server = Command::new(std::env::current_exe().map_err(cannot)?)
        .args(std::env::args_os().skip(1).filter(|argument| argument != "--detach"))
        .args(["--until-exit-of", &shell.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    let mut lines = String::new();
    if let Some(stdout) = server.stdout.take() {
        let mut reader = std::io::BufReader::new(stdout);
        for _ in 0..3 {
            std::io::BufRead::read_line(&mut reader, &mut lines).map_err(cannot)?;
        }
    }
    if lines.lines().count() < 3 {
        // It has said on standard error why.
        let status = server.wait().map_err(cannot)?;
        return Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1));
    }
    context.report.note("the sandbox serves behind this shell and ends with it");
    match context.output.write(lines.as_bytes()) {
        Ok(()) | Err(Unwritten::PipeClosed) => Ok(0),
        Err(Unwritten::Failed(failure)) => Err(failure),
    }
}
