//! Reads JSON leniently: keys may be missing, unknown, repeated or in any order.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;

/// The keys of an object and the JSON texts of their values; of a repeated key the last one. A key or value that is not
/// used may contain a number out of range or half a surrogate pair.
pub struct Object<'a>(HashMap<Lossy, &'a RawValue>);

/// A JSON string in which half a surrogate pair becomes U+FFFD.
#[derive(PartialEq, Eq, Hash)]
pub struct Lossy(pub String);

impl<'de> Deserialize<'de> for Lossy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Lossy, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Lossy;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Lossy, E> {
                Ok(Lossy(String::from_utf8_lossy(bytes).into_owned()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

impl Borrow<str> for Lossy {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'a> Object<'a> {
    /// Reads an object; `None` if the text is not one.
    pub fn parse(text: &'a [u8]) -> Option<Object<'a>> {
        serde_json::from_str(std::str::from_utf8(text).ok()?).ok().map(Object)
    }

    /// The JSON text of a key's value.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|value| value.get())
    }

    /// The URL in `urlAvatar`, or `None` for any of the values that mean no picture. An error if it is neither.
    pub fn url_avatar(&self) -> Result<Option<String>, &'static str> {
        const NOT_A_URL: &str = "urlAvatar is not a URL";
        let Some(value) = self.value("urlAvatar").filter(|value| !matches!(*value, "null" | "false")) else {
            return Ok(None);
        };
        match string(value).ok_or(NOT_A_URL)?.trim() {
            "" | "null" | "undefined" => Ok(None),
            url if has_web_scheme(url) => Ok(Some(url.to_owned())),
            _ => Err(NOT_A_URL),
        }
    }
}

pub fn string(value: &str) -> Option<String> {
    serde_json::from_str(value).ok()
}

/// A Boolean, which may be written as a string.
pub fn truth(value: &str) -> Option<bool> {
    let value = value.trim_matches('"');
    let is = |word: &str| value.eq_ignore_ascii_case(word);
    if is("true") { Some(true) } else { is("false").then_some(false) }
}

fn has_web_scheme(url: &str) -> bool {
    let starts = |scheme: &str| url.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    starts("https://") || starts("http://")
}
