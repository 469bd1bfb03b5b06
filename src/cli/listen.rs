//! `listen`, which receives the results of `request` as a server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, value_parser};

use super::help;

const LISTEN_HELP: &str = "\
Examples:
  greenavatar listen --spool others.ndjson     behind a proxy with TLS
  greenavatar --json listen --discard-foreign --webhook-token-file token.txt

GREEN-API sends every notification of the instance to its webhookUrl, so one
of --spool and --discard-foreign is required. A request is answered with 200
once the line is written or the spooled notification is on disk; after any
other answer GREEN-API sends it again, for 24 hours. GET /healthz answers 200.";

const LISTEN_CREDENTIALS: &str =
    "Credentials: only the webhook's token, from --webhook-token-file or GREEN_API_WEBHOOK_TOKEN.";

const LISTEN_ENVIRONMENT: &str = "\
GREEN_API_WEBHOOK_TOKEN   the instance's webhookUrlToken; a request without it
                            is answered with 401
  NO_COLOR                  no colours, unless it is empty";

const LISTEN_FILES: &str = "\
.env                      settings, in this directory or its nearest parent with a .env
  ~/.config/greenavatar/env
                            the user's settings (XDG_CONFIG_HOME, on Windows %APPDATA%)";

/// Run the webhook endpoint that receives the results of request
#[derive(Debug, Args)]
#[command(after_help = help::footer(LISTEN_CREDENTIALS))]
#[command(after_long_help = help::sections(&[LISTEN_HELP, help::STATUSES], LISTEN_ENVIRONMENT, LISTEN_FILES))]
pub struct ListenArgs {
    /// Address to listen on; port 0 takes any free port
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address, default_value = "127.0.0.1:8080")]
    pub bind: SocketAddr,
    /// Path of the instance's webhookUrl
    #[arg(long, value_name = "PATH", value_parser = parse_path, default_value = "/")]
    pub path: String,
    /// Read the instance's webhookUrlToken from the first line of FILE; - for standard input
    #[arg(long, value_name = "FILE")]
    pub webhook_token_file: Option<PathBuf>,
    /// Append notifications that are not results to FILE, one a line
    #[arg(long, value_name = "FILE", conflicts_with = "discard_foreign")]
    pub spool: Option<PathBuf>,
    /// Acknowledge and drop notifications that are not results
    #[arg(long)]
    pub discard_foreign: bool,
    /// Stop after N results; repeated results do not count
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub max: Option<u64>,
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().map_err(|_| "write it as 127.0.0.1:8080 or [::1]:8080".to_owned())
}

fn parse_path(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#');
    if is_path { Ok(text.to_owned()) } else { Err("a path begins with / and has no ?, # or blank".to_owned()) }
}
