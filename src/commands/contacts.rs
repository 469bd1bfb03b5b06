//! `contacts`: prints the contacts of the account, or those in CSV and vCard files, as a list of chat ids with names.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::batch::feed::Feed;
use crate::chat_id::ChatId;
use crate::cli::contacts::ContactsArgs;
use crate::commands::chats::stdin_named_twice;
use crate::commands::files::Files;
use crate::commands::{Context, show_reading};
use crate::contacts::{self, account};
use crate::failure::{EXIT_SOME_FAILED, Error, Failure, Kind};
use crate::greenapi::contacts::List;
use crate::output::Output;
use crate::recent::Deduplicator;
use crate::shutdown::{self, StopFlag};
use crate::text::sanitize_json;
use crate::token::Masked;

/// Lines are written in pieces of this size.
const CHUNK: usize = 16 * 1024;

pub fn run(args: &ContactsArgs, context: &Context<'_>) -> Result<u8, Error> {
    let mut printer = Printer { output: context.output, text: String::new(), left: args.limit, error: None };
    let exit = match args.from.is_empty() {
        true => list(args, context, &mut printer).map(|()| 0),
        false => convert(args, &mut printer),
    };
    // Also prints what was read before a failure.
    printer.flush();
    match printer.error {
        None => exit,
        Some(error) => Err(error),
    }
}

/// Prints the contacts of the account.
fn list(args: &ContactsArgs, context: &Context<'_>, printer: &mut Printer<'_>) -> Result<(), Error> {
    let session = context.open()?;
    let client = session.client(1, context);
    let groups = (args.people || args.groups).then_some(args.groups);
    let list = List { is_recent: args.recent, groups };
    let (retries, stop) = (session.settings.retries, StopFlag::default());
    account::fetch(&client, list, retries, &stop, context.output, &mut |chat| printer.print(&chat).is_continue())?;
    Ok(())
}

/// Prints the contacts in files. A file that cannot be read is reported, and the others are read.
fn convert(args: &ContactsArgs, printer: &mut Printer<'_>) -> Result<u8, Error> {
    let is_stdin = |path: &PathBuf| path == Path::new("-");
    if args.from.iter().filter(|path| is_stdin(path)).count() > 1 {
        return Err(stdin_named_twice());
    }
    let mut files = Files::of_streams(args.from.iter().any(is_stdin))?;
    for path in args.from.iter().filter(|path| !is_stdin(path)) {
        files.add("file", path, false)?;
    }
    let output = printer.output;
    let (mut unreadable, mut has_failed) = (0, false);
    let mut recent = Deduplicator::default();
    let mut hinted = HashSet::new();
    for path in &args.from {
        let mut read = || {
            let mut feed = if is_stdin(path) { Feed::stdin()? } else { Feed::open(path)? };
            let name = feed.name.clone();
            let _wait = show_reading(path, output);
            let summary =
                contacts::read(&mut feed, args.country_code.as_deref(), &mut |line, contact| match contact {
                    Ok(chat) if recent.insert(&chat.key()) => printer.print(&chat),
                    Ok(_) => ControlFlow::Continue(()),
                    Err(mut failure) => {
                        has_failed = true;
                        printer.flush();
                        // In text, each hint is printed once; with --json, every object has its hint.
                        if !output.is_json() {
                            failure.hint = failure.hint.filter(|hint| hinted.insert(hint.clone()));
                        }
                        output.line_failure(&name, line, &failure);
                        ControlFlow::Continue(())
                    }
                })?;
            if summary.has_bad_utf8 {
                output.warn(&format!("{name} has names that are not UTF-8"), "save the file as UTF-8");
            }
            match summary.without_number {
                0 => {}
                1 => output.note(&format!("{name}: 1 entry without a number")),
                count => output.note(&format!("{name}: {count} entries without a number")),
            }
            Ok::<_, Failure>(())
        };
        if let Err(failure) = read() {
            printer.flush();
            output.failure(&failure);
            unreadable += 1;
        }
        // Reading the next file may take long.
        printer.flush();
        if printer.is_done() || shutdown::signal().is_some() {
            break;
        }
    }
    Ok(match (unreadable, has_failed) {
        (0, false) => 0,
        (unreadable, false) if unreadable == args.from.len() => Kind::InputUnreadable.exit(),
        _ => EXIT_SOME_FAILED,
    })
}

/// Prints contacts in large pieces.
struct Printer<'a> {
    output: &'a Output,
    text: String,
    /// Number of lines that may still be printed; `None`: no limit.
    left: Option<u64>,
    error: Option<Error>,
}

impl Printer<'_> {
    /// Prints a contact. Breaks when the limit is reached or printing failed.
    fn print(&mut self, chat: &ChatId) -> ControlFlow<()> {
        self.left = self.left.map(|left| left.saturating_sub(1));
        if self.output.is_silent() {
            return self.wants_more();
        }
        let name = chat.name().and_then(contacts::clean_name).unwrap_or_default();
        if self.output.is_json() {
            let kind = if chat.is_group() { "group" } else { "user" };
            let line = format!(r#"{{"chatId":"{chat}","name":{},"type":"{kind}"}}"#, Value::from(&*name));
            self.text.push_str(&sanitize_json(line));
        } else {
            self.text.push_str(chat.as_str());
            if !name.is_empty() {
                self.text.push('\t');
                self.text.push_str(&name);
            }
        }
        self.text.push('\n');
        if self.text.len() > CHUNK {
            self.flush();
        }
        self.wants_more()
    }

    fn wants_more(&self) -> ControlFlow<()> {
        if self.is_done() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn is_done(&self) -> bool {
        self.left == Some(0) || self.error.is_some()
    }

    fn flush(&mut self) {
        if self.error.is_none() {
            let text = std::mem::take(&mut self.text);
            self.error = self.output.write(&Masked::new(text)).err();
        }
    }
}
