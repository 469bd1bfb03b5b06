//! `receive`: takes results off the notification queue and deletes each after its line is written.

use crate::cli::ReceiveArgs;
use crate::commands::Context;
use crate::commands::files::Files;
use crate::failure::Error;
use crate::results::lock::Lock;
use crate::results::queue::Queue;
use crate::results::receive::{StopCondition, receive_loop};
use crate::results::save::Saver;
use crate::results::spool::Spool;
use crate::results::{record, require_lines};
use crate::shutdown::{self, StopFlag};

pub fn run(args: &ReceiveArgs, context: &Context<'_>) -> Result<u8, Error> {
    let output = context.output;
    require_lines(output)?;
    if let Some(spool) = &args.spool {
        Files::of_streams(false)?.add("spool", spool, true)?;
    }
    let session = context.open()?;
    let settings = &session.settings;
    let lock = Lock::acquire(&settings.instance)?;
    let spool = args.spool.as_deref().map(Spool::open).transpose()?;
    let stop = StopFlag::default();
    let (poll, delete) = (session.poll_client(context), session.client(1, context));
    let agent = poll.agent.clone();
    shutdown::on_signal(move || agent.shutdown());
    let mut queue = Queue::new(&poll, &delete, settings.retries, spool, lock, &stop, output);
    queue.is_patient = args.follow;
    let saver = session.saver(&args.save, 1, context)?;
    let condition = StopCondition { follow: args.follow, idle: args.idle, max: args.max };
    receive_loop(&mut queue, condition, &stop, &mut |info| {
        let mut record = record(info);
        let save = |saver: &Saver<'_>| saver.save_result(info, &mut record, &stop).map_err(Error::Failure);
        let failure = saver.as_ref().map_or(Ok(None), save)?.or_else(|| info.failure());
        output.write(&record.line(output))?;
        if let Some(failure) = &failure {
            output.chat_failure_in_list(&info.chat_id, failure);
        }
        Ok(failure.is_some())
    })
}
