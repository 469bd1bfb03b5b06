//! `request`: asks with getAvatarAsync and tells whether GREEN-API took the request.

use crate::batch::list::{Entry, List};
use crate::batch::pool::Job;
use crate::chat_id::ChatId;
use crate::commands::Context;
use crate::commands::chats::Chats;
use crate::failure::{EXIT_SOME_FAILED, Failure, Kind};
use crate::greenapi::client::{Client, Instance, chat_body};
use crate::http::{self, Agent};
use crate::output::Unwritten;
use crate::record::{Record, Status};
use crate::settings::Error;

const EXAMPLES: &str = "\
Examples:
  greenavatar request 11001234567@c.us 120363043968066561@g.us
  greenavatar request - --journal done.ndjson < contacts.txt
  greenavatar request --dry-run 11001234567@c.us
  greenavatar --sandbox request 11001234466@c.us   see a quota error and its exit status

GREEN-API answers this method with nothing but its status; the avatar comes later as a
notification, if it comes: GREEN-API marks the method \"not used\".";

/// What `request` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Args {
    #[command(flatten)]
    chats: Chats,
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
        let list = List::open(origins, args.chats.rule(), None)?;
        return dry_run(list, &settings.instance, context, &args.chats);
    }
    let open = args.chats.open(origins, "request", &settings.instance.id, true)?;
    let plan = args.chats.plan(settings.retries);
    let agent = Agent::new(&http::Options { connections: plan.concurrency, ..settings.http.clone() });
    let client = Client::new(&settings.instance, agent, settings.http.timeout, context.report);
    Ok(args.chats.carry_out(open, plan, &Request { client }, None, context.output, context)?)
}

struct Request<'a> {
    client: Client<'a>,
}

impl Job for Request<'_> {
    fn attempt(&self, chat: &ChatId, _: bool) -> Result<Record, Failure> {
        let status = self.client.request_avatar(chat)?;
        Ok(Record { http_status: Some(status), ..Record::new(chat.as_str(), Status::Accepted) })
    }
}

/// Prints a curl command for each chat. The token stays a variable, for the shell to fill in.
fn dry_run(mut list: List, instance: &Instance, context: &Context<'_>, args: &Chats) -> Result<u8, Error> {
    let mut failed = false;
    while let Some(entry) = list.take()? {
        match entry {
            Entry::Chat(chat) => {
                let command = format!(
                    "curl -sS -X POST -H 'Content-Type: application/json' -d '{}' \"{}/waInstance{}/getAvatarAsync/$GREEN_API_TOKEN_INSTANCE\"\n",
                    chat_body(&chat),
                    instance.api_url,
                    instance.id
                );
                match context.output.write(command.as_bytes()) {
                    Ok(()) => {}
                    Err(Unwritten::PipeClosed) => return Ok(0),
                    Err(Unwritten::Failed(failure)) => return Err(failure.into()),
                }
            }
            Entry::Invalid { shown, why, .. } => {
                failed = true;
                let mut failure = Failure::new(Kind::InvalidChatId, why.message);
                failure.hint = why.hint;
                if context.report.is_json() {
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
