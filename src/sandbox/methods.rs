//! The six methods, each as the service documents it. Who may call and how often is checked here too, in the service's order:
//! instance, method and verb, token, rate, then what the call says.

use std::time::Duration;

use super::answer::{Answer, Echo};
use super::instance::Instance;
use super::notification::WID;
use super::route::{Call, Method};
use super::scenario::{Scenario, Verdict};
use super::validation;

/// How long …907 takes.
const LATE: Duration = Duration::from_secs(3);

/// A call and what came with it.
pub struct Asked<'a> {
    /// The instance that the path names.
    pub id: &'a str,
    /// The call, if the path is one.
    pub call: Option<Call<'a>>,
    /// The URL's query.
    pub query: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// What error bodies echo.
    pub echo: Echo<'a>,
}

/// The service's answer.
pub async fn answer(instance: &Instance, asked: &Asked<'_>) -> Answer {
    if asked.id != instance.options.id_instance {
        return Answer::nginx(403, "Forbidden");
    }
    let Some(call) = asked.call.as_ref().filter(|call| call.method.verb() == asked.echo.verb) else {
        return Answer::cannot(&asked.echo);
    };
    if call.token != instance.options.token {
        return Answer::empty(401);
    }
    if instance.options.rate_limit && !instance.memory(|memory| memory.limits.admit(call.method, instance.now())) {
        return Answer::envelope(429, &asked.echo, "Too Many Requests");
    }
    match call.method {
        Method::GetAvatarAsync | Method::GetAvatar => get_avatar(instance, asked, call.method).await,
        Method::ReceiveNotification => receive_notification(instance, asked).await,
        Method::DeleteNotification => delete_notification(instance, asked, call.receipt),
        Method::GetStateInstance => Answer::json(r#"{"stateInstance":"authorized"}"#),
        Method::GetSettings => settings(instance),
    }
}

async fn get_avatar(instance: &Instance, asked: &Asked<'_>, method: Method) -> Answer {
    let chat_id = match validation::chat_id(asked.body) {
        Ok(chat_id) => chat_id,
        Err(message) => return Answer::envelope(400, &asked.echo, &message),
    };
    let well = |verdict, copies| match method {
        Method::GetAvatarAsync => accepted(instance, &chat_id, verdict, copies),
        _ => found(instance, &chat_id, verdict),
    };
    match Scenario::of(&chat_id) {
        Scenario::Status(status) => Answer::documented(status, &asked.echo, method.name()),
        Scenario::TwiceThenWell(status) => match instance.memory(|memory| memory.fails(method, &chat_id)) {
            true => Answer::documented(status, &asked.echo, method.name()),
            false => well(Verdict::Found, 1),
        },
        Scenario::Well(verdict) => well(verdict, 1),
        Scenario::Lost => well(Verdict::Found, 0),
        Scenario::Doubled => well(Verdict::Found, 2),
        Scenario::Late => {
            instance.sleep_until(instance.now() + LATE).await;
            well(Verdict::Found, 1)
        }
        // Half of this, whichever method was called: getAvatarAsync has no body of its own to break off.
        Scenario::CutOff => Answer { cut_off: true, ..found(instance, &chat_id, Verdict::Found) },
    }
}

/// getAvatarAsync says nothing; the result comes as a notification.
fn accepted(instance: &Instance, chat_id: &str, verdict: Verdict, copies: usize) -> Answer {
    instance.schedule(chat_id, verdict, copies);
    Answer::empty(if instance.options.literal_docs { 400 } else { 200 })
}

/// getAvatar says it at once.
fn found(instance: &Instance, chat_id: &str, verdict: Verdict) -> Answer {
    Answer::json(match verdict {
        Verdict::Found => {
            format!(r#"{{"urlAvatar":"{}","available":true}}"#, instance.picture_url(chat_id, instance.now()))
        }
        Verdict::NoPicture => r#"{"urlAvatar":"","available":true}"#.to_owned(),
        Verdict::Hidden => r#"{"urlAvatar":"","available":false}"#.to_owned(),
        Verdict::NoAccount => r#"{"existsWhatsapp":false,"urlAvatar":""}"#.to_owned(),
        Verdict::GaveUp => r#"{"reason":"get avatar timeout limit exceeded","urlAvatar":null}"#.to_owned(),
    })
}

async fn receive_notification(instance: &Instance, asked: &Asked<'_>) -> Answer {
    if instance.options.webhook_url.is_some() {
        let message = "Message cannot be received because custom webhook url is set. Go to cabinet, clear webhook url";
        return Answer::envelope(400, &asked.echo, message);
    }
    let seconds = match validation::receive_timeout(asked.query) {
        Ok(seconds) => seconds,
        Err(message) => return Answer::envelope(400, &asked.echo, &message),
    };
    let deadline = instance.now() + Duration::from_secs(seconds);
    let head = instance.wait_for(Some(deadline), |memory, now| match memory.queue.head(now) {
        Some((receipt, notification)) => {
            let mut body = format!(r#"{{"receiptId":{receipt},"body":"#).into_bytes();
            body.append(&mut instance.write(notification));
            body.push(b'}');
            Ok(body)
        }
        None => Err(memory.queue.next_arrival()),
    });
    match head.await {
        Some(body) => Answer::json(body),
        None => Answer::json("null"),
    }
}

fn delete_notification(instance: &Instance, asked: &Asked<'_>, receipt: &str) -> Answer {
    let receipt = match validation::receipt(receipt) {
        Ok(receipt) => receipt,
        Err(message) => return Answer::envelope(400, &asked.echo, &message),
    };
    if instance.memory(|memory| memory.queue.delete(receipt, instance.now())) {
        return Answer::json(r#"{"result":true,"reason":""}"#);
    }
    Answer::json(format!(
        r#"{{"result":false,"reason":"Notification with receiptId {receipt} was not received or is deleted already"}}"#
    ))
}

fn settings(instance: &Instance) -> Answer {
    let text = |option: &Option<String>| option.clone().unwrap_or_default();
    let settings = serde_json::json!({
        "wid": WID,
        "countryInstance": "",
        "typeAccount": "",
        "webhookUrl": text(&instance.options.webhook_url),
        "webhookUrlToken": text(&instance.options.webhook_token),
        "delaySendMessagesMilliseconds": 5000,
        "markIncomingMessagesReaded": "no",
        "markIncomingMessagesReadedOnReply": "no",
        "sharedSession": "no",
        "outgoingWebhook": "no",
        "outgoingMessageWebhook": "no",
        "outgoingAPIMessageWebhook": "no",
        "incomingWebhook": "yes",
        "deviceWebhook": "yes",
        "statusInstanceWebhook": "no",
        "stateWebhook": "no",
        "enableMessagesHistory": "no",
        "keepOnlineStatus": "no",
        "pollMessageWebhook": "no",
        "incomingBlockWebhook": "no",
        "incomingCallWebhook": "no",
        "editedMessageWebhook": "no",
        "deletedMessageWebhook": "no",
    });
    Answer::json(settings.to_string())
}
