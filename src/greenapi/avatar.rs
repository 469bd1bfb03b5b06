//! The answer of getAvatar, in the older and the newer form.

use super::error::unexpected;
use super::json::{Object, truth};
use crate::failure::Failure;
use crate::http::Answer;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Avatar {
    pub url: Option<String>,
    /// The field `existsWhatsapp`, which only older instances send: false if there is no account, or no picture.
    pub exists_whatsapp: Option<bool>,
    /// The field `available`: false if privacy settings hide the picture.
    pub available: Option<bool>,
    pub http_status: u16,
}

impl Avatar {
    /// Reads an answer that is not an error. One without a field about a picture, such as `{}`, is an unexpected
    /// response rather than "none".
    pub fn read(answer: &Answer) -> Result<Avatar, Failure> {
        const KEYS: [&str; 4] = ["urlAvatar", "available", "existsWhatsapp", "reason"];
        let object = Object::parse(&answer.body).filter(|object| KEYS.iter().any(|key| object.value(key).is_some()));
        let object = object.ok_or_else(|| unexpected(answer, "the answer has nothing about a picture"))?;
        Ok(Avatar {
            url: object.url_avatar().map_err(|why| unexpected(answer, why))?,
            exists_whatsapp: object.value("existsWhatsapp").and_then(truth),
            available: object.value("available").and_then(truth),
            http_status: answer.status,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::greenapi::error::failure_of;
    use crate::record::Record;
    use crate::token::register;

    /// The status or code word for a 200 with this body.
    fn verdict(body: &str) -> &'static str {
        let answer = Answer { status: 200, retry_after: None, body: body.as_bytes().to_vec(), complete: true };
        match failure_of(&answer).map_or_else(|| Avatar::read(&answer), Err) {
            Ok(avatar) => Record::of_avatar("11001234567@c.us", avatar).status.word(),
            Err(failure) => failure.kind.code(),
        }
    }

    #[test]
    fn every_documented_form_has_its_status() {
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
            (r#"{"reason":"Connection Closed","urlAvatar":""}"#, "unexpected-response"),
            (r#"{"code":401,"description":"Unauthorized"}"#, "unauthorized"),
        ] {
            assert_eq!(verdict(body), word, "{body}");
        }
    }

    #[test]
    fn every_form_of_no_url_is_read() {
        for url in [r#""""#, r#"" ""#, r#""undefined""#, r#""null""#, "null", "false"] {
            assert_eq!(verdict(&format!(r#"{{"urlAvatar": {url}, "available": false}}"#)), "hidden", "{url}");
            assert_eq!(verdict(&format!(r#"{{"urlAvatar": {url}}}"#)), "none", "{url}");
        }
        assert_eq!(verdict(r#"{"available": false}"#), "hidden");
        assert_eq!(verdict(r#"{"available": "True"}"#), "none");
        assert_eq!(verdict(r#"{"existsWhatsapp": "false"}"#), "no-account");
    }

    #[test]
    fn an_answer_with_nothing_about_a_picture_is_unexpected() {
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
    fn a_token_in_an_unexpected_answer_is_masked() {
        const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef01";
        register(TOKEN);
        let body = format!(r#"{{"path":"/{TOKEN}"}}"#).into_bytes();
        let answer = Answer { status: 200, retry_after: None, body, complete: true };
        let message = Avatar::read(&answer).expect_err("no verdict").message();
        assert!(message.contains("/***") && !message.contains(TOKEN), "{message}");
    }
}
