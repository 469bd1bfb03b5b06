//! `man`: the manual, a page for each command, made from what may be typed and from the table of code words.
//!
//! Options and their texts come from the definitions of the command line, EXAMPLES from the end of each `--help`,
//! EXIT STATUS from the code words. What is said of files and variables, and nowhere else in code, stands here.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use clap::Command;
use clap_mangen::Man;

use crate::cli::setup::ManArgs;
use crate::commands::Context;
use crate::failure::{EXIT_BUG, EXIT_SOME_FAILED, EXIT_USAGE, Failure, Kind};
use crate::settings::Error;
use crate::text::sanitize;
use crate::token::Masked;

/// When the manual was last changed.
const DATE: &str = "2026-11-22";

/// Prints the main page of `cli`, or writes all pages into a directory.
pub fn run(args: &ManArgs, cli: Command, context: &Context<'_>) -> Result<u8, Error> {
    let pages = pages(cli);
    let Some(dir) = &args.dir else {
        context.output.write_last(&Masked::new(&*pages[0].text))?;
        return Ok(0);
    };
    write(&pages, dir).map_err(|error| Failure::caused(Kind::OutputFailed, error))?;
    Ok(0)
}

fn write(pages: &[Page], dir: &Path) -> anyhow::Result<()> {
    let cannot = |path: &Path| format!("cannot write {}", sanitize(&path.display().to_string()));
    std::fs::create_dir_all(dir).with_context(|| cannot(dir))?;
    for page in pages {
        let path = dir.join(format!("{}.1", page.name));
        std::fs::write(&path, &page.text).with_context(|| cannot(&path))?;
    }
    Ok(())
}

struct Page {
    /// As `greenavatar-request`.
    name: String,
    text: String,
}

/// The main page, then that of each command.
fn pages(cli: Command) -> Vec<Page> {
    // What the short help leaves out for want of room would have no text in a page.
    let whole = |argument: clap::Arg| argument.hide_short_help(false);
    let mut cli = cli.disable_help_subcommand(true).mut_args(whole).mut_subcommands(|command| command.mut_args(whole));
    cli.build();
    let names: Vec<String> = cli.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let mut pages = vec![Page { name: "greenavatar".into(), text: page(&cli, "greenavatar", None, &names) }];
    for command in cli.get_subcommands() {
        let name = format!("greenavatar-{}", command.get_name());
        // clap wants names for life; a few of them are made once, and the program ends after that.
        let renamed = command.clone().name(&*name.clone().leak());
        let text = page(&renamed, &name, Some(command.get_name()), &names);
        pages.push(Page { name, text });
    }
    pages
}

/// One page. `command`: none for the main page.
fn page(definition: &Command, name: &str, command: Option<&str>, commands: &[String]) -> String {
    let version = concat!("greenavatar ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(definition.clone()).title(name).section("1").date(DATE).source(version).manual("greenavatar");
    let mut text = Vec::new();
    let render = |text: &mut Vec<u8>| -> std::io::Result<()> {
        man.render_title(text)?;
        man.render_name_section(text)?;
        let usage = definition.clone().render_usage().to_string();
        let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage);
        text.extend(format!(".SH SYNOPSIS\n{}\n", line(usage)).into_bytes());
        man.render_description_section(text)?;
        man.render_options_section(text)
    };
    render(&mut text).expect("memory takes what is written");
    // Two line breaks around an empty line are one blank line, which mandoc would rather see said so.
    let mut text = String::from_utf8(text).expect("help is text").replace(".br\n\n.br\n", ".sp\n");
    if command.is_none() {
        text.push_str(".SH COMMANDS\n");
        for subcommand in definition.get_subcommands() {
            let about = subcommand.get_about().map(ToString::to_string).unwrap_or_default();
            entry(&mut text, &format!("greenavatar-{}(1)", subcommand.get_name()), &about);
        }
    }
    let help = definition.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (examples, notes) = take_apart(&help);
    if !notes.is_empty() {
        text.push_str(".SH NOTES\n");
        for (index, note) in notes.iter().enumerate() {
            text.push_str(if index > 0 { ".PP\n" } else { "" });
            as_it_stands(&mut text, note);
        }
    }
    exit_status(&mut text);
    environment(&mut text, definition, takes_settings(command));
    text.push_str(".SH FILES\n");
    for (path, meaning) in files(command) {
        entry(&mut text, path, meaning);
    }
    if !examples.is_empty() {
        text.push_str(".SH EXAMPLES\n");
        as_it_stands(&mut text, &examples);
    }
    text.push_str(".SH SEE ALSO\n");
    let others = std::iter::once("greenavatar".to_owned())
        .chain(commands.iter().map(|command| format!("greenavatar-{command}")))
        .filter(|other| other != name);
    let others: Vec<String> = others.map(|other| format!(".BR {} (1)", plain(&other))).collect();
    text.push_str(&others.join(" ,\n"));
    text.push('\n');
    text
}

/// The end of a `--help`: its examples, and its other paragraphs but for the exit statuses, which have a section.
fn take_apart(help: &str) -> (String, Vec<String>) {
    let mut examples = String::new();
    let mut notes = Vec::new();
    for paragraph in help.split("\n\n") {
        match paragraph.split_once('\n') {
            Some(("Examples:", rest)) => examples = rest.to_owned(),
            Some(("Exit status:", _)) => {}
            _ if paragraph.is_empty() => {}
            _ => notes.push(paragraph.to_owned()),
        }
    }
    (examples, notes)
}

