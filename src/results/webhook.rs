//! The webhook server of `listen`: receives notifications from GREEN-API and answers 200 once each is printed or
//! spooled.
//!
//! 200 removes a notification from GREEN-API's queue for good; after any other status it is sent again. Connections
//! are served by a current-thread runtime; one thread, the [`Writer`], prints, spools and then lets 200 be sent.

pub mod auth;
pub mod writer;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CONTENT_ENCODING, EXPECT, HeaderValue, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_io_timeout::TimeoutStream;

use self::auth::WebhookToken;
use self::writer::{Delivery, Writer};
use crate::failure::{EXIT_SOME_FAILED, Error, Failure, Kind};
use crate::greenapi::client::NOTIFICATION_LIMIT;
use crate::greenapi::notification::Notification;
use crate::output::Output;
use crate::shutdown;
use crate::text::sanitize_short;

/// Open connections; further ones wait in the system's queue.
const CONNECTIONS: usize = 512;
/// How long a client may take to send a request's head, including the silence before it, to send the body, and to
/// read an answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);
const HEAD_LIMIT: usize = 16 * 1024;
/// How much of a refused body is read, and for how long, so that the client gets to see the status.
const DRAIN_LIMIT: usize = 16 * NOTIFICATION_LIMIT;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// The shortest time between two reports of the same kind of refusal.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

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
    pub fn bind(address: SocketAddr, path: &str, token: Option<WebhookToken>) -> Result<Server, Failure> {
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
            Failure::new(Kind::BadSettings, format!("cannot listen on {address}"))
                .because(error)
                .hint("--bind names another address, and port 0 any free port")
        })?;
        Ok(Server { listener, address, path: without_slash(path).to_owned(), token })
    }

    /// The address it is bound to, with the real port if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until a signal, or until the writer has printed enough or cannot write. Then prints a summary and returns
    /// the exit status.
    ///
    /// After a signal, requests in flight have five seconds to finish.
    pub fn run(self, mut writer: Writer<'_>) -> Result<u8, Error> {
        let output = writer.output;
        let (deliveries, inbox) = mpsc::channel();
        let ran = thread::scope(|scope| {
            let thread = thread::Builder::new().spawn_scoped(scope, || writer.run(inbox))?;
            let refused = self.serve(deliveries, output, &thread);
            Ok((thread.join().expect("the writer does not panic"), refused?))
        });
        let (written, refused) = ran.map_err(|error: io::Error| {
            Failure::new(Kind::BadSettings, "the server cannot run")
                .because(error)
                .hint("raise the limits on processes and open files: `ulimit -a` shows them")
        })?;
        if !matches!(written, Err(Error::BrokenPipe)) {
            writer.summarize(refused);
        }
        written?;
        Ok(if writer.counts.failed > 0 { EXIT_SOME_FAILED } else { 0 })
    }

    /// Serves until the run ends. Returns how many requests were refused.
    fn serve<T>(
        self,
        deliveries: Sender<Delivery>,
        output: &Output,
        writer: &ScopedJoinHandle<'_, T>,
    ) -> io::Result<u64> {
        let (refused, refusals) = mpsc::channel();
        let mut refusals = RefusalLog { inbox: refusals, output, count: 0, reported: BTreeMap::new() };
        let handler = Arc::new(Handler { path: self.path, token: self.token, deliveries, refused });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            let (places, connections) = (Arc::new(Semaphore::new(CONNECTIONS)), GracefulShutdown::new());
            while shutdown::signal().is_none() && !writer.is_finished() {
                refusals.report();
                if places.available_permits() == 0 {
                    let hint = "clients that stall are dropped after 10 s; only GREEN-API should send to this address";
                    refusals.warn("full", "512 connections are open; others must wait", hint);
                }
                let accept = async {
                    let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
                    (place, listener.accept().await)
                };
                match timeout(shutdown::SLICE, accept).await {
                    Ok((place, Ok((stream, _)))) => {
                        let connection = connections.watch(handler.connection(stream));
                        let handler = Arc::clone(&handler);
                        tokio::spawn(async move {
                            // After any other end, a notification without a 200 is sent again.
                            if let Err(error) = connection.await
                                && error.is_parse()
                            {
                                let _ = handler.refused.send(Refusal::malformed(&error));
                            }
                            drop(place);
                        });
                    }
                    Ok((_, Err(error))) => {
                        // Otherwise the client has left.
                        if error.kind() != io::ErrorKind::ConnectionAborted {
                            let hint = "raise the limit on open files: `ulimit -n` shows it";
                            let error = error.to_string().to_lowercase();
                            refusals.warn("accept", &format!("cannot accept a connection: {error}"), hint);
                        }
                        tokio::time::sleep(shutdown::SLICE).await;
                    }
                    Err(_) => {}
                }
            }
            drop(listener);
            let until = shutdown::cut_off().map_or_else(|| Instant::now() + shutdown::GRACE, Instant::from_std);
            let _ = timeout_at(until, connections.shutdown()).await;
            refusals.report();
            Ok(refusals.count)
        })
    }
}

struct Handler {
    path: String,
    token: Option<WebhookToken>,
    deliveries: Sender<Delivery>,
    refused: Sender<Refusal>,
}

