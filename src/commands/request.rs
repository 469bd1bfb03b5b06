//! `request`: asks with getAvatarAsync and reports whether GREEN-API accepted the request; with `--wait`, its result.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::batch::input::Input;
use crate::batch::job::{Attempt, Job, RunHandle};
use crate::batch::workers;
use crate::batch::writer::{RunConfig, RunContext};
use crate::chat_id::ChatId;
use crate::cli::RequestArgs;
use crate::commands::Context;
use crate::commands::chats::check_stdin;
use crate::failure::{Error, Failure};
use crate::greenapi::client::Client;
use crate::record::{Record, Status};
use crate::results::lock::Lock;
use crate::results::queue::Queue;
use crate::results::require_lines;
use crate::results::spool::Spool;
use crate::results::wait::Collector;
use crate::shutdown::StopFlag;

pub fn run(args: &RequestArgs, context: &Context<'_>) -> Result<u8, Error> {
    if args.save.dir.is_some() && args.wait.is_none() {
        return Err(Error::Usage("--dir needs --wait; `greenavatar get` saves pictures at once".into()));
    }
    let mut sources = args.chats.sources(context.flags)?;
    args.chats.check_files(&sources, &[("spool", args.spool.as_deref())])?;
    let session = context.open()?;
    let settings = &session.settings;
    let mut config = args.chats.run_config(settings.retries);
    let client = session.client(config.concurrency, context);
    let stop = StopFlag::default();
    if args.dry_run {
        check_stdin(&sources, settings)?;
        let list = Input::open(sources, args.chats.rule(settings)?, None)?;
        config = RunConfig { rate: 0.0, concurrency: 1, has_summary: false, ..config };
        let job = DryRun { client, cacert: context.flags.cacert.as_deref() };
        let no_lines = context.output.without_lines();
        return workers::run(list, &job, None, config, RunContext { output: &no_lines, journal: None, stop: &stop });
    }
    let saver = session.saver(&args.save, config.concurrency, context)?;
    config.saved_to = args.save.dir.clone();
    args.chats.add_contacts(&mut sources, &client, settings, &stop, context)?;
    let pictures = saver.as_ref().map(|saver| &saver.pictures);
    let (list, journal, requested) = args.chats.open(sources, "request", settings, args.wait.is_none(), pictures)?;
    let run_context = RunContext { output: context.output, journal: journal.as_ref(), stop: &stop };
    let Some(wait) = args.wait else {
        let job = Request { client, has_accepted: AtomicBool::new(false) };
        let result = workers::run(list, &job, None, config, run_context);
        if job.has_accepted.into_inner() && io::stderr().is_terminal() {
            context.output.note(LATER);
        }
        return result;
    };
    if journal.is_none() {
        require_lines(context.output)?;
    }
    // Waits for the pending chats of an earlier run, too.
    let is_own = |chat: &ChatId| args.chats.chats.first().is_some_and(|own| own == chat.as_str());
    config.is_single &= requested.iter().all(|requested| is_own(&requested.chat));
    let lock = Lock::acquire(&settings.instance)?;
    let spool = args.spool.as_deref().map(Spool::open).transpose()?;
    let poll = session.poll_client(context);
    let queue = Queue::new(&poll, &client, settings.retries, spool, lock, &stop, context.output);
    let collector = Collector::new(&client, &poll, queue, wait, args.fallback, &requested, saver);
    workers::check_threads()?;
    collector.look_first()?;
    workers::run(list, &collector, Some(&collector), config, run_context)
}

const LATER: &str =
    "the picture is available later: --wait or `greenavatar receive` collects it, `greenavatar get` answers at once";

/// Requests without collecting the results.
struct Request<'a> {
    client: Client<'a>,
    /// Whether a request was accepted.
    has_accepted: AtomicBool,
}

impl Job for Request<'_> {
    fn attempt(&self, chat: &ChatId, _: Attempt) -> Result<Record, Failure> {
        let status = self.client.request_avatar(chat)?;
        self.has_accepted.store(true, Ordering::Relaxed);
        Ok(Record { http_status: Some(status), ..Record::new(chat.as_str(), Status::Accepted) })
    }
}

/// Prints the curl command for each chat, and sends nothing.
struct DryRun<'a> {
    client: Client<'a>,
    cacert: Option<&'a Path>,
}

impl Job for DryRun<'_> {
    fn attempt(&self, chat: &ChatId, _: Attempt) -> Result<Record, Failure> {
        Ok(Record::new(chat.as_str(), Status::Accepted))
    }

    fn after_response(&self, chat: &ChatId, _: Record, run: &RunHandle<'_>) -> Result<Option<Record>, Failure> {
        run.print_text(self.client.as_curl(chat, self.cacert));
        Ok(None)
    }
}
