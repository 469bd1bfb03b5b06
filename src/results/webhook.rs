//! The webhook server of `listen`: takes notifications from GREEN-API and answers 200 once each is kept.
//!
//! 200 removes a notification from GREEN-API's queue for good; after any other status it is sent again. Connections
//! are served by a current-thread runtime; one thread, the [`Writer`], prints, spools and then lets 200 be sent.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::iter;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ALLOW, AUTHORIZATION, EXPECT, HeaderValue, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use subtle::{Choice, ConstantTimeEq};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_io_timeout::TimeoutStream;

use super::spool::Spool;
use super::{identity, record};
use crate::failure::{EXIT_SOME_FAILED, Error, Failure, Kind};
use crate::greenapi::client::NOTIFICATION_LIMIT;
use crate::greenapi::messages::Notification;
use crate::output::{Output, OutputError};
use crate::recent::Deduplicator;
use crate::report::Report;
use crate::shutdown;
use crate::token::{Masked, register};

/// Open connections; further ones wait in the system's queue.
const CONNECTIONS: usize = 512;
/// How long a client may take to send a request's head, including the silence before it, to send the body, and to
/// read an answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest head of a request.
const HEAD_LIMIT: usize = 16 * 1024;
/// How much of a refused body is read, and for how long, so that the client gets to see the status.
const DRAIN_LIMIT: usize = 16 * NOTIFICATION_LIMIT;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the server checks whether the run has ended.
const POLL: Duration = Duration::from_millis(50);

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

/// A server that is bound to its address.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    path: String,
    token: Option<WebhookToken>,
}

impl Server {
    /// Binds to the address, for notifications that are posted to `path`. Beyond loopback a token is required.
    pub fn bind(address: SocketAddr, path: String, token: Option<WebhookToken>) -> Result<Server, Failure> {
        if token.is_none() && !address.ip().to_canonical().is_loopback() {
            return Err(Failure::new(
                Kind::BadSettings,
                format!("{address} can be reached from other machines, and no webhook token is set"),
            )
            .hint("set webhookUrlToken in GREEN-API's console, and give it with --webhook-token-file"));
        }
        let listen = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = listen().map_err(|error: io::Error| {
            Failure::caused(
                Kind::BadSettings,
                anyhow::Error::from(error).context(format!("cannot listen on {address}")),
            )
            .hint("--bind names another address, and port 0 any free port")
        })?;
        Ok(Server { listener, address, path, token })
    }

    /// The address it is bound to, with the real port if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until a signal, or until the writer has printed enough or cannot write. Returns the exit status.
    ///
    /// After a signal, requests in flight have five seconds to finish.
    pub fn run(self, writer: Writer<'_>) -> Result<u8, Error> {
        let (deliveries, inbox) = mpsc::channel();
        let written = std::thread::scope(|scope| {
            let writer = scope.spawn(move || writer.run(&inbox));
            self.serve(deliveries, &writer)?;
            while !writer.is_finished() {
                if let Some(signal) = shutdown::signal()
                    && shutdown::cut_off().is_some_and(|cut_off| cut_off <= std::time::Instant::now())
                {
                    // The disk or the reader of the output hangs. What it was to take was not acknowledged.
                    shutdown::die(signal);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(writer.join().expect("the writer does not panic"))
        });
        let unservable = |error: io::Error| {
            Failure::caused(Kind::BadSettings, anyhow::Error::from(error).context("the server cannot run"))
        };
        let some_failed = written.map_err(unservable)??;
        Ok(if some_failed { EXIT_SOME_FAILED } else { 0 })
    }

    fn serve<T>(self, deliveries: Sender<Delivery>, writer: &ScopedJoinHandle<'_, T>) -> io::Result<()> {
        let handler = Arc::new(Handler { path: self.path, token: self.token, deliveries });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            let (places, connections) = (Arc::new(Semaphore::new(CONNECTIONS)), GracefulShutdown::new());
            while shutdown::signal().is_none() && !writer.is_finished() {
                let accept = async {
                    let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
                    (place, listener.accept().await)
                };
                match timeout(POLL, accept).await {
                    Ok((place, Ok((stream, _)))) => {
                        let connection = connections.watch(handler.connection(stream));
                        tokio::spawn(async move {
                            // However it ended: a notification that was not answered with 200 is sent again.
                            let _ = connection.await;
                            drop(place);
                        });
                    }
                    // The process has no file descriptor left, or the client has left.
                    Ok((_, Err(_))) => tokio::time::sleep(POLL).await,
                    Err(_) => {}
                }
            }
            drop(listener);
            let until = shutdown::cut_off().map_or_else(|| Instant::now() + shutdown::GRACE, Instant::from_std);
            let _ = timeout_at(until, connections.shutdown()).await;
            Ok(())
        })
    }
}

