//! Connections and requests: methods, pictures, and `/_sandbox/…` for tests.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::api::{self, RequestContext};
use super::picture;
use super::reply::Reply;
use super::state::SandboxState;

const BODY_LIMIT: usize = 1024 * 1024;

/// Accepts connections until the runtime ends.
pub async fn serve(listener: TcpListener, state: Arc<SandboxState>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("bound and non-blocking, in a runtime");
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, or the client has left before it was accepted.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        // Only speed depends on it.
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| respond(&state, request));
            // An error concerns only this connection.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn respond(
    state: &SandboxState,
    request: Request<Incoming>,
) -> Result<Response<UnsyncBoxBody<Bytes, io::Error>>, Infallible> {
    let (head, body) = request.into_parts();
    let reply = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => {
            let context = RequestContext { state, verb: head.method.as_str(), uri: &head.uri, body: &body.to_bytes() };
            route(&context).await
        }
        Err(_) => Reply::new(413, "text/plain", "request entity too large"),
    };
    Ok(reply.into_response())
}

async fn route(context: &RequestContext<'_>) -> Reply {
    let state = context.state;
    match (context.verb, context.uri.path()) {
        ("GET" | "HEAD", path) if path.starts_with(picture::FOLDER) => {
            match picture::find(context.uri, state.unix(state.now()).as_secs()) {
                Some(number) => Reply::new(200, "image/jpeg", picture::draw(number)),
                None => Reply::new(403, "text/plain", "URL signature expired"),
            }
        }
        ("GET", "/_sandbox/requests") => Reply::json(200, json!(state.calls()).to_string()),
        ("GET", "/_sandbox/notifications") => Reply::json(200, format!(r#"{{"waiting":{}}}"#, state.waiting())),
        ("POST", "/_sandbox/notifications") => {
            state.notify(state.now(), context.body.to_vec());
            Reply::empty(200)
        }
        ("POST", "/_sandbox/clock") => {
            let body: Value = serde_json::from_slice(context.body).unwrap_or_default();
            let seconds = body["advanceSeconds"].as_u64();
            seconds.inspect(|seconds| state.advance_clock(Duration::from_secs(*seconds)));
            Reply::empty(if seconds.is_some() { 200 } else { 400 })
        }
        _ => api::respond(context).await,
    }
}
