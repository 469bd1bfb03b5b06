//! The journal: chats in it are done, also after a kill, and a file that is not a journal is left as it is.

use std::collections::HashMap;

use crate::support::{Answer, CHAT, Cli, GROUP, Gate, INSTANCE, Server, chat, in_parallel, json, jsons};

fn accepting(times: usize) -> Server {
    Server::with(|_| Answer::status(200)).times(times)
}

/// A line that an earlier run wrote.
fn line(chat: &str, status: &str, command: &str, instance: &str, at: &str) -> String {
    format!(
        r#"{{"chatId":"{chat}","status":"{status}","httpStatus":200,"attempts":1,"elapsedMs":3,"command":"{command}","idInstance":"{instance}","at":"{at}"}}"#
    ) + "\n"
}

const LONG_AGO: &str = "2024-01-01T00:00:00Z";

/// Whether CHAT is requested if this is in the journal.
fn is_requested(journal: &str, flags: &[&str]) -> bool {
    let server = Server::always(Answer::status(200));
    // GROUP is requested in any case, as the server expects at least one request.
    let cli = Cli::request(&server, ["-q", "--rate", "0", "--journal", "j", CHAT, GROUP]).args(flags);
    cli.file("j", journal).run();
    server.chats().contains(&CHAT.to_owned())
}

#[test]
fn every_line_is_in_it_with_command_instance_and_time() {
    let server =
        Server::with(|request| Answer::status(if request.chat() == CHAT { 200 } else { 400 }).body("no")).times(2);
    let server_answers = ["--json", "--concurrency", "1", "--journal", "j", CHAT, GROUP, "nonsense"];
    // A 200 with the body `no` is accepted: it names no error.
    let output = Cli::request(&server, server_answers).exits(1).any_stdout().any_stderr().run();
    let (shown, kept) = (jsons(&output.stdout), output.read("j"));
    let kept: Vec<serde_json::Value> = kept.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((shown.len(), kept.len()), (3, 3));
    for (shown, kept) in shown.iter().zip(&kept) {
        for (key, value) in shown.as_object().expect("an object") {
            assert!(key == "elapsedMs" || kept[key] == *value, "{key}: {kept}");
        }
        assert_eq!((&kept["command"], &kept["idInstance"]), (&"request".into(), &INSTANCE.into()));
        let at: jiff::Timestamp = kept["at"].as_str().expect("a text").parse().expect("RFC 3339");
        assert!(at.duration_until(jiff::Timestamp::now()).abs().as_secs() < 60, "{kept}");
    }
}

#[test]
fn a_chat_that_is_done_is_not_requested_again() {
    let server = accepting(3);
    let cli = Cli::request(&server, ["-q", "--journal", "j", CHAT, GROUP]);
    let (second, third) = (cli.again(), cli.again());
    cli.run();
    second.args(["request", "--journal", "j", CHAT, GROUP]).stderr_has("2 done before").run();
    third.args(["request", "-q", "--json", "--journal", "j", CHAT, GROUP, &chat(1)]).stdout_has(chat(1)).run();
    assert_eq!(server.chats()[2], chat(1));
}

#[test]
fn a_chat_that_failed_is_requested_again() {
    let server = Server::answering([Answer::status(418), Answer::status(200)]);
    let cli = Cli::request(&server, ["--journal", "j", CHAT]);
    let again = cli.again().args(["request", "--journal", "j", CHAT]);
    cli.exits(76).any_stdout().any_stderr().run();
    again.any_stdout().any_stderr().run();
}

#[test]
fn done_is_by_command_and_instance() {
    assert!(!is_requested(&line(CHAT, "accepted", "request", INSTANCE, LONG_AGO), &[]));
    assert!(is_requested(&line(CHAT, "accepted", "request", "999", LONG_AGO), &[]));
    assert!(is_requested(&line(CHAT, "found", "get", INSTANCE, LONG_AGO), &[]));
    assert!(is_requested(&line(CHAT, "failed", "request", INSTANCE, LONG_AGO), &[]));
    assert!(is_requested(&line(GROUP, "accepted", "request", INSTANCE, LONG_AGO), &[]));
}

#[test]
fn max_age_limits_how_long_a_chat_is_done() {
    let now = jiff::Timestamp::now();
    let ago = |hours: i64| (now - jiff::SignedDuration::from_hours(hours)).to_string();
    assert!(is_requested(&line(CHAT, "accepted", "request", INSTANCE, &ago(21)), &["--max-age", "20h"]));
    assert!(!is_requested(&line(CHAT, "accepted", "request", INSTANCE, &ago(19)), &["--max-age", "20h"]));
    let both =
        line(CHAT, "accepted", "request", INSTANCE, &ago(50)) + &line(CHAT, "accepted", "request", INSTANCE, &ago(1));
    assert!(!is_requested(&both, &["--max-age", "20h"]), "the younger line counts");
}

