//! The agent: one HTTP call in bounded time, over TLS and proxies, and its answer or error.
//!
//! Only this module uses ureq. It knows nothing of GREEN-API or of what an answer means, and no text that leaves
//! it holds a URL: ureq's own messages do, and the token is in the URL.

mod connector;
mod dns;
pub mod origin;
pub mod proxy;
pub mod retry_after;
mod tls;

use std::io::{self, Read};
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use ureq::config::Config;
use ureq::tls::TlsConfig;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, RustlsConnector, SocksConnector};

use self::connector::{EachAddress, IS_STALE, LOOK_UP_TIME, WatchReuse};
use self::dns::CachingResolver;
pub use self::origin::Origin;
pub use self::proxy::Proxy;
pub use self::tls::Roots;

/// The largest answer that is read: 1 MiB. getAvatar's may hold the picture as base64.
pub const ANSWER_LIMIT: usize = 1024 * 1024;
const USER_AGENT: &str = concat!("greenavatar/", env!("CARGO_PKG_VERSION"));
/// ureq fills its buffers with zeros for every connection, twice under TLS: 16 KiB is enough for any header.
const INPUT_BUFFER: usize = 16 * 1024;
const OUTPUT_BUFFER: usize = 4 * 1024;

/// How an [`Agent`] reaches its servers.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bounds one call as a whole, from name resolution to the last byte.
    pub timeout: Duration,
    /// Bounds connecting and the TLS handshake.
    pub connect_timeout: Duration,
    /// Connections kept alive.
    pub connections: usize,
    pub roots: Roots,
    /// The proxy, if one is to be used.
    pub proxy: Option<Proxy>,
    /// Whether names that resolve to private, loopback or other special addresses are refused.
    pub public_addresses_only: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            connections: 1,
            roots: Roots::default(),
            proxy: None,
            public_addresses_only: false,
        }
    }
}

/// The request of one call.
#[derive(Clone, Copy, Debug)]
pub enum Request<'a> {
    Get,
    Delete,
    /// POST of a JSON text.
    PostJson(&'a str),
}

/// What a server answered, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// The status, 100 to 999.
    pub status: u16,
    /// The Retry-After header, raw.
    pub retry_after: Option<String>,
    /// The body, up to the limit.
    pub body: Vec<u8>,
    /// Whether the body is complete: `false` if it was longer than the limit.
    pub complete: bool,
}

impl Answer {
    /// The pause that the server asks for in Retry-After, if it does.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after.as_deref().and_then(|value| retry_after::retry_after(value, SystemTime::now()))
    }
}

/// Why no answer came.
#[derive(Debug)]
pub enum HttpError {
    Timeout,
    /// The caller's sink failed.
    Interrupted,
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

/// Keeps connections alive and makes calls. Shared by all workers.
#[derive(Clone, Debug)]
pub struct Agent(ureq::Agent);

impl Agent {
    /// An agent; nothing is opened or looked up before the first call.
    pub fn new(options: &Options) -> Agent {
        let proxy = options.proxy.as_ref().map(|proxy| proxy.0.clone());
        let resolver = CachingResolver::new(options.public_addresses_only, options.proxy.as_ref());
        let config = Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(options.timeout))
            .timeout_resolve(Some(options.connect_timeout))
            .timeout_connect(Some(options.connect_timeout))
            .max_idle_connections(options.connections)
            .max_idle_connections_per_host(options.connections)
            .input_buffer_size(INPUT_BUFFER)
            // A header that fills the buffer would otherwise pass for a connection that broke off.
            .max_response_header_size(INPUT_BUFFER - 1)
            .output_buffer_size(OUTPUT_BUFFER)
            .user_agent(USER_AGENT)
            .accept_encoding("")
            .tls_config(TlsConfig::builder().root_certs(options.roots.0.clone()).build())
            .proxy(proxy)
            .build();
        let connector =
            ().chain(SocksConnector::default())
                .chain(ConnectProxyConnector::default())
                .chain(EachAddress::default())
                .chain(RustlsConnector::default())
                .chain(WatchReuse);
        Agent(ureq::Agent::with_parts(config, connector, resolver))
    }

    /// Ends every call of this agent, and refuses new ones. A body without a length that is cut off by this looks
    /// complete: the result of such a call must not be used.
    pub fn shutdown(&self) {
        self.0.clone().shutdown();
    }

    fn send(
        &self,
        url: &str,
        call: Request<'_>,
        until: Option<Instant>,
    ) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let own = self.0.config().timeouts().global;
        let left = until.map(|until| until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
        let timeout = own.into_iter().chain(left).min();
        // Only a timeout: any other setting of a single request would bypass the kept-alive connections.
        match call {
            Request::Get => self.0.get(url).config().timeout_global(timeout).build().call(),
            Request::Delete => self.0.delete(url).config().timeout_global(timeout).build().call(),
            Request::PostJson(json) => {
                let post = self.0.post(url).config().timeout_global(timeout).build();
                post.header("Content-Type", "application/json").send(json)
            }
        }
    }

