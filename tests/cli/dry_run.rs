//! `--dry-run` prints the equivalent curl commands and sends nothing.

use crate::support::{CHAT, Cli, Server, json};

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

/// No result line is printed, so the error has the chat id.
#[test]
fn an_error_object_names_the_chat_id() {
    let list = format!("{CHAT}\nnonsense\n");
    let cli = Cli::request(&Server::unasked(), ["--dry-run", "--json", "--from", "list"]).file("list", list);
    let output = cli.exits(1).any_stdout().any_stderr().run();
    let error = &json(&output.stderr)["error"];
    assert_eq!((&error["code"], &error["message"]), (&"invalid-chat-id".into(), &"nonsense: not a chat id".into()));
}
