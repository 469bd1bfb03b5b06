//! SIGINT and SIGTERM: requests in flight finish, known results are written, and the process dies by the signal.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::net::{AddressFamily, SocketType};
use rustix::process::Signal;

use crate::result_pictures::found;
use crate::support::pictures::{JPEG, picture, picture_service};
use crate::support::queue::{method, now};
use crate::support::system::SIGNALS;
use crate::support::{Answer, CHAT, Cli, GROUP, Gate, Output, Queue, Running, Server, chat, in_parallel, json, jsons};

/// A service that holds its answers until the gate opens. Only the group is answered at once, by a failure to retry in
/// 30 seconds: the program prints its line as soon as it has noticed a signal.
fn holding(gate: &Gate) -> Server {
    let held = gate.clone();
    let server = Server::with(move |seen| match seen.chat() == GROUP {
        true => Answer::status(503).header("Retry-After", "30"),
        false => Answer::status(200).held(&held),
    });
    server.opening(gate)
}

#[test]
fn requests_in_flight_finish_before_the_process_dies() {
    in_parallel(SIGNALS, |(signal, number)| {
        let gate = Gate::default();
        let server = holding(&gate).times(2);
        let lines = format!("{GROUP}\tfailed\tserver-error\n{CHAT}\taccepted\n");
        let cli = Cli::request(&server, ["--rate=0", GROUP, CHAT]).stdout(lines).any_stderr();
        let running = cli.dies(number).start();
        server.wait_for(2);
        running.signal(signal);
        running.wait_for_lines(1);
        gate.open();
        running.finish();
    });
}

#[test]
fn a_second_signal_of_either_kind_ends_the_run_at_once() {
    let others = [(Signal::TERM, (Signal::INT, 2)), (Signal::INT, (Signal::TERM, 15))];
    in_parallel(SIGNALS.map(|both| (both.0, both)).into_iter().chain(others), |(first, (signal, number))| {
        let gate = Gate::default();
        let server = holding(&gate).times(2);
        let cli = Cli::request(&server, ["--rate=0", GROUP, CHAT]).any_stdout().any_stderr();
        let mut running = cli.dies(number).start();
        server.wait_for(2);
        running.signal(first);
        running.wait_for_lines(1);
        assert!(running.is_running(), "the first signal lets the request go on");
        let second = Instant::now();
        running.signal(signal);
        running.finish();
        assert!(second.elapsed() < Duration::from_secs(1), "{:?}", second.elapsed());
    });
}

#[test]
fn a_wait_for_another_attempt_ends_with_the_signal() {
    let cases = [(Signal::INT, 2, 503, "server-error"), (Signal::TERM, 15, 429, "too-many-requests")];
    in_parallel(cases, |(signal, number, status, code)| {
        let server = Server::always(Answer::status(status).header("Retry-After", "30")).times(1);
        let running = Cli::request(&server, ["-v", "--json", CHAT]).dies(number).any_stdout().any_stderr().start();
        running.wait_for_stderr(&format!("< {status}"));
        let began = Instant::now();
        running.signal(signal);
        let output = running.finish();
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        let line = json(&output.stdout);
        assert_eq!(line["status"], "failed", "its result is written");
        assert_eq!(line["error"]["code"], code, "and it is the last answer of the service");
    });
}

#[test]
fn no_further_chat_is_requested_after_the_signal() {
    let gate = Gate::default();
    let server = holding(&gate).times(3);
    let args = ["--concurrency", "3", "--rate", "0", GROUP];
    let running = Cli::request(&server, args).args((0..50).map(chat)).dies(2).any_stdout().any_stderr().start();
    server.wait_for(3);
    running.signal(Signal::INT);
    running.wait_for_lines(1);
    gate.open();
    let output = running.finish();
    assert_eq!(output.stdout.lines().count(), 3, "{}", output.stdout);
    assert!(output.stderr.contains("48"), "the tally says how many were not tried: {}", output.stderr);
}

