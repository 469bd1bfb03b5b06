//! End-to-end tests of the program: one test binary, one module a subject.

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
mod secrets;
mod settings;
mod tls;
#[cfg(unix)]
mod unix;
mod wait;
mod wait_journal;
mod wait_once;
