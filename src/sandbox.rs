//! A local mock of GREEN-API. It answers the methods that this tool calls as the service documents them, and fails on
//! purpose: the last three digits of a chat's number choose what happens.
//!
//! It shares no code with the client, so that a mistake in one of them shows.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

mod api;
mod book;
mod picture;
mod reply;
mod server;
mod state;
mod webhook;

use state::SandboxState;
use webhook::Webhook;

use crate::token::Token;

/// The longest delay. Bounded, so that no sum of instants overflows.
const MAX_DELAY: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Options of a sandbox. [`Config::default`] is a quick one on a free loopback port.
#[derive(Clone)]
pub struct Config {
    /// Address to listen on; port 0 takes a free one.
    pub bind: SocketAddr,
    /// idInstance: 1 to 20 digits.
    pub id_instance: String,
    /// apiTokenInstance: 8 to 128 letters, digits, `_` and `-`.
    pub token: String,
    /// Time between an accepted getAvatarAsync and its result.
    pub delay: Duration,
    /// Push notifications to this `http://` URL; the queue cannot be read then.
    pub webhook_url: Option<String>,
    /// Sent with each push as `Authorization: Bearer …`.
    pub webhook_token: Option<String>,
    /// Answer 429 to more calls a second than the service documents.
    pub rate_limit: bool,
    /// Answer an accepted getAvatarAsync with an empty 400, as the newest documentation says, instead of an empty 200.
    pub literal_docs: bool,
    /// Answer `[]` to the first two calls of getContacts and of getChats.
    pub contacts_late: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            id_instance: "1101999999".to_owned(),
            token: "5a9db0c5a9db0c5a9db0c5a9db0c5a9db0c5a9db0c5a9db0c5".to_owned(),
            delay: Duration::from_millis(50),
            webhook_url: None,
            webhook_token: None,
            rate_limit: true,
            literal_docs: false,
            contacts_late: false,
        }
    }
}

/// A running sandbox. It serves on a thread of its own and ends when it is dropped.
pub struct Sandbox {
    state: Arc<SandboxState>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Binds the address and starts to serve. A malformed option is `InvalidInput`.
    pub fn start(config: Config) -> io::Result<Sandbox> {
        check(&config)?;
        let webhook = Webhook::parse(&config)?;
        let listener = TcpListener::bind(config.bind)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", config.bind)))?;
        listener.set_nonblocking(true)?;
        let api_url = format!("http://{}", connectable(listener.local_addr()?));
        let config = Config { delay: config.delay.min(MAX_DELAY), ..config };
        let state = Arc::new(SandboxState::new(config, api_url));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("sandbox".to_owned()).spawn({
            let state = Arc::clone(&state);
            move || {
                runtime.spawn(server::serve(listener, Arc::clone(&state)));
                if let Some(webhook) = webhook {
                    runtime.spawn(webhook.push_all(state));
                }
                // Ends when the sender is dropped.
                let _ = runtime.block_on(stopped);
                runtime.shutdown_background();
            }
        })?;
        Ok(Sandbox { state, stop: Some(stop), thread: Some(thread) })
    }

    /// Its apiUrl: `http://127.0.0.1:PORT`.
    pub fn api_url(&self) -> &str {
        &self.state.api_url
    }

    pub fn id_instance(&self) -> &str {
        &self.state.config.id_instance
    }

    /// Its apiTokenInstance. Not a secret: it opens only this sandbox.
    pub fn token(&self) -> &str {
        &self.state.config.token
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed already.
            let _ = thread.join();
        }
    }
}

/// Checks the credentials: they are used in URLs and bodies without escaping.
fn check(config: &Config) -> io::Result<()> {
    let id = &config.id_instance;
    let message = if !(1..=20).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        "the sandbox's instance must be 1 to 20 digits"
    } else if Token::parse(&config.token).is_none() {
        "the sandbox's token must be 8 to 128 letters, digits, - and _"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// The address that a client on this machine can connect to.
fn connectable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests;
