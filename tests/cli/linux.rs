//! What only Linux has: /dev/full, small pipes, `setsid`, `prlimit`, LD_PRELOAD, and what the program reads in /proc.

mod limits;
#[cfg(target_env = "gnu")]
mod preload;

use std::io::{PipeReader, PipeWriter, Read};
use std::time::Duration;

use rustix::io::ioctl_fionbio;

use crate::listen::{address_of, listen};
use crate::support::client::Client;
use crate::support::pictures::{JPEG, get, picture, picture_service};
use crate::support::queue::{Queue, plain};
use crate::support::system::{SIGNALS, full_disk};
use crate::support::{Answer, CHAT, Cli, Gate, Server, chat, in_parallel, json, jsons, sample};

#[test]
fn help_that_cannot_be_written_is_output_failed() {
    for words in [&["--help"][..], &["--version"], &["help"], &["request", "--help"]] {
        Cli::new().args(words).stdout_to(full_disk()).exits(74).stderr_has("cannot be written").run();
    }
}

#[test]
fn a_full_disk_is_output_failed() {
    let server = Server::answering([Answer::status(200)]);
    let cli = Cli::request(&server, [CHAT]).stdout_to(full_disk()).exits(74);
    cli.stderr_has("greenavatar: error: ").stderr_has("standard output").run();
    let server = Server::answering([Answer::status(200)]);
    let output = Cli::request(&server, ["--json", CHAT]).stdout_to(full_disk()).exits(74).any_stderr().run();
    assert_eq!(json(&output.stderr)["error"]["code"], "output-failed");
    let server = picture_service(|_| picture(JPEG));
    get(&server, ["-o", "-", CHAT]).stdout_to(full_disk()).exits(74).any_stderr().run();
}

#[test]
fn a_full_disk_ends_a_list() {
    let server = Server::with(|_| Answer::status(200));
    let args = ["--json", "--concurrency", "1", "--rate", "0"];
    let cli = Cli::request(&server, args).args((0..200).map(chat)).stdout_to(full_disk());
    let output = cli.exits(74).any_stderr().run();
    assert!(jsons(&output.stderr).iter().any(|line| line["error"]["code"] == "output-failed"), "{}", output.stderr);
    assert!(server.requests().len() < 20, "{} requests", server.requests().len());
}

#[test]
fn a_notification_that_cannot_be_written_is_not_deleted() {
    let queue = Queue::of([plain(1)]);
    let server = queue.serve();
    let receive = |server: &Server| Cli::on(server).args(["receive", "--json"]).exits(74).any_stderr();
    let output = receive(&server).stdout_to(full_disk()).run();
    assert_eq!(json(&output.stderr)["error"]["code"], "output-failed");
    assert_eq!((queue.deleted(), queue.left()), (vec![], 1));
    let queue = Queue::of([sample("device-info.json")]);
    let server = queue.serve();
    receive(&server).args(["--spool", "/dev/full"]).stderr_has("/dev/full").run();
    assert_eq!((queue.deleted(), queue.left()), (vec![], 1));
}

#[test]
fn a_result_that_cannot_be_written_is_not_deleted() {
    let queue = Queue::default();
    let server = crate::wait::with_results(&queue);
    Cli::request(&server, ["--wait", CHAT]).stdout_to(full_disk()).exits(74).any_stderr().run();
    assert_eq!((queue.deleted(), queue.left()), (vec![], 1));
}

