//! Everything that a user can see, through the built program: one test binary, one module a subject.

mod support;

mod broken_servers;
mod changes;
mod chat_ids;
mod doctor;
mod dry_run;
mod get;
mod journal;
mod kills;
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
mod sandbox_process;
mod secrets;
mod settings;
mod signals;
mod terminal;
mod tls;
mod wait;
mod wait_once;
