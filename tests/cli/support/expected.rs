//! What is expected of a run. An output of which a test says nothing must be empty, and no output may hold a secret.

use std::process::{ExitStatus, Output};

use assert_cmd::assert::OutputAssertExt;
use predicates::str::contains;

use super::{TOKEN, system};

/// What is expected.
pub struct Expected {
    /// The exit status, negative for a signal; `None` if it is not checked.
    pub end: Option<i32>,
    pub stdout: Text,
    pub stderr: Text,
    /// Whether control characters are allowed.
    pub raw: bool,
    /// Another text that must be in neither output, like the token.
    pub secret: Option<String>,
}

impl Default for Expected {
    /// Status 0 and empty outputs.
    fn default() -> Expected {
        Expected { end: Some(0), stdout: Text::default(), stderr: Text::default(), raw: false, secret: None }
    }
}

/// What is expected of one output.
#[derive(Default)]
pub struct Text {
    pub exact: Option<String>,
    pub parts: Vec<String>,
    /// Whether the test checks the output itself.
    pub any: bool,
}

impl Text {
    /// The whole text; empty if nothing is expected, `None` if only parts are known.
    fn all(&self) -> Option<String> {
        match &self.exact {
            Some(exact) => Some(exact.clone()),
            None if self.any || !self.parts.is_empty() => None,
            None => Some(String::new()),
        }
    }
}

impl Expected {
    /// Panics with `command` and both outputs if the run is not as expected.
    #[track_caller]
    pub fn check(&self, status: ExitStatus, stdout: &str, stderr: &str, command: &str) {
        for (name, text) in [("stdout", stdout), ("stderr", stderr)] {
            let secrets = [Some(TOKEN), self.secret.as_deref()];
            for secret in secrets.into_iter().flatten() {
                let shown = text.to_lowercase().contains(&secret.to_lowercase());
                assert!(!shown, "the secret {secret:?} is in {name} of {command}:\n{text}");
            }
            if !self.raw {
                let raw = text.chars().find(|&c| is_unsafe(c));
                assert_eq!(raw, None, "a raw control character is in {name} of {command}:\n{text:?}");
            }
        }
        let output = Output { status, stdout: stdout.into(), stderr: stderr.into() };
        let mut assert = output.assert().append_context("command", command.to_owned());
        if let Some(end) = self.end {
            assert_eq!(system::end_of(status), end, "the end of the run (negative: a signal)\n{assert}");
        }
        for part in &self.stdout.parts {
            assert = assert.stdout(contains(part.as_str()));
        }
        for part in &self.stderr.parts {
            assert = assert.stderr(contains(part.as_str()));
        }
        if let Some(exact) = self.stdout.all() {
            assert = assert.stdout(exact);
        }
        if let Some(exact) = self.stderr.all() {
            assert.stderr(exact);
        }
    }
}

/// Whether a terminal acts on the character, or a reader cannot see it. Tabs and line ends are allowed.
fn is_unsafe(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
