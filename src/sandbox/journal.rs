//! What the sandbox has received, for tests and for the curious. Bounded in number and size, the token masked as `***`.

use std::collections::VecDeque;

use serde_json::{Value, json};

/// Requests that are remembered; older ones are forgotten.
const REQUESTS: usize = 20_000;

/// Bytes of a body that are remembered.
const BODY: usize = 1024;

/// Bytes of a path that are remembered.
const PATH: usize = 512;

/// The requests received since the start or the last reset.
#[derive(Default)]
pub struct Journal {
    entries: VecDeque<Entry>,
    received: u64,
}

/// One request. Its texts stand in one piece of memory: a journal must not cost more than the answer.
struct Entry {
    verb: &'static str,
    status: u16,
    path: u16,
    agent: u16,
    text: Box<[u8]>,
}

impl Journal {
    /// Writes a request down, and says under which number its answer's status can be added.
    pub fn record(&mut self, verb: &str, path: &str, agent: &[u8], body: &[u8]) -> u64 {
        let path = &path.as_bytes()[..path.len().min(PATH)];
        let agent = &agent[..agent.len().min(PATH)];
        let body = &body[..body.len().min(BODY)];
        let entry = Entry {
            verb: known(verb),
            status: 0,
            path: path.len() as u16,
            agent: agent.len() as u16,
            text: [path, agent, body].concat().into(),
        };
        if self.entries.len() == REQUESTS {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.received += 1;
        self.received
    }

    /// Adds what the request was answered with, if it is still remembered.
    pub fn answered(&mut self, number: u64, status: u16) {
        let oldest = self.received - self.entries.len() as u64 + 1;
        let index = number.checked_sub(oldest).and_then(|index| usize::try_from(index).ok());
        if let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) {
            entry.status = status;
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        // The numbers go on, so that an answer to a forgotten request finds nothing.
        self.entries.clear();
    }

    /// A JSON array, oldest first: `method`, `path`, `userAgent`, `body` (JSON if it is), `status` (null before the answer).
    pub fn to_json(&self, token: &str) -> String {
        let entries: Vec<Value> = self.entries.iter().map(|entry| entry.to_json(token)).collect();
        Value::Array(entries).to_string()
    }
}

impl Entry {
    fn to_json(&self, token: &str) -> Value {
        let (path, rest) = self.text.split_at(usize::from(self.path));
        let (agent, body) = rest.split_at(usize::from(self.agent));
        let text = |bytes| String::from_utf8_lossy(bytes).replace(token, "***");
        let body = text(body);
        json!({
            "method": self.verb,
            "path": masked(&text(path)),
            "userAgent": text(agent),
            "body": match body.is_empty() {
                true => Value::Null,
                false => serde_json::from_str(&body).unwrap_or(Value::String(body)),
            },
            "status": match self.status {
                0 => Value::Null,
                status => json!(status),
            },
        })
    }
}

/// The path with whatever stands in the token's place masked: a wrong token may be the right one of somebody else.
fn masked(path: &str) -> String {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut parts: Vec<&str> = path.split('/').collect();
    // Not only at the path's beginning: an apiUrl may end in a folder, or in a slash too many.
    if let Some(instance) = parts.iter().position(|part| part.starts_with("waInstance"))
        && let Some(token) = parts.get_mut(instance + 2).filter(|token| !token.is_empty())
    {
        *token = "***";
    }
    let path = parts.join("/");
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    }
}

fn known(verb: &str) -> &'static str {
    ["GET", "POST", "DELETE", "PUT", "HEAD", "PATCH", "OPTIONS"]
        .into_iter()
        .find(|known| *known == verb)
        .unwrap_or("OTHER")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_down_with_its_token_masked() {
        let mut journal = Journal::default();
        let number =
            journal.record("POST", "/waInstance1/getAvatar/secret99?a=secret99", b"curl/8", br#"{"chatId":"1@c.us"}"#);
        journal.record("GET", "/waInstance1/getSettings/somebodys", b"", b"");
        journal.answered(number, 400);
        assert_eq!(
            journal.to_json("secret99"),
            json!([
                {"method": "POST", "path": "/waInstance1/getAvatar/***?a=***", "userAgent": "curl/8",
                 "body": {"chatId": "1@c.us"}, "status": 400},
                {"method": "GET", "path": "/waInstance1/getSettings/***", "userAgent": "", "body": null, "status": null},
            ])
            .to_string()
        );
    }

    #[test]
    fn what_stands_for_a_token_is_masked_below_any_folder() {
        for (path, written) in [
            ("//waInstance1/getAvatar/somebodys", "//waInstance1/getAvatar/***"),
            ("/api/waInstance1/deleteNotification/somebodys/7?a=b", "/api/waInstance1/deleteNotification/***/7?a=b"),
            ("/waInstance1/getAvatar/", "/waInstance1/getAvatar/"),
            ("/pictures/1.jpg", "/pictures/1.jpg"),
        ] {
            assert_eq!(masked(path), written);
        }
    }

    #[test]
    fn the_journal_is_bounded_and_a_late_status_finds_its_request_or_nothing() {
        let mut journal = Journal::default();
        let first = journal.record("GET", "/first", b"", b"");
        for _ in 0..REQUESTS {
            journal.record("GET", &"x".repeat(100_000), b"", &[b'y'; 100_000]);
        }
        assert_eq!(journal.entries.len(), REQUESTS);
        assert!(journal.entries.iter().all(|entry| entry.text.len() <= PATH + BODY));
        journal.answered(first, 200);
        assert!(journal.entries.iter().all(|entry| entry.status == 0));
        journal.reset();
        journal.answered(first + 1, 200);
        assert_eq!(journal.to_json("token"), "[]");
        let again = journal.record("GET", "/again", b"", b"");
        journal.answered(again, 204);
        assert_eq!(journal.entries[0].status, 204);
    }
}
