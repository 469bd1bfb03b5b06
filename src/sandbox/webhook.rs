//! The webhook: pushes each notification to one URL, in order, until the receiver answers 200.

use std::io;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Config;
use super::state::SandboxState;

/// Silence after which a push has failed, and the pause before it is repeated.
const PUSH_TIMEOUT: Duration = Duration::from_secs(180);
const RESEND_PAUSE: Duration = Duration::from_secs(60);

pub struct Webhook {
    url: Uri,
    authorization: Option<HeaderValue>,
}

impl Webhook {
    /// The webhook in the options, if there is one.
    pub fn parse(config: &Config) -> io::Result<Option<Webhook>> {
        let invalid = |message| io::Error::new(io::ErrorKind::InvalidInput, message);
        let Some(url) = &config.webhook_url else { return Ok(None) };
        let url = url.parse::<Uri>().ok().filter(|url| {
            let authority = url.authority().map_or("", |authority| authority.as_str());
            url.scheme_str() == Some("http") && !authority.is_empty() && !authority.contains('@')
        });
        let url = url.ok_or_else(|| invalid("the webhook's URL must be http://HOST[:PORT]/PATH"))?;
        let token = config.webhook_token.as_ref().filter(|token| !token.is_empty());
        let authorization = token.map(|token| HeaderValue::from_str(&format!("Bearer {token}"))).transpose();
        let authorization =
            authorization.map_err(|_| invalid("the webhook's token must fit a header: printable ASCII"))?;
        Ok(Some(Webhook { url, authorization }))
    }

    /// Pushes a notification. Returns whether the receiver answered 200.
    async fn push(&self, body: Bytes) -> Option<bool> {
        let host = self.url.host()?.trim_matches(['[', ']']);
        // Looked up here: tokio panics if it cannot start a thread for that.
        let addresses: Vec<_> = (host, self.url.port_u16().unwrap_or(80)).to_socket_addrs().ok()?.collect();
        let stream = TcpStream::connect(&addresses[..]).await.ok()?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        let mut request = Request::post(self.url.path_and_query()?.as_str())
            .header(HOST, self.url.authority()?.as_str())
            .header(CONNECTION, "close")
            .header(CONTENT_TYPE, "application/json; charset=utf-8");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = sender.send_request(request.body(Full::new(body)).ok()?).await.ok()?;
        Some(response.status() == 200)
    }

    /// Pushes the queue's head again and again, until the runtime ends.
    pub async fn push_all(self, state: Arc<SandboxState>) {
        loop {
            let (receipt, body) = state.head().await;
            if state.timeout_at(state.now() + PUSH_TIMEOUT, self.push(body)).await == Some(Some(true)) {
                state.delete(receipt);
            } else {
                state.sleep(RESEND_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, token: &str) -> io::Result<Option<Webhook>> {
        let (webhook_url, webhook_token) = (Some(url.to_owned()), Some(token.to_owned()));
        Webhook::parse(&Config { webhook_url, webhook_token, ..Config::default() })
    }

    #[test]
    fn a_webhook_has_a_plain_http_url() {
        for url in ["http://localhost:8080/hook?x=1", "http://[::1]", "http://a.example"] {
            assert!(parse(url, "").is_ok(), "{url}");
        }
        for url in ["", "localhost:8080", "/hook", "https://localhost", "http://", "http://a@b/", "ftp://x/"] {
            assert!(parse(url, "").is_err(), "{url}");
        }
        assert!(parse("http://localhost", "a\nb").is_err());
    }
}
