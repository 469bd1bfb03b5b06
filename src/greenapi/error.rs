//! What an answer that is no result means: which kind of failure, in the service's words, and the way out.
//!
//! GREEN-API puts its errors in JSON of several shapes, in plain text, in a gateway's HTML, in nothing at all, and
//! in answers with status 200. Its usual JSON echoes the token; every text is rid of it here, escaped and shortened.

use std::time::Duration;

use serde_json::Value;

use crate::failure::{Failure, Kind};
use crate::http::{Answer, Trouble};
use crate::token::sanitize;

/// The failure that an answer is, if it is one. An empty 400 is one only to who does not ask [`is_acceptance`] first.
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
    let mut failure = describe(kind, status, &body.text);
    failure.http_status = Some(answer.status);
    if kind.is_retried() {
        failure.retry_after = answer.pause();
    }
    Some(failure)
}

/// Whether an answer to getAvatarAsync says that the request was taken: any 2xx that is no error, and an empty 400.
///
/// The method's page gives 200 with an empty body from 2021 to 2023 and 400 since, while an error always has a body.
pub fn is_acceptance(answer: &Answer) -> bool {
    answer.status == 400 && answer.complete && answer.body.trim_ascii().is_empty()
}

/// A call that got no answer, as a failure.
pub fn failure_of_trouble(trouble: Trouble, timeout: Duration) -> Failure {
    let caused = |kind, what: &'static str, cause: String| {
        let error = anyhow::Error::msg(sanitize(&cause));
        Failure::caused(kind, error.context(what))
    };
    match trouble {
        Trouble::Timeout => Failure::new(Kind::Timeout, format!("no answer within {}", humane(timeout)))
            .hint("a longer --timeout waits longer"),
        Trouble::Interrupted => {
            let mut failure = Failure::new(Kind::Timeout, "cut off by the signal that ended the run");
            failure.is_final = true;
            failure
        }
        Trouble::Unreachable(why) => caused(Kind::Unreachable, "no answer came", why)
            .hint("check the network, the proxy variables and --api-url"),
        Trouble::Tls(why) => {
            let mut failure = caused(Kind::Unreachable, "no secure connection, so nothing was sent", why)
                .hint("--cacert FILE trusts another certificate authority");
            failure.is_final = true;
            failure
        }
        Trouble::NotPublic(_) => {
            let mut failure = Failure::new(Kind::Unreachable, "the host has no public address");
            failure.is_final = true;
            failure
        }
        Trouble::NotHttp(why) => {
            caused(Kind::UnexpectedResponse, "the answer is not HTTP as it should be", why).hint("check --api-url")
        }
    }
}

/// A duration as a user would write it.
fn humane(duration: Duration) -> String {
    if duration.subsec_nanos() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} ms", duration.as_millis())
    }
}

/// An answer's body, taken apart as far as it can be.
struct Body {
    json: Option<Value>,
    /// The sentence in it that says what is wrong; empty where there is none.
    text: String,
    /// It should be JSON or is HTML, and cannot be what was asked for.
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

    /// The status in the body of a 200 that is an error: `{"code":401,…}` or `{"statusCode":400,…}`.
    fn hidden_status(&self) -> Option<u16> {
        let json = self.json.as_ref()?;
        ["code", "statusCode"].iter().find_map(|key| {
            let status = number(json.get(key)?)?;
            u16::try_from(status).ok().filter(|status| (400..=599).contains(status))
        })
    }

    /// What a 2xx without a status in its body is, if it is a failure.
    fn hidden_kind(&self) -> Option<Kind> {
        let value = |key| self.json.as_ref().and_then(|json| json.get(key));
        let is_refused = value("status") == Some(&Value::Bool(false));
        let has_url = value("urlAvatar").is_some_and(is_url);
        let has_reason = value("reason").and_then(Value::as_str).is_some_and(|reason| !reason.is_empty()) && !has_url;
        let has_error = value("error").is_some_and(|error| match error {
            Value::String(text) => !text.is_empty(),
            Value::Object(_) => true,
            _ => false,
        });
        let known = known_text(&self.text);
        if is_refused || has_reason || has_error {
            return Some(known.unwrap_or(Kind::BadRequestData));
        }
        let is_known_text = self.json.is_none() && known.is_some();
        if is_known_text { known } else { self.is_broken.then_some(Kind::UnexpectedResponse) }
    }
}

