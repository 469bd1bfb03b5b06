//! `get`: asks with getAvatar, gets the answer at once, and saves the picture where that is asked for.
//!
//! What is asked of one chat stands here, for the workers of a list to carry out: the request, and what follows an
//! answer. Pace, repeated requests and lines are theirs; what may be downloaded is the picture room's.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::batch::job::{Job, Turn};
use crate::batch::pace;
use crate::chat_id::ChatId;
use crate::commands::Context;
use crate::commands::chats::Chats;
use crate::failure::Failure;
use crate::greenapi::client::Client;
use crate::http::{Agent, Options};
use crate::interrupt;
use crate::output::{Output, Unwritten};
use crate::picture::avatar_url::{self, AllowedHost};
use crate::picture::show::Canvas;
use crate::picture::{Destination, Pictures, Rules, Saved, Unsaved};
use crate::record::{Record, Status};
use crate::report::{Color, Report};
use crate::settings::Error;

/// What follows the flags in `get --help`.
pub const HELP: &str = "\
Examples:
  greenavatar get 11001234567@c.us
  greenavatar get 11001234567@c.us -o picture.jpg
  greenavatar get 11001234567@c.us --show
  greenavatar get --from contacts.txt --dir avatars --if-changed --json

Verdicts:
  found        there is an avatar, and this is its URL
  none         the account has no avatar
  hidden       its privacy settings hide the avatar
  no-account   GREEN-API knows no such account; older instances also said so
               of accounts that merely have no avatar

The method is getAvatar. Pictures come by https from *.whatsapp.net alone, have 5 MiB at most
and are JPEG, PNG or WebP. A picture's URL opens it for whoever holds it, until it ends.";

/// What `get` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    #[command(flatten)]
    chats: Chats,
    #[command(flatten)]
    pictures: PictureArgs,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context<'_>) -> Result<u8, Error> {
    let Context { output, report, .. } = *context;
    args.pictures.check(args.chats.is_single()).map_err(|wrong| Error::Usage(wrong.into()))?;
    let origins = args.chats.origins(context.flags)?;
    let session = context.open()?;
    let settings = &session.settings;
    let after = args.pictures.after(output, report.is_json());
    let mut plan = args.chats.plan(settings.retries);
    if matches!(after, After::Draw(..)) {
        // Each picture is drawn just above its line.
        plan.concurrency = 1;
    }
    let http = Options { connections: plan.concurrency, ..settings.http.clone() };
    // Lines of text do not show digests.
    let digests = report.is_json() || args.chats.journal.is_some();
    let rules = args.pictures.rules(&http, context.flags.sandbox, after).map(|rules| Rules { digests, ..rules });
    let client = Client::new(&settings.instance, Agent::new(&http), http.timeout, report);
    let repeats =
        Repeats { most: settings.retries, pause: |failed, asked| pace::delay(failed, asked, fastrand::f64()) };
    let job = GetJob::new(&client, rules, after, repeats, report)?;
    let open = args.chats.open(origins, "get", settings, true)?;
    if !args.pictures.is_stdout() {
        return Ok(args.chats.carry_out(open, plan, &job, context)?);
    }
    // The picture alone goes to standard output, and the line nowhere.
    let no_lines = Output::new(false, true, Color::Never);
    let exit = args.chats.carry_out(open, plan, &job, &Context { output: &no_lines, ..*context })?;
    match job.picture().map_or(Ok(()), |picture| output.write(&picture)) {
        Ok(()) | Err(Unwritten::PipeClosed) => Ok(exit),
        Err(Unwritten::Failed(failure)) => Err(failure.into()),
    }
}

impl Job for GetJob<'_> {
    fn attempt(&self, chat: &ChatId, _: Turn) -> Result<Record, Failure> {
        GetJob::attempt(self, chat)
    }

    fn finish(
        &self,
        chat: &ChatId,
        record: Record,
        again: &dyn Fn(&ChatId) -> Result<Record, Failure>,
    ) -> Result<Option<Record>, Failure> {
        GetJob::finish(self, chat, record, again).map(Some)
    }

    fn secure(&self) -> Result<(), Failure> {
        self.pictures.as_ref().map_or(Ok(()), Pictures::secure)
    }
}

