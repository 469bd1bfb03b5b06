//! Runs the commands in README and docs/.
//!
//! A block marked `sh` is run. A block marked `text` right after it is the expected output of both streams, its lines
//! in any order; `…` in it matches any text within a line. Each section of a page runs its blocks in order, in its own
//! directory with the files of the repository that blocks use. Each block has its own sandbox in the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use super::{Block, Page, blocks, pages, root};

const PROGRAM: &str = env!("CARGO_BIN_EXE_greenavatar");
/// Sections that run at the same time: some of their commands wait for a timeout.
const RUNNERS: usize = 8;

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

#[test]
fn commands_in_the_pages_print_what_the_pages_say() {
    let pages = pages();
    let mut sections = Vec::new();
    for page in &pages {
        let mut of_page: BTreeMap<usize, Vec<Block>> = BTreeMap::new();
        for (index, block) in blocks(page).into_iter().enumerate() {
            of_page.entry(section(page, index)).or_default().push(block);
        }
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

/// The number of the section of a block: of the headings before it.
fn section(page: &Page, block: usize) -> usize {
    let texts = page.text.split("```").step_by(2).take(block + 1);
    texts.flat_map(str::lines).filter(|line| line.starts_with('#')).count()
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
