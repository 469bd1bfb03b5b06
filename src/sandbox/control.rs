//! `/_sandbox/…`: what tests and the curious do with a sandbox, and no service has: read its journal, turn its clock,
//! put a notification into its queue.

use std::time::Duration;

use serde_json::{Value, json};

use super::answer::Answer;
use super::instance::Instance;
use super::notification::Notification;

/// The answer to a request below `/_sandbox/`.
pub fn answer(instance: &Instance, verb: &str, rest: &str, body: &[u8]) -> Answer {
    match (verb, rest) {
        ("GET", "requests") => Answer::json(instance.memory(|memory| memory.journal.to_json(&instance.options.token))),
        ("DELETE", "requests") => {
            instance.memory(|memory| memory.journal.reset());
            Answer::empty(204)
        }
        ("POST", "clock") => turn(instance, body),
        ("GET", "notifications") => {
            let (waiting, on_their_way) = instance.memory(|memory| memory.queue.count(instance.now()));
            Answer::json(json!({ "waiting": waiting, "onTheirWay": on_their_way }).to_string())
        }
        ("POST", "notifications") => {
            let receipt = instance.memory(|memory| memory.queue.push(Notification::Raw(body.into()), instance.now()));
            instance.ring();
            Answer::json(json!({ "receiptId": receipt }).to_string())
        }
        _ => Answer::text(
            404,
            "the sandbox has GET and DELETE /_sandbox/requests, POST /_sandbox/clock, GET and POST /_sandbox/notifications\n",
        ),
    }
}

fn turn(instance: &Instance, body: &[u8]) -> Answer {
    let wanted: Option<Value> = serde_json::from_slice(body).ok();
    let Some(seconds) = wanted.as_ref().and_then(|wanted| wanted["advanceSeconds"].as_u64()) else {
        return Answer::text(400, "the body must be {\"advanceSeconds\":N}\n");
    };
    instance.advance(Duration::from_secs(seconds));
    let unix = instance.unix(instance.now()).as_secs();
    Answer::json(json!({ "timestamp": unix }).to_string())
}
