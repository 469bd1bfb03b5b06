//! Everything that a user can see, through the built program: one test binary, one module a subject.

mod support;

mod broken_servers;
mod chat_ids;
mod dry_run;
mod journal;
mod lists;
mod outcomes;
mod output;
mod pace;
mod proxies;
mod readme;
mod sandbox;
mod sandbox_process;
mod secrets;
mod settings;
mod signals;
mod tls;
