//! `--api-url`: which hosts get the token, and over which scheme.

use crate::settings::{accepted, accepting, refused};
use crate::support::tls::Authority;
use crate::support::{Answer, CHAT, Cli, INSTANCE, Proxy, Server, TOKEN, in_parallel, json};

#[test]
fn the_service_is_the_default_host() {
    let authority = Authority::new();
    let server = Server::tls(authority.server("api.green-api.com"), Answer::status(200)).times(1);
    let proxy = Proxy::http(server.address());
    let cli = Cli::on(&server)
        .without("GREEN_API_URL")
        .env("ALL_PROXY", format!("http://{}", proxy.address()))
        .file("ca.pem", authority.pem());
    accepted(cli.args(["--cacert", "ca.pem", "request", CHAT]));
    assert_eq!(proxy.targets(), ["api.green-api.com:443"]);
}

#[test]
fn slashes_at_the_end_of_the_url_are_removed() {
    for tail in ["/", "///"] {
        let server = accepting();
        accepted(Cli::at(&format!("{}{tail}", server.url())).args(["request", CHAT]));
        assert_eq!(server.requests()[0].path, format!("/waInstance{INSTANCE}/getAvatarAsync/{TOKEN}"));
    }
}

#[test]
fn a_url_with_the_path_of_a_method_is_refused_with_the_url_to_use() {
    for url in [
        format!("https://api.green-api.com/waInstance{INSTANCE}/getAvatar/{TOKEN}"),
        format!("https://api.green-api.com/WAInstance{INSTANCE}?x#y"),
    ] {
        let cli = Cli::at(&url).args(["--json", "request", CHAT]);
        let error = json(&cli.again().args(["--json", "request", CHAT]).exits(78).any_stderr().run().stderr);
        assert_eq!(error["error"]["code"], "bad-settings");
        let hint = error["error"]["hint"].as_str().expect("a hint");
        assert!(hint.contains("https://api.green-api.com") && !hint.contains("nstance"), "{hint}");
        refused(
            Cli::at("").args(["--api-url", &url, "request", CHAT]),
            78,
            "hint: write it as https://api.green-api.com\n",
        );
        let file = Cli::at("").file(".env", format!("GREEN_API_URL={url}\n"));
        refused(file.args(["request", CHAT]), 78, "hint: write it as https://api.green-api.com\n");
    }
    let server = accepting();
    accepted(Cli::at(&format!("{}/gate/green", server.url())).args(["request", CHAT]));
    assert!(server.requests()[0].path.starts_with("/gate/green/waInstance"));
}

#[test]
fn plain_http_goes_only_to_loopback() {
    for url in ["http://192.0.2.1", "http://green-api.test:8080", "http://api.green-api.com", "http://localhost.test"] {
        let cli = Cli::at(url);
        let output = cli.again().args(["--json", "request", CHAT]).exits(78).any_stderr().run();
        assert_eq!(json(&output.stderr)["error"]["code"], "bad-settings", "{url}");
        // The flag is well-formed, so this is not a usage error.
        refused(cli.args(["--api-url", url, "request", CHAT]), 78, "--insecure-http");
    }
    let server = accepting();
    accepted(Cli::at(&server.url().replace("127.0.0.1", "localhost")).args(["request", CHAT]));
}

#[test]
fn insecure_http_allows_plain_http_elsewhere() {
    let server = accepting();
    let proxy = Proxy::http(server.address());
    let cli = Cli::at("http://green-api.test:8080").env("http_proxy", format!("http://{}", proxy.address()));
    accepted(cli.args(["--insecure-http", "request", CHAT]));
    assert_eq!(proxy.targets(), ["green-api.test:8080"]);
}

#[test]
fn an_env_file_does_not_send_a_token_of_another_source_to_another_host() {
    let server = Server::unasked();
    let text = format!("GREEN_API_URL={}\n", server.url());
    let cli = Cli::on(&server).without("GREEN_API_URL").file(".env", &text);
    let output = cli.again().args(["--json", "request", CHAT]).exits(78).any_stderr().run();
    let error = json(&output.stderr);
    assert_eq!(error["error"]["code"], "bad-settings");
    let story = error["error"].to_string();
    assert!(story.contains("--api-url") || story.contains("--env-file"), "it says how to mean it: {story}");
    // The same for a file in a parent directory.
    let cli = Cli::on(&server).without("GREEN_API_URL").file("../.env", &text);
    refused(cli.args(["request", CHAT]), 78, ".env");
    // The token file is named by a flag, so the token is not from the .env.
    let cli = Cli::new().file(".env", text.clone() + "ID_INSTANCE=1\n").file("token", TOKEN);
    refused(cli.args(["request", "--api-token-file", "token", CHAT]), 78, ".env");
}

#[test]
fn a_host_that_the_user_named_is_used() {
    let server = accepting();
    let text = format!("GREEN_API_URL={}\n", server.url());
    let cli = Cli::on(&server).without("GREEN_API_URL").file(".env", &text);
    accepted(cli.args(["--env-file", ".env", "request", CHAT]));
    let server = accepting();
    let cli = Cli::on(&server).without("GREEN_API_URL").file(".env", &text);
    accepted(cli.args(["--api-url", &server.url(), "request", CHAT]));
}

#[test]
fn an_env_file_may_name_a_host_of_the_service() {
    in_parallel(["api.green-api.com", "api.greenapi.com", "7103.api.greenapi.com", "1101.api.green-api.com"], |host| {
        let authority = Authority::new();
        let server = Server::tls(authority.server(host), Answer::status(200)).times(1);
        let proxy = Proxy::http(server.address());
        let cli = Cli::on(&server)
            .without("GREEN_API_URL")
            .env("HTTPS_PROXY", format!("http://{}", proxy.address()))
            .file("ca.pem", authority.pem())
            .file(".env", format!("GREEN_API_URL=https://{host}\n"));
        accepted(cli.args(["--cacert", "ca.pem", "request", CHAT]));
        assert_eq!(proxy.targets(), [format!("{host}:443")]);
    });
}

#[test]
fn a_host_that_only_looks_like_the_service_is_refused() {
    for host in ["evilgreen-api.com", "api.green-api.com.evil.example", "green-api.com.evil.example", "greenapi.co"] {
        let cli = Cli::at("").without("GREEN_API_URL").file(".env", format!("GREEN_API_URL=https://{host}\n"));
        refused(cli.args(["request", CHAT]), 78, host);
    }
}
