//! Who may come in: the webhook's token, in the three forms that were seen.
//!
//! A secret like the instance's token: it has no Display, and its Debug shows nothing. It knows no HTTP beyond the
//! header's value.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};

use crate::failure::{Failure, Kind};

/// What GREEN-API sends along when webhookUrlToken is set.
pub struct WebhookToken(Vec<u8>);

impl WebhookToken {
    /// Takes a token as it was set in GREEN-API's console; an empty one would let everybody in.
    pub fn new(text: &str) -> Result<WebhookToken, Failure> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Failure::new(Kind::BadSettings, "the webhook token is empty")
                .hint("give the webhookUrlToken of GREEN-API's console, or none at all"));
        }
        Ok(WebhookToken(text.as_bytes().to_vec()))
    }

    /// Whether a value of the Authorization header has the token: `Bearer t`, `Basic t` or `t` alone. The time that
    /// this takes tells nothing of the token but its length.
    pub fn admits(&self, authorization: Option<&[u8]>) -> bool {
        let Some(value) = authorization.map(<[u8]>::trim_ascii) else { return false };
        let mut is_it = value.ct_eq(&self.0);
        for scheme in ["bearer ", "basic "] {
            let (head, rest) = value.split_at(scheme.len().min(value.len()));
            let has_scheme = Choice::from(u8::from(head.eq_ignore_ascii_case(scheme.as_bytes())));
            is_it |= has_scheme & rest.trim_ascii_start().ct_eq(&self.0);
        }
        is_it.into()
    }
}

impl fmt::Debug for WebhookToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(token: &str, value: &str) -> bool {
        WebhookToken::new(token).expect("a token").admits(Some(value.as_bytes()))
    }

    #[test]
    fn the_token_comes_in_three_forms() {
        for value in ["Bearer s3cret", "bearer  s3cret", "Basic s3cret", "s3cret", " s3cret "] {
            assert!(admits("s3cret", value), "{value}");
        }
        for value in ["", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3crets", "Digest s3cret", "xBearer s3cret"] {
            assert!(!admits("s3cret", value), "{value}");
        }
        assert!(!WebhookToken::new("s3cret").expect("a token").admits(None));
    }

    #[test]
    fn a_token_that_was_set_with_its_scheme_is_admitted() {
        assert!(admits("Bearer s3cret", "Bearer s3cret"));
        assert!(admits("Bearer s3cret", "Bearer Bearer s3cret"));
    }

    #[test]
    fn an_empty_token_is_refused_and_none_is_shown() {
        assert_eq!(WebhookToken::new(" \n").expect_err("empty").kind, Kind::BadSettings);
        assert_eq!(format!("{:?}", WebhookToken::new("s3cret").expect("a token")), "***");
    }
}
