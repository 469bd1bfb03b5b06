//! An instance's notification queue as the service keeps it: the head is sent again until it is deleted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use super::answer::Answer;
use super::server::{Request, Server};

/// A queue that a test and its server share.
#[derive(Clone, Default)]
pub struct Queue(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
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

    /// Adds a notification at the end.
    pub fn push(&self, body: impl Into<String>) {
        let mut state = self.state();
        state.receipts += 1;
        let receipt = state.receipts;
        state.waiting.push_back((receipt, body.into()));
    }

    /// The receipts that were deleted, in order.
    pub fn deleted(&self) -> Vec<u64> {
        self.state().deleted.clone()
    }

    /// The number of notifications left.
    pub fn left(&self) -> usize {
        self.state().waiting.len()
    }

    /// The answer to receiveNotification or deleteNotification; `None` to any other call.
    pub fn answer(&self, seen: &Request) -> Option<Answer> {
        let mut state = self.state();
        match method(seen) {
            "receiveNotification" => Some(Answer::status(200).body(match state.waiting.front() {
                Some((receipt, body)) => format!(r#"{{"receiptId":{receipt},"body":{body}}}"#),
                None => "null".to_owned(),
            })),
            "deleteNotification" => {
                let receipt = seen.path.rsplit('/').next().and_then(|receipt| receipt.parse().ok()).expect("a receipt");
                let is_head = state.waiting.front().is_some_and(|(head, _)| *head == receipt);
                if is_head {
                    state.waiting.pop_front();
                    state.deleted.push(receipt);
                }
                Some(Answer::status(200).body(format!(r#"{{"result":{is_head},"reason":""}}"#)))
            }
            _ => None,
        }
    }

    /// A server that answers the methods of the queue only.
    pub fn serve(&self) -> Server {
        let queue = self.clone();
        Server::with(move |seen| queue.answer(seen).unwrap_or_else(|| Answer::status(500).body("not a queue's method")))
    }

    /// A server that answers the methods of the queue, and other calls with the closure.
    pub fn serve_with(&self, mut other: impl FnMut(&Request, &Queue) -> Answer + Send + 'static) -> Server {
        let queue = self.clone();
        Server::with(move |seen| queue.answer(seen).unwrap_or_else(|| other(seen, &queue)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("a lock")
    }
}

/// The service's method in a request's path, which is its third part.
pub fn method(seen: &Request) -> &str {
    seen.path.split(['/', '?']).nth(2).unwrap_or_default()
}

/// The number of calls of each method.
pub fn calls<const N: usize>(server: &Server, methods: [&str; N]) -> [usize; N] {
    let requests = server.requests();
    methods.map(|name| requests.iter().filter(|seen| method(seen) == name).count())
}

/// A result as the service sends it. `rest` is what follows the chat id in `avatarInfo`, such as `,"urlAvatar":""`.
pub fn result(chat: &str, timestamp: i64, rest: &str) -> String {
    format!(
        r#"{{"typeWebhook":"deviceInfo","instanceData":{{"idInstance":1101000001,"wid":"11001234567@c.us","typeInstance":"whatsapp"}},"timestamp":{timestamp},"avatarInfo":{{"chatId":"{chat}"{rest}}}}}"#
    )
}

/// A result of now without a picture.
pub fn fresh(chat: &str) -> String {
    result(chat, now(), r#","urlAvatar":"""#)
}

/// An old result of a chat without a picture.
pub fn plain(n: usize) -> String {
    result(&super::chat(n), 1_586_700_802, "")
}

/// The time in Unix seconds.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
