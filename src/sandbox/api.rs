//! The methods: checks of credentials, rate and parameters, and the answers. The last three digits of a chat id choose
//! what happens to it.

use std::time::Duration;

use hyper::Uri;
use serde_json::{Value, json};

use super::book;
use super::picture;
use super::reply::Reply;
use super::state::SandboxState;

/// Name, HTTP method and documented calls a second of each method.
const METHODS: [(&str, &str, usize); 9] = [
    ("getAvatarAsync", "POST", 10),
    ("getAvatar", "POST", 10),
    ("receiveNotification", "GET", 100),
    ("deleteNotification", "DELETE", 100),
    ("getStateInstance", "GET", 1),
    ("getSettings", "GET", 1),
    ("getContacts", "GET", 1),
    ("getChats", "GET", 1),
    ("getWaSettings", "GET", 1),
];

/// The account that the instance is signed in with.
const WID: &str = "11001234567@c.us";

/// Number of empty answers of getContacts and of getChats with `--contacts-late`.
const EMPTY_LISTS: u64 = 2;

/// The chat ids that the service accepts, in its words.
const FORMATS: &str = "Validation failed. Details: 'chatId' must be one of the next formats: \
                       'phone_number@c.us', 'chat_id@lid' or 'group_id@g.us'";

/// A request, and the sandbox that received it.
pub struct RequestContext<'a> {
    pub state: &'a SandboxState,
    pub verb: &'a str,
    pub uri: &'a Uri,
    pub body: &'a [u8],
}

impl RequestContext<'_> {
    /// The service's usual error. It echoes the whole path, token included.
    fn error(&self, status: u16, message: &str) -> Reply {
        let unix_ms = i64::try_from(self.state.unix(self.state.now()).as_millis()).unwrap_or_default();
        let timestamp = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or_default();
        let body = format!(
            r#"{{"statusCode":{status},"timestamp":"{}","path":{},"message":{}}}"#,
            timestamp.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"),
            json!(self.path()),
            json!(message),
        );
        Reply::json(status, body)
    }

    /// There is no such method, or not with this HTTP method.
    fn not_found(&self) -> Reply {
        self.error(404, &format!("Cannot {} {}", self.verb, self.path()))
    }

    fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        let mut pairs = self.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(key, value)| (key == name).then_some(value))
    }
}

