//! Saved pictures: whole or not at all, whatever the download is.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::support::pictures::{JPEG, PNG, SHA256, get, names, ok, picture, picture_service};
use crate::support::queue::{calls, method};
use crate::support::{Answer, CHAT, Cli, GROUP, Server, in_parallel, json};

const WEBP: &[u8] = b"RIFF\x11\0\0\0WEBPVP8 a picture";
const MIB: usize = 1024 * 1024;

#[test]
fn a_picture_is_saved_under_its_chat_id_and_only_its_owner_can_read_it() {
    let server = picture_service(|_| picture(JPEG));
    let cli = get(&server, ["--json", "--dir", "new/d", CHAT]);
    let output = cli.any_stdout().run();
    let line = json(&output.stdout);
    let file = format!("new/d/{CHAT}.jpg");
    assert_eq!((&line["status"], &line["file"]), (&"found".into(), &file.as_str().into()));
    assert_eq!((&line["bytes"], &line["sha256"]), (&25.into(), &SHA256.into()));
    assert_eq!((&line["change"], &line["expiresAt"]), (&"new".into(), &"2021-10-04T02:03:23Z".into()));
    assert_eq!(std::fs::read(output.path(&file)).expect("a picture"), JPEG);
    assert!(output.is_private(&file) && output.is_private("new/d"));
    assert_eq!(names(output.path("new/d")), [format!("{CHAT}.jpg")]);
}

#[test]
fn the_first_bytes_determine_the_extension_and_the_older_picture_is_removed() {
    let pictures = [(JPEG, "jpg"), (PNG, "png"), (WEBP, "webp"), (JPEG, "jpg")];
    let mut next = pictures.into_iter();
    let server = picture_service(move |_| picture(next.next().expect("four pictures").0));
    let first = get(&server, ["--dir", "d", CHAT]).file(&format!("d/{GROUP}.png"), "another chat's");
    let again: Vec<_> = (1..4).map(|_| first.again()).collect();
    let args = ["get", "--allow-host", "127.0.0.1", "--dir", "d", CHAT];
    let runs = std::iter::once(first).chain(again.into_iter().map(|cli| cli.args(args)));
    for (cli, (bytes, extension)) in runs.zip(pictures) {
        let output = cli.any_stdout().run();
        let file = format!("{CHAT}.{extension}");
        assert_eq!(names(output.path("d")), [file.clone(), format!("{GROUP}.png")]);
        assert_eq!(std::fs::read(output.path("d").join(file)).expect("a picture"), bytes);
    }
}

#[test]
fn an_incomplete_or_wrong_download_leaves_nothing_behind() {
    let head = |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    let large = [JPEG, &vec![0; 5 * MIB]].concat();
    let begun = |bytes: &[u8]| Answer::raw([&head(MIB), bytes].concat());
    let endless = Answer::raw([b"HTTP/1.1 200 OK\r\n\r\n", JPEG].concat()).then_endlessly(vec![0; 64 * 1024]);
    let preview = [b"\xff\xd8\xff\xe1\0\x1b", JPEG, b"\xff\xda a scan"].concat();
    let expired = "URL signature expired";
    let html = "<!DOCTYPE html><title>Log in</title>";
    let rows = [
        ("cut", begun(JPEG), "unreachable", 69, 1),
        ("cut after much of it", begun(&large[..700 * 1024]), "unreachable", 69, 1),
        ("oversized", picture(&large), "bad-picture", 76, 1),
        ("endless", endless, "bad-picture", 76, 1),
        ("empty", picture(b""), "bad-picture", 76, 1),
        ("a GIF", picture(b"GIF89a and so on"), "bad-picture", 76, 1),
        ("a JPEG without its end", picture(&JPEG[..23]), "bad-picture", 76, 1),
        ("a PNG without its end", picture(&PNG[..PNG.len() - 1]), "bad-picture", 76, 1),
        ("a WebP without its end", picture(&WEBP[..WEBP.len() - 1]), "bad-picture", 76, 1),
        ("only an embedded preview", picture(&preview), "bad-picture", 76, 1),
        (
            "cut, without a length",
            Answer::raw([b"HTTP/1.1 200 OK\r\n\r\n", &JPEG[..23]].concat()),
            "bad-picture",
            76,
            1,
        ),
        ("longer than it says", Answer::raw([&head(23), JPEG].concat()), "bad-picture", 76, 1),
        ("no WebP", picture(b"RIFF\x24\0\0\0WAVEfmt "), "bad-picture", 76, 1),
        ("too short to tell", picture(b"\xff\xd8"), "bad-picture", 76, 1),
        ("HTML", picture(html.as_bytes()), "bad-picture", 76, 2),
        ("expired", Answer::status(403).body(expired), "picture-expired", 69, 2),
        ("expired with a 200", picture(expired.as_bytes()), "picture-expired", 69, 2),
        ("gone", Answer::status(404), "picture-expired", 69, 2),
        ("gone for good", Answer::status(410), "unexpected-response", 76, 2),
        ("for others", Answer::status(401), "unexpected-response", 76, 2),
        ("a refusal with a picture", Answer::status(403).body(JPEG), "picture-expired", 69, 2),
        ("elsewhere", Answer::status(302).header("Location", "/pictures/2").body(JPEG), "unexpected-response", 76, 1),
        ("broken", Answer::status(500).body(JPEG), "server-error", 69, 1),
        ("a part", Answer::status(206).body(JPEG), "unexpected-response", 76, 1),
    ];
    in_parallel(rows, |(name, answer, code, exit, requests)| {
        let server = picture_service(move |_| answer.clone());
        let older = format!("d/{CHAT}.jpg");
        let cli = get(&server, ["--json", "--dir", "d", CHAT]).file(&older, "older").exits(exit);
        let next = cli.again();
        let output = cli.any_stdout().run();
        let line = json(&output.stdout);
        assert_eq!((&line["status"], &line["error"]["code"]), (&"failed".into(), &code.into()), "{name}: {line}");
        assert_eq!(line.get("file"), None, "{line}");
        assert_eq!(names(output.path("d")), [format!("{CHAT}.jpg")], "{name}");
        assert_eq!(output.read(&older), "older", "{name}");
        assert_eq!(calls(&server, ["getAvatar"]), [requests], "{name}");
        assert_eq!(server.requests().len(), 2 * requests, "{name}");
        if ["cut after much of it", "endless", "HTML"].contains(&name) {
            let args = ["get", "--allow-host", "127.0.0.1", "--retries", "0", "-o", "new.jpg", CHAT];
            next.args(args).exits(exit).any_stdout().any_stderr().run();
        }
        assert_eq!(names(output.path("")), ["d"], "{name}");
    });
}

