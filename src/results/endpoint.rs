//! The webhook endpoint: GREEN-API sends notifications here, and 200 takes one off its queue for good.
//!
//! So 200 is said only once the notification is where it belongs, which the thread of [`commit`] sees to; every other
//! status brings it again. The runtime lives in [`Endpoint::serve`] alone. This file knows nothing of what a
//! notification holds, nor of standard output.

pub mod commit;
pub mod door;
mod visitors;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::task::Poll;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ALLOW, AUTHORIZATION, CONNECTION, EXPECT, HeaderValue, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use self::commit::{Commit, Job};
use self::door::WebhookToken;
use self::visitors::{Stage, Visitor, Visitors};
use crate::failure::{EXIT_SOME_FAILED, Failure, Kind};
use crate::greenapi::client::NOTIFICATION_LIMIT;
use crate::greenapi::messages::Notification;
use crate::interrupt;
use crate::output::Unwritten;

/// How long a client may take for a request's head, and how long a connection may be idle.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long it may take for the body.
const BODY_TIME: Duration = Duration::from_secs(30);
/// How long the rest of a refused body is read, so that the client hears the refusal, and how much of it.
const DRAIN_TIME: Duration = Duration::from_secs(2);
const DRAIN_LIMIT: usize = 16 * NOTIFICATION_LIMIT;
/// All bodies that are being received, together.
const BUFFERED_LIMIT: usize = 16 * NOTIFICATION_LIMIT;
/// The head of a request fits this, or is refused.
const READ_BUFFER: usize = 16 * 1024;
/// At the end, a request that is on its way may still come in.
const LAST_CALL: Duration = Duration::from_millis(20);

/// Whom the endpoint lets in, and where.
#[derive(Debug)]
pub struct Rules {
    /// The path that notifications come to.
    pub path: String,
    /// What they must bring.
    pub token: Option<WebhookToken>,
}

/// An endpoint that listens already.
#[derive(Debug)]
pub struct Endpoint {
    listener: TcpListener,
    address: SocketAddr,
    rules: Rules,
}

impl Endpoint {
    /// Listens at the address. Beyond this machine a token must keep strangers out.
    pub fn bind(address: SocketAddr, rules: Rules) -> Result<Endpoint, Failure> {
        if rules.token.is_none() && !address.ip().to_canonical().is_loopback() {
            return Err(Failure::new(
                Kind::BadSettings,
                format!("{address} can be reached from other machines, and no token keeps strangers out"),
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
        Ok(Endpoint { listener, address, rules })
    }

    /// Where it listens; the port is a real one even where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until a signal comes, or what is received is enough or cannot be kept. The exit status as for
    /// [`drain`](super::drain::drain).
    pub fn serve(self, commit: Commit<'_>) -> Result<u8, Failure> {
        let (jobs, inbox) = mpsc::channel();
        // Dropped with the thread's work, whichever way that ends.
        let (working, ended) = oneshot::channel::<Infallible>();
        let outcome = std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                let outcome = commit.run(&inbox);
                drop(working);
                outcome
            });
            let served = self.run(jobs, ended);
            if matches!(served, Ok(Left::CutOff))
                && let Some(signal) = interrupt::signal()
            {
                // The thread may hang in a write for as long as a reader likes; what it holds was not acknowledged.
                interrupt::die(signal);
            }
            let outcome = writer.join().expect("the writing thread does not panic");
            served.map(|_| outcome)
        });
        let unservable = |error: io::Error| {
            Failure::caused(Kind::BadSettings, anyhow::Error::from(error).context("the endpoint cannot serve"))
        };
        match outcome.map_err(unservable)? {
            Ok(false) => Ok(0),
            Ok(true) => Ok(EXIT_SOME_FAILED),
            Err(Unwritten::PipeClosed) => Ok(Kind::OutputFailed.exit()),
            Err(Unwritten::Failed(failure)) => Err(failure),
        }
    }

    fn run(self, jobs: Sender<Job>, ended: oneshot::Receiver<Infallible>) -> io::Result<Left> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        runtime.block_on(async {
            let hall = Arc::new(Hall {
                rules: self.rules,
                jobs,
                buffered: AtomicUsize::new(0),
                is_closing: AtomicBool::new(false),
                visitors: Visitors::default(),
            });
            accept(self.listener, ended, &hall).await?;
            hall.is_closing.store(true, Ordering::Relaxed);
            tokio::time::sleep(LAST_CALL).await;
            let until = interrupt::cut_off().map_or_else(|| Instant::now() + interrupt::GRACE, Instant::from_std);
            while hall.visitors.any_busy() {
                if timeout_at(until, hall.visitors.change()).await.is_err() {
                    return Ok(Left::CutOff);
                }
            }
            Ok(Left::Quietly)
        })
    }
}

/// How the last visitors left.
enum Left {
    Quietly,
    CutOff,
}

/// Lets connections in until a signal comes or the writing thread ends.
async fn accept(listener: TcpListener, ended: oneshot::Receiver<Infallible>, hall: &Arc<Hall>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let wake = interrupt::wake().map(|wake| wake.try_clone_to_owned()).transpose()?;
    let wake = wake.map(pipe::Receiver::from_owned_fd).transpose()?;
    let mut signalled = pin!(async {
        match &wake {
            Some(wake) => drop(wake.readable().await),
            None => std::future::pending().await,
        }
    });
    let mut ended = pin!(ended);
    loop {
        let next = poll_fn(|cx| {
            if signalled.as_mut().poll(cx).is_ready() || ended.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            listener.poll_accept(cx).map(Some)
        });
        match next.await {
            None => return Ok(()),
            Some(Ok((stream, _))) => admit(hall, stream),
            // No descriptor is left, most likely: one is made free.
            Some(Err(_)) => {
                hall.visitors.evict();
                tokio::time::sleep(LAST_CALL).await;
            }
        }
    }
}

