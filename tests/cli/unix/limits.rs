//! Limits of the system: with few open files there are fewer workers or one error that names the limit, and a limit on
//! the size of files stands for a full disk.

use crate::listen::{address_of, listen, post};
use crate::receive::receive;
use crate::support::client::Client;
use crate::support::pictures::{JPEG, get, names, picture, picture_service};
use crate::support::queue::{calls, plain};
use crate::support::{Answer, CHAT, Cli, GROUP, Queue, Server, chat, in_parallel, jsons, sample};
use crate::wait::without_results;

#[test]
fn with_few_open_files_there_are_fewer_workers_or_one_error_that_names_the_limit() {
    let server = picture_service(|_| picture(JPEG));
    let list: String = (0..30).map(|n| chat(n) + "\n").collect();
    let run = |limit: u32| {
        let script = format!(r#"ulimit -n {limit}; exec "$0" "$@""#);
        let args = ["get", "--allow-host", "127.0.0.1", "--rate=0", "--concurrency=16", "--dir", "d", "--from", "list"];
        Cli::on(&server).args(args).file("list", &list).shell(&script).any_stdout().any_stderr()
    };
    for limit in [12, 16, 24] {
        let output = run(limit).run();
        assert_eq!(output.stdout.matches("\tnew").count(), 30, "{limit}: {}", output.stderr);
    }
    let requests = server.requests().len();
    let output = run(8).exits(78).stderr_has("may open only 8 files").run();
    assert_eq!((output.stdout.as_str(), server.requests().len()), ("", requests));
}

#[test]
fn each_command_names_a_limit_that_is_too_low_for_any_run() {
    let server = Server::unasked();
    in_parallel(["receive", "contacts", "doctor"], |command| {
        let cli = Cli::on(&server).args([command]).shell(r#"ulimit -n 5; exec "$0" "$@""#);
        cli.exits(78).stderr_has("`ulimit -n` shows it").run();
    });
}

#[test]
fn exceeding_the_limit_on_the_size_of_files_is_output_failed() {
    let server = Server::answering([Answer::status(200)]);
    let cli = Cli::request(&server, [CHAT]).shell(r#"ulimit -f 0; exec "$0" "$@" > out"#).exits(74);
    cli.stderr_has("greenavatar: error: ").stderr_has("standard output").run();
}

#[test]
fn a_full_disk_ends_the_run_and_the_next_one_finishes_it() {
    const CHATS: usize = 60;
    let list: String = (0..CHATS).map(|n| chat(n) + "\n").collect();
    let server = Server::with(|_| Answer::status(200));
    let args = ["request", "--rate", "0", "--concurrency", "4", "--journal", "j", "--from", "list"];
    let cli = Cli::on(&server).file("list", &list);
    // Limits files to eight blocks of 512 bytes.
    let full = cli.again().args(args).shell(r#"ulimit -f 8; exec "$0" "$@""#);
    let output = full.exits(74).any_stdout().stderr_has("greenavatar: error: ").run();
    let (kept, first) = (output.read("j"), server.requests().len());
    assert_eq!(output.stdout.lines().count(), first, "each result is printed, also if it could not be journaled");
    assert!(kept.len() <= 4096 && first < CHATS, "{} bytes, {first} requests", kept.len());
    cli.args(args).arg("-q").run();
    let requests = server.requests().len();
    assert!(requests <= CHATS + 5, "{requests} requests for {CHATS} chats");
}

#[test]
fn a_notification_that_cannot_be_spooled_is_not_deleted() {
    let queue = Queue::of([sample("device-info.json")]);
    let server = queue.serve();
    let full = r#"ulimit -f 0; exec "$0" "$@""#;
    receive(&server, ["--spool", "spool"]).shell(full).exits(74).stderr_has("spool").run();
    assert_eq!((queue.deleted(), queue.left()), (vec![], 1));
}

#[test]
fn a_full_disk_ends_the_run_and_leaves_no_half_picture() {
    for (size, blocks) in [(100 * 1024, 1), (600 * 1024, 600)] {
        let large = picture(&[JPEG, &vec![0; size]].concat());
        let server = picture_service(move |_| large.clone());
        let args = ["--json", "--rate=0", "--concurrency=1", "--dir", "d", CHAT, GROUP];
        let full = format!(r#"ulimit -f {blocks}; exec "$0" "$@""#);
        let cli = get(&server, args).file("d/other.jpg", "").shell(&full);
        let output = cli.exits(74).any_stdout().any_stderr().run();
        let lines = jsons(&output.stdout);
        assert_eq!((lines.len(), &lines[0]["error"]["code"]), (1, &"output-failed".into()));
        assert_eq!(names(output.path("d")), ["other.jpg"], "{size}");
        assert_eq!(calls(&server, ["getAvatar"]), [1], "nothing more is requested");
    }
}

#[test]
fn a_journal_on_a_full_disk_ends_the_run_before_a_result() {
    let server = without_results(&Queue::default());
    let args = ["--wait", "--rate", "0", "--concurrency", "4", "--journal", "j"];
    let full = r#"ulimit -f 8; exec "$0" "$@""#;
    let output =
        Cli::request(&server, args).args((0..200).map(chat)).shell(full).exits(74).any_stdout().any_stderr().run();
    let (requests, kept) = (calls(&server, ["getAvatarAsync"])[0], output.read("j").lines().count());
    assert!(kept < 60 && requests <= kept + 4, "{requests} requested, {kept} journaled");
    assert!(output.stderr.contains("the journal j cannot be written"), "{}", output.stderr);
}

#[test]
fn a_connection_that_cannot_be_accepted_is_reported() {
    let cli = listen(["--discard-foreign"]).shell(r#"ulimit -n 16; exec "$0" "$@""#).until_stopped();
    let running = cli.start();
    let address = address_of(&running);
    let clients: Vec<_> = (0..16).map(|_| Client::connect(address)).collect();
    let output = running.wait_for_stderr("cannot accept a connection");
    assert!(output.contains("ulimit -n"), "{output}");
    drop(clients);
    assert_eq!(post(address, &plain(1)), 200);
    running.stop();
}
