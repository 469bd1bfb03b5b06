//! The program, run in a directory and an environment of its own, and what it must say.
//!
//! Both outputs are compared: what a test does not claim must be empty. Besides, every run must end in
//! bounded time, print the token nowhere, and write no control or bidirectional character.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use assert_cmd::assert::OutputAssertExt;
use predicates::str::contains;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use super::server::Server;
use super::{INSTANCE, TOKEN};

/// No run of any test takes longer.
const LIMIT: Duration = Duration::from_secs(15);

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

#[derive(Default)]
struct Expected {
    end: End,
    stdout: Claims,
    stderr: Claims,
    raw: bool,
    secret: Option<String>,
}

enum End {
    Exit(i32),
    Signal(i32),
    Any,
}

impl Default for End {
    fn default() -> End {
        End::Exit(0)
    }
}

#[derive(Default)]
struct Claims {
    exact: Option<String>,
    parts: Vec<String>,
    any: bool,
}

impl Cli {
    /// The program without any settings.
    pub fn new() -> Cli {
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

    /// A file, relative to where the program runs, that its owner alone can read.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Cli {
        let path = self.dir().join(name);
        std::fs::create_dir_all(path.parent().expect("a file has a directory")).expect("a directory");
        std::fs::write(&path, content).expect("a file");
        self.mode(name, 0o600)
    }

    pub fn mode(self, name: &str, mode: u32) -> Cli {
        std::fs::set_permissions(self.dir().join(name), std::fs::Permissions::from_mode(mode)).expect("a file");
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
    pub fn shell(self, script: &str) -> Cli {
        self.script("/bin/sh", script)
    }

    /// The same in a shell of one's choice.
    pub fn script(mut self, interpreter: &'static str, script: &str) -> Cli {
        self.interpreter = interpreter;
        self.script = Some(script.to_owned());
        self
    }

    /// Standard output goes elsewhere: to a full disk, to a pipe that nobody reads.
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
    pub fn dies(mut self, signal: i32) -> Cli {
        self.expected.end = End::Signal(signal);
        self
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
        let program = assert_cmd::cargo::cargo_bin!("greenavatar");
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
            .process_group(0)
            .stdin(self.stdin_from.unwrap_or_else(Stdio::piped))
            .stdout(self.stdout.unwrap_or_else(Stdio::piped))
            .stderr(Stdio::piped());
        let line = self.args.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let began = Instant::now();
        let mut child = command.spawn().expect("the program starts");
        let stdout = child.stdout.take().map(Reader::start);
        let stderr = child.stderr.take().map(Reader::start);
        Running {
            stdin: child.stdin.take(),
            child,
            line,
            stdout,
            stderr,
            began,
            expected: self.expected,
            home: self.home,
        }
    }
}

/// What a run said, with `elapsedMs` written as `_`.
pub struct Said {
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
    home: Arc<TempDir>,
}

impl Said {
    /// A file's content, relative to where the program ran.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.home.path().join("work").join(name)).expect(name)
    }

    /// The permission bits of a file.
    pub fn mode(&self, name: &str) -> u32 {
        self.path(name).metadata().expect(name).permissions().mode() & 0o777
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join("work").join(name)
    }
}

/// A program that runs.
#[must_use = "what it says is checked by finish()"]
pub struct Running {
    child: Child,
    line: String,
    stdin: Option<ChildStdin>,
    stdout: Option<Reader>,
    stderr: Option<Reader>,
    began: Instant,
    expected: Expected,
    home: Arc<TempDir>,
}

impl Running {
    /// Writes to its standard input; that it may have stopped reading is no concern of ours.
    pub fn type_in(&mut self, text: impl AsRef<[u8]>) {
        if let Some(stdin) = &mut self.stdin {
            let _ = stdin.write_all(text.as_ref()).and_then(|()| stdin.flush());
        }
    }

    /// Waits until so many lines have come out.
    #[track_caller]
    pub fn wait_for_lines(&self, lines: usize) {
        self.stdout.as_ref().expect("a pipe").wait(|text| text.iter().filter(|&&b| b == b'\n').count() >= lines);
    }

    /// Waits until standard output holds a text.
    #[track_caller]
    pub fn wait_for_text(&self, part: &str) {
        self.stdout.as_ref().expect("a pipe").wait(|text| String::from_utf8_lossy(text).contains(part));
    }

    /// Waits until standard error holds a text, and gives all that is there.
    #[track_caller]
    pub fn wait_for_word(&self, part: &str) -> String {
        let stderr = self.stderr.as_ref().expect("a pipe");
        stderr.wait(|text| String::from_utf8_lossy(text).contains(part));
        String::from_utf8_lossy(&stderr.text.0.lock().expect("a lock")).into_owned()
    }

    /// What it has printed so far.
    pub fn stdout_so_far(&self) -> String {
        let text = self.stdout.as_ref().expect("a pipe").text.0.lock().expect("a lock").clone();
        String::from_utf8(text).expect("all that is printed is UTF-8")
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        // It may have ended meanwhile; then what it said tells.
        let _ = kill_process(pid, signal);
    }

