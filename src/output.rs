//! Both streams of the process: results on standard output, everything else on standard error.
//!
//! Nothing else writes to them, so that secrets are masked in all text ([`Masked`]), text from servers and files is
//! escaped in every message, and the progress bar is never torn.

mod progress;

use std::collections::HashSet;
use std::io::{self, IsTerminal, Write};
use std::iter;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

pub use self::progress::{Progress, Wait};
use crate::failure::{EXIT_USAGE, Error, ErrorBody, Failure, Kind};
use crate::platform::check_stdout;
use crate::text::{sanitize, sanitize_json};
use crate::token::Masked;

/// The pause before a stream in non-blocking mode that is full is tried again.
const FULL_PAUSE: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless NO_COLOR or TERM=dumb says otherwise.
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    pub fn applies_to(self, stream: &impl IsTerminal) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
                stream.is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// `--json`: one object a line, on both streams.
    pub json: bool,
    /// `-q`: errors only; result lines only with `--json`.
    pub quiet: bool,
    /// `-v`: requests and answers too.
    pub verbose: bool,
    pub no_progress: bool,
    pub color: Color,
}

fn unwritable(error: io::Error) -> Failure {
    Failure::new(Kind::OutputFailed, "standard output cannot be written").because(error)
}

fn write_error(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Error::BrokenPipe,
        _ => unwritable(error).into(),
    }
}

/// A note or a warning, as JSON.
#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

/// Both streams, in the form that the flags ask for.
#[derive(Debug, Default)]
pub struct Output {
    options: Options,
    /// Whether no result line is printed, whatever the options say.
    hides_lines: bool,
    hides_notes: bool,
    colors_stdout: bool,
    colors_stderr: bool,
    progress: Arc<Progress>,
    hinted: Mutex<HashSet<Kind>>,
}

impl Output {
    pub fn new(options: Options) -> Output {
        Output {
            options,
            progress: Arc::new(Progress::new(!options.quiet && !options.no_progress)),
            colors_stdout: !options.json && options.color.applies_to(&io::stdout()),
            colors_stderr: !options.json && options.color.applies_to(&io::stderr()),
            ..Output::default()
        }
    }

    /// The same streams without result lines, for a run whose standard output is something else.
    pub fn without_lines(&self) -> Output {
        Output { hides_lines: true, progress: Arc::clone(&self.progress), ..Output::new(self.options) }
    }

    /// The same streams without notes, for a run that prints nothing if nothing has changed.
    pub fn without_notes(&self) -> Output {
        Output { hides_notes: true, progress: Arc::clone(&self.progress), ..Output::new(self.options) }
    }

    /// Fails if nothing can be written to standard output, before anything is read or sent.
    pub fn check_stdout(&self) -> Result<(), Failure> {
        check_stdout().map_err(unwritable)
    }

    pub fn is_json(&self) -> bool {
        self.options.json
    }

    pub fn is_silent(&self) -> bool {
        self.hides_lines || (self.options.quiet && !self.options.json)
    }

    pub fn colors_lines(&self) -> bool {
        self.colors_stdout
    }

    /// Writes text to standard output and flushes it.
    pub fn write(&self, text: &Masked) -> Result<(), Error> {
        self.write_bytes(text.as_str().as_bytes())
    }

    /// Writes the last text of a run. If its reader is gone, all work is done nevertheless.
    pub fn write_last(&self, text: &Masked) -> Result<(), Error> {
        self.check_stdout()?;
        match self.write(text) {
            Err(Error::BrokenPipe) => Ok(()),
            result => result,
        }
    }

    /// Writes bytes, such as a picture, to standard output and flushes it.
    pub fn write_bytes(&self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.around_bar(&io::stdout(), || {
            // A stalled reader blocks the run until the cut-off at most, which ends the process.
            write_all(&mut io::stdout().lock(), bytes).map_err(write_error)
        })
    }

    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Shows on a terminal what is waited for, until the result is dropped. `{}` in the text is the time left.
    pub fn wait(&self, text: impl Into<String>, until: Option<Instant>) -> Wait {
        self.progress.wait(text, until)
    }

    /// Shows on a terminal that a failed call is repeated after a pause.
    pub fn wait_for_retry(&self, failure: &Failure, until: Instant) -> Wait {
        self.wait(format!("retrying in {{}}: {}", failure.kind.code().replace('-', " ")), Some(until))
    }

    /// Calls `write`, with the progress line removed if the stream is a terminal.
    fn around_bar<T>(&self, stream: &impl IsTerminal, write: impl FnOnce() -> T) -> T {
        if stream.is_terminal() { self.progress.suspend(write) } else { write() }
    }

    /// Under `-v`, prints what is sent or answered.
    pub fn wire(&self, line: impl FnOnce() -> String) {
        if self.options.verbose {
            self.write_stderr(sanitize(&line()));
        }
    }

    /// Prints something worth knowing.
    pub fn note(&self, message: &str) {
        if !self.hides_notes {
            self.message("note", message, None);
        }
    }

    /// Prints something that may go wrong later, and what to do about it.
    pub fn warn(&self, message: &str, hint: &str) {
        self.message("warning", message, Some(hint));
    }

