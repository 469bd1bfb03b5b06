//! `receive --dir` and `request --wait --dir`: a picture is saved, then its line is printed, then its notification is
//! deleted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::pictures::{JPEG, OTHER, names, picture};
use crate::support::queue::{calls, method, now, result};
use crate::support::{Answer, CHAT, Cli, GROUP, Queue, Server, chat, json, jsons};

/// A result with a picture at this path of the host.
pub fn found(chat: &str, timestamp: i64, host: &str, path: &str) -> String {
    result(chat, timestamp, &format!(r#","urlAvatar":"{host}/{path}""#))
}

/// Accepts every request and sends a result with a picture. The closure gets the last part of a download's path.
pub fn service(queue: &Queue, mut download: impl FnMut(&str) -> Answer + Send + 'static) -> Server {
    queue.serve_with(move |seen, queue| match method(seen) {
        "getAvatarAsync" => {
            let host = format!("http://{}", seen.header("host").expect("a host"));
            queue.push(found(&seen.chat(), now(), &host, &format!("pictures/{}", seen.chat())));
            Answer::status(200)
        }
        _ => download(seen.path.rsplit('/').next().expect("a path")),
    })
}

pub fn receive<const N: usize>(cli: &Cli, args: [&str; N]) -> Cli {
    cli.again().args(["receive", "--retries", "0", "--dir", "d"]).args(args)
}

fn wait<const N: usize>(cli: &Cli, args: [&str; N]) -> Cli {
    cli.again().args(["request", "--rate", "0", "--retries", "0", "--dir", "d"]).args(args)
}

fn file(cli: &Cli, chat: &str) -> PathBuf {
    cli.dir().join(format!("d/{chat}.jpg"))
}

fn content(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_default()
}

#[test]
fn a_picture_is_saved_then_printed_then_its_notification_is_deleted() {
    let queue = Queue::default();
    let cli = Cli::new();
    let (lines, saved, shared) = (cli.dir().join("lines"), cli.dir().join("d"), queue.clone());
    let printed = move || std::fs::read_to_string(&lines).expect("a file").lines().count();
    let server = Server::with(move |seen| {
        let deleted = shared.deleted().len();
        match method(seen) {
            "deleteNotification" => assert_eq!((printed(), names(&saved).len()), (deleted + 1, deleted + 1)),
            "receiveNotification" => assert_eq!(printed(), deleted),
            _ => {
                assert_eq!((printed(), names(&saved).len()), (deleted, deleted));
                return picture(JPEG);
            }
        }
        shared.answer(seen).expect("a queue's method")
    });
    (0..4).for_each(|n| queue.push(found(&chat(n), 1, &server.url(), "x.jpg")));
    let cli = cli.credentials(&server.url());
    let stdout = std::fs::File::create(cli.dir().join("lines")).expect("a file");
    let output = receive(&cli, []).stdout_to(stdout).run();
    assert_eq!(
        output.read("lines").replace('\\', "/"),
        (0..4).map(|n| format!("{0}\tfound\td/{0}.jpg\tnew\n", chat(n))).collect::<String>()
    );
    assert!((0..4).all(|n| content(&file(&cli, &chat(n))) == JPEG));
    assert_eq!(queue.deleted(), [1, 2, 3, 4]);
}

#[test]
fn request_saves_the_pictures_that_it_waits_for() {
    let queue = Queue::default();
    let server = service(&queue, |_| picture(JPEG));
    let cli = Cli::on(&server);
    let expected = format!("{CHAT}\tfound\td/{CHAT}.jpg\tnew\n");
    assert_eq!(wait(&cli, ["--wait=10s", "--journal", "j", CHAT]).stdout(expected).run().stderr, "");
    let args = ["--wait=10s", "--json", "--journal", "j", CHAT, GROUP];
    let output = wait(&cli, args).any_stdout().any_stderr().run();
    assert_eq!((&json(&output.stdout)["chatId"], &json(&output.stdout)["change"]), (&GROUP.into(), &"new".into()));
    let tally = &json(&output.stderr)["tally"];
    assert_eq!((&tally["new"], &tally["alreadyDone"], &tally["dir"]), (&1.into(), &1.into(), &"d".into()));
    // A chat without its file is not done.
    std::fs::remove_file(file(&cli, CHAT)).expect("a file");
    let output = wait(&cli, args).any_stdout().any_stderr().run();
    assert_eq!(json(&output.stdout)["chatId"], CHAT);
    assert_eq!((calls(&server, ["getAvatarAsync"]), queue.left()), ([3], 0));
    for args in [&["--dir", "d"][..], &["--wait", "--history"]] {
        cli.again().args(["request", CHAT]).args(args).exits(2).any_stderr().run();
    }
}

#[test]
fn fallback_saves_the_pictures_that_get_avatar_finds() {
    let server = Queue::default().serve_with(|seen, _| match method(seen) {
        "getAvatarAsync" => Answer::status(200),
        "getAvatar" => {
            let (host, chat) = (seen.header("host").expect("a host"), seen.chat());
            Answer::status(200).body(format!(r#"{{"urlAvatar":"http://{host}/{chat}"}}"#))
        }
        _ if seen.path.ends_with(CHAT) => picture(JPEG),
        _ => Answer::status(404),
    });
    let cli = Cli::on(&server);
    let run = wait(&cli, ["--json", "--wait=50ms", "--fallback", "--journal", "j", CHAT, GROUP]);
    let output = run.exits(1).any_stdout().any_stderr().run();
    let mut lines = jsons(&output.stdout);
    lines.sort_by_key(|line| line["chatId"] == GROUP);
    assert_eq!((&lines[0]["status"], &lines[0]["change"]), (&"found".into(), &"new".into()), "{}", output.stdout);
    let (line, error) = (&lines[1], &lines[1]["error"]["code"]);
    assert_eq!((&line["status"], error), (&"found".into(), &"picture-expired".into()), "{line}");
    assert!(line["urlAvatar"].is_string() && line["attempts"] == 1 && lines.len() == 2, "{line}");
    let tally = &json(output.stderr.lines().last().expect("a summary"))["tally"];
    assert_eq!((&tally["found"], &tally["failed"]), (&1.into(), &1.into()));
}

#[test]
fn a_picture_that_cannot_be_downloaded_is_an_error_in_its_line() {
    let queue = Queue::default();
    let server = service(&queue, |_| Answer::status(200).body("<svg>"));
    let cli = Cli::on(&server);
    queue.push(found(CHAT, 1, &server.url(), "x.jpg"));
    queue.push(found(GROUP, 1, "http://203.0.113.9", "x.jpg"));
    queue.push(found("status@broadcast", 1, &server.url(), "x.jpg"));
    let output = receive(&cli, ["--json"]).exits(1).any_stdout().run();
    for (line, code) in jsons(&output.stdout).iter().zip(["bad-picture", "bad-picture", "invalid-chat-id"]) {
        assert_eq!((&line["status"], &line["error"]["code"]), (&"found".into(), &code.into()), "{line}");
        assert!(line["urlAvatar"].is_string() && line.get("file").is_none(), "{line}");
    }
    assert_eq!(queue.deleted(), [1, 2, 3]);
    queue.push(found(CHAT, 2, &server.url(), "x.jpg"));
    let line = format!("{CHAT}\tfound\t{}/x.jpg\n", server.url());
    receive(&cli, []).exits(1).stdout(line).stderr_has(format!("error: {CHAT}: the download is not a picture")).run();
    // `request` counts the chat as failed, and the next run requests it again.
    let exit = wait(&cli, ["--wait=10s", "--journal", "j", CHAT])
        .exits(76)
        .any_stdout()
        .stderr_has("the download is not a picture")
        .run();
    assert!(exit.stdout.contains("found"), "{}", exit.stdout);
    let output =
        wait(&cli, ["--wait=10s", "--json", "--journal", "j", CHAT, "x"]).exits(1).any_stdout().any_stderr().run();
    let tally = &json(output.stderr.lines().last().expect("a summary"))["tally"];
    assert_eq!((&tally["found"], &tally["failed"], &tally["invalid"]), (&0.into(), &1.into(), &1.into()));
    assert_eq!((calls(&server, ["getAvatarAsync"]), queue.left()), ([2], 0));
}

#[test]
fn a_picture_that_cannot_be_written_stays_in_the_queue() {
    let queue = Queue::default();
    let server = service(&queue, |_| picture(JPEG));
    // There is a directory with the name of the file.
    let cli = Cli::on(&server).file(&format!("d/{CHAT}.jpg/x"), "");
    queue.push(found(CHAT, now(), &server.url(), "x.jpg"));
    receive(&cli, []).exits(74).stderr_has("cannot write d/").run();
    let output = wait(&cli, ["--wait=10s", "--json", "--journal", "j", CHAT]).exits(74).any_stdout().any_stderr().run();
    let line = json(&output.stdout);
    assert_eq!((&line["status"], &line["error"]["code"]), (&"timed-out".into(), &"output-failed".into()));
    assert!(queue.deleted().is_empty());
    std::fs::remove_dir_all(file(&cli, CHAT)).expect("a directory");
    // The next run gets the result that is still in the queue.
    wait(&cli, ["--wait=10s", "--journal", "j", CHAT]).any_stdout().run();
    assert_eq!((content(&file(&cli, CHAT)), calls(&server, ["getAvatarAsync"])), (JPEG.to_vec(), [1]));
}

#[test]
fn an_older_result_is_printed_and_changes_no_file() {
    let queue = Queue::default();
    let server = service(&queue, |name| picture(if name == "old" { OTHER } else { JPEG }));
    let cli = Cli::on(&server);
    for body in [
        found(CHAT, 20, &server.url(), "new"),
        found(CHAT, 19, &server.url(), "old"),
        result(CHAT, 18, r#","urlAvatar":"""#),
        found(GROUP, 1, &server.url(), "old"),
    ] {
        queue.push(body);
    }
    let output = receive(&cli, ["--json", "--history"]).any_stdout().run();
    let changes: Vec<_> = jsons(&output.stdout).iter().map(|line| line.get("change").cloned()).collect();
    assert_eq!(changes, [Some("new".into()), None, None, Some("new".into())]);
    assert_eq!((content(&file(&cli, CHAT)), content(&file(&cli, GROUP))), (JPEG.to_vec(), OTHER.to_vec()));
    // A stale result changes no file either. A gone picture is moved to the history.
    queue.push(found(CHAT, now() - 60, &server.url(), "old"));
    let output = wait(&cli, ["--wait=10s", "--json", "--history", CHAT]).any_stdout().run();
    let lines = jsons(&output.stdout);
    assert_eq!((&lines[0]["stale"], lines[0].get("change")), (&true.into(), None));
    assert_eq!((&lines[1]["change"], content(&file(&cli, CHAT))), (&"unchanged".into(), JPEG.to_vec()));
    queue.push(result(CHAT, 1, r#","urlAvatar":"""#));
    receive(&cli, ["--history"]).stdout(format!("{CHAT}\tnone\t\tgone\n")).run();
    assert_eq!(names(cli.dir().join("d")), [format!("{GROUP}.jpg"), "history".into()]);
    assert_eq!(queue.left(), 0);
}

#[test]
fn a_deadline_does_not_cut_off_another_chats_download() {
    let queue = Queue::default();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", JPEG.len());
    let server = service(&queue, move |name| match name {
        // 20 bytes a second: both deadlines pass during the download, with the other result in the queue.
        CHAT => Answer::raw(head.as_bytes()).then_drip(JPEG),
        _ => picture(OTHER),
    });
    let cli = Cli::on(&server);
    let args = ["--json", "--wait=800ms", "--concurrency", "1", CHAT, GROUP];
    let output = wait(&cli, args).any_stdout().any_stderr().run();
    let lines = jsons(&output.stdout);
    assert_eq!(lines.len(), 2, "{}", output.stdout);
    assert!(lines.iter().all(|line| line["change"] == "new"), "{}", output.stdout);
    assert_eq!(queue.left(), 0);
}

/// After kills at any moment, the next runs save every picture and print every line.
#[test]
fn no_kill_loses_a_picture_or_its_line() {
    const CHATS: usize = 40;
    let queue = Queue::default();
    let server = service(&queue, |_| picture(JPEG));
    let cli = Cli::on(&server);
    let list: String = (0..CHATS).map(|n| chat(n) + "\n").collect();
    let run = || {
        let cli = wait(&cli, ["--wait=10s", "--json", "--history", "--journal", "j", "--from", "list"]);
        cli.file("list", &list).any_stdout().any_stderr()
    };
    let mut printed = String::new();
    for kill in 0..6 {
        let running = run().any_status().start();
        running.wait_for_lines(1 + kill);
        std::thread::sleep(Duration::from_micros(fastrand::u64(0..4_000)));
        printed += &(running.kill().stdout + "\n");
    }
    printed += &run().run().stdout;
    for n in 0..CHATS {
        assert_eq!(content(&file(&cli, &chat(n))), JPEG, "{n}");
        assert!(printed.lines().any(|line| line.contains(&chat(n)) && line.ends_with('}')), "{n}");
    }
    let dir = names(cli.dir().join("d"));
    assert!(dir.iter().all(|name| !name.starts_with('.')) && dir.len() == CHATS, "{dir:?}");
}
