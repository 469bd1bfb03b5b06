//! The proxy for a URL, chosen as curl does.
//!
//! The variable of the URL's scheme comes first, then the one for all; `http_proxy` counts in lower case only;
//! `NO_PROXY` wins over both. ureq has another order and ignores a value that it cannot read; here a malformed value is
//! an error. No message contains a value, as it may have a password.

use std::net::IpAddr;

use super::origin::{Origin, is_under, split_host};
use crate::failure::{Failure, Kind};

/// A proxy that ureq can use.
#[derive(Clone)]
pub struct Proxy(pub(super) ureq::Proxy);

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.describe())
    }
}

impl Proxy {
    /// The proxy that the environment names for a server, or `None` for a direct connection.
    pub fn of_environment(server: &Origin) -> Result<Option<Proxy>, Failure> {
        let env = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Proxy::for_host(server.is_https, &server.host, &env).map_err(|variable| {
            Failure::new(Kind::BadSettings, format!("environment variable {variable} is not a proxy"))
                .hint("write it like http://host:port or socks5h://user:password@host:port, with %23 for # and so on, or unset it")
        })
    }

    /// The proxy for a host. `env` looks a variable up. The error is the name of a variable with a value that cannot be
    /// used.
    fn for_host(
        is_https: bool,
        host: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Proxy>, &'static str> {
        // Not HTTP_PROXY: a web server sets it from a request's header.
        const HTTP: &[&str] = &["http_proxy", "all_proxy", "ALL_PROXY"];
        const HTTPS: &[&str] = &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
        let set = |name: &str| env(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let variables = if is_https { HTTPS } else { HTTP };
        let Some((variable, value)) = variables.iter().find_map(|name| Some((*name, set(name)?))) else {
            return Ok(None);
        };
        let exempt = set("no_proxy").or_else(|| set("NO_PROXY"));
        if exempt.is_some_and(|list| is_exempt(host, &list)) {
            return Ok(None);
        }
        let proxy = normalize(&value).and_then(|value| ureq::Proxy::new(&value).ok()).ok_or(variable)?;
        let is_odd = |part: Option<&str>| part.is_some_and(|part| part.contains(char::is_control));
        if is_odd(proxy.username()) || is_odd(proxy.password()) {
            return Err(variable);
        }
        Ok(Some(Proxy(proxy)))
    }

    /// Scheme, host and port, without name and password.
    pub fn describe(&self) -> String {
        let scheme = self.0.uri().scheme_str().unwrap_or("http");
        format!("{scheme}://{}:{}", self.0.host(), self.0.port())
    }
}

/// The value with its scheme and port written out, and each odd character of the user name and password
/// percent-encoded: ureq decodes them once, as curl does. `None` if curl would not use the value either.
fn normalize(value: &str) -> Option<String> {
    let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
    let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
        "http" => ("http", 1080),
        "https" => ("https", 443),
        "socks" | "socks4" => ("socks4", 1080),
        "socks4a" => ("socks4a", 1080),
        "socks5" => ("socks5", 1080),
        "socks5h" => ("socks5h", 1080),
        _ => return None,
    };
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // In a password these must be encoded: the part before would be read as the host.
    if tail.contains('@') {
        return None;
    }
    let (user, address) = match authority.split_once('@') {
        Some((user, address)) => (encode(user)? + "@", address),
        None => (String::new(), authority),
    };
    let (host, port) = split_host(address)?;
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Some(format!("{scheme}://{user}{host}:{}", port.unwrap_or(default_port)))
}

/// A user name and password as a URL may contain them; `%` is taken to be encoded already.
fn encode(user: &str) -> Option<String> {
    let one = |b: u8| match b {
        b'%' | b':' | b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
        b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    (!user.contains(|c: char| c == ' ' || c.is_control())).then(|| user.bytes().map(one).collect())
}

/// Whether NO_PROXY lists the host: by `*`, its name or a parent domain, its address, or a CIDR block.
fn is_exempt(host: &str, list: &str) -> bool {
    let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    if list.trim() == "*" {
        return true;
    }
    list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.trim_matches(['[', ']']).to_ascii_lowercase();
        if let Some(address) = address {
            return match entry.split_once('/') {
                Some((block, bits)) => in_block(address, block, bits),
                None => entry.parse() == Ok(address),
            };
        }
        let name = entry.trim_start_matches('.').trim_end_matches('.');
        !name.is_empty() && is_under(&host, name)
    })
}