    /// A signal for it and for all that it started, as a terminal's Ctrl-C.
    pub fn signal_all(&self, signal: Signal) {
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }

    /// Closes its standard input, waits for its end and checks everything that was claimed.
    #[track_caller]
    pub fn finish(mut self) -> Said {
        drop(self.stdin.take());
        while self.is_running() {
            if self.began.elapsed() > LIMIT {
                let _ = self.child.kill();
                let _ = self.child.wait();
                let (stdout, stderr) = self.said();
                panic!("`greenavatar {}` did not end\nstdout: {stdout}\nstderr: {stderr}", self.line);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let took = self.began.elapsed();
        let status = self.child.wait().expect("a child");
        let (stdout, stderr) = self.said();
        let context = format!("greenavatar {}", self.line);
        for (name, text) in [("stdout", &stdout), ("stderr", &stderr)] {
            let secrets = [Some(TOKEN), self.expected.secret.as_deref()];
            for secret in secrets.into_iter().flatten() {
                let shown = text.to_lowercase().contains(&secret.to_lowercase());
                assert!(!shown, "the secret {secret:?} is in {name} of `{context}`:\n{text}");
            }
            if !self.expected.raw {
                let raw = text.chars().find(|&c| is_unsafe(c));
                assert_eq!(raw, None, "a raw control character is in {name} of `{context}`:\n{text:?}");
            }
        }
        let output = Output { status, stdout: stdout.clone().into(), stderr: stderr.clone().into() };
        let assert = output.assert().append_context("command", context).append_context("took", format!("{took:?}"));
        let assert = match self.expected.end {
            End::Exit(status) => assert.code(status),
            End::Signal(signal) => {
                assert_eq!(status.signal(), Some(signal), "{assert}");
                assert
            }
            End::Any => assert,
        };
        let mut assert = assert;
        for part in &self.expected.stdout.parts {
            assert = assert.stdout(contains(part.as_str()));
        }
        for part in &self.expected.stderr.parts {
            assert = assert.stderr(contains(part.as_str()));
        }
        if let Some(exact) = self.expected.stdout.all() {
            assert = assert.stdout(exact);
        }
        if let Some(exact) = self.expected.stderr.all() {
            assert.stderr(exact);
        }
        Said { stdout, stderr, took, home: Arc::clone(&self.home) }
    }

    fn said(&mut self) -> (String, String) {
        let read = |reader: &mut Option<Reader>| reader.take().map(Reader::end).unwrap_or_default();
        (without_times(&read(&mut self.stdout)), read(&mut self.stderr))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_running() {
            self.signal_all(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

impl Claims {
    /// The whole text: what was said to be, nothing where nothing was said, `None` where only parts were.
    fn all(&self) -> Option<String> {
        match &self.exact {
            Some(exact) => Some(exact.clone()),
            None if self.any || !self.parts.is_empty() => None,
            None => Some(String::new()),
        }
    }
}

/// Reads a pipe as it comes.
struct Reader {
    text: Arc<(Mutex<Vec<u8>>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Reader {
    fn start(mut pipe: impl Read + Send + 'static) -> Reader {
        let text = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let shared = Arc::clone(&text);
        let thread = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(got @ 1..) = pipe.read(&mut piece) {
                shared.0.lock().expect("a lock").extend_from_slice(&piece[..got]);
                shared.1.notify_all();
            }
        });
        Reader { text, thread }
    }

    #[track_caller]
    fn wait(&self, is_there: impl Fn(&[u8]) -> bool) {
        let text = self.text.0.lock().expect("a lock");
        let (text, waited) = self.text.1.wait_timeout_while(text, LIMIT, |text| !is_there(text)).expect("a lock");
        assert!(!waited.timed_out(), "did not come; there is {:?}", String::from_utf8_lossy(&text));
    }

    fn end(self) -> String {
        let began = Instant::now();
        while !self.thread.is_finished() {
            assert!(began.elapsed() < LIMIT, "a process that it started still holds its output");
            std::thread::sleep(Duration::from_millis(1));
        }
        self.thread.join().expect("a reader");
        let text = std::mem::take(&mut *self.text.0.lock().expect("a lock"));
        String::from_utf8(text).expect("all that is printed is UTF-8")
    }
}

/// `"elapsedMs":41` is written `"elapsedMs":_`.
fn without_times(text: &str) -> String {
    const KEY: &str = "\"elapsedMs\":";
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(KEY) {
        let (head, tail) = rest.split_at(at + KEY.len());
        out.push_str(head);
        let digits = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        out.push_str(if digits > 0 { "_" } else { "" });
        rest = &tail[digits..];
    }
    out + rest
}

/// What a terminal or a reader acts on. A tab and a line's end are ours.
fn is_unsafe(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A file that every write fails on, as on a full disk.
pub fn full_disk() -> std::fs::File {
    std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full")
}

/// A pipe whose reader is gone.
pub fn closed_pipe() -> std::io::PipeWriter {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer
}
