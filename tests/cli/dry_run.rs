//! `--dry-run` prints the equivalent curl commands and sends nothing.

use crate::support::{Answer, CHAT, Cli, GROUP, INSTANCE, Request, Server, TOKEN};

/// The method, path, content type and body of each request.
fn requests(server: &Server) -> Vec<(String, String, Option<String>, String)> {
    let of = |name: &str, request: &Request| request.header(name).map(str::to_owned);
    server
        .requests()
        .iter()
        .map(|request| {
            (request.method.clone(), request.path.clone(), of("content-type", request), request.body.clone())
        })
        .collect()
}

#[cfg(unix)]
#[test]
fn the_printed_command_sends_the_same_request() {
    for id in [CHAT, GROUP, "11001234567-1586700802@g.us"] {
        let server = Server::with(|_| Answer::status(200)).times(2);
        let printed = Cli::request(&server, ["--dry-run", id]).any_stdout().run().stdout;
        assert_eq!(server.requests().len(), 0, "a dry run sends nothing");
        assert_eq!(printed.lines().count(), 1, "{printed}");
        assert!(
            printed.starts_with("curl ") && printed.contains("\"$GREEN_API_TOKEN_INSTANCE\"")
                || printed.contains("$GREEN_API_TOKEN_INSTANCE\""),
            "{printed}"
        );
        let script = format!("{}\n", printed.trim_end());
        Cli::new().env("GREEN_API_TOKEN_INSTANCE", TOKEN).shell(&script).any_stdout().run();
        Cli::request(&server, [id]).stdout(format!("{id}\taccepted\n")).run();
        let requests = requests(&server);
        assert_eq!(requests[0], requests[1]);
        assert_eq!(requests[0].1, format!("/waInstance{INSTANCE}/getAvatarAsync/{TOKEN}"));
    }
}

#[cfg(unix)]
#[test]
fn each_chat_has_its_command() {
    let server = Server::with(|_| Answer::status(200)).times(2);
    let printed = Cli::request(&server, ["--dry-run", CHAT, GROUP]).any_stdout().any_stderr().run().stdout;
    Cli::new().env("GREEN_API_TOKEN_INSTANCE", TOKEN).shell(&printed).any_stdout().run();
    assert_eq!(server.chats(), [CHAT, GROUP]);
}

#[test]
fn an_invalid_chat_id_has_no_command() {
    let server = Server::unasked();
    for odd in ["nonsense", "'; rm -rf x; '@c.us", "11001234567@c.us'", "$(x)@g.us"] {
        let output = Cli::request(&server, ["--dry-run", odd]).exits(65).any_stdout().any_stderr().run();
        assert!(!output.stdout.contains("curl"), "{}", output.stdout);
    }
}

#[test]
fn a_dry_run_does_not_create_the_journal() {
    let server = Server::unasked();
    let cli = Cli::request(&server, ["--dry-run", "--journal", "j", CHAT]);
    let path = cli.dir().join("j");
    cli.any_stdout().run();
    assert!(!path.exists());
}
