//! The answers of getStateInstance and getSettings: the instance's state, and where its notifications are sent.
//!
//! Reading is lenient: a state may be missing or new, and a setting may be "yes" or true. The settings contain the
//! webhook's token, which must not leave this file.

use serde_json::Value;

use super::error::unexpected;
use crate::failure::Failure;
use crate::http::{Answer, Origin};
use crate::token::redact;

/// The state in an answer that is not an error, escaped: `authorized` or another word. Empty if the answer has none.
pub fn read_state(answer: &Answer) -> String {
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    redact(json["stateInstance"].as_str().unwrap_or_default())
}

/// The settings of an instance that matter for results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceSettings {
    /// Scheme and host of the webhook's URL, if it is set. Its path and query may contain a secret.
    pub webhook: Option<String>,
    /// The notifications that are on, such as `incomingWebhook`.
    pub notifications: Vec<String>,
}

impl InstanceSettings {
    /// Reads an answer that is not an error. Anything but a JSON object is an unexpected response.
    pub fn read(answer: &Answer) -> Result<InstanceSettings, Failure> {
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let Value::Object(settings) = json else {
            return Err(unexpected(answer, "the answer is not a list of settings"));
        };
        let is_on = |value: &Value| match value {
            Value::Bool(on) => *on,
            Value::String(text) => text.eq_ignore_ascii_case("yes") || text.eq_ignore_ascii_case("true"),
            _ => false,
        };
        let webhook = settings.get("webhookUrl").and_then(Value::as_str).map(str::trim).filter(|url| !url.is_empty());
        Ok(InstanceSettings {
            webhook: webhook.map(shown_origin),
            notifications: settings
                .iter()
                .filter(|(name, value)| name.ends_with("Webhook") && is_on(value))
                .map(|(name, _)| redact(name))
                .collect(),
        })
    }
}

/// Scheme, host and port of a webhook's URL: the rest may contain a secret.
fn shown_origin(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    match Origin::parse(&format!("{}://{host}", if scheme.is_empty() { "http" } else { scheme })) {
        Some(origin) if scheme.is_empty() => origin.authority(),
        Some(origin) => origin.to_string(),
        None => "not a URL".to_owned(),
    }
}

/// The body of getSettings without the webhook's secrets; only its size if it is not JSON.
pub fn shown_settings(body: &[u8]) -> String {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(mut settings)) => {
            for (name, value) in &mut settings {
                let name = name.to_ascii_lowercase();
                if name.contains("token") || name.contains("password") {
                    *value = Value::from(crate::token::MASK);
                } else if let Some(url) = value.as_str().filter(|_| name.ends_with("url")) {
                    *value = Value::from(if url.is_empty() { String::new() } else { shown_origin(url) + "/..." });
                }
            }
            Value::Object(settings).to_string()
        }
        _ => format!("({} bytes)", body.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;

    fn answer(body: &str) -> Answer {
        Answer { status: 200, retry_after: None, body: body.as_bytes().to_vec(), complete: true }
    }

    #[test]
    fn every_state_is_read_and_a_new_or_missing_one_is_not_an_error() {
        for word in ["authorized", "notAuthorized", "blocked", "sleepMode", "starting", "yellowCard", "suspended"] {
            assert_eq!(read_state(&answer(&format!(r#"{{"stateInstance":"{word}"}}"#))), word);
        }
        assert_eq!(read_state(&answer(r#"{"stateInstance":"new\u001b[2J"}"#)), "new\\u{1b}[2J");
        for body in ["null", "", "{}", r#"{"stateInstance":null}"#] {
            assert_eq!(read_state(&answer(body)), "", "{body}");
        }
    }

    #[test]
    fn of_a_webhook_only_scheme_and_host_are_kept() {
        let settings = |url: &str| {
            let body = serde_json::json!({ "webhookUrl": url, "webhookUrlToken": "hush-hush" }).to_string();
            InstanceSettings::read(&answer(&body)).expect("settings")
        };
        assert_eq!(settings("").webhook, None);
        assert_eq!(
            settings("https://u:p@h.example:8443/secret?t=1").webhook.as_deref(),
            Some("https://h.example:8443")
        );
        assert_eq!(settings("h.example/secret").webhook.as_deref(), Some("h.example"));
    }

    #[test]
    fn notifications_that_are_on_are_named() {
        let body = r#"{"incomingWebhook":"yes","outgoingWebhook":"no","deviceWebhook":true,"markIncomingMessagesReaded":"yes","stateWebhook":null}"#;
        let mut on = InstanceSettings::read(&answer(body)).expect("settings").notifications;
        on.sort();
        assert_eq!(on, ["deviceWebhook", "incomingWebhook"]);
        for body in ["null", "", "[]"] {
            assert_eq!(InstanceSettings::read(&answer(body)).expect_err(body).kind, Kind::UnexpectedResponse);
        }
    }

    #[test]
    fn the_secrets_of_a_webhook_are_not_shown() {
        let body = br#"{"wid":"1","webhookUrl":"https://h.example/hush","webhookUrlToken":"hush"}"#;
        let shown = shown_settings(body);
        assert!(!shown.contains("hush") && shown.contains("https://h.example/..."), "{shown}");
        assert_eq!(shown_settings(b"hush"), "(4 bytes)");
    }
}
