//! The contacts of the account: fetched, each chat once, and asked for again while the service has none yet.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::chat_id::{ChatId, ChatKey};
use crate::failure::{Failure, Kind};
use crate::greenapi::client::Client;
use crate::greenapi::contacts::List;
use crate::output::Output;
use crate::retry::RetryPolicy;
use crate::shutdown::StopFlag;

/// The pause before an empty list is asked for again.
const EMPTY_PAUSE: Duration = Duration::from_secs(5);
/// The methods allow one call a second.
const CALL_PAUSE: Duration = Duration::from_secs(1);

/// Fetches a list and passes each of its chats to `emit`, with its name, until that returns `false`.
pub fn fetch(
    client: &Client<'_>,
    list: List,
    retries: u32,
    stop: &StopFlag,
    output: &Output,
    emit: &mut dyn FnMut(ChatId) -> bool,
) -> Result<(), Failure> {
    let _wait = output.wait("waiting for the list of contacts", None);
    let mut seen: HashSet<ChatKey> = HashSet::new();
    for empty_answers in 0..=retries {
        if empty_answers > 0 {
            output.note(
                "the list is still empty: a new instance loads its contacts for some minutes; asking again in 5 s",
            );
            if !stop.sleep(EMPTY_PAUSE) {
                return Err(not_ready(None));
            }
        }
        let (mut unusable, mut is_empty) = (0, true);
        let mut policy = RetryPolicy::new(retries);
        // A call that breaks off is repeated from the start. Chats that were emitted already are skipped.
        while let Err(failure) = client.contacts(list, &mut |chat| {
            is_empty = false;
            match chat {
                None => unusable += 1,
                Some(chat) if seen.insert(chat.key()) => return emit(chat),
                Some(_) => {}
            }
            true
        }) {
            unusable = 0;
            let Some(pause) = policy.pause_after(&failure) else { return Err(failure) };
            let until = Instant::now() + pause.max(CALL_PAUSE);
            let _wait = output.wait_for_retry(&failure, until);
            if !stop.sleep_until(until) {
                return Err(failure);
            }
        }
        if unusable > 0 {
            let ids = if unusable == 1 { "1 id" } else { &format!("{unusable} ids") };
            output.note(&format!("{ids} left out: chats of this kind have no picture"));
        }
        if !is_empty {
            return Ok(());
        }
    }
    check_progress(client, output)
}

/// Whether an empty list is the whole list.
fn check_progress(client: &Client<'_>, output: &Output) -> Result<(), Failure> {
    match client.history_sync_progress() {
        Ok(Some(100)) => {
            output.note("the account has no such contacts");
            Ok(())
        }
        Ok(progress) => Err(not_ready(progress)),
        Err(failure) => {
            let unknown = not_ready(None);
            let error =
                failure.error.context("the service does not say whether that is all").context(unknown.message());
            Err(Failure { error, ..unknown })
        }
    }
}

fn not_ready(progress: Option<u64>) -> Failure {
    let loaded = progress.map(|progress| format!(", {progress} % are loaded")).unwrap_or_default();
    let hint = format!("a new instance loads its contacts for some minutes{loaded}: try again later");
    Failure::new(Kind::ContactsNotReady, "the account's list of contacts is still empty").hint(hint)
}
