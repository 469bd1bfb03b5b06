//! What goes back over the wire: the bodies that the service documents for its errors, and the one answer that breaks off.
//! Knows nothing of who asked or why.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::Response;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::ext::ReasonPhrase;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::http::StatusCode;
use serde_json::json;

use super::MARK;

const JSON: &str = "application/json; charset=utf-8";
const HTML: &str = "text/html";
const TEXT: &str = "text/plain";

/// An answer that is ready to be sent.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// What the body is; `None` where there is none.
    pub content_type: Option<&'static str>,
    /// The body.
    pub body: Bytes,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u64>,
    /// Close the connection behind it.
    pub close: bool,
    /// Promise the whole body, send half of it and close the connection.
    pub cut_off: bool,
}

/// What an envelope of the service says beside its status and message.
pub struct Echo<'a> {
    /// The HTTP method that came.
    pub verb: &'a str,
    /// Path and query that came, the token in it.
    pub path: &'a str,
    /// Now, in unix milliseconds.
    pub unix_ms: i64,
}

impl Answer {
    /// This status and no body.
    pub fn empty(status: u16) -> Answer {
        Answer { status, content_type: None, body: Bytes::new(), retry_after: None, close: false, cut_off: false }
    }

    /// JSON with status 200.
    pub fn json(body: impl Into<Bytes>) -> Answer {
        Answer { content_type: Some(JSON), body: body.into(), ..Answer::empty(200) }
    }

    /// Plain text.
    pub fn text(status: u16, text: &'static str) -> Answer {
        Answer { content_type: Some(TEXT), body: Bytes::from_static(text.as_bytes()), ..Answer::empty(status) }
    }

    /// A picture, with status 200.
    pub fn jpeg(body: Bytes) -> Answer {
        Answer { content_type: Some("image/jpeg"), body, ..Answer::empty(200) }
    }

