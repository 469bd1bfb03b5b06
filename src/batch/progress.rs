//! The bar on a terminal: done of total, rate, failures, time left. Nothing of it in a pipe.

use std::fmt::Write;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::report::Report;

/// A bar on standard error, where one is wanted: on a terminal, for more than one chat, unless quiet.
/// `count` says how many chats there are, and is asked only then.
pub fn bar(report: &Report, count: impl FnOnce() -> Option<u64>) -> Option<ProgressBar> {
    if report.is_quiet() || !std::io::stderr().is_terminal() {
        return None;
    }
    let total = count();
    if total.is_some_and(|total| total < 2) {
        return None;
    }
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(8));
    let template = match total {
        Some(_) => "{wide_bar} {pos}/{len} {per_sec} {msg} {eta} left",
        None => "{pos} done {per_sec} {msg} {elapsed}",
    };
    let style = ProgressStyle::with_template(template).expect("a template of ours");
    let style = style.with_key("per_sec", |state: &ProgressState, to: &mut dyn Write| {
        let _ = write!(to, "{:.1}/s", state.per_sec());
    });
    // Plain characters: a terminal need not know Unicode.
    bar.set_style(style.progress_chars("=> "));
    report.attach_bar(bar.clone());
    Some(bar)
}
