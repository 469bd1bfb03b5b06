//! README, docs/ and packaging/ agree with the program: commands print what the pages say, and tables are complete.

// Needs a Unix shell.
#[cfg(unix)]
#[path = "readme/commands.rs"]
mod commands;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};
use greenavatar::batch::tally::Tally;
use greenavatar::cli::Cli;
use greenavatar::failure::{ErrorBody, Kind};
use greenavatar::record::{Change, Record, Status};

/// README or a page of docs/.
struct Page {
    /// Its path in the repository.
    name: String,
    text: String,
}

struct Block {
    /// The number of its first line.
    line: usize,
    /// The word after the fence: `sh`, `text` and others.
    kind: String,
    text: String,
    /// Whether only blank lines separate it from the block before.
    follows: bool,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn pages() -> Vec<Page> {
    let entries = std::fs::read_dir(root().join("docs")).expect("docs/");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")).collect();
    names.push("README.md".to_owned());
    names.sort_unstable();
    names.into_iter().map(|name| Page { text: read(&name), name }).collect()
}

fn blocks(page: &Page) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    let mut follows = false;
    for (index, line) in page.text.lines().enumerate() {
        match (line.strip_prefix("```"), is_open) {
            (Some(kind), false) => {
                let kind = kind.trim().to_owned();
                assert!(!kind.is_empty(), "{}:{}: a block without a type", page.name, index + 1);
                blocks.push(Block { line: index + 2, kind, text: String::new(), follows });
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
            (None, false) => follows &= line.trim().is_empty(),
        }
    }
    assert!(!is_open, "{}: the last block is not closed", page.name);
    blocks
}

/// The sandbox's signatures and dates change every day.
#[test]
fn values_that_change_daily_are_elided_in_the_pages() {
    let mut count = 0;
    for page in pages() {
        for block in blocks(&page).iter().filter(|block| block.kind == "text" && block.follows) {
            for mark in ["&oh=", "&oe=", r#""expiresAt":""#, r#""timestamp":"#] {
                for (at, _) in block.text.match_indices(mark) {
                    assert!(block.text[at + mark.len()..].starts_with('…'), "{}:{}: {mark}", page.name, block.line);
                    count += 1;
                }
            }
        }
    }
    assert!(count >= 10, "the pages show signed URLs: {count}");
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let is_kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.chars().filter(is_kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_have_targets() {
    let mut count = 0;
    for page in pages() {
        let directory = root().join(&page.name).parent().expect("a directory").to_owned();
        let is_link = |part: &&str| !part.starts_with("http") && !part.starts_with("mailto:");
        let links = page.text.split("](").skip(1).filter_map(|part| part.split(')').next());
        for link in links.filter(is_link) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root().join(&page.name) } else { directory.join(file) };
            assert!(target.is_file(), "{}: {link} does not exist", page.name);
            if !heading.is_empty() {
                let text = std::fs::read_to_string(target).expect("text");
                let has_heading = text.lines().any(|line| line.starts_with('#') && anchor(line) == heading);
                assert!(has_heading, "{}: {link} has no such heading", page.name);
            }
            count += 1;
        }
    }
    assert!(count >= 30, "the pages have links: {count}");
}

#[test]
fn the_readme_links_to_every_page_and_is_short() {
    let readme = read("README.md");
    for page in pages().iter().filter(|page| page.name != "README.md") {
        assert!(readme.contains(&format!("]({})", page.name)), "README has a link to {}", page.name);
    }
    assert!(readme.lines().count() <= 200, "README has {} lines", readme.lines().count());
}

#[test]
fn the_script_of_the_nightly_job_is_the_packaged_one() {
    let page = Page { name: "docs/nightly.md".to_owned(), text: read("docs/nightly.md") };
    let script = blocks(&page).into_iter().find(|block| block.text.starts_with("#!/bin/sh")).expect("a script");
    assert_eq!(script.text, read("packaging/nightly.sh"));
}

/// The systemd service and the Kubernetes job retry 69 and 75 only.
#[test]
fn packaged_jobs_retry_exactly_what_may_succeed_later() {
    let mut permanent: Vec<u8> = Kind::ALL.iter().map(|kind| kind.exit()).chain([1, 2, 70]).collect();
    permanent.retain(|exit| ![69, 75].contains(exit));
    permanent.sort_unstable();
    permanent.dedup();
    let statuses = |file: &str, before: &str| -> Vec<u8> {
        let text = read(file);
        let line = text.lines().find_map(|line| line.trim().strip_prefix(before)).expect(before).to_owned();
        let words = line.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
        words.map(|word| word.parse::<u8>().expect("a status")).collect()
    };
    assert_eq!(statuses("packaging/greenavatar.service", "RestartPreventExitStatus="), permanent);
    assert_eq!(statuses("packaging/kubernetes-job.yaml", "values: "), permanent);
}

#[test]
fn the_table_of_code_words_is_that_of_the_program() {
    let page = read("docs/scripting.md");
    let mut rows = page.lines().skip_while(|line| !line.starts_with("| code word |")).skip(2);
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
        .map(|kind| (kind.code().to_owned(), kind.exit().to_string(), kind.is_retryable(), kind.ends_run()))
        .collect();
    assert_eq!(documented, real);
}

/// The words in backquotes in the first column of the tables whose head begins with `head`.
fn documented_words(page: &str, head: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut is_in = false;
    for line in page.lines() {
        is_in = line.starts_with(head) || (is_in && line.starts_with('|'));
        if is_in {
            let cell = line.split('|').nth(1).unwrap_or_default();
            words.extend(cell.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    words
}

fn keys(object: &serde_json::Value) -> BTreeSet<String> {
    object.as_object().expect("an object").keys().cloned().collect()
}

#[test]
fn every_field_of_a_result_line_is_documented() {
    let error = ErrorBody {
        code: Kind::InvalidChatId.code(),
        message: String::new(),
        hint: Some(String::new()),
        http_status: Some(200),
        file: Some(String::new()),
        line: Some(1),
    };
    let record = Record {
        chat_id: String::new(),
        name: Some(String::new()),
        status: Status::Found,
        line: Some(1),
        url_avatar: Some(String::new()),
        expires_at: Some(String::new()),
        timestamp: Some(1),
        http_status: Some(200),
        error: Some(error),
        method: Some("getAvatar"),
        stale: Some(true),
        available: Some(true),
        preview: Some(true),
        file: Some(String::new()),
        bytes: Some(1),
        sha256: Some(String::new()),
        change: Some(Change::New),
        attempts: Some(1),
        elapsed_ms: Some(1),
    };
    let line: serde_json::Value = serde_json::from_str(&record.json()).expect("an object");
    let page = read("docs/scripting.md");
    let mut documented = documented_words(&page, "| field | type | meaning | where |");
    for of_journal in ["command", "idInstance", "at"] {
        assert!(documented.remove(of_journal), "{of_journal} is documented");
    }
    assert_eq!(documented, keys(&line));
    let errors = page.split_once("### Errors").expect("a section").1;
    assert_eq!(documented_words(errors, "| field | type | meaning |"), keys(&line["error"]));
}

#[test]
fn every_field_of_the_summary_is_documented() {
    let tally = Tally::default().json(Some(Path::new("avatars")));
    let mut documented = documented_words(&read("docs/scripting.md"), "| field | counts | where |");
    // Fields of the summary of `listen`, and the hint, which is optional.
    for other in ["printed", "repeated", "spooled", "discarded", "refused", "hint"] {
        assert!(documented.remove(other), "{other} is documented");
    }
    assert_eq!(documented, keys(&tally));
}

#[test]
fn examples_of_every_help_parse() {
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
