//! Lists over kept-alive connections, compared with curl, oha and xargs: `cargo bench --bench lists`.
//!
//! The programs run in turn against the same loopback server; with a ratio above 1 greenavatar is faster. Tools that
//! are not installed are left out. `cargo bench --bench lists -- million` adds a run over a million chats (half a
//! minute).

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use support::{Server, TOKEN, cost, greenavatar, is_installed, median, serve_pictures, time, write_list};

const CHATS: u64 = 10_000;
const FEW: u64 = 1_000;
const WORKERS: &str = "16";
const ROUNDS: usize = 7;
const BODY: &str = r#"{"chatId":"11001234567@c.us"}"#;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    for (name, count) in [("few", FEW), ("list", CHATS)] {
        write_list(&path(name), count);
    }
    println!("{CHATS} chats, {WORKERS} workers, --rate 0: median wall time, and requests a second over greenavatar's");
    for server in [Server::http(), Server::https(folder.path())] {
        compare(&server, folder.path());
    }
    journal(&Server::http(), folder.path());
    memory(&Server::http(), folder.path());
    resolutions(&Server::http(), folder.path());
    slow(&Server::http(), folder.path());
    paced(folder.path());
}

/// The program with a list.
fn ours(server: &Server, list: &Path, ca: Option<&Path>) -> Command {
    let mut command = greenavatar(&server.url);
    command.args(["request", "--rate", "0", "--concurrency", WORKERS, "--from"]).arg(list);
    if let Some(ca) = ca {
        command.arg("--cacert").arg(ca);
    }
    command
}

