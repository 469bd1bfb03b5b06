//! `completions`: prints a shell's completion script, made from the command line's definition.

use crate::cli::Cli;
use crate::cli::setup::CompletionsArgs;
use crate::commands::Context;
use crate::failure::Error;
use crate::token::Masked;

pub fn run(args: &CompletionsArgs, context: &Context<'_>) -> Result<u8, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::definition(), "greenavatar", &mut script);
    context.output.write_last(&Masked::new(String::from_utf8_lossy(&script)))?;
    Ok(0)
}
