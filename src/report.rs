//! Standard error: errors, warnings, notes, what went over the wire, and the progress bar's line.
//!
//! One place writes there, so that the token is masked in all of it and the bar is never torn. Text that
//! came from a server was escaped where it came in; what is shown of the wire is escaped here.

use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, OnceLock};

use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::json;

use crate::escape::{escape, escape_json};
use crate::failure::{Failure, Kind};
use crate::record::ErrorBody;
use crate::token::Token;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless NO_COLOR or TERM=dumb says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether a stream is coloured.
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

/// A note or a warning, as JSON.
#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

/// How much is said on standard error, and in which form.
#[derive(Debug, Default)]
pub struct Report {
    json: bool,
    quiet: bool,
    verbose: bool,
    color: bool,
    token: OnceLock<Token>,
    bar: Mutex<Option<ProgressBar>>,
    hinted: Mutex<HashSet<Kind>>,
}

impl Report {
    /// A report in the form that the flags `--json`, `-q`, `-v` and `--color` ask for.
    pub fn new(json: bool, quiet: bool, verbose: bool, color: Color) -> Report {
        Report { json, quiet, verbose, color: color.applies_to(&std::io::stderr()), ..Report::default() }
    }

    /// From here on the token is masked in everything. The first one counts: a run has one instance.
    pub fn mask(&self, token: &Token) {
        let _ = self.token.set(token.clone());
    }

    /// Whether lines are JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether only errors are said.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// A bar that lines are written around, until [`Report::clear_bar`].
    pub fn attach_bar(&self, bar: ProgressBar) {
        *self.bar.lock().expect("no holder of this lock panics") = Some(bar);
    }

    /// Does something that writes to `stream`, with the bar out of the way meanwhile if that is a terminal, too.
    pub fn around_bar<T>(&self, stream: &impl IsTerminal, work: impl FnOnce() -> T) -> T {
        // Not held meanwhile: who does not read standard output silences no error.
        let bar = self.bar.lock().expect("no holder of this lock panics").clone();
        match bar.filter(|_| stream.is_terminal()) {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }

    /// Takes the bar off the screen.
    pub fn clear_bar(&self) {
        if let Some(bar) = self.bar.lock().expect("no holder of this lock panics").take() {
            bar.finish_and_clear();
        }
    }

    /// What went over the wire, under `-v` alone.
    pub fn wire(&self, line: impl FnOnce() -> String) {
        if self.verbose {
            self.write(escape(&line()));
        }
    }

    /// Something worth knowing.
    pub fn note(&self, message: &str) {
        if !self.quiet {
            self.message("note", "36", message, None);
        }
    }

    /// Something that will go wrong sooner or later, and the way out.
    pub fn warn(&self, message: &str, hint: &str) {
        if !self.quiet {
            self.message("warning", "33", message, Some(hint));
        }
    }

    /// A failure that is not about one chat. With `--json` an object.
    pub fn failure(&self, failure: &Failure) {
        if self.json {
            self.object("error", &ErrorBody::from(failure));
        } else {
            self.write(self.story(None, failure));
        }
    }

    /// The failure of the only chat of a run: with its causes. With `--json` its line says all, and nothing comes here.
    pub fn chat_failure(&self, chat: &str, failure: &Failure) {
        if !self.json {
            self.write(self.story(Some(chat), failure));
        }
    }

    /// The failure of one chat of many: one line, and a hint once for each kind.
    pub fn chat_failure_in_list(&self, chat: &str, failure: &Failure) {
        if self.json {
            return;
        }
        let mut text = format!("{} {}: {}", self.label("error", "31"), escape(chat), failure.message());
        if let Some(hint) = &failure.hint
            && self.hinted.lock().expect("no holder of this lock panics").insert(failure.kind)
        {
            text.push_str(&format!("\n  hint: {hint}"));
        }
        self.write(text);
    }

    /// The closing tally: words and numbers, in order.
    pub fn tally(&self, counts: &[(&str, &str, Option<u64>)]) {
        if self.quiet {
            return;
        }
        if self.json {
            let object: serde_json::Map<_, _> =
                counts.iter().map(|(key, _, n)| ((*key).to_owned(), json!(n))).collect();
            self.write(json!({ "tally": object }).to_string());
            return;
        }
        let parts: Vec<_> = counts
            .iter()
            .filter(|(_, _, n)| *n != Some(0))
            .map(|(_, words, n)| n.map_or_else(|| format!("the rest {words}"), |n| format!("{n} {words}")))
            .collect();
        let parts = if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") };
        self.write(format!("greenavatar: {parts}"));
    }

    fn story(&self, chat: Option<&str>, failure: &Failure) -> String {
        let mut links = failure.links();
        let what = links.next().unwrap_or_default();
        let about = chat.map(|chat| format!("{}: ", escape(chat))).unwrap_or_default();
        let mut text = format!("{} {about}{what}", self.label("error", "31"));
        for cause in links {
            text.push_str(&format!("\n  caused by: {cause}"));
        }
        if let Some(hint) = &failure.hint {
            text.push_str(&format!("\n  hint: {hint}"));
        }
        text
    }

    fn message(&self, word: &str, color: &str, message: &str, hint: Option<&str>) {
        if self.json {
            self.object(word, &Message { message, hint });
        } else {
            let hint = hint.map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
            self.write(format!("{} {message}{hint}", self.label(word, color)));
        }
    }

    fn object(&self, word: &str, body: &impl Serialize) {
        let body = serde_json::to_string(body).expect("texts and numbers have a form");
        self.write(escape_json(format!("{{\"{word}\":{body}}}")));
    }

    fn label(&self, word: &str, color: &str) -> String {
        if self.color {
            format!("greenavatar: \u{1b}[1;{color}m{word}:\u{1b}[0m")
        } else {
            format!("greenavatar: {word}:")
        }
    }

    /// Writes whole lines at once. Standard error that cannot be written leaves nobody to tell.
    fn write(&self, text: String) {
        let mut text = match self.token.get() {
            Some(token) => token.mask(text),
            None => text,
        };
        text.push('\n');
        self.around_bar(&std::io::stderr(), || {
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
        });
    }
}
