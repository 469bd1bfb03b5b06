//! A local stand-in for GREEN-API: it answers the methods that this tool calls as the service documents them, and does on
//! purpose what the service does by accident. The last three digits of a chat's number choose what happens.
//!
//! It is the other side of the wire, so it knows nothing of this tool: no client, no settings, no real credentials.
//! It has its own instance, listens on loopback unless told otherwise, and marks every answer with a header.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Notify;

mod answer;
mod control;
mod instance;
mod journal;
mod limits;
mod methods;
mod notification;
mod picture;
mod queue;
mod route;
mod scenario;
mod server;
mod signature;
#[cfg(test)]
mod tests;
mod validation;
mod webhook;

use instance::Instance;

/// The header that every answer of a sandbox carries, so that nobody takes it for the service.
pub const MARK: &str = "x-greenavatar-sandbox";

/// The longest that any option may last: near enough that no sum of instants overflows.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What a sandbox is to be. [`Options::default`] is a quick one on a free loopback port with credentials of its own.
#[derive(Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub bind: SocketAddr,
    /// The instance it plays: digits.
    pub id_instance: String,
    /// The token it asks for: letters, digits, `_` and `-`.
    pub token: String,
    /// Time between an accepted getAvatarAsync and its result.
    pub delay: Duration,
    /// Push notifications to this `http://` URL; the queue cannot be read then.
    pub webhook_url: Option<String>,
    /// Sent with each push as `Authorization: Bearer …`.
    pub webhook_token: Option<String>,
    /// Answer 429 to more calls a second than the service documents.
    pub rate_limit: bool,
    /// Answer an accepted getAvatarAsync with an empty 400, as the newest documentation has it, instead of an empty 200.
    pub literal_docs: bool,
    /// Vary each result's delay between half and one and a half of [`Options::delay`], the same way for the same seed,
    /// so that results come in another order than they were asked for. Without a seed nothing is left to chance.
    pub seed: Option<u64>,
    /// Pause before a notification is pushed again that the webhook's receiver did not answer with 200.
    pub resend_pause: Duration,
    /// Silence after which a push counts as failed.
    pub push_timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            id_instance: "1101999999".to_owned(),
            token: "5a9db0c5a9db0c5a9db0c5a9db0c5a9db0c5a9db0c5a9db0c5".to_owned(),
            delay: Duration::from_millis(50),
            webhook_url: None,
            webhook_token: None,
            rate_limit: true,
            literal_docs: false,
            seed: None,
            resend_pause: Duration::from_secs(60),
            push_timeout: Duration::from_secs(180),
        }
    }
}

/// A running sandbox. It serves on one thread of its own and ends when this is dropped.
pub struct Sandbox {
    address: SocketAddr,
    api_url: String,
    id_instance: String,
    token: String,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Binds in the calling thread, then serves on a thread of its own.
    ///
    /// # Errors
    /// The address cannot be bound (the message names it), an option has the wrong shape, or the thread cannot be started.
    pub fn start(options: Options) -> io::Result<Sandbox> {
        check(&options)?;
        let push_to = options.webhook_url.as_deref().map(webhook::Target::parse).transpose()?;
        let listener = TcpListener::bind(options.bind)
            .map_err(|cause| io::Error::new(cause.kind(), format!("{}: {cause}", options.bind)))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let api_url = format!("http://{}", reachable(address));
        let (id_instance, token) = (options.id_instance.clone(), options.token.clone());
        let options = Options {
            delay: options.delay.min(LONGEST),
            resend_pause: options.resend_pause.min(LONGEST),
            push_timeout: options.push_timeout.min(LONGEST),
            ..options
        };
        let instance = Arc::new(Instance::new(options, api_url.clone()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("sandbox".to_owned()).spawn(move || {
            runtime.spawn(server::serve(listener, Arc::clone(&instance)));
            if let Some(target) = push_to {
                runtime.spawn(webhook::push(target, instance));
            }
            runtime.block_on(stopped.notified());
            runtime.shutdown_background();
        })?;
        Ok(Sandbox { address, api_url, id_instance, token, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client takes for GREEN-API's URL: `http://127.0.0.1:PORT`.
    pub fn api_url(&self) -> String {
        self.api_url.clone()
    }

    /// The instance it plays.
    pub fn id_instance(&self) -> &str {
        &self.id_instance
    }

    /// The token it asks for. Nobody's secret: it opens this sandbox only.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Ends it: open connections are closed. Dropping does the same.
    pub fn stop(self) {}
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed already; there is nothing left to stop then.
            let _ = thread.join();
        }
    }
}

/// Both stand in URLs and bodies unescaped, so their shape matters.
fn check(options: &Options) -> io::Result<()> {
    let wrong = |what| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let (id, token) = (&options.id_instance, &options.token);
    if !(1..=20).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return wrong("the sandbox's instance must be 1 to 20 digits");
    }
    if !(8..=128).contains(&token.len()) || !token.bytes().all(word) {
        return wrong("the sandbox's token must be 8 to 128 letters, digits, - and _");
    }
    if options
        .webhook_token
        .as_deref()
        .is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '))
    {
        return wrong("the webhook's token must fit a header: printable ASCII");
    }
    Ok(())
}

/// The address that a client on this machine can connect to.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