#[test]
fn a_notification_that_cannot_be_written_is_not_acknowledged() {
    let running = listen(["--discard-foreign"]).stdout_to(full_disk()).exits(74).start();
    let answer = Client::connect(address_of(&running)).post("/", "", &plain(1));
    assert_ne!(answer, Some(200));
    let output = running.finish();
    assert!(output.stderr.contains("output-failed"), "{}", output.stderr);
    assert!(output.stderr.contains(r#""printed":0,"refused":0,"#), "{}", output.stderr);
    let running = listen(["--spool", "/dev/full"]).exits(74).start();
    let answer = Client::connect(address_of(&running)).post("/", "", &sample("device-info.json"));
    assert_ne!(answer, Some(200));
    let output = running.finish();
    assert!(output.stderr.contains("/dev/full") && output.stderr.contains(r#""spooled":0"#), "{}", output.stderr);
}

/// The program learns from /proc that the signal was ignored.
#[test]
fn a_signal_that_the_parent_ignores_stays_ignored() {
    in_parallel(SIGNALS, |(signal, _)| {
        let gate = Gate::default();
        let held = gate.clone();
        let server = Server::with(move |_| Answer::status(200).held(&held)).times(1).opening(&gate);
        let script = r#"trap '' INT TERM; exec "$0" "$@""#;
        let running = Cli::request(&server, [CHAT]).shell(script).stdout(format!("{CHAT}\taccepted\n")).start();
        server.wait_for(1);
        running.signal(signal);
        gate.open();
        running.finish();
    });
}

/// The program learns from /proc that bash forked once more for the redirection.
#[test]
fn eval_gets_the_lines_of_a_command_with_a_redirection() {
    for lines in [
        r#"eval "$(env "$0" sandbox --detach 2>/dev/null)""#,
        r#"lines=$("$0" sandbox --detach 2>&1); eval "$(echo "$lines" | grep export)""#,
    ] {
        let script = format!(r#"exec bash -c '{lines}; sleep 0.5; "$0" request "$1"' "$0" "$1""#);
        Cli::new().arg(CHAT).shell(&script).stdout(format!("{CHAT}\taccepted\n")).any_stderr().run();
    }
}

/// A small pipe in non-blocking mode: a write fails while the pipe is full.
fn non_blocking_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).expect("a small pipe");
    ioctl_fionbio(&writer, true).expect("a pipe that does not wait");
    (reader, writer)
}

/// Reads everything, more slowly than the program writes.
fn read_slowly(mut reader: PipeReader) -> String {
    let (mut text, mut piece) = (Vec::new(), [0; 512]);
    while let Ok(got @ 1..) = reader.read(&mut piece) {
        text.extend_from_slice(&piece[..got]);
        std::thread::sleep(Duration::from_millis(1));
    }
    String::from_utf8(text).expect("UTF-8")
}

#[test]
fn a_stream_in_non_blocking_mode_loses_nothing() {
    let server = Server::with(|_| Answer::status(400).body("bad request data")).times(600);
    let args = ["--rate", "0", "--concurrency", "4"];
    let (reader, writer) = non_blocking_pipe();
    let cli = Cli::request(&server, args).arg("--json").args((0..200).map(chat));
    let running = cli.stdout_to(writer).exits(1).any_stderr().start();
    assert_eq!(jsons(&read_slowly(reader)).len(), 200);
    running.finish();
    for stream in ["2>&1 > lines", "2>&1"] {
        let (reader, writer) = non_blocking_pipe();
        let cli = Cli::request(&server, args).args((0..200).map(chat)).stdout_to(writer);
        let running = cli.shell(&format!(r#"exec "$0" "$@" {stream}"#)).exits(1).start();
        let text = read_slowly(reader);
        let errors = text.lines().filter(|line| line.starts_with("greenavatar: error: 1100")).count();
        let lines = text.lines().filter(|line| line.ends_with("\tfailed\tbad-request-data")).count();
        assert_eq!((errors, lines), (200, if stream == "2>&1" { 200 } else { 0 }), "{text}");
        running.finish();
    }
}

#[test]
fn a_signal_for_its_group_reaches_the_command_once_and_the_exit_status_is_the_commands() {
    let script = r#"setsid "$0" sandbox -- sh -c 'trap "n=1\$n" TERM; : >ready; until [ -n "$n" ]; do sleep 0.02; done; sleep 0.05; echo $n; exit 5' &
        until [ -e ready ]; do sleep 0.02; done
        kill -TERM -$!
        wait $!; echo "status $?""#;
    Cli::new().shell(script).stdout("1\nstatus 5\n").any_stderr().run();
}
