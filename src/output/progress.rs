//! What a person at a terminal sees while a run goes on: the bar of a list, and what is waited for.

use std::fmt;
use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use console::Term;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};

use crate::platform;
use crate::text::sanitize;
use crate::token::Masked;

/// Shorter waits are not shown.
const SHORT: Duration = Duration::from_secs(1);
/// How often the line is drawn, so that seconds are counted down.
const TICK: Duration = Duration::from_millis(200);

/// The line on standard error that is drawn again and again.
#[derive(Debug, Default)]
pub struct Progress {
    /// `false`: nothing is shown.
    is_on: bool,
    line: Mutex<Option<Line>>,
    waits: Arc<Mutex<Vec<Arc<Waiting>>>>,
}

#[derive(Clone, Debug)]
struct Line {
    bar: ProgressBar,
    /// Whether it is the bar of a list, which stays until the run ends.
    is_list: bool,
}

#[derive(Debug)]
struct Waiting {
    began: Instant,
    until: Option<Instant>,
    /// `{}` is the time that is left.
    text: String,
}

impl Waiting {
    fn is_long(&self) -> bool {
        self.began.elapsed() >= SHORT || self.until.is_some_and(|until| until > self.began + SHORT)
    }

    fn text(&self) -> String {
        let left = self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        self.text.replace("{}", &format!("{} s", left.as_secs_f64().ceil()))
    }
}

/// Something that is waited for, until it is dropped.
#[must_use = "the wait ends when it is dropped"]
#[derive(Debug)]
pub struct Wait(Option<(Arc<Progress>, Arc<Waiting>)>);

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some((progress, ended)) = &self.0 {
            lock(&progress.waits).retain(|wait| !Arc::ptr_eq(wait, ended));
            progress.clear_if(|line| !line.is_list && lock(&progress.waits).is_empty());
        }
    }
}

impl Progress {
    /// Shows something only if standard error is a terminal, and standard output not a pipe: its reader may write to
    /// the same terminal.
    pub fn new(is_wanted: bool) -> Progress {
        let is_terminal = io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let is_on = is_wanted && is_terminal && !platform::stdout_is_pipe();
        Progress { is_on, ..Progress::default() }
    }

    /// Shows the bar of a list: done of total, rate, failures, time left. Only for more than one chat; `count` is not
    /// called if nothing is shown.
    pub fn start_bar(&self, count: impl FnOnce() -> Option<u64>) {
        let total = if self.is_on { count() } else { Some(0) };
        if total.is_some_and(|total| total < 2) {
            return;
        }
        let template = match total {
            Some(_) => "{bar:40} {pos}/{len} {per_sec} {msg} {left}  {wait}",
            None => "{pos} done {per_sec} {msg} {elapsed}  {wait}",
        };
        self.show(total, template, true);
    }

    /// Adds chats that are done to the bar of a list, if there is one. `failures`: how many have failed so far.
    pub fn advance(&self, chats: u64, failures: u64) {
        if let Some(Line { bar, is_list: true }) = &*lock(&self.line) {
            bar.inc(chats);
            if failures > 0 {
                bar.set_message(format!("{failures} failed"));
            }
        }
    }

    /// Shows what is waited for, unless the wait is short. `{}` in the text is the time left.
    pub fn wait(self: &Arc<Progress>, text: impl Into<String>, until: Option<Instant>) -> Wait {
        if !self.is_on {
            return Wait(None);
        }
        let waiting = Arc::new(Waiting { began: Instant::now(), until, text: text.into() });
        lock(&self.waits).push(Arc::clone(&waiting));
        let line = lock(&self.line).clone();
        line.map_or_else(|| self.show(None, "{wait}", false), |line| line.bar).tick();
        Wait(Some((Arc::clone(self), waiting)))
    }

    pub fn clear(&self) {
        self.clear_if(|_| true);
    }

    /// Calls `write` with the line removed from the screen.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        // The lock is not held during the write: a stalled standard output must not hold up errors.
        let line = lock(&self.line).clone();
        match line {
            Some(line) => line.bar.suspend(write),
            None => write(),
        }
    }

    fn show(&self, total: Option<u64>, template: &str, is_list: bool) -> ProgressBar {
        self.clear();
        let bar = ProgressBar::with_draw_target(
            total,
            ProgressDrawTarget::term_like_with_hz(Box::new(Unfilled(Term::buffered_stderr())), 8),
        );
        let style = ProgressStyle::with_template(template).expect("a template of ours");
        let style = style.with_key("per_sec", |state: &ProgressState, to: &mut dyn fmt::Write| {
            let _ = write!(to, "{:.1}/s", state.per_sec());
        });
        let style = style.with_key("left", |state: &ProgressState, to: &mut dyn fmt::Write| {
            let left = state.eta();
            let _ = if left.is_zero() { Ok(()) } else { write!(to, "{:#} left", HumanDuration(left)) };
        });
        let waits = Arc::clone(&self.waits);
        let style = style.with_key("wait", move |_: &ProgressState, to: &mut dyn fmt::Write| {
            let text = lock(&waits).iter().rfind(|wait| wait.is_long()).map(|wait| wait.text());
            let _ = to.write_str(Masked::new(sanitize(&text.unwrap_or_default())).as_str());
        });
        // ASCII, as not every terminal shows Unicode.
        bar.set_style(style.progress_chars("=> "));
        bar.enable_steady_tick(TICK);
        *lock(&self.line) = Some(Line { bar: bar.clone(), is_list });
        bar
    }

    fn clear_if(&self, is_over: impl FnOnce(&Line) -> bool) {
        let line = lock(&self.line).take_if(|line| is_over(line));
        if let Some(line) = line {
            line.bar.finish_and_clear();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}

/// A terminal that leaves out the spaces with which each line is filled to the terminal's width, up to 65,535 columns:
/// a `^C` that is typed stays on the line, and is removed with it.
#[derive(Debug)]
struct Unfilled(Term);

impl TermLike for Unfilled {
    fn width(&self) -> u16 {
        self.0.width()
    }

    fn height(&self) -> u16 {
        self.0.height()
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        if text.trim_matches(' ').is_empty() { Ok(()) } else { self.0.write_str(text) }
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}
