//! The expiry and size in a picture's URL, and which URLs are allowed.
//!
//! The URL comes from a server and decides which host is contacted: only https to WhatsApp's hosts is allowed, and the
//! hosts that the user allowed. Parsing is strict, so that every parser finds the same host. Names are not resolved
//! here: their addresses are checked at the connection.

use std::net::{IpAddr, Ipv6Addr};

use crate::failure::{Failure, Kind};
use crate::http::origin::{Origin, split_host};
use crate::record::Record;

/// WhatsApp's pictures are on hosts under this name.
const PICTURE_HOSTS: &str = ".whatsapp.net";
const HOST_LIMIT: usize = 253;
/// Real URLs have some hundred bytes; longer ones might not fit into a request's header.
const URL_LIMIT: usize = 3 * 1024;

/// When the URL expires, in RFC 3339. Its parameter `oe` has the time in hexadecimal Unix seconds.
pub fn expires_at(url: &str) -> Option<String> {
    let seconds = parameter(url, "oe").filter(|hex| !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let seconds = i64::from_str_radix(seconds, 16).ok().filter(|&seconds| seconds > 0)?;
    jiff::Timestamp::from_second(seconds).ok().map(|instant| instant.to_string())
}

/// Whether the URL is that of the 96-pixel preview.
pub fn is_preview(url: &str) -> bool {
    const SMALL: &str = "s96x96";
    let ends_there = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_digit());
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.split('/').any(|part| part == SMALL)
        || parameter(url, "stp")
            .is_some_and(|stp| stp.match_indices(SMALL).any(|(at, _)| ends_there(&stp[at + SMALL.len()..])))
}

/// Adds to a record the expiry of its URL, and whether it is that of a preview.
pub fn annotate(record: &mut Record) {
    if let Some(url) = &record.url_avatar {
        record.expires_at = expires_at(url);
        record.preview = is_preview(url).then_some(true);
    }
}

/// The first value of a parameter of the query, not decoded.
fn parameter<'a>(url: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = url.split('#').next()?.split_once('?')?;
    query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name)).map(|(_, value)| value)
}

/// A host that the user allows, on one port or on all: `--allow-host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    host: String,
    port: Option<u16>,
}

impl AllowedHost {
    /// The server of the service, if it is on this machine.
    pub fn loopback(service: &Origin) -> Option<AllowedHost> {
        service.is_loopback().then(|| AllowedHost { host: service.host.clone(), port: Some(service.port) })
    }

    /// Reads `pictures.example`, `pictures.example:8443`, `192.168.1.5`, `::1` or `[::1]:8080`.
    pub fn parse(text: &str) -> Result<AllowedHost, String> {
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(AllowedHost { host: address.to_string(), port: None });
        }
        if text.contains('/') {
            return Err("give a host, not a URL".to_owned());
        }
        match split_host(text).filter(|(host, _)| is_host(host)) {
            Some((host, port)) => Ok(AllowedHost { host, port }),
            None => Err("not a host name or an address".to_owned()),
        }
    }

    fn is(&self, origin: &Origin) -> bool {
        self.host == origin.host && self.port.is_none_or(|port| port == origin.port)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The URL without its fragment.
    pub url: &'a str,
    /// Its scheme, host and port. The scheme is http only if the host is an allowed one on this machine.
    pub origin: Origin,
    /// Whether the user allowed the host, and so a private address.
    pub is_allowed: bool,
}

/// Checks whether a URL is allowed. The error does not contain the URL.
pub fn check<'a>(url: &'a str, allowed: &[AllowedHost]) -> Result<Target<'a>, Failure> {
    let rejected = |why: &str| Failure::new(Kind::BadPicture, format!("picture URL rejected: {why}"));
    if url.len() > URL_LIMIT {
        return Err(rejected("it is too long"));
    }
    // Every parser agrees on a URL of these characters, if on any.
    if !url.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'<' | b'>' | b'`')) {
        return Err(rejected("invalid URL: it has characters that are not allowed in a URL"));
    }
    let url = url.split('#').next().unwrap_or_default();
    let origin = Origin::parse(url).filter(|origin| is_host(&origin.host)).ok_or_else(|| rejected("invalid URL"))?;
    if !origin.is_https && !origin.is_loopback() {
        return Err(rejected("it is not https"));
    }
    let is_allowed = allowed.iter().any(|host| host.is(&origin));
    let is_whatsapps = origin.port == 443 && origin.host.ends_with(PICTURE_HOSTS);
    if !is_allowed && !is_whatsapps {
        let why = format!("{} is not a host of WhatsApp and not allowed by --allow-host", origin.authority());
        return Err(rejected(&why).hint("--allow-host HOST allows a host"));
    }
    Ok(Target { url, origin, is_allowed })
}

