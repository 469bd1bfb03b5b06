//! What a server sends in answer to one request, to the byte, and when.

use std::sync::{Arc, Condvar, Mutex};

use super::LIMIT;

/// The answer to a request.
#[derive(Clone)]
pub struct Answer {
    before: Vec<Step>,
    head: String,
    body: Option<Vec<u8>>,
    after: Vec<Step>,
    /// Whether the connection is closed after it.
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
    /// A status and an empty body. The connection stays open.
    pub fn status(status: u16) -> Answer {
        Answer {
            before: Vec::new(),
            head: format!("HTTP/1.1 {status} Status\r\n"),
            body: Some(Vec::new()),
            after: Vec::new(),
            closes: false,
        }
    }

    /// These bytes only. Then the connection is closed.
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

    /// Waits for the gate before the answer.
    pub fn held(mut self, gate: &Gate) -> Answer {
        self.before.push(Step::Hold(gate.clone()));
        self
    }

    /// Then sends these bytes one by one, 20 a second.
    pub fn then_drip(mut self, bytes: impl Into<Vec<u8>>) -> Answer {
        self.after.push(Step::Drip(bytes.into()));
        self
    }

    /// Then sends these bytes again and again.
    pub fn then_endlessly(mut self, bytes: impl Into<Vec<u8>>) -> Answer {
        self.after.push(Step::Endless(bytes.into()));
        self
    }

    /// Then sends nothing until the client closes the connection.
    pub fn then_silence(mut self) -> Answer {
        self.after.push(Step::Silence);
        self
    }

    /// Then resets the connection.
    pub fn then_reset(mut self) -> Answer {
        self.after.push(Step::Reset);
        self
    }

    /// Then closes the connection, without announcing it in a header.
    pub fn then_closed(mut self) -> Answer {
        self.closes = true;
        self
    }

    /// The bytes of the head and body.
    pub fn bytes(&self) -> Vec<u8> {
        match &self.body {
            Some(body) => {
                let head = format!("{}Content-Length: {}\r\n\r\n", self.head, body.len());
                [head.as_bytes(), body].concat()
            }
            None => Vec::new(),
        }
    }

    /// The parts of the answer, in order.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = self.before.clone();
        steps.push(Step::Send(self.bytes()));
        steps.extend(self.after.clone());
        steps
    }
}

/// Holds answers back until the test opens it.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().expect("a lock") = true;
        self.0.1.notify_all();
    }

    /// Waits until it is open.
    pub fn wait(&self) {
        let is_open = self.0.0.lock().expect("a lock");
        let _ = self.0.1.wait_timeout_while(is_open, LIMIT, |is_open| !*is_open).expect("a lock");
    }
}
