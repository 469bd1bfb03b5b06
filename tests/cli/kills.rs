//! `receive`, killed repeatedly: every notification is printed or in the spool at least once.

use std::time::Duration;

use crate::support::cli::start_sandbox;
use crate::support::client::{Client, request};
use crate::support::queue::result;
use crate::support::{Cli, chat};

/// The number of notifications in the sandbox's queue.
fn waiting(control: &mut Client) -> u64 {
    control.send(request("GET", "/_sandbox/notifications", "", ""));
    let (_, body) = control.answer().expect("an answer");
    let count: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    count["waiting"].as_u64().expect("a number")
}

#[test]
fn no_kill_loses_a_notification() {
    const KILLS: usize = 8;
    const EACH: usize = 15;
    let (sandbox, address) = start_sandbox(&["--no-rate-limit"]);
    let mut control = Client::connect(address);
    let cli = Cli::at_sandbox(address);
    let args = ["receive", "--json", "--follow", "--spool", "spool"];
    let mut printed = String::new();
    for kill in 0..KILLS {
        for n in kill * EACH..(kill + 1) * EACH {
            for body in [result(&chat(n), n as i64, ""), format!("{{\"typeWebhook\":\"x\",\n\"n\":{n}}}")] {
                assert_eq!(control.post("/_sandbox/notifications", "", &body), Some(200));
            }
        }
        let running = cli.again().args(args).any_stdout().any_status().start();
        running.wait_for_lines(fastrand::usize(1..EACH));
        std::thread::sleep(Duration::from_micros(fastrand::u64(0..4_000)));
        // The last line may be torn.
        printed += &(running.kill().stdout + "\n");
    }
    let last = cli.again().args(args).any_stdout().until_stopped().start();
    while waiting(&mut control) > 0 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = last.stop();
    printed += &output.stdout;
    let spool = output.read("spool");
    for n in 0..KILLS * EACH {
        assert!(printed.contains(&format!(r#"{{"chatId":"{}","status":"none","timestamp":{n}}}"#, chat(n))), "{n}");
        assert!(spool.lines().any(|line| line == format!(r#"{{"typeWebhook":"x","n":{n}}}"#)), "{n}");
    }
    // One run prints each result once.
    let mut lines: Vec<_> = output.stdout.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), output.stdout.lines().count());
    sandbox.stop();
}
