//! `receive`: prints results, deletes each after its line is flushed, and ends at the right moment.

use std::time::Duration;

use crate::support::cli::closed_pipe;
use crate::support::queue::{calls, method, plain, result};
use crate::support::{Answer, CHAT, Cli, Queue, Server, chat, in_parallel, json, jsons, sample};

pub fn receive<const N: usize>(server: &Server, args: [&str; N]) -> Cli {
    Cli::on(server).arg("receive").args(args)
}

#[test]
fn every_kind_of_result_has_its_line() {
    let queue = Queue::of([
        sample("avatar-info.json"),
        sample("avatar-info-older.json"),
        result(CHAT, 5, r#","existsWhatsapp":false,"urlAvatar":"""#),
        result(CHAT, 6, r#","urlAvatar":"undefined""#),
        result("185912345678901@lid", 7, r#","urlAvatar":null"#),
        sample("avatar-info-failed.json"),
        result(CHAT, 8, r#","reason":"bad request data""#),
    ]);
    let server = queue.serve();
    let output = receive(&server, ["--json"]).exits(1).any_stdout().run();
    let url = "https://pps.whatsapp.net/v/t61.24694-24/180589560_n.jpg?ccb=11-4&oh=f3fb1&oe=615A60EB";
    let (found, rest) = output.stdout.split_once('\n').expect("lines");
    assert_eq!(
        found,
        format!(
            r#"{{"chatId":"79001234560@c.us","status":"found","urlAvatar":"{url}","expiresAt":"2021-10-04T02:03:23Z","timestamp":1586700802}}"#
        )
    );
    let rest = jsons(rest);
    let words: Vec<_> = rest.iter().map(|line| line["status"].as_str().expect("a word")).collect();
    assert_eq!(words, ["none", "no-account", "none", "none", "failed", "failed"]);
    assert_eq!(rest[3]["chatId"], "185912345678901@lid");
    assert_eq!(rest[4]["error"]["code"], "avatar-timeout");
    assert_eq!(rest[5]["error"]["code"], "bad-request-data");
    assert_eq!(queue.deleted(), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_text_line_has_the_url_or_the_error_code() {
    let queue = Queue::of([
        result(CHAT, 1, r#","urlAvatar":"https://pps.whatsapp.net/x.jpg""#),
        result(CHAT, 2, r#","urlAvatar":"""#),
        result(CHAT, 3, r#","reason":"get avatar timeout limit exceeded""#),
    ]);
    let server = queue.serve();
    let lines =
        format!("{CHAT}\tfound\thttps://pps.whatsapp.net/x.jpg\n{CHAT}\tnone\n{CHAT}\tfailed\tavatar-timeout\n");
    receive(&server, []).exits(1).stdout(lines).stderr_has(format!("greenavatar: error: {CHAT}: ")).run();
}

#[test]
fn an_empty_queue_ends_the_run() {
    for nothing in [
        Answer::status(200).body("null"),
        Answer::status(200).body(" null\n"),
        Answer::status(200),
        Answer::status(204),
        Answer::status(408),
        Answer::status(504).body("<html><title>504 Gateway Time-out</title></html>"),
    ] {
        let server = Server::answering([nothing]);
        receive(&server, []).run();
        let path = server.requests()[0].path.clone();
        let seconds: u64 = path.split_once("?receiveTimeout=").expect("a query").1.parse().expect("seconds");
        assert!((5..=60).contains(&seconds), "{path}");
    }
}

#[test]
fn server_errors_are_retried() {
    let again = |status| Answer::status(status).header("Retry-After", "0");
    let head = || Answer::status(200).body(format!(r#"{{"receiptId":9,"body":{}}}"#, plain(1)));
    let server = Server::answering([
        again(500),
        again(502),
        head(),
        again(503),
        Answer::status(500).body(r#"{"message":"findUnAckedMessage: no such message"}"#),
        Answer::status(200).body("null"),
    ]);
    receive(&server, []).stdout(format!("{}\tnone\n", chat(1))).run();
    let called: Vec<_> = server.requests().iter().map(|seen| method(seen).to_owned()).collect();
    let (ask, delete) = ("receiveNotification", "deleteNotification");
    assert_eq!(called, [ask, ask, ask, delete, delete, ask]);
    let server = Server::with(move |_| again(500)).times(2);
    let output = receive(&server, ["--json", "--retries", "1"]).exits(69).any_stderr().run();
    assert_eq!(json(&output.stderr)["error"]["code"], "server-error");
}

#[test]
fn a_notification_that_is_deleted_already_is_not_an_error() {
    let server = Server::answering([
        Answer::status(200).body(format!(r#"{{"receiptId":9,"body":{}}}"#, plain(1))),
        Answer::status(200).body(r#"{"result":false,"reason":"Notification is deleted already"}"#),
        Answer::status(200).body("null"),
    ]);
    receive(&server, []).stdout(format!("{}\tnone\n", chat(1))).run();
}

#[test]
fn a_line_is_flushed_or_spooled_before_its_notification_is_deleted() {
    let queue = Queue::of([plain(1), sample("device-info.json"), plain(2), sample("incoming-message.json")]);
    let cli = Cli::new();
    let (lines, spool) = (cli.dir().join("lines"), cli.dir().join("spool"));
    let stdout = std::fs::File::create(&lines).expect("a file");
    let (shared, watched) = (queue.clone(), (lines.clone(), spool.clone()));
    let server = Server::with(move |seen| {
        if method(seen) == "deleteNotification" {
            let text = |path| std::fs::read_to_string(path).expect("a file");
            // The line of the notification that is deleted now is written already.
            let out = text(&watched.0) + &text(&watched.1);
            assert!(out.ends_with('\n'));
            assert_eq!(out.lines().count(), shared.deleted().len() + 1, "{out}");
        }
        shared.answer(seen).expect("a queue's method")
    });
    let output = cli.credentials(&server.url()).args(["receive", "--spool", "spool"]).stdout_to(stdout).run();
    assert_eq!(queue.deleted(), [1, 2, 3, 4]);
    assert_eq!(output.read("lines"), format!("{}\tnone\n{}\tnone\n", chat(1), chat(2)));
    assert_eq!(output.read("spool"), sample("device-info.json") + &sample("incoming-message.json"));
    assert!(output.is_private("spool"));
}

#[test]
fn a_notification_that_cannot_be_printed_is_not_deleted() {
    let queue = Queue::of([plain(1)]);
    let server = queue.serve();
    // A closed pipe is not reported.
    receive(&server, []).stdout_to(closed_pipe()).exits(74).run();
    assert_eq!((queue.deleted(), queue.left()), (vec![], 1));
    receive(&Server::unasked(), ["--spool", "no/such/folder/spool"]).exits(74).stderr_has("no/such/folder").run();
}

#[test]
fn unknown_repeated_and_reordered_keys_are_read() {
    let queue = Queue::of([
        r#"{"new":[{"avatarInfo":1}],"avatarInfo":{"urlAvatar":"https://a.example/1","x":1e999,"chatId":"1@c.us","urlAvatar":"https://a.example/2"},"timestamp":"7"}"#,
        r#"{"avatarInfo":false,"timestamp":1,"avatarInfo":{"chatId":"2@c.us"},"timestamp":2}"#,
    ]);
    let server = queue.serve();
    let output = receive(&server, ["--json"]).any_stdout().run();
    let lines = jsons(&output.stdout);
    assert_eq!((&lines[0]["urlAvatar"], &lines[0]["timestamp"]), (&"https://a.example/2".into(), &7.into()));
    assert_eq!((&lines[1]["chatId"], &lines[1]["timestamp"]), (&"2@c.us".into(), &2.into()));
}

#[test]
fn a_repeated_result_is_printed_once_and_a_changed_one_again() {
    let of = |timestamp, url: &str| result(CHAT, timestamp, &format!(r#","urlAvatar":"{url}""#));
    let reordered = format!(
        r#"{{"timestamp":1,"avatarInfo":{{"existsWhatsapp":true,"urlAvatar":"https://a.example/1","chatId":"{CHAT}"}}}}"#
    );
    let failed = |reason| result(CHAT, 1, &format!(r#","reason":"{reason}""#));
    let (one, two) = ("https://a.example/1", "https://a.example/2");
    let queue = Queue::of([
        of(1, one),
        of(1, one),
        reordered,
        of(1, two),
        of(2, two),
        of(1, one),
        failed("bad request data"),
        failed("get avatar timeout limit exceeded"),
        failed("bad request data"),
    ]);
    let server = queue.serve();
    let output = receive(&server, ["--json"]).exits(1).any_stdout().run();
    let seen: Vec<_> = jsons(&output.stdout)
        .iter()
        .map(|line| (line["timestamp"].as_i64(), line["urlAvatar"].as_str().map(str::to_owned)))
        .collect();
    let (one, two) = (Some(one.to_owned()), Some(two.to_owned()));
    assert_eq!(seen, [(Some(1), one), (Some(1), two.clone()), (Some(2), two), (Some(1), None), (Some(1), None)]);
    assert_eq!(queue.left(), 0);
    // Another run prints it again.
    let queue = Queue::of([of(1, "https://a.example/1")]);
    let server = queue.serve();
    receive(&server, []).stdout_has("https://a.example/1").run();
}

#[test]
fn only_one_run_reads_a_queue_in_a_terminal_or_in_cron() {
    let queue = Queue::default();
    let server = queue.serve_with(|_, _| Answer::status(200));
    let cli = receive(&server, ["--follow"]).file(".env", crate::settings::env_file(&server)).any_status();
    let cron = || {
        let names = ["PATH", "GREEN_API_URL", "GREEN_API_ID_INSTANCE", "GREEN_API_TOKEN_INSTANCE"];
        names.iter().fold(cli.again(), |cli, name| cli.without(name))
    };
    let (waiting, second, after) = (cli.again(), cron(), cron());
    let first = cli.start();
    server.wait_for(1);
    let output = second.args(["receive", "--json"]).exits(75).any_stderr().run();
    assert_eq!(json(&output.stderr)["error"]["code"], "queue-busy");
    let output = waiting.args(["request", "--json", "--wait", CHAT]).exits(75).any_stderr().run();
    assert_eq!(json(&output.stderr)["error"]["code"], "queue-busy");
    assert_eq!(calls(&server, ["getAvatarAsync"]), [0]);
    // A killed run does not hold the lock.
    first.kill();
    after.arg("receive").run();
}

#[test]
fn a_queue_with_a_webhook_url_has_a_hint() {
    let text = r#"{"statusCode":400,"message":"Message cannot be received because custom webhook url is set"}"#;
    let server = Server::answering([Answer::status(400).body(text)]);
    let output = receive(&server, ["--json"]).exits(78).any_stderr().run();
    let error = &json(&output.stderr)["error"];
    assert_eq!(error["code"], "webhook-url-set");
    let hint = error["hint"].as_str().expect("a hint");
    assert!(hint.contains("console") && hint.contains("listen"), "{hint}");
}

#[test]
fn a_failure_that_ends_a_run_is_its_exit_status() {
    for (status, body, code, exit) in [
        (401, "", "unauthorized", 77),
        (403, "", "forbidden", 77),
        (200, r#"{"code":401,"description":"Unauthorized"}"#, "unauthorized", 77),
        (400, "instance account not authorized", "instance-not-authorized", 77),
        (200, "<html><title>Log in</title></html>", "unexpected-response", 76),
        (200, "{}", "unexpected-response", 76),
        (302, "", "unexpected-response", 76),
    ] {
        let server = Server::answering([Answer::status(status).body(body)]);
        let output = receive(&server, ["--json"]).exits(exit).any_stderr().run();
        assert_eq!(json(&output.stderr)["error"]["code"], code, "{status} {body}");
    }
}

#[test]
fn quiet_without_json_does_not_read_the_queue() {
    receive(&Server::unasked(), ["-q"]).exits(78).stderr_has("--json").run();
    let queue = Queue::of([plain(1)]);
    let server = queue.serve();
    receive(&server, ["-q", "--json"]).stdout_has(chat(1)).run();
}

#[test]
fn max_limits_the_number_of_results() {
    let queue = Queue::of([plain(1), plain(1), sample("device-info.json"), plain(2), plain(3)]);
    let server = queue.serve();
    let output = receive(&server, ["--follow", "--max", "2", "--spool", "spool"]).any_stdout().run();
    assert_eq!(output.stdout, format!("{}\tnone\n{}\tnone\n", chat(1), chat(2)), "repeats and others don't count");
    assert_eq!(queue.deleted(), [1, 2, 3, 4]);
    assert_eq!(calls(&server, ["receiveNotification"]), [4], "the queue is not polled again");
    receive(&Server::unasked(), ["--max", "0"]).exits(2).any_stderr().run();
}

#[test]
fn idle_ends_the_run_and_follow_does_not() {
    in_parallel(["--idle=300ms", "--follow"], |flag| {
        let queue = Queue::of([plain(1)]);
        let server = queue.serve();
        let cli = Cli::on(&server).args(["receive", flag]).any_stdout();
        if flag == "--follow" {
            let mut running = cli.until_stopped().start();
            running.wait_for_lines(1);
            // An empty queue is polled again.
            server.wait_for(5);
            assert!(running.is_running());
            queue.push(plain(2));
            running.wait_for_lines(2);
            server.wait_for(8);
            running.stop();
            assert_eq!(queue.deleted(), [1, 2]);
        } else {
            let output = cli.run();
            assert!(
                output.took > Duration::from_millis(300) && output.took < Duration::from_secs(2),
                "{:?}",
                output.took
            );
        }
        for seen in server.requests().iter().filter(|seen| method(seen) == "receiveNotification") {
            let seconds: u64 = seen.path.split_once("receiveTimeout=").expect("a query").1.parse().expect("seconds");
            assert!((5..=60).contains(&seconds), "{}", seen.path);
        }
    });
}
