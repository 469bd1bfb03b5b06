//! Errors as a user sees them: a code word, an exit status, a message with its causes, and a hint.
//!
//! Scripts depend on the table of code words, which a test compares with the documentation.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

pub const EXIT_SOME_FAILED: u8 = 1;
pub const EXIT_USAGE: u8 = 2;
pub const EXIT_BUG: u8 = 70;

/// Declares [`Kind`] from a table: meaning, name, code word, exit status, and whether it ends a run.
macro_rules! kinds {
    ($($(#[$meaning:meta])* $name:ident, $code:literal, $exit:literal, $ends_run:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$meaning])* $name,)*
        }

        impl Kind {
            /// All kinds, in the order of the documentation's table.
            pub const ALL: &[Kind] = &[$(Kind::$name,)*];

            const fn row(self) -> (&'static str, u8, bool) {
                match self {
                    $(Kind::$name => ($code, $exit, $ends_run),)*
                }
            }
        }
    };
}

kinds! {
    InvalidChatId, "invalid-chat-id", 65, false;
    /// GREEN-API rejects the request (400).
    BadRequestData, "bad-request-data", 65, false;
    InstanceStarting, "instance-starting", 75, false;
    /// GREEN-API (429) or WhatsApp limits the rate.
    TooManyRequests, "too-many-requests", 75, false;
    /// GREEN-API did not finish while the client waited (499).
    ClientClosedRequest, "client-closed-request", 75, false;
    /// The QR code was not scanned, or the phone logged the instance out.
    InstanceNotAuthorized, "instance-not-authorized", 77, true;
    InstanceExpired, "instance-expired", 77, true;
    InstanceDeleted, "instance-deleted", 77, true;
    /// The token is wrong (401).
    Unauthorized, "unauthorized", 77, true;
    /// The instance id or the API URL is wrong (403).
    Forbidden, "forbidden", 77, true;
    /// The API URL is another instance's (404).
    NotFound, "not-found", 69, true;
    /// The plan's quota is used up (466).
    QuotaExceeded, "quota-exceeded", 69, true;
    /// GREEN-API failed (5xx).
    ServerError, "server-error", 69, false;
    /// No answer: name resolution, connection or TLS failed, or the connection was lost.
    Unreachable, "unreachable", 69, false;
    /// No answer within `--timeout`.
    Timeout, "timeout", 75, false;
    /// WhatsApp did not answer within GREEN-API's time limit.
    AvatarTimeout, "avatar-timeout", 75, false;
    /// No result arrived within `--wait`.
    NoResult, "no-result", 75, false;
    /// The account's list of contacts is still empty.
    ContactsNotReady, "contacts-not-ready", 75, false;
    /// The queue cannot be read: the instance sends its notifications to a webhook.
    WebhookUrlSet, "webhook-url-set", 78, true;
    MissingCredentials, "missing-credentials", 78, true;
    BadSettings, "bad-settings", 78, true;
    /// The first notification in the queue belongs to another program.
    ForeignNotification, "foreign-notification", 75, true;
    /// Another run reads this instance's queue.
    QueueBusy, "queue-busy", 75, true;
    /// Another run writes this journal.
    JournalBusy, "journal-busy", 75, true;
    /// A download that is not a picture, incomplete or too large, or a rejected URL.
    BadPicture, "bad-picture", 76, false;
    /// The picture's URL has expired.
    PictureExpired, "picture-expired", 69, false;
    /// An undocumented answer.
    UnexpectedResponse, "unexpected-response", 76, false;
    /// A list, a `.env` or another file cannot be read.
    InputUnreadable, "input-unreadable", 66, true;
    /// Standard output, a journal, a spool or a picture cannot be written.
    OutputFailed, "output-failed", 74, true;
}

impl Kind {
    /// The code word, for scripts.
    pub const fn code(self) -> &'static str {
        self.row().0
    }

    /// The exit status of a run that ends with this failure.
    pub const fn exit(self) -> u8 {
        self.row().1
    }

    /// Whether no other chat is tried after this failure.
    pub const fn ends_run(self) -> bool {
        self.row().2
    }

    /// Whether the same request may succeed later. A single failure can still be final: see [`Failure::is_final`].
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Kind::InstanceStarting
                | Kind::TooManyRequests
                | Kind::ClientClosedRequest
                | Kind::ServerError
                | Kind::Unreachable
                | Kind::Timeout
        )
    }

    /// Whether many of these in a row mean that the service is unavailable.
    pub const fn means_service_down(self) -> bool {
        matches!(
            self,
            Kind::ServerError | Kind::Unreachable | Kind::Timeout | Kind::InstanceStarting | Kind::TooManyRequests
        )
    }
}