/// A notification on its way to the writer.
struct Delivery {
    notification: Notification,
    /// Sent to once the notification is kept; dropped if it is not.
    kept: oneshot::Sender<()>,
}

/// Why a request is not answered with 200.
struct Refusal(StatusCode, &'static str);

/// Answers the requests of all connections.
struct Handler {
    path: String,
    token: Option<WebhookToken>,
    deliveries: Sender<Delivery>,
}

impl Handler {
    fn connection(self: &Arc<Handler>, stream: TcpStream) -> impl GracefulConnection + use<> {
        // An error costs speed, nothing else.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(CLIENT_TIMEOUT));
        let handler = Arc::clone(self);
        let service = service_fn(move |request| {
            let handler = Arc::clone(&handler);
            async move { Ok::<_, Infallible>(handler.respond(request).await) }
        });
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(CLIENT_TIMEOUT)
            .half_close(true)
            .max_buf_size(HEAD_LIMIT)
            .serve_connection(TokioIo::new(Box::pin(stream)), service)
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, mut body) = request.into_parts();
        if head.uri.path() == "/healthz" && matches!(head.method, Method::GET | Method::HEAD) {
            return Response::new("ok\n".into());
        }
        let authorization = head.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let refusal = if head.uri.path() != self.path {
            Some(Refusal(StatusCode::NOT_FOUND, "no notifications are accepted on this path\n"))
        } else if head.method != Method::POST {
            Some(Refusal(StatusCode::METHOD_NOT_ALLOWED, "notifications are accepted by POST only\n"))
        } else if !self.token.as_ref().is_none_or(|token| token.verify(authorization)) {
            Some(Refusal(StatusCode::UNAUTHORIZED, "the token is missing or wrong\n"))
        } else if body.size_hint().lower() > NOTIFICATION_LIMIT as u64 {
            Some(TOO_LARGE)
        } else {
            self.deliver(&mut body).await.err()
        };
        let Some(Refusal(status, text)) = refusal else { return Response::default() };
        // A client that waits for 100 Continue sends no body after a refusal.
        if status != StatusCode::REQUEST_TIMEOUT && !head.headers.contains_key(EXPECT) {
            let mut rest = Limited::new(body, DRAIN_LIMIT);
            let _ = timeout(DRAIN_TIMEOUT, async { while let Some(Ok(_)) = rest.frame().await {} }).await;
        }
        let mut response = Response::new(text.into());
        *response.status_mut() = status;
        if let Some((name, value)) = match status {
            StatusCode::METHOD_NOT_ALLOWED => Some((ALLOW, "POST")),
            StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, "Bearer")),
            _ => None,
        } {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }

    /// Reads a notification and waits until the writer has kept it.
    async fn deliver(&self, body: &mut Incoming) -> Result<(), Refusal> {
        let body = timeout(CLIENT_TIMEOUT, Limited::new(body, NOTIFICATION_LIMIT).collect())
            .await
            .map_err(|_| Refusal(StatusCode::REQUEST_TIMEOUT, "the body was not received in time\n"))?
            .map_err(|error| match error.is::<LengthLimitError>() {
                true => TOO_LARGE,
                false => Refusal(StatusCode::BAD_REQUEST, "the body is incomplete\n"),
            })?;
        let notification = Notification::read_unsolicited(&body.to_bytes())
            .ok_or(Refusal(StatusCode::BAD_REQUEST, "the body is not a notification\n"))?;
        let (kept, is_kept) = oneshot::channel();
        let _ = self.deliveries.send(Delivery { notification, kept });
        is_kept.await.map_err(|_| Refusal(StatusCode::SERVICE_UNAVAILABLE, "the notification was not kept\n"))
    }
}

