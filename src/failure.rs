//! What can go wrong, as a user sees it: a code word, an exit status, a message with its causes, and the way out.
//!
//! The table of code words is the contract with scripts; README's table is held equal to it by a test.
//! This file knows neither HTTP nor GREEN-API: whoever finds out what happened picks the kind.

use std::fmt;

use serde::Serialize;

/// Exit status of a run in which some chats of several failed.
pub const EXIT_SOME_FAILED: u8 = 1;
/// Exit status of a command line that cannot be understood.
pub const EXIT_USAGE: u8 = 2;
/// Exit status of a bug in this program.
pub const EXIT_BUG: u8 = 70;

/// Every way in which a chat or a run can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// What was typed is no chat id.
    InvalidChatId,
    /// GREEN-API found the request malformed.
    BadRequestData,
    /// The instance is starting up.
    InstanceStarting,
    /// More requests than GREEN-API or WhatsApp allows.
    TooManyRequests,
    /// GREEN-API says that the client gave up waiting (499).
    ClientClosedRequest,
    /// The QR code of the instance was never scanned, or the phone logged it out.
    InstanceNotAuthorized,
    /// The instance is not paid for.
    InstanceExpired,
    /// The instance is gone.
    InstanceDeleted,
    /// The token is wrong.
    Unauthorized,
    /// The instance id or the API URL is wrong.
    Forbidden,
    /// The API URL is not this instance's.
    NotFound,
    /// The plan's quota is used up.
    QuotaExceeded,
    /// GREEN-API failed (5xx).
    ServerError,
    /// No answer came: name resolution, connection, TLS, or a connection that broke off.
    Unreachable,
    /// Our own time limit ran out.
    Timeout,
    /// WhatsApp did not give the avatar in GREEN-API's time limit.
    AvatarTimeout,
    /// The wait for the notification is over.
    NoResult,
    /// The instance sends its notifications to a webhook, so that the queue cannot be read.
    WebhookUrlSet,
    /// No credentials were given.
    MissingCredentials,
    /// A setting is malformed.
    BadSettings,
    /// The queue's head belongs to another program.
    ForeignNotification,
    /// Another run reads this instance's queue.
    QueueBusy,
    /// Another run writes this journal.
    JournalBusy,
    /// What was downloaded is no picture, is too large, or is on a host that is not allowed.
    BadPicture,
    /// The picture's URL is no longer valid.
    PictureExpired,
    /// An answer that nothing explains.
    UnexpectedResponse,
    /// A list, a `.env` or another file cannot be read.
    InputUnreadable,
    /// Standard output, a journal, a spool or a picture cannot be written.
    OutputFailed,
}

impl Kind {
    /// All kinds, in the order of the documentation's table.
    pub const ALL: [Kind; 28] = [
        Kind::InvalidChatId,
        Kind::BadRequestData,
        Kind::InstanceStarting,
        Kind::TooManyRequests,
        Kind::ClientClosedRequest,
        Kind::InstanceNotAuthorized,
        Kind::InstanceExpired,
        Kind::InstanceDeleted,
        Kind::Unauthorized,
        Kind::Forbidden,
        Kind::NotFound,
        Kind::QuotaExceeded,
        Kind::ServerError,
        Kind::Unreachable,
        Kind::Timeout,
        Kind::AvatarTimeout,
        Kind::NoResult,
        Kind::WebhookUrlSet,
        Kind::MissingCredentials,
        Kind::BadSettings,
        Kind::ForeignNotification,
        Kind::QueueBusy,
        Kind::JournalBusy,
        Kind::BadPicture,
        Kind::PictureExpired,
        Kind::UnexpectedResponse,
        Kind::InputUnreadable,
        Kind::OutputFailed,
    ];