/// A failure: its kind, a message with its causes, and a hint.
///
/// Messages are lower case without a full stop. Text from a server in them is passed through
/// [`redact`](crate::token::redact).
#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    pub error: anyhow::Error,
    pub hint: Option<String>,
    pub http_status: Option<u16>,
    pub retry_after: Option<Duration>,
    /// Whether it is not retried although its kind is, such as for a bad certificate.
    pub is_final: bool,
    /// Whether a picture's URL has expired, or may have: a fresh one may help.
    pub url_expired: bool,
}

impl Failure {
    /// A failure without causes.
    pub fn new(kind: Kind, message: impl fmt::Display + fmt::Debug + Send + Sync + 'static) -> Failure {
        Failure::caused(kind, anyhow::Error::msg(message))
    }

    /// A failure with its causes.
    pub fn caused(kind: Kind, error: anyhow::Error) -> Failure {
        Failure { kind, error, hint: None, http_status: None, retry_after: None, is_final: false, url_expired: false }
    }

    /// A thread that the system does not start.
    pub fn no_thread(error: std::io::Error) -> Failure {
        Failure::new(Kind::BadSettings, "cannot start a thread")
            .because(error)
            .hint("raise the limit on processes: `ulimit -u` shows it")
    }

    /// Adds what caused it, to a failure without causes.
    pub fn because(self, cause: impl Into<anyhow::Error>) -> Failure {
        Failure { error: cause.into().context(self.error.to_string()), ..self }
    }

    /// Adds a text as the cause, to a failure without causes.
    pub fn because_text(self, cause: String) -> Failure {
        self.because(anyhow::Error::msg(cause))
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// The message, then its causes. The first letter of a system message is made lower case.
    pub fn causes(&self) -> impl Iterator<Item = String> {
        self.error.chain().map(|link| {
            let mut text = link.to_string();
            if link.is::<std::io::Error>()
                && let Some(first) = text.get_mut(..1)
            {
                first.make_ascii_lowercase();
            }
            text
        })
    }

    /// The message and its causes on one line, without duplicates.
    pub fn message(&self) -> String {
        let mut texts: Vec<String> = self.causes().filter(|text| !text.is_empty()).collect();
        texts.dedup();
        texts.join(": ")
    }

    pub fn body(&self) -> ErrorBody {
        ErrorBody {
            code: self.kind.code(),
            message: self.message(),
            hint: self.hint.clone(),
            http_status: self.http_status,
            file: None,
            line: None,
        }
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable() && !self.is_final
    }
}

/// A failure as JSON.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    pub code: &'static str,
    /// The message with its causes.
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

#[derive(Debug)]
pub enum Error {
    /// A usage error. The text contains no secret.
    Usage(String),
    Failure(Failure),
    /// The reader of standard output closed the pipe before all work was done: the run ends silently.
    BrokenPipe,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        Error::Failure(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_words_are_distinct() {
        let mut codes: Vec<_> = Kind::ALL.iter().map(|kind| kind.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Kind::ALL.len());
    }

    #[test]
    fn kinds_that_end_a_run_are_not_retried() {
        for kind in Kind::ALL {
            assert!(!(kind.ends_run() && kind.is_retryable()), "{}", kind.code());
        }
    }

    #[test]
    fn a_message_has_each_cause_once() {
        let error = anyhow::Error::msg("refused").context("refused").context("no answer");
        assert_eq!(Failure::caused(Kind::Unreachable, error).message(), "no answer: refused");
    }
}
