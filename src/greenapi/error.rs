//! Turns an answer that is not a result into a failure: its kind, the service's words, and a hint.
//!
//! GREEN-API sends errors as JSON in several forms, plain text, a gateway's HTML, an empty body, and with status 200.

use std::time::Duration;

use serde_json::Value;

use crate::duration::show_duration;
use crate::failure::{Failure, Kind};
use crate::http::{Answer, HttpError};
use crate::token::redact;

/// The known error texts, in lower case. Of two with the same beginning, the longer one is first.
const TEXTS: [(&str, Kind); 25] = [
    ("bad request data", Kind::BadRequestData),
    ("validation failed", Kind::BadRequestData),
    ("unexpected token", Kind::BadRequestData),
    ("json: cannot unmarshal", Kind::BadRequestData),
    ("cannot unmarshal", Kind::BadRequestData),
    ("instance is starting or not authorized", Kind::InstanceNotAuthorized),
    ("instance account not authorized", Kind::InstanceNotAuthorized),
    ("instance not authorized", Kind::InstanceNotAuthorized),
    ("not authorized", Kind::InstanceNotAuthorized),
    ("instance in starting process", Kind::InstanceStarting),
    ("instance is in starting process", Kind::InstanceStarting),
    ("starting process", Kind::InstanceStarting),
    ("try later", Kind::InstanceStarting),
    ("instance account expired", Kind::InstanceExpired),
    ("instance account is expired", Kind::InstanceExpired),
    ("instance expired", Kind::InstanceExpired),
    ("instance has expired", Kind::InstanceExpired),
    ("instance is expired", Kind::InstanceExpired),
    ("instance account is deleted", Kind::InstanceDeleted),
    ("instance is deleted", Kind::InstanceDeleted),
    ("is deleted", Kind::InstanceDeleted),
    ("custom webhook url is set", Kind::WebhookUrlSet),
    ("message cannot be received because custom webhook url is set", Kind::WebhookUrlSet),
    ("rate-overlimit", Kind::TooManyRequests),
    ("get avatar timeout limit exceeded", Kind::AvatarTimeout),
];

/// The answer, or the failure that it reports.
pub fn into_result(answer: Answer) -> Result<Answer, Failure> {
    failure_of(&answer).map_or(Ok(answer), Err)
}

/// The failure that an answer reports, if it reports one. An empty 400 counts as a failure; getAvatarAsync means success
/// by it, see [`is_acceptance`].
pub fn failure_of(answer: &Answer) -> Option<Failure> {
    let body = Body::read(answer);
    let hidden = if answer.status < 300 { body.hidden_status() } else { None };
    let (kind, status) = match (hidden, answer.status) {
        (None, status @ 200..=299) => (body.hidden_kind()?, status),
        (hidden, status) => {
            let status = hidden.unwrap_or(status);
            (kind_of(status, &body.text), status)
        }
    };
    let said = redact(&body.text);
    let said = if said.is_empty() { format!("status {status}") } else { format!("status {status}: {said}") };
    let mut failure = describe(kind, said);
    if kind == Kind::UnexpectedResponse && answer.status < 300 && body.json.is_some() {
        failure = failure.hint(UNKNOWN_REASON);
    }
    failure.http_status = Some(answer.status);
    if kind.is_retryable() {
        failure.retry_after = answer.retry_after;
    }
    Some(failure)
}

/// Whether an answer to getAvatarAsync means success although its status is an error.
///
/// The method's documentation had 200 with an empty body from 2021 to 2023, and has 400 since. An error has a body.
pub fn is_acceptance(answer: &Answer) -> bool {
    answer.status == 400 && answer.complete && answer.body.trim_ascii().is_empty()
}

/// The failure in a notification's reason.
pub fn failure_of_reason(reason: &str) -> Failure {
    let kind = match known_text(reason) {
        Some(kind @ (Kind::BadRequestData | Kind::TooManyRequests | Kind::AvatarTimeout)) => kind,
        _ => return describe(Kind::UnexpectedResponse, redact(reason)).hint(UNKNOWN_REASON),
    };
    describe(kind, redact(reason))
}

