//! Everything that a user can see, through the built program: one test binary, one module a subject.

// What only tests for Unix use.
#![cfg_attr(windows, allow(dead_code, unused_imports))]

mod support;

mod broken_servers;
mod changes;
mod chat_ids;
mod contacts;
mod doctor;
#[cfg(unix)]
mod dry_run;
mod gallery;
mod get;
mod journal;
#[cfg(unix)]
mod kills;
#[cfg(unix)]
mod listen;
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
mod same_file;
mod sandbox;
#[cfg(unix)]
mod sandbox_process;
mod secrets;
mod settings;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod terminal;
mod tls;
mod wait;
mod wait_once;
