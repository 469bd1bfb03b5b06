//! `listen`: the endpoint that GREEN-API's webhook sends results to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::commands::Context;
use crate::commands::files::Files;
use crate::failure::{Failure, Kind};
use crate::results::require_lines;
use crate::results::spool::Spool;
use crate::results::webhook::Server;
use crate::results::webhook::auth::WebhookToken;
use crate::results::webhook::writer::Writer;
use crate::settings::{Error, read_first_line, webhook_token};

const EXAMPLES: &str = "\
Examples:
  greenavatar listen --spool others.ndjson     behind a proxy with TLS
  greenavatar --json listen --discard-foreign --webhook-token-file token.txt

GREEN-API sends every notification of the instance to its webhookUrl, so say
what becomes of those that are no AvatarInfo. 200 is answered once a result's
line is written and a spooled notification is on disk; anything else makes
GREEN-API send it again, for 24 hours. GET /healthz answers 200.";

/// Be the webhook endpoint that GREEN-API sends results to
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address, default_value = "127.0.0.1:8080")]
    bind: SocketAddr,
    /// The path of the instance's webhookUrl
    #[arg(long, value_name = "PATH", value_parser = parse_path, default_value = "/")]
    path: String,
    /// The file with the instance's webhookUrlToken in its first line, - for standard input; else
    /// GREEN_API_WEBHOOK_TOKEN
    #[arg(long, value_name = "FILE")]
    webhook_token_file: Option<PathBuf>,
    /// Append other notifications to FILE, one a line
    #[arg(long, value_name = "FILE", conflicts_with = "discard_foreign")]
    spool: Option<PathBuf>,
    /// Acknowledge other notifications and forget them
    #[arg(long)]
    discard_foreign: bool,
    /// End after N printed results; repeats and other notifications don't count
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max: Option<u64>,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context<'_>) -> Result<u8, Error> {
    let output = context.output;
    require_lines(output)?;
    if let Some(spool) = &args.spool {
        Files::of_streams(false)?.add("spool", spool, true)?;
    }
    if args.spool.is_none() && !args.discard_foreign {
        return Err(Failure::new(Kind::BadSettings, "neither --spool nor --discard-foreign is given")
            .hint("--spool FILE keeps notifications that are not results; --discard-foreign drops them")
            .into());
    }
    let server = Server::bind(args.bind, &args.path, token(args, context)?)?;
    let spool = args.spool.as_deref().map(Spool::open).transpose()?;
    output.note(&format!("listening on http://{}", server.address()));
    let writer = Writer::new(output, |lines| output.write(lines), spool, args.max);
    server.run(writer)
}

/// The webhook's token: flag, environment, `.env`. An empty one is an error wherever it stands.
fn token(args: &Args, context: &Context<'_>) -> Result<Option<WebhookToken>, Error> {
    if let Some(path) = &args.webhook_token_file {
        if path == Path::new("-") && context.flags.token_from_stdin() {
            return Err(Error::Usage("only one flag can read standard input".into()));
        }
        return Ok(Some(WebhookToken::new(&read_first_line(path)?)?));
    }
    let found = webhook_token(context.flags, context.report)?;
    Ok(found.map(|token| WebhookToken::new(&token)).transpose()?)
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
