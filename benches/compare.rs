//! greenavatar compared with curl, xh and Python, as the tables of docs/performance.md: `cargo bench --bench compare`.
//!
//! One request by a new process over HTTP and TLS, and a list. GREEN-API's package has only getAvatar, so it calls
//! that. Python's packages are those of the interpreter that PYTHON names, else of python3. Tools that are not
//! installed are left out, with a message.

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use support::{Server, TOKEN, cost, greenavatar, is_installed, median, time, write_list};

const COLD_ROUNDS: usize = 15;
const CHATS: u64 = 10_000;
/// The chats for slow tools. Their figures are scaled to [`CHATS`].
const FEW: u64 = 500;
const BODY: &str = r#"{"chatId":"11001234567@c.us"}"#;
const JSON: &str = "Content-Type: application/json";

const REQUESTS: &str = "
import sys, requests
session = requests.Session()
for _ in range(int(sys.argv[2])):
    session.post(sys.argv[1], json={'chatId': '11001234567@c.us'}, timeout=60).raise_for_status()
";
const PACKAGE: &str = "
import sys
from whatsapp_api_client_python import API
host, _, _, token = sys.argv[1].rsplit('/', 3)
api = API.GreenAPI('1101000001', token, host=host)
for _ in range(int(sys.argv[2])):
    assert api.serviceMethods.getAvatar('11001234567@c.us').code == 200
";

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    write_list(&path("list"), CHATS);
    write_list(&path("few"), FEW);
    let (http, https) = (Server::http(), Server::https(folder.path()));
    let authority = path("ca.pem");
    println!("| one request, cold | HTTP, ms | CPU, ms | MiB | HTTPS, ms | CPU, ms | MiB |");
    println!("|---|---|---|---|---|---|---|");
    cold([(&http, None), (&https, Some(&authority))]);
    println!("\n| a list of {CHATS} chats over HTTP | s | CPU, s | MiB | as slow as greenavatar |");
    println!("|---|---|---|---|---|");
    list(&http, folder.path());
}

fn url(server: &Server) -> String {
    format!("{}/waInstance1101000001/getAvatarAsync/{TOKEN}", server.url)
}

fn cold(servers: [(&Server, Option<&Path>); 2]) {
    let tools: Vec<_> = TOOLS.iter().filter(|(name, tool)| is_there(name, &tool(servers[0].0, None, 1))).collect();
    let mut rows = vec![String::new(); tools.len()];
    for (server, authority) in servers {
        let mut walls = vec![Vec::new(); tools.len()];
        for _ in 0..COLD_ROUNDS {
            for ((_, tool), walls) in tools.iter().zip(&mut walls) {
                walls.push(time(&mut tool(server, authority, 1)));
            }
        }
        for (((_, tool), walls), row) in tools.iter().zip(&mut walls).zip(&mut rows) {
            let (cpu, memory) = many(&tool(server, authority, 1));
            row.push_str(&format!(" {:.1} | {cpu:.1} | {memory:.1} |", median(walls) * 1e3));
        }
    }
    for ((name, _), row) in tools.iter().zip(rows) {
        println!("| {name} |{row}");
    }
}

