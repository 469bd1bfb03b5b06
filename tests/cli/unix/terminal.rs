//! What only a terminal gets: colours, progress and drawn pictures.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::thread::JoinHandle;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::support::queue::method;
use crate::support::{Answer, CHAT, Cli, GROUP, Queue, Server, chat, in_parallel};

/// A terminal, and a thread that reads what is written to it.
fn terminal() -> (File, JoinHandle<String>) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&master).expect("granted");
    unlockpt(&master).expect("unlocked");
    let name = ptsname(&master, Vec::new()).expect("a name");
    let name = OsStr::from_bytes(name.as_bytes());
    let slave = File::options().read(true).write(true).open(name).expect("the other side");
    let reader = std::thread::spawn(move || {
        let (mut master, mut output, mut piece) = (File::from(master), Vec::new(), [0; 4096]);
        // An error means that the other side is closed.
        while let Ok(got @ 1..) = master.read(&mut piece) {
            output.extend_from_slice(&piece[..got]);
        }
        String::from_utf8(output).expect("UTF-8")
    });
    (slave, reader)
}

/// What a run writes to a terminal as its standard output.
fn written(cli: Cli) -> String {
    let (slave, reader) = terminal();
    cli.stdout_to(slave).any_stderr().run();
    reader.join().expect("a reader")
}

#[test]
fn a_line_is_coloured_unless_no_color_or_color_forbids_it() {
    let server = Server::with(|_| Answer::status(200));
    let request = || Cli::request(&server, [CHAT]).env("TERM", "xterm");
    let (plain, coloured) = (format!("{CHAT}\taccepted\r\n"), format!("{CHAT}\t\u{1b}[32maccepted\u{1b}[0m\r\n"));
    assert_eq!(written(request()), coloured);
    assert_eq!(written(request().env("NO_COLOR", "")), coloured, "an empty one does not count");
    assert_eq!(written(request().env("NO_COLOR", "1")), plain);
    assert_eq!(written(request().args(["--color", "never"])), plain);
    assert_eq!(written(request().args(["--color", "always"]).env("NO_COLOR", "1")), coloured);
}

#[test]
fn help_is_coloured_by_the_same_rule() {
    let help = |color: &[&str]| written(Cli::new().env("TERM", "xterm").args(color).arg("--help"));
    assert!(help(&[]).contains("\u{1b}["));
    assert!(!help(&["--color", "never"]).contains("\u{1b}["));
    assert!(!help(&["--color=never"]).contains("\u{1b}["));
}

#[test]
fn a_picture_is_drawn_above_its_line() {
    let get = |term: &str| written(Cli::new().env("TERM", term).args(["--sandbox", "get", "--show", CHAT]));
    for (term, begins) in [("xterm-kitty", "\u{1b}_G"), ("xterm-256color", "\u{1b}[48;5;")] {
        let output = get(term);
        assert!(output.starts_with(begins), "{term}: {:?}", output.chars().take(40).collect::<String>());
        let line = output.lines().last().expect("a line");
        assert!(line.starts_with(CHAT) && line.contains("found"), "{term}: {line:?}");
    }
    assert!(get("dumb").starts_with(CHAT), "a terminal that shows none has the line");
    let args = ["--sandbox", "get", "--show"];
    let output = written(Cli::new().env("TERM", "xterm-kitty").args(args).args((0..6).map(chat)));
    let begins: Vec<_> =
        output.lines().map(|line| if line.starts_with("\u{1b}_G") { "picture" } else { "line" }).collect();
    assert_eq!(begins, ["picture", "line"].repeat(6), "{output:?}");
}

