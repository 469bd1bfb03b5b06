//! `completions`: what a shell needs to complete this program's command lines, made from what may be typed.

use crate::commands::Context;
use crate::settings::Error;
use crate::token::Masked;

const EXAMPLES: &str = "\
Examples:
  greenavatar completions bash > ~/.local/share/bash-completion/completions/greenavatar
  greenavatar completions zsh > _greenavatar    into a directory of $fpath
  greenavatar completions fish > ~/.config/fish/completions/greenavatar.fish";

/// Print what a shell needs to complete command lines
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Args {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: clap_complete::Shell,
}

/// Prints the completions of `cli` for the shell.
pub fn run(args: &Args, mut cli: clap::Command, context: &Context<'_>) -> Result<u8, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli, "greenavatar", &mut script);
    context.output.write_last(&Masked::new(String::from_utf8_lossy(&script)))?;
    Ok(0)
}
