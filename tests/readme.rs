//! README is true: its commands print what it says they print, and the examples of every `--help` can be typed.
//!
//! A block of README that is marked `sh` is run; a block marked `text` right after it is what a terminal then shows,
//! standard error included, its lines in any order. `…` stands for anything within a line. Each section has a directory of its own and runs its
//! blocks in their order; each block has a sandbox of its own in its environment, in place of an account.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::{CommandFactory, Parser};
use greenavatar::cli::Cli;
use greenavatar::failure::Kind;

const PROGRAM: &str = env!("CARGO_BIN_EXE_greenavatar");

struct Block {
    /// Of its first line.
    line: usize,
    /// What stands after the fence: `sh`, `text` and others.
    kind: String,
    text: String,
    /// Whether nothing but blank lines stands between it and the block before.
    follows: bool,
    /// Number of the section that it stands in.
    section: usize,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    let mut follows = false;
    let mut section = 0;
    for (index, line) in markdown.lines().enumerate() {
        match (line.strip_prefix("```"), is_open) {
            (Some(kind), false) => {
                let kind = kind.trim().to_owned();
                assert!(!kind.is_empty(), "README, line {}: a block says what it is", index + 1);
                blocks.push(Block { line: index + 2, kind, text: String::new(), follows, section });
                is_open = true;
            }
            (Some(_), true) => {
                is_open = false;
                follows = true;
            }
            (None, true) => {
                let text = &mut blocks.last_mut().expect("an open block").text;
                text.push_str(line);
                text.push('\n');
            }
            (None, false) => {
                section += usize::from(line.starts_with('#'));
                follows &= line.trim().is_empty();
            }
        }
    }
    assert!(!is_open, "README's last block has an end");
    blocks
}

/// Whether a line is what was said, where `…` stands for anything.
fn fits(said: &str, line: &str) -> bool {
    let mut parts = said.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// Whether the lines are those that were said. Their order is free: a list's lines come as each chat ends.
fn same_lines(said: &str, shown: &str) -> bool {
    let mut left: Vec<&str> = shown.lines().collect();
    let is_there = |said: &str| left.iter().position(|line| fits(said, line)).map(|at| left.remove(at)).is_some();
    said.lines().all(is_there) && left.is_empty()
}

/// Runs a block as a shell would; what a terminal would show.
fn run(block: &Block, directory: &Path) -> String {
    let programs = Path::new(PROGRAM).parent().expect("a directory");
    let mut path = OsString::from(programs);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    // In the repository the program is started through cargo; here it is there already.
    let script = format!("exec 2>&1\n{}", block.text.replace("cargo run -q --", "greenavatar"));
    let out = Command::new(PROGRAM)
        .args(["sandbox", "--no-rate-limit", "--", "timeout", "60", "sh", "-c", &script])
        .env_clear()
        .env("PATH", path)
        .env("HOME", directory)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let shown = String::from_utf8(out.stdout).expect("text");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "README, line {}: {}\n{shown}{said}", block.line, out.status);
    shown
}

fn has_curl() -> bool {
    Command::new("curl").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

#[test]
fn commands_of_the_readme_print_what_it_says() {
    let readme = read("README.md");
    let blocks = blocks(&readme);
    let last = blocks.last().map_or(0, |block| block.section);
    // Some commands wait for what never comes, so the sections run side by side.
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let sections: Vec<_> = (0..=last)
            .map(|section| {
                scope.spawn({
                    let blocks = &blocks;
                    move || untrue_in(blocks, section)
                })
            })
            .collect();
        sections.into_iter().flat_map(|section| section.join().expect("a section ends")).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let count = blocks.iter().filter(|block| block.kind == "sh").count();
    assert!(count >= 20, "README has blocks that are run: {count}");
}

/// What a section says and its blocks do not print.
fn untrue_in(blocks: &[Block], section: usize) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::copy(root().join(".env.example"), directory.path().join(".env.example")).expect("a copy");
    let mut wrong = Vec::new();
    for (index, block) in blocks.iter().enumerate().filter(|(_, block)| block.section == section && block.kind == "sh")
    {
        if block.text.contains("curl ") && !has_curl() {
            eprintln!("README, line {}: not run, as curl is not here", block.line);
            continue;
        }
        let shown = run(block, directory.path());
        let Some(said) = blocks.get(index + 1).filter(|next| next.kind == "text" && next.follows) else { continue };
        let same = same_lines(&said.text, &shown);
        if !same {
            wrong.push(format!("README, line {}, says\n{}\nand the block prints\n{shown}", said.line, said.text));
        }
    }
    wrong
}

