//! A server with a bad certificate gets no request, is not retried, and the error says what is wrong.

use rcgen::{BasicConstraints, IsCa};

use crate::support::tls::{Authority, self_signed};
use crate::support::{Answer, CHAT, Cli, Server, TOKEN, json};

/// Checks that the chat is unreachable after one connection, with these parts of the message and the hint.
#[track_caller]
fn refused(cli: Cli, server: &Server, message: &str, hint: &str) {
    let output = cli.args(["request", "--json", CHAT]).exits(69).any_stdout().run();
    let line = json(&output.stdout);
    let text = |key: &str| line["error"][key].as_str().expect("a text").to_owned();
    assert_eq!(text("code"), "unreachable", "{line}");
    assert!(text("message").contains(message) && text("hint").contains(hint), "{line}");
    assert!(!text("message").contains(['(', '{', '"']), "no Debug text: {line}");
    assert_eq!(line["attempts"], 1, "{line}");
    assert_eq!(server.connections(), 1, "not retried");
}

fn trusting(server: &Server, pem: &str) -> Cli {
    Cli::on(server).file("ca.pem", pem).args(["--cacert", "ca.pem"])
}

const NOT_TRUSTED: &str = "not issued by a trusted authority";

#[test]
fn a_bad_certificate_is_unreachable() {
    let authority = Authority::new();
    let (trusted, other) = (authority.pem(), Authority::new().pem());
    for (config, pem, message, hint) in [
        (authority.server("localhost"), None, NOT_TRUSTED, "--cacert FILE"),
        (authority.server("localhost"), Some(&other), NOT_TRUSTED, "--cacert FILE"),
        (authority.server("elsewhere.example"), Some(&trusted), "for another name", "spelling of the host"),
        (authority.expired_server("localhost"), Some(&trusted), "has expired", "clock"),
        (authority.early_server("localhost"), Some(&trusted), "not valid yet", "clock"),
    ] {
        let server = Server::tls(config, Answer::status(200)).times(0);
        let cli = pem.map_or_else(|| Cli::on(&server), |pem| trusting(&server, pem));
        refused(cli, &server, message, hint);
    }
}

#[test]
fn a_server_with_a_given_authority_is_trusted() {
    let authority = Authority::new();
    let pem = authority.pem();
    for (name, pem) in [
        ("localhost", pem.clone()),
        ("127.0.0.1", pem.clone()),
        ("localhost", format!("# comment\n{}\n{pem}", Authority::new().pem())),
        ("localhost", format!("\u{feff}{}", pem.replace('\n', "\r\n"))),
    ] {
        let server = Server::tls(authority.server(name), Answer::status(200)).times(1);
        let cli = Cli::at(&server.url().replace("localhost", name)).file("ca.pem", pem);
        cli.args(["request", "--cacert", "ca.pem", CHAT]).stdout(format!("{CHAT}\taccepted\n")).run();
        assert!(server.requests()[0].path.ends_with(TOKEN));
    }
}

#[test]
fn a_server_without_tls_is_unreachable() {
    let server = Server::speaking_first(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let url = server.url().replace("http:", "https:");
    refused(Cli::at(&url), &server, "does not speak TLS", "check the port");
}

#[test]
fn a_server_without_a_common_version_is_unreachable() {
    // The alerts protocol_version and handshake_failure.
    for alert in [b"\x15\x03\x01\x00\x02\x02\x46", b"\x15\x03\x01\x00\x02\x02\x28"] {
        let server = Server::speaking_first(alert);
        let url = server.url().replace("http:", "https:");
        refused(Cli::at(&url), &server, "no TLS version or cipher in common", "TLS 1.2 or 1.3");
    }
}

#[test]
fn a_server_is_not_its_own_authority() {
    let (config, pem) = self_signed("localhost", IsCa::Ca(BasicConstraints::Unconstrained));
    let server = Server::tls(config, Answer::status(200)).times(0);
    refused(trusting(&server, &pem), &server, "is a certificate authority's", "CA:FALSE");
    let (config, pem) = Authority::new().server_with_pem("localhost");
    let server = Server::tls(config, Answer::status(200)).times(0);
    refused(trusting(&server, &pem), &server, NOT_TRUSTED, "issued for the server is not enough");
}

#[test]
fn a_self_signed_certificate_that_is_not_an_authority_can_be_trusted() {
    let (config, pem) = self_signed("localhost", IsCa::ExplicitNoCa);
    let server = Server::tls(config, Answer::status(200)).times(1);
    trusting(&server, &pem).args(["request", CHAT]).stdout(format!("{CHAT}\taccepted\n")).run();
}

#[test]
fn a_file_without_certificates_is_a_bad_setting() {
    let server = Server::unasked();
    let pem = Authority::new().pem();
    let der = b"\x30\x82\x01\x0a\x30\x82".as_slice();
    for (text, message, hint) in [
        (b"".as_slice(), "ca.pem contains no certificate", "PEM form"),
        (b"not a certificate\n", "ca.pem contains no certificate", "PEM form"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read", "PEM form"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n", "ca.pem is not a PEM file", "PEM form"),
        (pem.replace(" CERT", " TRUSTED CERT").as_bytes(), "TRUSTED CERTIFICATE", "openssl x509 -in ca.pem"),
        (der, "DER form", "openssl x509 -inform der -in ca.pem"),
    ] {
        let cli = Cli::on(&server).file("ca.pem", text).args(["--json", "request", "--cacert", "ca.pem", CHAT]);
        let error = json(&cli.exits(78).any_stderr().run().stderr);
        let text = |key: &str| error["error"][key].as_str().expect("a text").to_owned();
        assert!(text("message").contains(message) && text("hint").contains(hint), "{error}");
    }
}
