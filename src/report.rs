//! The former name of [`crate::output`], until no module uses it.

pub use crate::output::{Color, Output as Report};