fn exit_status(text: &mut String) {
    text.push_str(".SH EXIT STATUS\n");
    let mut rows = vec![
        (0, "All went well; none, hidden and no-account are answers, too.".to_owned()),
        (EXIT_SOME_FAILED, "Some chats of several failed.".to_owned()),
        (EXIT_USAGE, "The command line cannot be understood.".to_owned()),
        (EXIT_BUG, "A bug in greenavatar.".to_owned()),
    ];
    for kind in Kind::ALL {
        match rows.iter_mut().find(|(exit, _)| *exit == kind.exit()) {
            Some((_, words)) => _ = write!(words, ", {}", kind.code()),
            None => rows.push((kind.exit(), kind.code().to_owned())),
        }
    }
    rows.sort_unstable();
    for (exit, meaning) in rows {
        entry(text, &exit.to_string(), &meaning);
    }
    text.push_str(
        ".PP\nExactly one chat id as an argument ends with the status of its code word;\nseveral, or a list, end with 1, \
         or with the status of the code word that ended the run.\n",
    );
}

/// Whether a command looks at settings, the variables among them.
fn takes_settings(command: Option<&str>) -> bool {
    !matches!(command, Some("sandbox" | "completions" | "man" | "gallery"))
}

/// The variables that the help of the flags names, then those that belong to no flag.
fn environment(text: &mut String, definition: &Command, takes_settings: bool) {
    text.push_str(".SH ENVIRONMENT\n");
    entry(text, "NO_COLOR", "No colour, unless it is empty.");
    if !takes_settings {
        return;
    }
    for argument in definition.get_arguments() {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let Some((_, names)) = help.split_once("[env: ") else { continue };
        let names = names.split(']').next().unwrap_or_default();
        let flag = argument.get_long().unwrap_or_default();
        entry(text, names, &format!("Stands for --{flag} where that is not given."));
    }
    entry(text, "GREEN_API_WEBHOOK_TOKEN", "What GREEN-API sends to greenavatar listen as webhookUrlToken.");
    entry(
        text,
        "https_proxy, HTTPS_PROXY, all_proxy, ALL_PROXY, no_proxy, NO_PROXY",
        "The proxy, as curl resolves it; http_proxy in lower case for http: URLs.",
    );
    entry(text, "XDG_STATE_HOME", "Where the lock of an instance's queue is; else ~/.local/state.");
}

fn files(command: Option<&str>) -> Vec<(&'static str, &'static str)> {
    let env_file = (
        ".env",
        "Settings as NAME='value' lines, here or in the nearest parent, then in ~/.config/greenavatar/env; the environment wins over both.",
    );
    let state =
        ("${XDG_STATE_HOME:-~/.local/state}/greenavatar/", "Locks: one run at a time reads an instance's queue.");
    let journal = ("--journal FILE", "What was done, a JSON object a line: a further run skips it.");
    let spool = ("--spool FILE", "Other programs' notifications, in their own bytes, one a line.");
    match command {
        Some("request") => vec![env_file, journal, spool, state],
        Some("receive") => vec![env_file, spool, state],
        Some("listen") => vec![env_file, spool],
        Some("get") => vec![env_file, journal, ("--dir DIR", "Pictures, as <chatId>.jpg, .png or .webp.")],
        Some("gallery") => vec![("DIR/index.html", "The page.")],
        Some("completions" | "man") => vec![("standard output", "Where it goes unless told otherwise.")],
        Some("sandbox") => vec![("none", "It reads no settings and writes no file.")],
        Some(_) => vec![env_file],
        None => vec![env_file, journal, spool, state],
    }
}

fn entry(text: &mut String, term: &str, meaning: &str) {
    let _ = writeln!(text, ".TP\n\\fB{}\\fR\n{}", plain(term), line(meaning));
}

/// Lines that stay as they are.
fn as_it_stands(text: &mut String, lines: &str) {
    text.push_str(".nf\n");
    for one in lines.lines() {
        text.push_str(&line(one));
        text.push('\n');
    }
    text.push_str(".fi\n");
}

/// A line of text that troff takes for nothing else.
fn line(text: &str) -> String {
    let text = plain(text);
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

fn plain(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('~', "\\(ti").replace('^', "\\(ha")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_troff_would_take_for_a_request_is_text() {
        assert_eq!(line(".env"), "\\&.env");
        assert_eq!(line("'quoted'"), "\\(aqquoted\\(aq");
        assert_eq!(line("a\\b --c"), "a\\eb \\-\\-c");
    }

    #[test]
    fn a_help_is_its_examples_and_its_notes() {
        let (examples, notes) = take_apart("Examples:\n  a b\n\nExit status:\n  0 fine\n\nMore\nto say.");
        assert_eq!(examples, "  a b");
        assert_eq!(notes, ["More\nto say."]);
    }

    #[test]
    fn every_code_word_has_its_status() {
        let mut text = String::new();
        exit_status(&mut text);
        let rows: Vec<_> = text.split(".TP\n").skip(1).filter_map(|row| row.split_once('\n')).collect();
        for kind in Kind::ALL {
            let own = format!("\\fB{}\\fR", kind.exit());
            let words = rows.iter().find(|(status, _)| *status == own).map(|(_, words)| *words).unwrap_or_default();
            let has = words.split([',', '\n']).any(|word| word.trim() == plain(kind.code()));
            assert!(has, "{} under {}: {words}", kind.code(), kind.exit());
        }
    }
}
