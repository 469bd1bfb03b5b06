//! Writes packaging/link-order.ld anew: the functions that one request runs. `cargo bench --bench link_order`
//!
//! It builds the program with its symbols kept, runs one request over HTTP and one over TLS under valgrind, and lists
//! what ran. It says nothing of speed: `cargo bench --bench cold` does, before and after.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use support::{Server, greenavatar_at};

const HEAD: &str = "\
/* What one request runs, side by side: a third of the pages, where the linker's own order spreads it over all of the
   code. Names are without the compiler's hashes; one that no longer exists is passed over, and costs only its page.
   Written by `cargo bench --bench link_order`, handed to the linker by build.rs. */
SECTIONS
{
  .text.request :
  {
";
const TAIL: &str = "  }\n}\nINSERT BEFORE .text;\n";

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = root.join("target/link-order");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--target-dir"])
        .arg(&target)
        .env("CARGO_PROFILE_RELEASE_STRIP", "none")
        .current_dir(root)
        .status()
        .expect("cargo");
    assert!(built.success(), "the program must build");
    let binary = target.join("release/greenavatar");

    let mut patterns = BTreeSet::new();
    for server in [Server::http(), Server::https(folder.path())] {
        let profile = folder.path().join("profile");
        let mut command = greenavatar_at(Path::new("valgrind"), &server.url);
        command.args(["--quiet", "--tool=callgrind", "--demangle=no"]);
        command.arg(format!("--callgrind-out-file={}", profile.display())).arg(&binary);
        command.args(["request", "11001234567@c.us"]);
        if server.url.starts_with("https") {
            command.arg("--cacert").arg(folder.path().join("ca.pem"));
        }
        assert!(command.status().expect("valgrind").success(), "the request must succeed");
        let profile = std::fs::read_to_string(&profile).expect("a profile");
        patterns.extend(functions(&profile).filter_map(pattern));
    }
    // What is marked cold is in `.text.unlikely.<name>`.
    let lines: String = patterns.iter().map(|pattern| format!("    *(.text.*{pattern})\n")).collect();
    std::fs::write(root.join("packaging/link-order.ld"), format!("{HEAD}{lines}{TAIL}")).expect("written");
    println!("{} functions", patterns.len());
}

/// The names that a callgrind profile has: `fn=(7) name` and `cfn=(7) name`, each once.
fn functions(profile: &str) -> impl Iterator<Item = &str> {
    profile.lines().filter_map(|line| {
        let (_, named) = line.strip_prefix("fn=(").or(line.strip_prefix("cfn=("))?.split_once(") ")?;
        Some(named)
    })
}

/// A mangled Rust name as a pattern, without what differs from one compiler or version to the next: the
/// hash at the end of a name, the one after each crate's, and the number of a copy.
fn pattern(name: &str) -> Option<String> {
    if let Some(legacy) = name.strip_prefix("_ZN") {
        return Some(format!("_ZN{}*", legacy.rsplit_once("17h")?.0));
    }
    let name = name.strip_prefix("_R")?.split('.').next()?;
    let mut parts = name.split("Cs");
    let mut pattern = format!("_R{}", parts.next()?);
    for part in parts {
        let hash = part.find('_').filter(|&end| part[..end].bytes().all(|byte| byte.is_ascii_alphanumeric()));
        pattern.push_str(&hash.map_or_else(|| format!("Cs{part}"), |end| format!("Cs*{}", &part[end..])));
    }
    Some(format!("{pattern}*"))
}
