//! `request`: asks with getAvatarAsync and tells whether GREEN-API took the request.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::batch::collect::Collector;
use crate::batch::job::{Floor, Job, Plan, Turn};
use crate::batch::list::{Entry, List, Taken};
use crate::batch::pace;
use crate::batch::sink::Sink;
use crate::chat_id::ChatId;
use crate::commands::Context;
use crate::commands::chats::{Chats, OpenList, check_stdin};
use crate::duration::parse_timeout;
use crate::failure::{EXIT_SOME_FAILED, Failure, Kind};
use crate::greenapi::client::{Client, Instance, chat_body};
use crate::http::{self, Agent};
use crate::interrupt;
use crate::output::Unwritten;
use crate::pictures::url;
use crate::record::{Record, Status};
use crate::results::lock::Lock;
use crate::results::queue::{CALL_TIMEOUT, Queue, Retries};
use crate::results::require_lines;
use crate::results::spool::Spool;
use crate::settings::{Error, Settings};

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
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context<'_>) -> Result<u8, Error> {
    let origins = args.chats.origins(context.flags)?;
    let session = context.open()?;
    let settings = &session.settings;
    if args.dry_run {
        check_stdin(&origins, settings)?;
        let list = List::open(origins, args.chats.rule(settings)?, None)?;
        return dry_run(list, &settings.instance, context, &args.chats);
    }
    let open = args.chats.open(origins, "request", settings, args.wait.is_none())?;
    let mut plan = args.chats.plan(settings.retries);
    // Other chats, that an earlier run asked about, are waited for, too.
    let is_own = |chat: &ChatId| args.chats.chats.first().is_some_and(|own| own == chat.as_str());
    plan.is_single &= open.asked.iter().all(|asked| is_own(&asked.chat));
    let agent = Agent::new(&http::Options { connections: plan.concurrency, ..settings.http.clone() });
    let client = Client::new(&settings.instance, agent, settings.http.timeout, context.report);
    let Some(wait) = args.wait else {
        let job = Request { client, collector: None, sink: None };
        return Ok(args.chats.carry_out(open, plan, &job, context)?);
    };
    args.collect(wait, open, plan, client, settings, context)
}

impl Args {
    /// `--wait`: collects the results beside the requests.
    fn collect(
        &self,
        wait: Duration,
        mut open: OpenList,
        plan: Plan,
        client: Client<'_>,
        settings: &Settings,
        context: &Context<'_>,
    ) -> Result<u8, Error> {
        if open.journal.is_none() {
            require_lines(context.output)?;
        }
        // Before anything waits: a signal must end the first look too.
        let _ = interrupt::install();
        let lock = Lock::acquire(&settings.instance.api_url, &settings.instance.id)?;
        let spool = self.spool.as_deref().map(Spool::open).transpose()?;
        let timeout = settings.http.timeout.max(CALL_TIMEOUT);
        let agent = Agent::new(&http::Options { timeout, connections: 1, ..settings.http.clone() });
        let queue_client = Client::new(&settings.instance, agent, timeout, context.report);
        let delay = |failed, asked| pace::delay(failed, asked, fastrand::f64());
        let queue = Queue::new(&queue_client, Retries { times: settings.retries, delay }, spool, lock);
        let collector = Collector::new(queue, wait, self.fallback, &std::mem::take(&mut open.asked));
        collector.look_first()?;
        let sink = Sink::new(context.output, context.report, open.journal.take());
        let job = Request { client, collector: Some(&collector), sink: Some(&sink) };
        Ok(self.chats.carry_out_to(&sink, open.list, plan, &job, Some(&collector), context)?)
    }
}

struct Request<'a> {
    client: Client<'a>,
    collector: Option<&'a Collector<'a>>,
    /// Where `--wait` remembers what was asked.
    sink: Option<&'a Sink<'a>>,
}

impl Job for Request<'_> {
    fn attempt(&self, chat: &ChatId, turn: Turn) -> Result<Record, Failure> {
        if turn == Turn::Second {
            let mut record = self.client.get_avatar(chat)?.record(chat);
            url::annotate(&mut record);
            record.method = Some("getAvatar");
            return Ok(record);
        }
        match (self.collector, turn) {
            // Before it is sent: the result may be faster than the answer.
            (Some(collector), Turn::First) => collector.asking(chat, Timestamp::now().as_second()),
            // What failed may have been taken all the same.
            (Some(collector), _) if collector.has_answered(chat) => {
                return Ok(Record::new(chat.as_str(), Status::Accepted));
            }
            _ => {}
        }
        let status = self.client.request_avatar(chat)?;
        Ok(Record { http_status: Some(status), ..Record::new(chat.as_str(), Status::Accepted) })
    }

    fn gave_up(&self, chat: &ChatId) -> bool {
        self.collector.is_none_or(|collector| collector.gave_up(chat))
    }

    fn finish(&self, chat: &ChatId, record: Record, _: &dyn Floor) -> Result<Option<Record>, Failure> {
        match (self.collector, self.sink) {
            (Some(collector), Some(sink)) if record.status == Status::Accepted => {
                // One that has its line already is not to be waited for by the next run.
                if !collector.has_answered(chat) {
                    sink.journal_only(&record);
                    collector.accepted(chat);
                }
                Ok(None)
            }
            _ => Ok(Some(record)),
        }
    }
}

/// Prints a curl command for each chat. The token stays a variable, for the shell to fill in.
fn dry_run(mut list: List, instance: &Instance, context: &Context<'_>, args: &Chats) -> Result<u8, Error> {
    let Instance { api_url, id, .. } = instance;
    let trust = context.flags.cacert.as_ref().map(|path| format!(" --cacert {}", quoted(path))).unwrap_or_default();
    let mut failed = false;
    while let Taken::Entry(entry) = list.take(None)? {
        match entry {
            Entry::Chat(chat) => {
                let body = chat_body(&chat);
                let command = format!(
                    "curl -sS{trust} -X POST -H 'Content-Type: application/json' -d '{body}' \
                     \"{api_url}/waInstance{id}/getAvatarAsync/$GREEN_API_TOKEN_INSTANCE\"\n"
                );
                match context.output.write(context.output.masked(command).as_bytes()) {
                    Ok(()) => {}
                    Err(Unwritten::PipeClosed) => return Ok(Kind::OutputFailed.exit()),
                    Err(Unwritten::Failed(failure)) => return Err(failure.into()),
                }
            }
            Entry::Invalid { shown, why, .. } => {
                failed = true;
                let mut failure = Failure::new(Kind::InvalidChatId, why.message);
                failure.hint = why.hint;
                if context.report.is_json() {
                    // No line says which one it was: standard output is for a shell.
                    failure.error = failure.error.context(shown);
                    context.report.failure(&failure);
                } else {
                    context.report.chat_failure(&shown, &failure);
                }
            }
        }
    }
    Ok(match (failed, args.is_single()) {
        (false, _) => 0,
        (true, true) => Kind::InvalidChatId.exit(),
        (true, false) => EXIT_SOME_FAILED,
    })
}

/// A path as a shell reads it back.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
