//! Modes, owners, devices, symbolic links, named pipes, and other files that only Unix has.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::chown;
use std::time::{Duration, Instant};

use crate::changes::{Avatars, Entry, get};
use crate::env_file::USERS_FILE;
use crate::lists::{in_order, lines};
use crate::receive::receive;
use crate::same_file::{assert_refused, request};
use crate::settings::{accepted, accepting, env_file, refused};
use crate::support::pictures::{JPEG, PNG, names, picture, picture_service};
use crate::support::queue::{calls, fresh};
use crate::support::{Answer, CHAT, Cli, GROUP, Queue, Server, chat, json, jsons};
use crate::wait::without_results;

#[test]
fn the_users_own_file_is_where_xdg_config_home_says() {
    let server = accepting();
    let cli = Cli::new().file("config/greenavatar/env", env_file(&server));
    let config = cli.dir().join("config");
    accepted(cli.again().env("XDG_CONFIG_HOME", &config).args(["request", CHAT]));
    let (server, other) = (accepting(), Server::unasked());
    let cli = cli.file("config/greenavatar/env", env_file(&other)).file(USERS_FILE, env_file(&server));
    // A relative path is ignored, as the XDG specification says.
    accepted(cli.env("XDG_CONFIG_HOME", "config").args(["request", CHAT]));
}

#[test]
fn a_users_own_file_that_others_can_read_is_one_warning() {
    let server = accepting();
    let cli = Cli::new().file(USERS_FILE, env_file(&server)).mode(USERS_FILE, 0o640).args(["request", CHAT]);
    let output = cli.stdout(format!("{CHAT}\taccepted\n")).stderr_has("chmod 600").run();
    assert_eq!(output.stderr.matches("warning").count(), 1, "{}", output.stderr);
}

#[test]
fn an_env_file_that_others_can_read_is_one_warning() {
    for mode in [0o644, 0o640, 0o604] {
        let server = accepting();
        let cli = Cli::new().file(".env", env_file(&server)).mode(".env", mode).args(["request", CHAT]);
        let output = cli.stdout(format!("{CHAT}\taccepted\n")).stderr_has(".env").run();
        assert_eq!(output.stderr.matches("warning").count(), 1, "{}", output.stderr);
        assert!(output.stderr.starts_with("greenavatar: warning: "), "{}", output.stderr);
    }
    let server = accepting();
    let cli = Cli::new().file(".env", env_file(&server)).mode(".env", 0o644).args(["-q", "request", CHAT]);
    cli.any_stderr().run();
}

#[test]
fn an_env_file_of_another_user_is_not_read() {
    let server = Server::unasked();
    let cli = Cli::new().file(".env", env_file(&server)).args(["request", CHAT]);
    // Only root can change the owner of a file.
    if chown(cli.dir().join(".env"), Some(12345), None).is_ok() {
        cli.exits(78).stderr_has("warning").stderr_has("another user").run();
    }
}

#[test]
fn a_path_in_a_message_is_escaped() {
    let server = Server::unasked();
    let odd = "odd\u{1b}[2J\nname\u{202e}";
    let shown = "odd\\u{1b}[2J\\nname\\u{202e}";
    for flag in ["--env-file", "--api-token-file", "--cacert"] {
        refused(Cli::request(&server, [flag, odd, CHAT]), 66, shown);
        let cli = Cli::request(&server, [flag, odd, CHAT]).file(odd, "not what it should be\n").mode(odd, 0o644);
        refused(cli, 78, shown);
    }
    refused(
        Cli::request(&server, [CHAT]).env("GREEN_API_TOKEN_FILE", odd).without("GREEN_API_TOKEN_INSTANCE"),
        66,
        shown,
    );
    let cli = Cli::new().file(&format!("../.config/{odd}/greenavatar/env"), "bad\n");
    let config = cli.dir().join("../.config").join(odd);
    refused(cli.env("XDG_CONFIG_HOME", config.canonicalize().expect("a directory")).args(["request", CHAT]), 78, shown);
}

#[test]
fn a_lock_that_cannot_be_written_is_named_with_a_hint() {
    let output = receive(&Server::unasked(), []).env("XDG_STATE_HOME", "/dev/null/\u{1b}").exits(74).any_stderr().run();
    assert!(
        output.stderr.contains(r"cannot write the lock file /dev/null/\u{1b}/greenavatar/queue-"),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("set XDG_STATE_HOME"), "{}", output.stderr);
}

#[test]
fn a_directory_that_cannot_be_synced_is_one_warning() {
    let avatars = Avatars::default();
    avatars.set(CHAT, Entry::Picture(JPEG));
    avatars.set(GROUP, Entry::Picture(PNG));
    let server = avatars.serve();
    // The directory can be written but not opened. Root could open it, so it drops that right first.
    let script = r#"[ "$(id -u)" != 0 ] || set -- setpriv --bounding-set=-dac_override,-dac_read_search "$0" "$@"
        [ "$1" = setpriv ] || set -- "$0" "$@"; exec "$@""#;
    let cli = get(&Cli::on(&server), [CHAT, GROUP]).file("d/x", "").mode("d", 0o300).shell(script);
    let output = cli.any_stdout().any_stderr().run();
    assert_eq!(output.stderr.matches("cannot sync the directory d").count(), 1, "{}", output.stderr);
    let dir = output.path("d");
    std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("its own");
    assert_eq!(names(&dir), [format!("{CHAT}.jpg"), format!("{GROUP}.png"), "x".to_owned()]);
}

