//! Connections and requests: accepting, limits against clients that stall or send too much, the journal, and the way to what
//! answers. Nothing that a client sends ends it.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::USER_AGENT;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

use super::answer::{Answer, AnswerBody, Echo};
use super::instance::Instance;
use super::methods::Asked;
use super::route::{Route, route};
use super::signature::Refusal;
use super::{control, methods, picture, signature};

/// Connections at a time; more wait their turn.
const CONNECTIONS: usize = 1000;

/// Time for a request's head, and for the silence before it on a connection that is kept alive.
const HEAD: Duration = Duration::from_secs(75);

/// Time for a request's body.
const BODY: Duration = Duration::from_secs(30);

/// The largest body that is read, as the service's framework has it.
const BODY_LIMIT: usize = 100 * 1024;

/// The largest body of `/_sandbox/…`, and how much of a body that is too large is read and thrown away, so that the client
/// gets to see why.
const DRAIN_LIMIT: usize = 2 * 1024 * 1024;

/// Accepts connections until the runtime ends.
pub async fn serve(listener: TcpListener, instance: Arc<Instance>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("bound and non-blocking, in a runtime");
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let pictures = Arc::new(picture::Gallery::default());
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, or a client that left before it was accepted.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        // A refusal costs speed, not truth.
        let _ = stream.set_nodelay(true);
        let (instance, pictures) = (Arc::clone(&instance), Arc::clone(&pictures));
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let (instance, pictures) = (Arc::clone(&instance), Arc::clone(&pictures));
                async move { Ok::<_, Infallible>(respond(&instance, &pictures, request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .serve_connection(TokioIo::new(stream), service);
            // Whatever ended the connection, there is nobody left to tell.
            let _ = connection.await;
            drop(place);
        });
    }
}

async fn respond(instance: &Instance, pictures: &picture::Gallery, request: Request<Incoming>) -> Response<AnswerBody> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let whole = head.uri.path_and_query().map_or(path, |whole| whole.as_str());
    let (verb, query) = (head.method.as_str(), head.uri.query().unwrap_or_default());
    let target = route(path);
    let limit = if matches!(target, Route::Control(_)) { DRAIN_LIMIT } else { BODY_LIMIT };
    let body = read(body, limit).await;
    if let Route::Control(rest) = target {
        return match body {
            Ok(body) => control::answer(instance, verb, rest, &body),
            Err(unread) => unread.answer(None),
        }
        .into_response();
    }
    let agent = head.headers.get(USER_AGENT).map_or(&b""[..], |agent| agent.as_bytes());
    let journaled =
        instance.memory(|memory| memory.journal.record(verb, whole, agent, body.as_deref().unwrap_or_default()));
    let unix_ms = i64::try_from(instance.unix(instance.now()).as_millis()).unwrap_or(i64::MAX);
    let echo = Echo { verb, path: whole, unix_ms };
    let answer = match (body, target) {
        (Err(unread), _) => unread.answer(Some(&echo)),
        (Ok(body), Route::Instance { id, call }) => {
            methods::answer(instance, &Asked { id, call, query, body: &body, echo }).await
        }
        (Ok(_), Route::Picture(rest)) if verb == "GET" || verb == "HEAD" => {
            match signature::check(rest, query, instance.unix(instance.now()).as_secs()) {
                Ok(wanted) => Answer::jpeg(pictures.picture(wanted.digits, wanted.preview)),
                Err(Refusal::Expired) => Answer::text(403, "URL signature expired"),
                Err(Refusal::NotFound) => Answer::cannot(&echo),
            }
        }
        (Ok(_), Route::Picture(_) | Route::Control(_) | Route::Unknown) => Answer::cannot(&echo),
    };
    instance.memory(|memory| memory.journal.answered(journaled, answer.status));
    answer.into_response()
}

/// Why a body was not read.
#[derive(Debug)]
enum Unread {
    TooLarge,
    TooSlow,
    BrokenOff,
}

impl Unread {
    fn answer(&self, echo: Option<&Echo<'_>>) -> Answer {
        let (status, message) = match self {
            Unread::TooLarge => (413, "request entity too large"),
            Unread::TooSlow => (408, "request timeout"),
            Unread::BrokenOff => (400, "request aborted"),
        };
        let answer = match echo {
            Some(echo) => Answer::envelope(status, echo, message),
            None => Answer::text(status, message),
        };
        Answer { close: true, ..answer }
    }
}

/// The whole body, in time and within the limit.
async fn read(body: Incoming, limit: usize) -> Result<Bytes, Unread> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if body.size_hint().lower() > DRAIN_LIMIT as u64 {
        return Err(Unread::TooLarge);
    }
    match tokio::time::timeout(BODY, collect(body, limit)).await {
        Ok(Ok(bytes)) => bytes.ok_or(Unread::TooLarge),
        Ok(Err(_)) => Err(Unread::BrokenOff),
        Err(_) => Err(Unread::TooSlow),
    }
}

/// The bytes of a body; `None` if they are more than `limit`.
async fn collect(mut body: Incoming, limit: usize) -> io::Result<Option<Bytes>> {
    let mut first = Bytes::new();
    let mut rest = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(io::Error::other)?.into_data() else {
            continue;
        };
        length += data.len();
        if length > DRAIN_LIMIT {
            break;
        }
        if length > limit {
            rest.clear();
        } else if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
    }
    let bytes = if rest.is_empty() { first } else { rest.into() };
    Ok((length <= limit).then_some(bytes))
}
