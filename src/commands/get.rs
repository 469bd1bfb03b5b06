//! `get`: asks with getAvatar, gets the answer at once, and saves the picture where that is asked for.
//!
//! Here is what may be typed and what it comes to; what is done about each chat stands in `get/job.rs`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use crate::batch::pace;
use crate::commands::Context;
use crate::commands::chats::Chats;
use crate::greenapi::client::Client;
use crate::http::{Agent, Options};
use crate::output::{Output, Unwritten};
use crate::picture::avatar_url::AllowedHost;
use crate::picture::show::Canvas;
use crate::picture::{Destination, Rules};
use crate::report::Color;
use crate::settings::Error;

mod job;
use job::{After, GetJob, Repeats};

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

/// Ask for avatars and get the answer at once (getAvatar); save the pictures
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
    let mut job = GetJob::new(&client, rules, after, repeats, report)?;
    if args.chats.journal.is_none() && matches!(after, After::Nothing) {
        job = job.together();
    }
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

#[cfg(test)]
mod tests;
