//! The token with which GREEN-API shows that a notification is its own.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};

use crate::failure::{Failure, Kind};
use crate::token::register;

/// The webhookUrlToken that GREEN-API sends. It is a secret: Debug does not show it.
pub struct WebhookToken(Vec<u8>);

impl WebhookToken {
    /// Takes a token as it was set in GREEN-API's console. An empty one is an error: it would admit every client.
    pub fn new(text: &str) -> Result<WebhookToken, Failure> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Failure::new(Kind::BadSettings, "the webhook token is empty")
                .hint("give the webhookUrlToken of GREEN-API's console, or none at all"));
        }
        register(text);
        Ok(WebhookToken(text.as_bytes().to_vec()))
    }

    /// Whether a value of the Authorization header is `Bearer <token>`, `Basic <token>` or `<token>`.
    ///
    /// The time taken depends on the length of the token, not on its content.
    pub fn verify(&self, authorization: Option<&[u8]>) -> bool {
        let Some(value) = authorization.map(<[u8]>::trim_ascii) else { return false };
        let mut matches = value.ct_eq(&self.0);
        for scheme in ["bearer ", "basic "] {
            let (head, rest) = value.split_at(scheme.len().min(value.len()));
            let has_scheme = Choice::from(u8::from(head.eq_ignore_ascii_case(scheme.as_bytes())));
            matches |= has_scheme & rest.trim_ascii_start().ct_eq(&self.0);
        }
        matches.into()
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

    fn verifies(token: &str, value: &str) -> bool {
        WebhookToken::new(token).expect("a token").verify(Some(value.as_bytes()))
    }

    #[test]
    fn the_token_has_three_forms() {
        for value in ["Bearer s3cret", "bearer  s3cret", "Basic s3cret", "s3cret", " s3cret "] {
            assert!(verifies("s3cret", value), "{value}");
        }
        for value in ["", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3crets", "Digest s3cret", "xBearer s3cret"] {
            assert!(!verifies("s3cret", value), "{value}");
        }
        assert!(!WebhookToken::new("s3cret").expect("a token").verify(None));
    }

    #[test]
    fn a_token_may_begin_with_its_scheme() {
        assert!(verifies("Bearer s3cret", "Bearer s3cret"));
        assert!(verifies("Bearer s3cret", "Bearer Bearer s3cret"));
    }

    #[test]
    fn an_empty_token_is_an_error_and_debug_shows_none() {
        assert_eq!(WebhookToken::new(" \n").expect_err("empty").kind, Kind::BadSettings);
        assert_eq!(format!("{:?}", WebhookToken::new("s3cret").expect("a token")), "***");
    }
}
