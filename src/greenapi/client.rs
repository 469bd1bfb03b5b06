//! Calls GREEN-API's methods for one instance. Only the URL contains the token.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use super::avatar::Avatar;
use super::contacts::{Emit, LIST_LIMIT, List, read_list};
use super::error::{http_failure, into_result, is_acceptance, unexpected};
use super::notification::Head;
use super::state::{InstanceSettings, read_state, shown_settings};
use crate::chat_id::ChatId;
use crate::failure::{Failure, Kind};
use crate::http::{ANSWER_LIMIT, Agent, Answer, Options, Origin, Request};
use crate::output::Output;
use crate::token::{Token, redact};

/// The largest notification that is read, also by the webhook endpoint: some contain a contact list or a thumbnail.
pub const NOTIFICATION_LIMIT: usize = 1024 * 1024;
/// The most that an envelope adds to a notification.
const ENVELOPE: usize = 4 * 1024;

/// The address and the credentials of an instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Without a trailing slash.
    pub api_url: String,
    /// Scheme, host and port of `api_url`.
    pub origin: Origin,
    /// Digits.
    pub id: String,
    pub token: Token,
}

#[derive(Debug)]
pub struct Client<'a> {
    instance: &'a Instance,
    pub agent: Agent,
    timeout: Duration,
    output: &'a Output,
}