    fn message(&self, word: &str, message: &str, hint: Option<&str>) {
        match (self.options.quiet, self.options.json) {
            (true, _) => {}
            (false, true) => self.object(word, &Message { message, hint }),
            (false, false) => self.text(word, [message.to_owned()], hint),
        }
    }

    /// Prints the error that ends the process and returns its exit status.
    pub fn print_final_error(&self, error: Error) -> u8 {
        match error {
            Error::Failure(failure) => {
                self.failure(&failure);
                failure.kind.exit()
            }
            Error::Usage(message) => {
                self.text("error", [message], Some("greenavatar --help lists commands and options"));
                EXIT_USAGE
            }
            Error::BrokenPipe => Kind::OutputFailed.exit(),
        }
    }

    /// Prints a failure that is not about one chat.
    pub fn failure(&self, failure: &Failure) {
        if self.options.json {
            self.object("error", &failure.body());
        } else {
            self.text("error", failure.causes(), failure.hint.as_deref());
        }
    }

    /// Prints the failure of a part of a file, with its line.
    pub fn line_failure(&self, file: &str, line: u64, failure: &Failure) {
        if self.options.json {
            let body = ErrorBody { file: Some(file.to_owned()), line: Some(line), ..failure.body() };
            self.object("error", &body);
        } else {
            self.failure_of(&format!("{file}:{line}"), failure);
        }
    }

    /// Prints the failure of the only chat of a run, with a line for each cause.
    pub fn chat_failure(&self, chat: &str, failure: &Failure) {
        if self.options.json {
            self.json_chat_failure(chat, failure);
        } else {
            self.failure_of(chat, failure);
        }
    }

    /// Prints the failure of one chat of many on one line, and a hint once for each kind.
    pub fn chat_failure_in_list(&self, chat: &str, failure: &Failure) {
        if self.options.json {
            return self.json_chat_failure(chat, failure);
        }
        let is_new = |_: &&str| self.hinted.lock().expect("no holder of this lock panics").insert(failure.kind);
        let hint = failure.hint.as_deref().filter(is_new);
        self.text("error", [format!("{chat}: {}", failure.message())], hint);
    }

    /// With `--json` the result line has the failure; if no lines are printed, it is an object.
    fn json_chat_failure(&self, chat: &str, failure: &Failure) {
        if self.hides_lines {
            let body = failure.body();
            self.object("error", &ErrorBody { message: format!("{chat}: {}", body.message), ..body });
        }
    }

    fn failure_of(&self, what: &str, failure: &Failure) {
        let mut causes = failure.causes();
        let message = format!("{what}: {}", causes.next().unwrap_or_default());
        self.text("error", iter::once(message).chain(causes), failure.hint.as_deref());
    }

    /// Prints the closing summary from keys, words and numbers in their order.
    pub fn tally(&self, counts: &[(&str, &str, u64)]) {
        let object: serde_json::Map<_, _> = counts.iter().map(|(key, _, n)| ((*key).to_owned(), json!(n))).collect();
        let parts = counts.iter().filter(|(_, _, n)| *n > 0).map(|(_, words, n)| format!("{n} {words}"));
        let text = parts.collect::<Vec<_>>().join(", ");
        self.summary(if text.is_empty() { "nothing to do".to_owned() } else { text }, &object.into());
    }

    /// Prints the closing summary: as text, or with `--json` as an object.
    pub fn summary(&self, text: String, tally: &serde_json::Value) {
        match (self.options.quiet, self.options.json) {
            (true, _) => {}
            (false, true) => self.object("tally", tally),
            (false, false) => self.write_stderr(format!("greenavatar: {}", sanitize(&text))),
        }
    }

    /// Prints a message with its causes and a hint, a line each.
    fn text(&self, word: &str, causes: impl IntoIterator<Item = String>, hint: Option<&str>) {
        let color = match word {
            "error" => 31,
            "warning" => 33,
            _ => 36,
        };
        let causes: Vec<_> = causes.into_iter().map(|cause| sanitize(&cause)).collect();
        let mut text = match self.colors_stderr {
            true => format!("greenavatar: \u{1b}[1;{color}m{word}:\u{1b}[0m "),
            false => format!("greenavatar: {word}: "),
        };
        text.push_str(&causes.join("\n  caused by: "));
        if let Some(hint) = hint {
            text.push_str(&format!("\n  hint: {}", sanitize(hint)));
        }
        self.write_stderr(text);
    }

    fn object(&self, key: &str, body: &impl Serialize) {
        let body = serde_json::to_string(body).expect("strings and numbers can be serialized");
        self.write_stderr(sanitize_json(format!("{{\"{key}\":{body}}}")));
    }

    /// Prints whole lines on standard error. An error is ignored: there is no place left to report it.
    pub fn write_stderr(&self, text: String) {
        let text = Masked::new(text + "\n");
        self.around_bar(&io::stderr(), || {
            let _ = write_all(&mut io::stderr().lock(), text.as_str().as_bytes());
        });
    }
}

/// Writes and flushes all bytes. If a stream in non-blocking mode is full, it waits.
fn write_all(stream: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    loop {
        let result = if bytes.is_empty() { stream.flush().map(|()| 0) } else { stream.write(bytes) };
        match result {
            Ok(0) if bytes.is_empty() => return Ok(()),
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(FULL_PAUSE),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
