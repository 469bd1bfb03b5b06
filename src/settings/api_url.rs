//! The API URL: its shape, and the hosts that a token may be sent to.

use super::precedence::Source;
use crate::failure::{Failure, Kind};
use crate::http::Origin;
use crate::token::shown_path;

/// `http[s]://host[:port][/path]` without its trailing slashes, and its origin; no user, query or fragment.
pub fn parse_url(text: &str) -> Option<(String, Origin)> {
    let text = text.trim_end_matches('/');
    let origin = Origin::parse(text)?;
    let (scheme, rest) = text.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'\\' | b'"' | b'\'' | b'`' | b'$');
    let fits = rest.bytes().all(is_plain);
    fits.then(|| (format!("{}://{}{path}", scheme.to_ascii_lowercase(), authority.to_ascii_lowercase()), origin))
}

/// The URL without `/waInstance...`, if it contains that part, which may include the token.
pub fn without_method(text: &str) -> Option<String> {
    let (url, _) = parse_url(&text[..text.to_ascii_lowercase().find("/wainstance")?])?;
    Some(url)
}

/// Refuses to send the token in clear text, except to this machine or with `--insecure-http`.
pub fn forbid_plain_http(origin: &Origin, insecure_http: bool) -> Result<(), Failure> {
    if origin.is_https || origin.is_loopback() || insecure_http {
        return Ok(());
    }
    Err(Failure::new(Kind::BadSettings, format!("{origin} is not https, so the token would be sent in clear text"))
        .hint("use https:, or --insecure-http if that is what you want"))
}

/// Refuses a URL from a found `.env` that would send a token from another source to a host that is not GREEN-API's.
pub fn forbid_strange_host(origin: &Origin, url: &Source, token: &Source) -> Result<(), Failure> {
    let Source::File { path, is_found: true, .. } = url else { return Ok(()) };
    if origin.is_green_api() || matches!(token, Source::File { path: same, .. } if same == path) {
        return Ok(());
    }
    let path = shown_path(path);
    Err(Failure::new(
        Kind::BadSettings,
        format!("{path} would send a token from another source ({token}) to {}, which is not GREEN-API's", origin.host),
    )
    .hint(format!("if that is what you want: --env-file {path}, or --api-url {origin}")))
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
            assert_eq!(parse_url(text).map(|(url, _)| url).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn a_found_env_file_may_not_send_a_token_of_another_source_to_another_host() {
        let file = |is_found| Source::File { path: "/a/.env".into(), is_found, variable: "GREEN_API_URL" };
        let (searched, named) = (file(true), file(false));
        let elsewhere = Source::Environment("GREEN_API_TOKEN_INSTANCE");
        let refused = |url: &str, source: &Source, token: &Source| {
            forbid_strange_host(&Origin::parse(url).expect(url), source, token).is_err()
        };
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
