//! The protocol of GREEN-API: what is sent, what comes back, and what that means.
//!
//! It knows nothing of lists, files or terminals. Facts are those of GREEN-API's documentation; where its pages
//! disagree with each other or with answers that were seen, both readings work.

pub mod avatar;
pub mod client;
pub mod error;
pub mod messages;
pub mod state;
