//! An instance's queue as the service keeps it: the same head comes back until it is deleted.
//!
//! It answers the two methods of the queue inside of a scripted server, whose script says the rest. It knows nothing
//! of what should be in it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use super::answer::Answer;
use super::server::{Seen, Server};

/// A queue that a test and its server share.
#[derive(Clone, Default)]
pub struct Queue(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    waiting: VecDeque<(u64, String)>,
    receipts: u64,
    deleted: Vec<u64>,
}

impl Queue {
    /// These notifications, with the receipts 1, 2, 3 and so on.
    pub fn of<S: Into<String>>(bodies: impl IntoIterator<Item = S>) -> Queue {
        let queue = Queue::default();
        bodies.into_iter().for_each(|body| queue.push(body));
        queue
    }

    /// One more, behind all others.
    pub fn push(&self, body: impl Into<String>) {
        let mut memory = self.memory();
        memory.receipts += 1;
        let receipt = memory.receipts;
        memory.waiting.push_back((receipt, body.into()));
    }

    /// The receipts that were deleted, in this order.
    pub fn deleted(&self) -> Vec<u64> {
        self.memory().deleted.clone()
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.memory().waiting.len()
    }

    /// The answer to receiveNotification or deleteNotification; `None` to any other call.
    pub fn answer(&self, seen: &Seen) -> Option<Answer> {
        let mut memory = self.memory();
        match method(seen) {
            "receiveNotification" => Some(Answer::status(200).body(match memory.waiting.front() {
                Some((receipt, body)) => format!(r#"{{"receiptId":{receipt},"body":{body}}}"#),
                None => "null".to_owned(),
            })),
            "deleteNotification" => {
                let receipt = seen.path.rsplit('/').next().and_then(|receipt| receipt.parse().ok()).expect("a receipt");
                let is_head = memory.waiting.front().is_some_and(|(head, _)| *head == receipt);
                if is_head {
                    memory.waiting.pop_front();
                    memory.deleted.push(receipt);
                }
                Some(Answer::status(200).body(format!(r#"{{"result":{is_head},"reason":""}}"#)))
            }
            _ => None,
        }
    }

    /// A server that has this queue and nothing else.
    pub fn serve(&self) -> Server {
        let queue = self.clone();
        Server::with(move |seen| queue.answer(seen).unwrap_or_else(|| Answer::status(500).body("not a queue's method")))
    }

    /// A server with this queue that takes every other call as the closure says.
    pub fn serve_with(&self, mut other: impl FnMut(&Seen, &Queue) -> Answer + Send + 'static) -> Server {
        let queue = self.clone();
        Server::with(move |seen| queue.answer(seen).unwrap_or_else(|| other(seen, &queue)))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().expect("a lock")
    }
}

/// The method of the service that was called; of another request whatever stands in that place.
pub fn method(seen: &Seen) -> &str {
    seen.path.split(['/', '?']).nth(2).unwrap_or_default()
}

/// How often each of these methods was called.
pub fn calls<const N: usize>(server: &Server, methods: [&str; N]) -> [usize; N] {
    let requests = server.requests();
    methods.map(|name| requests.iter().filter(|seen| method(seen) == name).count())
}

/// A result as the service writes it, with what `avatarInfo` holds beside the chat id, as `,"urlAvatar":""`.
pub fn result(chat: &str, timestamp: i64, rest: &str) -> String {
    format!(
        r#"{{"typeWebhook":"deviceInfo","instanceData":{{"idInstance":1101000001,"wid":"11001234567@c.us","typeInstance":"whatsapp"}},"timestamp":{timestamp},"avatarInfo":{{"chatId":"{chat}"{rest}}}}}"#
    )
}

/// The result of an account without an avatar, made just now.
pub fn fresh(chat: &str) -> String {
    result(chat, jiff::Timestamp::now().as_second(), r#","urlAvatar":"""#)
}
