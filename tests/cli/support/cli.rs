//! A command line of the program, run in its own temporary directory and environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};

use tempfile::TempDir;

use super::expected::{End, Expected};
use super::running::{Output, Running};
use super::server::Server;
use super::{INSTANCE, TOKEN};

/// A command line, its directory and environment, and what is expected of the run.
#[must_use = "nothing runs before run() or start()"]
pub struct Cli {
    interpreter: &'static str,
    script: Option<String>,
    args: Vec<OsString>,
    env: BTreeMap<OsString, OsString>,
    home: Arc<TempDir>,
    stdin: Option<Vec<u8>>,
    stdin_from: Option<Stdio>,
    stdout: Option<Stdio>,
    expected: Expected,
}

/// Handles SIGINT and SIGTERM in the tests, with their default effect. A child inherits an ignored signal but not a
/// handler: without this, runs would ignore both signals if the tests are in the background of a shell.
#[cfg(unix)]
fn handle_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            let is_default = Arc::new(AtomicBool::new(true));
            signal_hook::flag::register_conditional_default(signal, is_default).expect("a handler");
        }
    });
}

impl Cli {
    /// The program without any settings.
    pub fn new() -> Cli {
        #[cfg(unix)]
        handle_signals();
        let home = tempfile::Builder::new().prefix("greenavatar-test").tempdir().expect("a temporary directory");
        std::fs::create_dir(home.path().join("work")).expect("a directory");
        Cli {
            interpreter: "",
            script: None,
            args: Vec::new(),
            env: BTreeMap::new(),
            home: Arc::new(home),
            stdin: None,
            stdin_from: None,
            stdout: None,
            expected: Expected::default(),
        }
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
    }

    /// The program with the credentials of the server's instance in the environment.
    pub fn on(server: &Server) -> Cli {
        Cli::at(&server.url())
    }

    /// The program with an API URL and the credentials of all tests in the environment.
    pub fn at(url: &str) -> Cli {
        Cli::new().credentials(url)
    }

    /// Adds an API URL and the credentials of all tests to the environment.
    pub fn credentials(self, url: &str) -> Cli {
        self.env("GREEN_API_URL", url).env("GREEN_API_ID_INSTANCE", INSTANCE).env("GREEN_API_TOKEN_INSTANCE", TOKEN)
    }

    /// `request` for these arguments, on a server.
    pub fn request<I: IntoIterator<Item: AsRef<OsStr>>>(server: &Server, args: I) -> Cli {
        Cli::on(server).arg("request").args(args)
    }

