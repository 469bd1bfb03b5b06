//! Downloads one picture and says what an answer without one means.
//!
//! The request is a plain GET without anything of GREEN-API's. Only a 200 with a picture of at most 5 MiB counts. Its
//! first bytes determine the type; file names and headers are ignored.

use std::path::Path;
use std::time::{Duration, Instant};

use super::url::Target;
use crate::failure::{Failure, Kind};
use crate::http::{Agent, HttpError, Request};
use crate::output::Output;
use crate::token::redact;

/// The largest picture: 5 MiB. WhatsApp's have some 100 KiB.
const SIZE_LIMIT: usize = 5 * 1024 * 1024;
/// How much of a body that is not a picture is looked at.
const TEXT_LIMIT: usize = 4 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Jpeg,
    Png,
    WebP,
}

impl Format {
    pub const ALL: [Format; 3] = [Format::Jpeg, Format::Png, Format::WebP];

    /// The type that the first bytes say.
    pub fn of(bytes: &[u8]) -> Option<Format> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Format::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Format::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Format::WebP),
            _ => None,
        }
    }

    /// Whether the picture has its end. More bytes after it are allowed.
    fn is_complete(self, bytes: &[u8]) -> bool {
        let has = |bytes: &[u8], end: &[u8]| bytes.windows(end.len()).any(|window| window == end);
        match self {
            Format::Jpeg => first_scan(bytes).is_some_and(|scan| has(scan, b"\xff\xd9")),
            Format::Png => has(bytes, b"\0\0\0\0IEND\xaeB`\x82"),
            Format::WebP => {
                let [_, _, _, _, a, b, c, d, ..] = *bytes else { return false };
                (12..=bytes.len() as u64 - 8).contains(&u32::from_le_bytes([a, b, c, d]).into())
            }
        }
    }

    pub const fn extension(self) -> &'static str {
        match self {
            Format::Jpeg => "jpg",
            Format::Png => "png",
            Format::WebP => "webp",
        }
    }

    /// Whether a file name has the extension of another type.
    pub fn contradicts(self, file: &Path) -> bool {
        let extension = file.extension().unwrap_or_default().to_ascii_lowercase();
        !(extension.is_empty() || extension == self.extension() || (self == Format::Jpeg && extension == "jpeg"))
    }
}

/// The first scan of a JPEG and what follows. The segments before it are skipped: there may be a whole preview in one.
fn first_scan(jpeg: &[u8]) -> Option<&[u8]> {
    let mut rest = jpeg.get(2..)?;
    loop {
        rest = match *rest {
            [0xff, 0xda, ref scan @ ..] => return Some(scan),
            [0xff, 0x02..=0xcf | 0xda..=0xfe, high, low, ..] => {
                rest.get(2 + usize::from(u16::from_be_bytes([high, low]))..).unwrap_or_default()
            }
            // A marker without a length, or a byte that does not belong here.
            [_, ref more @ ..] => more,
            [] => break,
        };
    }
    // A segment's length may be wrong. Without a preview, only the picture's own scan can be found.
    let find = |marker: &[u8]| jpeg[2..].windows(marker.len()).position(|window| window == marker);
    if find(b"\xff\xd8\xff").is_some() { None } else { find(b"\xff\xda").map(|at| &jpeg[at + 2..]) }
}

/// Downloads a picture, once, within `timeout`.
pub fn download(
    agent: &Agent,
    target: &Target<'_>,
    timeout: Duration,
    output: &Output,
) -> Result<(Format, Vec<u8>), Failure> {
    output.wire(|| format!("> GET {}", target.url));
    let result = agent.call(target.url, Request::Get, Some(Instant::now() + timeout), SIZE_LIMIT);
    output.wire(|| match &result {
        Ok(answer) => format!("< {} {} bytes", answer.status, answer.body.len()),
        Err(error) => format!("< nothing: {error:?}"),
    });
    let answer = result.map_err(|error| http_failure(error, &target.origin.host, timeout))?;
    let body = &answer.body;
    match Format::of(body) {
        Some(format) if answer.status == 200 && answer.complete => {
            if format.is_complete(body) {
                return Ok((format, answer.body));
            }
            let why = format!("a {} without its end", format.extension());
            Err(Failure::new(Kind::BadPicture, "the picture is incomplete").because_text(why))
        }
        format => {
            let text = if format.is_some() { &[] } else { &body[..body.len().min(TEXT_LIMIT)] };
            let failure = refusal(answer.status, format.is_some(), text);
            Err(Failure { retry_after: answer.retry_after, ..failure })
        }
    }
}

