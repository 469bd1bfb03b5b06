//! The program's command line, run in a directory and an environment of its own.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};

use tempfile::TempDir;

use super::expected::{End, Expected};
use super::running::{Running, Said};
use super::server::Server;
use super::{INSTANCE, TOKEN};

/// A command line with its surroundings and what is expected of it.
#[must_use = "nothing happens before run() or start()"]
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

/// Makes SIGINT and SIGTERM what they always are in every program that is started, even if the tests themselves were
/// started with them ignored, as in the background of a shell: a signal that is caught here is not ignored there.
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
        Cli::new()
            .env("GREEN_API_URL", url)
            .env("GREEN_API_ID_INSTANCE", INSTANCE)
            .env("GREEN_API_TOKEN_INSTANCE", TOKEN)
    }

    /// `request` for these arguments, on a server.
    pub fn request<I: IntoIterator<Item: AsRef<OsStr>>>(server: &Server, args: I) -> Cli {
        Cli::on(server).arg("request").args(args)
    }

    /// The same program in the same directory and environment, with nothing typed and nothing claimed yet.
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

    /// Where the program runs.
    pub fn dir(&self) -> PathBuf {
        self.home.path().join("work")
    }

    /// A file, relative to where the program runs, that only its owner can read.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Cli {
        let path = self.dir().join(name);
        std::fs::create_dir_all(path.parent().expect("a file has a directory")).expect("a directory");
        std::fs::write(&path, content).expect("a file");
        self.mode(name, 0o600)
    }

    /// The permission bits of a file. Windows has none.
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

    /// Standard input comes from elsewhere.
    pub fn stdin_from(mut self, stdin: impl Into<Stdio>) -> Cli {
        self.stdin_from = Some(stdin.into());
        self
    }

    /// A shell runs this instead, with the program as `$0` and the arguments as `"$@"`.
    #[cfg(unix)]
    pub fn shell(self, script: &str) -> Cli {
        self.script("/bin/sh", script)
    }

    /// The same in a shell of one's choice.
    #[cfg(unix)]
    pub fn script(mut self, interpreter: &'static str, script: &str) -> Cli {
        self.interpreter = interpreter;
        self.script = Some(script.to_owned());
        self
    }

    /// Standard output goes elsewhere: to a full disk, to a pipe without a reader.
    pub fn stdout_to(mut self, stdout: impl Into<Stdio>) -> Cli {
        self.stdout = Some(stdout.into());
        self
    }

    /// The exit status; 0 where nothing is said.
    pub fn exits(mut self, status: u8) -> Cli {
        self.expected.end = End::Exit(status.into());
        self
    }

    /// Death by a signal.
    #[cfg(unix)]
    pub fn dies(mut self, signal: i32) -> Cli {
        self.expected.end = End::Signal(signal);
        self
    }

    /// It runs until [`Running::stop`].
    pub fn until_stopped(self) -> Cli {
        #[cfg(unix)]
        return self.dies(15);
        #[cfg(windows)]
        return self.ends_somehow();
    }

    /// However it ends: for runs that are killed at any moment.
    pub fn ends_somehow(mut self) -> Cli {
        self.expected.end = End::Any;
        self
    }

    /// All of standard output, `elapsedMs` written as `_`.
    pub fn stdout(mut self, text: impl Into<String>) -> Cli {
        self.expected.stdout.exact = Some(text.into());
        self
    }

    /// All of standard error.
    pub fn stderr(mut self, text: impl Into<String>) -> Cli {
        self.expected.stderr.exact = Some(text.into());
        self
    }

    /// A part of standard output; the test looks at the rest itself or has no claim on it.
    pub fn stdout_has(mut self, part: impl Into<String>) -> Cli {
        self.expected.stdout.parts.push(part.into());
        self
    }

    /// A part of standard error; the test has no claim on the rest.
    pub fn stderr_has(mut self, part: impl Into<String>) -> Cli {
        self.expected.stderr.parts.push(part.into());
        self
    }

    /// Standard output is looked at by the test itself.
    pub fn any_stdout(mut self) -> Cli {
        self.expected.stdout.any = true;
        self
    }

    /// Standard error is looked at by the test itself.
    pub fn any_stderr(mut self) -> Cli {
        self.expected.stderr.any = true;
        self
    }

    /// Control characters are wanted: colours.
    pub fn raw(mut self) -> Cli {
        self.expected.raw = true;
        self
    }

    /// Another text that must stay out of both outputs, as the token must.
    pub fn secret(mut self, secret: &str) -> Cli {
        self.expected.secret = Some(secret.to_owned());
        self
    }

    /// Runs to the end and checks everything that was claimed.
    #[track_caller]
    pub fn run(mut self) -> Said {
        let stdin = self.stdin.take().unwrap_or_default();
        let mut running = self.start();
        running.type_in(&stdin);
        running.finish()
    }

    /// Starts it; standard input stays open.
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
        // Without SystemRoot no socket can be created. The user's directories are where they are on Unix.
        #[cfg(windows)]
        command
            .envs(std::env::var_os("SystemRoot").map(|root| ("SystemRoot", root)))
            .env("APPDATA", self.home.path().join(".config"))
            .env("LOCALAPPDATA", self.home.path().join(".local/state"));
        let line = self.args.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
        Running::start(command, line, self.expected, self.home)
    }
}

/// A file that every write fails on, as on a full disk. Only Linux has one.
#[cfg(target_os = "linux")]
pub fn full_disk() -> std::fs::File {
    std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full")
}

/// The program.
pub fn program() -> &'static Path {
    assert_cmd::cargo::cargo_bin!("greenavatar")
}

/// A pipe whose reader is gone.
pub fn closed_pipe() -> std::io::PipeWriter {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer
}