fn in_block(address: IpAddr, block: &str, bits: &str) -> bool {
    let Ok(bits) = bits.parse::<u32>() else { return false };
    match (address, block.parse()) {
        (IpAddr::V4(address), Ok(IpAddr::V4(block))) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            address.to_bits() & mask == block.to_bits() & mask
        }
        (IpAddr::V6(address), Ok(IpAddr::V6(block))) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            address.to_bits() & mask == block.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(is_https: bool, host: &str, variables: &[(&str, &str)]) -> Result<Option<String>, &'static str> {
        let env = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
        Proxy::for_host(is_https, host, &env).map(|proxy| proxy.map(|proxy| proxy.describe()))
    }

    #[test]
    fn the_variable_of_the_scheme_comes_before_the_one_for_all() {
        let both = [("ALL_PROXY", "http://all:1"), ("HTTPS_PROXY", "http://tls:2"), ("http_proxy", "http://plain:3")];
        assert_eq!(choose(true, "h", &both), Ok(Some("http://tls:2".into())));
        assert_eq!(choose(false, "h", &both), Ok(Some("http://plain:3".into())));
        assert_eq!(choose(true, "h", &both[..1]), Ok(Some("http://all:1".into())));
        assert_eq!(choose(false, "h", &[("HTTP_PROXY", "http://upper:1")]), Ok(None));
        assert_eq!(choose(true, "h", &[("https_proxy", ""), ("HTTPS_PROXY", "u:9")]), Ok(Some("http://u:9".into())));
    }

    #[test]
    fn a_value_is_read_as_curl_reads_it() {
        let one = |value: &str| choose(true, "h", &[("ALL_PROXY", value)]);
        assert_eq!(one("proxy.example"), Ok(Some("http://proxy.example:1080".into())));
        assert_eq!(one("https://p"), Ok(Some("https://p:443".into())));
        assert_eq!(one("socks5h://u:p@p:1234/"), Ok(Some("socks5h://p:1234".into())));
        assert_eq!(one("http://[::1]:3128"), Ok(Some("http://[::1]:3128".into())));
        assert_eq!(one("socks://p"), Ok(Some("socks4://p:1080".into())));
        for bad in ["http://", "http://p:port", "http://p:99999", "ftp://p", "http://p q", "socks9://p", "://p", "p:"] {
            assert!(one(bad).is_err(), "{bad}");
        }
        for bad in ["u:p#q@p", "u:p?q@p", "u:1/q@p", "u:p@q@p", "u u:p@p", "u:%0a@p", "u:%ff@p"] {
            assert!(one(&format!("http://{bad}:1")).is_err(), "{bad}");
        }
    }

    #[test]
    fn user_name_and_password_are_decoded_once() {
        let user = |value: &str| {
            let proxy = ureq::Proxy::new(&normalize(value).expect(value)).expect(value);
            [proxy.username(), proxy.password()].map(|part| part.unwrap_or_default().to_owned()).join(" ")
        };
        assert_eq!(user(r"dom\user:p%40ss@p"), r"dom\user p@ss");
        assert_eq!(user("http://u%3Ax:%zz%2541+%@p"), "u:x %zz%41+%");
        assert_eq!(user("socks5://ü:\"<>'|@p"), "ü \"<>'|");
        assert_eq!(user("u@p"), "u ");
        assert_eq!(user("u:a:b@p"), "u a:b");
    }

    #[test]
    fn no_proxy_matches_names_at_their_dots_and_addresses_in_their_blocks() {
        let exempt = |host, list| choose(true, host, &[("ALL_PROXY", "p:1"), ("NO_PROXY", list)]) == Ok(None);
        assert!(exempt("api.green-api.com", "green-api.com"));
        assert!(exempt("api.green-api.com", "x, .green-api.com"));
        assert!(exempt("green-api.com", ".green-api.com"));
        assert!(exempt("anything", "*"));
        assert!(exempt("127.0.0.1", "127.0.0.0/8"));
        assert!(exempt("[::1]", "::1"));
        assert!(!exempt("evilgreen-api.com", "green-api.com"));
        assert!(!exempt("127.0.0.1", "0.0.1"));
        assert!(!exempt("api.green-api.com", "api"));
    }
}
