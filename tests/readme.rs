//! README, docs/ and packaging/ agree with the program: commands print what the pages say, and tables are complete.
//!
//! A block marked `sh` is run. A block marked `text` right after it is the expected output of both streams, its lines
//! in any order; `…` in it matches any text within a line. Each section of a page runs its blocks in order, in its own
//! directory with the files of the repository that blocks use. Each block has its own sandbox in the environment.

// The blocks need a Unix shell.
#![cfg_attr(windows, allow(dead_code, unused_imports))]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use clap::{CommandFactory, Parser};
use greenavatar::batch::tally::Tally;
use greenavatar::cli::Cli;
use greenavatar::failure::{ErrorBody, Kind};
use greenavatar::record::{Change, Record, Status};

const PROGRAM: &str = env!("CARGO_BIN_EXE_greenavatar");
/// Sections that run at the same time: some of their commands wait for a timeout.
const RUNNERS: usize = 8;

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
    /// The number of its section.
    section: usize,
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
    let mut section = 0;
    for (index, line) in page.text.lines().enumerate() {
        match (line.strip_prefix("```"), is_open) {
            (Some(kind), false) => {
                let kind = kind.trim().to_owned();
                assert!(!kind.is_empty(), "{}:{}: a block without a type", page.name, index + 1);
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
    assert!(!is_open, "{}: the last block is not closed", page.name);
    blocks
}

/// Whether a line matches a pattern, in which `…` is any text.
fn matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
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

/// Whether the lines match the patterns, in any order: the lines of a list are printed as each chat finishes.
fn lines_match(patterns: &str, output: &str) -> bool {
    let mut left: Vec<&str> = output.lines().collect();
    let is_there =
        |pattern: &str| left.iter().position(|line| matches(pattern, line)).map(|at| left.remove(at)).is_some();
    patterns.lines().all(is_there) && left.is_empty()
}

/// Runs a block in a shell. Returns its output, as an error if the block fails.
fn run(page: &Page, block: &Block, directory: &Path) -> Result<String, String> {
    let programs = Path::new(PROGRAM).parent().expect("a directory");
    let mut path = OsString::from(programs);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    // The program is built already.
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
    let stderr = String::from_utf8_lossy(&out.stderr);
    match out.status.success() {
        true => Ok(shown),
        false => Err(format!("{}:{}: {}\n{shown}{stderr}", page.name, block.line, out.status)),
    }
}

/// Whether a block needs a program that is not installed.
fn lacks_program(block: &Block) -> bool {
    let is_missing = |name: &str| {
        block.text.contains(&format!("{name} "))
            && Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
    };
    ["curl", "jq"].into_iter().any(is_missing)
}

#[cfg(unix)]
#[test]
fn commands_in_the_pages_print_what_the_pages_say() {
    let pages = pages();
    let mut sections = Vec::new();
    for page in &pages {
        let mut of_page: BTreeMap<usize, Vec<Block>> = BTreeMap::new();
        blocks(page).into_iter().for_each(|block| of_page.entry(block.section).or_default().push(block));
        sections.extend(of_page.into_values().map(|blocks| (page, blocks)));
    }
    let count = sections.iter().flat_map(|(_, blocks)| blocks).filter(|block| block.kind == "sh").count();
    assert!(count >= 30, "there are blocks that are run: {count}");
    let sections = Mutex::new(sections);
    let next = || sections.lock().expect("no holder panics").pop();
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let run_sections =
            || std::iter::from_fn(next).flat_map(|(page, blocks)| differences_in(page, &blocks)).collect::<Vec<_>>();
        let runners: Vec<_> = (0..RUNNERS).map(|_| scope.spawn(run_sections)).collect();
        runners.into_iter().flat_map(|runner| runner.join().expect("every block runs")).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs the blocks of a section. Returns the differences from what the page says.
fn differences_in(page: &Page, blocks: &[Block]) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join("packaging")).expect("a directory");
    for file in [".env.example", "packaging/nightly.sh"] {
        std::fs::copy(root().join(file), directory.path().join(file)).expect("a copy");
    }
    let mut wrong = Vec::new();
    for (index, block) in blocks.iter().enumerate().filter(|(_, block)| block.kind == "sh") {
        if lacks_program(block) {
            eprintln!("{}:{}: not run, as its program is not installed", page.name, block.line);
            continue;
        }
        let expected = blocks.get(index + 1).filter(|next| next.kind == "text" && next.follows);
        match (run(page, block, directory.path()), expected) {
            (Ok(shown), Some(expected)) if !lines_match(&expected.text, &shown) => {
                wrong.push(format!(
                    "{}:{} says\n{}\nand the block prints\n{shown}",
                    page.name, expected.line, expected.text
                ));
            }
            (Ok(_), _) => {}
            (Err(failure), _) => wrong.push(failure),
        }
    }
    wrong
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
        .map(|kind| (kind.code().to_owned(), kind.exit().to_string(), kind.is_retried(), kind.ends_run()))
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

#[test]
fn an_ellipsis_matches_any_text_within_a_line() {
    assert!(
        matches("a", "a")
            && matches("a…", "abc")
            && matches("…c", "abc")
            && matches("a…c", "abc")
            && matches("a…b…c", "a1b2c")
    );
    assert!(lines_match("a\nb…\n", "bc\na\n") && !lines_match("a\n", "a\na\n") && !lines_match("a\na\n", "a\n"));
    assert!(!matches("a", "ab") && !matches("a…", "ba") && !matches("a…c", "ab") && !matches("a…b…c", "ac"));
}