/// The failure of an answer that is not the method's.
pub fn unexpected(answer: &Answer, what: &'static str) -> Failure {
    let said = redact(String::from_utf8_lossy(&answer.body).trim());
    let said = if said.is_empty() { "an empty answer".to_owned() } else { said };
    let failure = Failure::new(Kind::UnexpectedResponse, what).because_text(said);
    Failure { http_status: Some(answer.status), ..failure.hint(CHECK_URL) }
}

/// For texts of WhatsApp's own, such as "Connection Closed".
const UNKNOWN_REASON: &str = "GREEN-API does not document this reason; try again later";
const CHECK_URL: &str = "check that --api-url is the apiUrl in GREEN-API's console";

/// The failure of a call without an answer.
pub fn http_failure(error: HttpError, timeout: Duration) -> Failure {
    let caused = |kind, what: &'static str, cause: &str| Failure::new(kind, what).because_text(redact(cause));
    let is_final = error.is_final();
    let failure = match error {
        HttpError::Timeout => Failure::new(Kind::Timeout, format!("no answer within {}", show_duration(timeout)))
            .hint("use a longer --timeout"),
        HttpError::Unreachable(why) => {
            caused(Kind::Unreachable, "no answer", &why).hint("check the network, the proxy variables and --api-url")
        }
        HttpError::Tls { message, hint } => {
            caused(Kind::Unreachable, "no secure connection, so nothing was sent", &message).hint(hint)
        }
        HttpError::NotPublic(_) => Failure::new(Kind::Unreachable, "the host has no public address"),
        HttpError::NotHttp(why) => {
            caused(Kind::UnexpectedResponse, "the answer is not valid HTTP", &why).hint("check --api-url")
        }
    };
    Failure { is_final, ..failure }
}

/// An answer's body, parsed as far as possible.
struct Body {
    json: Option<Value>,
    /// The error text in it; may be empty.
    text: String,
    /// Whether it is incomplete, HTML, or invalid JSON.
    is_broken: bool,
}

impl Body {
    fn read(answer: &Answer) -> Body {
        let text = String::from_utf8_lossy(&answer.body);
        let trimmed = text.trim();
        match serde_json::from_str::<Value>(trimmed) {
            Ok(json) => Body { text: sentence(&json), json: Some(json), is_broken: !answer.complete },
            Err(_) => Body {
                text: if trimmed.starts_with('<') { html_title(trimmed) } else { trimmed.to_owned() },
                json: None,
                is_broken: !answer.complete || trimmed.starts_with(['<', '{', '[', '"']),
            },
        }
    }

    /// The error status in the body of a 200: `{"code":401,…}` or `{"statusCode":400,…}`.
    fn hidden_status(&self) -> Option<u16> {
        let json = self.json.as_ref()?;
        ["code", "statusCode"].iter().find_map(|key| {
            let value = json.get(key)?;
            let status = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
            u16::try_from(status).ok().filter(|status| (400..=599).contains(status))
        })
    }

