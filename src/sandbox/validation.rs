//! What the service refuses about a call, in its words. Pure: text in, a chat id or the message of a 400 out.

use serde_json::Value;

/// How the service names the chat ids that it takes.
const FORMATS: &str = "Validation failed. Details: 'chatId' must be one of the next formats: \
                       'phone_number@c.us', 'chat_id@lid' or 'group_id@g.us'";

/// The chat id in the body of getAvatar or getAvatarAsync.
///
/// # Errors
/// The `message` of the 400 that the service answers.
pub fn chat_id(body: &[u8]) -> Result<String, String> {
    // An empty body is an empty object, as in the framework that the service's words come from.
    if body.is_empty() {
        return Err(required("chatId"));
    }
    let mut keys = match serde_json::from_slice(body).map_err(|error| unexpected(body, &error))? {
        Value::Object(keys) => keys,
        Value::Array(_) => return Err(failed("'value' must be of type object")),
        _ => {
            return Err(unexpected_at(body, body.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0)));
        }
    };
    let chat_id = match keys.remove("chatId") {
        None => return Err(required("chatId")),
        Some(Value::String(text)) if text.is_empty() => {
            return Err(failed("'chatId' is not allowed to be empty"));
        }
        Some(Value::String(text)) => text,
        Some(_) => return Err(failed("'chatId' must be a string")),
    };
    if !is_chat_id(&chat_id) {
        return Err(FORMATS.to_owned());
    }
    match keys.keys().next() {
        Some(unknown) => Err(failed(&format!("'{unknown}' is not allowed"))),
        None => Ok(chat_id),
    }
}

/// The seconds that receiveNotification may wait: 5 where the query does not say.
///
/// # Errors
/// The `message` of the 400 that the service answers.
pub fn receive_timeout(query: &str) -> Result<u64, String> {
    let Some(text) = parameter(query, "receiveTimeout") else {
        return Ok(5);
    };
    match text.parse::<f64>() {
        Ok(seconds) if seconds < 5.0 => Err(failed("'receiveTimeout' must be greater than or equal to 5")),
        Ok(seconds) if seconds > 60.0 => Err(failed("'receiveTimeout' must be less than or equal to 60")),
        Ok(seconds) if seconds.fract() == 0.0 => Ok(seconds as u64),
        Ok(seconds) if seconds.is_finite() => Err(failed("'receiveTimeout' must be an integer")),
        _ => Err(failed("'receiveTimeout' must be a number")),
    }
}

/// The receipt that deleteNotification names.
///
/// # Errors
/// The `message` of the 400 that the service answers.
pub fn receipt(text: &str) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(receipt) if digits => Ok(receipt),
        // More digits than any receipt has: a number, but an unknown one.
        Err(_) if digits => Ok(u64::MAX),
        _ => Err("Parameter receiptId must be a Number".to_owned()),
    }
}

/// The first value of a query's parameter, as it stands there.
pub fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(key, value)| (key == name).then_some(value))
}

/// `11–16 digits@c.us`, `digits@g.us`, `digits-digits@g.us` or `digits@lid`.
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

fn required(key: &str) -> String {
    failed(&format!("'{key}' is required"))
}

fn failed(details: &str) -> String {
    format!("Validation failed. Details: {details}")
}

/// What the service's JSON parser says of a body that is no JSON.
fn unexpected(body: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "Unexpected end of JSON input".to_owned();
    }
    let line_start = match error.line() {
        0 | 1 => 0,
        line => body.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(line - 2).map_or(0, |(at, _)| at + 1),
    };
    unexpected_at(body, line_start + error.column().saturating_sub(1))
}

fn unexpected_at(body: &[u8], position: usize) -> String {
    match body.get(position) {
        Some(byte) if byte.is_ascii_graphic() => {
            format!("Unexpected token {} in JSON at position {position}", char::from(*byte))
        }
        _ => format!("Unexpected token \u{fffd} in JSON at position {position}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chat_ids_of_the_documentation_are_taken() {
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
    fn what_is_no_chat_id_is_refused_with_the_formats() {
        for id in [
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
    fn bodies_are_refused_in_the_service_s_words() {
        let many = "[".repeat(60_000);
        for (body, message) in [
            ("", "Validation failed. Details: 'chatId' is required"),
            ("{}", "Validation failed. Details: 'chatId' is required"),
            (r#"{"ChatId":"1"}"#, "Validation failed. Details: 'chatId' is required"),
            (r#"{"chatId":""}"#, "Validation failed. Details: 'chatId' is not allowed to be empty"),
            (r#"{"chatId":11001234567}"#, "Validation failed. Details: 'chatId' must be a string"),
            (r#"{"chatId":null}"#, "Validation failed. Details: 'chatId' must be a string"),
            (r#"{"chatId":"11001234567@c.us","x":1}"#, "Validation failed. Details: 'x' is not allowed"),
            ("[]", "Validation failed. Details: 'value' must be of type object"),
            (" null", "Unexpected token n in JSON at position 1"),
            ("{oops", "Unexpected token o in JSON at position 1"),
            ("{\n\"a\":,}", "Unexpected token , in JSON at position 6"),
            (r#"{"chatId":"#, "Unexpected end of JSON input"),
            (many.as_str(), "Unexpected token [ in JSON at position 127"),
        ] {
            assert_eq!(chat_id(body.as_bytes()), Err(message.to_owned()), "{}", &body[..body.len().min(40)]);
        }
        assert!(chat_id(b"{\"chatId\":\"\xff\"}").is_err());
    }

    #[test]
    fn receive_timeout_is_5_to_60_seconds() {
        assert_eq!(receive_timeout(""), Ok(5));
        assert_eq!(receive_timeout("a=b&receiveTimeout=60"), Ok(60));
        for (text, word) in [
            ("4", "greater"),
            ("-5", "greater"),
            ("61", "less"),
            ("99999999999999999999", "less"),
            ("5.5", "an integer"),
            ("", "a number"),
            ("5s", "a number"),
            ("NaN", "a number"),
        ] {
            let message = receive_timeout(&format!("receiveTimeout={text}")).expect_err(text);
            assert!(message.contains(&format!("'receiveTimeout' must be {word}")), "{text}: {message}");
        }
    }

    #[test]
    fn a_receipt_is_digits() {
        assert_eq!(receipt("12"), Ok(12));
        assert_eq!(receipt("99999999999999999999999"), Ok(u64::MAX));
        for text in ["", "x", "+1", "-1", "1.0"] {
            assert!(receipt(text).is_err(), "{text}");
        }
    }
}