const TOO_LARGE: Refusal = Refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB\n");

/// Prints results and spools other notifications, then lets their requests be answered with 200.
pub struct Writer<'a> {
    output: &'a Output,
    report: &'a Report,
    write: Box<Write<'a>>,
    spool: Option<Spool>,
    /// How many results are still to be printed; `None`: no limit.
    remaining: Option<u64>,
    printed: Deduplicator,
    some_failed: bool,
}

/// Writes and flushes finished lines.
type Write<'a> = dyn FnMut(&Masked) -> Result<(), OutputError> + Send + 'a;

impl<'a> Writer<'a> {
    /// A writer of at most `max` results, rendered by `output`, to `write`. Other notifications are appended to the
    /// spool; without one they are discarded.
    pub fn new(
        output: &'a Output,
        report: &'a Report,
        write: impl FnMut(&Masked) -> Result<(), OutputError> + Send + 'a,
        spool: Option<Spool>,
        max: Option<u64>,
    ) -> Writer<'a> {
        let (printed, some_failed) = (Deduplicator::default(), false);
        Writer { output, report, write: Box::new(write), spool, remaining: max, printed, some_failed }
    }

    /// Runs until the senders are gone, `max` results are printed, or a write fails. Returns whether a result failed.
    fn run(mut self, inbox: &Receiver<Delivery>) -> Result<bool, OutputError> {
        while self.remaining != Some(0) {
            let Ok(first) = inbox.recv() else { break };
            // Everything that arrived during the last write shares the next flush and the next sync.
            self.keep(iter::once(first).chain(inbox.try_iter()).collect())?;
        }
        Ok(self.some_failed)
    }

    fn keep(&mut self, deliveries: Vec<Delivery>) -> Result<(), OutputError> {
        let (mut lines, mut foreign, mut failures, mut kept) = (Masked::default(), Vec::new(), Vec::new(), Vec::new());
        for Delivery { notification, kept: sender } in deliveries {
            match notification {
                Notification::Avatar(info) if self.printed.contains(&identity(&info)) => {}
                // The rest is not kept, and is sent again.
                Notification::Avatar(_) if self.remaining == Some(0) => break,
                Notification::Avatar(info) => {
                    lines.push(&record(&info).line(self.output));
                    self.printed.insert(&identity(&info));
                    self.remaining = self.remaining.map(|remaining| remaining - 1);
                    failures.extend(info.failure().map(|failure| (info.chat_id, failure)));
                }
                Notification::Foreign(other) if self.spool.is_some() => {
                    foreign.extend_from_slice(&other.line);
                    foreign.push(b'\n');
                }
                Notification::Foreign(other) => self.report.wire(|| format!("discarded: {}", other.what)),
            }
            kept.push(sender);
        }
        (self.write)(&lines)?;
        if let Some(spool) = self.spool.as_mut().filter(|_| !foreign.is_empty()) {
            spool.append(&foreign).map_err(OutputError::Io)?;
        }
        for sender in kept {
            // An error means that the client has left. It sends the notification again, which is a repeat then.
            let _ = sender.send(());
        }
        self.some_failed |= !failures.is_empty();
        for (chat, failure) in failures {
            self.report.chat_failure_in_list(&chat, &failure);
        }
        Ok(())
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