#[test]
fn only_its_owner_can_read_it() {
    let server = Server::always(Answer::status(200));
    let cli = Cli::request(&server, ["--journal", "j", CHAT]).shell(r#"umask 000; exec "$0" "$@""#);
    let output = cli.any_stdout().any_stderr().run();
    assert!(output.is_private("j"));
}

#[test]
fn a_device_is_not_a_journal() {
    let server = Server::unasked();
    for device in ["/dev/null", "/"] {
        let cli = Cli::request(&server, ["--journal", device, CHAT]);
        let output = cli.any_status().stderr_has("greenavatar: error: ").run();
        assert!(output.stdout.is_empty());
    }
}

/// The test reads the journal while it is locked, which Windows does not allow.
#[test]
fn after_a_kill_the_next_run_waits_on_without_new_requests() {
    const CHATS: usize = 20;
    let queue = Queue::default();
    let server = without_results(&queue);
    let list: String = (0..CHATS).map(|n| chat(n) + "\n").collect();
    let args = ["request", "--json", "--rate=0", "--wait=10s", "--journal", "j", "--from", "list"];
    let cli = Cli::on(&server).file("list", list).args(args).any_stdout().any_stderr().any_status();
    let journal = cli.dir().join("j");
    let next = || cli.again().args(args).any_stdout().any_stderr();
    let (second, third) = (next(), next());
    let running = cli.start();
    let began = Instant::now();
    while std::fs::read_to_string(&journal).unwrap_or_default().matches("accepted").count() < CHATS {
        assert!(began.elapsed() < Duration::from_secs(10), "the journal lacks lines");
        std::thread::sleep(Duration::from_millis(1));
    }
    // The run is killed while results arrive.
    (0..5).for_each(|n| queue.push(fresh(&chat(n))));
    running.wait_for_lines(2);
    let first = running.kill();
    (5..CHATS).for_each(|n| queue.push(fresh(&chat(n))));
    let output = second.run();
    assert_eq!(calls(&server, ["getAvatarAsync"]), [CHATS], "no chat is requested again");
    let both = first.stdout + &output.stdout;
    for n in 0..CHATS {
        assert!(both.contains(&chat(n)), "{} was printed", chat(n));
    }
    let done = output.read("j").lines().filter(|line| line.contains(r#""status":"none""#)).count();
    assert!((CHATS..=CHATS + 1).contains(&done), "{done} results in the journal");
    assert_eq!(queue.left(), 0);
    third.stdout("").stderr_has("20").run();
    assert_eq!(calls(&server, ["getAvatarAsync"]), [CHATS]);
}

#[test]
fn a_symbolic_link_is_the_same_file() {
    let cli = request(&["--from", "f", "--journal", "link"]).file("f", CHAT);
    std::os::unix::fs::symlink("f", cli.dir().join("link")).expect("a link");
    assert_refused(cli, ["list f", "journal link"], Some(CHAT));
}

#[test]
fn devices_and_repeated_inputs_are_allowed() {
    let server = Server::always(Answer::status(200)).times(1);
    let null = || OpenOptions::new().write(true).open("/dev/null").expect("it opens");
    Cli::request(&server, ["--from", "f", "--from", "f"]).file("f", CHAT).stdout_to(null()).any_stderr().run();
    let server = picture_service(|_| picture(JPEG));
    let cli = Cli::on(&server).args(["get", "--allow-host", "127.0.0.1", "-o", "/dev/null", CHAT]);
    cli.stdout_to(null()).any_stderr().run();
}

#[test]
fn a_named_pipe_is_opened_once() {
    let server = Server::with(|_| Answer::status(200)).times(2);
    // If the program opened, closed and reopened the pipe, the writer would get SIGPIPE.
    let script = r#"mkfifo pipe; for id in 1 2; do echo "1100123456$id@c.us"; done > pipe & "$0" "$@"; wait $!"#;
    let cli = in_order(&server).args(["--from", "pipe"]).shell(script);
    cli.stdout(lines(&["11001234561@c.us", "11001234562@c.us"])).stderr_has("2 accepted").run();
}

#[test]
fn a_read_error_in_a_list_is_reported_once() {
    // A directory can be opened but not read. For a file, that is found out before anything is sent.
    let cli = Cli::request(&Server::unasked(), ["--json", "-"]).stdin_from(File::open("/").expect("a directory"));
    let output = cli.exits(66).any_stderr().run();
    let objects = jsons(&output.stderr);
    assert_eq!(objects[0]["error"]["code"], "input-unreadable");
    assert_eq!(objects[1]["tally"]["notTried"], serde_json::Value::Null, "the rest of the list is unknown");
    assert_eq!(objects.len(), 2, "{}", output.stderr);
    let cli = Cli::request(&Server::unasked(), ["--json", CHAT, "--from", "/proc/self/mem"]).exits(66).any_stderr();
    assert_eq!(json(&cli.run().stderr)["error"]["code"], "input-unreadable");
}
