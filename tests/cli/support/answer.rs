//! What a server says to one request, down to the single byte, and when.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Nothing that a test waits for takes longer.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// What is said to a request.
#[derive(Clone)]
pub struct Answer {
    before: Vec<Step>,
    head: String,
    body: Option<Vec<u8>>,
    after: Vec<Step>,
    /// The connection ends with it.
    pub closes: bool,
}

/// A part of an answer.
#[derive(Clone)]
pub enum Step {
    Send(Vec<u8>),
    Drip(Vec<u8>),
    Endless(Vec<u8>),
    Silence,
    Hold(Gate),
    Reset,
}

impl Answer {
    /// A status with an empty body. The connection stays open.
    pub fn status(status: u16) -> Answer {
        Answer {
            before: Vec::new(),
            head: format!("HTTP/1.1 {status} Said So\r\n"),
            body: Some(Vec::new()),
            after: Vec::new(),
            closes: false,
        }
    }

    /// Bytes and nothing else; then the connection is closed.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Answer {
        Answer {
            before: vec![Step::Send(bytes.into())],
            head: String::new(),
            body: None,
            after: Vec::new(),
            closes: true,
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Answer {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Answer {
        self.body = Some(body.into());
        self
    }

    /// Not before the gate is opened.
    pub fn held(mut self, gate: &Gate) -> Answer {
        self.before.push(Step::Hold(gate.clone()));
        self
    }

    /// Then these bytes one by one, 20 a second.
    pub fn then_drip(mut self, bytes: impl Into<Vec<u8>>) -> Answer {
        self.after.push(Step::Drip(bytes.into()));
        self
    }

    /// Then these bytes again and again.
    pub fn then_endlessly(mut self, bytes: impl Into<Vec<u8>>) -> Answer {
        self.after.push(Step::Endless(bytes.into()));
        self
    }

    /// Then nothing until the other side hangs up.
    pub fn then_silence(mut self) -> Answer {
        self.after.push(Step::Silence);
        self
    }

    /// Then a reset.
    pub fn then_reset(mut self) -> Answer {
        self.after.push(Step::Reset);
        self
    }

    /// Then the connection is closed, though nothing in the answer said so.
    pub fn then_closed(mut self) -> Answer {
        self.closes = true;
        self
    }

    /// The bytes of the answer.
    pub fn bytes(&self) -> Vec<u8> {
        match &self.body {
            Some(body) => {
                let head = format!("{}Content-Length: {}\r\n\r\n", self.head, body.len());
                [head.as_bytes(), body].concat()
            }
            None => Vec::new(),
        }
    }

    /// Its parts, in their order.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = self.before.clone();
        steps.push(Step::Send(self.bytes()));
        steps.extend(self.after.clone());
        steps
    }
}

/// Opened once, by a test that knows when.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().expect("a lock") = true;
        self.0.1.notify_all();
    }

    /// Returns when it is open.
    pub fn wait(&self) {
        let is_open = self.0.0.lock().expect("a lock");
        let _ = self.0.1.wait_timeout_while(is_open, PATIENCE, |is_open| !*is_open).expect("a lock");
    }
}
