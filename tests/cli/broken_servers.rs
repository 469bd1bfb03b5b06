//! Malformed, endless and interrupted answers: the run ends in bounded time, with one line and the right code word.

use std::time::Duration;

use crate::support::{Answer, CHAT, Cli, Output, Server, in_parallel, json};

/// One attempt of at most two seconds.
fn ask(server: &Server) -> Cli {
    Cli::request(server, ["--json", "--retries", "0", "--timeout", "2s", CHAT]).any_stdout()
}

/// One attempt of at most 300 ms, for servers that use up the time limit.
fn ask_briefly(server: &Server) -> Cli {
    Cli::request(server, ["--json", "--retries", "0", "--timeout", "300ms", CHAT]).any_stdout()
}

/// The code word of the only line.
fn code(output: &Output) -> String {
    let line = json(&output.stdout);
    assert_eq!((&line["chatId"], &line["status"], &line["attempts"]), (&CHAT.into(), &"failed".into(), &1.into()));
    line["error"]["code"].as_str().expect("a code word").to_owned()
}

/// Checks that the run fails with this code word and exit status.
#[track_caller]
fn fails(cli: Cli, word: &str, status: u8, what: &str) {
    let output = cli.exits(status).run();
    assert_eq!(code(&output), word, "{what}");
}

#[test]
fn an_answer_that_is_closed_at_any_byte_is_unreachable() {
    let whole = Answer::status(500).header("X", "y").body(r#"{"message":"no"}"#).bytes();
    in_parallel(0..whole.len(), |end| {
        let server = Server::answering([Answer::raw(&whole[..end])]);
        fails(ask(&server), "unreachable", 69, &format!("closed after {end} bytes"));
    });
}

#[test]
fn an_answer_that_is_reset_at_any_byte_is_unreachable() {
    let whole = Answer::status(200).body("{}").bytes();
    in_parallel(0..whole.len(), |end| {
        let server = Server::answering([Answer::raw(&whole[..end]).then_reset()]);
        fails(ask(&server), "unreachable", 69, &format!("reset after {end} bytes"));
    });
}

#[test]
fn a_chunked_answer_that_is_closed_at_any_byte_is_unreachable() {
    let whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    // The last two bytes end the (empty) trailers; an answer without them may count as complete.
    in_parallel(0..whole.len() - 2, |end| {
        let server = Server::answering([Answer::raw(&whole[..end])]);
        fails(ask(&server), "unreachable", 69, &format!("closed after {end} bytes"));
    });
    let server = Server::answering([Answer::raw(*whole)]);
    Cli::request(&server, [CHAT]).stdout(format!("{CHAT}\taccepted\n")).run();
}

#[test]
fn a_connection_that_is_refused_is_unreachable() {
    let port = Server::unasked().address();
    fails(
        Cli::at(&format!("http://{port}")).args(["request", "--json", "--retries", "0", CHAT]).any_stdout(),
        "unreachable",
        69,
        "refused",
    );
}

/// It never carried a request, so it is not a kept-alive connection that the server closed.
#[test]
fn a_connection_that_ends_before_it_is_ready_is_not_opened_again_at_once() {
    in_parallel(["https", "socks5", "socks5h", "socks4", "http"], |scheme| {
        let server = Server::speaking_first(b"");
        let (url, proxy) = match scheme {
            "https" => (format!("https://{}", server.address()), String::new()),
            // Only the proxy is connected to.
            _ => ("http://127.0.0.1:9".to_owned(), format!("{scheme}://{}", server.address())),
        };
        let cli = Cli::at(&url).env("ALL_PROXY", proxy).args(["request", "--json", "--retries", "0", CHAT]);
        fails(cli.any_stdout(), "unreachable", 69, scheme);
        assert_eq!(server.connections(), 1, "{scheme}");
    });
}

#[test]
fn a_host_that_does_not_exist_is_unreachable() {
    let cli = Cli::at("https://no-such-host.invalid").args(["request", "--json", "--retries", "0"]);
    fails(cli.args(["--timeout", "5s", CHAT]).any_stdout(), "unreachable", 69, "no such host");
}

#[test]
fn silence_ends_with_the_timeout() {
    let whole = Answer::status(200).body("{}").bytes();
    in_parallel([0, 1, 15, whole.len() - 1], |end| {
        let server = Server::answering([Answer::raw(&whole[..end]).then_silence()]);
        let output = ask_briefly(&server).exits(75).run();
        assert_eq!(code(&output), "timeout", "silent after {end} bytes");
        assert!(output.took >= Duration::from_millis(300) && output.took < Duration::from_secs(2), "{:?}", output.took);
    });
}

#[test]
fn the_timeout_bounds_an_answer_that_drips() {
    let body = Answer::status(200).body("x".repeat(1000)).bytes();
    let header_end = body.windows(4).position(|four| four == b"\r\n\r\n").expect("a header") + 4;
    in_parallel([0, 17, header_end], |start| {
        let server = Server::answering([Answer::raw(&body[..start]).then_drip(&body[start..])]);
        let output = ask_briefly(&server).exits(75).run();
        assert_eq!(code(&output), "timeout", "dripping from byte {start}");
        assert!(output.took < Duration::from_secs(2), "{:?}", output.took);
    });
}

#[test]
fn the_timeout_bounds_chunks_that_drip() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let server = Server::answering([Answer::raw(head).then_drip("1\r\nx\r\n".repeat(100))]);
    fails(ask_briefly(&server), "timeout", 75, "dripping chunks");
}

