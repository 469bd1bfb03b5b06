//! Name resolution for ureq: cached for a minute, bounded in time, and restricted to public addresses if wanted.
//!
//! ureq resolves before every request, pooled or not, with a thread for each. This resolver answers an address
//! literal itself and caches the rest, for a minute so that a run of days notices a change.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::{Error, Timeout};

use super::connector::LOOK_UP_TIME;
use super::error::HttpError;
use super::proxy::Proxy;

const REMEMBERED: Duration = Duration::from_secs(60);
/// More hosts than one run connects to: pictures are on a handful.
const MOST_HOSTS: usize = 64;
const MOST_ADDRESSES: usize = 16;

#[derive(Debug)]
pub struct CachingResolver {
    /// The addresses of a host and a port, and since when they are known.
    known: Mutex<HashMap<(String, u16), (ResolvedSocketAddrs, Instant)>>,
    /// Held while a name is looked up, so that workers that start together do it once.
    looking: Mutex<()>,
    public_only: bool,
    /// The proxy, which may have a private address.
    proxy: Option<(String, u16)>,
}

impl CachingResolver {
    pub fn new(public_only: bool, proxy: Option<&Proxy>) -> CachingResolver {
        CachingResolver {
            known: Mutex::default(),
            looking: Mutex::new(()),
            public_only,
            proxy: proxy.map(|proxy| (proxy.0.host().to_owned(), proxy.0.port())),
        }
    }

    /// The cached addresses of a name.
    fn recall(&self, host: &str, port: u16) -> Option<ResolvedSocketAddrs> {
        let mut known = self.known.lock().expect("no holder of this lock panics");
        known.retain(|_, (_, since)| since.elapsed() < REMEMBERED);
        known.get(&(host.to_owned(), port)).map(|(addresses, _)| addresses.clone())
    }

    fn may_be_private(&self, host: &str, port: u16) -> bool {
        !self.public_only || self.proxy.as_ref().is_some_and(|proxy| proxy.0 == host && proxy.1 == port)
    }
}

impl Resolver for CachingResolver {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().ok_or(Error::HostNotFound)?;
        let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
            Some("https") => 443,
            Some(scheme) if scheme.starts_with("socks") => 1080,
            _ => 80,
        });
        let mut found = self.empty();
        if let Ok(literal) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            // The caller has checked a literal address already.
            found.push(SocketAddr::new(literal, port));
            return Ok(found);
        }
        let asked = Instant::now();
        if let Some(addresses) = self.recall(host, port) {
            return Ok(addresses);
        }
        let _looking = self.looking.lock().expect("no holder of this lock panics");
        // Another thread may have looked it up in the meantime.
        if let Some(addresses) = self.recall(host, port) {
            return Ok(addresses);
        }
        let left = timeout.after.saturating_sub(asked.elapsed());
        let all = look_up(host.to_owned(), port, left)?;
        LOOK_UP_TIME.set(asked.elapsed());
        let allowed = |address: &SocketAddr| self.may_be_private(host, port) || is_public(address.ip());
        let first = all.first().map(SocketAddr::ip);
        for address in all.into_iter().filter(allowed).take(MOST_ADDRESSES) {
            found.push(address);
        }
        if found.is_empty() {
            let not_public = |first| Error::Other(Box::new(HttpError::NotPublic(first)));
            return Err(first.map_or(Error::HostNotFound, not_public));
        }
        let mut known = self.known.lock().expect("no holder of this lock panics");
        if known.len() < MOST_HOSTS {
            known.insert((host.to_owned(), port), (found.clone(), Instant::now()));
        }
        Ok(found)
    }
}

/// Looks a name up, in a thread, since getaddrinfo has no time limit. After a timeout the thread is left behind. If no
/// thread can be started, the look-up is not bounded.
pub fn look_up(host: String, port: u16, timeout: Duration) -> Result<Vec<SocketAddr>, Error> {
    let ask = move || (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
    let (sender, receiver) = sync_channel(1);
    let resolver = thread::Builder::new().name("resolver".into()).stack_size(256 * 1024);
    let answer = match resolver.spawn({
        let ask = ask.clone();
        move || sender.send(ask())
    }) {
        Ok(_) => receiver.recv_timeout(timeout),
        Err(_) => Ok(ask()),
    };
    match answer {
        Ok(Ok(addresses)) => Ok(addresses),
        // The system's message: the name is unknown, or no resolver answers.
        Ok(Err(error)) => Err(Error::Other(Box::new(HttpError::Unreachable(error.to_string())))),
        Err(_) => Err(Error::Timeout(Timeout::Resolve)),
    }
}

/// Whether an address is on the public internet: neither loopback nor private, link-local, shared, or for
/// documentation.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_documentation()
                || a == 0
                || a >= 224
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (18..20).contains(&b)))
        }
        IpAddr::V6(v6) => match v6.segments() {
            // ::ffff:0:0/96, 64:ff9b::/96 and 2002::/16 carry an IPv4 address that the system or a gateway may reach.
            [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
                is_public(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)).into())
            }
            // Documentation and Teredo.
            [0x2001, 0xdb8 | 0, ..] => false,
            [first, ..] => first & 0xe000 == 0x2000,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        for public in ["157.240.1.60", "8.8.8.8", "2a03:2880:f2ff:c3:face:b00c:0:167", "64:ff9b::808:808"] {
            assert!(is_public(public.parse().expect(public)), "{public}");
        }
        for special in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(special.parse().expect(special)), "{special}");
        }
    }
}
