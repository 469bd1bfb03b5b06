//! One request by a new process, compared with curl: `cargo bench --bench cold`.
//!
//! GREENAVATAR_BIN names another build to measure, such as a static one.

mod support;

use std::process::Command;

use support::{Server, TOKEN, cost, greenavatar, median, paired};

const RUNS: usize = 200;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let certificate = folder.path().join("ca.pem");
    println!("{:<8}{:>12}{:>12}{:>8}{:>14}{:>12}", "", "greenavatar", "curl", "ratio", "memory (MiB)", "curl (MiB)");
    for server in [Server::http(), Server::https(folder.path())] {
        let is_https = server.url.starts_with("https");
        let ours = || {
            let mut command = greenavatar(&server.url);
            command.args(["request", "11001234567@c.us"]);
            if is_https {
                command.arg("--cacert").arg(&certificate);
            }
            command
        };
        let curls = || {
            let mut command = Command::new("curl");
            command.env_clear().args(["-sS", "-X", "POST", "-H", "Content-Type: application/json"]);
            command.args(["-d", r#"{"chatId":"11001234567@c.us"}"#]);
            if is_https {
                command.arg("--cacert").arg(&certificate);
            }
            command.arg(format!("{}/waInstance1101000001/getAvatarAsync/{TOKEN}", server.url));
            command
        };
        let (a, b) = paired(RUNS, ours, curls);
        let memory = |command: &dyn Fn() -> Command| {
            let mut peaks: Vec<_> = (0..9).filter_map(|_| Some(cost(&command())?.memory)).collect();
            if peaks.is_empty() { "-".to_owned() } else { format!("{:.1}", median(&mut peaks)) }
        };
        println!(
            "{:<8}{:>9.2} ms{:>9.2} ms{:>8.3}{:>14}{:>12}",
            if is_https { "https" } else { "http" },
            a * 1e3,
            b * 1e3,
            a / b,
            memory(&ours),
            memory(&curls)
        );
    }
}
