//! The protocol of GREEN-API: what is sent, what the answers mean.
//!
//! Facts are those of GREEN-API's documentation. If its pages contradict each other, or answers that were seen, both
//! readings work.

pub mod avatar;
pub mod client;
pub mod contacts;
pub mod error;
pub mod json;
pub mod notification;
pub mod state;
