//! Many chats in one run: the list that they come from, the workers, their rate, the journal, and the writer.
//!
//! What is requested of a chat is a [`job::Job`]; this module knows no method of GREEN-API.

pub mod feed;
pub mod input;
pub mod job;
pub mod journal;
pub mod rate;
pub mod tally;
pub mod workers;
pub mod writer;