fn compare(server: &Server, folder: &Path) {
    let is_https = server.url.starts_with("https");
    let authority = folder.join("ca.pem");
    let ca = is_https.then_some(authority.as_path());
    let url = format!("{}/waInstance1101000001/getAvatarAsync/{TOKEN}", server.url);
    let list = folder.join("list");
    let few = folder.join("few");
    let curl_config = folder.join("curl");
    let one = format!("url = \"{url}\"\noutput = \"/dev/null\"\n");
    std::fs::write(&curl_config, one.repeat(CHATS as usize)).expect("written");
    let post = ["-sS", "-X", "POST", "-H", "Content-Type: application/json"];
    let curl = || {
        let mut command = Command::new("curl");
        command.env_clear().args(post).args(["-d", BODY, "--parallel", "--parallel-max", WORKERS, "-K"]);
        command.arg(&curl_config);
        if let Some(ca) = ca {
            command.arg("--cacert").arg(ca);
        }
        command
    };
    let xargs = || {
        let mut command = Command::new("xargs");
        command.args(["-P", WORKERS, "-I", "{}", "-a"]).arg(&few).arg("curl").args(post).args(["-o", "/dev/null"]);
        command.args(["-d", r#"{"chatId":"{}"}"#, &url]);
        if let Some(ca) = ca {
            command.arg("--cacert").arg(ca);
        }
        command
    };
    let (mut of_ours, mut of_few, mut of_curl, mut of_oha) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    time(&mut ours(server, &list, ca));
    let before = server.connections.load(Ordering::Relaxed);
    time(&mut ours(server, &list, ca));
    let connections = server.connections.load(Ordering::Relaxed) - before;
    for _ in 0..ROUNDS {
        of_ours.push(time(&mut ours(server, &list, ca)));
        of_curl.push(time(&mut curl()));
        of_ours.push(time(&mut ours(server, &list, ca)));
        of_oha.extend(oha(&url).map(|rate| CHATS as f64 / rate));
    }
    for _ in 0..3 {
        of_few.push(time(&mut ours(server, &few, ca)));
    }
    let seconds = median(&mut of_ours);
    println!("\n{}", if is_https { "HTTPS" } else { "HTTP" });
    let rate = CHATS as f64 / seconds;
    println!("  {:<26}{:>8.0} ms{rate:>10.0}/s   {connections} connections", "greenavatar", seconds * 1e3);
    let say = |name: &str, theirs: f64, ours: f64, least: f64| {
        let ratio = theirs / ours;
        println!("  {name:<26}{:>8.0} ms{:>12}   {ratio:.2} (at least {least})", theirs * 1e3, "");
    };
    say("curl --parallel", median(&mut of_curl), seconds, if is_https { 1.4 } else { 1.7 });
    if of_oha.is_empty() {
        println!("  oha is not installed: cargo install oha");
    } else {
        say("oha", median(&mut of_oha), seconds, 0.6);
    }
    say("xargs -P16 curl, 1,000", time(&mut xargs()), median(&mut of_few), 20.0);
    if let Some(cost) = cost(&ours(server, &list, ca)) {
        println!("  greenavatar: {:.0} ms of CPU, {:.1} MiB at most", cost.cpu * 1e3, cost.memory);
    }
    if let Some(cost) = cost(&curl()) {
        println!("  curl: {:.0} ms of CPU, {:.1} MiB at most", cost.cpu * 1e3, cost.memory);
    }
}

/// Requests a second as oha counts them, without its start.
fn oha(url: &str) -> Option<f64> {
    let mut command = Command::new("oha");
    command.args(["--no-tui", "--insecure", "--output-format", "json", "-c", WORKERS, "-n"]).arg(CHATS.to_string());
    command.args(["-m", "POST", "-T", "application/json", "-d", BODY, url]);
    let output = command.stdin(Stdio::null()).output().ok()?;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    report["summary"]["requestsPerSec"].as_f64()
}

fn journal(server: &Server, folder: &Path) {
    let list = folder.join("list");
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        without.push(time(&mut ours(server, &list, None)));
        let journal = folder.join(format!("journal-{round}"));
        with.push(time(ours(server, &list, None).arg("--journal").arg(&journal)));
        std::fs::remove_file(journal).expect("removed");
    }
    let ratio = median(&mut without) / median(&mut with);
    println!("\nwith --journal: {ratio:.2} of the throughput without (at least 0.6)");
}

fn memory(server: &Server, folder: &Path) {
    println!("\npeak memory, MiB");
    let of = |command: &Command| cost(command).map_or(f64::NAN, |cost| cost.memory);
    let least = of(&ours(server, &folder.join("few"), None));
    println!("  {FEW} chats                        {least:.1} (under 8)");
    let many = 300_000;
    let list = folder.join("many");
    write_list(&list, many);
    let without = of(&ours(server, &list, None));
    println!("  {many} chats                      {without:.1} (under 8)");
    let journal = folder.join("journal");
    let writing = of(ours(server, &list, None).arg("--journal").arg(&journal));
    let each = |peak: f64, chats: u64| (peak - without) * 1024.0 * 1024.0 / chats as f64;
    println!("  {many} chats into a journal       {writing:.1}: {:.0} bytes a chat (at most 40)", each(writing, many));
    let million = 1_000_000;
    write_list(&list, million);
    if std::env::args().any(|argument| argument == "million") {
        println!("  {million} chats                     {:.1} (under 8)", of(&ours(server, &list, None)));
    }
    let line = |n: u64| {
        let chat = 10_000_000_000 + n;
        format!(
            r#"{{"chatId":"{chat}@c.us","status":"accepted","httpStatus":200,"attempts":1,"elapsedMs":41,"command":"request","idInstance":"1101000001","at":"2026-11-22T10:00:00.000Z"}}"#
        ) + "\n"
    };
    std::fs::write(&journal, (0..million).map(line).collect::<String>()).expect("written");
    let again = cost(ours(server, &list, None).arg("--journal").arg(&journal));
    let (loading, wall) = again.map_or((f64::NAN, f64::NAN), |cost| (cost.memory, cost.wall));
    println!(
        "  a journal with {million} done      {loading:.1}: {:.0} bytes a chat (at most 40), read in {wall:.1} s",
        each(loading, million)
    );
}

/// How often the host's name is looked up: each look-up opens /etc/hosts.
fn resolutions(server: &Server, folder: &Path) {
    if !is_installed("strace") {
        println!("\nstrace is not installed: look-ups are not counted");
        return;
    }
    let trace = folder.join("trace");
    let named = server.url.replace("127.0.0.1", "localhost");
    let run = ours(server, &folder.join("few"), None);
    let mut command = Command::new("strace");
    command.args(["-f", "-e", "trace=openat", "-o"]).arg(&trace).arg(run.get_program()).args(run.get_args());
    command
        .env_clear()
        .envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("GREEN_API_URL", named);
    time(&mut command);
    let trace = std::fs::read_to_string(trace).expect("a trace");
    let looks = trace.lines().filter(|line| line.contains("\"/etc/hosts\"")).count();
    println!("\n{FEW} requests to a name: looked up {looks} times (once)");
}

/// The CPU time of a run at ten requests a second.
fn slow(server: &Server, folder: &Path) {
    let list = folder.join("slow");
    write_list(&list, 200);
    let mut command = greenavatar(&server.url);
    command.args(["request", "--from"]).arg(&list);
    if let Some(cost) = cost(&command) {
        let share = cost.cpu / cost.wall * 100.0;
        println!("\n10 requests a second for {:.0} s: {share:.2} % of a core (under 0.5)", cost.wall);
    }
}

/// Pictures at 15 a second: each answer takes 100 ms, and each download 300 ms.
fn paced(folder: &Path) {
    let (chats, rate) = (300, 15);
    let list = folder.join("paced");
    write_list(&list, chats);
    let url = serve_pictures(1024, [Duration::from_millis(100), Duration::from_millis(300)]);
    let mut command = greenavatar(&url);
    command.args(["get", "--rate", &rate.to_string(), "--dir"]).arg(folder.join("pictures")).arg("--from").arg(&list);
    let took = time(&mut command);
    let share = took * f64::from(rate) / chats as f64;
    println!(
        "\n{chats} pictures at {rate} a second: {took:.1} s, {share:.2} times as long as that takes (at most 1.1)"
    );
}