    /// The page that the service's front shows.
    pub fn nginx(status: u16, title: &str) -> Answer {
        let page = format!(
            "<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n<center><h1>{status} {title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        Answer { content_type: Some(HTML), body: page.into(), ..Answer::empty(status) }
    }

    /// The service's usual error: it echoes the whole path, token and all.
    pub fn envelope(status: u16, echo: &Echo<'_>, message: &str) -> Answer {
        let timestamp = jiff::Timestamp::from_millisecond(echo.unix_ms).unwrap_or_default();
        let body = format!(
            r#"{{"statusCode":{status},"timestamp":"{}","path":{},"message":{}}}"#,
            timestamp.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"),
            json!(echo.path),
            json!(message),
        );
        Answer { status, ..Answer::json(body) }
    }

    /// No such method, or not with this verb.
    pub fn cannot(echo: &Echo<'_>) -> Answer {
        Answer::envelope(404, echo, &format!("Cannot {} {}", echo.verb, echo.path))
    }

    /// One of the statuses that a chat's number can ask for, with its documented body.
    pub fn documented(status: u16, echo: &Echo<'_>, method: &str) -> Answer {
        match status {
            400 => Answer::envelope(400, echo, "bad request data"),
            401 => Answer::empty(401),
            403 => Answer::nginx(403, "Forbidden"),
            404 => Answer::cannot(echo),
            429 => Answer { retry_after: Some(1), ..Answer::envelope(429, echo, "Too Many Requests") },
            466 => Answer::quota_exceeded(method),
            499 => Answer::envelope(499, echo, "Client Closed Request"),
            500 => Answer::envelope(500, echo, "Internal Server Error"),
            502 => Answer::nginx(502, "Bad Gateway"),
            _ => Answer::nginx(503, "Service Temporarily Unavailable"),
        }
    }

    fn quota_exceeded(method: &str) -> Answer {
        let body = format!(
            r#"{{"invokeStatus":{{"method":"{}","used":67,"total":0,"status":"QUOTE_ALLOWED"}},"correspondentsStatus":{{"method":"correspondents","used":3,"total":3,"status":"CORRESPONDENTS_QUOTE_EXCEEDED","description":"Monthly quota has been exceeded. You can only send or receive messages from these numbers: 12345678901@c.us,12345678910@c.us,12345678911@c.us"}}}}"#,
            method.to_ascii_lowercase()
        );
        Answer { status: 466, ..Answer::json(body) }
    }

    /// The answer as hyper sends it.
    pub fn into_response(self) -> Response<AnswerBody> {
        let body = match self.cut_off {
            false => AnswerBody::Whole(self.body),
            true => AnswerBody::Half {
                promised: self.body.len() as u64,
                half: self.body.slice(..self.body.len() / 2),
                sent: 0,
            },
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // Two statuses that HTTP has no words for.
        match self.status {
            466 => drop(response.extensions_mut().insert(ReasonPhrase::from_static(b"Quota Exceeded"))),
            499 => drop(response.extensions_mut().insert(ReasonPhrase::from_static(b"Client Closed Request"))),
            _ => {}
        }
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static(MARK), HeaderValue::from_static("1"));
        if let Some(content_type) = self.content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// A body in one piece, or one that promises more than it sends.
pub enum AnswerBody {
    /// All of it; empty once sent.
    Whole(Bytes),
    /// Half of it, then a broken connection.
    Half {
        /// What `Content-Length` says.
        promised: u64,
        /// What is sent.
        half: Bytes,
        /// Which step comes next.
        sent: u8,
    },
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            AnswerBody::Whole(body) if body.is_empty() => Poll::Ready(None),
            AnswerBody::Whole(body) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(body))))),
            AnswerBody::Half { half, sent, .. } => {
                *sent += 1;
                match sent {
                    1 => Poll::Ready(Some(Ok(Frame::data(std::mem::take(half))))),
                    // Pending once, so that what has been written is flushed before the connection breaks.
                    2 => {
                        context.waker().wake_by_ref();
                        Poll::Pending
                    }
                    _ => Poll::Ready(Some(Err(io::Error::other("the sandbox breaks off here, as it was asked to")))),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, AnswerBody::Whole(body) if body.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            AnswerBody::Whole(body) => body.len() as u64,
            AnswerBody::Half { promised, .. } => *promised,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECHO: Echo<'_> = Echo { verb: "POST", path: "/waInstance1/getAvatar/to\"ken", unix_ms: 1_694_609_750_150 };

    fn text(answer: &Answer) -> &str {
        std::str::from_utf8(&answer.body).expect("bodies are text")
    }

    #[test]
    fn an_envelope_echoes_path_and_token_as_json() {
        let answer = Answer::envelope(400, &ECHO, "bad request data");
        assert_eq!(
            text(&answer),
            r#"{"statusCode":400,"timestamp":"2023-09-13T12:55:50.150Z","path":"/waInstance1/getAvatar/to\"ken","message":"bad request data"}"#
        );
    }

    #[test]
    fn every_status_of_the_table_has_its_documented_body() {
        for (status, expected) in [
            (400, "bad request data"),
            (403, "<title>403 Forbidden</title>"),
            (404, "Cannot POST /waInstance1/"),
            (429, "Too Many Requests"),
            (466, r#""method":"getavatar""#),
            (499, "Client Closed Request"),
            (500, "Internal Server Error"),
            (502, "<title>502 Bad Gateway</title>"),
            (503, "<title>503 Service"),
        ] {
            let answer = Answer::documented(status, &ECHO, "getAvatar");
            assert_eq!(answer.status, status);
            assert!(text(&answer).contains(expected), "{status}: {}", text(&answer));
        }
        assert!(Answer::documented(401, &ECHO, "getAvatar").body.is_empty());
        assert_eq!(Answer::documented(429, &ECHO, "getAvatar").retry_after, Some(1));
    }
}