    /// The kind of failure in a 2xx without a status in its body, if it is a failure.
    fn hidden_kind(&self) -> Option<Kind> {
        let value = |key| self.json.as_ref().and_then(|json| json.get(key));
        let text = |key| value(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
        let has_url = text("urlAvatar").is_some_and(|url| !matches!(url, "null" | "undefined"));
        let is_refused = value("status") == Some(&Value::Bool(false))
            || (text("reason").is_some() && !has_url)
            || text("error").is_some()
            || value("error").is_some_and(Value::is_object);
        let known = known_text(&self.text).filter(|_| is_refused || self.json.is_none());
        known.or((is_refused || self.is_broken).then_some(Kind::UnexpectedResponse))
    }
}

/// The error text in JSON of any form.
fn sentence(json: &Value) -> String {
    const PLACES: [&str; 10] = [
        "",
        "/message",
        "/reason",
        "/description",
        "/error",
        "/correspondentsStatus/description",
        "/invokeStatus/description",
        "/error/message",
        "/correspondentsStatus/status",
        "/invokeStatus/status",
    ];
    let text = |place: &&str| match json.pointer(place)? {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Array(items) => Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")),
        _ => None,
    };
    PLACES.iter().filter_map(text).find(|text| !text.is_empty()).unwrap_or_default()
}

fn html_title(html: &str) -> String {
    let lower = html.to_ascii_lowercase();
    let title = || {
        let start = lower.find("<title>")? + "<title>".len();
        let end = start + lower[start..].find("</title>")?;
        Some(html[start..end].trim().to_owned())
    };
    title().unwrap_or_default()
}

/// The kind of a text, which must be a known text or begin with one: a word such as "expired" may occur in any message.
fn known_text(text: &str) -> Option<Kind> {
    let text = text.trim().to_ascii_lowercase();
    let begins_with = |known: &str| {
        text.strip_prefix(known).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
    };
    let known = TEXTS.iter().find(|(known, _)| begins_with(known)).map(|(_, kind)| *kind);
    known.or((text == "expired").then_some(Kind::InstanceExpired))
}

fn kind_of(status: u16, text: &str) -> Kind {
    match status {
        400 => known_text(text).unwrap_or(Kind::BadRequestData),
        401 => Kind::Unauthorized,
        403 => Kind::Forbidden,
        404 => Kind::NotFound,
        429 => Kind::TooManyRequests,
        466 => Kind::QuotaExceeded,
        499 => Kind::ClientClosedRequest,
        500..=599 => match known_text(text) {
            // WhatsApp's text, with any status.
            Some(kind @ (Kind::TooManyRequests | Kind::AvatarTimeout)) => kind,
            _ => Kind::ServerError,
        },
        _ => Kind::UnexpectedResponse,
    }
}

/// A failure that the service reports: its meaning, the service's text, and a hint.
fn describe(kind: Kind, said: String) -> Failure {
    let (what, hint) = match kind {
        Kind::BadRequestData => {
            ("GREEN-API rejects the request", "check that the number has its country code and 11 or 12 digits")
        }
        Kind::InstanceStarting => ("the instance is starting", "try again in a few minutes"),
        Kind::TooManyRequests => ("too many requests", "a lower --rate leaves room for other programs"),
        Kind::ClientClosedRequest => ("GREEN-API did not finish in time", "try again with a longer --timeout"),
        Kind::InstanceNotAuthorized => (
            "the instance is not authorized",
            "scan the QR code in GREEN-API's console; `greenavatar doctor` shows the instance's state",
        ),
        Kind::InstanceExpired => ("the instance is not paid for", "renew it in GREEN-API's console"),
        Kind::InstanceDeleted => ("the instance is deleted", "use another instance's id and token"),
        Kind::Unauthorized => ("GREEN-API rejects the token", "compare apiTokenInstance with GREEN-API's console"),
        Kind::Forbidden => {
            ("GREEN-API does not know the instance", "compare idInstance and apiUrl with GREEN-API's console")
        }
        Kind::NotFound => ("method not found", "compare apiUrl with GREEN-API's console: each instance has its own"),
        Kind::QuotaExceeded => {
            ("the plan's quota is used up", "it is renewed on the 1st of the month; a larger plan raises it at once")
        }
        Kind::ServerError => ("server error", "try again later"),
        Kind::AvatarTimeout => ("WhatsApp did not answer in time", "try again later"),
        Kind::WebhookUrlSet => (
            "the instance sends its notifications to a webhook, so the queue cannot be read",
            "clear webhookUrl in GREEN-API's console, or receive them with `greenavatar listen`",
        ),
        _ => ("unexpected response", CHECK_URL),
    };
    Failure::new(kind, what).because_text(said).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::sanitize_short;
    use crate::token::Token;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef01";

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, retry_after: None, body: body.as_bytes().to_vec(), complete: true }
    }

    fn kind(status: u16, body: &str) -> Option<&'static str> {
        failure_of(&answer(status, body)).map(|failure| failure.kind.code())
    }

    #[test]
    fn every_row_of_the_documented_errors_has_its_kind() {
        for (status, body, code) in [
            (400, "bad request data", "bad-request-data"),
            (400, r#"{"message":"Validation failed. Details: 'chatId' is required"}"#, "bad-request-data"),
            (400, r#"{"message":["a","b"]}"#, "bad-request-data"),
            (400, "Unexpected token } in JSON", "bad-request-data"),
            (400, r#"{"reason":"instance in starting process, try later"}"#, "instance-starting"),
            (400, "instance account not authorized", "instance-not-authorized"),
            (400, "instance is starting or not authorized", "instance-not-authorized"),
            (400, "instance account expired", "instance-expired"),
            (400, "Instance is deleted", "instance-deleted"),
            (400, r#"{"description":"custom webhook url is set"}"#, "webhook-url-set"),
            (401, "", "unauthorized"),
            (200, r#"{"code":401,"description":"Unauthorized"}"#, "unauthorized"),
            (200, r#"{"code":"401","description":"Unauthorized"}"#, "unauthorized"),
            (200, r#"{"statusCode":466}"#, "quota-exceeded"),
            (403, "<html><head><title>403 Forbidden</title></head></html>", "forbidden"),
            (404, r#"{"message":"Cannot GET /"}"#, "not-found"),
            (429, "", "too-many-requests"),
            (200, r#"{"reason":"rate-overlimit","urlAvatar":null}"#, "too-many-requests"),
            (200, r#"{"reason":"get avatar timeout limit exceeded"}"#, "avatar-timeout"),
            (200, r#"{"status":false,"reason":"bad request data"}"#, "bad-request-data"),
            (200, "instance account not authorized", "instance-not-authorized"),
            (466, r#"{"invokeStatus":{"status":"QUOTE_EXCEEDED"}}"#, "quota-exceeded"),
            (499, "", "client-closed-request"),
            (500, "", "server-error"),
            (500, r#"{"message":"rate-overlimit"}"#, "too-many-requests"),
            (503, r#"{"reason":"get avatar timeout limit exceeded"}"#, "avatar-timeout"),
            (500, "instance account not authorized", "server-error"),
            (502, "<html>", "server-error"),
            (503, "", "server-error"),
            (400, "request timeout expired", "bad-request-data"),
            (400, "the session that you use is deleted", "bad-request-data"),
            (200, r#"{"reason":"request timeout expired"}"#, "unexpected-response"),
            (200, r#"{"reason":"Connection Closed","urlAvatar":""}"#, "unexpected-response"),
            (200, r#"{"reason":"not-authorized"}"#, "unexpected-response"),
            (200, r#"{"status":false,"reason":"no"}"#, "unexpected-response"),
            (301, "", "unexpected-response"),
            (405, "", "unexpected-response"),
            (999, "", "unexpected-response"),
            (200, "<html><title>Log in</title></html>", "unexpected-response"),
            (200, &"[".repeat(60_000), "unexpected-response"),
            (200, r#"{"urlAvatar":"#, "unexpected-response"),
        ] {
            assert_eq!(kind(status, body), Some(code), "{status} {}", sanitize_short(body));
        }
    }

    #[test]
    fn a_2xx_that_names_no_error_is_none() {
        for body in ["", "  \n", "{}", "null", "true", r#"{"reason":"","urlAvatar":""}"#, "OK", r#"{"code":200}"#] {
            assert_eq!(kind(200, body), None, "{body}");
        }
    }

    #[test]
    fn only_an_empty_400_is_an_acceptance() {
        assert!(is_acceptance(&answer(400, "")));
        assert!(is_acceptance(&answer(400, " \r\n")));
        assert!(!is_acceptance(&answer(400, "{}")));
        assert!(!is_acceptance(&answer(401, "")));
    }

    #[test]
    fn the_token_and_control_characters_stay_out_of_the_message() {
        Token::parse(TOKEN).expect("a token");
        let body = format!("Cannot GET /{TOKEN}/ \u{1b}[2J\u{202e}");
        let failure = failure_of(&answer(404, &body)).expect("a failure");
        let message = failure.message();
        assert!(message.contains("/***/"), "{message}");
        assert!(!message.contains(TOKEN) && !message.contains('\u{1b}') && !message.contains('\u{202e}'), "{message}");
    }

    #[test]
    fn a_token_at_the_cut_is_masked_whole() {
        Token::parse(TOKEN).expect("a token");
        let body = format!("{}{TOKEN}", "x".repeat(280));
        let message = failure_of(&answer(500, &body)).expect("a failure").message();
        assert!(!message.contains(&TOKEN[..8]), "{message}");
    }
}
