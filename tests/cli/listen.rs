//! `listen`: which requests it accepts, and that 200 is answered only after the notification is kept.

use std::net::SocketAddr;

use crate::support::cli::start_sandbox;
use crate::support::client::{Client, ask, request};
use crate::support::queue::{plain, result};
use crate::support::{CHAT, Cli, Running, Server, chat, json, jsons, sample};

/// `listen` on a free port. The outputs are not checked.
pub fn listen<const N: usize>(args: [&str; N]) -> Cli {
    Cli::new().args(["--json", "listen", "--bind", "127.0.0.1:0"]).args(args).any_stdout().any_stderr()
}

/// Waits until the program listens, and returns its address.
#[track_caller]
pub fn address_of(running: &Running) -> SocketAddr {
    let output = running.wait_for_stderr("listening on http://");
    let rest = output.split_once("listening on http://").expect("an address").1;
    let end = rest.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ':')).unwrap_or(rest.len());
    rest[..end].parse().expect("an address")
}

pub fn post(address: SocketAddr, body: &str) -> u16 {
    ask(address, &request("POST", "/", "", body)).0
}

#[test]
fn every_request_has_its_status() {
    let token = "Authorization: Bearer hush-hush\r\n";
    let cli = listen(["--path", "/avatars", "--discard-foreign", "--webhook-token-file", "token"]);
    let running = cli.file("token", "hush-hush\nanother line\n").secret("hush-hush").until_stopped().start();
    let address = address_of(&running);
    let status = |method, path, headers: &str, body: &str| ask(address, &request(method, path, headers, body)).0;
    let body = plain(1);
    assert_eq!(status("POST", "/avatars", token, &body), 200);
    assert_eq!(status("POST", "/avatars?a=1", token, &body), 200);
    assert_eq!(status("POST", "/avatars", token, &format!("{}{body}", " ".repeat(1024 * 1024 - body.len()))), 200);
    for text in ["", "not json", "[]", "null", "7", "{\"a\":", "<html>"] {
        assert_eq!(status("POST", "/avatars", token, text), 400, "{text}");
    }
    for wrong in ["", "Authorization: Bearer hush\r\n", "Authorization: \r\n", "Authorization: Digest hush-hush\r\n"] {
        assert_eq!(status("POST", "/avatars", wrong, &body), 401, "{wrong}");
    }
    for path in ["/", "/avatar", "/avatars/x", "/healthz"] {
        assert_eq!(status("POST", path, token, &body), 404, "{path}");
    }
    for encoding in ["gzip", "br", "identity, gzip", "identity\r\nContent-Encoding: gzip"] {
        let headers = format!("{token}Content-Encoding: {encoding}\r\n");
        assert_eq!(status("POST", "/avatars", &headers, &body), 415, "{encoding}");
    }
    assert_eq!(status("POST", "/avatars", &format!("{token}content-encoding: Identity\r\n"), &body), 200);
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(status(method, "/avatars", token, ""), 405, "{method}");
    }
    let long = "a".repeat(1024 * 1024 + 1);
    assert_eq!(status("POST", "/avatars", token, &long), 413);
    let chunked = format!("POST /avatars HTTP/1.1\r\nHost: x\r\n{token}Transfer-Encoding: chunked\r\n\r\n");
    assert_eq!(ask(address, &format!("{chunked}{:x}\r\n{long}\r\n0\r\n\r\n", long.len())).0, 413);
    let asking = "POST /avatars HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n";
    assert_eq!(ask(address, &format!("{asking}{token}\r\n")).0, 413, "before the body is sent");
    assert_eq!(status("GET", "/healthz", "", ""), 200);
    // All requests with 200 had the same result, which is printed once.
    assert_eq!(json(&running.stop().stdout)["chatId"], chat(1));
}

#[test]
fn a_slash_at_the_end_of_the_path_is_ignored() {
    for (option, path) in [("/hook", "/hook/"), ("/hook/", "/hook"), ("/hook/", "/hook/"), ("/", "/")] {
        let running = listen(["--discard-foreign", "--path", option]).until_stopped().start();
        assert_eq!(ask(address_of(&running), &request("POST", path, "", &plain(1))).0, 200, "{option} {path}");
        running.stop();
    }
}

#[test]
fn the_token_comes_in_three_forms_and_from_three_places() {
    let forms = ["Bearer hush-hush", "Basic hush-hush", "hush-hush"];
    let from_env = listen(["--discard-foreign"]).env("GREEN_API_WEBHOOK_TOKEN", "hush-hush");
    let from_dotenv = listen(["--discard-foreign"]).file(".env", "GREEN_API_WEBHOOK_TOKEN=hush-hush\n");
    let from_stdin = listen(["--discard-foreign", "--webhook-token-file", "-"]);
    for (cli, typed) in [(from_env, ""), (from_dotenv, ""), (from_stdin, "hush-hush\n")] {
        let mut running = cli.secret("hush-hush").until_stopped().start();
        running.write_stdin(typed);
        let address = address_of(&running);
        let mut client = Client::connect(address);
        for (n, form) in forms.iter().enumerate() {
            let header = format!("authorization: {form}\r\n");
            assert_eq!(client.post("/", &header, &plain(n)), Some(200), "{form}");
        }
        assert_eq!(post(address, &plain(9)), 401);
        assert_eq!(running.stop().stdout.lines().count(), forms.len());
    }
}

