//! C's `pow`, linked into the program in place of glibc's, whose library would be loaded at every start for it alone.
//!
//! A package of its own, since to give a function a name of C's is unsafe, and greenavatar forbids that of itself.
#![no_std]

/// Raises `x` to the power of `y`.
#[unsafe(no_mangle)]
pub extern "C" fn pow(x: f64, y: f64) -> f64 {
    libm::pow(x, y)
}