#[test]
fn a_repeated_chat_is_requested_once_with_a_journal_too() {
    let server = accepting(1);
    let cli = Cli::request(&server, ["-q", "--journal", "j", "-"]).stdin(format!("{CHAT}\n{CHAT}\n"));
    assert_eq!(cli.run().read("j").lines().count(), 1);
}

#[test]
fn a_torn_last_line_is_cut_off() {
    let whole = line(&chat(1), "accepted", "request", INSTANCE, LONG_AGO);
    let torn = line(CHAT, "accepted", "request", INSTANCE, LONG_AGO);
    in_parallel(1..torn.len() - 1, |end| {
        // Near the start and the end each byte, in between every seventh, to save time.
        if end > 14 && end < torn.len() - 4 && end % 7 != 0 {
            return;
        }
        let server = accepting(1);
        let cli = Cli::request(&server, ["-q", "--journal", "j", CHAT, &chat(1)]);
        let output = cli.file("j", format!("{whole}{}", &torn[..end])).run();
        let kept = output.read("j");
        assert!(kept.starts_with(&whole) && kept.ends_with('\n'), "torn at {end}: {kept}");
        let kept: Vec<_> = kept.lines().map(json).collect();
        assert_eq!((kept.len(), &kept[1]["chatId"]), (2, &CHAT.into()), "torn at {end}");
    });
}

/// A power cut can leave zeros, more than any line has, and a full disk anything.
#[test]
fn a_tail_of_any_bytes_without_a_newline_is_cut_off() {
    let whole = line(&chat(1), "accepted", "request", INSTANCE, LONG_AGO);
    let tails = [vec![0; 4], vec![0; 9 * 1024 * 1024], b"\xff\x01{\"a\":1}".to_vec()];
    in_parallel(tails, |tail| {
        let server = accepting(1);
        let cli = Cli::request(&server, ["-q", "--journal", "j", CHAT, &chat(1)]);
        let output = cli.file("j", [whole.as_bytes(), &tail].concat()).run();
        let kept = output.read("j");
        assert!(kept.starts_with(&whole) && kept.lines().count() == 2, "{} bytes", kept.len());
    });
    let only_zeros = Cli::request(&accepting(1), ["-q", "--journal", "j", CHAT]).file("j", [0; 4096]).run();
    assert_eq!(only_zeros.read("j").lines().count(), 1);
}

#[test]
fn a_file_that_is_not_a_journal_is_refused_and_left_as_it_is() {
    let server = Server::unasked();
    let ours = line(CHAT, "accepted", "request", INSTANCE, LONG_AGO);
    in_parallel(
        [
            format!("{CHAT}\n{GROUP}\n"),
            CHAT.to_owned(),
            "x".to_owned(),
            "\n".to_owned(),
            "{}\n".to_owned(),
            "{\"chatId\":\"11001234567@c.us\"}\n".to_owned(),
            "[1,2,3]\n".to_owned(),
            format!("{ours}11001234567@c.us\n{ours}"),
            "11001234567@c.us".to_owned(),
            format!("{}\n{ours}", &ours[..40]),
            "name,phone\nA,11001234567\n".to_owned(),
            format!("\u{feff}{ours}"),
        ],
        |text| {
            let cli = Cli::request(&server, ["--json", "--journal", "j", CHAT]).file("j", &text);
            let output = cli.exits(78).any_stderr().run();
            assert_eq!(json(&output.stderr)["error"]["code"], "bad-settings", "{text:?}");
            assert_eq!(output.read("j"), text, "the file is unchanged");
            assert!(output.is_private("j"));
        },
    );
    let cli = Cli::request(&server, ["--journal", "j", CHAT]).file("j", b"\xff\xfe\x00binary");
    cli.exits(78).any_stderr().run();
}

