//! Help and manual pages: their length, headings, options and error codes.

use greenavatar::failure::Kind;

use crate::support::{Cli, Server};

const COMMANDS: [&str; 10] =
    ["get", "request", "contacts", "gallery", "receive", "listen", "doctor", "sandbox", "completions", "man"];

/// The commands that call the service.
const CLIENTS: [&str; 5] = ["get", "request", "contacts", "receive", "doctor"];

fn help(args: &[&str]) -> String {
    Cli::new().env("COLUMNS", "100").args(args).any_stdout().run().stdout
}

/// The lines that end in a colon and are not indented.
fn headings(help: &str) -> Vec<&str> {
    let is_heading = |line: &&str| !line.starts_with(' ') && line.ends_with(':') && line.len() < 30;
    help.lines().filter(is_heading).map(|line| line.trim_end_matches(':')).collect()
}

/// The lines below a heading.
fn section<'a>(help: &'a str, heading: &str) -> Vec<&'a str> {
    let mut lines = help.lines().skip_while(|line| line.strip_suffix(':') != Some(heading));
    lines.next();
    lines.take_while(|line| !line.is_empty()).collect()
}

#[test]
fn short_help_fits_on_a_screen() {
    for command in [""].into_iter().chain(COMMANDS) {
        let args: Vec<&str> = [command, "-h"].into_iter().filter(|arg| !arg.is_empty()).collect();
        let help = help(&args);
        assert!(help.lines().count() <= 40, "{command} -h has {} lines:\n{help}", help.lines().count());
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}

#[test]
fn commands_are_in_groups() {
    for args in [&["-h"][..], &["--help"], &["help"]] {
        let help = help(args);
        assert_eq!(headings(&help)[..3], ["Pictures", "Results of request", "Set-up"]);
        let names = |heading| -> Vec<&str> {
            section(&help, heading).iter().filter_map(|line| line.split_whitespace().next()).collect()
        };
        assert_eq!(names("Pictures"), ["get", "request", "contacts", "gallery"]);
        assert_eq!(names("Results of request"), ["receive", "listen"]);
        assert_eq!(names("Set-up"), ["doctor", "sandbox", "completions", "man"]);
        let definition = greenavatar::cli::Cli::definition();
        assert_eq!(definition.get_subcommands().map(|command| command.get_name()).collect::<Vec<_>>(), COMMANDS);
        // Aligned, and one line each on a terminal of 80 columns.
        let lines = ["Pictures", "Results of request", "Set-up"].map(|heading| section(&help, heading)).concat();
        assert!(lines.iter().all(|line| line.len() <= 80 && &line[13..15] == "  " && &line[15..16] != " "), "{help}");
    }
}

#[test]
fn the_headings_that_are_needed_first_come_first() {
    let get = help(&["get", "-h"]);
    let list = ["List", "Resume", "Pace", "Output", "Settings"];
    assert_eq!(headings(&get), [&["Arguments", "Save"][..], &list].concat());
    assert_eq!(headings(&help(&["request", "-h"])), [&["Arguments", "Results", "Save"][..], &list].concat());
    let whole = help(&["get", "--help"]);
    let end = ["Network", "Examples", "Changes", "Statuses", "Environment", "Files", "Exit status"];
    assert_eq!(headings(&whole), [&["Arguments", "Save"][..], &list, &end].concat());
}

#[test]
fn long_help_has_every_option_and_error_code() {
    for command in CLIENTS {
        let help = help(&[command, "--help"]);
        for option in ["--api-url", "--env-file", "--timeout", "--retries", "--cacert", "--color", "--insecure-http"] {
            assert!(help.contains(&format!("  {option}")), "{command} has {option}");
        }
        assert!(section(&help, "Examples").iter().any(|line| line.contains(&format!("greenavatar {command}"))));
        let rows = section(&help, "Exit status").join(" ");
        for kind in Kind::ALL {
            let words = rows.split(&format!("  {}  ", kind.exit())).nth(1).expect("a row");
            let words = words.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
            assert!(words.into_iter().any(|word| word == kind.code()), "{}: {rows}", kind.code());
        }
    }
    for option in ["--lenient", "--give-up-after", "--allow-host"] {
        assert!(help(&["get", "--help"]).contains(option) && !help(&["get", "-h"]).contains(option), "{option}");
    }
}

#[test]
fn options_without_effect_are_hidden() {
    for command in ["gallery", "completions", "man", "sandbox", "listen"] {
        let help = help(&[command, "--help"]);
        for option in ["--timeout", "--connect-timeout", "--retries", "--cacert", "--insecure-http", "--api-url"] {
            assert!(!help.contains(&format!("  {option}")), "{command} has {option}");
        }
        let kept = |option| help.contains(&format!("  {option} "));
        assert_eq!(kept("--id-instance"), command == "sandbox");
        assert_eq!(kept("--env-file"), command == "listen");
    }
}

#[test]
fn a_hidden_option_is_accepted() {
    let args = ["--timeout", "5s", "gallery", ".", "--retries", "0", "-q", "--env-file", "missing"];
    Cli::on(&Server::unasked()).args(args).run();
}

#[test]
fn help_says_where_credentials_and_exit_codes_are_explained() {
    for command in CLIENTS {
        let help = help(&[command, "-h"]);
        for words in ["https://console.green-api.com", "GREEN_API_TOKEN_INSTANCE", ".env", "docs/scripting.md"] {
            assert!(help.contains(words), "{command}: {words}");
        }
    }
}

#[test]
fn each_command_has_a_manual_page_with_its_help() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("pages");
    Cli::new().args(["man", "--dir"]).arg(&dir).run();
    for command in COMMANDS {
        let page = std::fs::read_to_string(dir.join(format!("greenavatar-{command}.1"))).expect(command);
        for heading in ["NAME", "SYNOPSIS", "ENVIRONMENT", "FILES", "EXIT STATUS", "SEE ALSO"] {
            assert_eq!(page.matches(&format!("\n.SH {heading}\n")).count(), 1, "{command}: {heading}");
        }
        assert!(page.matches("\n.SH NOTES\n").count() <= 1, "{command} has two sections of notes");
        assert!(page.contains(&format!("\n\\fBgreenavatar {command}\\fR ")), "{command} has a synopsis");
        assert!(page.contains("output\\-failed"), "{command} has the error codes");
    }
    let main = std::fs::read_to_string(dir.join("greenavatar.1")).expect("the main page");
    let cli = Cli::new().arg("man");
    let stdout = std::fs::File::create(cli.dir().join("page")).expect("a file");
    assert_eq!(main, cli.stdout_to(stdout).run().read("page"));
    assert!(COMMANDS.iter().all(|command| main.contains(&format!("greenavatar\\-{command}(1)"))));
    assert!(main.contains("API URL of the instance"), "options that -h leaves out have a text");
}

#[test]
fn help_names_the_method_that_a_command_calls() {
    for (command, method) in [
        ("request", "getAvatarAsync"),
        ("receive", "receiveNotification"),
        ("get", "getAvatar"),
        ("contacts", "getContacts"),
        ("doctor", "getStateInstance"),
    ] {
        assert!(help(&[command, "--help"]).contains(method), "{command} names {method}");
    }
}
