//! `receive`: takes results off the instance's queue, each only after its line is out.

use std::path::PathBuf;
use std::time::Duration;

use crate::commands::Context;
use crate::commands::files::Files;
use crate::duration::parse_timeout;
use crate::results::lock::Lock;
use crate::results::queue::{Clients, Queue};
use crate::results::receive::{StopCondition, receive_loop};
use crate::results::spool::Spool;
use crate::results::{record, require_lines};
use crate::settings::Error;
use crate::shutdown::{self, StopFlag};

const EXAMPLES: &str = "\
Examples:
  greenavatar receive                       what is in the queue now
  greenavatar --json receive --idle 2m      until nothing came for 2 minutes
  greenavatar receive --follow --spool others.ndjson   until a signal comes

GREEN-API's methods: receiveNotification, deleteNotification. A notification
is deleted only after its line is written. One that is no AvatarInfo belongs
to another program: without --spool the run stops there and deletes nothing.
The queue keeps notifications for 24 hours.";

/// Take results off the instance's queue (receiveNotification, deleteNotification)
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Go on when the queue is empty, until a signal or --idle ends the run
    #[arg(long)]
    follow: bool,
    /// End when nothing has come for so long: 30s, 2m
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout)]
    idle: Option<Duration>,
    /// End after N printed results; repeats and other notifications don't count
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max: Option<u64>,
    /// Append other programs' notifications to FILE, one a line, and delete them
    #[arg(long, value_name = "FILE")]
    spool: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context<'_>) -> Result<u8, Error> {
    let Context { output, report, .. } = *context;
    require_lines(output)?;
    if let Some(spool) = &args.spool {
        Files::of_streams(false)?.add("spool", spool, true)?;
    }
    let session = context.open()?;
    let settings = &session.settings;
    let lock = Lock::acquire(&settings.instance.api_url, &settings.instance.id)?;
    let spool = args.spool.as_deref().map(Spool::open).transpose()?;
    let stop = StopFlag::default();
    let (poll, delete) = (session.poll_client(context), session.client(1, context));
    shutdown::on_signal(poll.shutdown_handle());
    let clients = Clients { poll: &poll, delete: &delete };
    let mut queue = Queue::new(clients, settings.retries, spool, lock, &stop, report);
    if args.follow {
        queue = queue.patient();
    }
    let condition = StopCondition { follow: args.follow, idle: args.idle, max: args.max };
    receive_loop(&mut queue, condition, &stop, &mut |info| {
        output.write(&record(info).line(output))?;
        let failure = info.failure();
        if let Some(failure) = &failure {
            report.chat_failure_in_list(&info.chat_id, failure);
        }
        Ok(failure.is_some())
    })
}