/// The failure for an answer that is not a whole picture. `text` is empty if the body begins like a picture.
fn refusal(status: u16, is_picture: bool, text: &[u8]) -> Failure {
    let text = String::from_utf8_lossy(text);
    let (text, lower) = (text.trim(), text.trim().to_lowercase());
    let is_html = lower.starts_with('<') && !lower.starts_with("<svg") && !lower.starts_with("<?xml");
    let is_expired = matches!(status, 403 | 404) || lower.contains("url signature");
    let url_expired = is_expired || matches!(status, 401 | 410) || (status == 200 && is_html);
    let answer = match text {
        "" => format!("status {status}"),
        _ if lower.starts_with('<') => format!("status {status}: an HTML page"),
        _ => format!("status {status}: {}", redact(text)),
    };
    let not_a_picture = "the download is not a picture";
    let (kind, what, why) = match status {
        _ if is_expired => (Kind::PictureExpired, "the picture's URL is no longer valid", answer),
        200 if is_picture => (Kind::BadPicture, "the picture is too large", "more than 5 MiB".to_owned()),
        200 if is_html => (Kind::BadPicture, not_a_picture, "it is an HTML page".to_owned()),
        200 if text.is_empty() => (Kind::BadPicture, not_a_picture, "it is empty".to_owned()),
        200 => (Kind::BadPicture, not_a_picture, "it is neither JPEG nor PNG nor WebP".to_owned()),
        429 => (Kind::TooManyRequests, "rate limited by the picture host", answer),
        500..=599 => (Kind::ServerError, "the picture host failed", answer),
        300..=399 => (Kind::UnexpectedResponse, "the picture host redirected", format!("status {status}")),
        _ => (Kind::UnexpectedResponse, "unexpected response of the picture host", answer),
    };
    let mut failure = Failure::new(kind, what).because_text(why);
    failure.http_status = Some(status);
    if url_expired {
        failure = failure.hint("each run of `greenavatar get` asks for a fresh URL");
    }
    Failure { url_expired, ..failure }
}

fn http_failure(error: HttpError, host: &str, timeout: Duration) -> Failure {
    let incomplete = format!("incomplete download from {host}");
    let caused = |kind, what: String, why: &str| Failure::new(kind, what).because_text(redact(why));
    let is_final = error.is_final();
    let failure = match error {
        HttpError::Timeout => {
            let seconds = (timeout.as_secs_f64() * 10.0).round() / 10.0;
            Failure::new(Kind::Timeout, format!("{incomplete} within {seconds} s")).hint("use a longer --timeout")
        }
        HttpError::Unreachable(why) => {
            caused(Kind::Unreachable, incomplete, &why).hint("check the network and the proxy variables")
        }
        HttpError::Tls { message, hint } => {
            caused(Kind::Unreachable, format!("no secure connection to {host}"), &message).hint(hint)
        }
        HttpError::NotPublic(address) => {
            let what = format!("picture URL rejected: {host} resolves to {address}, which is not a public address");
            let hint = format!("a VPN or a blocking resolver may have answered; --allow-host {host} allows it");
            Failure::new(Kind::BadPicture, what).hint(hint)
        }
        HttpError::NotHttp(why) => {
            caused(Kind::UnexpectedResponse, format!("the answer of {host} is not valid HTTP"), &why)
        }
    };
    Failure { is_final, ..failure }
}

#[cfg(test)]
mod tests {
    use super::super::url::{self, AllowedHost};
    use super::*;
    use crate::http::Options;
    use crate::testing::{Server, answer};

    const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0 the picture \xff\xda\xff\xd9";

