//! The protocol of GREEN-API: its methods, and the meaning of its answers.
//!
//! It follows GREEN-API's documentation. Where pages contradict each other or observed answers, both forms are accepted.

pub mod avatar;
pub mod client;
pub mod contacts;
pub mod error;
pub mod json;
pub mod notification;
pub mod state;
