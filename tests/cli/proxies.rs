//! Proxies: chosen as curl chooses them, never bypassed, and unable to see the token.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::tls::Authority;
use crate::support::{Answer, CHAT, Cli, Proxy, Server, TOKEN, in_parallel, json};

const HOST: &str = "api.green-api.com";

/// A service behind proxies: `https://api.green-api.com` for clients that trust its authority.
struct Service {
    server: Server,
    pem: String,
}

impl Service {
    fn expecting(times: usize) -> Service {
        let authority = Authority::new();
        let server = Server::tls(authority.server(HOST), Answer::status(200)).times(times);
        Service { server, pem: authority.pem() }
    }

    fn cli(&self) -> Cli {
        Cli::at(&format!("https://{HOST}")).file("ca.pem", &self.pem).args(["--cacert", "ca.pem", "request", CHAT])
    }
}

fn accepted(cli: Cli) {
    cli.stdout(format!("{CHAT}\taccepted\n")).run();
}

fn variable(proxy: &Proxy) -> String {
    format!("http://{}", proxy.address())
}

#[test]
fn a_proxy_does_not_see_the_token() {
    let service = Service::expecting(1);
    let proxy = Proxy::http(service.server.address());
    accepted(service.cli().env("HTTPS_PROXY", variable(&proxy)));
    assert_eq!(proxy.targets(), [format!("{HOST}:443")]);
    let received = proxy.received();
    assert!(received.starts_with(&format!("CONNECT {HOST}:443 HTTP/1.1\r\n")), "{received}");
    assert!(
        !received.contains(TOKEN) && !received.contains("getAvatarAsync") && !received.contains(CHAT),
        "{received}"
    );
}

#[test]
fn the_variable_of_the_scheme_comes_before_the_one_for_all() {
    let (url, other) = ("http://", Proxy::refusing());
    // The variable that counts, what precedes the address in its value, and variables with the other proxy.
    for (name, start, others) in [
        ("https_proxy", "", &[][..]),
        ("HTTPS_PROXY", url, &["ALL_PROXY", "http_proxy", "HTTP_PROXY"]),
        ("ALL_PROXY", url, &["http_proxy"]),
        ("all_proxy", url, &["http_proxy"]),
    ] {
        let service = Service::expecting(1);
        let proxy = Proxy::http(service.server.address());
        // An empty variable does not count.
        let cli = service.cli().env("HTTPS_PROXY", "").env(name, format!("{start}{}", proxy.address()));
        accepted(others.iter().fold(cli, |cli, name| cli.env(name, variable(&other))));
        assert_eq!((proxy.targets().len(), other.targets().len()), (1, 0), "{name}");
    }
}

/// Not on Windows, where the names of variables have no case.
#[cfg(unix)]
#[test]
fn plain_http_has_its_own_variable_only_in_lower_case() {
    let other = Proxy::refusing();
    let server = Server::answering([Answer::status(200)]);
    let cli = Cli::request(&server, [CHAT]).env("HTTP_PROXY", variable(&other)).env("HTTPS_PROXY", variable(&other));
    accepted(cli);
    assert!(other.targets().is_empty());
    let server = Server::answering([Answer::status(200)]);
    let proxy = Proxy::http(server.address());
    accepted(Cli::request(&server, [CHAT]).env("http_proxy", variable(&proxy)));
    assert_eq!(proxy.targets(), [server.address().to_string()]);
}

#[test]
fn an_exempt_host_is_reached_directly() {
    in_parallel(["localhost", "*", "example.com,localhost", ".localhost", "example.com localhost"], |list| {
        let authority = Authority::new();
        let server = Server::tls(authority.server("localhost"), Answer::status(200)).times(1);
        let other = Proxy::refusing();
        let cli = Cli::on(&server)
            .file("ca.pem", authority.pem())
            .env("HTTPS_PROXY", variable(&other))
            .env("NO_PROXY", list)
            .args(["--cacert", "ca.pem", "request", CHAT]);
        accepted(cli);
        assert!(other.targets().is_empty(), "{list}");
    });
}

#[test]
fn a_host_that_only_ends_like_an_exempt_one_is_not_exempt() {
    let service = Service::expecting(1);
    let proxy = Proxy::http(service.server.address());
    accepted(service.cli().env("HTTPS_PROXY", variable(&proxy)).env("NO_PROXY", "een-api.com,api"));
    assert_eq!(proxy.targets().len(), 1);
}

