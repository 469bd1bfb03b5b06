//! Lists from arguments, standard input and files: their syntax, encodings and names, and pipes that stay open.

use std::collections::HashSet;

use crate::support::{Answer, CHAT, Cli, GROUP, Server, chat, in_parallel, json, jsons};

pub fn lines(chats: &[&str]) -> String {
    chats.iter().map(|chat| format!("{chat}\taccepted\n")).collect()
}

/// One worker and no rate limit, so that the lines are in the order of the list.
const IN_ORDER: [&str; 4] = ["--concurrency", "1", "--rate", "0"];

pub fn in_order(server: &Server) -> Cli {
    Cli::request(server, IN_ORDER)
}

#[test]
fn a_list_is_read_from_standard_input_or_a_file() {
    let list = format!("{CHAT}\n{GROUP}\n");
    let server = Server::with(|_| Answer::status(200)).times(6);
    in_order(&server).arg("-").stdin(list.as_str()).stdout(lines(&[CHAT, GROUP])).any_stderr().run();
    let cli = in_order(&server).file("list", &list);
    cli.args(["--from", "list"]).stdout(lines(&[CHAT, GROUP])).any_stderr().run();
    in_order(&server).args(["--from", "-"]).stdin(list).stdout(lines(&[CHAT, GROUP])).any_stderr().run();
}

#[test]
fn arguments_and_lists_can_be_combined() {
    let server = Server::with(|_| Answer::status(200)).times(4);
    let cli = in_order(&server).file("a", chat(2)).file("b", chat(3));
    let output = cli.args([&chat(1), "-", "--from", "a", "--from", "b"]).stdin(chat(4)).any_stdout().any_stderr().run();
    assert_eq!(output.stdout.lines().count(), 4);
}

#[test]
fn comments_blank_lines_byte_order_marks_and_crlf_are_ignored() {
    let list = format!("\u{feff}{}\r\n\r\n# people\r\n   \n\t\n  # more\n{}\n#\n{}", chat(1), chat(2), chat(3));
    let server = Server::with(|_| Answer::status(200)).times(3);
    let expected = lines(&[&chat(1), &chat(2), &chat(3)]);
    in_order(&server).arg("-").stdin(list).stdout(expected).any_stderr().run();
}

#[test]
fn an_empty_list_is_done_at_once() {
    let server = Server::unasked();
    for list in ["", "\n\n", "# nobody\n", "\u{feff}"] {
        Cli::request(&server, ["-q", "-"]).stdin(list).run();
        Cli::request(&server, ["-"]).stdin(list).any_stderr().run();
    }
}

#[test]
fn a_repeated_chat_is_requested_once() {
    let server = Server::with(|_| Answer::status(200)).times(2);
    let list = format!("{CHAT}\n{GROUP}\n{CHAT}\n{CHAT}\n");
    let cli = in_order(&server).arg("-").stdin(list).stdout(lines(&[CHAT, GROUP]));
    cli.stderr_has("2 repeated").run();
    let server = Server::with(|_| Answer::status(200)).times(1);
    in_order(&server).args([CHAT, CHAT]).stdout(lines(&[CHAT])).any_stderr().run();
}

#[test]
fn an_invalid_line_has_its_number_and_the_rest_is_sent() {
    let mut list = format!("{}\n# comment\nnonsense\n", chat(1)).into_bytes();
    list.extend(b"1100\xff\xfe@c.us\n");
    list.extend(vec![b'9'; 100_000]);
    list.extend(format!("\n{}\r\n+1 100 123-45-67\n", chat(2)).as_bytes());
    list.extend(vec![b'8'; 4097]);
    let server = Server::with(|_| Answer::status(200)).times(2);
    let output = in_order(&server).args(["--json", "-"]).stdin(list).exits(1).any_stdout().any_stderr().run();
    let lines = jsons(&output.stdout);
    let statuses: Vec<_> =
        lines.iter().map(|line| (line["status"].as_str().unwrap_or_default(), line["line"].as_u64())).collect();
    assert_eq!(
        statuses,
        [
            ("accepted", None),
            ("invalid", Some(3)),
            ("invalid", Some(4)),
            ("invalid", Some(5)),
            ("accepted", None),
            ("invalid", Some(7)),
            ("invalid", Some(8)),
        ]
    );
    assert!(output.stdout.len() < 8000, "long lines are shortened: {} bytes", output.stdout.len());
    assert!(lines[5]["error"]["hint"].as_str().expect("a hint").contains(CHAT));
}

#[test]
fn a_line_of_four_kilobytes_is_read_whole() {
    let server = Server::with(|_| Answer::status(200)).times(2);
    // A comment may have any length.
    let name = "x".repeat(4096 - CHAT.len() - 1);
    let list = format!("# {}\n{CHAT}\t{name}\n{}\t{name}\n{CHAT}", "x".repeat(200_000), chat(1));
    let output = in_order(&server).args(["--json", "-"]).stdin(list).any_stdout().any_stderr().run();
    assert!(jsons(&output.stdout).iter().all(|line| line["name"] == name.as_str()), "{}", output.stdout);
}