    /// The code word, the exit status, and whether it ends a run: one row each.
    const fn row(self) -> (&'static str, u8, bool) {
        match self {
            Kind::InvalidChatId => ("invalid-chat-id", 65, false),
            Kind::BadRequestData => ("bad-request-data", 65, false),
            Kind::InstanceStarting => ("instance-starting", 75, false),
            Kind::TooManyRequests => ("too-many-requests", 75, false),
            Kind::ClientClosedRequest => ("client-closed-request", 75, false),
            Kind::InstanceNotAuthorized => ("instance-not-authorized", 77, true),
            Kind::InstanceExpired => ("instance-expired", 77, true),
            Kind::InstanceDeleted => ("instance-deleted", 77, true),
            Kind::Unauthorized => ("unauthorized", 77, true),
            Kind::Forbidden => ("forbidden", 77, true),
            Kind::NotFound => ("not-found", 69, true),
            Kind::QuotaExceeded => ("quota-exceeded", 69, true),
            Kind::ServerError => ("server-error", 69, false),
            Kind::Unreachable => ("unreachable", 69, false),
            Kind::Timeout => ("timeout", 75, false),
            Kind::AvatarTimeout => ("avatar-timeout", 75, false),
            Kind::NoResult => ("no-result", 75, false),
            Kind::WebhookUrlSet => ("webhook-url-set", 78, true),
            Kind::MissingCredentials => ("missing-credentials", 78, true),
            Kind::BadSettings => ("bad-settings", 78, true),
            Kind::ForeignNotification => ("foreign-notification", 75, true),
            Kind::QueueBusy => ("queue-busy", 75, true),
            Kind::JournalBusy => ("journal-busy", 75, true),
            Kind::BadPicture => ("bad-picture", 76, false),
            Kind::PictureExpired => ("picture-expired", 69, false),
            Kind::UnexpectedResponse => ("unexpected-response", 76, false),
            Kind::InputUnreadable => ("input-unreadable", 66, true),
            Kind::OutputFailed => ("output-failed", 74, true),
        }
    }

    /// The word that scripts match.
    pub const fn code(self) -> &'static str {
        self.row().0
    }

    /// The exit status of a run that ends with this failure.
    pub const fn exit(self) -> u8 {
        self.row().1
    }

    /// Whether no further chat is tried after this failure.
    pub const fn ends_run(self) -> bool {
        self.row().2
    }

    /// Whether the same request may go well a little later.
    /// A failure can still be final one by one: see [`Failure::is_final`].
    pub const fn is_retried(self) -> bool {
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

/// One failure: its kind, what happened with its causes, and what to do about it.
///
/// Messages are lower case and end without a full stop. Text that came from a server was escaped,
/// shortened and rid of the token before it got here.
#[derive(Debug)]
pub struct Failure {
    /// Which row of the table this is.
    pub kind: Kind,
    /// What happened; the chain's further links are its causes.
    pub error: anyhow::Error,
    /// The way out, where there is one.
    pub hint: Option<String>,
    /// The HTTP status that the service answered with.
    pub http_status: Option<u16>,
    /// How long the service asked us to wait.
    pub retry_after: Option<std::time::Duration>,
    /// True where a retry is pointless although the kind is retried, as for a bad certificate.
    pub is_final: bool,
}

impl Failure {
    /// A failure with a message alone.
    pub fn new(kind: Kind, message: impl fmt::Display + fmt::Debug + Send + Sync + 'static) -> Failure {
        Failure::caused(kind, anyhow::Error::msg(message))
    }

    /// A failure whose error already carries its causes.
    pub fn caused(kind: Kind, error: anyhow::Error) -> Failure {
        Failure { kind, error, hint: None, http_status: None, retry_after: None, is_final: false }
    }

    /// The same failure with the way out.
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// The message, then each of its causes, in lower case: the system's own begin with a capital.
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

    /// The whole story in one line: the message and its causes, none said twice.
    pub fn message(&self) -> String {
        let mut story = String::new();
        let mut last = String::new();
        for text in self.causes() {
            if text.is_empty() || text == last {
                continue;
            }
            if !story.is_empty() {
                story.push_str(": ");
            }
            story.push_str(&text);
            last = text;
        }
        story
    }

    /// The failure as JSON.
    pub fn body(&self) -> ErrorBody {
        ErrorBody {
            code: self.kind.code(),
            message: self.message(),
            hint: self.hint.clone(),
            http_status: self.http_status,
        }
    }

    /// Whether another attempt may help.
    pub fn is_retried(&self) -> bool {
        self.kind.is_retried() && !self.is_final
    }
}

/// A failure as JSON.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// The code word.
    pub code: &'static str,
    /// The message with its causes.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The HTTP status of the service's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
}

/// Why a command ends without an exit status of its own.
#[derive(Debug)]
pub enum Error {
    /// The command line cannot be understood. The text never holds a secret.
    Usage(String),
    /// A failure with a code word.
    Failure(Failure),
    /// The reader of standard output went away before all work was done: the run ends silently.
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
    fn code_words_are_distinct_and_every_kind_is_listed_once() {
        let mut codes: Vec<_> = Kind::ALL.iter().map(|kind| kind.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Kind::ALL.len());
    }

    #[test]
    fn what_ends_a_run_is_not_retried() {
        for kind in Kind::ALL {
            assert!(!(kind.ends_run() && kind.is_retried()), "{}", kind.code());
        }
    }

    #[test]
    fn a_message_tells_each_cause_once() {
        let error = anyhow::Error::msg("refused").context("refused").context("no answer");
        assert_eq!(Failure::caused(Kind::Unreachable, error).message(), "no answer: refused");
    }
}