impl Handler {
    fn connection(self: &Arc<Handler>, stream: TcpStream) -> impl GracefulConnection<Error = hyper::Error> + use<> {
        // An error only costs speed.
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
        let result = match self.check(&head, &body) {
            Ok(()) => self.deliver(&mut body).await,
            Err(refusal) => Err(refusal),
        };
        let Err(mut refusal) = result else { return Response::default() };
        // A client that waits for 100 Continue sends no body after a refusal.
        if refusal.status != StatusCode::REQUEST_TIMEOUT && !head.headers.contains_key(EXPECT) {
            let mut rest = Limited::new(body, DRAIN_LIMIT);
            let _ = timeout(DRAIN_TIMEOUT, async { while let Some(Ok(_)) = rest.frame().await {} }).await;
        }
        let mut response = Response::new(format!("{}\n", refusal.what).into());
        *response.status_mut() = refusal.status;
        if let Some((name, value)) = match refusal.status {
            StatusCode::METHOD_NOT_ALLOWED => Some((ALLOW, "POST")),
            StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, "Bearer")),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Some((ACCEPT_ENCODING, "identity")),
            _ => None,
        } {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        refusal.request = format!("{} {}", head.method, head.uri.path());
        // At the run's end there is nothing to change, and after a broken pipe nothing is printed.
        if refusal.status != StatusCode::SERVICE_UNAVAILABLE {
            let _ = self.refused.send(refusal);
        }
        response
    }

    /// Checks a request before its body is read.
    fn check(&self, head: &Parts, body: &Incoming) -> Result<(), Refusal> {
        let authorization = head.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let mut encodings = head.headers.get_all(CONTENT_ENCODING).iter();
        if without_slash(head.uri.path()) != self.path {
            let path = if self.path.is_empty() { "/" } else { &self.path };
            let hint = format!("webhookUrl in GREEN-API's console must end with {path}, or --path must be its path");
            Err(Refusal::new(StatusCode::NOT_FOUND, "no notifications are accepted on this path", hint))
        } else if head.method != Method::POST {
            let hint = "GREEN-API sends POST; health checks use GET /healthz";
            Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "notifications are accepted by POST only", hint))
        } else if !self.token.as_ref().is_none_or(|token| token.verify(authorization)) {
            let what =
                if authorization.is_none() { "the webhook token is missing" } else { "the webhook token is wrong" };
            let hint = "webhookUrlToken in GREEN-API's console must be the token that was given to listen";
            Err(Refusal::new(StatusCode::UNAUTHORIZED, what, hint))
        } else if !encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            let hint = "turn off the compression of requests in the proxy in front of listen";
            Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is compressed", hint))
        } else if body.size_hint().lower() > NOTIFICATION_LIMIT as u64 {
            Err(Refusal::too_large())
        } else {
            Ok(())
        }
    }

    /// Reads a notification and waits until the writer has kept it.
    async fn deliver(&self, body: &mut Incoming) -> Result<(), Refusal> {
        const PROXY: &str = "check the connection and the proxy in front of listen: the body must arrive unchanged";
        let body = timeout(CLIENT_TIMEOUT, Limited::new(body, NOTIFICATION_LIMIT).collect())
            .await
            .map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body was not received within 10 s", PROXY))?
            .map_err(|error| match error.is::<LengthLimitError>() {
                true => Refusal::too_large(),
                false => Refusal::new(StatusCode::BAD_REQUEST, "the body is incomplete", PROXY),
            })?;
        let notification = Notification::read_unsolicited(&body.to_bytes())
            .ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "the body is not a notification", PROXY))?;
        let (kept, is_kept) = oneshot::channel();
        let _ = self.deliveries.send(Delivery { notification, kept });
        is_kept.await.map_err(|_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the run has ended", ""))
    }
}

/// Why a request is not answered with 200.
struct Refusal {
    /// The method and the path, as they were sent.
    request: String,
    status: StatusCode,
    what: &'static str,
    hint: String,
}

impl Refusal {
    fn new(status: StatusCode, what: &'static str, hint: impl Into<String>) -> Refusal {
        Refusal { request: String::new(), status, what, hint: hint.into() }
    }

    fn too_large() -> Refusal {
        let hint = "GREEN-API sends it again for 24 hours: turn off this kind of notification in its console";
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB", hint)
    }

    /// A request that hyper could not parse and has answered itself.
    fn malformed(error: &hyper::Error) -> Refusal {
        let (status, what, hint) = match error.is_parse_too_large() {
            true => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "the header is too large",
                "the proxy in front of listen must add fewer or shorter headers",
            ),
            false => (
                StatusCode::BAD_REQUEST,
                "it is not HTTP/1.1",
                "listen speaks plain HTTP: webhookUrl must be that of a proxy with TLS in front of it",
            ),
        };
        Refusal { request: "a request".into(), ..Refusal::new(status, what, hint) }
    }
}

/// Counts refusals, and reports each kind at most once a minute.
struct RefusalLog<'a> {
    inbox: Receiver<Refusal>,
    output: &'a Output,
    count: u64,
    reported: BTreeMap<&'static str, Instant>,
}

impl RefusalLog<'_> {
    /// Takes in what was refused since the last call.
    fn report(&mut self) {
        while let Ok(Refusal { request, status, what, hint }) = self.inbox.try_recv() {
            self.count += 1;
            let request = sanitize_short(&request);
            self.warn(what, &format!("{request} was refused with {}: {what}", status.as_u16()), &hint);
        }
    }

    fn warn(&mut self, kind: &'static str, message: &str, hint: &str) {
        if self.reported.get(kind).is_none_or(|last| last.elapsed() >= REPORT_INTERVAL) {
            self.reported.insert(kind, Instant::now());
            self.output.warn(message, hint);
        }
    }
}

/// A path without the slashes at its end: `/x` and `/x/` are the same.
fn without_slash(path: &str) -> &str {
    path.trim_end_matches('/')
}
