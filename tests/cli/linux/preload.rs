//! File systems and resolvers that the test machine does not have: LD_PRELOAD replaces functions of the C library.

use std::path::PathBuf;
use std::process::Command;

use crate::support::pictures::{JPEG, ok, picture};
use crate::support::queue::method;
use crate::support::tls::Authority;
use crate::support::{Answer, CHAT, Cli, Server, json};

/// A file system without locks.
const FLOCK: &str = r"
#include <errno.h>
int flock(int file, int operation) { errno = EOPNOTSUPP; return -1; }
";

/// A resolver that answers every name with $ADDRESS.
const GETADDRINFO: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
int getaddrinfo(const char *name, const char *port, const struct addrinfo *hints, struct addrinfo **found) {
    int (*original)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        dlsym(RTLD_NEXT, "getaddrinfo");
    return original(getenv("ADDRESS"), port, hints, found);
}
"#;

/// Compiles the functions and lets the program use them. The C compiler is there, as Rust needs it for linking.
fn preload(cli: Cli, functions: &str) -> Cli {
    let cli = cli.file("functions.c", functions);
    let library: PathBuf = cli.dir().join("functions.so");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-w", "-o"])
        .args([&library, &cli.dir().join("functions.c")])
        .status()
        .expect("a C compiler");
    assert!(compiled.success(), "{compiled}");
    cli.env("LD_PRELOAD", library)
}

#[test]
fn without_locks_a_journal_and_the_queue_are_refused_with_what_to_change() {
    let server = Server::unasked();
    for (args, what, hint) in [
        (&["request", "--journal", "j", CHAT][..], "journal j", "name a journal on a local file system"),
        (&["receive"], "queue-127.0.0.1", "set XDG_STATE_HOME or HOME to a directory on a local file system"),
    ] {
        let cli = preload(Cli::on(&server), FLOCK).args(["--json"]).args(args);
        let error = json(&cli.exits(74).any_stderr().run().stderr)["error"].clone();
        let message = error["message"].as_str().expect("a message");
        assert!(message.starts_with("the file system does not support locks: cannot lock "), "{error}");
        assert!(message.contains(what) && message.contains("os error 95"), "{error}");
        assert_eq!((&error["code"], &error["hint"]), (&"output-failed".into(), &hint.into()));
    }
}

#[test]
fn without_locks_pictures_are_saved() {
    let server = Server::with(|seen| match method(seen) {
        "getAvatar" => ok(&format!(r#"{{"urlAvatar":"http://{}/1"}}"#, seen.header("host").expect("a host"))),
        _ => picture(JPEG),
    });
    let cli = preload(Cli::on(&server), FLOCK).args(["get", "--dir", "d", CHAT]);
    cli.stdout(format!("{CHAT}\tfound\td/{CHAT}.jpg\tnew\n")).run();
}

#[test]
fn a_picture_host_that_resolves_to_a_reserved_address_is_refused_and_can_be_allowed() {
    const HOST: &str = "pps.whatsapp.net";
    for address in ["198.18.0.1", "0.0.0.0", "127.0.0.1", "10.0.0.1", "::1"] {
        let service = Server::answering([ok(&format!(r#"{{"urlAvatar":"https://{HOST}/x.jpg"}}"#))]);
        let cli = preload(Cli::on(&service), GETADDRINFO).env("ADDRESS", address).args(["get", "--dir", "d", CHAT]);
        let refused = format!(
            "greenavatar: error: {CHAT}: picture URL rejected: {HOST} resolves to {address}, which is not a public address\n  \
             hint: a VPN or a blocking resolver may have answered; --allow-host {HOST} allows it\n"
        );
        cli.exits(76).stdout(format!("{CHAT}\tfailed\tbad-picture\n")).stderr(refused).run();
    }
    // With the option of the hint the picture is saved.
    let authority = Authority::new();
    let host = Server::tls(authority.server(HOST), Answer::status(200).body(JPEG)).times(1);
    let url = format!("https://{HOST}:{}/x.jpg", host.address().port());
    let service = Server::answering([ok(&format!(r#"{{"urlAvatar":"{url}"}}"#))]);
    let cli = preload(Cli::on(&service), GETADDRINFO).env("ADDRESS", "127.0.0.1").file("ca.pem", authority.pem());
    let cli = cli.args(["--cacert", "ca.pem", "get", "--allow-host", HOST, "--dir", "d", CHAT]);
    cli.stdout(format!("{CHAT}\tfound\td/{CHAT}.jpg\tnew\n")).run();
}
