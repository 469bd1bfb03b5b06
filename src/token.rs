//! Secrets, and masked text, the only text that leaves the process.
//!
//! [`register`] notes a secret of this process once. [`Masked`] is what both streams, the journal and pages take, and
//! its constructor leaves no registered secret in the text.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use crate::text::{sanitize, sanitize_short};

/// Replaces a secret in everything that is printed.
pub const MASK: &str = "***";
/// The shortest part of a secret that is masked: shorter ones occur by chance.
const SHORTEST_PART: usize = 8;
/// Shorter texts are not secrets: masking them would make messages unreadable.
const SHORTEST_SECRET: usize = 6;

/// The secrets of this process, in lower case.
static SECRETS: RwLock<Vec<Vec<u8>>> = RwLock::new(Vec::new());

/// Masks `secret` from now on in everything that leaves the process.
pub fn register(secret: &str) {
    let secret = secret.to_ascii_lowercase().into_bytes();
    let mut secrets = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    if secret.len() >= SHORTEST_SECRET && !secrets.contains(&secret) {
        secrets.push(secret);
    }
}

/// The apiTokenInstance of an instance.
///
/// It has no Display, Serialize or Deref, and its Debug is masked.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Takes and registers `[A-Za-z0-9_-]{8,128}`. Anything else is `None`, and the caller must not print it.
    pub fn parse(text: &str) -> Option<Token> {
        has_token_shape(text).then(|| {
            register(text);
            Token(text.to_owned())
        })
    }

    /// The secret itself, to build a URL with and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

fn has_token_shape(text: &str) -> bool {
    (8..=128).contains(&text.len()) && text.as_bytes().iter().all(is_token_byte)
}

fn is_token_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Whether a file name may be a token that was given in place of one, so that it must not be printed: the tokens of
/// GREEN-API are fifty letters and digits.
pub fn could_be_a_token(path: &Path) -> bool {
    path.to_str().is_some_and(|name| name.len() >= 20 && has_token_shape(name))
}

/// A file's name as messages show it: escaped, and masked if it may be a token that was given in the wrong place.
pub fn shown_path(path: &Path) -> String {
    if could_be_a_token(path) { MASK.to_owned() } else { sanitize(&path.display().to_string()) }
}

/// Text without the secrets of this process: what both streams, the journal and pages take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masked(String);

impl Masked {
    /// Masks each registered secret and each part of a token that has 8 characters or more, also if they are written as
    /// `\u00xx` or `%xx` or in other capitals. A part of digits only is left: it may be a phone number.
    pub fn new(text: impl Into<String>) -> Masked {
        let text = text.into();
        match masked(&text, |_| false) {
            Some(masked) => Masked(masked),
            None => Masked(text),
        }
    }

