//! Limits of the system on processes and open files: fewer workers, or one error that names the limit.

use crate::support::pictures::{JPEG, picture, picture_service};
#[cfg(target_os = "linux")]
use crate::support::{Answer, CHAT, GROUP, Queue};
use crate::support::{Cli, Server, chat, in_parallel};

/// Runs a copy of the program with one process allowed, as another user if the tests run as root, who has no limit.
#[cfg(target_os = "linux")]
const NO_THREAD: &str = r#"chmod 755 .. . && cp "$0" ga || exit 99
case $(id -u) in
0) exec setpriv --reuid=65534 --clear-groups prlimit --nproc=1 ./ga "$@" ;;
*) exec prlimit --nproc=1 ./ga "$@" ;;
esac"#;

#[cfg(target_os = "linux")]
#[test]
fn without_threads_one_error_names_the_limit_and_nothing_is_sent() {
    let server = Server::unasked();
    let commands = [
        &["request", CHAT][..],
        &["request", "--wait", CHAT, GROUP],
        &["request", "-"],
        &["get", "--dir", "d", CHAT, GROUP],
        &["--sandbox", "get", CHAT],
        &["receive"],
        &["listen", "--bind", "127.0.0.1:0", "--discard-foreign"],
        &["contacts"],
        &["contacts", "--from", "-"],
        &["doctor"],
        &["sandbox", "--bind", "127.0.0.1:0"],
    ];
    in_parallel(commands, |command| {
        let output = Cli::on(&server).args(command).shell(NO_THREAD).exits(78).any_stderr().run();
        assert!(
            output.stderr.starts_with("greenavatar: error: cannot start a thread\n"),
            "{command:?}: {}",
            output.stderr
        );
        assert!(
            output.stderr.contains("`ulimit -u`") && output.stderr.matches("error:").count() == 1,
            "{}",
            output.stderr
        );
    });
}

/// Needs root, to run as a user without other processes: their threads would count as well.
#[cfg(target_os = "linux")]
#[test]
fn with_few_threads_there_are_fewer_workers_but_every_chat_has_a_line() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let run = |limit: u32, server: &Server| {
        let user = 54_320 + limit;
        let script = format!(
            r#"chmod 755 .. && chmod 777 . && cp "$0" ga || exit 99
            exec setpriv --reuid={user} --clear-groups prlimit --nproc={limit} env HOME="$PWD" ./ga "$@""#
        );
        let args = ["--wait=1s", "--rate=0", CHAT, GROUP, &chat(1), &chat(2)];
        Cli::request(server, args).shell(&script).any_stdout().any_stderr()
    };
    for limit in [2, 3] {
        run(limit, &Server::unasked()).exits(78).stdout("").run();
    }
    // The main thread, the signal thread, the collector, and one worker or more.
    for limit in [4, 5] {
        let server = Queue::default().serve_with(|_, _| Answer::status(200));
        let output = run(limit, &server).exits(1).run();
        assert_eq!(output.stdout.matches("\ttimed-out").count(), 4, "{limit}: {}", output.stdout);
    }
}

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
