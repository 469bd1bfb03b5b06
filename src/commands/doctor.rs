//! `doctor`: checks credentials, the instance and its settings; see [`crate::doctor`].

use crate::cli::setup::DoctorArgs;
use crate::commands::Context;
use crate::doctor;
use crate::failure::Error;

pub fn run(_: &DoctorArgs, context: &Context<'_>) -> Result<u8, Error> {
    match context.open() {
        Ok(session) => doctor::run(&session.settings, context.output),
        Err(Error::Failure(failure)) => doctor::run_without_settings(failure, context.output),
        Err(error) => Err(error),
    }
}
