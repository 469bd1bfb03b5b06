//! `get`: the result line of each chat, for one chat or a list.

use crate::support::pictures::{JPEG, SHA256, get, names, ok, picture, picture_service};
use crate::support::queue::{calls, method};
use crate::support::{Answer, CHAT, Cli, GROUP, INSTANCE, Server, chat, in_parallel, json, jsons, sample};

#[test]
fn a_line_has_every_field_of_the_answer() {
    let body = r#"{"urlAvatar":"https://pps.whatsapp.net/v/s96x96/x.jpg?oe=6B0E9AA0","available":true}"#;
    let server = Server::answering([ok(body)]);
    Cli::on(&server)
        .args(["get", "--json", CHAT])
        .stdout(format!(
            "{{\"chatId\":\"{CHAT}\",\"status\":\"found\",\"urlAvatar\":\"https://pps.whatsapp.net/v/s96x96/x.jpg?oe=6B0E9AA0\",\
             \"expiresAt\":\"2026-12-01T10:00:00Z\",\"httpStatus\":200,\"available\":true,\"preview\":true,\"attempts\":1,\"elapsedMs\":_}}\n"
        ))
        .run();
    let seen = &server.requests()[0];
    assert_eq!((seen.method.as_str(), method(seen)), ("POST", "getAvatar"));
    assert_eq!(seen.body, format!(r#"{{"chatId":"{CHAT}"}}"#));
    assert_eq!(seen.header("content-type"), Some("application/json"));
}

#[test]
fn every_form_of_answer_has_its_status() {
    let url = "https://pps.whatsapp.net/x.jpg";
    let found = |rest: &str| format!(r#"{{"urlAvatar":"{url}"{rest}}}"#);
    let mut rows = vec![
        (found(r#","available":true"#), "found", 0),
        (found(r#","existsWhatsapp":true"#), "found", 0),
        (found(r#","reason":"""#), "found", 0),
        (r#"{"urlAvatar":"","available":true}"#.to_owned(), "none", 0),
        (r#"{"urlAvatar":"","existsWhatsapp":true}"#.to_owned(), "none", 0),
        (r#"{"urlAvatar":"","available":false}"#.to_owned(), "hidden", 0),
        (r#"{"existsWhatsapp":false,"urlAvatar":""}"#.to_owned(), "no-account", 0),
        (r#"{"available":false}"#.to_owned(), "hidden", 0),
        (r#"{"reason":"bad request data","urlAvatar":""}"#.to_owned(), "bad-request-data", 65),
        (r#"{"reason":"get avatar timeout limit exceeded"}"#.to_owned(), "avatar-timeout", 75),
        (sample("error-200-rate-overlimit.json"), "too-many-requests", 75),
        (sample("error-200-unauthorized.json"), "unauthorized", 77),
        (String::new(), "unexpected-response", 76),
        ("{}".to_owned(), "unexpected-response", 76),
        ("<html><title>Log in</title></html>".to_owned(), "unexpected-response", 76),
        (r#"{"urlAvatar":"javascript:alert(1)"}"#.to_owned(), "unexpected-response", 76),
    ];
    for nothing in [r#""undefined""#, r#""null""#, "null", r#"" ""#] {
        rows.push((format!(r#"{{"urlAvatar":{nothing},"available":true}}"#), "none", 0));
        rows.push((format!(r#"{{"urlAvatar":{nothing},"available":false}}"#), "hidden", 0));
    }
    in_parallel(rows, |(body, word, exit)| {
        let server = Server::answering([ok(&body)]);
        let args = ["get", "--json", "--retries", "0", CHAT];
        let line = json(&Cli::on(&server).args(args).exits(exit).any_stdout().run().stdout);
        let code = line["error"]["code"].as_str().or(line["status"].as_str());
        assert_eq!(code, Some(word), "{body}: {line}");
        assert_eq!(line.get("error").is_some(), line["status"] == "failed", "{line}");
        assert_eq!(line.get("urlAvatar").is_some(), word == "found", "{line}");
    });
}

#[test]
fn a_text_line_has_the_url_or_the_error_code() {
    for (body, rest, exit) in [
        (r#"{"urlAvatar":"https://pps.whatsapp.net/x.jpg"}"#, "found\thttps://pps.whatsapp.net/x.jpg", 0),
        (r#"{"urlAvatar":"","available":true}"#, "none", 0),
        (r#"{"urlAvatar":"","available":false}"#, "hidden", 0),
        (r#"{"existsWhatsapp":false,"urlAvatar":""}"#, "no-account", 0),
        (r#"{"reason":"bad request data"}"#, "failed\tbad-request-data", 65),
    ] {
        let server = Server::answering([ok(body)]);
        let cli = Cli::on(&server).args(["get", CHAT]).stdout(format!("{CHAT}\t{rest}\n")).exits(exit);
        if exit == 0 {
            cli.run()
        } else {
            cli.stderr_has("bad request data").run()
        };
    }
}

#[test]
fn whatsapps_rate_limit_and_a_failing_picture_host_are_retried() {
    in_parallel([true, false], |is_limit| {
        let mut requests = 0;
        let server = Server::with(move |seen| {
            requests += 1;
            let url = format!("http://{}/pictures/1", seen.header("host").expect("a host"));
            match (method(seen), requests, is_limit) {
                ("getAvatar", 1, true) => ok(&sample("error-200-rate-overlimit.json")),
                ("getAvatar", _, _) => ok(&format!(r#"{{"urlAvatar":"{url}"}}"#)),
                (_, 2, false) => Answer::status(503),
                _ => picture(JPEG),
            }
        });
        let args = ["get", "--json", "--allow-host", "127.0.0.1", "--dir", "d", CHAT];
        let line = json(&Cli::on(&server).args(args).any_stdout().run().stdout);
        assert_eq!((&line["status"], &line["sha256"]), (&"found".into(), &SHA256.into()));
        assert_eq!(line["attempts"], if is_limit { 2 } else { 1 });
        assert_eq!(server.requests().len(), 3);
    });
}

#[test]
fn a_list_is_handled_as_by_request() {
    let server = picture_service(|seen| if method(seen).ends_with('2') { Answer::status(404) } else { picture(JPEG) });
    let list = format!("# people\n{}\n\nnonsense\n{}\n{}\n{}\n", chat(1), chat(2), chat(3), chat(1));
    let args = ["--json", "--rate=0", "--dir", "d", "--from", "list"];
    let output = get(&server, args).file("list", &list).exits(1).any_stdout().any_stderr().run();
    let mut words: Vec<_> = jsons(&output.stdout).iter().map(|line| line["status"].to_string()).collect();
    words.sort();
    assert_eq!(words, ["\"failed\"", "\"found\"", "\"found\"", "\"invalid\""]);
    assert_eq!(names(output.path("d")), [format!("{}.jpg", chat(1)), format!("{}.jpg", chat(3))]);
    let tally = json(output.stderr.lines().last().expect("a tally"))["tally"].clone();
    let of = |key: &str| tally[key].as_u64();
    assert_eq!((of("found"), of("failed"), of("invalid"), of("duplicates")), (Some(2), Some(1), Some(1), Some(1)));
    let output = get(&server, ["-q", "--rate=0", "-"]).stdin(format!("{}\n{}\n", chat(1), chat(3))).run();
    assert!(output.stdout.is_empty());
    let args = ["--rate=0", "--dir", "d", "--from", "list"];
    let output = get(&server, args).file("list", &list).exits(1).any_stdout().stderr_has("2 found").run();
    assert!(output.stderr.contains("1 failed") && output.stderr.contains("picture's URL"), "{}", output.stderr);
}

#[test]
fn a_failure_that_ends_a_run_is_its_exit_status() {
    for (status, body, code, exit) in [
        (401, String::new(), "unauthorized", 77),
        (466, sample("error-466-method.json"), "quota-exceeded", 69),
        (400, "instance account not authorized".to_owned(), "instance-not-authorized", 77),
    ] {
        let server = Server::answering([Answer::status(status).body(body)]);
        let output =
            get(&server, ["--json", "--concurrency=1", CHAT, GROUP]).exits(exit).any_stdout().any_stderr().run();
        assert_eq!(json(&output.stdout)["error"]["code"], code);
    }
    let output = get(&Server::unasked(), ["--json", "12345@c.us"]).exits(65).any_stdout().any_stderr().run();
    assert_eq!(json(&output.stdout)["status"], "invalid");
}

#[test]
fn a_journal_tells_commands_apart_and_records_the_picture() {
    let server = Server::with(|seen| match method(seen) {
        "getAvatarAsync" => Answer::status(200),
        "getAvatar" => ok(&format!(r#"{{"urlAvatar":"http://{}/pictures/1"}}"#, seen.header("host").expect("a host"))),
        _ => picture(JPEG),
    });
    let cli = Cli::on(&server);
    let run = |command: &str| {
        let args = if command == "get" { vec!["--allow-host", "127.0.0.1", "--dir", "d"] } else { vec![] };
        let cli = cli.again().args([command, "-q", "--json", "--journal", "j"]).args(args);
        cli.arg(CHAT).any_stdout().any_stderr().run()
    };
    let requests = || calls(&server, ["getAvatarAsync", "getAvatar"]);
    run("request");
    let output = run("get");
    assert_eq!(requests(), [1, 1], "what one command has done is not done for another");
    assert!(run("request").stdout.is_empty() && run("get").stdout.is_empty());
    assert_eq!(requests(), [1, 1]);
    let kept = jsons(&output.read("j"));
    assert_eq!((&kept[0]["command"], &kept[1]["command"]), (&"request".into(), &"get".into()));
    assert_eq!((&kept[1]["idInstance"], &kept[1]["sha256"]), (&INSTANCE.into(), &SHA256.into()));
}

#[test]
fn show_draws_nothing_without_a_terminal() {
    for extra in [&["--show"][..], &["--show", "--color=always"], &["--show", "--json"]] {
        let server = picture_service(|_| Answer::status(500)).times(1);
        let cli = Cli::on(&server).env("TERM", "xterm-kitty").env("COLORTERM", "truecolor").arg("get").args(extra);
        let output = cli.arg(CHAT).any_stdout().raw().run();
        assert_eq!(output.stdout.lines().count(), 1, "{:?}", output.stdout);
        assert!(!output.stdout.contains("\u{1b}_G") && !output.stdout.contains("\u{1b}[38"), "{:?}", output.stdout);
    }
}

#[test]
fn the_sandbox_has_pictures() {
    let row = |row: &str| format!("11001234{row}@c.us");
    for (n, word) in [("901", "none"), ("902", "hidden"), ("903", "none"), ("913", "no-account")] {
        let output = Cli::new().args(["--sandbox", "get", "--json", &row(n)]).any_stdout().any_stderr().run();
        assert_eq!(json(&output.stdout)["status"], word, "{n}");
    }
    let late = Cli::new().args(["--sandbox", "get", "--json", &row("906")]).exits(75).any_stdout().any_stderr().run();
    assert_eq!(json(&late.stdout)["error"]["code"], "avatar-timeout");
    let args = ["--sandbox", "get", "--json", "--rate=0", "--dir", "d", CHAT, GROUP];
    let cli = Cli::new().args(args).any_stdout().any_stderr();
    let again = cli.again().args(&args[..args.len() - 1]).any_stdout().any_stderr();
    let (first, second) = (jsons(&cli.run().stdout), jsons(&again.run().stdout));
    assert_ne!(first[0]["sha256"], first[1]["sha256"], "each chat has a picture of its own");
    assert!(first.iter().all(|line| line["change"] == "new" && line["expiresAt"].is_string()), "{first:?}");
    assert!(second.len() == 1 && second[0]["change"] == "unchanged", "the same one each time: {second:?}");
}

#[test]
fn an_answer_that_contains_the_picture_is_read() {
    let answer = format!(r#"{{"base64Avatar":"{}","urlAvatar":"","available":true}}"#, "A".repeat(700_000));
    let server = Server::answering([Answer::status(200).body(answer)]);
    Cli::on(&server).args(["get", CHAT]).stdout(format!("{CHAT}\tnone\n")).run();
}
