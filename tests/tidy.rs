//! The laws of the house: who may know whom, what a file looks like, and what documents and code must agree on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use greenavatar::failure::Kind;

/// No file is longer.
const MOST_LINES: usize = 400;

/// What no code outside of tests says.
const FORBIDDEN: [&str; 6] = [".unwrap()", "todo!", "dbg!", "unimplemented!", "println!(\"{:?}", "#[ignore]"];

struct Source {
    path: PathBuf,
    /// The path below `src`, with slashes.
    name: String,
    text: String,
}

impl Source {
    /// The first part of the name: the file's or its folder's.
    fn room(&self) -> &str {
        self.name.split(['/', '.']).next().unwrap_or_default()
    }

    /// The code, without its tests, comments and doc comments.
    fn code(&self) -> String {
        let code = self.text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| line.to_owned() + "\n").collect()
    }

    fn is_test(&self) -> bool {
        self.name.ends_with("tests.rs") || self.name.contains("/tests/")
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|end| end == "rs");
    files_below(&src)
        .into_iter()
        .filter(is_rust)
        .map(|path| Source {
            name: path.strip_prefix(&src).expect("below src").to_string_lossy().replace('\\', "/"),
            text: fs::read_to_string(&path).expect("a source file"),
            path,
        })
        .collect()
}

/// The rooms that a text names as `crate::room` or `greenavatar::room`, those of `crate::{a, b}` included.
fn rooms_used(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for start in ["crate::", "greenavatar::"] {
        for (at, _) in code.match_indices(start) {
            let rest = &code[at + start.len()..];
            let group = rest.strip_prefix('{').map_or(rest, |group| group.split('}').next().unwrap_or_default());
            let names: Vec<&str> = if rest.starts_with('{') { group.split(',').collect() } else { vec![rest] };
            for name in names {
                let name = name.trim_start();
                let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
                if !name[..end].is_empty() {
                    used.insert(name[..end].to_owned());
                }
            }
        }
    }
    used
}

#[test]
fn imports_run_one_way() {
    // The edge, and then the map of src/lib.rs from top to bottom.
    let map = read(root().join("src/lib.rs"));
    let rooms = map.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let levels: Vec<_> = ["main", "lib"].into_iter().chain(rooms).collect();
    let level = |room: &str| levels.iter().position(|known| *known == room);
    for source in sources() {
        let room = source.room();
        let own = level(room).unwrap_or_else(|| panic!("{} is in no level of the table", source.name));
        // What tests start may be any room.
        if source.is_test() {
            continue;
        }
        for used in rooms_used(&source.code()) {
            let Some(other) = level(&used) else { panic!("{} uses {used}, which is in no level", source.name) };
            assert!(other > own || used == room, "{} is of {room} and must not know {used}", source.name);
        }
    }
}

#[test]
fn two_commands_do_not_know_each_other() {
    let commands: Vec<Source> = sources().into_iter().filter(|source| source.name.starts_with("commands/")).collect();
    let name_of =
        |source: &Source| source.name["commands/".len()..].split(['/', '.']).next().unwrap_or_default().to_owned();
    // What several commands share is not a command.
    let is_shared = |name: &String| ["chats", "files"].contains(&name.as_str());
    let names: BTreeSet<String> = commands.iter().map(&name_of).filter(|name| !is_shared(name)).collect();
    for source in &commands {
        let own = name_of(source);
        for other in names.iter().filter(|name| **name != own) {
            let code = source.code();
            let knows = code.contains(&format!("commands::{other}")) || code.contains(&format!("super::{other}"));
            assert!(!knows, "{} must not know {other}", source.name);
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for source in sources() {
        assert!(source.text.starts_with("//! "), "{} opens with a sentence", source.name);
    }
    for path in files_below(&root().join("tests")) {
        if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).expect("a test file");
            assert!(text.starts_with("//! "), "{} opens with a sentence", path.display());
        }
    }
}

