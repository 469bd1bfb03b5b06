//! `request`: asks with getAvatarAsync and tells whether GREEN-API took the request.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::batch::input::Input;
use crate::batch::job::{Attempt, Job, RunHandle};
use crate::batch::writer::RunConfig;
use crate::chat_id::ChatId;
use crate::commands::Context;
use crate::commands::chats::{Chats, OpenList, check_stdin};
use crate::duration::parse_timeout;
use crate::failure::Failure;
use crate::greenapi::client::Client;
use crate::output::{Options, Output};
use crate::record::{Record, Status};
use crate::results::lock::Lock;
use crate::results::queue::{Clients, Queue};
use crate::results::require_lines;
use crate::results::spool::Spool;
use crate::results::wait::Collector;
use crate::settings::Error;
use crate::shutdown::StopFlag;

const EXAMPLES: &str = "\
Examples:
  greenavatar request 11001234567@c.us 120363043968066561@g.us
  greenavatar request - --journal done.ndjson < contacts.txt
  greenavatar request --wait --fallback 11001234567@c.us
  greenavatar request --dry-run 11001234567@c.us
  greenavatar --sandbox request 11001234466@c.us   rehearse a quota error

GREEN-API answers this method with its status alone. The avatar comes later,
as a notification, if it comes: GREEN-API marks the method \"not used\" and the
notification \"temporarily not working\". --wait takes it off the queue, and
--fallback asks with getAvatar for what has not come, as `greenavatar get`
does for everything.";

/// Ask asynchronously for avatars (getAvatarAsync)
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    chats: Chats,
    /// Wait for the results, each for so long after its request [default: 2m]
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout, num_args = 0..=1, require_equals = true, default_missing_value = "2m")]
    wait: Option<Duration>,
    /// Append other programs' notifications to FILE, one a line, and delete them
    #[arg(long, value_name = "FILE", requires = "wait")]
    spool: Option<PathBuf>,
    /// Ask with getAvatar for what has no result when its wait is over
    #[arg(long, requires = "wait")]
    fallback: bool,
    /// Print the curl commands that do the same, and send nothing
    #[arg(long, conflicts_with = "contacts")]
    dry_run: bool,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context<'_>) -> Result<u8, Error> {
    let mut origins = args.chats.origins(context.flags)?;
    args.chats.check_files(&origins, &[("spool", args.spool.as_deref())])?;
    let session = context.open()?;
    let settings = &session.settings;
    let mut config = args.chats.run_config(settings.retries);
    let client = session.client(config.concurrency, context);
    let stop = StopFlag::default();
    if args.dry_run {
        check_stdin(&origins, settings)?;
        let list = Input::open(origins, args.chats.rule(settings)?, None)?;
        let open = OpenList { list, journal: None, requested: Vec::new() };
        config = RunConfig { rate: 0.0, concurrency: 1, has_summary: false, ..config };
        let no_lines = Output::new(Options { quiet: true, ..Options::default() });
        return open.run(
            config,
            &DryRun { client, cacert: context.flags.cacert.as_deref() },
            None,
            &stop,
            &no_lines,
            context,
        );
    }
    args.chats.add_contacts(&mut origins, &client, settings, &stop, context)?;
    let open = args.chats.open(origins, "request", settings, args.wait.is_none())?;
    let Some(wait) = args.wait else {
        return open.run(config, &Request { client }, None, &stop, context.output, context);
    };
    if open.journal.is_none() {
        require_lines(context.output)?;
    }
    // Chats of an earlier run are waited for, too.
    let is_own = |chat: &ChatId| args.chats.chats.first().is_some_and(|own| own == chat.as_str());
    config.is_single &= open.requested.iter().all(|requested| is_own(&requested.chat));
    let lock = Lock::acquire(&settings.instance.api_url, &settings.instance.id)?;
    let spool = args.spool.as_deref().map(Spool::open).transpose()?;
    let poll = session.poll_client(context);
    let clients = Clients { poll: &poll, delete: &client };
    let queue = Queue::new(clients, settings.retries, spool, lock, &stop, context.report);
    let collector = Collector::new(&client, clients, queue, wait, args.fallback, &open.requested);
    collector.look_first()?;
    open.run(config, &collector, Some(&collector), &stop, context.output, context)
}

/// Requests without collecting the results.
struct Request<'a> {
    client: Client<'a>,
}

impl Job for Request<'_> {
    fn attempt(&self, chat: &ChatId, _: Attempt) -> Result<Record, Failure> {
        let status = self.client.request_avatar(chat)?;
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
