//! Everything that a user can see, through the built program: one test binary, one module a subject.

mod support;

mod outcomes;
