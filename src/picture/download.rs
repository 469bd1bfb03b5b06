//! One download: a plain GET without anything of GREEN-API's in it, and what its answer is worth.
//!
//! Only a 200 whose first bytes are a picture's counts, up to 5 MiB and to its last byte. It writes no file: bytes
//! go on as they come, and whoever takes them drops them unless this says that they are a picture.

use std::time::Duration;

use super::avatar_url::Target;
use super::file::Incoming;
use super::format::Format;
use crate::escape::escape_short;
use crate::failure::{Failure, Kind};
use crate::http::{Agent, Call, Trouble};
use crate::report::Report;

/// The largest picture that is taken: 5 MiB. WhatsApp's own have some 100 KiB.
pub const LARGEST: u64 = 5 * 1024 * 1024;

/// A picture that was not saved.
#[derive(Debug)]
pub struct Unsaved {
    /// Why.
    pub failure: Failure,
    /// Whether a fresh URL may help: this one has ended, or looks so.
    pub is_url_spent: bool,
}

impl From<Failure> for Unsaved {
    fn from(failure: Failure) -> Unsaved {
        Unsaved { failure, is_url_spent: false }
    }
}

/// Downloads into `incoming`. `Ok`: all of a picture is there; anything else must not be kept.
/// Where `incoming` could not take a piece, the failure says no more than that the download was cut off.
pub fn download(
    agent: &Agent,
    target: &Target<'_>,
    timeout: Duration,
    report: &Report,
    incoming: &mut Incoming<'_>,
) -> Result<Format, Unsaved> {
    report.wire(|| format!("> GET {}", target.url));
    let result = agent.stream(target.url, Call::Get, LARGEST, &mut |piece| incoming.take(piece));
    report.wire(|| match &result {
        Ok(answer) => format!("< {} {} bytes", answer.status, incoming.len()),
        Err(trouble) => format!("< nothing after {} bytes: {trouble:?}", incoming.len()),
    });
    let answer = result.map_err(|trouble| failure_of(trouble, target, timeout))?;
    let format = incoming.format();
    match format {
        Some(format) if answer.status == 200 && answer.complete => Ok(format),
        _ => {
            let mut unsaved = refusal(answer.status, format.is_some(), incoming.head());
            unsaved.failure.retry_after = answer.pause();
            Err(unsaved)
        }
    }
}

/// What an answer is that is no whole picture.
fn refusal(status: u16, is_picture: bool, head: &[u8]) -> Unsaved {
    let text = if is_picture { String::new() } else { String::from_utf8_lossy(head).trim().to_lowercase() };
    let is_html = text.starts_with('<') && !text.starts_with("<svg") && !text.starts_with("<?xml");
    let is_expired = matches!(status, 403 | 404) || text.contains("url signature");
    let is_url_spent = is_expired || matches!(status, 401 | 410) || (status == 200 && is_html);
    let (kind, what, why) = match status {
        _ if is_expired => {
            (Kind::PictureExpired, "the picture's URL is no longer valid", said(status, head, is_picture))
        }
        200 if is_picture => (Kind::BadPicture, "the picture is too large", "more than 5 MiB".to_owned()),
        200 if is_html => (Kind::BadPicture, "what was downloaded is no picture", "it is a page of HTML".to_owned()),
        200 if head.is_empty() => (Kind::BadPicture, "what was downloaded is no picture", "it is empty".to_owned()),
        200 => (
            Kind::BadPicture,
            "what was downloaded is no picture",
            "it begins neither as JPEG nor as PNG nor as WebP".to_owned(),
        ),
        429 => (Kind::TooManyRequests, "the picture's host wants a pause", said(status, head, is_picture)),
        500..=599 => (Kind::ServerError, "the picture's host failed", said(status, head, is_picture)),
        300..=399 => (Kind::UnexpectedResponse, "the picture's host sends us elsewhere", format!("status {status}")),
        _ => (Kind::UnexpectedResponse, "an answer in place of a picture", said(status, head, is_picture)),
    };
    let mut failure = Failure::caused(kind, anyhow::Error::msg(why).context(what));
    failure.http_status = Some(status);
    if is_url_spent {
        failure = failure.hint("another run asks for a fresh URL");
    }
    Unsaved { failure, is_url_spent }
}

/// The status and, of a text that is no page, its beginning.
fn said(status: u16, head: &[u8], is_picture: bool) -> String {
    match std::str::from_utf8(head).map(str::trim) {
        Ok(text) if !is_picture && !text.is_empty() && !text.starts_with('<') => {
            format!("status {status}: {}", escape_short(text))
        }
        Ok(text) if !is_picture && text.starts_with('<') => format!("status {status}: a page of HTML"),
        _ => format!("status {status}"),
    }
}

fn failure_of(trouble: Trouble, target: &Target<'_>, timeout: Duration) -> Failure {
    let host = &target.host;
    let caused =
        |kind, what: String, cause: &str| Failure::caused(kind, anyhow::Error::msg(escape_short(cause)).context(what));
    let finally = |mut failure: Failure| {
        failure.is_final = true;
        failure
    };
    match trouble {
        Trouble::Timeout => Failure::new(Kind::Timeout, format!("no whole picture from {host} within {timeout:?}"))
            .hint("a longer --timeout waits longer"),
        Trouble::Interrupted => {
            finally(Failure::new(Kind::Timeout, "the download was cut off by the signal that ended the run"))
        }
        Trouble::Unreachable(why) => caused(Kind::Unreachable, format!("no whole picture from {host}"), &why)
            .hint("check the network and the proxy variables"),
        Trouble::Tls(why) => finally(
            caused(Kind::Unreachable, format!("no secure connection to {host}"), &why)
                .hint("--cacert FILE trusts another certificate authority"),
        ),
        Trouble::NotPublic => Failure::new(
            Kind::BadPicture,
            format!("the picture is not followed: {host} leads to an address that is not public"),
        )
        .hint("--allow-host takes the address itself, for URLs that hold it"),
        Trouble::NotHttp(why) => {
            caused(Kind::UnexpectedResponse, format!("the answer of {host} is not HTTP as it should be"), &why)
        }
    }
}