    /// Makes a call and reads its answer up to [`ANSWER_LIMIT`]. Redirects are answers like any other.
    pub fn call(&self, url: &str, call: Request<'_>) -> Result<Answer, HttpError> {
        let mut body = Vec::new();
        let mut answer = self.stream(url, call, None, ANSWER_LIMIT as u64, &mut |piece| {
            body.extend_from_slice(piece);
            Ok(())
        })?;
        answer.body = body;
        Ok(answer)
    }

    /// Makes a call and passes the body to `sink` piece by piece, up to `limit` bytes in all. The answer's own body
    /// stays empty. The call ends with a timeout at `until`; an error of `sink` ends it as interrupted.
    pub fn stream(
        &self,
        url: &str,
        call: Request<'_>,
        until: Option<Instant>,
        limit: u64,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Answer, HttpError> {
        self.read(url, call, until, |mut answer, body| {
            let mut buffer = [0; INPUT_BUFFER];
            let mut left = limit;
            loop {
                // An error of the body is the result of the call.
                let got = body.read(&mut buffer).unwrap_or(0);
                if got == 0 {
                    return Ok(answer);
                }
                let piece = &buffer[..got.min(left as usize)];
                sink(piece).map_err(|_| HttpError::Interrupted)?;
                if got > piece.len() {
                    answer.complete = false;
                    return Ok(answer);
                }
                left -= got as u64;
            }
        })?
    }

    /// Makes a call and passes the answer, without its body, and a reader of the body to `read`. If the body breaks
    /// off, the call fails, whatever `read` returns.
    pub fn read<T>(
        &self,
        url: &str,
        call: Request<'_>,
        until: Option<Instant>,
        read: impl FnOnce(Answer, &mut dyn Read) -> T,
    ) -> Result<T, HttpError> {
        let mut response = loop {
            IS_STALE.set(false);
            LOOK_UP_TIME.set(Duration::ZERO);
            match self.send(url, call, until) {
                Ok(response) => break response,
                // The server had closed a kept-alive connection: the next one is tried at once. Each try uses up one
                // idle connection, and a fresh one ends the loop.
                Err(ureq::Error::Io(error)) if is_broken(&error) && IS_STALE.get() => {}
                Err(error) => return Err(http_error(error)),
            }
        };
        let answer = Answer {
            status: response.status().as_u16(),
            retry_after: response.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned),
            body: Vec::new(),
            complete: true,
        };
        let mut body = Body { reader: response.body_mut().as_reader(), error: None };
        let value = read(answer, &mut body);
        match body.error {
            Some(error) => Err(http_error(error.into())),
            None => Ok(value),
        }
    }
}

/// A body that keeps the error with which it ended.
struct Body<R> {
    reader: R,
    error: Option<io::Error>,
}

impl<R: Read> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).map_err(|error| {
            let kind = error.kind();
            self.error = Some(error);
            kind.into()
        })
    }
}

/// Looks up the addresses of a host, each once.
pub fn look_up(origin: &Origin, timeout: Duration) -> Result<Vec<IpAddr>, HttpError> {
    let mut found = Vec::new();
    for address in dns::look_up(origin.host.clone(), origin.port, timeout).map_err(http_error)? {
        if !found.contains(&address.ip()) {
            found.push(address.ip());
        }
    }
    Ok(found)
}

fn is_broken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

/// ureq's errors in our words: some of its messages hold the whole URL.
fn http_error(error: ureq::Error) -> HttpError {
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            HttpError::Unreachable("no connection within --connect-timeout".into())
        }
        ureq::Error::Timeout(_) => HttpError::Timeout,
        ureq::Error::Io(error) => io_error(&error),
        ureq::Error::HostNotFound => HttpError::Unreachable("the host name is not known".into()),
        ureq::Error::Other(error) if error.is::<dns::LookUpFailed>() => HttpError::Unreachable(error.to_string()),
        ureq::Error::Rustls(error) => tls_error(&error),
        ureq::Error::Tls(what) => HttpError::Tls { message: what.to_owned(), hint: tls::IN_BETWEEN },
        ureq::Error::ConnectProxyFailed(what) => {
            HttpError::Unreachable(format!("the proxy refused the connection: {what}"))
        }
        ureq::Error::LargeResponseHeader(..) => HttpError::NotHttp("the answer's header is too long".into()),
        ureq::Error::Protocol(error) => HttpError::NotHttp(error.to_string()),
        ureq::Error::Other(error) => match error.downcast::<dns::NotPublic>().map(|error| error.0) {
            Ok(address) => HttpError::NotPublic(address),
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
        io::ErrorKind::Interrupted => HttpError::Interrupted,
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
        let error = ureq::Error::Other(Box::new(dns::LookUpFailed(words.to_owned())));
        assert!(matches!(http_error(error), HttpError::Unreachable(why) if why == words));
    }
}
