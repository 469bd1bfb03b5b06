//! Runs that would read and write one file, or write it twice, are refused before anything is sent.

use std::fs::{File, OpenOptions};

use crate::support::{CHAT, Cli, Server, json};

/// Checks that the run is refused, that the message has both names, and that the file is unchanged.
#[track_caller]
pub fn assert_refused(cli: Cli, names: [&str; 2], content: Option<&str>) {
    let output = cli.exits(78).any_stderr().run();
    let error = json(&output.stderr)["error"].clone();
    assert_eq!(error["code"], "bad-settings", "{error}");
    let message = error["message"].as_str().expect("a message");
    assert!(names.iter().all(|name| message.contains(name)) && message.contains("the same file"), "{message}");
    assert_eq!(std::fs::read_to_string(output.path("f")).ok().as_deref(), content);
}

pub fn request(args: &[&str]) -> Cli {
    Cli::request(&Server::unasked(), ["--json"]).args(args)
}

#[test]
fn two_names_of_one_file_are_refused() {
    let list = format!("{CHAT}\n");
    let with_list = |args: &[&str]| request(args).file("f", &list);
    assert_refused(with_list(&["--from", "f", "--journal", "f"]), ["list f", "journal f"], Some(&list));
    assert_refused(with_list(&["--from", "f", "--journal", "./f"]), ["list f", "journal ./f"], Some(&list));
    assert_refused(with_list(&["--from", "f", "--wait", "--spool", "f"]), ["list f", "spool f"], Some(&list));
    // The file does not exist yet.
    let cli = request(&[CHAT, "--wait", "--journal", "f", "--spool", "./f"]);
    assert_refused(cli, ["journal f", "spool ./f"], None);
    let get = |args: &[&str]| Cli::on(&Server::unasked()).args(["get", "--json", CHAT]).args(args);
    assert_refused(get(&["-o", "f", "--journal", "f"]), ["picture f", "journal f"], None);
}

#[test]
fn a_page_is_not_written_over_its_list_of_names() {
    let list = format!("{CHAT}\tAda\n");
    let cli = Cli::new().args(["gallery", "--json", ".", "--names", "f", "-o", "./f"]).file("f", &list);
    assert_refused(cli, ["list f", "page ./f"], Some(&list));
}

#[test]
fn another_name_is_the_same_file() {
    let cli = request(&["--from", "f", "--journal", "hard"]).file("f", CHAT);
    std::fs::hard_link(cli.dir().join("f"), cli.dir().join("hard")).expect("a link");
    assert_refused(cli, ["list f", "journal hard"], Some(CHAT));
}

#[test]
fn standard_output_and_input_are_files_too() {
    let append = |cli: &Cli| -> File {
        OpenOptions::new().append(true).create(true).open(cli.dir().join("f")).expect("it opens")
    };
    for (args, what) in [
        (&["--from", "f"][..], "list f"),
        (&["--journal", "f", CHAT], "journal f"),
        (&["--wait", "--spool", "f", CHAT], "spool f"),
    ] {
        let cli = request(args).file("f", CHAT);
        let stdout = append(&cli);
        assert_refused(cli.stdout_to(stdout), [what, "standard output"], Some(CHAT));
    }
    let cli = request(&["-"]).file("f", CHAT);
    let (stdin, stdout) = (File::open(cli.dir().join("f")).expect("it opens"), append(&cli));
    assert_refused(cli.stdin_from(stdin).stdout_to(stdout), ["standard input", "standard output"], Some(CHAT));
    for command in ["receive", "listen"] {
        let cli = Cli::on(&Server::unasked()).args(["--json", command, "--spool", "f"]).file("f", "");
        let stdout = append(&cli);
        assert_refused(cli.stdout_to(stdout), ["spool f", "standard output"], Some(""));
    }
}