#[test]
fn an_endless_header_is_an_unexpected_response() {
    in_parallel(["X: y\r\n", "X", "\r\nX-Long: ", " "], |piece| {
        let server = Server::answering([Answer::raw("HTTP/1.1 200 OK\r\n").then_endlessly(piece.repeat(1000))]);
        let output = ask(&server).exits(76).run();
        assert_eq!(code(&output), "unexpected-response", "endless {piece:?}");
    });
}

#[test]
fn an_endless_body_is_read_to_its_limit() {
    in_parallel(
        [
            ("HTTP/1.1 200 OK\r\n\r\n", "unexpected-response", 76),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "unexpected-response", 76),
            ("HTTP/1.1 500 No\r\n\r\n", "server-error", 69),
            ("HTTP/1.1 400 No\r\n\r\n", "bad-request-data", 65),
        ],
        |(head, word, status)| {
            let server = Server::answering([Answer::raw(head).then_endlessly("x".repeat(8192))]);
            fails(ask(&server), word, status, head);
        },
    );
}

#[test]
fn endless_chunks_are_read_to_their_limit() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let server =
        Server::answering([Answer::raw(head).then_endlessly(format!("400\r\n{}\r\n", "x".repeat(0x400)).repeat(10))]);
    fails(ask(&server), "unexpected-response", 76, "endless chunks");
}

#[test]
fn endless_parts_of_chunks_end_in_bounded_time() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    in_parallel([("", "0"), ("", "1;x"), ("0\r\n", "X: y\r\n"), ("0\r\n", "X")], |(start, piece)| {
        let server = Server::answering([Answer::raw(format!("{head}{start}")).then_endlessly(piece.repeat(1000))]);
        let output = Cli::request(&server, ["--json", "--retries", "0", "--timeout", "500ms", CHAT])
            .any_stdout()
            .any_stderr()
            .any_status()
            .run();
        assert_eq!(json(&output.stdout)["chatId"], CHAT);
        assert!(output.took < Duration::from_secs(3), "{piece:?}: {:?}", output.took);
    });
}

#[test]
fn a_wrong_length_ends_in_bounded_time() {
    in_parallel(
        [
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}",
        ],
        |head| {
            let server = Server::answering([Answer::raw(head)]);
            let output = ask(&server).any_status().run();
            let code = code(&output);
            assert!(code == "unreachable" || code == "unexpected-response", "{head:?}: {code}");
            assert!(output.took < Duration::from_secs(2), "{head:?}: {:?}", output.took);
        },
    );
}

