//! What needs Unix: signals, limits, shells, terminals, and files that only Unix has.

mod files;
mod interruptions;
mod limits;
mod sandbox_process;
mod shells;
mod signals;
mod terminal;