#[test]
fn one_room_alone_knows_ureq() {
    for source in sources() {
        assert!(source.room() == "http" || !source.code().contains("ureq"), "{} names ureq", source.name);
    }
}

#[test]
fn no_file_is_too_long() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines", source.name);
    }
}

#[test]
fn forbidden_words_are_in_no_code() {
    for source in sources().iter().filter(|source| !source.is_test()) {
        for word in FORBIDDEN {
            assert!(!source.code().contains(word), "{} says {word}", source.path.display());
        }
    }
}

#[test]
fn no_test_is_ignored() {
    // In two parts, so that this file does not say it.
    let word = ["#[", "ignore"].concat();
    for path in files_below(&root().join("tests")).into_iter().chain(files_below(&root().join("src"))) {
        let text = fs::read(&path).expect("a file");
        let is_said = String::from_utf8_lossy(&text).contains(&word) && !path.ends_with("tidy.rs");
        assert!(!is_said, "{} ignores a test", path.display());
    }
}

#[test]
fn every_room_is_on_the_map() {
    let map = read("src/lib.rs");
    let listed: Vec<&str> = map.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    for source in sources() {
        let room = source.room();
        assert!(["main", "lib"].contains(&room) || listed.contains(&room), "{room} is on the map");
    }
}

#[test]
fn every_file_of_tests_is_run() {
    let folder = root().join("tests/cli");
    let main = read("tests/cli/main.rs");
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if path.extension().is_some_and(|end| end == "rs") && name != "main" {
            assert!(main.contains(&format!("mod {name};")), "{name} is not in main.rs");
        }
    }
}

#[test]
fn the_version_is_in_the_changelog() {
    let version = env!("CARGO_PKG_VERSION");
    let changelog = read("CHANGELOG.md");
    let is_told = changelog.lines().any(|line| line.starts_with("## ") && line.contains(version));
    assert!(is_told, "CHANGELOG.md has a heading for {version}");
}

/// Code words and exit statuses of the tables in a text whose head names a column `exit`.
fn documented_codes(text: &str) -> BTreeMap<String, u8> {
    let mut codes = BTreeMap::new();
    let mut column = None;
    for line in text.lines() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        if !line.trim_start().starts_with('|') {
            column = None;
        } else if column.is_none() {
            column = Some(cells.iter().position(|cell| cell.to_lowercase().contains("exit")));
        } else if let Some(Some(exit)) = column {
            let words: Vec<&str> = cells[0].split('`').skip(1).step_by(2).collect();
            if let Ok(status) = cells.get(exit).copied().unwrap_or_default().trim_matches('`').parse() {
                codes.extend(words.into_iter().map(|word| (word.to_owned(), status)));
            }
        }
    }
    codes
}

#[test]
fn the_table_of_code_words_in_the_readme_is_that_of_the_code() {
    let documented = documented_codes(&read("README.md"));
    let real: BTreeMap<String, u8> = Kind::ALL.iter().map(|kind| (kind.code().to_owned(), kind.exit())).collect();
    let words: BTreeMap<String, u8> =
        documented.into_iter().filter(|(word, _)| word.chars().all(|c| c.is_ascii_lowercase() || c == '-')).collect();
    assert_eq!(words, real);
}

#[test]
fn documents_and_code_speak_of_nothing_but_the_project() {
    // In two parts each, so that this file does not say them.
    let words = [["/wo", "rk/"], ["sha", "red/"], ["Cla", "ude"], ["sub", "agent"], ["LL", "M "], ["desi", "gn.md"]];
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches", ".ci"] {
        if root().join(folder).exists() {
            paths.extend(files_below(&root().join(folder)));
        }
    }
    for name in ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Cargo.toml", "deny.toml", ".env.example"] {
        paths.extend(Some(root().join(name)).filter(|path| path.exists()));
    }
    for path in paths {
        let text = String::from_utf8_lossy(&fs::read(&path).expect("a file")).into_owned();
        for word in words.map(|parts| parts.concat()) {
            assert!(!text.contains(&word), "{} says {word}", path.display());
        }
    }
}