#[test]
fn missing_and_unsafe_settings_are_refused() {
    let refused = |cli: Cli, part: &str| {
        let output = cli.exits(78).stdout("").any_stderr().run();
        let error = &json(&output.stderr)["error"];
        assert_eq!(error["code"], "bad-settings");
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(listen([]), "--discard-foreign");
    let beyond = || Cli::new().args(["--json", "listen", "--discard-foreign", "--bind"]);
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080", "[::ffff:192.0.2.1]:8080"] {
        refused(beyond().arg(address), "--webhook-token-file");
    }
    refused(listen(["--discard-foreign", "--webhook-token-file", "empty"]).file("empty", "\n"), "empty");
    refused(listen(["--discard-foreign"]).env("GREEN_API_WEBHOOK_TOKEN", ""), "empty");
    refused(listen(["--discard-foreign"]).file(".env", "GREEN_API_WEBHOOK_TOKEN=''\n"), "empty");
    let running = listen(["--discard-foreign"]).until_stopped().start();
    let address = address_of(&running).to_string();
    refused(beyond().arg(&address), &address);
    running.stop();
    // Only `listen` has the option.
    for args in [["--webhook-token-file", "empty", "listen"], ["get", "--webhook-token-file", "empty"]] {
        Cli::new().args(args).exits(2).stderr_has("--webhook-token-file").run();
    }
    listen(["--discard-foreign", "--webhook-token-file", "missing"]).exits(66).any_stderr().run();
    // The file of --env-file is read even if no setting is missing.
    let named = listen(["--discard-foreign", "--env-file", "missing"]).env("GREEN_API_WEBHOOK_TOKEN", "hush-hush");
    named.exits(66).any_stderr().run();
    listen(["--discard-foreign", "--spool", "s"]).exits(2).any_stderr().run();
    listen(["--spool", "no/such/folder\u{1b}/s"]).exits(74).stderr_has(r"no/such/folder\\u{1b}/s").run();
    Cli::new().args(["listen", "-q", "--discard-foreign"]).exits(78).any_stderr().run();
    for wrong in [["--path", "avatars"], ["--bind", "8080"], ["--max", "0"]] {
        listen(["--discard-foreign"]).args(wrong).exits(2).any_stderr().run();
    }
}

#[test]
fn with_a_token_it_binds_beyond_loopback() {
    let cli = Cli::new().args(["listen", "--discard-foreign", "--bind", "0.0.0.0:0"]).any_stderr().until_stopped();
    let running = cli.env("GREEN_API_WEBHOOK_TOKEN", "hush-hush").secret("hush-hush").start();
    let port = address_of(&running).port();
    assert_eq!(post(SocketAddr::from(([127, 0, 0, 1], port)), &plain(1)), 401);
    running.stop();
}

