//! Scheme, host and port of a URL, and whether the host is GREEN-API's or this machine.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use ureq::http::uri::Authority;

/// GREEN-API's own domains. All their hosts serve the same instances.
const GREEN_API_DOMAINS: [&str; 2] = ["green-api.com", "greenapi.com"];

/// Scheme, host and port of an `http:` or `https:` URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Whether the scheme is `https`, not `http`.
    pub is_https: bool,
    /// In lower case; an IPv6 address without its brackets.
    pub host: String,
    /// The port, also if it is the scheme's own and not written in the URL.
    pub port: u16,
}

impl Origin {
    /// Reads the origin of an absolute URL; path and query are not looked at.
    ///
    /// `None` for another scheme, a user name, a malformed port, or a host that is neither a plain name nor an address.
    pub fn parse(url: &str) -> Option<Origin> {
        let (scheme, rest) = url.split_once("://")?;
        let is_https = scheme.eq_ignore_ascii_case("https");
        if !is_https && !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        let (host, port) = split_host(rest.split(['/', '?', '#']).next()?)?;
        Some(Origin { is_https, host, port: port.unwrap_or(if is_https { 443 } else { 80 }) })
    }

    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether the host is a loopback address or `localhost`.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.address().is_some_and(|address| address.is_loopback())
    }

    pub fn is_green_api(&self) -> bool {
        GREEN_API_DOMAINS.iter().any(|domain| is_under(&self.host, domain))
    }

    /// `host:port`, an IPv6 address in brackets, the scheme's own port omitted.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.is_https { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_https { "https" } else { "http" }, self.authority())
    }
}

/// Whether a host is `domain` or a name below it. Both are in lower case.
pub fn is_under(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|head| head.is_empty() || head.ends_with('.'))
}

/// Reads `host` or `host:port`. Returns the host in lower case, an IPv6 address without its brackets.
pub fn split_host(text: &str) -> Option<(String, Option<u16>)> {
    let authority: Authority = text.parse().ok()?;
    let host = authority.host();
    // `strip_prefix` fails if the authority begins with a user name.
    let port = match authority.as_str().strip_prefix(host)? {
        "" => None,
        rest => {
            let digits = rest.strip_prefix(':').filter(|port| port.bytes().all(|b| b.is_ascii_digit()))?;
            Some(digits.parse::<u16>().ok().filter(|&port| port > 0)?)
        }
    };
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.to_string(),
        None if !host.is_empty() && host.bytes().all(is_plain) => host.to_ascii_lowercase(),
        None => return None,
    };
    Some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_read_and_printed() {
        for (url, printed) in [
            ("https://api.green-api.com", "https://api.green-api.com"),
            ("HTTPS://7103.API.greenapi.com:443/x?y", "https://7103.api.greenapi.com"),
            ("http://127.0.0.1:8088/x:y@z", "http://127.0.0.1:8088"),
            ("http://localhost?x", "http://localhost"),
            ("https://[0:0::1]:8443#x", "https://[::1]:8443"),
            ("https://[::1]", "https://[::1]"),
        ] {
            assert_eq!(Origin::parse(url).map(|origin| origin.to_string()).as_deref(), Some(printed), "{url}");
        }
    }

    #[test]
    fn an_ambiguous_url_has_no_origin() {
        for url in [
            "",
            "host",
            "//host",
            "https:host",
            "https://",
            "https:///host",
            "ftp://host",
            "https://user@host",
            "https://host@host:80",
            "https://host:",
            "https://host:0",
            "https://host:+80",
            "https://host:99999",
            "https://host:1:2",
            "https://ho st",
            "https://höst",
            "https://host\\.green-api.com",
            "https://host%2f.green-api.com",
            "https://[::1",
            "https://[::1]x",
            "https://[::1]x:80",
            "https://[::1%25lo]",
            "https://::1",
        ] {
            assert_eq!(Origin::parse(url), None, "{url}");
        }
    }

    #[test]
    fn green_api_is_its_two_domains_and_all_names_below_them() {
        let is_green_api = |host: &str| Origin::parse(&format!("https://{host}")).expect(host).is_green_api();
        for host in ["green-api.com", "API.green-api.com:8443", "7103.api.greenapi.com"] {
            assert!(is_green_api(host), "{host}");
        }
        for host in ["evilgreen-api.com", "api.green-api.com.evil.example", "greenapi.co", "127.0.0.1"] {
            assert!(!is_green_api(host), "{host}");
        }
    }

    #[test]
    fn loopback_is_an_address_or_localhost() {
        let is_loopback = |host: &str| Origin::parse(&format!("http://{host}")).expect(host).is_loopback();
        assert!(["127.0.0.1", "127.9.9.9:80", "[::1]", "LOCALHOST"].into_iter().all(is_loopback));
        assert!(!["127.1", "localhost.test", "10.0.0.1", "0.0.0.0"].into_iter().any(is_loopback));
    }
}
