//! `man`: the manual, one page for each command, made from the command line's definition and its help.

use std::path::Path;
use std::{fs, io};

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::Cli;
use crate::cli::setup::ManArgs;
use crate::commands::Context;
use crate::failure::{Error, Failure, Kind};
use crate::token::{Masked, shown_path};

/// When the manual was last changed.
const DATE: &str = "2026-11-28";

/// Prints the main page, or writes all pages into a directory.
pub fn run(args: &ManArgs, context: &Context<'_>) -> Result<u8, Error> {
    let mut cli = Cli::definition().disable_help_subcommand(true).subcommand_help_heading("COMMANDS");
    cli.build();
    let Some(dir) = &args.dir else {
        context.output.write_last(&Masked::new(page(&cli)))?;
        return Ok(0);
    };
    let failed = |what: &str, path: &Path, error: io::Error| {
        Failure::new(Kind::OutputFailed, format!("cannot {what} {}", shown_path(path))).because(error)
    };
    fs::create_dir_all(dir).map_err(|error| failed("create", dir, error))?;
    for command in std::iter::once(&cli).chain(cli.get_subcommands()) {
        let path = dir.join(command.get_display_name().unwrap_or("greenavatar").to_owned() + ".1");
        fs::write(&path, page(command)).map_err(|error| failed("write", &path, error))?;
    }
    Ok(0)
}

/// The page of a command. The sections of its long help become sections of the page, line by line.
fn page(command: &Command) -> String {
    let mut command = command.clone();
    let usage = command.render_usage().to_string().replace("Usage: ", "");
    let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    // clap_mangen prints no text for an option that the short help leaves out.
    command = command.mut_args(|arg| arg.hide_short_help(false)).override_usage(usage);
    let man = Man::new(command.after_help(None).after_long_help(None).version(None)).date(DATE);
    let man = man.source(concat!("greenavatar ", env!("CARGO_PKG_VERSION"))).manual("greenavatar");
    let mut start = Vec::new();
    man.render(&mut start).expect("writing to memory does not fail");
    let mut end = Roff::new();
    for section in help.split("\n\n") {
        match section.split_once(":\n") {
            Some((heading, lines)) if !heading.contains('\n') => {
                end.control("SH", heading.to_uppercase().split(' ')).control("nf", []);
                lines.lines().for_each(|line| _ = end.text([roman(line)]));
                end.control("fi", []);
            }
            _ => _ = end.control("SH", ["NOTES"]).text([roman(section)]),
        }
    }
    end.control("SH", ["SEE", "ALSO"]).text([bold("greenavatar"), roman("(1)")]);
    // mandoc warns about the empty line between two breaks.
    String::from_utf8_lossy(&start).replace(".br\n\n.br\n", ".sp\n") + &end.to_roff()
}
