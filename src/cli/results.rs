//! The commands that receive the results of request.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::pictures::SaveArgs;
use crate::duration::parse_timeout;

const RECEIVE_HELP: &str = "\
Examples:
  greenavatar receive                       what is in the queue now
  greenavatar --json receive --idle 2m      until nothing came for 2 minutes
  greenavatar receive --follow --spool others.ndjson   until a signal comes
  greenavatar receive --dir avatars         saves the pictures

GREEN-API's methods: receiveNotification, deleteNotification. A notification
is deleted only after its picture is saved and its line is written. One that is no AvatarInfo belongs
to another program: without --spool the run stops there and deletes nothing.
The queue keeps notifications for 24 hours.";

/// Take results off the instance's queue (receiveNotification, deleteNotification)
#[derive(Debug, clap::Args)]
#[command(after_help = RECEIVE_HELP)]
pub struct ReceiveArgs {
    /// Go on when the queue is empty, until a signal or --idle ends the run
    #[arg(long)]
    pub follow: bool,
    /// End when nothing has come for so long: 30s, 2m
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout)]
    pub idle: Option<Duration>,
    /// End after N printed results; repeats and other notifications don't count
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max: Option<u64>,
    /// Append other programs' notifications to FILE, one a line, and delete them
    #[arg(long, value_name = "FILE")]
    pub spool: Option<PathBuf>,
    /// Where pictures are saved.
    #[command(flatten)]
    pub save: SaveArgs,
}

const LISTEN_HELP: &str = "\
Examples:
  greenavatar listen --spool others.ndjson     behind a proxy with TLS
  greenavatar --json listen --discard-foreign --webhook-token-file token.txt

GREEN-API sends every notification of the instance to its webhookUrl, so say
what becomes of those that are no AvatarInfo. 200 is answered once a result's
line is written and a spooled notification is on disk; anything else makes
GREEN-API send it again, for 24 hours. GET /healthz answers 200.";

/// Run the webhook endpoint that GREEN-API sends results to
#[derive(Debug, clap::Args)]
#[command(after_help = LISTEN_HELP)]
pub struct ListenArgs {
    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address, default_value = "127.0.0.1:8080")]
    pub bind: SocketAddr,
    /// The path of the instance's webhookUrl
    #[arg(long, value_name = "PATH", value_parser = parse_path, default_value = "/")]
    pub path: String,
    /// The file with the instance's webhookUrlToken in its first line, - for standard input; else
    /// GREEN_API_WEBHOOK_TOKEN
    #[arg(long, value_name = "FILE")]
    pub webhook_token_file: Option<PathBuf>,
    /// Append other notifications to FILE, one a line
    #[arg(long, value_name = "FILE", conflicts_with = "discard_foreign")]
    pub spool: Option<PathBuf>,
    /// Acknowledge other notifications and forget them
    #[arg(long)]
    pub discard_foreign: bool,
    /// End after N printed results; repeats and other notifications don't count
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
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
