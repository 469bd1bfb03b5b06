//! `request --wait --journal`: a run that ended early is resumed by the next one.

use crate::support::queue::{calls, fresh, method, result};
use crate::support::{Answer, CHAT, Cli, GROUP, INSTANCE, LIMIT, Queue, Server, chat, json, jsons};
use crate::wait::{assert_timed_out, without_results};
use crate::wait_once::of;

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

#[test]
fn a_result_is_journaled_and_printed_before_it_is_deleted() {
    let queue = Queue::default();
    let cli = Cli::new();
    let stdout = std::fs::File::create(cli.dir().join("out")).expect("a file");
    let shared = queue.clone();
    let (deletes, third) = std::sync::mpsc::channel();
    let server = Server::with(move |seen| {
        match method(seen) {
            "getAvatarAsync" => {
                shared.push(fresh(&seen.chat()));
                return Answer::status(200);
            }
            "deleteNotification" if shared.deleted().len() == 2 => {
                deletes.send(()).expect("the test waits");
                return Answer::raw("").then_silence();
            }
            _ => {}
        }
        shared.answer(seen).expect("a queue's method")
    });
    let cli = cli.credentials(&server.url()).stdout_to(stdout).any_status().any_stderr();
    let running = cli.args(["request", "--rate=0", "--wait", "--journal", "j"]).args((0..5).map(chat)).start();
    third.recv_timeout(LIMIT).expect("three results are deleted");
    // Killed, because Windows does not let others read a journal in use.
    let output = running.kill();
    assert_eq!(output.read("j").matches(r#""status":"none""#).count(), 3);
    assert_eq!(output.read("out").lines().count(), 3);
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
        r#"{{"chatId":"{}","name":"Ada","status":"accepted","command":"request","idInstance":"{}","at":"{}"}}"#,
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
    let pending = of(&lines, &chat(2))[0];
    assert_eq!((&pending["error"]["code"], &pending["name"]), (&"no-result".into(), &"Ada".into()));
}
