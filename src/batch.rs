//! Many chats in one run: the list they come from, the workers, their pace, and the journal of what is done.
//!
//! What is asked of a chat comes in as a [`job::Job`]; this room knows no method of GREEN-API.

pub mod collect;
pub mod course;
pub mod ending;
pub mod job;
pub mod journal;
pub mod lines;
pub mod list;
pub mod outcome;
pub mod pace;
pub mod pool;
pub mod progress;
pub mod sink;