#[test]
fn bytes_after_the_answer_are_ignored() {
    let server =
        Server::answering([Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 No\r\n\r\n")]);
    Cli::request(&server, [CHAT]).stdout(format!("{CHAT}\taccepted\n")).run();
}

#[test]
fn an_answer_that_is_not_http_is_one_failed_line() {
    in_parallel(
        [
            &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
            b"HTTP/9.9 200 OK\r\n\r\n",
            b"ICY 200 OK\r\n\r\n",
            b"\0\0\0\0\0\0\0\0",
            b"HTTP/1.1 99 Low\r\n\r\n",
            b"HTTP/1.1 abc\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: \x00\x1b[31m\r\n\r\n",
            b"220 mail.example ESMTP\r\n",
            b"\xff\xfe\r\n\r\n",
            b"\r\n\r\n\r\n\r\n",
        ],
        |bytes| {
            let server = Server::answering([Answer::raw(bytes)]);
            let output = ask(&server).any_status().run();
            let code = code(&output);
            let shown = String::from_utf8_lossy(bytes);
            assert!(code == "unexpected-response" || code == "unreachable", "{shown:?}: {code}");
        },
    );
}

#[test]
fn a_server_that_speaks_first_is_one_failed_line() {
    let server = Server::speaking_first(b"SSH-2.0-OpenSSH_9.2\r\n");
    let output = ask(&server).any_status().run();
    assert!(["unexpected-response", "unreachable"].contains(&code(&output).as_str()));
}

#[test]
fn an_interim_answer_is_not_the_answer() {
    let server =
        Server::answering([Answer::raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]);
    Cli::request(&server, [CHAT]).stdout(format!("{CHAT}\taccepted\n")).run();
}

#[test]
fn a_redirect_is_never_followed() {
    let other = Server::unasked();
    for status in [301, 302, 303, 307, 308] {
        let server = Server::answering([Answer::status(status).header("Location", &other.url())]);
        fails(ask(&server), "unexpected-response", 76, &status.to_string());
    }
}

#[test]
fn deeply_nested_json_is_judged_by_its_status() {
    let nested = "[".repeat(60_000);
    for (status, word, exit) in [
        (200, "unexpected-response", 76),
        (400, "bad-request-data", 65),
        (401, "unauthorized", 77),
        (500, "server-error", 69),
    ] {
        let server = Server::answering([Answer::status(status).body(nested.as_str())]);
        let output = ask(&server).exits(exit).run();
        assert_eq!(code(&output), word);
        assert!(output.stdout.len() < 4000, "{} bytes", output.stdout.len());
    }
}

#[test]
fn control_and_bidirectional_characters_of_a_server_are_escaped() {
    // Every run is checked for them by `Expected`.
    let odd = "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\u{202e}evil\u{2066}\u{200b}\u{0}\r\nnext";
    in_parallel(
        [
            odd.to_owned(),
            serde_json::json!({ "message": odd }).to_string(),
            serde_json::json!({ "invokeStatus": { "description": odd } }).to_string(),
            format!("<html><title>{odd}</title></html>"),
        ],
        |body| {
            for args in [&["--json"][..], &["-v"], &["-q"], &["--json", "-v"], &["--color", "never"]] {
                let server = Server::answering([Answer::status(418).header("X-Odd", "a\u{202e}b").body(body.as_str())]);
                let output = Cli::request(&server, args).arg(CHAT).exits(76).any_stdout().any_stderr().run();
                let lines = output.stdout.lines().count() + output.stderr.lines().count();
                assert!((1..=8).contains(&lines), "{} {}", output.stdout, output.stderr);
            }
        },
    );
}

#[test]
fn a_body_that_is_not_utf8_is_judged_by_its_status() {
    let server = Server::answering([Answer::status(400).body(b"bad \xff\xfe request data".to_vec())]);
    fails(ask(&server), "bad-request-data", 65, "not UTF-8");
}

#[test]
fn a_connection_that_takes_too_long_is_unreachable() {
    // The listener never accepts: TCP connects, and the TLS handshake gets no answer.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let cli = Cli::at(&url).env("GREEN_API_ID_INSTANCE", "7").env("GREEN_API_TOKEN_INSTANCE", "0123456789abcdef");
    let args = ["request", "--retries", "0", "--connect-timeout", "100ms", CHAT];
    let output = cli.args(args).exits(69).any_stdout().stderr_has("no connection within --connect-timeout").run();
    assert!(output.took < std::time::Duration::from_secs(10), "{:?}", output.took);
}
