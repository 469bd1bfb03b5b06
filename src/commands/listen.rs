//! `listen`: runs the webhook endpoint that GREEN-API sends results to.

use std::path::Path;

use crate::cli::listen::ListenArgs;
use crate::commands::Context;
use crate::commands::chats::stdin_named_twice;
use crate::commands::files::Files;
use crate::failure::{Error, Failure, Kind};
use crate::results::require_lines;
use crate::results::spool::Spool;
use crate::results::webhook::Server;
use crate::results::webhook::auth::WebhookToken;
use crate::results::webhook::writer::Writer;
use crate::settings::{read_first_line, webhook_token};

pub fn run(args: &ListenArgs, context: &Context<'_>) -> Result<u8, Error> {
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

/// The webhook's token from the option, the environment or a `.env`. An empty token is an error.
fn token(args: &ListenArgs, context: &Context<'_>) -> Result<Option<WebhookToken>, Error> {
    if let Some(path) = &args.webhook_token_file {
        if path == Path::new("-") && context.flags.token_from_stdin() {
            return Err(stdin_named_twice());
        }
        return Ok(Some(WebhookToken::new(&read_first_line(path)?)?));
    }
    let found = webhook_token(context.flags, context.output)?;
    Ok(found.map(|token| WebhookToken::new(&token)).transpose()?)
}
