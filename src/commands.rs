//! The commands, one file each: wiring, no logic of its own.

pub mod doctor;
pub mod get;
