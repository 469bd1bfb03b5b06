//! Saves the pictures of results, each before its line is printed and its notification deleted.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::chat_id::{ChatId, ChatKey, Rule};
use crate::failure::{Failure, Kind};
use crate::greenapi::notification::AvatarInfo;
use crate::pictures::Pictures;
use crate::record::{Record, Status};
use crate::shutdown::StopFlag;

/// The time that one download may take, with its retries: the queue is not read during it.
pub const DOWNLOAD_LIMIT: Duration = Duration::from_secs(120);

/// Chats whose newest timestamp is known at a time, so that memory does not grow with the list.
const MOST_CHATS: usize = 65_536;

#[derive(Debug)]
pub struct Saver<'a> {
    pub pictures: Pictures<'a>,
    /// The timestamp of each chat's newest result in this run.
    newest: Mutex<HashMap<ChatKey, i64>>,
}

impl<'a> Saver<'a> {
    pub fn new(pictures: Pictures<'a>) -> Saver<'a> {
        Saver { pictures, newest: Mutex::default() }
    }

    /// Saves the picture of a result like [`Saver::save`], unless the result is stale or a newer one of its chat came
    /// before.
    pub fn save_result(
        &self,
        info: &AvatarInfo,
        record: &mut Record,
        stop: &StopFlag,
    ) -> Result<Option<Failure>, Failure> {
        let chat = match ChatId::parse(&info.chat_id, Rule::Lenient) {
            Ok(chat) => chat,
            Err(_) if record.status != Status::Found => return Ok(None),
            Err(_) => {
                let failure = Failure::new(Kind::InvalidChatId, "not a chat id, so the picture is not saved");
                record.error = Some(failure.body());
                return Ok(Some(failure));
            }
        };
        if record.stale == Some(true) || !self.is_newest(&chat, info.timestamp) {
            return Ok(None);
        }
        self.save(&chat, record, stop)
    }

    /// Saves the picture of a record, or notes that it is gone. If it cannot be downloaded, returns why; the record says
    /// it too. Fails if nothing can be saved, or if the run ended before the download succeeded.
    pub fn save(&self, chat: &ChatId, record: &mut Record, stop: &StopFlag) -> Result<Option<Failure>, Failure> {
        match self.pictures.save(chat, record, stop) {
            Ok(_) => Ok(None),
            Err(failure) if failure.kind.ends_run() || stop.is_set() => Err(failure),
            Err(failure) => {
                record.error = Some(failure.body());
                Ok(Some(failure))
            }
        }
    }

    /// Whether no newer result of the chat came before.
    fn is_newest(&self, chat: &ChatId, timestamp: Option<i64>) -> bool {
        let Some(timestamp) = timestamp else { return true };
        let mut newest = self.newest.lock().expect("no holder of this lock panics");
        if newest.len() >= MOST_CHATS {
            newest.clear();
        }
        let newest = newest.entry(chat.key()).or_insert(timestamp);
        *newest = timestamp.max(*newest);
        *newest == timestamp
    }
}