    #[test]
    fn the_first_bytes_determine_the_format() {
        assert_eq!(Format::of(b"\xff\xd8\xff\xe0\0\x10JFIF"), Some(Format::Jpeg));
        assert_eq!(Format::of(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), Some(Format::Png));
        assert_eq!(Format::of(b"RIFF\x24\0\0\0WEBPVP8 "), Some(Format::WebP));
        for bad in [&b""[..], b"\xff\xd8", b"GIF89a", b"RIFF\x24\0\0\0WAVEfmt ", b"\x89PNG\n", b"<html>", b"BM"] {
            assert_eq!(Format::of(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_picture_is_complete_with_its_end() {
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xdb\0\x03c\xff\x01\xff\xda\0\x02 scan \xff\0 \xff\xd0 \xff\xd9";
        let preview = b"\xff\xd8\xff\xe1\0\x0a\xff\xd8\xff\xda\0\x02\xff\xd9\xff\xda\0\x02 scan \xff\xd9";
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR a picture \0\0\0\0IEND\xaeB`\x82";
        let webp = b"RIFF\x11\0\0\0WEBPVP8 \x05\0\0\0abcde";
        for picture in [&jpeg[..], preview, png, webp] {
            let format = Format::of(picture).expect("a picture");
            assert!(format.is_complete(picture), "{format:?}");
            assert!(format.is_complete(&[picture, b"more"].concat()), "{format:?}");
            for end in 12..picture.len() {
                assert!(!format.is_complete(&picture[..end]), "{format:?}, {end} bytes");
            }
        }
        assert!(
            Format::Jpeg.is_complete(b"\xff\xd8\xff\xe0\0\x10JFIF\0\xff\xda\0\x02 scan \xff\xd9"),
            "a wrong length"
        );
        assert!(!Format::WebP.is_complete(b"RIFF\0\0\0\0WEBPVP8 "));
    }

    /// Downloads what the server answers; the code word of a failure and its message.
    fn download_of(answer: Vec<u8>) -> Result<(Format, Vec<u8>), (&'static str, String)> {
        let server = Server::start([answer]);
        let url = format!("{}/x.jpg", server.url());
        let allowed = [AllowedHost::parse("127.0.0.1").expect("an address")];
        let target = url::check(&url, &allowed).expect("allowed");
        let timeout = Duration::from_secs(5);
        let agent = Agent::new(&Options { timeout, ..Options::default() });
        let result = download(&agent, &target, timeout, &Output::default());
        server.requests();
        result.map_err(|failure| (failure.kind.code(), failure.message()))
    }

    #[test]
    fn five_mebibytes_are_the_limit() {
        let picture = [JPEG, &vec![b'x'; SIZE_LIMIT - JPEG.len()]].concat();
        assert!(download_of(answer(200, &picture)).expect("a picture").1 == picture);
        let (code, _) = download_of(answer(200, &[&picture[..], b"x"].concat())).expect_err("too large");
        assert_eq!(code, "bad-picture");
    }

    #[test]
    fn a_private_address_is_refused_and_named() {
        let allowed = [AllowedHost::parse("localhost").expect("a name")];
        let target = url::check("https://localhost:9/x.jpg", &allowed).expect("allowed");
        let agent = Agent::new(&Options { public_addresses_only: true, ..Options::default() });
        let result = download(&agent, &target, Duration::from_secs(5), &Output::default());
        let failure = result.expect_err("a loopback address");
        let (message, hint) = (failure.message(), failure.hint.clone().expect("a hint"));
        assert!(message.contains("127.0.0.1") || message.contains("::1"), "{message}");
        assert!(hint.contains("VPN") && hint.contains("--allow-host localhost"), "{hint}");
        assert_eq!((failure.kind, failure.is_final), (Kind::BadPicture, true));
    }

    #[test]
    fn the_hint_for_an_expired_url_names_the_command_that_asks_for_another() {
        // `receive` does not: it has only the URL of the notification.
        let hint = refusal(404, false, b"").hint.expect("a hint");
        assert!(hint.contains("`greenavatar get` asks for a fresh URL"), "{hint}");
    }

    #[test]
    fn an_answer_without_a_whole_picture_is_a_failure() {
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n\xff\xd8\xff\xe0 cut".to_vec();
        for (answer, code, message) in [
            (chunked, "unreachable", "incomplete download from 127.0.0.1: "),
            (
                b"\xff\xd8\xff\xe0\r\n\r\n".to_vec(),
                "unexpected-response",
                "the answer of 127.0.0.1 is not valid HTTP: ",
            ),
            (answer(429, b""), "too-many-requests", "rate limited by the picture host: status 429"),
            (answer(302, JPEG), "unexpected-response", "the picture host redirected: status 302"),
            (answer(200, b"<svg onload='x'></svg>"), "bad-picture", "the download is not a picture: it is neither "),
            (
                answer(403, b"URL signature \x1b[2Jexpired"),
                "picture-expired",
                "the picture's URL is no longer valid: status 403: URL signature \\u{1b}[2Jexpired",
            ),
        ] {
            let failure = download_of(answer).expect_err(message);
            assert!(failure.0 == code && failure.1.starts_with(message), "{failure:?}");
        }
    }
}
