//! What the sandbox sends back: the bodies that the service documents, and one that is cut off.

use std::io;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::http::StatusCode;

/// Every answer has this header, so that a sandbox cannot be taken for the service.
const MARK: &str = "x-greenavatar-sandbox";

/// An answer before it becomes HTTP.
pub struct Reply {
    status: u16,
    content_type: &'static str,
    body: Bytes,
    is_cut_off: bool,
}

impl Reply {
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
        Reply { status, content_type, body: body.into(), is_cut_off: false }
    }

    pub fn empty(status: u16) -> Reply {
        Reply::new(status, "", "")
    }

    pub fn json(status: u16, body: impl Into<Bytes>) -> Reply {
        Reply::new(status, "application/json; charset=utf-8", body)
    }

    /// An error page of the service's nginx.
    pub fn nginx(status: u16, reason: &str) -> Reply {
        let title = format!("{status} {reason}");
        let page = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        Reply::new(status, "text/html", page)
    }

    /// Announces the whole body, sends half of it and closes the connection.
    pub fn truncated(self) -> Reply {
        Reply { is_cut_off: true, ..self }
    }

    pub fn into_response(self) -> Response<UnsyncBoxBody<Bytes, io::Error>> {
        let length = self.body.len();
        let sent = if self.is_cut_off { self.body.slice(..length / 2) } else { self.body };
        let body = Full::new(sent).map_err(|never| match never {});
        let mut response = Response::new(if self.is_cut_off {
            // `map_frame` hides the body's length, so that the header may announce more.
            let body = body.map_frame(|frame| frame).with_trailers(async {
                // Lets hyper flush what it has before the connection ends.
                tokio::task::yield_now().await;
                Some(Err(io::Error::other("cut off")))
            });
            body.boxed_unsync()
        } else {
            body.boxed_unsync()
        });
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(MARK, HeaderValue::from_static("1"));
        headers.insert(CONTENT_LENGTH, length.into());
        if !self.content_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        if self.status == 429 {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
