//! Everything that a user can see, through the built program: one test binary, one module a subject.

// What only tests for Unix use.
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
#[cfg(target_os = "linux")]
mod linux;
mod listen;
mod listen_clients;
#[cfg(unix)]
mod limits;
mod list_ends;
mod lists;
mod outcomes;
mod output;
mod pace;
mod picture_hosts;
mod pauses;
mod pictures;
mod proxies;
mod readme;
mod receive;
mod receive_foreign;
mod result_pictures;
mod same_file;
mod sandbox;
// Shells.
#[cfg(unix)]
mod sandbox_process;
mod secrets;
mod settings;
// Signals, which nothing but a console can send on Windows.
#[cfg(unix)]
mod signals;
// Terminals of Unix.
#[cfg(unix)]
mod terminal;
mod tls;
mod wait;
mod wait_journal;
mod wait_once;