/// What `get` takes beside what all lists take.
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("destination").args(["output", "dir"]))]
pub struct PictureArgs {
    /// Save the picture of the one chat as FILE; - writes the picture alone to standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Save pictures in DIR as <chatId>.jpg, .png or .webp; it is made if need be
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Leave a file untouched that holds the same picture already; JSON says `changed`
    #[arg(long, requires = "destination")]
    pub if_changed: bool,
    /// Also follow URLs to HOST; an address may be private, and a loopback one needs no https
    #[arg(long, value_name = "HOST", value_parser = AllowedHost::parse)]
    pub allow_host: Vec<AllowedHost>,
    /// Draw the pictures, where standard output is a terminal
    #[arg(long)]
    pub show: bool,
}

/// What becomes of a saved picture beside its file.
#[derive(Clone, Copy, Debug)]
pub enum After<'a> {
    /// Nothing.
    Nothing,
    /// It is kept for standard output, until the run is over.
    Keep,
    /// It is drawn there, above its line; `None`: the terminal cannot.
    Draw(&'a Output, Option<Canvas>),
}

impl PictureArgs {
    /// What becomes of a saved picture beside its file.
    ///
    /// A picture is drawn where standard output is a terminal that lines of text go to, and nowhere else.
    pub fn after<'a>(&self, output: &'a Output, is_json: bool) -> After<'a> {
        if self.is_stdout() {
            return After::Keep;
        }
        let canvas = || Canvas::of(&|name| std::env::var(name).ok());
        match self.show && !is_json && std::io::stdout().is_terminal() {
            true => After::Draw(output, canvas()),
            false => After::Nothing,
        }
    }

    /// Whether the picture goes to standard output, so that nothing else may.
    pub fn is_stdout(&self) -> bool {
        self.output.as_deref() == Some(Path::new("-"))
    }

    /// What clap cannot check: a usage error.
    pub fn check(&self, is_single: bool) -> Result<(), &'static str> {
        if self.output.is_some() && !is_single {
            return Err("--output takes the picture of exactly one chat; --dir takes those of many");
        }
        if self.is_stdout() && self.if_changed {
            return Err("--if-changed needs a file to compare with");
        }
        Ok(())
    }

    /// What is followed and where it goes; `None` where no picture is to be saved.
    ///
    /// The sandbox's pictures are on this machine, and no proxy stands before them.
    pub fn rules(&self, http: &Options, is_sandbox: bool, after: After<'_>) -> Option<Rules> {
        let destination = match (&self.output, &self.dir) {
            (Some(_), _) if self.is_stdout() => Destination::Memory,
            (Some(file), _) => Destination::File(file.clone()),
            (None, Some(dir)) => Destination::Dir(dir.clone()),
            (None, None) if matches!(after, After::Draw(..)) => Destination::Memory,
            (None, None) => return None,
        };
        let mut allowed = self.allow_host.clone();
        if is_sandbox {
            allowed.push(AllowedHost::parse("127.0.0.1").expect("an address"));
        }
        let environment: crate::picture::Environment =
            if is_sandbox { Box::new(|_| None) } else { Box::new(|name| std::env::var(name).ok()) };
        let http = http.clone();
        Some(Rules { destination, if_changed: self.if_changed, digests: true, allowed, http, environment })
    }
}

/// How often a download that may go well later is repeated, and how long after it failed so many times.
#[derive(Clone, Copy, Debug)]
pub struct Repeats {
    /// Zero: never.
    pub most: u32,
    /// The pause after the n-th failure, counted from 1, where so long a one was asked for.
    pub pause: fn(u32, Option<Duration>) -> Duration,
}

