//! What is for a terminal alone: colours, and pictures that are drawn there.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::thread::JoinHandle;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::support::{Answer, CHAT, Cli, Server, chat};

/// A terminal for standard output, and what will have been written to it.
fn terminal() -> (File, JoinHandle<String>) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&master).expect("granted");
    unlockpt(&master).expect("unlocked");
    let name = ptsname(&master, Vec::new()).expect("a name");
    let name = OsStr::from_bytes(name.as_bytes());
    let slave = File::options().read(true).write(true).open(name).expect("the other side");
    let reader = std::thread::spawn(move || {
        let (mut master, mut said, mut piece) = (File::from(master), Vec::new(), [0; 4096]);
        // An error is its end: nobody has the other side open any more.
        while let Ok(got @ 1..) = master.read(&mut piece) {
            said.extend_from_slice(&piece[..got]);
        }
        String::from_utf8(said).expect("UTF-8")
    });
    (slave, reader)
}

/// What a run writes to its terminal.
fn written(cli: Cli) -> String {
    let (slave, reader) = terminal();
    cli.stdout_to(slave).any_stderr().run();
    reader.join().expect("a reader")
}

#[test]
fn a_line_is_coloured_unless_that_is_not_wanted() {
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
        let said = get(term);
        assert!(said.starts_with(begins), "{term}: {:?}", said.chars().take(40).collect::<String>());
        let line = said.lines().last().expect("a line");
        assert!(line.starts_with(CHAT) && line.contains("found"), "{term}: {line:?}");
    }
    assert!(get("dumb").starts_with(CHAT), "a terminal that shows none has the line");
    let args = ["--sandbox", "get", "--show"];
    let said = written(Cli::new().env("TERM", "xterm-kitty").args(args).args((0..6).map(chat)));
    let begins: Vec<_> =
        said.lines().map(|line| if line.starts_with("\u{1b}_G") { "picture" } else { "line" }).collect();
    assert_eq!(begins, ["picture", "line"].repeat(6), "{said:?}");
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
