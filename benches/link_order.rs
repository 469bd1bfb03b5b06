//! Writes packaging/link-order.ld anew: the functions that one request runs. `cargo bench --bench link_order`
//!
//! It builds the program with its symbols kept, runs one request over HTTP and one over TLS under valgrind, and lists
//! what ran. It says nothing of speed: `cargo bench --bench cold` does, before and after.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use support::{Server, greenavatar_at};

const HEAD: &str = "\
/* What one request runs, side by side: a third of the pages, where the linker's own order spreads it over all of the
   code. First what a request over HTTP runs, then what TLS adds, by names that another compiler changes; then both once
   more without the compiler's hashes, which also takes in what merely has the same name. A name that no longer exists
   is passed over, and costs only its page. Written by `cargo bench --bench link_order`, handed to the linker by build.rs. */
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

    let program = binary.display().to_string();
    let (mut exact, mut loose) = (Vec::new(), BTreeSet::new());
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
        let ran: BTreeSet<_> = functions(&profile, &program).into_iter().filter_map(plain).collect();
        loose.extend(ran.iter().filter_map(|name| pattern(name)));
        let added: Vec<_> = ran.into_iter().filter(|name| !exact.contains(name)).collect();
        exact.extend(added);
    }
    // What is marked cold is in `.text.unlikely.<name>`.
    let exact = exact.iter().map(|name| format!("    *(.text.{name} .text.*.{name})\n"));
    let loose = loose.iter().map(|pattern| format!("    *(.text.*{pattern})\n"));
    let lines: Vec<_> = exact.chain(loose).collect();
    std::fs::write(root.join("packaging/link-order.ld"), format!("{HEAD}{}{TAIL}", lines.concat())).expect("written");
    println!("{} lines", lines.len());
}

/// A function's name as its section has it: without callgrind's count of a recursion, and without the number of a copy.
fn plain(name: &str) -> Option<String> {
    let name = name.split('\'').next().filter(|name| !name.starts_with("0x"))?;
    let end = match name.rfind("17h").filter(|_| name.starts_with("_ZN")) {
        Some(hash) => name[hash..].find('E').map(|end| hash + end + 1)?,
        None => name.find('.').unwrap_or(name.len()),
    };
    name[..end]
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_$.".contains(&byte))
        .then(|| name[..end].to_owned())
}

/// The program's functions that a callgrind profile has. There `fn=(7) name` begins what one of `ob=(2) file` did; each
/// name and each file stands once beside its number, the first time, which may be where a function is called from.
/// Valgrind knows the file of .text alone: what is in another section is `???`.
fn functions<'a>(profile: &'a str, program: &str) -> BTreeSet<&'a str> {
    let (mut names, mut files, mut ran, mut is_ours) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new(), false);
    for (what, value) in profile.lines().filter_map(|line| line.split_once('=')) {
        let (number, name) = value.split_once(' ').unwrap_or((value, ""));
        match what {
            "fn" | "cfn" if !name.is_empty() => drop(names.insert(number, name)),
            "ob" | "cob" if !name.is_empty() => drop(files.insert(number, name)),
            _ => {}
        }
        match what {
            "ob" => is_ours = files.get(number).is_some_and(|file| [program, "???"].contains(file)),
            "fn" if is_ours => drop(ran.insert(number)),
            _ => {}
        }
    }
    ran.into_iter().filter_map(|number| names.get(number).copied()).collect()
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
