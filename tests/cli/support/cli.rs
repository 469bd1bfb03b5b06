//! A command line of the program, run in its own temporary directory and environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use super::expected::Expected;
use super::running::{Output, Running};
use super::server::Server;
use super::{INSTANCE, TOKEN, system};

/// A command line, its directory and environment, and what is expected of the run.
#[must_use = "nothing runs before run() or start()"]
pub struct Cli {
    /// A shell and a script to run instead of the program.
    pub script: Option<(&'static str, String)>,
    args: Vec<OsString>,
    env: BTreeMap<OsString, OsString>,
    home: Arc<TempDir>,
    stdin: Option<Vec<u8>>,
    stdin_from: Option<Stdio>,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
    expected: Expected,
}

impl Cli {
    /// The program without any settings.
    pub fn new() -> Cli {
        let home = tempfile::Builder::new().prefix("greenavatar-test").tempdir().expect("a temporary directory");
        std::fs::create_dir(home.path().join("here")).expect("a directory");
        Cli::in_home(Arc::new(home), BTreeMap::new()).env("PATH", "/usr/local/bin:/usr/bin:/bin")
    }

    fn in_home(home: Arc<TempDir>, env: BTreeMap<OsString, OsString>) -> Cli {
        Cli {
            script: None,
            args: Vec::new(),
            env,
            home,
            stdin: None,
            stdin_from: None,
            stdout: None,
            stderr: None,
            expected: Expected::default(),
        }
    }

    /// The program with the credentials of the server's instance in the environment.
    pub fn on(server: &Server) -> Cli {
        Cli::at(&server.url())
    }

    /// The program with an API URL and the credentials of all tests in the environment.
    pub fn at(url: &str) -> Cli {
        Cli::new().credentials(url)
    }

    /// The program with the credentials of [`start_sandbox`] in the environment.
    pub fn at_sandbox(address: SocketAddr) -> Cli {
        Cli::at(&format!("http://{address}")).env("GREEN_API_TOKEN_INSTANCE", SANDBOX_TOKEN)
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
        Cli::in_home(Arc::clone(&self.home), self.env.clone())
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
        self.home.path().join("here")
    }

    /// Writes a file that only its owner can read. The name is relative to the program's directory.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Cli {
        let path = self.dir().join(name);
        std::fs::create_dir_all(path.parent().expect("a file has a directory")).expect("a directory");
        std::fs::write(&path, content).expect("a file");
        system::make_private(&path);
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

    /// Standard output is this file or pipe.
    pub fn stdout_to(mut self, stdout: impl Into<Stdio>) -> Cli {
        self.stdout = Some(stdout.into());
        self
    }

    /// Standard error is this file or pipe.
    pub fn stderr_to(mut self, stderr: impl Into<Stdio>) -> Cli {
        self.stderr = Some(stderr.into());
        self
    }

    /// The exit status; 0 unless this is called.
    pub fn exits(self, status: u8) -> Cli {
        self.ends(Some(status.into()))
    }

    /// The process runs until [`Running::stop`].
    pub fn until_stopped(self) -> Cli {
        self.ends(system::STOPPED)
    }

    /// Any exit status or signal: for runs that are killed at any moment.
    pub fn any_status(self) -> Cli {
        self.ends(None)
    }

    /// The exit status, negative for a signal; `None` if it is not checked.
    pub fn ends(mut self, end: Option<i32>) -> Cli {
        self.expected.end = end;
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
            Some((interpreter, script)) => {
                let mut shell = Command::new(interpreter);
                shell.arg("-c").arg(script).arg(program);
                shell
            }
        };
        command
            .args(&self.args)
            .env_clear()
            .envs(&self.env)
            .current_dir(self.dir())
            .stdin(self.stdin_from.unwrap_or_else(Stdio::piped))
            .stdout(self.stdout.unwrap_or_else(Stdio::piped))
            .stderr(self.stderr.unwrap_or_else(Stdio::piped));
        system::prepare(&mut command, self.home.path());
        let line = self.args.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
        Running::start(command, line, self.expected, self.home)
    }
}

/// The token of [`start_sandbox`]. Not that of all tests, because the sandbox prints it.
pub const SANDBOX_TOKEN: &str = "sandbox-token-1";

/// The program's sandbox as a server, with these options. Returns its address, too.
#[track_caller]
pub fn start_sandbox(options: &[&str]) -> (Running, SocketAddr) {
    let args = ["sandbox", "--bind", "127.0.0.1:0", "--id-instance", INSTANCE, "--api-token-instance", SANDBOX_TOKEN];
    let running = Cli::new().args(args).args(options).any_stdout().any_stderr().until_stopped().start();
    let (_, address) = running.wait_for_sandbox();
    (running, address)
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
