//! Takes the unwinder from libgcc's archive instead of its shared library, where a compiler has both.
//!
//! Loading libgcc_s.so.1 is a tenth of a short run's time and of its memory, and nothing in it is ever called: a
//! panic ends the process. Where the archive is not found, the shared library is linked as ever.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found.split(',').any(|one| one == value));
    if is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && !is("CARGO_CFG_TARGET_FEATURE", "crt-static")
        && env::var("HOST") == env::var("TARGET")
    {
        let found = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
        let path = found.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
        // A compiler that has none says the name alone.
        if let Some(folder) = Path::new(&path).parent().filter(|folder| folder.is_absolute()) {
            println!("cargo:rustc-link-search=native={}", folder.display());
            println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
        }
    }
}