fn admit(hall: &Arc<Hall>, stream: TcpStream) {
    let Some(visitor) = hall.visitors.enter() else { return };
    let _ = stream.set_nodelay(true);
    let for_task = (Arc::clone(hall), Arc::clone(&visitor));
    let task = tokio::spawn(async move {
        let (hall, visitor) = for_task;
        let service = service_fn(|request| hall.answer(&visitor, request));
        // How a connection ends is nobody's concern: what was not answered comes again.
        let _ = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(READ_BUFFER)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        hall.visitors.leave(&visitor);
    });
    visitor.can_be_ended_by(task.abort_handle());
}

/// What all connections share.
struct Hall {
    rules: Rules,
    jobs: Sender<Job>,
    buffered: AtomicUsize,
    is_closing: AtomicBool,
    visitors: Visitors,
}

/// Why a request is not answered with 200.
struct Refusal(StatusCode, &'static str);

impl Hall {
    async fn answer(&self, visitor: &Visitor, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let _stay = self.visitors.busy(visitor);
        let is_head = request.method() == Method::HEAD;
        let (status, text) = match self.take(visitor, request).await {
            Ok(text) => (StatusCode::OK, text),
            Err(Refusal(status, text)) => (status, text),
        };
        let body = if is_head { Full::default() } else { Full::from(text) };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        match status {
            StatusCode::METHOD_NOT_ALLOWED => drop(headers.insert(ALLOW, HeaderValue::from_static("POST"))),
            StatusCode::UNAUTHORIZED => drop(headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            _ => {}
        }
        let is_late = status == StatusCode::REQUEST_TIMEOUT || status == StatusCode::PAYLOAD_TOO_LARGE;
        if is_late || self.is_closing.load(Ordering::Relaxed) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }

    async fn take(&self, visitor: &Visitor, request: Request<Incoming>) -> Result<&'static str, Refusal> {
        let (head, mut body) = request.into_parts();
        let path = head.uri.path();
        if path == "/healthz" && (head.method == Method::GET || head.method == Method::HEAD) {
            return Ok("ok\n");
        }
        let authorization = head.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let length = body.size_hint().exact();
        let refusal = if path != self.rules.path {
            Some(Refusal(StatusCode::NOT_FOUND, "no notifications are taken here\n"))
        } else if head.method != Method::POST {
            Some(Refusal(StatusCode::METHOD_NOT_ALLOWED, "a notification comes by POST\n"))
        } else if !self.rules.token.as_ref().is_none_or(|token| token.admits(authorization)) {
            Some(Refusal(StatusCode::UNAUTHORIZED, "the token is missing or wrong\n"))
        } else if length.is_some_and(|length| length > NOTIFICATION_LIMIT as u64) {
            Some(TOO_LARGE)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            // A client that asks first need not send the body at all.
            if !head.headers.contains_key(EXPECT) {
                drain(&mut body).await;
            }
            return Err(refusal);
        }
        let received = timeout(BODY_TIME, self.receive(&mut body)).await;
        let body = received.map_err(|_| Refusal(StatusCode::REQUEST_TIMEOUT, "the body took too long\n"))??;
        let notification = Notification::read_unsolicited(&body.bytes)
            .ok_or(Refusal(StatusCode::BAD_REQUEST, "the body is no notification\n"))?;
        drop(body);
        visitor.set(Stage::Committing);
        let (done, answer) = oneshot::channel();
        let _ = self.jobs.send(Job { notification, done });
        // Without an answer the run is at its end, or cannot write.
        answer.await.map_err(|_| Refusal(StatusCode::SERVICE_UNAVAILABLE, "not taken\n")).map(|()| "")
    }

    async fn receive(&self, body: &mut Incoming) -> Result<Buffered<'_>, Refusal> {
        let mut received = Buffered { bytes: Vec::new(), count: &self.buffered };
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Refusal(StatusCode::BAD_REQUEST, "the body is broken\n"))?;
            let Some(piece) = frame.data_ref() else { continue };
            if received.bytes.len() + piece.len() > NOTIFICATION_LIMIT {
                drop(received);
                drain(body).await;
                return Err(TOO_LARGE);
            }
            if self.buffered.fetch_add(piece.len(), Ordering::Relaxed) > BUFFERED_LIMIT {
                self.buffered.fetch_sub(piece.len(), Ordering::Relaxed);
                return Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, "too much at once\n"));
            }
            received.bytes.extend_from_slice(piece);
        }
        Ok(received)
    }
}

const TOO_LARGE: Refusal = Refusal(StatusCode::PAYLOAD_TOO_LARGE, "a notification has 1 MiB at most\n");

/// Reads what is left of a body and forgets it: a connection that is closed before would often be reset, and the
/// client would never see the status.
async fn drain(body: &mut Incoming) {
    let forget = async {
        let mut left = DRAIN_LIMIT;
        while let Some(Ok(frame)) = body.frame().await {
            match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    let _ = timeout(DRAIN_TIME, forget).await;
}

/// A body, counted for as long as it is held.
struct Buffered<'a> {
    bytes: Vec<u8>,
    count: &'a AtomicUsize,
}

impl Drop for Buffered<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
