//! greenavatar: the library behind the command of the same name.
//!
//! The map of the house, in reading order. Imports run one way, down this list; `tests/tidy.rs` holds it to that.

pub mod cli;
pub mod commands;
pub mod settings;
pub mod contacts;
pub mod results;
pub mod batch;
pub mod pictures;
pub mod sandbox;
pub mod record;
pub mod greenapi;
pub mod http;
pub mod report;
pub mod output;
pub mod retry;
pub mod failure;
pub mod shutdown;
pub mod chat_id;
pub mod token;
pub mod recent;
pub mod duration;
pub mod escape;
pub mod platform;
#[cfg(test)]
pub mod testing;
