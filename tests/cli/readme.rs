//! README and docs/ beside the help: flags, settings, and the meaning of `none`.

use std::collections::BTreeSet;

use crate::support::Cli;

const COMMANDS: [&str; 8] = ["request", "receive", "listen", "get", "contacts", "gallery", "doctor", "sandbox"];
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(name: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{name}")).expect(name)
}

fn help(command: &str) -> String {
    Cli::new().args([command, "--help"]).any_stdout().run().stdout
}

#[test]
fn every_description_of_none_says_that_there_may_be_no_account() {
    let joined = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let phrase = "no picture, or no WhatsApp account";
    for command in ["get", "request", "receive", "listen"] {
        assert!(joined(help(command)).contains(phrase), "{command}");
    }
    let man = Cli::new().args(["man", "--dir", "m"]).any_stdout().run();
    for command in ["get", "request", "receive", "listen"] {
        let page = joined(man.read(&format!("m/greenavatar-{command}.1")));
        assert!(page.contains(phrase), "{command}: {page}");
    }
    assert!(joined(read("README.md")).contains(&format!("`none` | {phrase}: GREEN-API answers both alike")));
}

/// The flags in a text, without their values.
fn flags(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| word.starts_with("--") && word.len() > 3)
        .map(str::to_owned)
        .collect()
}

/// The calls of the program in a page's code blocks, without redirections and what follows.
fn calls(page: &str) -> Vec<String> {
    let mut calls = Vec::new();
    for (number, block) in page.split("```").enumerate() {
        if number % 2 == 1 {
            for line in block.lines() {
                let line = line.trim_start().trim_start_matches("$ ");
                let line = line.replace("cargo run -q -- ", "greenavatar ");
                if line.starts_with("greenavatar ") {
                    let end = line.find(['#', '|', '<', '>', ';', '&']).unwrap_or(line.len());
                    calls.push(line[..end].trim().to_owned());
                }
            }
        }
    }
    calls
}

#[test]
fn the_readme_has_the_first_command() {
    let readme = read("README.md");
    assert!(readme.contains("--sandbox request 11001234567@c.us") && readme.contains("cargo test"));
    assert!(readme.contains("profile picture"));
}

#[test]
fn every_flag_in_the_calls_of_readme_and_docs_exists() {
    let known: BTreeSet<String> = COMMANDS.iter().chain(&["man"]).flat_map(|command| flags(&help(command))).collect();
    let docs = std::fs::read_dir(format!("{ROOT}/docs")).expect("docs/");
    let docs = docs.map(|entry| format!("docs/{}", entry.expect("an entry").file_name().to_string_lossy()));
    let pages = docs.filter(|name| name.ends_with(".md")).chain(["README.md".to_owned()]);
    let calls: Vec<_> = pages.flat_map(|page| calls(&read(&page))).collect();
    assert!(calls.len() >= 40, "there are calls: {}", calls.len());
    for call in calls {
        // After ` -- ` are the arguments of another program.
        let ours = call.split(" -- ").next().unwrap_or_default();
        for flag in flags(ours) {
            assert!(known.contains(&flag), "{flag} in `{call}`");
        }
    }
}

#[test]
fn every_setting_is_documented() {
    let page = read("docs/settings.md");
    for name in [
        "GREEN_API_URL",
        "GREEN_API_ID_INSTANCE",
        "GREEN_API_TOKEN_INSTANCE",
        "GREEN_API_TOKEN_FILE",
        "--api-url",
        "--id-instance",
        "--api-token-instance",
        "--api-token-file",
        "--env-file",
        "--no-env-file",
        "--timeout",
        "--connect-timeout",
        "--retries",
        "--cacert",
    ] {
        assert!(page.contains(name), "{name} is in docs/settings.md");
    }
}
