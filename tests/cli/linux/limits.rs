//! Limits on processes, and a limit on the size of files that only Linux counts this way.

use crate::result_pictures::{found, receive, service};
use crate::support::pictures::{JPEG, names, picture};
use crate::support::{Answer, CHAT, Cli, GROUP, Queue, Server, chat, in_parallel};

/// Runs a copy of the program with one process allowed, as another user if the tests run as root, who has no limit.
const NO_THREAD: &str = r#"chmod 755 .. . && cp "$0" ga || exit 99
case $(id -u) in
0) exec setpriv --reuid=65534 --clear-groups prlimit --nproc=1 ./ga "$@" ;;
*) exec prlimit --nproc=1 ./ga "$@" ;;
esac"#;

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
#[test]
fn with_few_threads_there_are_fewer_workers_but_every_chat_has_a_line() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let run = |limit: u32, server: &Server| {
        // No other test's, nor that of another run of this one at the same time.
        let user = 1_000_000 + 10 * std::process::id() + limit;
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
fn a_full_disk_leaves_the_notification_in_the_queue() {
    let queue = Queue::default();
    let server = service(&queue, |_| picture(&[JPEG, &[0; 4096]].concat()));
    let cli = Cli::on(&server);
    queue.push(found(CHAT, 1, &server.url(), "x.jpg"));
    let full = receive(&cli, []).shell(r#"ulimit -f 4; exec "$0" "$@""#).exits(74).stderr_has("cannot write d/").run();
    assert_eq!((full.stdout.as_str(), names(cli.dir().join("d"))), ("", vec![]));
    receive(&cli, []).stdout_has("new").run();
    assert_eq!(queue.deleted(), [1]);
}
