//! The result of `request` for each documented answer: line, message, exit status and retries.

use std::time::Duration;

use crate::support::{Answer, CHAT, Cli, GROUP, INSTANCE, Server, TOKEN, in_parallel, json, sample};

#[test]
fn the_request_is_the_documented_one() {
    let server = Server::answering([Answer::status(200)]);
    Cli::request(&server, [CHAT]).stdout("11001234567@c.us\taccepted\n").run();
    let requests = server.requests();
    let request = &requests[0];
    assert_eq!(request.method, "POST");
    assert_eq!(request.path, format!("/waInstance{INSTANCE}/getAvatarAsync/{TOKEN}"));
    assert_eq!(request.body, r#"{"chatId":"11001234567@c.us"}"#);
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("content-length"), Some("29"));
    assert_eq!(request.header("user-agent"), Some(concat!("greenavatar/", env!("CARGO_PKG_VERSION"))));
    let host = server.address().to_string();
    assert_eq!(request.header("host"), Some(host.as_str()));
    let mut names: Vec<_> = request.headers.iter().map(|(name, _)| name.to_lowercase()).collect();
    names.sort();
    assert_eq!(names, ["accept", "content-length", "content-type", "host", "user-agent"]);
}

#[test]
fn a_group_is_requested_like_a_chat() {
    let server = Server::answering([Answer::status(200)]);
    Cli::request(&server, [GROUP]).stdout("120363043968066561@g.us\taccepted\n").run();
    assert_eq!(server.requests()[0].body, r#"{"chatId":"120363043968066561@g.us"}"#);
}

#[test]
fn an_accepted_chat_is_one_line_of_json() {
    let server = Server::answering([Answer::status(200)]);
    Cli::request(&server, ["--json", CHAT])
        .stdout(concat!(
            r#"{"chatId":"11001234567@c.us","status":"accepted","httpStatus":200,"attempts":1,"elapsedMs":_}"#,
            "\n"
        ))
        .run();
}

#[test]
fn every_form_of_success_is_accepted() {
    in_parallel(
        [
            (200, ""),
            (200, "{}"),
            (200, "null"),
            (200, " \n"),
            (200, r#"{"urlAvatar":"","reason":""}"#),
            (201, ""),
            (202, "{}"),
            (204, ""),
            (400, ""),
            (400, "\r\n"),
        ],
        |(status, body)| {
            let answer = if status == 204 {
                // A 204 has no Content-Length.
                Answer::raw("HTTP/1.1 204 No Content\r\n\r\n")
            } else {
                Answer::status(status).body(body)
            };
            let server = Server::answering([answer]);
            let output = Cli::request(&server, ["--json", CHAT]).any_stdout().run();
            let line = json(&output.stdout);
            assert_eq!(
                (&line["status"], &line["httpStatus"]),
                (&"accepted".into(), &status.into()),
                "{status} {body:?}"
            );
        },
    );
}

/// HTTP status, body, code word, exit status, and a part of the message.
fn rows() -> Vec<(u16, String, &'static str, u8, &'static str)> {
    let of = |status, body: &str, code, exit, says| (status, body.to_owned(), code, exit, says);
    vec![
        of(400, "bad request data", "bad-request-data", 65, "bad request data"),
        of(400, &sample("error-400-envelope.json"), "bad-request-data", 65, "'chatId' is required"),
        of(
            400,
            r#"{"message":"Unexpected token } in JSON at position 2"}"#,
            "bad-request-data",
            65,
            "Unexpected token",
        ),
        of(400, r#"{"error":"json: cannot unmarshal number into Go"}"#, "bad-request-data", 65, "cannot unmarshal"),
        of(400, r#"{"status":false,"reason":"bad request data"}"#, "bad-request-data", 65, "bad request data"),
        of(400, r#"{"message":"instance in starting process, try later"}"#, "instance-starting", 75, "try later"),
        of(400, "try later", "instance-starting", 75, "try later"),
        of(400, &sample("error-400-text.txt"), "instance-not-authorized", 77, "instance account not authorized"),
        of(400, "instance is starting or not authorized", "instance-not-authorized", 77, "not authorized"),
        of(400, r#"{"message":"Instance account expired"}"#, "instance-expired", 77, "expired"),
        of(400, r#"{"message":"instance is deleted"}"#, "instance-deleted", 77, "is deleted"),
        of(400, r#"{"message":"custom webhook url is set"}"#, "webhook-url-set", 78, "custom webhook url is set"),
        of(401, "", "unauthorized", 77, "401"),
        of(401, r#"{"message":"Unauthorized"}"#, "unauthorized", 77, "Unauthorized"),
        of(200, &sample("error-200-unauthorized.json"), "unauthorized", 77, "Unauthorized"),
        of(403, "", "forbidden", 77, "403"),
        of(403, &sample("error-403-nginx.html"), "forbidden", 77, "403 Forbidden"),
        of(404, "", "not-found", 69, "404"),
        of(404, &sample("error-404-envelope.json"), "not-found", 69, "Cannot GET"),
        of(404, "<html><head><title>404 Not Found</title></head></html>", "not-found", 69, "404 Not Found"),
        of(429, "", "too-many-requests", 75, "429"),
        of(429, r#"{"message":"Too many requests"}"#, "too-many-requests", 75, "Too many requests"),
        of(200, &sample("error-200-rate-overlimit.json"), "too-many-requests", 75, "rate-overlimit"),
        of(466, &sample("error-466-chats.json"), "quota-exceeded", 69, "Monthly quota has been exceeded"),
        of(466, &sample("error-466-method.json"), "quota-exceeded", 69, "Monthly quota has been exceeded"),
        of(466, r#"{"status":"QUOTA_EXCEEDED","description":"used up"}"#, "quota-exceeded", 69, "used up"),
        of(466, "", "quota-exceeded", 69, "466"),
        of(499, "", "client-closed-request", 75, "499"),
        of(500, r#"{"message":"Internal server error"}"#, "server-error", 69, "Internal server error"),
        of(500, "", "server-error", 69, "500"),
        of(502, "<html><head><title>502 Bad Gateway</title></head></html>", "server-error", 69, "502 Bad Gateway"),
        of(503, "", "server-error", 69, "503"),
        of(504, "", "server-error", 69, "504"),
        of(200, r#"{"reason":"get avatar timeout limit exceeded"}"#, "avatar-timeout", 75, "timeout limit exceeded"),
        of(200, r#"{"reason":"bad request data"}"#, "bad-request-data", 65, "bad request data"),
        // Words of known texts within other texts.
        of(400, "request timeout expired", "bad-request-data", 65, "request timeout expired"),
        of(400, r#"{"message":"your session is deleted"}"#, "bad-request-data", 65, "your session is deleted"),
        of(200, r#"{"reason":"request timeout expired"}"#, "unexpected-response", 76, "request timeout expired"),
        of(200, r#"{"reason":"Connection Closed"}"#, "unexpected-response", 76, "Connection Closed"),
        of(200, r#"{"status":false,"reason":"not-authorized"}"#, "unexpected-response", 76, "not-authorized"),
        of(301, "", "unexpected-response", 76, "301"),
        of(405, "", "unexpected-response", 76, "405"),
        of(418, "short and stout", "unexpected-response", 76, "short and stout"),
        of(200, "<html><title>Log in</title></html>", "unexpected-response", 76, "Log in"),
    ]
}

#[test]
fn every_documented_error_has_its_line_of_json() {
    in_parallel(rows(), |(status, body, code, exit, says)| {
        let server = Server::answering([Answer::status(status).body(body.as_str())]);
        let output = Cli::request(&server, ["--json", "--retries", "0", CHAT]).exits(exit).any_stdout().run();
        let line = json(&output.stdout);
        let keys: Vec<_> = line.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys, ["attempts", "chatId", "elapsedMs", "error", "status"], "{status} {body}");
        assert_eq!(line["chatId"], CHAT);
        assert_eq!(line["status"], "failed", "{status} {body}");
        assert_eq!(line["error"]["code"], code, "{status} {body}");
        assert_eq!(line["error"]["httpStatus"], status, "{status} {body}");
        assert_eq!(line["attempts"], 1, "{status} {body}");
        let message = line["error"]["message"].as_str().expect("a message");
        assert!(message.contains(says), "{status} {body}: {message}");
    });
}

#[test]
fn every_documented_error_has_its_line_of_text_and_its_message() {
    in_parallel(rows(), |(status, body, code, exit, says)| {
        let server = Server::answering([Answer::status(status).body(body.as_str())]);
        let output = Cli::request(&server, ["--retries", "0", CHAT])
            .exits(exit)
            .stdout(format!("{CHAT}\tfailed\t{code}\n"))
            .stderr_has(says)
            .run();
        assert_error_form(&output.stderr);
        assert!(output.stderr.starts_with(&format!("greenavatar: error: {CHAT}: ")), "{}", output.stderr);
    });
}

/// Checks the form: `greenavatar: error: <what>`, causes, at most one hint, and no full stop at the end of a line.
#[track_caller]
fn assert_error_form(stderr: &str) {
    let mut lines = stderr.lines().peekable();
    let first = lines.next().unwrap_or_default();
    assert!(first.starts_with("greenavatar: error: "), "{stderr}");
    while lines.next_if(|line| line.starts_with("  caused by: ")).is_some() {}
    let _ = lines.next_if(|line| line.starts_with("  hint: "));
    assert_eq!(lines.next(), None, "{stderr}");
    for line in stderr.lines() {
        assert!(!line.ends_with('.'), "{stderr}");
    }
}

#[test]
fn a_hint_says_how_to_authorize_the_instance() {
    let server = Server::answering([Answer::status(400).body("instance account not authorized")]);
    Cli::request(&server, [CHAT])
        .exits(77)
        .stdout(format!("{CHAT}\tfailed\tinstance-not-authorized\n"))
        .stderr_has("  hint: ")
        .stderr_has("QR code")
        .run();
}

#[test]
fn retries_come_after_growing_delays() {
    let broken = Answer::raw("HTTP/1.1 200 OK\r\nContent-Le");
    let silent = Answer::raw("").then_silence();
    in_parallel([Answer::status(503), broken, silent], |failing| {
        let server = Server::answering([failing.clone(), failing, Answer::status(200)]);
        let args = ["--json", "--timeout", "300ms", CHAT];
        let output = Cli::request(&server, args).any_stdout().any_stderr().run();
        assert_eq!(json(&output.stdout)["attempts"], 3);
        let at: Vec<_> = server.requests().iter().map(|request| request.at).collect();
        let (first, second) = (at[1] - at[0], at[2] - at[1]);
        // 1 s and 2 s with jitter, plus the timeout.
        assert!(first > Duration::from_millis(400) && first < Duration::from_millis(2200), "{first:?}");
        assert!(second > Duration::from_millis(900) && second < Duration::from_millis(3800), "{second:?}");
    });
}

#[test]
fn retry_after_replaces_the_delay() {
    let again = || Answer::status(503).header("Retry-After", "0");
    let server = Server::answering([again(), again(), again(), Answer::status(200)]);
    let output = Cli::request(&server, ["--json", CHAT]).any_stdout().any_stderr().run();
    assert_eq!(json(&output.stdout)["attempts"], 4);
    assert!(output.took < Duration::from_millis(900), "{:?}", output.took);
    let server = Server::answering([Answer::status(429).header("Retry-After", "1"), Answer::status(200)]);
    Cli::request(&server, [CHAT]).stdout(format!("{CHAT}\taccepted\n")).any_stderr().run();
    let requests = server.requests();
    let waited = requests[1].at - requests[0].at;
    assert!(waited >= Duration::from_secs(1) && waited < Duration::from_secs(2), "{waited:?}");
}

#[test]
fn retry_after_may_be_a_date_in_any_of_its_forms() {
    for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
        let again = || Answer::status(503).header("Retry-After", date);
        let server = Server::answering([again(), again(), again(), Answer::status(200)]);
        let output = Cli::request(&server, ["--json", "--rate", "0", CHAT]).any_stdout().any_stderr().run();
        assert_eq!(json(&output.stdout)["attempts"], 4);
        assert!(output.took < Duration::from_secs(1), "{date}: {:?}", output.took);
    }
}

#[test]
fn retries_end_with_the_last_answer() {
    in_parallel([0, 1, 2], |retries| {
        let again = || Answer::status(500).header("Retry-After", "0");
        let server = Server::with(move |_| again()).times(retries + 1);
        let output = Cli::request(&server, ["--json", "--retries", &retries.to_string(), CHAT])
            .exits(69)
            .any_stdout()
            .any_stderr()
            .run();
        assert_eq!(json(&output.stdout)["attempts"], retries + 1);
    });
}

#[test]
fn three_retries_are_the_default() {
    let server = Server::with(|_| Answer::status(500).header("Retry-After", "0")).times(4);
    Cli::request(&server, ["--rate", "0", CHAT])
        .exits(69)
        .stdout(format!("{CHAT}\tfailed\tserver-error\n"))
        .any_stderr()
        .run();
}

#[test]
fn only_failures_that_may_pass_are_retried() {
    in_parallel(rows(), |(status, body, code, exit, _)| {
        let is_retryable = ["instance-starting", "too-many-requests", "client-closed-request", "server-error"];
        let server = Server::with(move |_| Answer::status(status).header("Retry-After", "0").body(body.as_str()))
            .times(if is_retryable.contains(&code) { 2 } else { 1 });
        Cli::request(&server, ["--retries", "1", "--rate", "0", CHAT])
            .exits(exit)
            .stdout(format!("{CHAT}\tfailed\t{code}\n"))
            .any_stderr()
            .run();
    });
}

#[test]
fn one_of_several_chats_that_fails_makes_the_status_1() {
    let server = Server::with(|request| Answer::status(if request.chat() == CHAT { 400 } else { 200 }).body("no"));
    let output = Cli::request(&server, ["--json", CHAT, GROUP]).exits(1).any_stdout().any_stderr().run();
    assert_eq!(output.stdout.lines().count(), 2);
    assert!(output.stdout.contains(r#""status":"failed""#) && output.stdout.contains(r#""status":"accepted""#));
}