    /// The lines with which `sandbox` prints its own token, which is valid for this sandbox only. Not for other text.
    pub fn verbatim(exports: String) -> Masked {
        Masked(exports)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn push(&mut self, other: &Masked) {
        self.0.push_str(&other.0);
    }
}

/// Text of a server for use in a message: masked, sanitized and cut at 300 characters.
///
/// Here a part of digits only is masked as well, unless it is in a chat id.
pub fn redact(text: &str) -> String {
    let is_in_no_chat_id = |rest: &[u8]| rest.iter().find(|b| !b.is_ascii_digit() && **b != b'-') != Some(&b'@');
    match masked(text, is_in_no_chat_id) {
        Some(masked) => sanitize_short(&masked),
        None => sanitize_short(text),
    }
}

/// The text with secrets and their parts replaced; `None` if there are none in it. `masks_digits` gets what follows a
/// part of digits only.
fn masked(text: &str, masks_digits: impl Fn(&[u8]) -> bool) -> Option<String> {
    let secrets = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    if secrets.is_empty() {
        return None;
    }
    let mut found = Vec::new();
    let readings: &[bool] = if text.contains(['%', '\\']) { &[true, false] } else { &[true] };
    for is_escaped in readings {
        let (decoded, starts) = decode(text, *is_escaped);
        for secret in secrets.iter() {
            for part in parts_of(secret, &decoded) {
                let is_spared = part.len() < secret.len()
                    && decoded[part.clone()].iter().all(u8::is_ascii_digit)
                    && !masks_digits(&decoded[part.end..]);
                if !is_spared {
                    found.push(starts[part.start]..starts[part.end]);
                }
            }
        }
    }
    if found.is_empty() {
        return None;
    }
    found.sort_unstable_by_key(|part| part.start);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for part in found {
        // A secret need not be ASCII, so that a part of it may begin or end within a character.
        let start = (0..=part.start).rfind(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let end = (part.end..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        if start >= done {
            out.push_str(&text[done..start]);
            out.push_str(MASK);
        }
        done = done.max(end);
    }
    out.push_str(&text[done..]);
    Some(out)
}

/// Where the secret is in the text, and, if it has the shape of a token, each part of at least 8 bytes.
fn parts_of(secret: &[u8], text: &[u8]) -> Vec<Range<usize>> {
    // Other secrets are what was typed in place of a token, and may be made of words that messages use.
    let is_token = secret.iter().all(is_token_byte);
    let least = if is_token { SHORTEST_PART.min(secret.len()) } else { secret.len() };
    let is_part = |window: &[u8]| secret.windows(least).any(|part| part == window);
    let mut occurs = [false; 256];
    secret.iter().for_each(|b| occurs[usize::from(*b)] = true);
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(window) = text.get(at..at + least) {
        if let Some(other) = window.iter().rposition(|b| !occurs[usize::from(*b)]) {
            at += other + 1;
            continue;
        }
        if is_part(window) {
            match parts.last_mut().filter(|last| last.end >= at) {
                Some(last) => last.end = at + least,
                None => parts.push(at..at + least),
            }
        }
        at += 1;
    }
    parts
}

/// The text's bytes in lower case, and the place in the text at which each begins; the last place is the text's end.
/// `is_escaped`: with `\u00xx` and `%xx` decoded. Otherwise their digits may begin a part; that of `\u00xx` is masked as
/// a whole then, since the rest of it would not be JSON.
fn decode(text: &str, is_escaped: bool) -> (Vec<u8>, Vec<usize>) {
    let bytes = text.as_bytes();
    let (mut decoded, mut starts) = (Vec::with_capacity(bytes.len()), Vec::with_capacity(bytes.len() + 1));
    let mut at = 0;
    while at < bytes.len() {
        let (byte, length) = match bytes[at] {
            b'%' if is_escaped => hex_pair(&bytes[at + 1..]).map_or((b'%', 1), |byte| (byte, 3)),
            b'\\' => decode_escape(&bytes[at..]),
            byte => (byte, 1),
        };
        let read: &[u8] = match bytes[at..at + length] {
            [b'\\', .., high, low] if !is_escaped && length > 2 => &[b'\\', high, low],
            _ => &[byte],
        };
        decoded.extend(read.iter().map(u8::to_ascii_lowercase));
        starts.extend(read.iter().map(|_| at));
        at += length;
    }
    starts.push(bytes.len());
    (decoded, starts)
}

/// What a backslash begins, and its length. Several before `u00xx` are those of JSON in JSON.
fn decode_escape(text: &[u8]) -> (u8, usize) {
    let backslashes = text.iter().take_while(|b| **b == b'\\').count();
    if let Some(byte) = text[backslashes..].strip_prefix(b"u00").and_then(hex_pair) {
        return (byte, backslashes + 5);
    }
    // The letter of `\n` is not part of the word that follows: without it JSON would break.
    let is_escape = text.get(1).is_some_and(|b| b"\"\\/bfnrt".contains(b));
    (b'\\', if is_escape { 2 } else { 1 })
}

fn hex_pair(text: &[u8]) -> Option<u8> {
    let digits = text.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(secret: &str, text: &str) -> String {
        register(secret);
        Masked::new(text).as_str().to_owned()
    }

    #[test]
    fn only_the_documented_form_is_a_token() {
        assert!(Token::parse("0123456789abcdef0123456789abcdef0123456789abcdef01").is_some());
        assert!(Token::parse("A_b-1234").is_some());
        for bad in ["", "short12", "with space", "with/slash", "né-ascii-tok", &"a".repeat(129)] {
            assert!(Token::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn debug_shows_the_mask() {
        assert_eq!(format!("{:?}", Token::parse("xyzzy-plugh")), "Some(***)");
    }

    #[test]
    fn a_secret_is_masked_in_any_capitals_and_spelling() {
        let secret = "zyxwvutsr-1234";
        for (text, shown) in [
            ("zyxwvutsr-1234", "***"),
            ("a/ZYXWVUTSR-1234/bé zyxwvutsr-1234", "a/***/bé ***"),
            ("zyzyxwvutsr-1234zyxwvutsr-1234", "zy***"),
            (r"\u007a\u0079xwvutsr%2d1234.", "***."),
            (r#""\\u007a\\u0079xwvutsr-1234""#, r#""***""#),
            ("%7Ayxwvutsr-1234%7", "***%7"),
        ] {
            assert_eq!(masked(secret, text), shown, "{text}");
        }
    }

    #[test]
    fn parts_of_eight_characters_are_masked_and_shorter_ones_are_not() {
        let secret = "qponmlkjihgf";
        for (text, shown) in [
            ("qponmlkj", "***"),
            ("xnmlkjihgx", "x***x"),
            ("qponmlk", "qponmlk"),
            ("qponmlk mlkjihg", "qponmlk mlkjihg"),
            (r#"{"a":"\nmlkjihg"}"#, r#"{"a":"\nmlkjihg"}"#),
        ] {
            assert_eq!(masked(secret, text), shown, "{text}");
        }
        // Digits of an escape may be those of a part.
        let secret = "ab45cd78efgh";
        for (text, shown) in [
            ("%ab45cd78 %45cd78efgh", "%*** %***"),
            (r#"{"a":"\u00ab45cd78efgh","b":"x\\u0045cd78efg"}"#, r#"{"a":"***","b":"x***"}"#),
            ("%45cd78e", "%45cd78e"),
        ] {
            assert_eq!(masked(secret, text), shown, "{text}");
        }
    }

    #[test]
    fn a_part_of_digits_is_masked_only_in_a_text_of_a_server() {
        let secret = "9182736455x";
        assert_eq!(masked(secret, "7918273645@c.us 9182736455x"), "7918273645@c.us ***");
        assert_eq!(redact("no 91827364 here, nor 7918273645@c.us"), "no *** here, nor 7918273645@c.us");
        assert_eq!(redact("91827364-1479621234@g.us"), "91827364-1479621234@g.us");
    }

    #[test]
    fn a_secret_of_any_characters_is_masked_whole() {
        assert_eq!(masked("hush is not a token!", "hush is not a token! is not a token"), "*** is not a token");
        assert_eq!(masked("пароль", "дпароль: пар"), "д***: пар");
        assert_eq!(masked("hunter2", "--token=hunter2 hunter"), "--token=*** hunter");
        assert_eq!(masked("abc", "abc"), "abc");
    }
}