#[test]
fn a_sandbox_in_a_pipe_says_on_the_terminal_that_it_serves_in_the_foreground() {
    let serve = |stdout: &str| {
        let script = format!(
            r#"mkfifo fifo; "$0" sandbox --bind 127.0.0.1:0 2>&1 >{stdout} & [ {stdout} != fifo ] || head -n 3 fifo >lines
            until grep -q TOKEN lines; do sleep 0.02; done; kill $!; wait"#
        );
        written(Cli::new().shell(&script))
    };
    assert!(serve("fifo").contains(r#"eval "$(greenavatar sandbox --detach)""#));
    assert!(!serve("lines").contains("eval"));
}

/// What a run writes to a terminal as its standard error. `stdout` redirects its standard output.
fn progress(cli: Cli, stdout: &str) -> String {
    written(cli.env("TERM", "xterm").any_stdout().shell(&format!(r#"exec 3>&1; "$0" "$@" 2>&3 3>&- {stdout}"#)))
}

#[test]
fn a_bar_is_shown_unless_standard_output_is_a_pipe() {
    let list = || Cli::new().args(["--sandbox", "request", CHAT, GROUP, &chat(1)]);
    for stdout in ["", ">lines", ">/dev/null"] {
        assert!(progress(list(), stdout).contains("/3 "), "{stdout}");
    }
    let tally = "3 accepted\r\n";
    for (cli, stdout) in [
        (list(), "| cat >lines"),
        (list().arg("--no-progress"), ">lines"),
        (Cli::new().args(["--sandbox", "request", "--no-progress", CHAT, GROUP, &chat(1), "--json"]), ">lines"),
        (list().arg("-q"), ">lines"),
    ] {
        let output = progress(cli, stdout);
        assert!(!output.contains("/3 ") && !output.contains("\u{1b}[2K"), "{stdout}: {output:?}");
        assert!(output.is_empty() || output.contains(tally) || output.contains("tally"), "{output:?}");
    }
}

#[test]
fn the_bar_counts_repeated_entries_and_is_as_wide_as_it_needs() {
    let mut is_first = true;
    let server = Server::with(move |seen| match seen.chat() == GROUP && std::mem::take(&mut is_first) {
        true => Answer::status(503).header("Retry-After", "2"),
        false => Answer::status(200),
    });
    let (slave, reader) = terminal();
    rustix::termios::tcsetwinsize(
        &slave,
        rustix::termios::Winsize { ws_row: 24, ws_col: u16::MAX, ws_xpixel: 0, ws_ypixel: 0 },
    )
    .expect("a size");
    let cli = Cli::request(&server, ["--rate=0", CHAT, CHAT, CHAT, GROUP]).env("TERM", "xterm");
    cli.shell(r#"exec 2>&1 >lines; exec "$0" "$@""#).stdout_to(slave).any_stderr().run();
    let output = reader.join().expect("a reader");
    assert!(output.contains(" 3/4 ") && output.contains("retrying in 2 s: server error"), "{output:?}");
    assert!(output.len() < 20_000, "{}", output.len());
}

#[test]
fn a_wait_shows_what_it_waits_for() {
    let server = Server::answering([Answer::status(503).header("Retry-After", "2"), Answer::status(200)]);
    let output = progress(Cli::request(&server, [CHAT]), ">lines");
    assert!(output.contains("retrying in 2 s: server error"), "{output:?}");
    let server = Queue::default().serve_with(|_, _| Answer::status(200));
    let output = progress(Cli::request(&server, ["--wait=1500ms", CHAT]).exits(75), ">lines");
    assert!(output.contains("waiting for 1 result, 2 s left"), "{output:?}");
    // The line is removed before the error is printed.
    assert!(output.contains("\u{1b}[2Kgreenavatar: \u{1b}[1;31merror:"), "{output:?}");
    let server = Server::with(|seen| match method(seen) {
        "getAvatar" => {
            Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n").then_drip(r#"{"urlAvatar":"","x":"12345"}"#)
        }
        _ => Answer::status(404),
    });
    let output = progress(Cli::on(&server).args(["get", CHAT]).exits(76), ">lines");
    assert!(output.contains("waiting for GREEN-API's answer"), "{output:?}");
}

#[test]
fn a_slow_input_is_named() {
    in_parallel(
        [(["contacts", "--from"], "-"), (["contacts", "--from"], "pipe"), (["gallery", "--names"], "-")],
        |case| {
            let ([command, option], file) = case;
            let cli = Cli::new().args([command, option, file]).args((command == "gallery").then_some("."));
            assert!(
                std::process::Command::new("mkfifo").arg(cli.dir().join("pipe")).status().expect("it runs").success()
            );
            // The pipe has a writer for two seconds.
            let output = progress(cli, ">lines <pipe & sleep 2 >pipe; wait");
            let name = if file == "-" { "standard input" } else { file };
            assert!(output.contains(&format!("reading {name}")), "{command}: {output:?}");
            assert!(output.ends_with("\u{1b}[2K"), "{output:?}");
        },
    );
}

#[test]
fn a_request_says_on_the_terminal_that_the_picture_comes_later() {
    let later = "the picture is available later: --wait or `greenavatar receive` collects it";
    let request = |chat: &str| progress(Cli::new().args(["--sandbox", "request", chat]), ">lines || true");
    assert!(request(CHAT).contains(later));
    assert!(!request("11001234400@c.us").contains(later));
}