/// Whether a value is a URL and not one of the ways to say that there is none.
pub fn is_url(value: &Value) -> bool {
    value.as_str().is_some_and(|url| !matches!(url.trim(), "" | "null" | "undefined"))
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// The sentence in a JSON error, wherever its shape has it.
fn sentence(json: &Value) -> String {
    const PLACES: [&str; 7] = [
        "/message",
        "/reason",
        "/description",
        "/error",
        "/correspondentsStatus/description",
        "/invokeStatus/description",
        "/error/message",
    ];
    let of = |value: &Value| match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "),
        _ => String::new(),
    };
    let status = ["/correspondentsStatus/status", "/invokeStatus/status"];
    std::iter::once(of(json))
        .chain(PLACES.iter().chain(&status).map(|place| json.pointer(place).map(of).unwrap_or_default()))
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// Of HTML only the title is for people.
fn html_title(html: &str) -> String {
    let lower = html.to_ascii_lowercase();
    let title = || {
        let start = lower.find("<title>")? + "<title>".len();
        let end = start + lower[start..].find("</title>")?;
        Some(html[start..end].trim().to_owned())
    };
    title().unwrap_or_default()
}

/// What a known sentence means, whatever the status that it came with.
fn known_text(text: &str) -> Option<Kind> {
    let text = text.to_ascii_lowercase();
    let says = |part: &str| text.contains(part);
    Some(match () {
        () if says("rate-overlimit") => Kind::TooManyRequests,
        () if says("get avatar timeout limit exceeded") => Kind::AvatarTimeout,
        () if says("custom webhook url is set") => Kind::WebhookUrlSet,
        // Before "starting": the newer wording is "instance is starting or not authorized".
        () if says("not authorized") => Kind::InstanceNotAuthorized,
        () if says("starting process") || says("try later") => Kind::InstanceStarting,
        () if says("is deleted") => Kind::InstanceDeleted,
        () if says("expired") => Kind::InstanceExpired,
        () if says("bad request data")
            || says("validation failed")
            || says("unexpected token")
            || says("cannot unmarshal") =>
        {
            Kind::BadRequestData
        }
        () => return None,
    })
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
            // WhatsApp's own words, whatever GREEN-API makes of them.
            Some(kind @ (Kind::TooManyRequests | Kind::AvatarTimeout)) => kind,
            _ => Kind::ServerError,
        },
        _ => Kind::UnexpectedResponse,
    }
}

/// The failure of a kind that the service told: what it means, what the service said, what to do.
fn describe(kind: Kind, status: u16, text: &str) -> Failure {
    let said = sanitize(text);
    let said = if said.is_empty() { format!("status {status}") } else { format!("status {status}: {said}") };
    let (what, hint) = meaning(kind);
    let error = anyhow::Error::msg(said).context(what);
    let failure = Failure::caused(kind, error);
    if hint.is_empty() { failure } else { failure.hint(hint) }
}

const fn meaning(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::BadRequestData => {
            ("GREEN-API finds the request malformed", "check that the number has its country code and 11 or 12 digits")
        }
        Kind::InstanceStarting => ("the instance is starting", "try again in a few minutes"),
        Kind::TooManyRequests => ("more requests than are allowed", "a lower --rate leaves room for other programs"),
        Kind::ClientClosedRequest => ("GREEN-API saw the request given up", "a longer --timeout waits longer"),
        Kind::InstanceNotAuthorized => (
            "the instance is not authorized",
            "scan the QR code in GREEN-API's console, and see what `greenavatar doctor` finds",
        ),
        Kind::InstanceExpired => ("the instance is not paid for", "renew it in GREEN-API's console"),
        Kind::InstanceDeleted => ("the instance is deleted", "use another instance's id and token"),
        Kind::Unauthorized => ("GREEN-API refuses the token", "compare apiTokenInstance with GREEN-API's console"),
        Kind::Forbidden => {
            ("GREEN-API knows no such instance", "compare idInstance and apiUrl with GREEN-API's console")
        }
        Kind::NotFound => {
            ("the method is not there", "compare apiUrl with GREEN-API's console: each instance has its own")
        }
        Kind::QuotaExceeded => {
            ("the plan's quota is used up", "it starts anew on the 1st of the month; a larger plan lifts it at once")
        }
        Kind::ServerError => ("GREEN-API failed", "try again later"),
        Kind::AvatarTimeout => ("WhatsApp did not give the avatar in time", "try again later"),
        Kind::WebhookUrlSet => (
            "the instance sends its notifications to a webhook, so the queue cannot be read",
            "clear webhookUrl in GREEN-API's console, or receive them with `greenavatar listen`",
        ),
        Kind::UnexpectedResponse => ("an answer that nothing explains", "check --api-url: is it GREEN-API's?"),
        Kind::InvalidChatId
        | Kind::Unreachable
        | Kind::Timeout
        | Kind::NoResult
        | Kind::MissingCredentials
        | Kind::BadSettings
        | Kind::ForeignNotification
        | Kind::QueueBusy
        | Kind::JournalBusy
        | Kind::BadPicture
        | Kind::PictureExpired
        | Kind::InputUnreadable
        | Kind::OutputFailed => ("the request failed", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escape::escape_short;
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
            (301, "", "unexpected-response"),
            (405, "", "unexpected-response"),
            (999, "", "unexpected-response"),
            (200, "<html><title>Log in</title></html>", "unexpected-response"),
            (200, &"[".repeat(60_000), "unexpected-response"),
            (200, r#"{"urlAvatar":"#, "unexpected-response"),
        ] {
            assert_eq!(kind(status, body), Some(code), "{status} {}", escape_short(body));
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