/// Whether this is an address, or a name that no parser reads as one: to some, `127.1`, `0x7f.0.0.1` and `2130706433`
/// are addresses.
fn is_host(host: &str) -> bool {
    let is_label = |label: &str| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    host.parse::<IpAddr>().is_ok() || (host.len() <= HOST_LIMIT && host.split('.').all(is_label) && !is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(hosts: &[&str]) -> Vec<AllowedHost> {
        hosts.iter().map(|host| AllowedHost::parse(host).expect(host)).collect()
    }

    fn may(url: &str, hosts: &[&str]) -> bool {
        check(url, &allowed(hosts)).is_ok()
    }

    #[test]
    fn expiry_is_read_from_the_hexadecimal_oe() {
        let oe = |value: &str| expires_at(&format!("https://pps.whatsapp.net/v/x.jpg?ccb=11-4&oh=f3fb1&oe={value}"));
        assert_eq!(oe("6B0E9AA0").as_deref(), Some("2026-12-01T10:00:00Z"));
        assert_eq!(oe("615a60eb&_nc=1#oe=1").as_deref(), Some("2021-10-04T02:03:23Z"));
        for bad in ["", "xyz", "+1", "-1", "0", "0x615A60EB", "FFFFFFFFFFFFFFFF", "7FFFFFFFFFFFFFFF", "é"] {
            assert_eq!(oe(bad), None, "{bad}");
        }
        assert_eq!(expires_at("https://pps.whatsapp.net/oe=615A60EB"), None);
        assert_eq!(expires_at("https://pps.whatsapp.net/?xoe=615A60EB"), None);
    }

    #[test]
    fn a_preview_is_recognised_by_its_size() {
        for url in [
            "https://pps.whatsapp.net/v/t61/1_n.jpg?stp=dst-jpg_s96x96&ccb=11-4",
            "https://pps.whatsapp.net/v/t61/1_n.jpg?ccb=11-4&stp=dst-jpg_s96x96_tt6",
            "https://pps.whatsapp.net/v/s96x96/1_n.jpg",
        ] {
            assert!(is_preview(url), "{url}");
        }
        for url in [
            "https://pps.whatsapp.net/v/t61/1_n.jpg",
            "https://pps.whatsapp.net/v/t61/1_n.jpg?stp=dst-jpg_s960x960",
            "https://pps.whatsapp.net/v/t61/1_n.jpg?stp=dst-jpg_s96x960",
            "https://pps.whatsapp.net/v/t61/1_n.jpg?x=s96x96",
        ] {
            assert!(!is_preview(url), "{url}");
        }
    }

    #[test]
    fn https_from_whatsapps_hosts_is_allowed() {
        for url in [
            "https://pps.whatsapp.net/v/t61.24694-24/180589560_n.jpg?ccb=11-4&oh=f3fb1&oe=615A60EB",
            "https://media-fra5-1.cdn.whatsapp.net/v/x.jpg",
            "https://pps.whatsapp.net:443/x",
            "HTTPS://PPS.WhatsApp.NET/x",
            "https://pps.whatsapp.net?x=user@host",
        ] {
            assert!(may(url, &[]), "{url}");
        }
        let target = check("HTTPS://PPS.WhatsApp.NET/x?y#z", &[]).expect("allowed");
        assert_eq!((target.url, target.origin.host.as_str()), ("HTTPS://PPS.WhatsApp.NET/x?y", "pps.whatsapp.net"));
    }

    #[test]
    fn other_urls_are_refused() {
        for url in [
            "",
            "pps.whatsapp.net/x",
            "//pps.whatsapp.net/x",
            "http://pps.whatsapp.net/x",
            "ftp://pps.whatsapp.net/x",
            "file:///etc/passwd",
            "https:pps.whatsapp.net/x",
            "https:///pps.whatsapp.net/x",
            "https://whatsapp.net/x",
            "https://.whatsapp.net/x",
            "https://a..whatsapp.net/x",
            "https://-a.whatsapp.net/x",
            "https://evilwhatsapp.net/x",
            "https://x.whatsapp.net.evil.example/x",
            "https://evil.example/.whatsapp.net",
            "https://evil.example?.whatsapp.net",
            "https://evil.example#.whatsapp.net",
            "https://evil.example\\.whatsapp.net/x",
            "https://evil.example%2f.whatsapp.net/x",
            "https://evil.example%00.whatsapp.net/x",
            "https://evil.example\0.whatsapp.net/x",
            "https://evil.example\t.whatsapp.net/x",
            "https://evil.example\r\nHost: pps.whatsapp.net/x",
            "https://pps.whatsapp.net/x y",
            "https://pps.whatsapp.net/\u{202e}",
            "https://user@pps.whatsapp.net/x",
            "https://user:pass@pps.whatsapp.net/x",
            "https://pps.whatsapp.net@evil.example/x",
            "https://pps.whatsapp.net:8443/x",
            "https://pps.whatsapp.net:/x",
            "https://pps.whatsapp.net:+443/x",
            "https://pps.whatsapp.net:443:80/x",
            "https://pps.whatsapp.net:65979/x",
            "https://pps.whatsapp.net./x",
            "https://ｗhatsapp.net/x",
            "https://pps。whatsapp.net/x",
            "https://pps.whаtsapp.net/x",
            "https://xn--whtsapp-2fg.net/x",
            "https://127.0.0.1/x",
            "https://2130706433/x",
            "https://0x7f.1/x",
            "https://127.1/x",
            "https://[::1]/x",
            "https://[::1].whatsapp.net/x",
            "https://[::1%25lo]/x",
            "https://localhost/x",
        ] {
            assert!(!may(url, &[]), "{url:?}");
        }
    }

    #[test]
    fn an_allowed_host_needs_https_unless_it_is_a_loopback_address() {
        assert!(may("https://pictures.example/x", &["pictures.example"]));
        assert!(may("https://PICTURES.example:8443/x", &["Pictures.example"]));
        assert!(may("https://pictures.example:8443/x", &["pictures.example:8443"]));
        assert!(!may("https://pictures.example/x", &["pictures.example:8443"]));
        assert!(!may("http://pictures.example/x", &["pictures.example"]));
        assert!(!may("https://a.pictures.example/x", &["pictures.example"]));
        assert!(may("https://192.168.1.5/x", &["192.168.1.5"]));
        assert!(!may("http://192.168.1.5/x", &["192.168.1.5"]));
        assert!(!may("https://192.168.1.6/x", &["192.168.1.5"]));
        assert!(may("http://127.0.0.1:8088/x", &["127.0.0.1"]));
        assert!(!may("http://127.0.0.2:8088/x", &["127.0.0.1"]));
        assert!(may("http://[::1]:8088/x", &["::1"]));
        assert!(may("http://[::1]:8088/x", &["[::1]:8088"]));
        assert!(may("http://[0:0::1]/x", &["[::1]"]));
        assert!(may("http://localhost:8088/x", &["localhost"]));
        assert!(!may("http://localhost.example:8088/x", &["localhost.example"]));
    }

    #[test]
    fn a_url_has_a_maximum_length() {
        let url = |length| format!("https://pps.whatsapp.net/{}", "x".repeat(length - 25));
        assert!(may(&url(URL_LIMIT), &[]) && !may(&url(URL_LIMIT + 1), &[]));
    }

    #[test]
    fn the_service_on_this_machine_is_allowed_on_its_own_port() {
        let may = |api_url: &str, url: &str| {
            check(url, AllowedHost::loopback(&Origin::parse(api_url).expect(api_url)).as_slice()).is_ok()
        };
        assert!(may("http://127.0.0.1:8088/prefix", "http://127.0.0.1:8088/x"));
        assert!(may("http://[::1]:8088", "http://[::1]:8088/x"));
        assert!(may("http://localhost:8088", "http://localhost:8088/x"));
        assert!(!may("http://127.0.0.1:8088", "http://127.0.0.1:8089/x"));
        assert!(!may("http://127.0.0.1:8088", "http://localhost:8088/x"));
        assert!(!may("https://api.green-api.com", "https://api.green-api.com/x"));
        assert!(!may("http://10.0.0.1:8088", "http://10.0.0.1:8088/x"));
    }

    #[test]
    fn only_a_host_can_be_allowed() {
        for bad in [
            "",
            "*",
            "*.example",
            "https://a.example",
            "a.example/x",
            "a b",
            "127.1",
            "0x7f000001",
            "a:0",
            "a:b",
            "[::1",
        ] {
            assert!(AllowedHost::parse(bad).is_err(), "{bad}");
        }
    }
}
