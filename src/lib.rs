//! greenavatar: the library behind the command of the same name.
//!
//! The modules from top to bottom. A file imports from its own module and those below; `tests/architecture.rs` checks it.

pub mod commands;
pub mod cli;
pub mod doctor;
pub mod gallery;
pub mod contacts;
pub mod results;
pub mod batch;
pub mod pictures;
pub mod sandbox;
pub mod settings;
pub mod record;
pub mod greenapi;
pub mod http;
pub mod output;
pub mod failure;
pub mod retry;
pub mod shutdown;
pub mod chat_id;
pub mod token;
pub mod text;
pub mod duration;
pub mod recent;
pub mod platform;
#[cfg(test)]
pub mod testing;
