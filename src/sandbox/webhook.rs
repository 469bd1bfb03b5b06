//! The webhook: each notification is pushed to one URL, in order, until the receiver says 200. A bad receiver delays the queue,
//! it never loses anything of it. Knows the queue's head and nothing of who put it there.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::instance::Instance;

/// The most of a receiver's answer that is read to keep its connection.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Where notifications are pushed to.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl Target {
    /// Takes an `http://` URL apart.
    ///
    /// # Errors
    /// It is no such URL. The sandbox speaks no TLS.
    pub fn parse(url: &str) -> io::Result<Target> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "the webhook's URL must be http://HOST[:PORT]/PATH");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        if uri.scheme_str() != Some("http") || authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(wrong());
        }
        Ok(Target {
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }

    async fn connect(&self) -> Option<Connection> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.ok()?;
        // A refusal costs speed, not truth.
        let _ = stream.set_nodelay(true);
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        // How it ended is seen by whoever sends on it.
        tokio::spawn(async move { drop(connection.await) });
        Some(sender)
    }
}

type Connection = SendRequest<Full<Bytes>>;

/// Pushes whatever stands at the head of the queue, until the runtime ends.
pub async fn push(target: Target, instance: Arc<Instance>) {
    let mut kept: Option<Connection> = None;
    loop {
        let head = instance.wait_for(None, |memory, now| match memory.queue.head(now) {
            Some((receipt, notification)) => Ok((receipt, Bytes::from(instance.write(notification)))),
            None => Err(memory.queue.next_arrival()),
        });
        let Some((receipt, body)) = head.await else {
            continue;
        };
        let deadline = instance.now() + instance.options.push_timeout;
        let taken = within(&instance, deadline, deliver(&target, &instance, &body, &mut kept)).await;
        if taken == Some(true) {
            instance.memory(|memory| memory.queue.delete(receipt, instance.now()));
            continue;
        }
        kept = None;
        let again = instance.now() + instance.options.resend_pause.max(Duration::from_millis(1));
        instance.sleep_until(again).await;
    }
}

/// Whether the receiver answered 200.
async fn deliver(target: &Target, instance: &Instance, body: &Bytes, kept: &mut Option<Connection>) -> bool {
    if let Some(connection) = kept.take()
        && let Some(taken) = exchange(target, instance, body, connection, kept).await
    {
        return taken;
    }
    // No connection yet, or one that the receiver has closed meanwhile.
    match target.connect().await {
        Some(connection) => exchange(target, instance, body, connection, kept).await.unwrap_or(false),
        None => false,
    }
}

/// One push on one connection, which is kept if it can be used again. `None` if there was no answer.
async fn exchange(
    target: &Target,
    instance: &Instance,
    body: &Bytes,
    mut connection: Connection,
    kept: &mut Option<Connection>,
) -> Option<bool> {
    connection.ready().await.ok()?;
    let answer = connection.send_request(request(target, instance, body)?).await.ok()?;
    let taken = answer.status().as_u16() == 200;
    if Limited::new(answer.into_body(), ANSWER_LIMIT).collect().await.is_ok() {
        *kept = Some(connection);
    }
    Some(taken)
}

fn request(target: &Target, instance: &Instance, body: &Bytes) -> Option<Request<Full<Bytes>>> {
    let mut request = Request::post(target.path.as_str())
        .header(HOST, target.authority.as_str())
        .header(USER_AGENT, "greenavatar-sandbox")
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    if let Some(token) = instance.options.webhook_token.as_deref().filter(|token| !token.is_empty()) {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Full::new(body.clone())).ok()
}

/// `work`, or `None` if the deadline comes first.
async fn within<T>(instance: &Instance, deadline: Duration, work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut late) = (pin!(work), pin!(instance.sleep_until(deadline)));
    std::future::poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => late.as_mut().poll(context).map(|()| None),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_plain_http_url() {
        let target = Target::parse("http://localhost:8080/hook?x=1").expect("a good URL");
        assert_eq!((target.host.as_str(), target.port, target.path.as_str()), ("localhost", 8080, "/hook?x=1"));
        let target = Target::parse("http://[::1]").expect("a good URL");
        assert_eq!((target.host.as_str(), target.port, target.path.as_str()), ("::1", 80, "/"));
        for url in ["", "localhost:8080", "/hook", "https://localhost", "http://", "http://a@b/", "ftp://x/"] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }
}
