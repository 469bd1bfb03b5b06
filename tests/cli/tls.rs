//! A server whose certificate is not good gets nothing, and is not asked twice.

use crate::support::tls::Authority;
use crate::support::{Answer, CHAT, Cli, Server, TOKEN, json};

/// Unreachable, with nothing sent and one connection alone.
#[track_caller]
fn refused(cli: Cli, server: &Server) {
    let said = cli.args(["request", "--json", CHAT]).exits(69).any_stdout().run();
    let line = json(&said.stdout);
    assert_eq!(line["error"]["code"], "unreachable", "{line}");
    assert_eq!(line["attempts"], 1, "{line}");
    assert_eq!(server.connections(), 1, "not retried");
}

#[test]
fn an_unknown_issuer_is_unreachable() {
    let server = Server::tls(Authority::new().server("localhost"), Answer::status(200)).times(0);
    refused(Cli::on(&server), &server);
}

#[test]
fn another_issuer_than_the_given_one_is_unreachable() {
    let server = Server::tls(Authority::new().server("localhost"), Answer::status(200)).times(0);
    refused(Cli::on(&server).file("ca.pem", Authority::new().pem()).args(["--cacert", "ca.pem"]), &server);
}

#[test]
fn a_wrong_name_is_unreachable() {
    let authority = Authority::new();
    let server = Server::tls(authority.server("elsewhere.example"), Answer::status(200)).times(0);
    refused(Cli::on(&server).file("ca.pem", authority.pem()).args(["--cacert", "ca.pem"]), &server);
}

#[test]
fn a_certificate_that_ran_out_is_unreachable() {
    let authority = Authority::new();
    let server = Server::tls(authority.expired_server("localhost"), Answer::status(200)).times(0);
    refused(Cli::on(&server).file("ca.pem", authority.pem()).args(["--cacert", "ca.pem"]), &server);
}

#[test]
fn a_server_without_tls_is_unreachable() {
    let server = Server::blurting(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let url = server.url().replace("http:", "https:");
    refused(Cli::at(&url), &server);
}

#[test]
fn the_given_authority_is_trusted() {
    let authority = Authority::new();
    let server = Server::tls(authority.server("localhost"), Answer::status(200)).times(1);
    let cli = Cli::on(&server).file("ca.pem", authority.pem());
    cli.args(["request", "--cacert", "ca.pem", CHAT]).stdout(format!("{CHAT}\taccepted\n")).run();
    assert!(server.requests()[0].path.ends_with(TOKEN));
}

#[test]
fn one_of_several_given_authorities_is_trusted() {
    let authority = Authority::new();
    let server = Server::tls(authority.server("localhost"), Answer::status(200)).times(1);
    let pem = format!("# comment\n{}\n{}", Authority::new().pem(), authority.pem());
    let cli = Cli::on(&server).file("ca.pem", pem);
    cli.args(["request", "--cacert", "ca.pem", CHAT]).stdout(format!("{CHAT}\taccepted\n")).run();
}

#[test]
fn a_file_without_certificates_is_no_authority() {
    for text in ["", "not a certificate\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let server = Server::tls(Authority::new().server("localhost"), Answer::status(200)).times(0);
        let cli = Cli::on(&server).file("ca.pem", text).args(["request", "--cacert", "ca.pem", CHAT]);
        cli.ends_somehow().any_stdout().stderr_has("greenavatar: error: ").run();
    }
}

#[test]
fn an_ip_address_is_a_name_too() {
    let authority = Authority::new();
    let server = Server::tls(authority.server("127.0.0.1"), Answer::status(200)).times(1);
    let cli = Cli::at(&server.url().replace("localhost", "127.0.0.1")).file("ca.pem", authority.pem());
    cli.args(["request", "--cacert", "ca.pem", CHAT]).stdout(format!("{CHAT}\taccepted\n")).run();
}
