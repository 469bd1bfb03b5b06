//! `sandbox`: runs a local mock of GREEN-API in the foreground, for one command, or in the background of a shell.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, IsTerminal};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::cli::setup::SandboxArgs;
use crate::commands::{Context, start_sandbox};
use crate::failure::{Error, Failure, Kind};
use crate::platform;
use crate::sandbox::{Config, Sandbox};
use crate::shutdown::{self, StopFlag};
use crate::token::Masked;

pub fn run(args: &SandboxArgs, context: &Context<'_>) -> Result<u8, Error> {
    if args.detach {
        return detach(context);
    }
    let sandbox = start(args, context)?;
    if let [program, arguments @ ..] = &args.command[..] {
        return Ok(run_command(program, arguments, &sandbox, context)?);
    }
    let exports: String = variables(&sandbox).map(|(name, value)| platform::export_line(name, value) + "\n").concat();
    context.output.write(&Masked::verbatim(exports))?;
    let stop = StopFlag::default();
    if let Some(pid) = args.until_exit_of {
        while platform::is_running(pid) && stop.sleep(Duration::from_millis(200)) {}
        return Ok(0);
    }
    context.output.note(&format!("sandbox at {}, until Ctrl-C", sandbox.api_url()));
    if std::io::stderr().is_terminal() && platform::stdout_is_pipe() {
        context
            .output
            .note("the sandbox runs in the foreground; for eval, use: eval \"$(greenavatar sandbox --detach)\"");
    }
    while stop.sleep(Duration::from_secs(3600)) {}
    Ok(0)
}

fn start(args: &SandboxArgs, context: &Context<'_>) -> Result<Sandbox, Error> {
    let default = Config::default();
    let is_foreground = args.command.is_empty() && args.until_exit_of.is_none();
    let bind = if is_foreground { SocketAddr::from(([127, 0, 0, 1], 8088)) } else { default.bind };
    let given = |flag: &Option<OsString>| flag.as_ref().map(|value| value.to_string_lossy().into_owned());
    let config = Config {
        bind: args.bind.unwrap_or(bind),
        id_instance: given(&context.flags.id_instance).unwrap_or(default.id_instance),
        token: given(&context.flags.api_token_instance).unwrap_or(default.token),
        delay: args.delay,
        webhook_url: args.webhook_url.clone(),
        webhook_token: args.webhook_token.clone(),
        rate_limit: !args.no_rate_limit,
        literal_docs: args.literal_docs,
        contacts_late: args.contacts_late,
    };
    start_sandbox(config)
}

fn variables(sandbox: &Sandbox) -> [(&'static str, &str); 3] {
    [
        ("GREEN_API_URL", sandbox.api_url()),
        ("GREEN_API_ID_INSTANCE", sandbox.id_instance()),
        ("GREEN_API_TOKEN_INSTANCE", sandbox.token()),
    ]
}

/// Runs a command with the sandbox's settings in its environment, and returns its exit status.
fn run_command(
    program: &OsString,
    arguments: &[OsString],
    sandbox: &Sandbox,
    context: &Context<'_>,
) -> Result<u8, Failure> {
    let mut command = Command::new(program);
    command.args(arguments).envs(variables(sandbox));
    // Settings of a real account.
    for name in ["ID_INSTANCE", "API_TOKEN_INSTANCE", "GREEN_API_TOKEN_FILE", "GREEN_API_WEBHOOK_TOKEN"] {
        command.env_remove(name);
    }
    for name in ["no_proxy", "NO_PROXY"] {
        let others = std::env::var(name).unwrap_or_default();
        command.env(name, format!("127.0.0.1,localhost,{others}").trim_end_matches(','));
    }
    // On a terminal, Ctrl-C reaches the command as well. Elsewhere the command gets its own process group, so that it
    // receives a signal once, from this process: a second one would end it at once.
    let is_foreground = platform::has_terminal();
    if !is_foreground {
        platform::set_process_group(&mut command);
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let exit = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
            let what = format!("cannot run {}", program.to_string_lossy());
            context.output.failure(&Failure::new(Kind::BadSettings, what).because(error));
            return Ok(exit);
        }
    };
    let status = wait(&mut child, is_foreground)
        .map_err(|error| Failure::new(Kind::Unreachable, "cannot wait for the command").because(error))?;
    if let Some(signal) = platform::signal_of(status) {
        shutdown::die(signal);
    }
    let code = exit_code(status);
    if shutdown::signal().is_some() {
        // The command handled the signal and exited: this process exits with its status, not by the signal.
        std::process::exit(code.into());
    }
    Ok(code)
}

/// Waits for the command and forwards the first signal to it.
fn wait(child: &mut Child, is_foreground: bool) -> std::io::Result<ExitStatus> {
    shutdown::be_patient();
    let mut is_passed_on = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if let Some(signal) = shutdown::signal().filter(|_| !is_passed_on) {
            is_passed_on = true;
            platform::send_signal(child, signal, is_foreground);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Starts the sandbox in a background process, prints its `export` lines, and returns.
fn detach(context: &Context<'_>) -> Result<u8, Error> {
    let cannot = |error: std::io::Error| {
        Failure::new(Kind::BadSettings, "the sandbox cannot start in the background")
            .because(error)
            .hint("run it in another terminal, or with a command: greenavatar sandbox -- COMMAND")
    };
    let Some(shell) = platform::shell_id() else {
        return Err(Error::Usage("--detach does not work on this system: use --, or another terminal".into()));
    };
    let mut command = Command::new(std::env::current_exe().map_err(cannot)?);
    command
        .args(std::env::args_os().skip(1).filter(|argument| argument != "--detach"))
        .args(["--until-exit-of", &shell.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // Not inherited: a reader of this process's standard error would wait for the background process.
        .stderr(Stdio::piped());
    // Ctrl-C in the shell must not end the background process.
    platform::set_process_group(&mut command);
    let mut server = command.spawn().map_err(cannot)?;
    let stdout = BufReader::new(server.stdout.take().expect("it is piped"));
    let lines: Vec<String> = stdout.lines().take(3).collect::<Result<_, _>>().map_err(cannot)?;
    if lines.len() < 3 {
        // It failed: forwards its error message.
        let _ = std::io::copy(&mut server.stderr.take().expect("it is piped"), &mut std::io::stderr());
        return Ok(exit_code(server.wait().map_err(cannot)?));
    }
    context.output.note("the sandbox runs in the background until this shell ends");
    context.output.write_last(&Masked::verbatim(lines.join("\n") + "\n"))?;
    Ok(0)
}
