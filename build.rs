//! Two things about linking that a short run feels; both are left out where they do not fit, and nothing breaks.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if is("CARGO_CFG_TARGET_OS", "linux") {
        link_in_order();
        link_unwinder_from_archive();
    }
}

/// Puts what one request runs side by side. The list is read by GNU's linker and LLVM's, and so only where nobody
/// chose another one.
fn link_in_order() {
    const ORDER: &str = "packaging/link-order.ld";
    println!("cargo:rerun-if-changed={ORDER}");
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if is("PROFILE", "release") && env::var_os("RUSTC_LINKER").is_none() && !flags.contains("link") {
        let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
        println!("cargo:rustc-link-arg-bins=-T{root}/{ORDER}");
    }
}

/// Takes the unwinder from libgcc's archive instead of its shared library, where a compiler has both.
///
/// Loading libgcc_s.so.1 is a tenth of a short run's time and of its memory, and nothing in it is ever called: a
/// panic ends the process. Where the archive is not found, the shared library is linked as ever.
fn link_unwinder_from_archive() {
    if is("CARGO_CFG_TARGET_ENV", "gnu")
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

/// Whether what cargo says of the build has this value, or has it in its list.
fn is(name: &str, value: &str) -> bool {
    env::var(name).is_ok_and(|found| found.split(',').any(|one| one == value))
}