impl<'a> Client<'a> {
    /// A client for an instance, with an agent of its own.
    pub fn new(instance: &'a Instance, options: &Options, output: &'a Output) -> Client<'a> {
        Client { instance, agent: Agent::new(options), timeout: options.timeout, output }
    }

    /// getAvatarAsync. Returns the HTTP status with which the request was accepted.
    pub fn request_avatar(&self, chat: &ChatId) -> Result<u16, Failure> {
        let answer = self.call("getAvatarAsync", "", Request::PostJson(&chat_body(chat)))?;
        if is_acceptance(&answer) {
            return Ok(answer.status);
        }
        into_result(answer).map(|answer| answer.status)
    }

    /// getAvatar. The answer may take a minute under load.
    pub fn get_avatar(&self, chat: &ChatId) -> Result<Avatar, Failure> {
        let answer = into_result(self.call("getAvatar", "", Request::PostJson(&chat_body(chat)))?)?;
        Avatar::read(&answer)
    }

    /// getStateInstance. Returns the state; it is empty if the answer has none. At most one call a second is allowed.
    pub fn state_instance(&self) -> Result<String, Failure> {
        let answer = into_result(self.call("getStateInstance", "", Request::Get)?)?;
        Ok(read_state(&answer))
    }

    /// getSettings. At most one call a second is allowed.
    pub fn settings(&self) -> Result<InstanceSettings, Failure> {
        let answer = into_result(self.call("getSettings", "", Request::Get)?)?;
        InstanceSettings::read(&answer)
    }

    /// receiveNotification. Returns the head of the queue, or `None` if it stays empty for `wait`, 5 to 60 whole seconds.
    /// The head remains until it is deleted. The client's time limit must be at least 10 s longer than `wait`. The call
    /// times out at `until`.
    pub fn receive_notification(&self, wait: Duration, until: Option<Instant>) -> Result<Option<Head>, Failure> {
        let tail = format!("?receiveTimeout={}", wait.as_secs().clamp(5, 60));
        let answer =
            self.call_up_to("receiveNotification", &tail, Request::Get, until, NOTIFICATION_LIMIT + ENVELOPE)?;
        match answer.status {
            408 | 504 => return Ok(None),
            200..=299 => match answer.body.trim_ascii() {
                b"" | b"null" => return Ok(None),
                // Read first: an error text inside a notification is not an error of the call.
                body => match Head::read(body) {
                    Some(head) if answer.complete => return Ok(Some(head)),
                    Some(_) => {
                        return Err(Failure::new(
                            Kind::ForeignNotification,
                            "the first notification in the queue is larger than 1 MiB, so it is not a result",
                        )
                        .hint("it is too large for --spool, so nothing was deleted: another program must read it"));
                    }
                    None => {}
                },
            },
            _ => {}
        }
        let answer = into_result(answer)?;
        Err(unexpected(&answer, "the answer is not a notification"))
    }

    /// deleteNotification. Returns `false` if it was deleted already.
    pub fn delete_notification(&self, receipt: &str) -> Result<bool, Failure> {
        let answer = self.call("deleteNotification", &format!("/{receipt}"), Request::Delete)?;
        if answer.status == 500 && String::from_utf8_lossy(&answer.body).contains("findUnAckedMessage") {
            return Ok(false);
        }
        let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if let Some(deleted) = json["result"].as_bool().filter(|_| (200..=299).contains(&answer.status)) {
            return Ok(deleted);
        }
        into_result(answer).map(|_| true)
    }

    /// getContacts or getChats. Passes each chat to `emit` as it is read. At most one call a second is allowed.
    pub fn contacts(&self, list: List, emit: &mut Emit<'_>) -> Result<(), Failure> {
        let (method, tail) = list.method();
        let url = self.url(method, self.instance.token.expose(), tail);
        self.output.wire(|| format!("> GET {url}"));
        let began = Instant::now();
        // Whether the list was read to its end; `None` if the answer is not a list.
        let mut read = None;
        let result = self.agent.call_with_body(&url, Request::Get, None, |mut answer, body| {
            let mut body = BufReader::with_capacity(16 * 1024, body.take(LIST_LIMIT));
            if (200..=299).contains(&answer.status) && begins_a_list(&mut body) {
                read = Some(read_list(body, list, emit));
            } else {
                // `Agent::call_with_body` returns an error of the body itself.
                let _ = body.take(ANSWER_LIMIT as u64).read_to_end(&mut answer.body);
            }
            answer
        });
        self.output.wire(|| {
            let what = match (&result, &read) {
                (Ok(_), Some(_)) => "a list".to_owned(),
                (Ok(answer), None) => format!("{} {}", answer.status, self.shown(method, &answer.body)),
                (Err(error), _) => format!("nothing: {error:?}"),
            };
            format!("< {what} in {} ms", began.elapsed().as_millis())
        });
        const INCOMPLETE: &str = "the list of contacts is incomplete";
        match (result, read) {
            (Ok(_), Some(Ok(()))) => Ok(()),
            (Ok(_), Some(Err(why))) => Err(Failure::new(Kind::UnexpectedResponse, INCOMPLETE).because_text(why)),
            (Ok(answer), None) => {
                let answer = into_result(answer)?;
                Err(unexpected(&answer, "the answer is not a list of contacts"))
            }
            (Err(error), None) => Err(http_failure(error, self.timeout)),
            (Err(error), Some(_)) => {
                let mut failure = http_failure(error, self.timeout);
                failure.error = failure.error.context(INCOMPLETE);
                Err(failure)
            }
        }
    }

    /// getWaSettings. Returns the percentage of the account's history that the service has loaded, if the answer has it.
    /// At most one call a second is allowed.
    pub fn history_sync_progress(&self) -> Result<Option<u64>, Failure> {
        let answer = into_result(self.call("getWaSettings", "", Request::Get)?)?;
        let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let progress = &json["historySyncProgress"];
        Ok(progress.as_u64().or_else(|| progress.as_str()?.parse().ok()))
    }

    /// Calls a method; `tail` follows the token in the URL.
    fn call(&self, method: &str, tail: &str, request: Request<'_>) -> Result<Answer, Failure> {
        self.call_up_to(method, tail, request, None, ANSWER_LIMIT)
    }

    /// The curl command equivalent to [`Client::request_avatar`], with the token as a shell variable.
    pub fn as_curl(&self, chat: &ChatId, cacert: Option<&Path>) -> String {
        let quoted = |path: &Path| format!(" --cacert '{}'", path.display().to_string().replace('\'', r"'\''"));
        let trust = cacert.map(quoted).unwrap_or_default();
        let url = self.url("getAvatarAsync", "$GREEN_API_TOKEN_INSTANCE", "");
        let body = chat_body(chat);
        format!("curl -sS{trust} -X POST -H 'Content-Type: application/json' -d '{body}' \"{url}\"\n")
    }

    fn url(&self, method: &str, token: &str, tail: &str) -> String {
        let Instance { api_url, id, .. } = self.instance;
        format!("{api_url}/waInstance{id}/{method}/{token}{tail}")
    }

    /// A body as `-v` shows it.
    fn shown(&self, method: &str, body: &[u8]) -> String {
        let body = match method {
            // It contains the webhook's token.
            "getSettings" => shown_settings(body),
            _ => String::from_utf8_lossy(body).into_owned(),
        };
        redact(&body)
    }

    fn call_up_to(
        &self,
        method: &str,
        tail: &str,
        request: Request<'_>,
        until: Option<Instant>,
        limit: usize,
    ) -> Result<Answer, Failure> {
        let token = &self.instance.token;
        let url = self.url(method, token.expose(), tail);
        self.output.wire(|| {
            let (verb, body) = match request {
                Request::Get => ("GET", ""),
                Request::Delete => ("DELETE", ""),
                Request::PostJson(body) => ("POST", body),
            };
            format!("> {verb} {url} {body}").trim_end().to_owned()
        });
        let began = Instant::now();
        let result = self.agent.call(&url, request, until, limit);
        self.output.wire(|| match &result {
            Ok(answer) => {
                let body = self.shown(method, &answer.body);
                format!("< {} in {} ms {body}", answer.status, began.elapsed().as_millis()).trim_end().to_owned()
            }
            Err(error) => format!("< nothing in {} ms: {error:?}", began.elapsed().as_millis()),
        });
        result.map_err(|error| http_failure(error, self.timeout))
    }
}

/// Whether the next character, which is not consumed, begins a list.
fn begins_a_list(body: &mut impl BufRead) -> bool {
    while let Ok(bytes) = body.fill_buf()
        && !bytes.is_empty()
    {
        match bytes.trim_ascii_start() {
            [] => {
                let blank = bytes.len();
                body.consume(blank);
            }
            rest => return rest[0] == b'[',
        }
    }
    false
}

/// The request body of both avatar methods. A chat id needs no escaping: digits, a hyphen, an @ and a domain.
fn chat_body(chat: &ChatId) -> String {
    format!(r#"{{"chatId":"{chat}"}}"#)
}