/// What is done about each chat. Shared by all workers.
#[derive(Debug)]
pub struct GetJob<'a> {
    client: &'a Client<'a>,
    pictures: Option<Pictures<'a>>,
    after: After<'a>,
    kept: Mutex<Option<Vec<u8>>>,
    repeats: Repeats,
    report: &'a Report,
}

impl<'a> GetJob<'a> {
    /// A job that saves pictures where there are rules for it. Fails where nothing could be written.
    pub fn new(
        client: &'a Client<'a>,
        rules: Option<Rules>,
        after: After<'a>,
        repeats: Repeats,
        report: &'a Report,
    ) -> Result<GetJob<'a>, Failure> {
        let pictures = rules.map(|rules| Pictures::new(rules, report)).transpose()?;
        Ok(GetJob { client, pictures, after, kept: Mutex::default(), repeats, report })
    }

    /// One request: getAvatar.
    pub fn attempt(&self, chat: &ChatId) -> Result<Record, Failure> {
        let mut record = self.client.get_avatar(chat)?.record(chat);
        avatar_url::annotate(&mut record);
        Ok(record)
    }

    /// What follows an answer: the download. A URL that has ended is asked for anew once, by `again`, and is one
    /// more request to GREEN-API.
    pub fn finish(
        &self,
        chat: &ChatId,
        record: Record,
        again: &dyn Fn(&ChatId) -> Result<Record, Failure>,
    ) -> Result<Record, Failure> {
        let Some(pictures) = &self.pictures else { return Ok(record) };
        let saved = match self.save(pictures, chat, record) {
            Err(unsaved) if unsaved.is_url_spent => self.save(pictures, chat, again(chat)?),
            result => result,
        };
        saved.map_err(|unsaved| unsaved.failure)
    }

    /// The picture for standard output, once the run is over.
    pub fn picture(&self) -> Option<Vec<u8>> {
        self.kept.lock().expect("no holder of this lock panics").take()
    }

    fn save(&self, pictures: &Pictures<'_>, chat: &ChatId, mut record: Record) -> Result<Record, Unsaved> {
        let Some(url) = record.url_avatar.as_deref().filter(|_| record.status == Status::Found) else {
            if matches!(self.after, After::Keep) {
                self.report.note(&format!("{chat}: {}, so there is no picture", record.status.word()));
            }
            return Ok(record);
        };
        let mut failed = 0;
        let mut saved = loop {
            match pictures.save(chat, url) {
                Err(unsaved) if unsaved.failure.is_retried() && failed < self.repeats.most => {
                    failed += 1;
                    let pause = (self.repeats.pause)(failed, unsaved.failure.retry_after);
                    if !interrupt::sleep_until(Instant::now() + pause) {
                        return Err(unsaved);
                    }
                }
                result => break result?,
            }
        };
        match self.after {
            After::Nothing => {}
            After::Keep => *self.kept.lock().expect("no holder of this lock panics") = saved.picture.take(),
            After::Draw(output, canvas) => self.draw(output, canvas, chat, &saved)?,
        }
        saved.annotate(&mut record);
        Ok(record)
    }

    fn draw(&self, output: &Output, canvas: Option<Canvas>, chat: &ChatId, saved: &Saved) -> Result<(), Failure> {
        let read = saved.file.as_ref().and_then(|file| std::fs::read(file).ok());
        let drawn = canvas.zip(saved.picture.as_deref().or(read.as_deref()));
        match drawn.and_then(|(canvas, picture)| canvas.draw(picture)) {
            Some(drawn) => match self.report.around_bar(&std::io::stdout(), || output.write(&drawn)) {
                Err(Unwritten::Failed(failure)) => Err(failure),
                // The line that follows finds the same, and ends the run.
                Ok(()) | Err(Unwritten::PipeClosed) => Ok(()),
            },
            None => {
                self.report.note(&format!("{chat}: this terminal cannot show the picture; -o FILE saves it"));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
