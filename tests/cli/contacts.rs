//! `contacts`: converts files of phone numbers, and lists the account's contacts, as lines that every list accepts.

use std::fmt::Write;

use serde_json::json;

use crate::support::{Answer, CHAT, Cli, GROUP, INSTANCE, Server, TOKEN, json, jsons};

/// An address book as a program exports it, with made-up people.
fn export(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/contacts/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `contacts --from` for one file, without any settings.
fn convert(name: &str, content: impl AsRef<[u8]>) -> Cli {
    Cli::new().file(name, content).args(["contacts", "--from", name])
}

#[test]
fn exports_of_address_books_become_lists() {
    for (name, lines, errors) in [
        (
            "google.csv",
            "11001234501@c.us\tAda Lovelace\n11001234502@c.us\tAda Lovelace\n11001234503@c.us\tAda Lovelace\n\
             447700900123@c.us\tGrace Brewster Hopper\n49301234567@c.us\n",
            &[][..],
        ),
        (
            "outlook.csv",
            "11001234504@c.us\tAlan Mathison Turing\n11001234505@c.us\tAlan Mathison Turing\n",
            &["outlook.csv:4: (100) 123-4506: a number without its country code"],
        ),
        (
            "excel-semicolons.csv",
            "79001234501@c.us\tИван Петров\n",
            &["excel-semicolons.csv:3: 8 (900) 123-45-02: a number without its country code"],
        ),
        ("excel-unicode.txt", "34600123401@c.us\tJosé \"Pepe\" Núñez\n85261234501@c.us\t李 小龍\n", &[]),
        (
            "spreadsheet.csv",
            "11001234567@c.us\tfloat\n",
            &["spreadsheet.csv:2: 1.10012E+10: a number that a spreadsheet shortened"],
        ),
        ("no-header.csv", "11001234507@c.us\tBjörk\n11001234508@c.us\tZoë\n", &[]),
        (
            "numbers.txt",
            "11001234501@c.us\n11001234502@c.us\n120363043968066561@g.us\n",
            &["numbers.txt:6: nonsense: "],
        ),
        (
            "icloud.vcf",
            "11001234501@c.us\tAda, Countess of Lovelace\n11001234502@c.us\tAda, Countess of Lovelace\n",
            &["icloud.vcf:201: 07700 900123: a number without its country code"],
        ),
        (
            "android.vcf",
            "79001234501@c.us\tИван Петров\n34600123401@c.us\tJosé\n",
            &["android.vcf:7: 8-900-123-45-02: a number without its country code"],
        ),
        ("rfc6350.vcf", "11001234501@c.us\tSimon Perreault\n11001234502@c.us\tSimon Perreault\n", &[]),
    ] {
        let output = convert(name, export(name)).exits(u8::from(!errors.is_empty())).stdout(lines).any_stderr().run();
        assert_eq!(output.stderr.matches("error: ").count(), errors.len(), "{name}: {}", output.stderr);
        for error in errors {
            assert!(output.stderr.contains(&format!("greenavatar: error: {error}")), "{name}: {}", output.stderr);
        }
    }
}

#[test]
fn a_country_code_is_added_to_numbers_that_have_none() {
    let cli = convert("outlook.csv", export("outlook.csv")).args(["--country-code", "1"]);
    cli.stdout("11001234504@c.us\tAlan Mathison Turing\n11001234505@c.us\tAlan Mathison Turing\n11001234506@c.us\tKatherine Johnson\n").run();
    convert("a", "07700 900123\n").args(["--country-code", "44"]).stdout("447700900123@c.us\n").run();
    convert("a", "8 (900) 123-45-67\n").args(["--country-code=+7"]).stdout("79001234567@c.us\n").run();
    for code in ["0", "044", "x", "", "12345"] {
        convert("a", "1").args(["--country-code", code]).exits(2).any_stderr().run();
    }
    Cli::new().args(["contacts", "--country-code", "44"]).exits(2).any_stderr().run();
}

#[test]
fn several_files_and_standard_input_are_one_list_without_repeats() {
    let cli = Cli::new().file("a", "+11001234501\n").file("b", "name,phone\nAda,+11001234502\nAda,+11001234501\n");
    let cli = cli.args(["contacts", "--from", "a", "b", "--from", "-"]).stdin("+1 100 123 4503\n+1 100 123 4501");
    cli.stdout("11001234501@c.us\n11001234502@c.us\tAda\n11001234503@c.us\n").run();
    Cli::new().args(["contacts", "--from", "-", "-"]).exits(2).any_stderr().run();
}

#[test]
fn json_has_the_type_and_errors_have_file_and_line() {
    let output = convert("a.csv", "Name,Phone\nAda,+11001234567\n,120363043968066561@g.us\nBob,123\n")
        .arg("--json")
        .exits(1)
        .any_stdout()
        .any_stderr()
        .run();
    let expected = [
        json!({ "chatId": CHAT, "name": "Ada", "type": "user" }),
        json!({ "chatId": GROUP, "name": "", "type": "group" }),
    ];
    assert_eq!(jsons(&output.stdout), expected);
    let error = &json(&output.stderr)["error"];
    assert_eq!(
        (&error["code"], &error["file"], &error["line"]),
        (&"invalid-chat-id".into(), &"a.csv".into(), &4.into())
    );
    assert!(error["message"].is_string() && error["hint"].is_string(), "{error}");
}

#[test]
fn each_hint_is_given_once() {
    let output = convert("a", "123456789\n12345678\n1.1E+10\n1.2E+10\n").exits(1).any_stderr().run();
    assert_eq!(
        (output.stderr.matches("error: ").count(), output.stderr.matches("hint: ").count()),
        (4, 2),
        "{}",
        output.stderr
    );
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_and_the_others_are_read() {
    let cli = Cli::new().file("a", "+11001234567\n").args(["contacts", "--from", "missing", "a", "."]);
    let output = cli.exits(1).stdout(format!("{CHAT}\n")).any_stderr().run();
    assert_eq!(output.stderr.matches("error: cannot read ").count(), 2, "{}", output.stderr);
    let output = Cli::new().args(["--json", "contacts", "--from", "missing", "."]).exits(66).any_stderr().run();
    assert!(jsons(&output.stderr).iter().all(|line| line["error"]["code"] == "input-unreadable"), "{}", output.stderr);
}

#[test]
fn a_name_stays_in_its_column_and_has_no_control_characters() {
    let name = "a\tb\u{1b}[31m\u{202e}c\u{200d}\nd".to_owned() + &"é".repeat(300);
    let cli = convert("a.csv", format!("Name;Phone\n\"{name}\";+11001234567\n"));
    let output = cli.any_stdout().run();
    let expected = "a b [31mc d".to_owned() + &"é".repeat(189);
    assert_eq!(output.stdout, format!("{CHAT}\t{expected}\n"));
}

#[test]
fn bytes_that_are_not_utf8_are_one_warning() {
    let cli = convert("a.csv", b"Name;Phone\nJos\xe9;+11001234567\nJos\xe9;+11001234568\n");
    let output = cli.stdout("11001234567@c.us\tJos\u{fffd}\n11001234568@c.us\tJos\u{fffd}\n").any_stderr().run();
    assert_eq!(output.stderr.matches("warning: ").count(), 1, "{}", output.stderr);
}

#[test]
fn malformed_parts_are_errors_with_a_line_and_the_rest_is_printed() {
    let long = "9".repeat(10_000_000);
    for (content, error) in [
        ("+11001234567\n1\0+1\n".to_owned(), "a:2: "),
        (format!("+11001234567\n{long}\n"), "a:2: a line with more than 64 KiB"),
        (format!("Phone,Name\n+11001234567,\n\"{long}"), "a:3: a record longer than 64 KiB"),
        ("Phone,Name\n+11001234567,Ada\n\"1,x\n2,y\n".into(), "a:3: a quote that is left open"),
        ("BEGIN:VCARD\nTEL:+11001234567\nEND:VCARD\nBEGIN:VCARD\nTEL:+110012".into(), "a:4: a vCard without END:VCARD"),
        ("+11001234567\nada@example.com\n".into(), "a:2: ada@example.com: "),
    ] {
        let output = convert("a", &content).exits(1).any_stdout().any_stderr().run();
        assert!(output.stdout.starts_with(CHAT) && output.stdout.lines().count() == 1, "{error}: {}", output.stdout);
        assert!(output.stderr.contains(&format!("error: {error}")), "{error}: {}", output.stderr);
        assert!(output.stderr.len() < 1000, "{} bytes", output.stderr.len());
    }
    convert("a.csv", "mail,note\na@example.com,x\n").exits(1).stderr_has("no column of phone numbers").run();
}

#[test]
fn its_lines_are_accepted_as_a_list() {
    let list = convert("google.csv", export("google.csv")).any_stdout().any_stderr().run().stdout;
    let server = Server::with(|_| Answer::status(200)).times(5);
    let output = Cli::request(&server, ["--json", "--lenient", "-"]).stdin(list).any_stdout().any_stderr().run();
    let named = jsons(&output.stdout).iter().filter(|line| line["name"] == "Ada Lovelace").count();
    assert_eq!((output.stdout.lines().count(), named), (5, 3), "{}", output.stdout);
}

#[test]
fn a_file_that_is_read_is_not_written() {
    let cli = convert("a", "+11001234567\n").exits(78).stderr_has("are the same file");
    let stdout = std::fs::File::options().append(true).open(cli.dir().join("a")).expect("a file");
    cli.stdout_to(stdout).run();
}

#[test]
fn a_closed_pipe_ends_it_silently() {
    let mut list = String::new();
    (0..50_000).for_each(|n| writeln!(list, "+1100{n:07}").expect("a string"));
    let cli = convert("a", &list).stdout_to(crate::support::cli::closed_pipe());
    cli.exits(74).run();
}

/// A list of contacts. One chat is in it twice, and three ids cannot have a picture.
const BOOK: &str = r#"[{"id":"11001234567@c.us","name":"Ivan","contactName":"Ivan Work","type":"user"},
    {"id":"120363043968066561@g.us","name":"My group","type":"group"},
    {"id":"120363043968066561@g.us","name":"My group","type":"group"},
    {"id":"1@lid","newChatId":"6581234567@c.us","name":"","contactName":""},
    {"id":"null@c.us","name":"x"},{"id":"status@broadcast"},{"id":"120363043968066561@newsletter"}]"#;

/// A service. The closure gets the method and the query of each call.
pub fn account(mut answer: impl FnMut(&str, &str) -> Answer + Send + 'static) -> Server {
    Server::with(move |seen| {
        let method = seen.path.split('/').nth(2).unwrap_or_default();
        answer(method, seen.path.split_once('?').map_or("", |(_, query)| query))
    })
}

pub fn contacts(server: &Server) -> Cli {
    Cli::on(server).arg("contacts")
}

#[test]
fn the_contacts_of_the_account_are_printed_each_once() {
    let server = account(|_, _| Answer::status(200).body(BOOK)).times(4);
    let book = "11001234567@c.us\tIvan Work\n120363043968066561@g.us\tMy group\n6581234567@c.us\n";
    let note = "greenavatar: note: 3 ids left out: chats of this kind have no picture\n";
    contacts(&server).stdout(book).stderr(note).run();
    contacts(&server).args(["--limit", "1"]).stdout("11001234567@c.us\tIvan Work\n").run();
    contacts(&server).arg("--groups").stdout("120363043968066561@g.us\tMy group\n").any_stderr().run();
    let output = contacts(&server).args(["--json", "--recent", "--people"]).any_stdout().any_stderr().run();
    assert_eq!(json(output.stdout.lines().next().expect("a line"))["name"], "Ivan Work");
    assert_eq!((output.stdout.lines().count(), json(&output.stderr)["note"]["message"].is_string()), (2, true));
    let paths: Vec<String> = server.requests().iter().map(|seen| seen.path.replace(TOKEN, "T")).collect();
    let path = |method: &str| format!("/waInstance{}/{method}", INSTANCE);
    assert_eq!(
        paths,
        [path("getContacts/T"), path("getContacts/T"), path("getContacts/T?group=true"), path("getChats/T")]
    );
}

#[test]
fn an_empty_list_is_fetched_again() {
    let mut requests = 0;
    let server = account(move |_, _| {
        requests += 1;
        Answer::status(200).body(if requests == 1 { "[]" } else { BOOK })
    })
    .times(2);
    let output = contacts(&server).any_stdout().stderr_has("asking again in 5 s").run();
    assert_eq!(output.stdout.lines().count(), 3);
    assert!(output.took >= std::time::Duration::from_secs(5), "{:?}", output.took);
}

#[test]
fn an_empty_list_is_the_answer_only_if_the_service_says_that_all_is_loaded() {
    for (settings, exit, word) in [
        (r#"{"historySyncProgress":100}"#, 0, "note: the account has no such contacts"),
        (r#"{"historySyncProgress":40}"#, 75, "40 % are loaded"),
        (r#"{"stateInstance":"authorized"}"#, 75, "for some minutes: try again later"),
    ] {
        let server =
            account(move |method, _| Answer::status(200).body(if method == "getWaSettings" { settings } else { "[]" }))
                .times(2);
        contacts(&server).args(["--retries", "0"]).exits(exit).stderr_has(word).run();
        if exit == 75 {
            let server = account(move |method, _| {
                Answer::status(200).body(if method == "getWaSettings" { settings } else { "[]" })
            })
            .times(2);
            let output = contacts(&server).args(["--json", "--retries", "0"]).exits(75).any_stderr().run();
            assert_eq!(json(&output.stderr)["error"]["code"], "contacts-not-ready");
        }
    }
}

#[test]
fn an_answer_that_is_not_a_list_is_the_failure_that_it_reports() {
    for (status, body, exit, code) in [
        (401, "", 77, "unauthorized"),
        (403, "", 77, "forbidden"),
        (404, "", 69, "not-found"),
        (466, "", 69, "quota-exceeded"),
        (400, "instance account not authorized", 77, "instance-not-authorized"),
        (200, r#"{"code":401,"description":"Unauthorized"}"#, 77, "unauthorized"),
        (200, "<html><title>502 Bad Gateway</title></html>", 76, "unexpected-response"),
        (200, r#""Error: item-not-found""#, 76, "unexpected-response"),
        (200, r#"{"id":"11001234567@c.us"}"#, 76, "unexpected-response"),
        (200, "", 76, "unexpected-response"),
    ] {
        let server = account(move |_, _| Answer::status(status).body(body)).times(1);
        let output = contacts(&server).args(["--json", "--retries", "0"]).exits(exit).any_stderr().run();
        assert_eq!(json(&output.stderr)["error"]["code"], code, "{status} {body}");
    }
    let server = account(|_, _| Answer::status(200).body(r#"{"reason":"Connection Closed"}"#)).times(1);
    let output = contacts(&server).args(["--retries", "0"]).any_status().any_stderr().run();
    assert!(output.stderr.contains("Connection Closed"), "{}", output.stderr);
}

#[test]
fn a_failure_that_may_pass_is_retried_and_no_line_is_printed_twice() {
    let mut requests = 0;
    let server = account(move |_, _| {
        requests += 1;
        match requests {
            1 => Answer::status(500),
            // Breaks off in the middle.
            2 => Answer::raw(
                "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n[{\"id\":\"11001234567@c.us\",\"name\":\"Ivan Work\"},",
            ),
            _ => Answer::status(200).body(BOOK),
        }
    })
    .times(3);
    let book = "11001234567@c.us\tIvan Work\n120363043968066561@g.us\tMy group\n6581234567@c.us\n";
    contacts(&server).stdout(book).any_stderr().run();
}

#[test]
fn a_list_that_is_cut_off_is_reported_as_incomplete() {
    let cut = &BOOK[..BOOK.len() - 10];
    let server = account(move |_, _| Answer::status(200).body(cut)).times(1);
    let cli = contacts(&server).args(["--retries", "0"]).exits(76).any_stdout();
    cli.stderr_has("the list of contacts is incomplete").run();
    let server = account(move |_, _| Answer::status(200).body(cut)).times(1);
    let cli = Cli::on(&server).args(["get", "--contacts", "--retries", "0"]).exits(76);
    cli.stderr_has("the list of contacts is incomplete").run();
}

#[test]
fn get_and_request_take_the_list_of_the_account_directly() {
    let answer = |method: &str, _: &str| match method {
        "getContacts" | "getChats" => Answer::status(200).body(BOOK),
        "getAvatar" => Answer::status(200).body(r#"{"urlAvatar":"","available":true}"#),
        _ => Answer::status(200),
    };
    for (command, which, lines) in [
        ("get", "--contacts", 3),
        ("get", "--contacts=people", 2),
        ("request", "--contacts=groups", 1),
        ("request", "--contacts=recent", 3),
    ] {
        let server = account(answer).times(1 + lines);
        let output = Cli::on(&server).args(["--json", command, which]).any_stdout().any_stderr().run();
        let named: Vec<_> = jsons(&output.stdout).into_iter().map(|line| line["name"].clone()).collect();
        assert_eq!(named.len(), lines, "{command} {which}");
        assert!(named.iter().any(|name| name == "My group" || name == "Ivan Work"), "{named:?}");
    }
}

#[test]
fn contacts_with_another_list_are_a_usage_error() {
    let server = Server::unasked();
    for args in [
        &["get", "--contacts", CHAT][..],
        &["request", "--contacts=people", "-"],
        &["get", "--contacts", "--from", "list"],
        &["request", "--contacts", "--dry-run"],
        &["get", "--contacts=nonsense"],
        &["contacts", "--people", "--groups"],
        &["contacts", "--from", "list", "--recent"],
        &["contacts", CHAT],
    ] {
        Cli::on(&server).args(args).exits(2).any_stderr().run();
    }
}

#[test]
fn the_sandbox_has_contacts() {
    let output = Cli::new().args(["--sandbox", "contacts"]).any_stdout().any_stderr().run();
    assert!(output.stdout.starts_with("11001234567@c.us\tAda (work)\n"), "{}", output.stdout);
    assert_eq!(output.stdout.lines().count(), 13, "{}", output.stdout);
    let output = Cli::new()
        .args(["--sandbox", "--json", "get", "--contacts=groups", "--dir", "d"])
        .any_stdout()
        .any_stderr()
        .run();
    assert!(
        jsons(&output.stdout).iter().any(|line| line["name"] == "Family" && line["file"].is_string()),
        "{}",
        output.stdout
    );
}