/// What a sandbox signs and dates is another on the next day, and README must be true then, too.
#[test]
fn what_a_day_changes_is_left_out_of_the_readme() {
    let readme = read("README.md");
    let mut count = 0;
    for said in blocks(&readme).iter().filter(|block| block.kind == "text" && block.follows) {
        for mark in ["&oh=", "&oe=", r#""expiresAt":""#, r#""timestamp":"#] {
            for (at, _) in said.text.match_indices(mark) {
                assert!(said.text[at + mark.len()..].starts_with('…'), "README, line {}: {mark}", said.line);
                count += 1;
            }
        }
    }
    assert!(count >= 10, "README shows signed URLs: {count}");
}

#[test]
fn the_script_of_the_readme_is_the_packaged_one() {
    let readme = read("README.md");
    let script = blocks(&readme).into_iter().find(|block| block.text.starts_with("#!/bin/sh")).expect("a script");
    assert_eq!(script.text, read("packaging/nightly.sh"));
}

/// 69 and 75 may go well later; the service and the Job give up on all others.
#[test]
fn what_is_packaged_tries_again_what_may_go_well_later() {
    let mut permanent: Vec<u8> = Kind::ALL.iter().map(|kind| kind.exit()).chain([1, 2, 70]).collect();
    permanent.retain(|exit| ![69, 75].contains(exit));
    permanent.sort_unstable();
    permanent.dedup();
    let told = |file: &str, before: &str| -> Vec<u8> {
        let text = read(file);
        let line = text.lines().find_map(|line| line.trim().strip_prefix(before)).expect(before).to_owned();
        let words = line.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
        words.map(|word| word.parse().expect("a status")).collect()
    };
    assert_eq!(told("packaging/greenavatar.service", "RestartPreventExitStatus="), permanent);
    assert_eq!(told("packaging/kubernetes-job.yaml", "values: "), permanent);
}

#[test]
fn the_table_of_code_words_is_that_of_the_program() {
    let readme = read("README.md");
    let mut rows = readme.lines().skip_while(|line| !line.starts_with("| code word |")).skip(2);
    let mut documented = Vec::new();
    for row in rows.by_ref().take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [word, exit, retried, ends_run, meaning] = cells[..] else { panic!("five cells: {row}") };
        assert!(!meaning.is_empty(), "{word} has a meaning");
        let is_yes = |cell: &str| match cell {
            "yes" => true,
            "" => false,
            other => panic!("{word}: {other} is neither yes nor empty"),
        };
        documented.push((word.trim_matches('`').to_owned(), exit.to_owned(), is_yes(retried), is_yes(ends_run)));
    }
    let real: Vec<_> = Kind::ALL
        .iter()
        .map(|kind| (kind.code().to_owned(), kind.exit().to_string(), kind.is_retried(), kind.ends_run()))
        .collect();
    assert_eq!(documented, real);
}

#[test]
fn examples_of_every_help_can_be_typed() {
    let mut helps = BTreeMap::new();
    let mut cli = Cli::command();
    helps.insert("greenavatar".to_owned(), cli.render_long_help().to_string());
    for command in cli.get_subcommands_mut() {
        helps.insert(command.get_name().to_owned(), command.render_long_help().to_string());
    }
    let mut count = 0;
    for (name, help) in helps {
        for line in help.lines().filter(|line| line.starts_with("  greenavatar ")) {
            let typed = line.trim().split("  ").next().unwrap_or_default();
            let typed = typed.split([';', '|', '<', '>']).next().unwrap_or_default();
            let words: Vec<&str> = typed.split_whitespace().collect();
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{name} --help: {typed}\n{error}");
            }
            count += 1;
        }
    }
    assert!(count >= 10, "there are examples: {count}");
}

#[test]
fn an_ellipsis_stands_for_anything_within_a_line() {
    assert!(fits("a", "a") && fits("a…", "abc") && fits("…c", "abc") && fits("a…c", "abc") && fits("a…b…c", "a1b2c"));
    assert!(same_lines("a\nb…\n", "bc\na\n") && !same_lines("a\n", "a\na\n") && !same_lines("a\na\n", "a\n"));
    assert!(!fits("a", "ab") && !fits("a…", "ba") && !fits("a…c", "ab") && !fits("a…b…c", "ac"));
}
