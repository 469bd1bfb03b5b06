//! Reads JSON leniently: keys may be missing, unknown, repeated or in any order.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The keys and values of an object, unparsed. A value that is not used may contain a number out of range or a broken
/// escape.
pub struct Object<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'a> Object<'a> {
    /// Reads an object; `None` if the text is not one.
    pub fn parse(text: &'a [u8]) -> Option<Object<'a>> {
        serde_json::from_str(std::str::from_utf8(text).ok()?).ok()
    }

    /// The JSON text of a key's value; the last one if the key is repeated.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        let matches = |key: &str| match key.contains('\\') {
            false => key.get(1..key.len() - 1) == Some(name),
            true => serde_json::from_str::<Cow<str>>(key).is_ok_and(|key| key == name),
        };
        self.0.iter().rev().find(|(key, _)| matches(key.get())).map(|(_, value)| value.get())
    }

    /// The URL in `urlAvatar`, or `None` for any of the values that mean no picture. An error if it is neither.
    pub fn url_avatar(&self) -> Result<Option<String>, NotAUrl> {
        let Some(value) = self.value("urlAvatar").filter(|value| !matches!(*value, "null" | "false")) else {
            return Ok(None);
        };
        match string(value).ok_or(NotAUrl)?.trim() {
            "" | "null" | "undefined" => Ok(None),
            url if has_web_scheme(url) => Ok(Some(url.to_owned())),
            _ => Err(NotAUrl),
        }
    }
}

/// The value of `urlAvatar` is neither a URL nor one that means no picture.
#[derive(Debug)]
pub struct NotAUrl;

/// The text of a JSON string.
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

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<'de>, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Object(pairs))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