#[test]
fn socks5_is_a_proxy_like_any_other() {
    let service = Service::expecting(1);
    let proxy = Proxy::socks5(service.server.address());
    accepted(service.cli().env("ALL_PROXY", format!("socks5h://{}", proxy.address())));
    assert_eq!(proxy.targets(), [format!("{HOST}:443")]);
    assert!(!proxy.received().contains(TOKEN));
    // With socks5 the program resolves the name: localhost needs no name server.
    let authority = Authority::new();
    let server = Server::tls(authority.server("localhost"), Answer::status(200)).times(1);
    let proxy = Proxy::socks5(server.address());
    let cli = Cli::on(&server)
        .file("ca.pem", authority.pem())
        .env("https_proxy", format!("socks5://{}", proxy.address()))
        .args(["--cacert", "ca.pem", "request", CHAT]);
    accepted(cli);
    assert_eq!(proxy.targets().len(), 1);
}

#[test]
fn socks_without_a_number_is_socks4() {
    let server = Server::answering([Answer::status(200)]);
    let proxy = Proxy::socks4(server.address());
    accepted(Cli::request(&server, [CHAT]).env("http_proxy", format!("socks://{}\n", proxy.address())));
    assert_eq!(proxy.targets(), [server.address().to_string()]);
}

#[test]
fn user_name_and_password_are_what_curl_would_send() {
    for (user, sent) in [
        (r"dom\user:p%40ss%20word", r"dom\user:p@ss word"),
        ("u%3Ax:p+%zz%2541", "u:x:p+%zz%41"),
        ("ü:\"'<>", "ü:\"'<>"),
        ("user", "user:"),
    ] {
        let server = Server::answering([Answer::status(200)]);
        let proxy = Proxy::http(server.address());
        let cli = Cli::request(&server, [CHAT]).env("http_proxy", format!("http://{user}@{}", proxy.address()));
        accepted(cli);
        let received = proxy.received().to_lowercase();
        let header = format!("proxy-authorization: basic {}\r\n", STANDARD.encode(sent).to_lowercase());
        assert!(received.contains(&header), "{header} is in {received}");
    }
}

#[test]
fn a_malformed_proxy_is_never_ignored() {
    let server = Server::unasked();
    in_parallel(
        [
            "http://",
            "http://proxy:port",
            "http://proxy:99999",
            "ftp://proxy:21",
            "http://pro xy:1",
            "://",
            "p:",
            "http://hunter2:p#ss@127.0.0.1:9",
            "http://hunter2:p?ss@127.0.0.1:9",
            "http://hunter2:1/ss@127.0.0.1:9",
            "hunter2:p@ss@127.0.0.1:9",
            "http://hunter2:p%0Ass@127.0.0.1:9",
        ],
        |value| {
            let cli = Cli::request(&server, ["--json", CHAT]).env("http_proxy", value);
            let output = cli.secret("hunter2").exits(78).any_stderr().run();
            let error = json(&output.stderr);
            assert_eq!(error["error"]["code"], "bad-settings", "{value}");
            assert!(error["error"]["message"].as_str().expect("a message").contains("http_proxy"), "{error}");
        },
    );
}

#[test]
fn a_proxy_that_refuses_is_not_bypassed() {
    let service = Service::expecting(0);
    let proxy = Proxy::refusing();
    let cli = service.cli().env("HTTPS_PROXY", variable(&proxy)).args(["--json", "--retries", "0"]);
    let output = cli.exits(69).any_stdout().run();
    assert_eq!(json(&output.stdout)["error"]["code"], "unreachable");
    assert!(!proxy.received().contains(TOKEN));
}

#[test]
fn a_proxy_that_is_down_is_not_bypassed() {
    let server = Server::unasked();
    let down = Proxy::refusing().address();
    for scheme in ["http", "socks5"] {
        let cli = Cli::request(&server, ["--json", "--retries", "0", CHAT]);
        let output = cli.env("http_proxy", format!("{scheme}://{down}")).exits(69).any_stdout().run();
        assert_eq!(json(&output.stdout)["error"]["code"], "unreachable", "{scheme}");
    }
}

#[test]
fn the_password_of_a_proxy_is_not_printed() {
    let server = Server::unasked();
    let down = Proxy::refusing().address();
    for value in [format!("http://user:hunter2@{down}"), "http://user:hunter2@proxy:port".to_owned()] {
        let cli = Cli::request(&server, ["-v", "--retries", "0", CHAT]).env("http_proxy", value).secret("hunter2");
        cli.any_status().any_stdout().any_stderr().run();
    }
}