#[test]
fn a_picture_of_five_mebibytes_is_saved() {
    let large = [JPEG, &vec![7; 5 * MIB - JPEG.len()]].concat();
    let answer = picture(&large);
    let server = picture_service(move |_| answer.clone());
    let output = get(&server, ["--json", "--dir", "d", CHAT]).any_stdout().run();
    assert_eq!(json(&output.stdout)["bytes"], 5 * MIB);
    assert_eq!(std::fs::read(output.path(&format!("d/{CHAT}.jpg"))).expect("a picture"), large);
}

#[test]
fn an_expired_url_is_requested_anew_once() {
    let mut requests = 0;
    let server = Server::with(move |seen| {
        requests += 1;
        match (method(seen), requests) {
            // A request for a fresh URL is retried like any other.
            ("getAvatar", 3) => Answer::status(503).header("Retry-After", "0"),
            ("getAvatar", n) => {
                let host = seen.header("host").expect("a host");
                ok(&format!(r#"{{"urlAvatar":"http://{host}/pictures/{n}"}}"#))
            }
            ("1", _) => Answer::status(403).body("URL signature expired"),
            _ => picture(JPEG),
        }
    })
    .times(5);
    let args = ["--json", "get", "--allow-host", "127.0.0.1", "--dir", "d", CHAT];
    let output = Cli::on(&server).args(args).any_stdout().run();
    let line = json(&output.stdout);
    assert!(line["urlAvatar"].as_str().expect("a URL").ends_with("/pictures/4"), "the line has the fresh URL: {line}");
    assert!(output.stdout.ends_with("\"attempts\":3,\"elapsedMs\":_}\n"), "{}", output.stdout);
    assert_eq!(names(output.path("d")), [format!("{CHAT}.jpg")]);
}

#[test]
fn a_picture_that_is_gone_when_its_url_is_requested_anew_is_gone() {
    let mut requests = 0;
    let server = picture_service(|_| Answer::status(403).body("URL signature expired"));
    let host = server.url();
    let service = Server::with(move |_| {
        requests += 1;
        let url = if requests == 1 { format!("{host}/pictures/1") } else { String::new() };
        ok(&format!(r#"{{"urlAvatar":"{url}","available":false}}"#))
    })
    .times(2);
    let older = format!("d/{CHAT}.jpg");
    let output =
        get(&service, ["--dir", "d", CHAT]).file(&older, "older").stdout(format!("{CHAT}\thidden\t\tgone\n")).run();
    assert_eq!(output.read(&older), "older");
}

#[test]
fn one_picture_goes_to_a_file_or_to_standard_output() {
    let server = picture_service(|_| picture(PNG));
    let cli = get(&server, ["-o", "any.name", CHAT]);
    let (next, json_too) = (cli.again(), cli.again());
    let note = "note: the picture in any.name is of another type, its extension would be png";
    let output = cli.stdout(format!("{CHAT}\tfound\tany.name\tnew\n")).stderr_has(note).run();
    assert_eq!(std::fs::read(output.path("any.name")).expect("a picture"), PNG);
    assert!(output.is_private("any.name"));
    let args = ["get", "--allow-host", "127.0.0.1", "-o", "-", CHAT];
    for (cli, flag) in [(next, "--color=auto"), (json_too, "--json")] {
        let out = output.path("out");
        cli.arg(flag).args(args).stdout_to(std::fs::File::create(&out).expect("a file")).run();
        assert_eq!(std::fs::read(&out).expect("a picture"), PNG, "only the picture");
    }
    let server = Server::answering([none()]);
    get(&server, ["-o", "-", CHAT]).stderr_has("none, so there is no picture").run();
    // Standard output is for the picture, so the failure is on standard error, also with --json.
    let server = Server::answering([Answer::status(400).body("bad request data")]);
    let output = get(&server, ["--json", "-o", "-", CHAT]).exits(65).any_stderr().run();
    assert_eq!(json(&output.stderr)["error"]["code"], "bad-request-data");
    let server = Server::answering([none()]);
    let cli = get(&server, ["-o", "none.jpg", CHAT]).stdout(format!("{CHAT}\tnone\n"));
    let output = cli.stderr_has("none, so there is no picture to save").run();
    assert!(names(output.path("")).is_empty());
    for args in [
        vec!["-o", "x", CHAT, GROUP],
        vec!["-o", "x", "--from", "list"],
        vec!["-o", "x", "-"],
        vec!["-o", "x", "--dir", "d", CHAT],
        vec!["--history", CHAT],
        vec!["-o", "x", "--history", CHAT],
    ] {
        Cli::on(&Server::unasked()).arg("get").args(args).exits(2).any_stderr().run();
    }
}

fn none() -> Answer {
    ok(r#"{"urlAvatar":"","available":true}"#)
}

#[test]
fn the_retry_after_of_the_picture_host_is_obeyed() {
    let mut requests = 0;
    let server = picture_service(move |_| {
        requests += 1;
        if requests <= 2 { Answer::status(429).header("Retry-After", "0") } else { picture(JPEG) }
    });
    let args = ["get", "--allow-host", "127.0.0.1", "--dir", "d", CHAT];
    let output = Cli::on(&server).args(args).any_stdout().run();
    // Without Retry-After the pauses would be 1 s and 2 s.
    assert!(output.took < std::time::Duration::from_secs(2), "{:?}", output.took);
}

#[test]
fn a_destination_that_cannot_be_written_is_an_error_before_anything_is_requested() {
    get(&Server::unasked(), ["--dir", "file/d", CHAT]).file("file", "").exits(74).any_stderr().run();
    get(&Server::unasked(), ["-o", "no/such/folder/x.jpg", CHAT]).exits(74).any_stderr().run();
    get(&Server::unasked(), ["-o", "d", CHAT]).file("d/x", "").exits(74).any_stderr().run();
    get(&Server::unasked(), ["-o", "new/", CHAT]).exits(74).any_stderr().run();
}

#[test]
fn a_directory_that_is_removed_ends_the_run() {
    let dir = Arc::new(OnceLock::<PathBuf>::new());
    let removed = dir.clone();
    let mut requests = 0;
    let server = picture_service(move |_| {
        requests += 1;
        if requests == 2 {
            std::fs::remove_dir_all(removed.get().expect("a directory")).expect("removed");
        }
        picture(JPEG)
    });
    let cli = get(&server, ["--rate=0", "--concurrency=1", "--dir", "d", CHAT, GROUP]);
    dir.set(cli.dir().join("d")).expect("set once");
    let output = cli.exits(74).any_stdout().stderr_has(format!("cannot write d/{GROUP}.jpg")).run();
    assert_eq!(output.stdout.lines().count(), 2);
}

#[test]
fn the_next_run_removes_what_a_killed_run_left() {
    let (whole, half) = (picture(JPEG), JPEG[..10].to_vec());
    let mut requests = 0;
    let server = picture_service(move |_| {
        requests += 1;
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n".to_vec();
        if requests == 1 { Answer::raw([head, half.clone()].concat()).then_silence() } else { whole.clone() }
    });
    let (abandoned, live) = ("d/.greenavatar-abcdef.part", "d/.greenavatar-ghijkl.part");
    let cli = get(&server, ["--dir", "d", CHAT]).file("d/older", "").file(live, "half").file("d/.greenavatar-x", "");
    let locked = std::fs::File::open(cli.dir().join(live)).expect("a file");
    locked.lock().expect("locked, as by a run that writes it");
    let (again, running) = (cli.again(), cli.any_status().start());
    server.wait_for(2);
    let output = running.kill();
    assert_eq!(names(output.path("d")), [".greenavatar-ghijkl.part", ".greenavatar-x", "older"]);
    let again = again.file(abandoned, "half").args(["get", "--allow-host", "127.0.0.1", "--dir", "d", CHAT]);
    again.any_stdout().run();
    let names = names(output.path("d"));
    assert_eq!(names, [".greenavatar-ghijkl.part", ".greenavatar-x", &format!("{CHAT}.jpg"), "older"]);
    assert_eq!(std::fs::read(output.path(&format!("d/{CHAT}.jpg"))).expect("a picture"), JPEG);
}