/// Answers a call, after the checks that the service makes, in its order: instance, method, token, rate.
pub async fn respond(context: &RequestContext<'_>) -> Reply {
    let config = &context.state.config;
    let parts: Vec<&str> = context.uri.path().split('/').skip(1).collect();
    match parts.first().and_then(|part| part.strip_prefix("waInstance")) {
        None => return context.not_found(),
        Some(id) if id != config.id_instance => return Reply::nginx(403, "Forbidden"),
        Some(_) => {}
    }
    let (name, token, receipt) = match parts[1..] {
        [name, token] => (name, token, ""),
        [name @ "deleteNotification", token, receipt] => (name, token, receipt),
        _ => return context.not_found(),
    };
    let method = METHODS.into_iter().find(|(known, verb, _)| *known == name && *verb == context.verb);
    let Some((method, _, per_second)) = method else { return context.not_found() };
    if token != config.token {
        return Reply::empty(401);
    }
    if !context.state.allow(method, per_second) {
        return context.error(429, "Too Many Requests");
    }
    match method {
        "getAvatarAsync" | "getAvatar" => get_avatar(context, method).await,
        "receiveNotification" => receive_notification(context).await,
        "deleteNotification" => delete_notification(context, receipt),
        "getStateInstance" => Reply::json(200, r#"{"stateInstance":"authorized"}"#),
        "getSettings" => get_settings(context.state),
        "getWaSettings" => get_wa_settings(context.state),
        _ => get_list(context, method),
    }
}

async fn get_avatar(context: &RequestContext<'_>, method: &str) -> Reply {
    let state = context.state;
    let chat_id = match chat_id(context.body) {
        Ok(chat_id) => chat_id,
        Err(message) => return context.error(400, &message),
    };
    let scenario = last_digits(&chat_id);
    let mut number = chat_id.split('@').next().unwrap_or_default().to_owned();
    match scenario {
        400 | 401 | 403 | 404 | 466 | 499 | 500 | 502 => return documented_error(context, scenario, method),
        429 | 503 if !state.count_request(&chat_id).is_multiple_of(3) => {
            return documented_error(context, scenario, method);
        }
        907 => state.sleep(Duration::from_secs(3)).await,
        // From the clock, so that another sandbox gives another picture, too.
        920 => number += &format!("-{}", state.unix(state.now()).as_micros()),
        _ => {}
    }
    let picture_url = |at| picture::url(&state.api_url, &number, state.unix(at).as_secs());
    let is_cut_off = scenario == 908;
    if method == "getAvatar" || is_cut_off {
        let reply = Reply::json(200, avatar(scenario, &picture_url(state.now())));
        // The same body for both methods: getAvatarAsync has none that could be cut off.
        return if is_cut_off { reply.truncated() } else { reply };
    }
    let results = match scenario {
        904 => 0,
        905 => 2,
        _ => 1,
    };
    let due = state.now() + state.config.delay;
    for _ in 0..results {
        state.notify(due, avatar_info(state, &chat_id, due, &result(scenario, &picture_url(due))));
    }
    Reply::empty(if state.config.literal_docs { 400 } else { 200 })
}

/// The last three digits before the `@`, which choose what happens; 0 if there are none.
fn last_digits(chat_id: &str) -> u16 {
    let number = chat_id.split('@').next().unwrap_or_default();
    let digits = number.len().checked_sub(3).and_then(|start| number.get(start..));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

/// The keys that getAvatar and the notification have in common.
fn result(scenario: u16, url: &str) -> String {
    match scenario {
        901..=903 => r#""urlAvatar":"""#.to_owned(),
        906 => r#""reason":"get avatar timeout limit exceeded""#.to_owned(),
        913 => r#""existsWhatsapp":false,"urlAvatar":"""#.to_owned(),
        _ => format!(r#""urlAvatar":"{url}""#),
    }
}

/// The body of getAvatar.
fn avatar(scenario: u16, url: &str) -> String {
    let available = match scenario {
        902 => r#","available":false"#,
        906 | 913 => "",
        _ => r#","available":true"#,
    };
    format!("{{{}{available}}}", result(scenario, url))
}

/// The notification with the result of getAvatarAsync. It does not tell a hidden picture from none.
fn avatar_info(state: &SandboxState, chat_id: &str, due: Duration, result: &str) -> String {
    // A JSON number has no leading zeros.
    let id: u128 = state.config.id_instance.parse().unwrap_or_default();
    let timestamp = state.unix(due).as_secs();
    format!(
        r#"{{"typeWebhook":"deviceInfo","instanceData":{{"idInstance":{id},"wid":"{WID}","typeInstance":"whatsapp"}},"timestamp":{timestamp},"avatarInfo":{{"chatId":"{chat_id}",{result}}}}}"#
    )
}

async fn receive_notification(context: &RequestContext<'_>) -> Reply {
    let state = context.state;
    if state.config.webhook_url.is_some() {
        let message = "Message cannot be received because custom webhook url is set. Go to cabinet, clear webhook url";
        return context.error(400, message);
    }
    let seconds = match context.parameter("receiveTimeout").unwrap_or("5").parse() {
        Ok(seconds @ 5..=60) => seconds,
        _ => return context.error(400, "Validation failed. Details: 'receiveTimeout' must be an integer from 5 to 60"),
    };
    match state.timeout_at(state.now() + Duration::from_secs(seconds), state.head()).await {
        Some((receipt, body)) => {
            Reply::json(200, [format!(r#"{{"receiptId":{receipt},"body":"#).as_bytes(), &body, b"}"].concat())
        }
        None => Reply::json(200, "null"),
    }
}

fn delete_notification(context: &RequestContext<'_>, receipt: &str) -> Reply {
    let Ok(receipt) = receipt.parse() else { return context.error(400, "Parameter receiptId must be a Number") };
    if context.state.delete(receipt) {
        return Reply::json(200, r#"{"result":true,"reason":""}"#);
    }
    let reason = format!("Notification with receiptId {receipt} was not received or is deleted already");
    Reply::json(200, json!({"result": false, "reason": reason}).to_string())
}

fn get_settings(state: &SandboxState) -> Reply {
    let settings = json!({
        "wid": WID,
        "webhookUrl": state.config.webhook_url.as_deref().unwrap_or_default(),
        "webhookUrlToken": state.config.webhook_token.as_deref().unwrap_or_default(),
        "delaySendMessagesMilliseconds": 5000,
        "incomingWebhook": "yes",
        "deviceWebhook": "yes",
        "outgoingWebhook": "no",
        "stateWebhook": "no",
    });
    Reply::json(200, settings.to_string())
}

fn get_wa_settings(state: &SandboxState) -> Reply {
    let calls = state.calls();
    let is_empty = |method| calls.get(method).is_none_or(|calls| *calls <= EMPTY_LISTS);
    let is_loading = state.config.contacts_late && is_empty("getContacts") && is_empty("getChats");
    let phone = WID.trim_end_matches("@c.us");
    let settings = json!({
        "avatar": picture::url(&state.api_url, phone, state.unix(state.now()).as_secs()),
        "phone": phone,
        "stateInstance": "authorized",
        "deviceId": format!("{phone}:1@s.whatsapp.net"),
        "base64Avatar": "",
        "chatId": WID,
        "historySyncProgress": if is_loading { 40 } else { 100 },
    });
    Reply::json(200, settings.to_string())
}

fn get_list(context: &RequestContext<'_>, method: &str) -> Reply {
    let invalid = |key, kind| {
        context.error(400, &format!("json: cannot unmarshal string into Go struct field .{key} of type {kind}"))
    };
    let Ok(count) = context.parameter("count").unwrap_or("0").parse::<i64>() else { return invalid("count", "int") };
    // 0 counts as absent, as in Go.
    let count = usize::try_from(count).ok().filter(|count| *count > 0).unwrap_or(usize::MAX);
    let groups = match context.parameter("group") {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return invalid("group", "bool"),
    };
    if context.state.config.contacts_late && context.state.calls()[method] <= EMPTY_LISTS {
        return Reply::json(200, "[]");
    }
    Reply::json(200, if method == "getChats" { book::chats(count) } else { book::contacts(groups, count) })
}

/// The chat id in a body, or the message of the 400 that the service answers.
fn chat_id(body: &[u8]) -> Result<String, String> {
    let failed = |details: &str| Err(format!("Validation failed. Details: {details}"));
    // An empty body counts as an empty object.
    let body = if body.is_empty() { b"{}" } else { body };
    let mut keys = match serde_json::from_slice(body) {
        Ok(Value::Object(keys)) => keys,
        Ok(_) => return failed("'value' must be of type object"),
        Err(error) if error.is_eof() => return Err("Unexpected end of JSON input".to_owned()),
        Err(_) => return Err("Unexpected token in JSON".to_owned()),
    };
    match keys.remove("chatId") {
        None => failed("'chatId' is required"),
        Some(Value::String(id)) if !is_chat_id(&id) => Err(FORMATS.to_owned()),
        Some(Value::String(id)) => match keys.keys().next() {
            Some(unknown) => failed(&format!("'{unknown}' is not allowed")),
            None => Ok(id),
        },
        Some(_) => failed("'chatId' must be a string"),
    }
}

/// Whether the text is `11–16 digits@c.us`, `digits@g.us`, `digits-digits@g.us` or `digits@lid`.
fn is_chat_id(text: &str) -> bool {
    let digits = |part: &str| (1..=32).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('@') {
        Some((number, "c.us")) => digits(number) && (11..=16).contains(&number.len()),
        Some((group, "g.us")) => match group.split_once('-') {
            Some((phone, created)) => digits(phone) && digits(created),
            None => digits(group),
        },
        Some((number, "lid")) => digits(number),
        _ => false,
    }
}

/// A status that a chat's number asks for, with the body that the service documents or sends.
fn documented_error(context: &RequestContext<'_>, status: u16, method: &str) -> Reply {
    match status {
        400 => context.error(400, "bad request data"),
        401 => Reply::empty(401),
        403 => Reply::nginx(403, "Forbidden"),
        404 => context.not_found(),
        429 => context.error(429, "Too Many Requests"),
        466 => Reply::json(466, quota_exceeded(method)),
        499 => context.error(499, "Client Closed Request"),
        500 => context.error(500, "Internal Server Error"),
        502 => Reply::nginx(502, "Bad Gateway"),
        _ => Reply::nginx(503, "Service Temporarily Unavailable"),
    }
}

fn quota_exceeded(method: &str) -> String {
    format!(
        r#"{{"invokeStatus":{{"method":"{}","used":67,"total":0,"status":"QUOTE_ALLOWED"}},"correspondentsStatus":{{"method":"correspondents","used":3,"total":3,"status":"CORRESPONDENTS_QUOTE_EXCEEDED","description":"Monthly quota has been exceeded. You can only send or receive messages from these numbers: 12345678901@c.us,12345678910@c.us,12345678911@c.us"}}}}"#,
        method.to_ascii_lowercase()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chat_ids_of_the_documentation_are_accepted() {
        for id in [
            "11001234567@c.us",
            "110012345678@c.us",
            "1100123456789012@c.us",
            "120363043968066561@g.us",
            "79001234567-1581234048@g.us",
            "210987654321@lid",
        ] {
            assert_eq!(chat_id(format!(r#"{{"chatId":"{id}"}}"#).as_bytes()).as_deref(), Ok(id));
        }
    }

    #[test]
    fn other_chat_ids_are_refused_with_the_formats() {
        for id in [
            "",
            "1100123456@c.us",
            "11001234567890123@c.us",
            "+11001234567@c.us",
            "11001234567",
            "11001234567@C.US",
            "11001234567@c.us ",
            "@g.us",
            "1-@g.us",
            "1-2-3@g.us",
            "1@newsletter",
            "status@broadcast",
            "１1001234567@c.us",
        ] {
            assert_eq!(chat_id(format!(r#"{{"chatId":"{id}"}}"#).as_bytes()), Err(FORMATS.to_owned()), "{id}");
        }
    }

    #[test]
    fn bodies_are_refused_with_the_texts_of_the_service() {
        for (body, message) in [
            ("", "Validation failed. Details: 'chatId' is required"),
            (r#"{"ChatId":"1"}"#, "Validation failed. Details: 'chatId' is required"),
            (r#"{"chatId":11001234567}"#, "Validation failed. Details: 'chatId' must be a string"),
            (r#"{"chatId":"11001234567@c.us","x":1}"#, "Validation failed. Details: 'x' is not allowed"),
            ("[]", "Validation failed. Details: 'value' must be of type object"),
            ("{oops", "Unexpected token in JSON"),
            (r#"{"chatId":"#, "Unexpected end of JSON input"),
            (&"[".repeat(60_000), "Unexpected token in JSON"),
        ] {
            assert_eq!(chat_id(body.as_bytes()), Err(message.to_owned()), "{}", &body[..body.len().min(40)]);
        }
        assert!(chat_id(b"{\"chatId\":\"\xff\"}").is_err());
    }
    #[test]
    fn groups_have_scenarios_too_by_the_digits_before_their_at_sign() {
        assert_eq!(last_digits("120363043968066466@g.us"), 466);
        assert_eq!(last_digits("11001234567-1581234904@g.us"), 904);
    }

    #[test]
    fn any_other_number_has_a_picture() {
        for chat_id in ["11001234567@c.us", "9@g.us", "40@lid", "", "@c.us", "ж4@c.us"] {
            assert_eq!(avatar(last_digits(chat_id), "u"), r#"{"urlAvatar":"u","available":true}"#, "{chat_id}");
        }
    }
}
