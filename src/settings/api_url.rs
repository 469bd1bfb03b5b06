//! The API URL: its shape, and the hosts that a token may be sent to.

use crate::escape::escape;
use crate::failure::{Failure, Kind};
use crate::settings::Source;

/// `http[s]://host[:port][/path]` without its trailing slashes; no user, query or fragment.
pub fn parse_url(text: &str) -> Option<String> {
    let text = text.trim_end_matches('/');
    let (scheme, rest) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = split_authority(authority)?;
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_v6 = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .is_some_and(|h| h.parse::<std::net::Ipv6Addr>().is_ok());
    let host_fits = is_v6 || (!host.is_empty() && host.chars().all(named));
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0) && !port.starts_with('+'));
    let path_fits =
        path.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'\\' | b'"' | b'\'' | b'`' | b'$'));
    let fits = matches!(scheme.as_str(), "http" | "https") && host_fits && port_fits && path_fits;
    fits.then(|| format!("{scheme}://{}{path}", authority.to_ascii_lowercase()))
}

fn split_authority(authority: &str) -> Option<(&str, Option<&str>)> {
    if authority.contains('@') {
        return None;
    }
    let host_end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    match authority[host_end..].strip_prefix(':') {
        Some(port) => Some((&authority[..host_end], Some(port))),
        None if host_end == authority.len() => Some((authority, None)),
        None => None,
    }
}

/// The host of a URL that [`parse_url`] took, IPv6 in brackets.
pub fn host_of(api_url: &str) -> &str {
    let rest = api_url.split_once("://").map_or(api_url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    split_authority(authority).map_or(authority, |(host, _)| host)
}

/// The token must not travel in the clear, except to this machine or where the user says so.
pub fn forbid_plain_http(api_url: &str, insecure_http: bool) -> Result<(), Failure> {
    let host = host_of(api_url).trim_matches(['[', ']']);
    let is_loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if api_url.starts_with("https:") || is_loopback || insecure_http {
        return Ok(());
    }
    Err(Failure::new(Kind::BadSettings, format!("{api_url} is not https, and the token would travel in the clear"))
        .hint("use https://, or say --insecure-http if you mean it"))
}

/// A `.env` that lies in somebody's folder must not send a token that came from elsewhere to its own host.
pub fn forbid_strange_host(api_url: &str, url: &Source, token: &Source) -> Result<(), Failure> {
    let Source::EnvFile(path, true, _) = url else { return Ok(()) };
    if matches!(token, Source::EnvFile(same, ..) if same == path) {
        return Ok(());
    }
    let host = host_of(api_url);
    let is_under = |domain: &str| host.strip_suffix(domain).is_some_and(|head| head.is_empty() || head.ends_with('.'));
    if is_under("green-api.com") || is_under("greenapi.com") {
        return Ok(());
    }
    let path = escape(&path.display().to_string());
    Err(Failure::new(
        Kind::BadSettings,
        format!("{path} would send a token that is not its own ({token}) to {host}, which is not GREEN-API's"),
    )
    .hint(format!("if you mean it, say so: --env-file {path}, or --api-url {api_url}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_url_is_normalised_or_refused() {
        let cases = [
            ("https://api.green-api.com", Some("https://api.green-api.com")),
            ("https://api.green-api.com///", Some("https://api.green-api.com")),
            ("HTTPS://1101.API.greenapi.com:443/", Some("https://1101.api.greenapi.com:443")),
            ("http://[::1]:8088", Some("http://[::1]:8088")),
            ("https://gate.example/green", Some("https://gate.example/green")),
            ("api.green-api.com", None),
            ("ftp://api.green-api.com", None),
            ("https://", None),
            ("https://user@host", None),
            ("https://host:0", None),
            ("https://host:99999", None),
            ("https://host:", None),
            ("https://host/?a", None),
            ("https://host/#a", None),
            ("https://ho st", None),
            ("https://host/a b", None),
            ("https://[::1", None),
            ("https://höst", None),
        ];
        for (text, want) in cases {
            assert_eq!(parse_url(text).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn a_searched_env_file_may_not_send_a_foreign_token_to_a_strange_host() {
        let searched = Source::EnvFile("/a/.env".into(), true, "GREEN_API_URL");
        let named = Source::EnvFile("/a/.env".into(), false, "GREEN_API_URL");
        let elsewhere = Source::Environment("GREEN_API_TOKEN_INSTANCE");
        let refused = |url: &str, source: &Source, token: &Source| forbid_strange_host(url, source, token).is_err();
        assert!(refused("https://evil.example", &searched, &elsewhere));
        assert!(refused("https://evilgreen-api.com", &searched, &elsewhere));
        assert!(refused("https://api.green-api.com.evil.example", &searched, &elsewhere));
        assert!(refused("http://127.0.0.1:80", &searched, &Source::TokenFile("t".into(), Box::new(searched.clone()))));
        assert!(!refused("https://7103.api.greenapi.com", &searched, &elsewhere));
        assert!(!refused("https://evil.example", &named, &elsewhere));
        assert!(!refused("https://evil.example", &searched, &searched));
        assert!(!refused("https://evil.example", &Source::Flag("--api-url"), &elsewhere));
    }
}