    /// Another run in the same directory and environment, without arguments and expectations.
    pub fn again(&self) -> Cli {
        Cli {
            interpreter: "",
            script: None,
            args: Vec::new(),
            env: self.env.clone(),
            home: Arc::clone(&self.home),
            stdin: None,
            stdin_from: None,
            stdout: None,
            expected: Expected::default(),
        }
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Cli {
        self.args.push(arg.as_ref().into());
        self
    }

    pub fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, args: I) -> Cli {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().into()));
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Cli {
        self.env.insert(name.into(), value.as_ref().into());
        self
    }

    pub fn without(mut self, name: &str) -> Cli {
        self.env.remove(OsStr::new(name));
        self
    }

    /// The directory in which the program runs.
    pub fn dir(&self) -> PathBuf {
        self.home.path().join("work")
    }

    /// Writes a file that only its owner can read. The name is relative to the program's directory.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Cli {
        let path = self.dir().join(name);
        std::fs::create_dir_all(path.parent().expect("a file has a directory")).expect("a directory");
        std::fs::write(&path, content).expect("a file");
        self.mode(name, 0o600)
    }

    /// Sets the permission bits of a file. Windows has none.
    #[cfg_attr(windows, allow(unused_variables))]
    pub fn mode(self, name: &str, mode: u32) -> Cli {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(self.dir().join(name), std::fs::Permissions::from_mode(mode)).expect("a file");
        }
        self
    }

    pub fn stdin(mut self, text: impl Into<Vec<u8>>) -> Cli {
        self.stdin = Some(text.into());
        self
    }

    /// Standard input is this file or pipe.
    pub fn stdin_from(mut self, stdin: impl Into<Stdio>) -> Cli {
        self.stdin_from = Some(stdin.into());
        self
    }

    /// Runs a script of `/bin/sh` instead, with the program as `$0` and the arguments as `"$@"`.
    #[cfg(unix)]
    pub fn shell(self, script: &str) -> Cli {
        self.script("/bin/sh", script)
    }

    /// The same for another shell.
    #[cfg(unix)]
    pub fn script(mut self, interpreter: &'static str, script: &str) -> Cli {
        self.interpreter = interpreter;
        self.script = Some(script.to_owned());
        self
    }

    /// Standard output is this file or pipe.
    pub fn stdout_to(mut self, stdout: impl Into<Stdio>) -> Cli {
        self.stdout = Some(stdout.into());
        self
    }

    /// The exit status; 0 unless this is called.
    pub fn exits(mut self, status: u8) -> Cli {
        self.expected.end = End::Exit(status.into());
        self
    }

    /// The process dies by this signal.
    #[cfg(unix)]
    pub fn dies(mut self, signal: i32) -> Cli {
        self.expected.end = End::Signal(signal);
        self
    }

    /// The process runs until [`Running::stop`].
    pub fn until_stopped(self) -> Cli {
        #[cfg(unix)]
        return self.dies(15);
        #[cfg(windows)]
        return self.any_status();
    }

    /// Any exit status or signal: for runs that are killed at any moment.
    pub fn any_status(mut self) -> Cli {
        self.expected.end = End::Any;
        self
    }

    /// All of standard output, with `_` as the value of `elapsedMs`.
    pub fn stdout(mut self, text: impl Into<String>) -> Cli {
        self.expected.stdout.exact = Some(text.into());
        self
    }

    /// All of standard error.
    pub fn stderr(mut self, text: impl Into<String>) -> Cli {
        self.expected.stderr.exact = Some(text.into());
        self
    }

    /// Standard output contains this; the rest is not checked.
    pub fn stdout_has(mut self, part: impl Into<String>) -> Cli {
        self.expected.stdout.parts.push(part.into());
        self
    }

    /// Standard error contains this; the rest is not checked.
    pub fn stderr_has(mut self, part: impl Into<String>) -> Cli {
        self.expected.stderr.parts.push(part.into());
        self
    }

    /// Standard output is not checked here.
    pub fn any_stdout(mut self) -> Cli {
        self.expected.stdout.any = true;
        self
    }

    /// Standard error is not checked here.
    pub fn any_stderr(mut self) -> Cli {
        self.expected.stderr.any = true;
        self
    }

    /// Control characters are allowed in both outputs: colours.
    pub fn raw(mut self) -> Cli {
        self.expected.raw = true;
        self
    }

    /// Another text that must be in neither output, like the token.
    pub fn secret(mut self, secret: &str) -> Cli {
        self.expected.secret = Some(secret.to_owned());
        self
    }

    /// Runs to the end and checks all expectations.
    #[track_caller]
    pub fn run(mut self) -> Output {
        let stdin = self.stdin.take().unwrap_or_default();
        let mut running = self.start();
        running.write_stdin(&stdin);
        running.finish()
    }

    /// Starts the run; standard input stays open.
    #[track_caller]
    pub fn start(self) -> Running {
        let program = program();
        let mut command = match &self.script {
            None => Command::new(program),
            Some(script) => {
                let mut shell = Command::new(self.interpreter);
                shell.arg("-c").arg(script).arg(program);
                shell
            }
        };
        command
            .args(&self.args)
            .env_clear()
            .env("HOME", self.home.path())
            .envs(&self.env)
            .current_dir(self.dir())
            .stdin(self.stdin_from.unwrap_or_else(Stdio::piped))
            .stdout(self.stdout.unwrap_or_else(Stdio::piped))
            .stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        // Without SystemRoot no socket can be created. The user's directories are those of Unix.
        #[cfg(windows)]
        command
            .envs(std::env::var_os("SystemRoot").map(|root| ("SystemRoot", root)))
            .env("APPDATA", self.home.path().join(".config"))
            .env("LOCALAPPDATA", self.home.path().join(".local/state"));
        let line = self.args.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
        Running::start(command, line, self.expected, self.home)
    }
}

/// A file to which every write fails, as on a full disk. Only Linux has one.
#[cfg(target_os = "linux")]
pub fn full_disk() -> std::fs::File {
    std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full")
}

/// The program.
pub fn program() -> &'static Path {
    assert_cmd::cargo::cargo_bin!("greenavatar")
}

/// A pipe whose reader is closed.
pub fn closed_pipe() -> std::io::PipeWriter {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer
}