#[test]
fn a_result_is_flushed_and_a_foreign_notification_spooled_before_its_200() {
    let cli = listen(["--spool", "spool"]).until_stopped();
    let (out, spool) = (cli.dir().join("out"), cli.dir().join("spool"));
    let running = cli.stdout_to(std::fs::File::create(&out).expect("a file")).start();
    let address = address_of(&running);
    let read = |path| std::fs::read_to_string(path).expect("a file");
    let pretty = "{ \"typeWebhook\":\"x\",\r\n  \"n\": 123456789012345678901234567890,\n\"n\":1 }";
    let broken = r#"{"typeWebhook":"deviceInfo","avatarInfo":{"chatId":true},}"#;
    let mut kept = String::new();
    for (n, (body, line)) in [
        (sample("incoming-message.json"), sample("incoming-message.json").trim().to_owned()),
        (pretty.to_owned(), pretty.replace(['\r', '\n'], "")),
        (broken.to_owned(), broken.to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(post(address, &body), 200);
        kept += &(line + "\n");
        assert_eq!(read(&spool), kept);
        assert_eq!(post(address, &plain(n)), 200);
        let lines = jsons(&read(&out));
        assert_eq!((lines.len(), &lines[n]["chatId"]), (n + 1, &chat(n).into()));
    }
    assert!(running.stop().is_private("spool"));
}

#[test]
fn a_renamed_or_removed_spool_is_created_anew_before_the_200() {
    let running = listen(["--spool", "spool"]).until_stopped();
    let (spool, rotated) = (running.dir().join("spool"), running.dir().join("spool.1"));
    let running = running.start();
    let address = address_of(&running);
    let message = sample("incoming-message.json");
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(post(address, &message), 200);
    std::fs::rename(&spool, &rotated).expect("rotated");
    assert_eq!(post(address, r#"{"n":2}"#), 200);
    assert_eq!((read(&rotated), read(&spool).as_str()), (message.trim().to_owned() + "\n", "{\"n\":2}\n"));
    std::fs::remove_file(&spool).expect("removed");
    assert_eq!(post(address, r#"{"n":3}"#), 200);
    assert_eq!(read(&spool), "{\"n\":3}\n");
    assert!(running.stop().is_private("spool"));
}

#[test]
fn a_result_into_a_closed_pipe_is_not_acknowledged_and_ends_the_run_silently() {
    let running = listen(["--discard-foreign"]).stdout_to(crate::support::cli::closed_pipe()).exits(74).start();
    let answer = Client::connect(address_of(&running)).post("/", "", &plain(1));
    assert_ne!(answer, Some(200));
    assert_eq!(running.finish().stderr.lines().count(), 1, "only the address");
}

#[test]
fn a_discarded_notification_is_acknowledged() {
    let running = listen(["--discard-foreign", "--max", "1"]).start();
    let address = address_of(&running);
    assert_eq!(post(address, &sample("incoming-message.json")), 200);
    assert_eq!(post(address, &plain(1)), 200);
    assert_eq!(json(&running.finish().stdout)["chatId"], chat(1));
}

#[test]
fn repeated_results_are_acknowledged_and_printed_once() {
    let running = listen(["--discard-foreign"]).until_stopped().start();
    let address = address_of(&running);
    let of = |timestamp, url: &str| result(CHAT, timestamp, &format!(r#","urlAvatar":"{url}""#));
    let (one, two) = ("https://a.example/1", "https://a.example/2");
    for body in [of(1, one), of(1, one), of(1, two), of(2, two), of(1, one), of(2, two)] {
        assert_eq!(post(address, &body), 200);
    }
    assert_eq!(running.stop().stdout.lines().count(), 3);
}

#[test]
fn max_ends_the_run() {
    let running = listen(["--discard-foreign", "--max", "2"]).exits(1).start();
    let address = address_of(&running);
    assert_eq!(post(address, &plain(1)), 200);
    assert_eq!(post(address, &plain(1)), 200);
    assert_eq!(post(address, &sample("avatar-info-failed.json")), 200);
    let output = running.finish();
    assert_eq!(output.stdout.lines().count(), 2, "a repeat does not count");
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn no_more_than_max_results_are_printed_or_acknowledged_at_once() {
    let running = listen(["--discard-foreign", "--max", "3"]).start();
    let address = address_of(&running);
    let mut clients: Vec<_> = (0..8).map(|_| Client::connect(address)).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(request("POST", "/", "", &plain(n)));
    }
    let acknowledged = clients.iter_mut().filter_map(|client| client.answer()).filter(|(status, _)| *status == 200);
    assert_eq!(acknowledged.count(), 3);
    assert_eq!(running.finish().stdout.lines().count(), 3);
}

#[test]
fn the_sandbox_sends_its_notifications_to_it() {
    let listening = listen(["--spool", "spool", "--path", "/hook"]).env("GREEN_API_WEBHOOK_TOKEN", "hush-hush");
    let running = listening.until_stopped().start();
    let url = format!("http://{}/hook", address_of(&running));
    let options = ["--delay", "1ms", "--webhook-url", &url, "--webhook-token", "hush-hush"];
    let (sandbox, address) = start_sandbox(&options);
    let chats = ["567", "901", "903", "905"].map(|row| format!("11001234{row}@c.us"));
    Cli::at_sandbox(address).args(["request", "--rate", "0"]).args(chats).any_stdout().any_stderr().run();
    running.wait_for_lines(4);
    sandbox.stop();
    let output = running.stop();
    let mut seen: Vec<_> = jsons(&output.stdout)
        .iter()
        .map(|line| (line["chatId"].as_str().expect("a chat").to_owned(), line["status"].as_str() == Some("found")))
        .collect();
    seen.sort();
    let of = |row: &str, found| (format!("11001234{row}@c.us"), found);
    assert_eq!(seen, [of("567", true), of("901", false), of("903", false), of("905", true)]);
}

#[test]
fn it_needs_no_credentials() {
    let server = Server::unasked();
    let cli = Cli::on(&server).without("GREEN_API_TOKEN_INSTANCE").args(["listen", "--discard-foreign", "--max", "1"]);
    let running = cli.args(["--bind", "127.0.0.1:0"]).any_stdout().any_stderr().start();
    assert_eq!(post(address_of(&running), &result(CHAT, 1, r#","urlAvatar":"https://a.example/x""#)), 200);
    let output = running.finish();
    assert_eq!(output.stdout, format!("{CHAT}\tfound\thttps://a.example/x\n"));
    assert_eq!(output.stderr.lines().count(), 2, "where it listens, and a summary: {}", output.stderr);
}