#[test]
fn every_line_end_and_utf16_are_read() {
    for end in ["\n", "\r\n", "\r"] {
        let server = Server::with(|_| Answer::status(200)).times(2);
        let list = format!("# people{end}{end}{CHAT}{end}{GROUP}\tMy group{end}");
        let cli = in_order(&server).arg("-").stdin(list);
        cli.stdout(lines(&[CHAT, GROUP])).any_stderr().run();
    }
    for is_big in [false, true] {
        let server = Server::with(|_| Answer::status(200)).times(2);
        let unit = |unit: u16| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        let text = format!("\u{feff}{CHAT}\tАда\r\n{GROUP}\r\n");
        let list: Vec<u8> = text.encode_utf16().flat_map(unit).collect();
        let output = in_order(&server).args(["--json", "-"]).stdin(list).any_stdout().any_stderr().run();
        assert_eq!((&jsons(&output.stdout)[0]["name"], output.stdout.lines().count()), (&"Ада".into(), 2));
    }
}

#[test]
fn the_name_of_a_chat_is_in_its_lines() {
    let list = format!("{CHAT}\t Ada\u{1b}[31m Lovelace \n{GROUP}\t\n");
    let server = Server::with(|_| Answer::status(200)).times(2);
    let cli = in_order(&server).args(["--json", "--journal", "j", "-"]).stdin(list.as_str());
    let output = cli.any_stdout().any_stderr().run();
    let start = format!(r#"{{"chatId":"{CHAT}","name":"Ada\u001b[31m Lovelace","status":"accepted","httpStatus":200,"#);
    assert!(output.stdout.starts_with(&start), "{}", output.stdout);
    assert!(output.read("j").starts_with(&start), "{}", output.read("j"));
    assert_eq!(jsons(&output.stdout)[1]["name"], serde_json::Value::Null);
    // The journal is read again, also if it ends in the middle of a name.
    let torn = output.read("j").lines().next().expect("a line").split("Lovelace").next().expect("a half").to_owned();
    for journal in [output.read("j"), torn] {
        let server = Server::with(|_| Answer::status(200));
        let cli = in_order(&server).args(["--journal", "j", "-", &chat(9)]).stdin(list.as_str()).file("j", journal);
        cli.any_stdout().any_stderr().run();
    }
    // A failed chat has its name, too.
    let server = Server::with(|_| Answer::status(400).body("bad request data")).times(1);
    let output =
        in_order(&server).args(["--json", "-"]).stdin(format!("{CHAT}\tAda")).exits(1).any_stdout().any_stderr().run();
    assert_eq!(json(&output.stdout)["name"], "Ada");
}

#[test]
fn a_table_or_a_vcard_is_refused_as_a_whole() {
    let server = Server::unasked();
    for (name, list, what) in [
        ("a.csv", "Name,Phone\nAda,+11001234567\n", "table"),
        ("a b.csv", "# mine\n11001234567@c.us;Ada\n\n11001234568@c.us;Bob\n", "table"),
        ("-a.csv", "Name,Phone\nAda,+11001234567\n", "table"),
        ("a.txt", "Name\tPhone\n", "table"),
        ("a.vcf", "BEGIN:VCARD\r\nVERSION:3.0\r\n", "vCard"),
    ] {
        let quoted = match name {
            "a b.csv" => "'a b.csv'",
            "-a.csv" => "./-a.csv",
            name => name,
        };
        let hint = format!("greenavatar contacts --from {quoted} ");
        let cli = Cli::request(&server, [CHAT, &format!("--from={name}")]).file(name, list).exits(66);
        let output = cli.stderr_has(format!("error: {name} is a {what}, not a list of chat ids")).run();
        assert!(output.stderr.contains(&hint) && output.stderr.lines().count() == 2, "{}", output.stderr);
        let cli = Cli::request(&server, ["-"]).stdin(list).exits(66).any_stderr();
        assert!(cli.run().stderr.contains("greenavatar contacts --from - "), "{what}");
    }
    // A list may have commas in its names, or in one or two invalid lines.
    for list in [
        format!("{CHAT}\tLovelace, Ada\n{GROUP}\tx, y\n"),
        format!("a,b\n{CHAT}\tx,y\n"),
        format!("a,b\n{CHAT}\n"),
        "a;b\n".to_owned(),
    ] {
        let server = Server::with(|_| Answer::status(200));
        let args = ["--json", "-", &chat(9)];
        Cli::request(&server, args).stdin(list).any_status().any_stdout().stderr_has("tally").run();
    }
}

#[test]
fn an_argument_that_names_a_file_has_the_option_for_it() {
    let server = Server::unasked();
    let long = format!("{}.txt", "x".repeat(100));
    for (name, word) in [("contacts.txt", "contacts.txt"), ("my list.txt", "'my list.txt'"), (&long, &long)] {
        let cli = Cli::request(&server, [name]).file(name, CHAT).exits(65).any_stdout();
        cli.stderr_has(format!("hint: --from FILE reads chat ids from a file: --from {word}\n")).run();
    }
    let server = Server::with(|_| Answer::status(200)).times(1);
    Cli::request(&server, [CHAT]).file(CHAT, "").stdout(lines(&[CHAT])).run();
}

#[test]
fn a_list_that_cannot_be_read_is_input_unreadable() {
    let server = Server::unasked();
    for name in ["missing", "."] {
        let output = Cli::request(&server, ["--json", CHAT, "--from", name]).exits(66).any_stderr().run();
        assert_eq!(json(&output.stderr)["error"]["code"], "input-unreadable");
    }
}

#[test]
fn a_pipe_that_stays_open_is_served_as_lines_come() {
    let server = Server::with(|_| Answer::status(200)).times(3);
    let cli = Cli::request(&server, ["-", "--rate", "0"]).stdout(lines(&[&chat(1), &chat(2), &chat(3)])).any_stderr();
    let mut running = cli.start();
    for n in 1..=3 {
        running.write_stdin(format!("{}\n", chat(n)));
        running.wait_for_lines(n);
    }
    running.finish();
}

#[test]
fn the_end_of_a_run_does_not_wait_for_an_open_pipe() {
    let server = Server::always(Answer::status(401)).times(1);
    let cli = Cli::request(&server, ["-"]).exits(77).any_stdout().any_stderr();
    let mut running = cli.start();
    running.write_stdin(format!("{CHAT}\n"));
    running.wait_for_lines(1);
    let began = std::time::Instant::now();
    while running.is_running() {
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "it waits for its standard input");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    running.finish();
}

#[test]
fn every_entry_has_exactly_one_line() {
    let server = Server::with(|request| {
        let number: usize = request.chat()[4..11].parse().expect("a number");
        match number % 5 {
            0 => Answer::status(200),
            1 => Answer::status(400).body("bad request data"),
            2 => Answer::status(418),
            3 => Answer::status(503),
            _ => Answer::status(500),
        }
    })
    .times(100);
    let list: String = (0..100).map(|n| chat(n) + "\n").collect();
    let args = ["--rate", "0", "--retries", "0", "--json", "-"];
    let output = Cli::request(&server, args).stdin(list).exits(1).any_stdout().any_stderr().run();
    let mut chats: Vec<_> =
        jsons(&output.stdout).iter().map(|line| line["chatId"].as_str().expect("an id").to_owned()).collect();
    chats.sort();
    assert_eq!(chats, (0..100).map(chat).collect::<Vec<_>>());
}

#[test]
fn a_connection_that_breaks_in_an_answer_is_not_retried_unseen() {
    // The second answer breaks off. Only a kept-alive connection that closes before an answer is replaced silently.
    let server = Server::answering([Answer::status(200), Answer::raw("HTTP/1.1 2")]);
    let args = ["--retries", "0", "--json", &chat(1), &chat(2)];
    let output = in_order(&server).args(args).exits(1).any_stdout().any_stderr().run();
    assert_eq!(jsons(&output.stdout)[1]["error"]["code"], "unreachable");
}

/// Each answer takes 400 ms: its eight bytes are sent 20 a second.
#[test]
fn the_summary_of_a_list_whose_workers_were_all_busy_names_the_option() {
    let server = Server::with(|_| Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n").then_drip("        "));
    let run = |workers| {
        let cli = Cli::request(&server, ["--concurrency", workers]).args((0..5).map(chat));
        cli.any_stdout().any_stderr().run().stderr
    };
    assert!(run("1").ends_with("5 accepted; all workers were busy: a higher --concurrency takes less time\n"));
    assert!(run("8").ends_with("5 accepted\n"));
}

#[test]
fn a_pause_before_a_retry_is_not_a_lack_of_workers_if_no_chat_waits_for_one() {
    let run = |workers, chats: usize| {
        let mut known = HashSet::new();
        let server = Server::with(move |request| {
            Answer::status(if known.insert(request.body.clone()) { 503 } else { 200 }).header("Retry-After", "1")
        })
        .times(2 * chats);
        let cli = Cli::request(&server, ["--concurrency", workers]).args((0..chats).map(chat));
        cli.any_stdout().any_stderr().run().stderr
    };
    in_parallel([("8", 2, false), ("2", 2, false), ("1", 2, true)], |(workers, chats, is_hint_wanted)| {
        let hint = if is_hint_wanted { "; all workers were busy: a higher --concurrency takes less time" } else { "" };
        let stderr = run(workers, chats);
        assert!(stderr.ends_with(&format!("greenavatar: {chats} accepted{hint}\n")), "{workers}: {stderr}");
    });
}
