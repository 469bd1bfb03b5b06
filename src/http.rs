//! The agent: one HTTP call in bounded time, over TLS and proxies, and its answer or error.
//!
//! Only this module uses ureq. It knows nothing of GREEN-API or of what an answer means, and no text that leaves
//! it holds a URL: ureq's own messages do, and the token is in the URL.

mod connector;
mod dns;
mod error;
pub mod origin;
pub mod proxy;
mod tls;

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use ureq::config::Config;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, RustlsConnector, SocksConnector};

use self::connector::{EachAddress, IS_STALE, LOOK_UP_TIME, WatchReuse};
use self::dns::CachingResolver;
pub use self::error::HttpError;
use self::error::{http_error, is_broken};
pub use self::origin::Origin;
pub use self::proxy::Proxy;
pub use self::tls::read_roots;

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
    /// The certificates to trust: Mozilla's, built in, or those of a file.
    pub roots: RootCerts,
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
            roots: RootCerts::WebPki,
            proxy: None,
            public_addresses_only: false,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Request<'a> {
    Get,
    Delete,
    PostJson(&'a str),
}

/// What a server answered, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// The status, 100 to 999.
    pub status: u16,
    /// The pause that the server asks for in Retry-After.
    pub retry_after: Option<Duration>,
    /// The body, up to the limit.
    pub body: Vec<u8>,
    /// Whether the body is complete: `false` if it was longer than the limit.
    pub complete: bool,
}

/// The pause that Retry-After asks for: seconds, or one of the three forms of a date that RFC 9110 names. `None` if it is
/// neither.
fn read_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    Some(httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default())
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
            .tls_config(TlsConfig::builder().root_certs(options.roots.clone()).build())
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

    /// Makes a call and reads up to `limit` bytes of the answer's body. Redirects are answers like any other. The call
    /// ends with a timeout at `until`.
    pub fn call(
        &self,
        url: &str,
        call: Request<'_>,
        until: Option<Instant>,
        limit: usize,
    ) -> Result<Answer, HttpError> {
        self.call_with_body(url, call, until, |mut answer, body| {
            // An error of the body is the result of the call.
            let _ = body.take(limit as u64 + 1).read_to_end(&mut answer.body);
            answer.complete = answer.body.len() <= limit;
            answer.body.truncate(limit);
            answer
        })
    }

    /// Makes a call and passes the answer, without its body, and a reader of the body to `read`. If the body breaks
    /// off, the call fails, whatever `read` returns.
    pub fn call_with_body<T>(
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
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let answer = Answer {
            status: response.status().as_u16(),
            retry_after: retry_after.and_then(|value| read_retry_after(value, SystemTime::now())),
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
            self.error = Some(error);
            // Not its own kind: after "interrupted" the reader would go on.
            io::ErrorKind::Other.into()
        })
    }
}

/// Looks up the addresses of a host.
pub fn look_up(origin: &Origin, timeout: Duration) -> Result<Vec<IpAddr>, HttpError> {
    let found = dns::look_up(origin.host.clone(), origin.port, timeout).map_err(http_error)?;
    Ok(found.iter().map(SocketAddr::ip).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let seconds = |n| Some(Duration::from_secs(n));
        for (value, pause) in [
            ("3", seconds(3)),
            (" 0 ", seconds(0)),
            ("86400", seconds(86400)),
            ("99999999999999999999999", seconds(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", seconds(10)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", seconds(0)),
            ("Sunday, 06-Nov-94 08:49:47 GMT", seconds(10)),
            ("Sun Nov  6 08:49:47 1994", seconds(10)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", seconds(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(read_retry_after(value, now), pause, "{value}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_read(value in ".*|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT|[0-9]+") {
            read_retry_after(&value, SystemTime::now());
        }
    }
}