#[test]
fn a_wait_for_a_list_ends_with_the_signal() {
    in_parallel(SIGNALS, |(signal, number)| {
        let server = Server::answering([Answer::status(200)]);
        let cli = Cli::request(&server, ["-"]).stdout(format!("{CHAT}\taccepted\n")).any_stderr().dies(number);
        let mut running = cli.start();
        running.write_stdin(format!("{CHAT}\n"));
        running.wait_for_lines(1);
        let began = Instant::now();
        running.signal(signal);
        // Standard input stays open: only the signal can end the run.
        while running.is_running() && began.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        running.finish();
    });
}

#[test]
fn a_wait_for_the_rate_ends_with_the_signal() {
    let server = Server::always(Answer::status(200)).times(1);
    let args = ["--rate", "0.05", &chat(1), &chat(2)];
    let running = Cli::request(&server, args).dies(2).any_stdout().any_stderr().start();
    running.wait_for_lines(1);
    let began = Instant::now();
    running.signal(Signal::INT);
    running.finish();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn the_journal_is_whole_after_a_signal() {
    let server = Server::with(|_| Answer::status(200));
    let cli = Cli::request(&server, ["--rate", "0", "--journal", "j", "-"]).any_stdout().any_stderr().dies(15);
    let again = cli.again();
    let list: String = (0..2000).map(|n| chat(n) + "\n").collect();
    let mut running = cli.start();
    running.write_stdin(&list);
    server.wait_for(20);
    running.signal(Signal::TERM);
    let output = running.finish();
    let journal = output.read("j");
    assert!(journal.ends_with('\n'));
    assert_eq!(journal.lines().count(), server.requests().len(), "every answer is in it");
    again.args(["request", "-q", "--rate", "0", "--journal", "j", "-"]).stdin(list).run();
    assert_eq!(server.requests().len(), 2000, "no chat is requested twice");
}

#[test]
fn a_shell_loop_stops_at_the_signal() {
    const BASH: &str = "/bin/bash";
    if !std::path::Path::new(BASH).exists() {
        return;
    }
    // At Ctrl-C bash ends its loop only if the child died by the signal, too.
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::with(move |_| Answer::status(200).held(&held)).times(1).opening(&gate);
    let script = r#"for i in 1 2 3; do "$0" "$@"; echo "after $?"; done"#;
    let running = Cli::request(&server, ["-q", CHAT]).script(BASH, script).dies(2).start();
    server.wait_for(1);
    running.signal_all(Signal::INT);
    gate.open();
    running.finish();
}

/// A listener whose queue of connections is full, so that a new connection gets no answer.
fn full_listener() -> (OwnedFd, Vec<TcpStream>, SocketAddr) {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("bound");
    rustix::net::listen(&socket, 0).expect("it listens");
    let address = rustix::net::getsockname(&socket).expect("an address");
    let address = SocketAddr::try_from(address).expect("an internet address");
    let is_taken = |_| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
    let taken = std::iter::repeat(()).map_while(is_taken).collect();
    (socket, taken, address)
}

/// Checks that the run ends about five seconds after the signal.
fn ends_at_the_cut_off(running: Running, signal: Signal) -> Output {
    let began = Instant::now();
    running.signal(signal);
    let output = running.finish();
    let took = began.elapsed();
    assert!(took > Duration::from_millis(4_500) && took < Duration::from_secs(7), "{took:?}");
    output
}

#[test]
fn a_connect_that_is_stuck_ends_at_the_cut_off() {
    let (_socket, _taken, address) = full_listener();
    in_parallel(SIGNALS, |(signal, number)| {
        let cli = Cli::at(&format!("http://{address}")).args(["request", "-v", "--json", "--connect-timeout", "60s"]);
        let running = cli.arg(CHAT).dies(number).any_stdout().any_stderr().start();
        running.wait_for_stderr("> POST");
        let line = json(&ends_at_the_cut_off(running, signal).stdout);
        assert_eq!((&line["chatId"], &line["status"]), (&CHAT.into(), &"failed".into()));
        assert_eq!(line["error"]["code"], "timeout");
    });
}

#[test]
fn an_answer_that_the_cut_off_ends_is_not_a_success() {
    let answers = [
        ("request", "HTTP/1.1 200 OK\r\n"),
        // Without a length, the end of the connection looks like the end of the body.
        ("request", "HTTP/1.1 200 OK\r\n\r\n"),
        ("get", "HTTP/1.1 200 OK\r\n\r\n{\"urlAvatar\":\"\",\"available\":true}"),
    ];
    in_parallel(answers, |(command, answer)| {
        let server = Server::always(Answer::raw(answer).then_silence()).times(1);
        let running = Cli::on(&server).args([command, "--json", CHAT]).dies(15).any_stdout().any_stderr().start();
        server.wait_for(1);
        let line = json(&ends_at_the_cut_off(running, Signal::TERM).stdout);
        assert_eq!((&line["status"], &line["error"]["code"]), (&"failed".into(), &"timeout".into()));
    });
}

#[test]
fn a_list_reports_what_is_in_flight_at_the_cut_off() {
    let server = Server::with(|_| Answer::raw("").then_silence()).times(3);
    let args = ["--json", "--rate", "0", "--concurrency", "3", "--journal", "j"];
    let running = Cli::request(&server, args).args((0..9).map(chat)).dies(15).any_stdout().any_stderr().start();
    server.wait_for(3);
    let output = ends_at_the_cut_off(running, Signal::TERM);
    let mut chats: Vec<_> = jsons(&output.stdout).iter().map(|line| line["chatId"].to_string()).collect();
    chats.sort();
    assert_eq!(chats, [0, 1, 2].map(|n| format!("\"{}\"", chat(n))));
    assert!(output.stderr.contains(r#""notTried":6"#), "{}", output.stderr);
}

/// Checks that a run that blocks outside of a request ends soon after the cut-off.
fn ends_soon_after_the_cut_off(mut running: Running) {
    let began = Instant::now();
    running.signal(Signal::TERM);
    while running.is_running() && began.elapsed() < Duration::from_secs(9) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    running.finish();
}

fn make_fifo(cli: &Cli) {
    let path = cli.dir().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo runs").success());
}

#[test]
fn a_pipe_that_stays_empty_does_not_hold_up_the_end() {
    in_parallel([["--from", "fifo", "-v"], ["--env-file", "fifo", CHAT]], |words| {
        let cli = Cli::request(&Server::unasked(), words).dies(15).any_stdout().any_stderr();
        make_fifo(&cli);
        let fifo = cli.dir().join("fifo");
        let mut running = cli.start();
        // Fails until the program has opened the pipe.
        let open = || rustix::fs::open(&fifo, OFlags::WRONLY | OFlags::NONBLOCK, rustix::fs::Mode::empty());
        let _writer = loop {
            assert!(running.is_running());
            match open() {
                Ok(writer) => break writer,
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        ends_soon_after_the_cut_off(running);
    });
}

#[test]
fn a_pipe_without_a_reader_does_not_hold_up_the_end() {
    let server = picture_service(|_| picture(JPEG));
    let cli = Cli::on(&server).args(["get", "--allow-host", "127.0.0.1", "-o", "fifo", CHAT]).dies(15);
    make_fifo(&cli);
    let running = cli.any_stdout().any_stderr().start();
    server.wait_for(2);
    ends_soon_after_the_cut_off(running);

    let (reader, writer) = std::io::pipe().expect("a pipe");
    rustix::fs::fcntl_setfl(&writer, OFlags::NONBLOCK).expect("set");
    while (&writer).write(&[b'x'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&writer, OFlags::empty()).expect("set");
    let server = Server::always(Answer::status(200)).times(1);
    let running = Cli::request(&server, [CHAT]).stdout_to(writer).dies(15).any_stdout().any_stderr().start();
    server.wait_for(1);
    ends_soon_after_the_cut_off(running);
    drop(reader);
}

#[test]
fn every_chat_that_is_waited_for_has_its_line_at_the_cut_off() {
    // The call that gets no answer, how it is shown, and the status of the first chat.
    let cases = [
        ("p.jpg", "> GET {}/p.jpg", "timed-out"),
        ("deleteNotification", "> DELETE {}/", "found"),
        ("getAvatar", "/getAvatar/", "failed"),
    ];
    in_parallel(cases, |(stuck, shown, status)| {
        let queue = Queue::default();
        let server = Server::with(move |seen| match seen.path.ends_with(stuck) || method(seen) == stuck {
            true => Answer::raw("").then_silence(),
            false if seen.path.ends_with("p.jpg") => picture(JPEG),
            false if method(seen) == "getAvatarAsync" => {
                if stuck != "getAvatar" && seen.chat() == chat(1) {
                    let host = format!("http://{}", seen.header("host").expect("a host"));
                    queue.push(found(&seen.chat(), now(), &host, "p.jpg"));
                }
                Answer::status(200)
            }
            false => queue.answer(seen).expect("a queue's method"),
        });
        let wait = if stuck == "getAvatar" { "--wait=1s" } else { "--wait=60s" };
        let args = ["-v", "--rate=0", "--concurrency=1", wait, "--fallback", "--dir=d", "--json", &chat(1), &chat(2)];
        let running = Cli::request(&server, args).dies(15).any_stdout().any_stderr().start();
        running.wait_for_stderr(&shown.replace("{}", &server.url()));
        let output = ends_at_the_cut_off(running, Signal::TERM);
        let lines = jsons(&output.stdout);
        let mut lines: Vec<_> = lines.iter().map(|line| (&line["chatId"], &line["status"])).collect();
        lines.sort_by_key(|line| line.0.to_string());
        let (first, second) = (chat(1).into(), chat(2).into());
        assert_eq!(lines, [(&first, &status.into()), (&second, &"timed-out".into())], "{stuck}");
    });
}

#[test]
fn chats_that_wait_for_a_fallback_at_a_signal_have_a_line() {
    let gate = Gate::default();
    let held = gate.clone();
    let mut fallbacks = 0;
    let server = Queue::default().serve_with(move |seen, _| {
        fallbacks += usize::from(method(seen) == "getAvatar");
        match (method(seen), fallbacks) {
            ("getAvatar", 1) => Answer::status(503).header("Retry-After", "30"),
            // Takes over a second: then no other chat waits for its result any more.
            ("getAvatar", 2) => {
                Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n").then_drip(r#"{"urlAvatar":"","x":"12"}"#)
            }
            ("getAvatar", _) => Answer::status(200).body(r#"{"urlAvatar":""}"#).held(&held),
            _ => Answer::status(200),
        }
    });
    let server = server.opening(&gate);
    let args = ["--rate=0", "--concurrency=2", "--wait=200ms", "--fallback"];
    let cli = Cli::request(&server, args).args((0..9).map(chat)).dies(15).any_stdout().any_stderr();
    let running = cli.start();
    running.wait_for_lines(1);
    running.signal(Signal::TERM);
    // The line of the chat that was to be asked for again in 30 seconds: the signal was noticed.
    running.wait_for_lines(2);
    gate.open();
    let stdout = running.finish().stdout;
    assert!((0..9).all(|n| stdout.matches(&chat(n)).count() == 1), "{stdout}");
}

#[test]
fn a_long_wait_is_reported_to_its_last_chat_at_the_cut_off() {
    let queue = Queue::default();
    let server = queue.serve_with(|seen, _| match seen.chat() == GROUP {
        true => Answer::raw("").then_silence(),
        false => Answer::status(200),
    });
    let list: String = (0..3000).map(|n| chat(n) + "\n").chain([GROUP.to_owned()]).collect();
    let args = ["-v", "--rate=0", "--wait=60s", "--journal=j", "--from=list"];
    let cli = Cli::request(&server, args).file("list", list).dies(15).any_stdout().any_stderr();
    let running = cli.start();
    running.wait_for_stderr(&format!(r#"{{"chatId":"{GROUP}"}}"#));
    let output = ends_at_the_cut_off(running, Signal::TERM);
    assert_eq!(output.stdout.lines().count(), 3001);
    assert_eq!(output.stdout.matches("\ttimed-out\n").count(), 3000);
}
