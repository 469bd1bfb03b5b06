//! The secret that cannot be printed: the token of an instance or of a webhook.
//!
//! It has no Display, no Serialize and no Deref, and its Debug is masked. It is exposed in two places:
//! where a URL or a header is built, and where it replaces itself in what is about to be printed.

use std::fmt;
use std::path::Path;

use crate::escape::escape;

/// What stands for a token in everything that is printed.
pub const MASK: &str = "***";

/// A token of the right shape.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Takes `[A-Za-z0-9_-]{8,128}`; anything else is `None`, and the caller must not print it.
    pub fn parse(text: &str) -> Option<Token> {
        let shape = (8..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        shape.then(|| Token(text.to_owned()))
    }

    /// The secret itself, for a URL or a header and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text with the token, in any mixture of capitals, replaced by [`MASK`].
    pub fn mask(&self, text: String) -> String {
        mask_value(text, &self.0)
    }
}

/// Whether what was given as a file's name could be a token, which must not be printed: those of GREEN-API are fifty
/// letters and digits.
pub fn could_be_a_token(path: &Path) -> bool {
    path.to_str().is_some_and(|name| name.len() >= 20 && Token::parse(name).is_some())
}

/// A file's name as messages show it: escaped, and masked if it may be a token that was given in the wrong place.
pub fn shown_path(path: &Path) -> String {
    if could_be_a_token(path) { MASK.to_owned() } else { escape(&path.display().to_string()) }
}

/// The text with `secret`, in any mixture of capitals, replaced by [`MASK`].
///
/// Also for values that are no token, such as a malformed one that must not be printed either.
pub fn mask_value(text: String, secret: &str) -> String {
    let (hay, needle) = (text.as_bytes(), secret.as_bytes());
    if needle.is_empty() || hay.len() < needle.len() {
        return text;
    }
    let found = |at: usize| hay[at..at + needle.len()].eq_ignore_ascii_case(needle);
    let first = needle[0].to_ascii_lowercase();
    let last_start = hay.len() - needle.len();
    let Some(mut at) = (0..=last_start).find(|&at| hay[at].to_ascii_lowercase() == first && found(at)) else {
        return text;
    };
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    while at <= last_start {
        if found(at) && text.is_char_boundary(at) && text.is_char_boundary(at + needle.len()) {
            masked.push_str(&text[done..at]);
            masked.push_str(MASK);
            at += needle.len();
            done = at;
        } else {
            at += 1;
        }
    }
    masked.push_str(&text[done..]);
    masked
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documented_shape_is_a_token() {
        assert!(Token::parse("0123456789abcdef0123456789abcdef0123456789abcdef01").is_some());
        assert!(Token::parse("A_b-1234").is_some());
        for bad in ["", "short12", "with space", "with/slash", "né-ascii-tok", &"a".repeat(129)] {
            assert!(Token::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn debug_shows_the_mask() {
        let token = Token::parse("secretsecret").expect("right shape");
        assert_eq!(format!("{token:?}"), "***");
    }

    #[test]
    fn a_token_is_masked_wherever_it_stands() {
        let token = Token::parse("secret-1234").expect("right shape");
        assert_eq!(token.mask("secret-1234".into()), "***");
        assert_eq!(token.mask("a/SECRET-1234/bé secret-1234".into()), "a/***/bé ***");
        assert_eq!(token.mask("secret-123".into()), "secret-123");
        assert_eq!(token.mask("sesecret-1234".into()), "se***");
    }
}