/// CPU milliseconds and MiB of one run of a short command. A shell, which counts whole milliseconds, runs it ten times.
fn many(command: &Command) -> (f64, f64) {
    let memory = cost(command).map_or(f64::NAN, |cost| cost.memory);
    let mut ten = Command::new("/bin/bash");
    ten.args(["-c", r#"for i in {1..10}; do "$@"; done"#, "bash"]).arg(command.get_program()).args(command.get_args());
    ten.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    (cost(&ten).map_or(f64::NAN, |cost| cost.cpu / 10.0 * 1e3), memory)
}

fn list(server: &Server, folder: &Path) {
    let url = url(server);
    let (list, few) = (folder.join("list"), folder.join("few"));
    let mut rows: Vec<(&str, Command, u64)> = Vec::new();
    let mut command = greenavatar(&server.url);
    command.args(["request", "--rate", "0", "--concurrency", "16", "--from"]).arg(&list);
    rows.push(("greenavatar, 16 workers", command, CHATS));
    let mut command = greenavatar(&server.url);
    command.args(["request", "--rate", "0", "--concurrency", "16", "--from"]).arg(&list);
    command.arg("--journal").arg(folder.join("journal"));
    rows.push(("greenavatar, 16 workers, with a journal", command, CHATS));
    let config = folder.join("curl");
    std::fs::write(&config, format!("url = \"{url}\"\noutput = \"/dev/null\"\n").repeat(CHATS as usize))
        .expect("written");
    let mut command = Command::new("curl");
    command
        .args(["-sS", "-X", "POST", "-H", JSON, "-d", BODY, "--parallel", "--parallel-max", "16", "-K"])
        .arg(&config);
    rows.push(("curl --parallel, 16 at a time", command, CHATS));
    let mut command = Command::new("xargs");
    command.args(["-P", "16", "-I", "{}", "-a"]).arg(&few).args(["curl", "-sS", "-o", "/dev/null", "-X", "POST"]);
    command.args(["-H", JSON, "-d", r#"{"chatId":"{}"}"#, &url]);
    rows.push(("xargs -P16 curl", command, FEW));
    if is_installed("xh") {
        let mut command = Command::new("xargs");
        command.args(["-P", "16", "-I", "{}", "-a"]).arg(&few).args([
            "xh",
            "--ignore-stdin",
            "post",
            &url,
            "chatId={}",
        ]);
        rows.push(("xargs -P16 xh", command, FEW));
    }
    rows.push(("Python requests, one session", requests(server, None, FEW), FEW));
    rows.push(("GREEN-API's Python package", package(server, None, FEW), FEW));
    let mut ours = None;
    for (name, command, count) in rows {
        let one_run = || Command::new(command.get_program());
        if one_run().arg("--version").stdout(Stdio::null()).status().is_err() || (count == FEW && !works(&command)) {
            continue;
        }
        // The median of three.
        let mut costs: Vec<_> = (0..3)
            .filter_map(|_| {
                let _ = std::fs::remove_file(folder.join("journal"));
                cost(&command)
            })
            .collect();
        costs.sort_by(|a, b| a.wall.total_cmp(&b.wall));
        let Some(cost) = costs.get(1) else { continue };
        let scale = CHATS as f64 / count as f64;
        let (wall, cpu) = (cost.wall * scale, cost.cpu * scale);
        let ratio = wall / *ours.get_or_insert(wall);
        let scaled = if count < CHATS { format!(", {count} of them, scaled") } else { String::new() };
        println!("| {name}{scaled} | {wall:.2} | {cpu:.2} | {:.1} | {ratio:.1} |", cost.memory);
    }
}

type Tool = fn(&Server, Option<&Path>, u64) -> Command;

const TOOLS: [(&str, Tool); 5] = [
    ("greenavatar", |server, authority, _| {
        let mut command = greenavatar(&server.url);
        command.args(["request", "11001234567@c.us"]);
        if let Some(authority) = authority {
            command.arg("--cacert").arg(authority);
        }
        command
    }),
    ("curl", |server, authority, _| {
        let mut command = Command::new("curl");
        command.args(["-sS", "-X", "POST", "-H", JSON, "-d", BODY]);
        if let Some(authority) = authority {
            command.arg("--cacert").arg(authority);
        }
        command.arg(url(server));
        command
    }),
    ("xh", |server, authority, _| {
        let mut command = Command::new("xh");
        command.args(["--ignore-stdin", "post"]);
        if let Some(authority) = authority {
            command.arg("--verify").arg(authority);
        }
        command.arg(url(server)).arg("chatId=11001234567@c.us");
        command
    }),
    ("Python requests", requests),
    ("GREEN-API's Python package", package),
];

fn requests(server: &Server, authority: Option<&Path>, count: u64) -> Command {
    python(REQUESTS, server, authority, count)
}

fn package(server: &Server, authority: Option<&Path>, count: u64) -> Command {
    python(PACKAGE, server, authority, count)
}

fn python(script: &str, server: &Server, authority: Option<&Path>, count: u64) -> Command {
    let mut command = Command::new(std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into()));
    command.args(["-c", script, &url(server), &count.to_string()]);
    if let Some(authority) = authority {
        command.env("REQUESTS_CA_BUNDLE", authority);
    }
    command
}

/// Whether a tool makes its request. If it does not, prints a message.
fn is_there(name: &str, command: &Command) -> bool {
    let works = works(command);
    if !works {
        eprintln!("{name} is not installed, and left out");
    }
    works
}

fn works(command: &Command) -> bool {
    let mut once = Command::new(command.get_program());
    once.args(command.get_args()).envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let quiet = once.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
