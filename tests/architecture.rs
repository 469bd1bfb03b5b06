//! Rules for the sources: imports go down one list of modules without circles, and what each file must look like.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules from top to bottom. A file imports from its own line and those below.
const LAYERS: [&[&str]; 14] = [
    &["main"],
    &["commands"],
    &["cli"],
    &["doctor", "gallery", "contacts"],
    &["results"],
    &["batch"],
    &["pictures"],
    &["sandbox"],
    &["settings"],
    &["record"],
    &["greenapi"],
    &["http"],
    &["output"],
    &["failure", "retry", "shutdown", "chat_id", "token", "text", "duration", "recent", "platform"],
];

/// The largest number of lines of a source file.
const MOST_LINES: usize = 400;

/// What must not be in code outside of tests.
const FORBIDDEN: [&str; 6] = [".unwrap()", "todo!", "dbg!", "unimplemented!", "println!(\"{:?}", "#[ignore]"];

struct Source {
    path: PathBuf,
    /// The path below `src`, with slashes.
    name: String,
    text: String,
}

impl Source {
    /// The path of the module, such as `batch::journal`.
    fn module(&self) -> String {
        self.name.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::")
    }

    /// The first part of the module's path.
    fn top(&self) -> &str {
        self.name.split(['/', '.']).next().unwrap_or_default()
    }

    /// The code, without its tests, comments and doc comments.
    fn code(&self) -> String {
        let code = self.text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| line.to_owned() + "\n").collect()
    }

    fn is_test(&self) -> bool {
        self.name.ends_with("tests.rs") || self.name.contains("/tests/") || self.name == "testing.rs"
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

/// The paths that a `use` tree names: `a::{b, c::{d, e}}` are `a::b`, `a::c::d` and `a::c::e`.
fn paths_of(tree: &str) -> Vec<String> {
    let Some((prefix, group)) = tree.trim().split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        return if path.is_empty() { Vec::new() } else { vec![path.to_owned()] };
    };
    let group = group.rsplit_once('}').map_or(group, |(group, _)| group);
    let mut depth = 0;
    let parts = group.split(|c| {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        c == ',' && depth == 0
    });
    parts.flat_map(paths_of).map(|path| format!("{}{path}", prefix.trim())).collect()
}

/// Every path in a text that begins with `crate`, `super`, `self` or the crate's name, imported or not.
fn paths_in(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for statement in code.split(';') {
        if let Some((_, tree)) = statement.rsplit_once("use ") {
            paths.extend(paths_of(tree));
        }
    }
    for word in code.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')) {
        paths.push(word.trim_matches(':').to_owned());
    }
    paths.retain(|path| ["crate::", "super::", "self::", "greenavatar::"].iter().any(|start| path.starts_with(start)));
    paths
}

