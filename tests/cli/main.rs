//! Everything that a user can see, through the built program: one test binary, one module a subject.

mod support;

mod broken_servers;
mod chat_ids;
mod outcomes;
mod proxies;
mod secrets;
mod settings;
mod tls;
