//! One request by a cold process beside curl making the same request: `cargo bench --bench cold`.
//!
//! A static build is measured with `GREENAVATAR_BIN=path/to/greenavatar cargo bench --bench cold`.

mod support;

use std::process::Command;

use support::{Server, TOKEN, greenavatar, paired, peak_memory};

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
        let memory = |command| peak_memory(&command).map_or("-".into(), |mib| format!("{mib:.1}"));
        println!(
            "{:<8}{:>9.2} ms{:>9.2} ms{:>8.3}{:>14}{:>12}",
            if is_https { "https" } else { "http" },
            a * 1e3,
            b * 1e3,
            a / b,
            memory(ours()),
            memory(curls())
        );
    }
}
