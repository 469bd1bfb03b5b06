//! One finding of `doctor`: the line that it is, as text or as JSON, and what it means for the exit status.
//!
//! It knows no check: whoever finds something says whether that is well.

use std::fmt;

use serde_json::{Value, json};

use super::Setting;
use crate::escape::escape;
use crate::failure::Failure;
use crate::output::OutputError;
use crate::token::Masked;

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok,
    Warning,
    Failed,
    Skipped,
}

/// One check: a line.
pub struct Finding {
    pub check: &'static str,
    pub status: Status,
    pub found: String,
    pub hint: Option<String>,
    pub failure: Option<Failure>,
    pub settings: Vec<Setting>,
}

impl Finding {
    pub fn new(check: &'static str, status: Status, found: impl Into<String>) -> Finding {
        Finding { check, status, found: found.into(), hint: None, failure: None, settings: Vec::new() }
    }

    pub fn ok(check: &'static str, found: impl Into<String>) -> Finding {
        Finding::new(check, Status::Ok, found)
    }

    pub fn warning(check: &'static str, found: impl Into<String>, hint: &str) -> Finding {
        Finding { hint: Some(hint.to_owned()), ..Finding::new(check, Status::Warning, found) }
    }

    pub fn skipped(check: &'static str, why: &str) -> Finding {
        Finding::new(check, Status::Skipped, format!("not tried: {why}"))
    }

    pub fn failed(check: &'static str, failure: Failure) -> Finding {
        let found = failure.message();
        Finding { hint: failure.hint.clone(), failure: Some(failure), ..Finding::new(check, Status::Failed, found) }
    }

    pub fn json(&self) -> String {
        let status = match self.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Failed => "failed",
            Status::Skipped => "skipped",
        };
        let mut line = json!({ "check": self.check, "status": status, "found": self.found });
        if let Some(hint) = &self.hint {
            line["hint"] = json!(hint);
        }
        if let Some(failure) = &self.failure {
            line["error"] = json!(failure.body());
        }
        if !self.settings.is_empty() {
            let one =
                |setting: &Setting| json!({ "name": setting.name, "value": setting.value, "source": setting.source });
            line["settings"] = self.settings.iter().map(one).collect::<Value>();
        }
        line.to_string()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.status {
            Status::Ok => "ok",
            Status::Warning => "warn",
            Status::Failed => "FAIL",
            Status::Skipped => "skip",
        };
        write!(f, "{word:<5} {:<14} {}", self.check, escape(&self.found))?;
        match &self.hint {
            Some(hint) => write!(f, "\n      hint: {}", escape(hint)),
            None => Ok(()),
        }
    }
}

/// Where findings go; the exit status is that of the first failure.
pub struct Sheet<'a> {
    pub form: Form,
    pub sink: &'a mut dyn FnMut(&Masked) -> Result<(), OutputError>,
    pub exit: u8,
}

/// What a line looks like, and whether there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Json,
    Text,
    /// Text, and only of what failed.
    Failures,
}

impl Sheet<'_> {
    pub fn write(&mut self, finding: Finding) -> Result<(), OutputError> {
        if let Some(failure) = finding.failure.as_ref().filter(|_| self.exit == 0) {
            self.exit = failure.kind.exit();
        }
        let line = match self.form {
            Form::Json => finding.json(),
            Form::Failures if finding.status != Status::Failed => return Ok(()),
            Form::Text | Form::Failures => finding.to_string(),
        };
        (self.sink)(&Masked::new(line + "\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;

    #[test]
    fn a_finding_is_one_object_or_a_line_with_its_hint() {
        let failure = Failure::new(Kind::Unauthorized, "GREEN-API refuses the token").hint("compare it");
        let finding = Finding::failed("state", failure);
        assert_eq!(finding.to_string(), "FAIL  state          GREEN-API refuses the token\n      hint: compare it");
        let json: Value = serde_json::from_str(&finding.json()).expect("an object");
        assert_eq!(json["status"], "failed");
        assert_eq!(json["error"]["code"], "unauthorized");
        assert_eq!(json["hint"], "compare it");
    }
}