/// The answer is as long as it may be, and of characters that are escaped in JSON.
#[test]
fn the_longest_line_of_ours_is_read_again() {
    let url = format!("https://pps.whatsapp.net/{}", "\u{7f}".repeat(60_000));
    let body = serde_json::json!({ "urlAvatar": url, "available": true }).to_string();
    let server = Server::always(Answer::status(200).body(body)).times(1);
    let cli = Cli::on(&server).args(["--json", "get", "--journal", "j", CHAT]);
    let again = cli.again().args(["--json", "get", "--journal", "j", CHAT]);
    let output = cli.any_stdout().run();
    assert!(output.read("j").len() > 300_000, "{} bytes", output.read("j").len());
    again.stderr_has(r#""alreadyDone":1"#).run();
}

#[test]
fn an_empty_file_is_a_journal() {
    let server = accepting(1);
    let output = Cli::request(&server, ["-q", "--journal", "j", CHAT]).file("j", "").run();
    assert_eq!(output.read("j").lines().count(), 1);
}

#[test]
fn a_second_run_with_the_same_journal_is_refused() {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::with(move |_| Answer::status(200).held(&held)).times(1).opening(&gate);
    let cli = Cli::request(&server, ["-q", "--journal", "j", CHAT]);
    let second = cli.again().args(["request", "--json", "--journal", "j", GROUP]);
    let running = cli.start();
    server.wait_for(1);
    let output = second.exits(75).any_stderr().run();
    assert_eq!(json(&output.stderr)["error"]["code"], "journal-busy");
    gate.open();
    running.finish();
}

#[test]
fn a_line_is_in_the_journal_before_it_is_shown() {
    let server = accepting(1);
    let cli = Cli::request(&server, ["--journal", "j", "-"]).any_stdout().any_stderr().any_status();
    let mut running = cli.start();
    running.write_stdin(format!("{CHAT}\n"));
    running.wait_for_lines(1);
    // Killed, because Windows does not let others read a journal in use.
    let kept = running.kill().read("j");
    assert!(kept.ends_with("}\n") && kept.contains(CHAT), "{kept}");
}

#[test]
fn a_run_that_was_killed_is_finished_by_the_next() {
    const CHATS: usize = 300;
    const WORKERS: usize = 4;
    let list: String = (0..CHATS).map(|n| chat(n) + "\n").collect();
    in_parallel(0..6, |round| {
        let server = Server::with(|_| Answer::status(200));
        let args = ["request", "-q", "--rate", "0", "--concurrency", "4", "--journal", "j", "--from", "list"];
        let cli = Cli::on(&server).file("list", &list);
        let (mut kills, mut second) = (0, cli.again());
        // Killed once or twice at random moments, then run to the end.
        while kills <= round % 2 {
            let running = second.args(args).any_status().start();
            let requests = server.requests().len();
            let more = fastrand::usize(1..CHATS / 3);
            server.wait_for((requests + more).min(CHATS));
            running.kill();
            kills += 1;
            second = cli.again();
        }
        let output = second.args(args).run();
        let mut counts: HashMap<String, usize> = HashMap::new();
        for chat in server.chats() {
            *counts.entry(chat).or_default() += 1;
        }
        assert_eq!(counts.len(), CHATS, "every chat was requested");
        let twice = server.requests().len() - CHATS;
        assert!(twice <= WORKERS * kills, "{twice} chats requested twice after {kills} kills");
        let mut done: Vec<_> = output.read("j").lines().map(|line| json(line)["chatId"].to_string()).collect();
        done.sort();
        done.dedup();
        assert_eq!(done.len(), CHATS, "every chat is in the journal");
    });
}

#[test]
fn a_journal_that_cannot_be_written_stops_the_run_before_anything_is_sent() {
    let server = Server::unasked();
    Cli::request(&server, ["--journal", "no/such/folder/j", CHAT])
        .any_status()
        .stderr_has("greenavatar: error: ")
        .run();
    let cli = Cli::request(&server, ["--journal", "j", CHAT]).file("j", "");
    let path = cli.dir().join("j");
    let mut permissions = path.metadata().expect("a file").permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).expect("a file");
    // Root can write to a read-only file.
    if std::fs::OpenOptions::new().append(true).open(&path).is_err() {
        cli.any_status().stderr_has("greenavatar: error: ").run();
    }
}

#[test]
fn a_journal_that_was_removed_is_created_anew() {
    let server = Server::always(Answer::status(200)).times(2);
    let cli = Cli::request(&server, ["--rate", "0", "--concurrency", "1", "--journal", "j", "-"]);
    let path = cli.dir().join("j");
    let mut running = cli.any_stdout().any_stderr().start();
    running.write_stdin(format!("{}\n", chat(1)));
    running.wait_for_lines(1);
    std::fs::remove_file(&path).expect("it is there");
    running.write_stdin(format!("{}\n", chat(2)));
    let output = running.finish();
    let journaled: Vec<_> = jsons(&output.read("j")).iter().map(|line| line["chatId"].clone()).collect();
    assert_eq!(journaled, [chat(2)]);
    assert!(output.is_private("j"));
}
