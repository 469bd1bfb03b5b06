//! getAvatar's answer: one verdict out of found, none, hidden and no-account, in the older and the newer shape.
//!
//! A refusal is told apart before this file is asked; what is left either says something of an avatar or nothing
//! that can be understood. It knows nothing of hosts, expiry or pictures: the URL is a text here.

use serde_json::Value;

use super::error::is_url;
use crate::chat_id::ChatId;
use crate::failure::{Failure, Kind};
use crate::http::Answer;
use crate::record::{Record, Status};
use crate::token::sanitize;

/// What getAvatar found out about a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Avatar {
    /// Found, none, hidden or no-account.
    pub status: Status,
    /// The avatar's URL, of `found` alone.
    pub url: Option<String>,
    /// Whether the avatar may be seen, where the answer says so.
    pub available: Option<bool>,
    /// The HTTP status of the answer.
    pub http_status: u16,
}

impl Avatar {
    /// Reads an answer that is no refusal. Empty, `{}` or anything else without a word on an avatar is an
    /// unexpected response: it must not pass for "none".
    pub fn read(answer: &Answer) -> Result<Avatar, Failure> {
        let unexpected = |what: &'static str| {
            let said = sanitize(String::from_utf8_lossy(&answer.body).trim());
            let error = anyhow::Error::msg(if said.is_empty() { "an empty answer".to_owned() } else { said });
            let mut failure = Failure::caused(Kind::UnexpectedResponse, error.context(what))
                .hint("check --api-url: is it GREEN-API's?");
            failure.http_status = Some(answer.status);
            failure
        };
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let says = |key: &str| json.get(key).is_some();
        if !["urlAvatar", "available", "existsWhatsapp", "reason"].into_iter().any(says) {
            return Err(unexpected("the answer says nothing of an avatar"));
        }
        let url = match json.get("urlAvatar") {
            None | Some(Value::Null | Value::Bool(false)) => None,
            Some(value @ Value::String(text)) => is_url(value).then(|| text.trim().to_owned()),
            Some(_) => return Err(unexpected("the avatar's URL is no text")),
        };
        if url.as_deref().is_some_and(|url| !is_web(url)) {
            return Err(unexpected("the avatar's URL is none"));
        }
        let available = json.get("available").and_then(truth);
        let exists = json.get("existsWhatsapp").and_then(truth);
        let status = match (&url, exists, available) {
            (Some(_), _, _) => Status::Found,
            (None, Some(false), _) => Status::NoAccount,
            (None, _, Some(false)) => Status::Hidden,
            (None, _, _) => Status::None,
        };
        Ok(Avatar { status, url, available, http_status: answer.status })
    }

    /// The line that says so.
    pub fn record(self, chat: &ChatId) -> Record {
        Record {
            url_avatar: self.url,
            available: self.available,
            http_status: Some(self.http_status),
            ..Record::new(chat.as_str(), self.status)
        }
    }
}

fn is_web(url: &str) -> bool {
    let starts = |scheme: &str| url.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    starts("https://") || starts("http://")
}

/// A truth value, also as the text that other methods of the service write.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat_id::Rule;
    use crate::greenapi::error::failure_of;
    use crate::token::Token;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef01";

    /// The word that a user sees for a 200 with this body, as the client sorts it.
    fn verdict(body: &str) -> &'static str {
        let answer = Answer { status: 200, retry_after: None, body: body.as_bytes().to_vec(), complete: true };
        match failure_of(&answer).map_or_else(|| Avatar::read(&answer), Err) {
            Ok(avatar) => avatar.status.word(),
            Err(failure) => failure.kind.code(),
        }
    }

    #[test]
    fn every_documented_shape_has_its_verdict() {
        for (body, word) in [
            (r#"{"urlAvatar": "https://pps.whatsapp.net/x.jpg", "available": true}"#, "found"),
            (r#"{"urlAvatar": "https://pps.whatsapp.net/x.jpg", "reason": ""}"#, "found"),
            (r#"{"existsWhatsapp": true, "urlAvatar": "https://pps.whatsapp.net/x.jpg"}"#, "found"),
            (r#"{"urlAvatar": "", "available": true}"#, "none"),
            (r#"{"existsWhatsapp": true, "urlAvatar": ""}"#, "none"),
            (r#"{"urlAvatar": "", "available": false}"#, "hidden"),
            (r#"{"existsWhatsapp": false, "urlAvatar": ""}"#, "no-account"),
            (r#"{"existsWhatsapp": false, "urlAvatar": "", "available": false}"#, "no-account"),
            (r#"{"reason":"rate-overlimit","urlAvatar":null}"#, "too-many-requests"),
            (r#"{"reason":"bad request data","urlAvatar":""}"#, "bad-request-data"),
            (r#"{"reason":"get avatar timeout limit exceeded","urlAvatar":"undefined"}"#, "avatar-timeout"),
            (r#"{"code":401,"description":"Unauthorized"}"#, "unauthorized"),
        ] {
            assert_eq!(verdict(body), word, "{body}");
        }
    }

    #[test]
    fn every_way_to_say_that_there_is_no_url_is_understood() {
        for url in [r#""""#, r#"" ""#, r#""undefined""#, r#""null""#, "null", "false"] {
            assert_eq!(verdict(&format!(r#"{{"urlAvatar": {url}, "available": false}}"#)), "hidden", "{url}");
            assert_eq!(verdict(&format!(r#"{{"urlAvatar": {url}}}"#)), "none", "{url}");
        }
        assert_eq!(verdict(r#"{"available": false}"#), "hidden");
        assert_eq!(verdict(r#"{"available": true}"#), "none");
        assert_eq!(verdict(r#"{"existsWhatsapp": false}"#), "no-account");
    }

    #[test]
    fn what_says_nothing_of_an_avatar_is_no_verdict() {
        for body in [
            "",
            "  ",
            "{}",
            "null",
            "true",
            "[]",
            "OK",
            r#"{"stateInstance":"authorized"}"#,
            r#"{"urlAvatar":7}"#,
            r#"{"urlAvatar":{}}"#,
            r#"{"urlAvatar":"no picture"}"#,
            r#"{"urlAvatar":"javascript:alert(1)"}"#,
            r#"{"urlAvatar":"file:///etc/passwd"}"#,
        ] {
            assert_eq!(verdict(body), "unexpected-response", "{body}");
        }
    }

    #[test]
    fn what_the_answer_said_goes_into_the_line() {
        let body = br#"{"urlAvatar":"https://pps.whatsapp.net/x.jpg\n","available":true}"#.to_vec();
        let answer = Answer { status: 200, retry_after: None, body, complete: true };
        let chat = ChatId::parse("11001234567@c.us", Rule::Strict).expect("a chat id");
        assert_eq!(
            Avatar::read(&answer).expect("found").record(&chat).json(),
            r#"{"chatId":"11001234567@c.us","status":"found","urlAvatar":"https://pps.whatsapp.net/x.jpg","httpStatus":200,"available":true}"#
        );
    }

    #[test]
    fn a_token_in_an_unexpected_answer_is_masked() {
        Token::parse(TOKEN).expect("a token");
        let body = format!(r#"{{"path":"/{TOKEN}"}}"#).into_bytes();
        let answer = Answer { status: 200, retry_after: None, body, complete: true };
        let message = Avatar::read(&answer).expect_err("no verdict").message();
        assert!(message.contains("/***") && !message.contains(TOKEN), "{message}");
    }
}
