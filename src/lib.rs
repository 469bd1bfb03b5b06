//! greenavatar: the library behind the command of the same name.

pub mod sandbox;
