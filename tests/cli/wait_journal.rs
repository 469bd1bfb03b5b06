//! `request --wait --journal`: a run that ended early is resumed by the next one.

use std::time::{Duration, Instant};

#[cfg(unix)]
use crate::support::SIGNALS;
use crate::support::queue::{calls, fresh, method, result};
use crate::support::{Answer, CHAT, Cli, GROUP, INSTANCE, Queue, Server, chat, json, jsons};
use crate::wait::{assert_timed_out, without_results};
use crate::wait_once::of;

#[cfg(unix)]
#[test]
fn a_signal_ends_the_wait_and_the_next_run_goes_on_with_it() {
    for (signal, number) in SIGNALS {
        let queue = Queue::default();
        let server = without_results(&queue);
        let args = ["request", "--json", "--wait", "--journal", "j", CHAT];
        let cli = Cli::on(&server).args(args);
        let again = cli.again().args(args);
        let running = cli.dies(number).any_stdout().start();
        server.wait_for(3);
        let began = Instant::now();
        running.signal(signal);
        let output = running.finish();
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert_timed_out(&json(&output.stdout), CHAT, "no-result");
        queue.push(fresh(CHAT));
        assert_eq!(json(&again.any_stdout().run().stdout)["status"], "none");
        assert_eq!(calls(&server, ["getAvatarAsync"]), [1]);
    }
}

/// The test reads the journal while it is locked, which Windows does not allow.
#[cfg(unix)]
#[test]
fn after_a_kill_the_next_run_waits_on_without_new_requests() {
    const CHATS: usize = 20;
    let queue = Queue::default();
    let server = without_results(&queue);
    let list: String = (0..CHATS).map(|n| chat(n) + "\n").collect();
    let args = ["request", "--json", "--rate=0", "--wait=10s", "--journal", "j", "--from", "list"];
    let cli = Cli::on(&server).file("list", list).args(args).any_stdout().any_stderr().any_status();
    let journal = cli.dir().join("j");
    let next = || cli.again().args(args).any_stdout().any_stderr();
    let (second, third) = (next(), next());
    let running = cli.start();
    let began = Instant::now();
    while std::fs::read_to_string(&journal).unwrap_or_default().matches("accepted").count() < CHATS {
        assert!(began.elapsed() < Duration::from_secs(10), "the journal lacks lines");
        std::thread::sleep(Duration::from_millis(1));
    }
    // The run is killed while results arrive.
    (0..5).for_each(|n| queue.push(fresh(&chat(n))));
    running.wait_for_lines(2);
    let first = running.kill();
    (5..CHATS).for_each(|n| queue.push(fresh(&chat(n))));
    let output = second.run();
    assert_eq!(calls(&server, ["getAvatarAsync"]), [CHATS], "no chat is requested again");
    let both = first.stdout + &output.stdout;
    for n in 0..CHATS {
        assert!(both.contains(&chat(n)), "{} was printed", chat(n));
    }
    let done = output.read("j").lines().filter(|line| line.contains(r#""status":"none""#)).count();
    assert!((CHATS..=CHATS + 1).contains(&done), "{done} results in the journal");
    assert_eq!(queue.left(), 0);
    third.stdout("").stderr_has("20").run();
    assert_eq!(calls(&server, ["getAvatarAsync"]), [CHATS]);
}

#[test]
fn a_chat_that_is_waited_for_again_is_not_counted_as_done() {
    let server = without_results(&Queue::default());
    let args = ["request", "--journal", "j", CHAT, GROUP];
    let cli = Cli::on(&server).args(args).arg("--wait");
    let again = cli.again().args(args).arg("--wait=50ms");
    let running = cli.any_status().any_stderr().start();
    server.wait_for(3);
    running.kill();
    let output = again.exits(1).any_stdout().stderr_has("2 timed out").run();
    assert!(!output.stderr.contains("done before"), "{}", output.stderr);
}

#[test]
fn a_chat_that_timed_out_is_requested_again_by_the_next_run() {
    let server = without_results(&Queue::default());
    let args = ["request", "--json", "--wait=50ms", "--journal", "j", CHAT];
    let cli = Cli::on(&server);
    for requests in [1, 2] {
        let output = cli.again().args(args).exits(75).any_stdout().run();
        assert_timed_out(&json(&output.stdout), CHAT, "no-result");
        assert_eq!(calls(&server, ["getAvatarAsync"]), [requests]);
    }
}

#[cfg(unix)]
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
fn a_result_is_journaled_and_printed_before_it_is_deleted() {
    let queue = Queue::default();
    let cli = Cli::new();
    let (journal, out) = (cli.dir().join("j"), cli.dir().join("out"));
    let stdout = std::fs::File::create(&out).expect("a file");
    let shared = queue.clone();
    let server = Server::with(move |seen| {
        match method(seen) {
            "getAvatarAsync" => {
                shared.push(fresh(&seen.chat()));
                return Answer::status(200);
            }
            "deleteNotification" => {
                let results = shared.deleted().len() + 1;
                let text = |path| std::fs::read_to_string(path).expect("a file");
                assert_eq!(text(&journal).matches(r#""status":"none""#).count(), results);
                assert_eq!(text(&out).lines().count(), results);
            }
            _ => {}
        }
        shared.answer(seen).expect("a queue's method")
    });
    let cli = cli.credentials(&server.url()).stdout_to(stdout);
    cli.args(["request", "--rate=0", "--wait", "--journal", "j"]).args((0..5).map(chat)).any_stderr().run();
    assert_eq!(queue.deleted().len(), 5);
}

#[test]
fn a_resumed_wait_counts_from_the_request_and_not_from_the_response() {
    let at = jiff::Timestamp::now();
    let journal = format!(
        r#"{{"chatId":"{CHAT}","status":"accepted","httpStatus":200,"attempts":1,"elapsedMs":8000,"command":"request","idInstance":"{}","at":"{at}"}}"#,
        INSTANCE
    );
    let queue = Queue::of([result(CHAT, at.as_second() - 8, r#","urlAvatar":"""#)]);
    let server = queue.serve_with(|_, _| Answer::status(500));
    let cli = Cli::request(&server, ["--json", "--wait=5s", "--journal", "j", CHAT]).file("j", journal + "\n");
    let line = json(&cli.any_stdout().run().stdout);
    assert_eq!((&line["status"], line.get("stale")), (&"none".into(), None), "{line}");
}

#[test]
fn one_chat_with_a_pending_one_of_an_earlier_run_is_a_list() {
    let journal = format!(
        r#"{{"chatId":"{}","status":"accepted","command":"request","idInstance":"{}","at":"{}"}}"#,
        chat(2),
        INSTANCE,
        jiff::Timestamp::now()
    );
    let server = Queue::default().serve_with(|seen, queue| {
        queue.push(fresh(&seen.chat()));
        Answer::status(200)
    });
    let cli = Cli::request(&server, ["--json", "--wait=2s", "--journal", "j", CHAT]).file("j", journal + "\n");
    let output = cli.exits(1).any_stdout().stderr_has(r#""timedOut":1"#).run();
    let lines = jsons(&output.stdout);
    assert_eq!(of(&lines, CHAT)[0]["status"], "none");
    assert_eq!(of(&lines, &chat(2))[0]["error"]["code"], "no-result");
}
