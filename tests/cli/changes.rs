//! How a chat's picture changed since the last run: new, changed, unchanged or gone; and the history.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::support::pictures::{JPEG, OTHER, PNG, names, ok, picture};
use crate::support::queue::method;
use crate::support::system::is_private;
use crate::support::{Answer, CHAT, Cli, GROUP, Server, chat, json, jsons};

/// What the service answers for each chat; a chat that is not in it has no picture.
#[derive(Clone, Default)]
pub struct Avatars(Arc<Mutex<HashMap<String, Entry>>>);

#[derive(Clone)]
pub enum Entry {
    Picture(&'static [u8]),
    Hidden,
    Fails,
}

impl Avatars {
    pub fn set(&self, chat: &str, entry: Entry) {
        self.0.lock().expect("a lock").insert(chat.to_owned(), entry);
    }

    fn entry(&self, chat: &str) -> Option<Entry> {
        self.0.lock().expect("a lock").get(chat).cloned()
    }

    pub fn serve(&self) -> Server {
        let avatars = self.clone();
        Server::with(move |seen| {
            if method(seen) != "getAvatar" {
                let chat = seen.path.rsplit('/').next().expect("a chat");
                let Some(Entry::Picture(bytes)) = avatars.entry(chat) else { return Answer::status(500) };
                return picture(bytes);
            }
            let (host, chat) = (seen.header("host").expect("a host"), seen.chat());
            match avatars.entry(&chat) {
                Some(Entry::Picture(_)) => ok(&format!(r#"{{"urlAvatar":"http://{host}/pictures/{chat}"}}"#)),
                Some(Entry::Hidden) => ok(r#"{"urlAvatar":"","available":false}"#),
                Some(Entry::Fails) => Answer::status(400).body("bad request data"),
                None => ok(r#"{"urlAvatar":"","available":true}"#),
            }
        })
    }
}

/// `get --dir d`, in the directory of `cli`.
pub fn get<const N: usize>(cli: &Cli, args: [&str; N]) -> Cli {
    cli.again().args(["get", "--rate=0", "--retries=0", "--dir", "d"]).args(args)
}

/// The columns of the line of CHAT.
#[track_caller]
fn columns<const N: usize>(cli: &Cli, args: [&str; N]) -> Vec<String> {
    let line = get(cli, args).arg(CHAT).any_stdout().run().stdout;
    line.trim_end_matches('\n').split('\t').map(str::to_owned).collect()
}

fn set_time(file: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::options().write(true).open(file).expect("a file").set_modified(time).expect("a time");
}

#[test]
fn a_line_says_how_the_picture_changed() {
    let avatars = Avatars::default();
    let server = avatars.serve();
    let cli = Cli::on(&server);
    let file = format!("d/{CHAT}.jpg");
    let path = cli.dir().join(&file);
    let mark = || path.metadata().and_then(|file| file.modified()).expect("a file");
    assert_eq!(columns(&cli, []), [CHAT, "none"]);
    avatars.set(CHAT, Entry::Picture(JPEG));
    assert_eq!(columns(&cli, []), [CHAT, "found", &file, "new"]);
    set_time(&path, 1_586_700_802);
    let first = mark();
    assert_eq!(columns(&cli, []), [CHAT, "found", &file, "unchanged"]);
    assert_eq!(mark(), first, "neither the file nor its time");
    avatars.set(CHAT, Entry::Picture(OTHER));
    let line = json(&get(&cli, ["--json", CHAT]).any_stdout().run().stdout);
    assert_eq!((&line["change"], &line["file"]), (&"changed".into(), &file.as_str().into()));
    assert!(line.get("changed").is_none() && std::fs::read(&path).expect("a file") == OTHER, "{line}");
    avatars.set(CHAT, Entry::Hidden);
    for _ in 0..2 {
        assert_eq!(columns(&cli, []), [CHAT, "hidden", "", "gone"], "it stays and is reported each time");
    }
    let line = json(&get(&cli, ["--json", CHAT]).any_stdout().run().stdout);
    assert_eq!((&line["change"], line.get("file")), (&"gone".into(), None));
    avatars.set(CHAT, Entry::Fails);
    let line = json(&get(&cli, ["--json", CHAT]).exits(65).any_stdout().run().stdout);
    assert_eq!((&line["status"], line.get("change")), (&"failed".into(), None), "a failed chat is not gone");
    assert_eq!(names(cli.dir().join("d")), [format!("{CHAT}.jpg")]);
}

#[test]
fn a_single_file_has_its_change_too() {
    let avatars = Avatars::default();
    let server = avatars.serve();
    let cli = Cli::on(&server);
    let run = || cli.again().args(["get", "-o", "me.jpeg", CHAT]).any_stderr();
    run().stdout(format!("{CHAT}\tnone\n")).run();
    for (picture, change) in [(JPEG, "new"), (JPEG, "unchanged"), (OTHER, "changed")] {
        avatars.set(CHAT, Entry::Picture(picture));
        let output = run().stdout(format!("{CHAT}\tfound\tme.jpeg\t{change}\n")).run();
        assert_eq!(output.stderr, "", "a .jpeg is a JPEG");
    }
    avatars.set(CHAT, Entry::Hidden);
    run().stdout(format!("{CHAT}\thidden\t\tgone\n")).run();
    assert_eq!(std::fs::read(cli.dir().join("me.jpeg")).expect("a file"), OTHER);
    let line = json(&run().arg("--json").any_stdout().run().stdout);
    assert_eq!(line["change"], "gone");
}

#[test]
fn the_history_has_every_replaced_and_gone_picture() {
    let avatars = Avatars::default();
    let server = avatars.serve();
    let cli = Cli::on(&server);
    let dir = cli.dir().join("d");
    let history = dir.join("history").join(CHAT);
    // Each picture is dated a day after the one before.
    let mut day = 0;
    let mut run = |entry: Entry, expected: &[&str]| {
        avatars.set(CHAT, entry);
        assert_eq!(columns(&cli, ["--history"])[1..], *expected);
        for file in names(&dir).iter().filter(|name| name.starts_with(CHAT)) {
            day += 1;
            set_time(&dir.join(file), 1_600_000_000 + day * 86_400);
        }
    };
    let (jpg, png) = (format!("d/{CHAT}.jpg"), format!("d/{CHAT}.png"));
    run(Entry::Picture(JPEG), &["found", &jpg, "new"]);
    run(Entry::Picture(PNG), &["found", &png, "changed"]);
    run(Entry::Picture(OTHER), &["found", &jpg, "changed"]);
    assert_eq!(names(&history), ["20200914T122640Z.jpg", "20200915T122640Z.png"]);
    run(Entry::Hidden, &["hidden", "", "gone"]);
    assert_eq!(names(&dir), ["history"]);
    run(Entry::Hidden, &["hidden"]);
    run(Entry::Picture(OTHER), &["found", &jpg, "new"]);
    run(Entry::Hidden, &["hidden", "", "gone"]);
    let kept = ["20200914T122640Z.jpg", "20200915T122640Z.png", "20200916T122640Z.jpg", "20200917T122640Z.jpg"];
    assert_eq!(names(&history), kept);
    for (name, content) in kept.iter().zip([JPEG, PNG, OTHER, OTHER]) {
        assert_eq!(std::fs::read(history.join(name)).expect("a file"), content);
    }
    assert!(is_private(&history) && is_private(&history.join(kept[0])));
}

/// After a kill at any moment, each picture is in place or in the history, and the next run completes the rest.
#[test]
fn no_kill_loses_a_picture() {
    const CHATS: usize = 24;
    let avatars = Avatars::default();
    let server = avatars.serve();
    let cli = Cli::on(&server);
    let dir = cli.dir().join("d");
    let list: String = (0..CHATS).map(|n| chat(n) + "\n").collect();
    let run = || get(&cli, ["--history", "--from", "list"]).file("list", &list).any_stdout().any_stderr();
    let all = |entry: &dyn Fn(usize) -> Option<&'static [u8]>| {
        (0..CHATS).for_each(|n| avatars.set(&chat(n), entry(n).map_or(Entry::Hidden, Entry::Picture)));
    };
    all(&|_| Some(JPEG));
    run().run();
    for kill in 0..6 {
        let next = |n: usize| [Some(OTHER), Some(PNG), None][(n + kill) % 3];
        all(&next);
        let running = run().any_status().start();
        running.wait_for_lines(1 + kill);
        running.kill();
        for n in 0..CHATS {
            let current = names(&dir).into_iter().any(|name| name.starts_with(&chat(n)));
            assert!(current || dir.join("history").join(chat(n)).is_dir(), "{n} is nowhere");
        }
        run().run();
        for n in 0..CHATS {
            let files: Vec<_> = names(&dir).into_iter().filter(|name| name.starts_with(&chat(n))).collect();
            let contents: Vec<_> = files.iter().map(|name| std::fs::read(dir.join(name)).expect("a file")).collect();
            assert_eq!(contents, next(n).into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>(), "{n}: {files:?}");
            let history = dir.join("history").join(chat(n));
            assert!(names(&history).iter().any(|name| std::fs::read(history.join(name)).expect("a file") == JPEG));
        }
        assert!(names(&dir).iter().all(|name| !name.starts_with('.')), "{:?}", names(&dir));
    }
}

#[test]
fn json_lines_of_a_list_have_their_change() {
    let avatars = Avatars::default();
    avatars.set(CHAT, Entry::Picture(JPEG));
    let server = avatars.serve();
    let cli = Cli::on(&server);
    let output = get(&cli, ["--json", CHAT, GROUP]).any_stdout().any_stderr().run();
    let mut changes: Vec<_> = jsons(&output.stdout).iter().map(|line| line["change"].to_string()).collect();
    changes.sort();
    assert_eq!(changes, ["\"new\"", "null"]);
}

#[test]
fn only_changes_prints_nothing_if_nothing_changed() {
    let avatars = Avatars::default();
    let server = avatars.serve();
    let cli = Cli::on(&server);
    let list: String = (0..6).map(|n| chat(n) + "\n").collect();
    let run = |args: &[&str]| {
        let cli = get(&cli, ["--history", "--only-changes", "--from", "list"]).file("list", &list).args(args);
        let output = cli.any_status().any_stdout().any_stderr().run();
        let mut lines: Vec<_> = output.stdout.lines().map(|line| line.to_owned() + "\n").collect();
        lines.sort();
        (lines.concat(), output.stderr)
    };
    let line = |n: usize, rest: &str| format!("{}\t{rest}\n", chat(n));
    let file = |n: usize| format!("d/{}.jpg", chat(n));
    (0..3).for_each(|n| avatars.set(&chat(n), Entry::Picture(JPEG)));
    let (stdout, stderr) = run(&[]);
    assert_eq!(stdout, (0..3).map(|n| line(n, &format!("found\t{}\tnew", file(n)))).collect::<String>());
    assert_eq!(stderr, "greenavatar: 3 found: 3 new; 3 without a picture; saved to d/\n");
    for args in [&[][..], &["--json"], &["--journal", "j"]] {
        assert_eq!(run(args), (String::new(), String::new()), "{args:?}");
    }
    let journaled = jsons(&std::fs::read_to_string(cli.dir().join("j")).expect("a journal"));
    assert_eq!(journaled.len(), 6, "every line is journaled");
    avatars.set(&chat(0), Entry::Picture(OTHER));
    avatars.set(&chat(1), Entry::Hidden);
    avatars.set(&chat(2), Entry::Fails);
    let (stdout, stderr) = run(&[]);
    let expected = [line(0, &format!("found\t{}\tchanged", file(0))), line(1, "hidden\t\tgone")].concat();
    assert_eq!(stdout, expected + &line(2, "failed\tbad-request-data"));
    let summary = "1 found: 1 changed; 3 without a picture, 1 hidden, 1 of them gone; 1 failed; saved to d/\n";
    assert!(stderr.ends_with(summary) && stderr.contains("bad request data"), "{stderr}");
    // The chat that failed still has its picture, so that it is unchanged now.
    avatars.set(&chat(2), Entry::Picture(JPEG));
    assert_eq!(run(&[]), (String::new(), String::new()));
    avatars.set(&chat(1), Entry::Picture(JPEG));
    assert_eq!(run(&["-q"]), (String::new(), String::new()));
    avatars.set(&chat(1), Entry::Picture(OTHER));
    let (_, stderr) = run(&["--json"]);
    let tally = &json(&stderr)["tally"];
    let counts = ["found", "new", "changed", "unchanged", "gone", "none", "skippedExisting"].map(|key| &tally[key]);
    assert_eq!(counts, [3, 0, 1, 2, 0, 3, 0]);
    assert_eq!(tally["dir"], "d");
}

#[test]
fn only_changes_prints_no_notes() {
    let get = Cli::new().args(["--sandbox", "get", "--contacts", "--dir", "d"]).any_stdout();
    assert!(get.any_stderr().run().stderr.contains("note: 1 id left out"));
    let get = Cli::new().args(["--sandbox", "get", "--contacts", "--dir", "d", "--only-changes"]).any_stdout();
    assert!(!get.any_stderr().run().stderr.contains("note: "));
}

#[test]
fn skip_existing_does_not_request_chats_with_a_picture() {
    let avatars = Avatars::default();
    (0..4).for_each(|n| avatars.set(&chat(n), Entry::Picture(JPEG)));
    let server = avatars.serve();
    let cli = Cli::on(&server);
    let run = || get(&cli, ["--skip-existing"]).args((0..4).map(chat)).any_stdout().any_stderr();
    let first = run().file(&format!("d/{}.png", chat(0)), PNG).file(&format!("d/{}.jpg", chat(1)), "").run();
    assert!(first.stderr.ends_with("2 found: 2 new; 2 skipped; saved to d/\n"), "{}", first.stderr);
    assert_eq!(first.stdout.lines().count(), 2);
    let requests = server.requests().len();
    let second = run().run();
    assert_eq!((second.stdout.as_str(), second.stderr.as_str()), ("", "greenavatar: 4 skipped\n"));
    let output = get(&cli, ["--skip-existing", "--json", &chat(0)]).any_stderr().run();
    assert_eq!(json(&output.stderr)["tally"]["skippedExisting"], 1);
    let output = get(&cli, ["--skip-existing", "--only-changes", "--from", "list"]).file("list", chat(0)).run();
    assert_eq!(server.requests().len(), requests, "{}", output.stdout);
    for args in [["--skip-existing", CHAT], ["--only-changes", CHAT]] {
        cli.again().arg("get").args(args).exits(2).any_stderr().run();
        cli.again().args(["get", "-o", "x"]).args(args).exits(2).any_stderr().run();
    }
}

#[test]
fn a_journaled_picture_is_done_while_its_file_is_there() {
    let avatars = Avatars::default();
    avatars.set(CHAT, Entry::Picture(JPEG));
    let server = avatars.serve();
    let cli = Cli::on(&server);
    let dir = cli.dir();
    let run = |args: &[&str]| {
        let output =
            cli.again().args(["get", "--journal", "j", CHAT, GROUP]).args(args).any_stdout().any_stderr().run();
        output.stdout.lines().filter_map(|line| line.split('\t').next().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(run(&["--dir", "d"]).len(), 2);
    assert_eq!(run(&["--dir", "d"]), [""; 0]);
    std::fs::remove_file(dir.join(format!("d/{CHAT}.jpg"))).expect("a file");
    assert_eq!(run(&["--dir", "d"]), [CHAT], "only the chat whose picture was removed");
    assert_eq!(run(&["--dir", "d"]), [""; 0]);
    assert_eq!(run(&["--dir", "other"]), [CHAT], "it is not in this directory");
    assert_eq!(run(&[]), [""; 0], "nothing is to be saved");
    let one = |args: [&str; 2]| {
        let cli = cli.again().args(["get", "-q", "--journal", "j", CHAT]).args(args);
        cli.any_stdout().run();
        server.requests().len()
    };
    let requests = one(["-o", "me.jpg"]);
    assert_eq!(one(["-o", "me.jpg"]), requests);
    assert_eq!(one(["-o", "-"]), requests, "standard output is not a file");
    std::fs::remove_file(dir.join("me.jpg")).expect("a file");
    assert_eq!(one(["-o", "me.jpg"]), requests + 2);
}