/// The absolute path of `path` in a module, without `crate`.
fn resolve(path: &str, module: &str) -> Vec<String> {
    let mut parts: Vec<&str> = path.split("::").collect();
    let mut base: Vec<&str> = match parts.remove(0) {
        "self" => module.split("::").collect(),
        "super" => {
            module.split("::").collect::<Vec<_>>().split_last().map(|(_, base)| base.to_vec()).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    while parts.first() == Some(&"super") {
        parts.remove(0);
        base.pop();
    }
    base.into_iter().chain(parts).map(str::to_owned).collect()
}

/// The files that each file imports from.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let sources: Vec<Source> =
        sources().into_iter().filter(|source| !source.is_test() && source.name != "lib.rs").collect();
    let modules: BTreeSet<String> = sources.iter().map(Source::module).collect();
    // A path is defined in the file of its longest prefix that is a module.
    let file_of =
        |path: &[String]| (1..=path.len()).rev().map(|end| path[..end].join("::")).find(|m| modules.contains(m));
    let imports_of = |source: &Source| {
        let module = source.module();
        let paths = paths_in(&source.code());
        let files: BTreeSet<_> = paths.iter().filter_map(|path| file_of(&resolve(path, &module))).collect();
        files.into_iter().filter(|file| *file != module).collect()
    };
    sources.iter().map(|source| (source.module(), imports_of(source))).collect()
}

fn layer_of(module: &str) -> usize {
    let top = module.split("::").next().unwrap_or_default();
    LAYERS.iter().position(|layer| layer.contains(&top)).unwrap_or_else(|| panic!("{module} is in no layer"))
}

#[test]
fn imports_go_down() {
    for (file, imported) in imports() {
        for other in imported {
            assert!(layer_of(&other) >= layer_of(&file), "{file} must not import from {other}");
        }
    }
}

#[test]
fn imports_make_no_circle() {
    let mut left = imports();
    // Removes files that import from no remaining file, one by one. Files that remain import in a circle.
    while let Some(file) = left.iter().find(|(_, imported)| imported.iter().all(|other| !left.contains_key(other))) {
        let file = file.0.clone();
        left.remove(&file);
    }
    assert!(left.is_empty(), "these files import from each other: {:?}", left.keys());
}

#[test]
fn use_trees_and_paths_are_understood() {
    let code = "use super::{a, b::{C, d::e as f}};\nlet x = crate::g::h(self::i::J);";
    let expected = ["super::a", "super::b::C", "super::b::d::e", "crate::g::h", "self::i::J"];
    assert_eq!(paths_in(code), expected);
    assert_eq!(resolve("super::super::x::Y", "a::b::c"), ["a", "x", "Y"]);
    assert_eq!(resolve("self::x", "a::b"), ["a", "b", "x"]);
    assert_eq!(resolve("crate::x::Y", "a"), ["x", "Y"]);
}

#[test]
fn commands_do_not_use_each_other() {
    let commands: Vec<Source> = sources().into_iter().filter(|source| source.name.starts_with("commands/")).collect();
    let name_of =
        |source: &Source| source.name["commands/".len()..].split(['/', '.']).next().unwrap_or_default().to_owned();
    // Files that several commands share are not commands.
    let is_shared = |name: &String| ["chats", "files"].contains(&name.as_str());
    let names: BTreeSet<String> = commands.iter().map(&name_of).filter(|name| !is_shared(name)).collect();
    for source in &commands {
        let own = name_of(source);
        for other in names.iter().filter(|name| **name != own) {
            let code = source.code();
            let uses = code.contains(&format!("commands::{other}")) || code.contains(&format!("super::{other}"));
            assert!(!uses, "{} must not use {other}", source.name);
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
fn only_http_names_ureq() {
    for source in sources() {
        assert!(source.top() == "http" || !source.code().contains("ureq"), "{} names ureq", source.name);
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
fn forbidden_words_are_not_in_the_code() {
    for source in sources().iter().filter(|source| !source.is_test()) {
        for word in FORBIDDEN {
            assert!(!source.code().contains(word), "{} contains {word}", source.path.display());
        }
    }
}

#[test]
fn no_test_is_ignored() {
    // In two parts, so that this file does not contain it.
    let word = ["#[", "ignore"].concat();
    for path in files_below(&root().join("tests")).into_iter().chain(files_below(&root().join("src"))) {
        let text = fs::read(&path).expect("a file");
        let has_it = String::from_utf8_lossy(&text).contains(&word) && !path.ends_with("architecture.rs");
        assert!(!has_it, "{} ignores a test", path.display());
    }
}

#[test]
fn every_file_of_the_cli_tests_is_a_module() {
    let folder = root().join("tests/cli");
    for path in files_below(&folder).iter().filter(|path| path.extension().is_some_and(|end| end == "rs")) {
        let (name, parent) = (path.file_stem().expect("a name"), path.parent().expect("a directory"));
        if name != "main" {
            let parent = if parent == folder { folder.join("main.rs") } else { parent.with_extension("rs") };
            let module = format!("mod {};", name.to_string_lossy());
            assert!(read(&parent).contains(&module), "{module} is not in {}", parent.display());
        }
    }
}

#[test]
fn the_version_is_in_the_changelog() {
    let version = env!("CARGO_PKG_VERSION");
    let changelog = read("CHANGELOG.md");
    let has_heading = changelog.lines().any(|line| line.starts_with("## ") && line.contains(version));
    assert!(has_heading, "CHANGELOG.md has a heading for {version}");
}
