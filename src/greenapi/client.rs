//! Calls of GREEN-API's methods for one instance: builds the URL, the only place with the token in it, and sorts the answer.

use std::time::{Duration, Instant};

use super::avatar::Avatar;
use super::error::{failure_of, failure_of_trouble, is_acceptance};
use super::state::{InstanceSettings, State, shown_settings};
use crate::chat_id::ChatId;
use crate::escape::escape_short;
use crate::failure::Failure;
use crate::http::{Agent, Answer, Call};
use crate::report::Report;
use crate::token::Token;

/// One instance: where it is and how it is opened.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Without a trailing slash.
    pub api_url: String,
    /// Digits.
    pub id: String,
    /// The secret.
    pub token: Token,
}

/// An instance and an agent to call it with.
#[derive(Debug)]
pub struct Client<'a> {
    instance: &'a Instance,
    agent: Agent,
    timeout: Duration,
    report: &'a Report,
}

impl<'a> Client<'a> {
    /// A client whose calls last at most `timeout`, as the agent was told too.
    pub fn new(instance: &'a Instance, agent: Agent, timeout: Duration, report: &'a Report) -> Client<'a> {
        Client { instance, agent, timeout, report }
    }

    /// The instance that is called.
    pub fn instance(&self) -> &Instance {
        self.instance
    }

    /// getAvatarAsync: the HTTP status of the answer that took the request.
    pub fn request_avatar(&self, chat: &ChatId) -> Result<u16, Failure> {
        let answer = self.call("getAvatarAsync", "", Call::PostJson(&chat_body(chat)))?;
        if is_acceptance(&answer) {
            return Ok(answer.status);
        }
        self.sort(answer).map(|answer| answer.status)
    }

    /// getAvatar: what WhatsApp says of the chat's avatar. It may take a minute when many ask.
    pub fn get_avatar(&self, chat: &ChatId) -> Result<Avatar, Failure> {
        let answer = self.sort(self.call("getAvatar", "", Call::PostJson(&chat_body(chat)))?)?;
        Avatar::read(&answer, &self.instance.token)
    }

    /// getStateInstance: whether the instance can be used. Once a second at most.
    pub fn state_instance(&self) -> Result<State, Failure> {
        let answer = self.sort(self.call("getStateInstance", "", Call::Get)?)?;
        Ok(State::read(&answer))
    }

    /// getSettings: where the instance sends its notifications. Once a second at most.
    pub fn settings(&self) -> Result<InstanceSettings, Failure> {
        let answer = self.sort(self.call("getSettings", "", Call::Get)?)?;
        InstanceSettings::read(&answer)
    }

    /// The answer, or the failure that it is.
    pub fn sort(&self, answer: Answer) -> Result<Answer, Failure> {
        match failure_of(&answer, &self.instance.token) {
            Some(failure) => Err(failure),
            None => Ok(answer),
        }
    }

    /// Calls a method; `tail` follows the token in the URL.
    pub fn call(&self, method: &str, tail: &str, call: Call<'_>) -> Result<Answer, Failure> {
        let Instance { api_url, id, token } = self.instance;
        let url = format!("{api_url}/waInstance{id}/{method}/{}{tail}", token.expose());
        self.report.wire(|| {
            let (verb, body) = match call {
                Call::Get => ("GET", ""),
                Call::Delete => ("DELETE", ""),
                Call::PostJson(body) => ("POST", body),
            };
            format!("> {verb} {url} {body}").trim_end().to_owned()
        });
        let began = Instant::now();
        let result = self.agent.call(&url, call);
        self.report.wire(|| match &result {
            Ok(answer) => {
                let body = match method {
                    // Another secret stands in these.
                    "getSettings" => shown_settings(&answer.body),
                    _ => String::from_utf8_lossy(&answer.body).into_owned(),
                };
                let body = escape_short(&token.mask(body));
                format!("< {} in {} ms {body}", answer.status, began.elapsed().as_millis()).trim_end().to_owned()
            }
            Err(trouble) => format!("< nothing in {} ms: {trouble:?}", began.elapsed().as_millis()),
        });
        result.map_err(|trouble| failure_of_trouble(trouble, self.timeout, token))
    }
}

/// The one body that both avatar methods take. A chat id needs no escaping: digits, a hyphen, an @ and a domain.
pub fn chat_body(chat: &ChatId) -> String {
    format!(r#"{{"chatId":"{chat}"}}"#)
}
