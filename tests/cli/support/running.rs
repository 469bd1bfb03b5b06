//! A running program: its output so far, and its end in bounded time.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::expected::Expected;
use super::{LIMIT, system};

/// A program that runs.
#[must_use = "its outputs are checked by finish()"]
pub struct Running {
    pub child: Child,
    line: String,
    stdin: Option<ChildStdin>,
    stdout: Option<Reader>,
    stderr: Option<Reader>,
    began: Instant,
    expected: Expected,
    home: Arc<TempDir>,
}

impl Running {
    /// Starts a command. Failures name it as `line`. Its directory `home` is kept until the end.
    pub fn start(mut command: Command, line: String, expected: Expected, home: Arc<TempDir>) -> Running {
        let began = Instant::now();
        let mut child = command.spawn().expect("the program starts");
        let stdout = child.stdout.take().map(Reader::start);
        let stderr = child.stderr.take().map(Reader::start);
        Running { stdin: child.stdin.take(), child, line, stdout, stderr, began, expected, home }
    }

    /// Writes to its standard input. An error is ignored: the program may have stopped reading.
    pub fn write_stdin(&mut self, text: impl AsRef<[u8]>) {
        if let Some(stdin) = &mut self.stdin {
            let _ = stdin.write_all(text.as_ref()).and_then(|()| stdin.flush());
        }
    }

    /// Waits until this number of lines is on standard output.
    #[track_caller]
    pub fn wait_for_lines(&self, lines: usize) {
        self.stdout.as_ref().expect("a pipe").wait(|text| text.iter().filter(|&&b| b == b'\n').count() >= lines);
    }

    /// Waits until standard error holds a text, and gives all that is there.
    #[track_caller]
    pub fn wait_for_stderr(&self, part: &str) -> String {
        let stderr = self.stderr.as_ref().expect("a pipe");
        stderr.wait(|text| String::from_utf8_lossy(text).contains(part));
        String::from_utf8_lossy(&stderr.text.0.lock().expect("a lock")).into_owned()
    }

    /// Standard output so far.
    pub fn stdout_so_far(&self) -> String {
        let text = self.stdout.as_ref().expect("a pipe").text.0.lock().expect("a lock").clone();
        String::from_utf8(text).expect("standard output is UTF-8")
    }

    /// Waits until a sandbox has printed its settings. Returns these lines and the address.
    #[track_caller]
    pub fn wait_for_sandbox(&self) -> (String, SocketAddr) {
        self.wait_for_lines(3);
        let lines = self.stdout_so_far();
        let url = lines.split_once("http://").expect("a URL").1;
        let address = url.split(['\'', '\n']).next().and_then(|address| address.parse().ok());
        (lines, address.expect("an address"))
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Ends the run by SIGTERM, as a service manager does. On Windows, which has no such signal, it is killed.
    #[track_caller]
    pub fn stop(mut self) -> Output {
        system::stop(&mut self.child);
        self.finish()
    }

    /// Kills the process.
    #[track_caller]
    pub fn kill(mut self) -> Output {
        // It may have ended already.
        let _ = self.child.kill();
        self.finish()
    }

    /// Closes its standard input, waits for its end and checks all expectations.
    #[track_caller]
    pub fn finish(mut self) -> Output {
        drop(self.stdin.take());
        let waiting_since = Instant::now();
        while self.is_running() {
            if waiting_since.elapsed() > LIMIT {
                let _ = self.child.kill();
                let _ = self.child.wait();
                let (stdout, stderr) = self.outputs();
                panic!("`greenavatar {}` did not end\nstdout: {stdout}\nstderr: {stderr}", self.line);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let took = self.began.elapsed();
        let status = self.child.wait().expect("a child");
        let (stdout, stderr) = self.outputs();
        let context = format!("`greenavatar {}` after {took:?}", self.line);
        self.expected.check(status, &stdout, &stderr, &context);
        Output { stdout, stderr, took, home: Arc::clone(&self.home) }
    }

    fn outputs(&mut self) -> (String, String) {
        let read = |reader: &mut Option<Reader>| reader.take().map(Reader::end).unwrap_or_default();
        let stdout = system::with_slashes(without_times(&read(&mut self.stdout)));
        (stdout, system::with_slashes(read(&mut self.stderr)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_running() {
            system::kill_all(&mut self.child);
            let _ = self.child.wait();
        }
    }
}

/// The outputs of a run that has ended, with `_` as the value of `elapsedMs`.
pub struct Output {
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
    home: Arc<TempDir>,
}

impl Output {
    /// The content of a file; the name is relative to the program's directory.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.home.path().join("here").join(name)).expect(name)
    }

    /// Whether only the owner can read the file.
    #[track_caller]
    pub fn is_private(&self, name: &str) -> bool {
        system::is_private(&self.path(name))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join("here").join(name)
    }
}

/// Reads a pipe in a thread.
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
        assert!(!waited.timed_out(), "not in the output in time: {:?}", String::from_utf8_lossy(&text));
    }

    fn end(self) -> String {
        let began = Instant::now();
        while !self.thread.is_finished() {
            assert!(began.elapsed() < LIMIT, "a child of the program still holds its output");
            std::thread::sleep(Duration::from_millis(1));
        }
        self.thread.join().expect("a reader");
        let text = std::mem::take(&mut *self.text.0.lock().expect("a lock"));
        String::from_utf8(text).expect("the output is UTF-8")
    }
}

/// Replaces the value of each `elapsedMs` by `_`.
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
