//! End-to-end tests of the program: one test binary, one module a subject.

// Windows does not use what only tests for Unix use.
#![cfg_attr(windows, allow(dead_code, unused_imports))]

mod support;

mod api_url;
mod broken_servers;
mod changes;
mod chat_ids;
mod contacts;
mod doctor;
mod dry_run;
mod env_file;
mod gallery;
mod get;
mod help;
mod journal;
mod kills;
#[cfg(unix)]
mod limits;
#[cfg(target_os = "linux")]
mod linux;
mod listen;
mod listen_clients;
mod list_ends;
mod lists;
mod outcomes;
mod output;
mod pace;
mod pauses;
mod picture_hosts;
mod pictures;
mod proxies;
mod readme;
mod receive;
mod receive_foreign;
mod result_pictures;
mod same_file;
mod sandbox;
// Needs shells.
#[cfg(unix)]
mod sandbox_process;
mod secrets;
mod settings;
// On Windows only a console can send signals.
#[cfg(unix)]
mod signals;
// Needs a Unix terminal.
#[cfg(unix)]
mod terminal;
mod tls;
mod wait;
mod wait_journal;
mod wait_once;
