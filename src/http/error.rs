//! Why no answer came. ureq's own texts are not used where they may hold a URL.

use std::net::IpAddr;
use std::{fmt, io};

use super::tls;

/// Why no answer came.
#[derive(Debug)]
pub enum HttpError {
    Timeout,
    /// No connection, or one that broke off.
    Unreachable(String),
    /// The server's certificate is bad, or the server does not speak TLS.
    Tls {
        message: String,
        hint: &'static str,
    },
    /// The name leads to this address, which is not public.
    NotPublic(IpAddr),
    /// The answer is not HTTP, or its header is too long.
    NotHttp(String),
}

impl HttpError {
    /// Whether the same call would fail again.
    pub fn is_final(&self) -> bool {
        matches!(self, HttpError::Tls { .. } | HttpError::NotPublic(_))
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// So that it can pass through ureq.
impl std::error::Error for HttpError {}

pub fn is_broken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

/// ureq's errors in our words: some of its messages hold the whole URL.
pub fn http_error(error: ureq::Error) -> HttpError {
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            HttpError::Unreachable("no connection within --connect-timeout".into())
        }
        ureq::Error::Timeout(_) => HttpError::Timeout,
        ureq::Error::Io(error) => io_error(&error),
        ureq::Error::HostNotFound => HttpError::Unreachable("the host name is not known".into()),
        ureq::Error::Rustls(error) => tls_error(&error),
        ureq::Error::Tls(what) => HttpError::Tls { message: what.to_owned(), hint: tls::IN_BETWEEN },
        ureq::Error::ConnectProxyFailed(what) => {
            HttpError::Unreachable(format!("the proxy refused the connection: {what}"))
        }
        ureq::Error::LargeResponseHeader(..) => HttpError::NotHttp("the answer's header is too long".into()),
        ureq::Error::Protocol(error) => HttpError::NotHttp(error.to_string()),
        // From the resolver.
        ureq::Error::Other(error) => match error.downcast::<HttpError>() {
            Ok(error) => *error,
            Err(error) => match error.downcast::<io::Error>() {
                Ok(error) => io_error(&error),
                Err(_) => HttpError::Unreachable("the connection failed".into()),
            },
        },
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => HttpError::NotHttp("the URL cannot be called".into()),
        _ => HttpError::Unreachable("the connection failed".into()),
    }
}

fn tls_error(error: &rustls::Error) -> HttpError {
    let (message, hint) = tls::describe(error);
    HttpError::Tls { message, hint }
}

fn io_error(error: &io::Error) -> HttpError {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return tls_error(tls);
    }
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => HttpError::Timeout,
        io::ErrorKind::ConnectionRefused => HttpError::Unreachable("connection refused".into()),
        _ if is_broken(error) => HttpError::Unreachable("the connection was lost".into()),
        _ => HttpError::Unreachable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_that_does_not_answer_is_not_an_unknown_name() {
        let words = "temporary failure in name resolution";
        let error = ureq::Error::Other(Box::new(HttpError::Unreachable(words.to_owned())));
        assert!(matches!(http_error(error), HttpError::Unreachable(why) if why == words));
    }
}
