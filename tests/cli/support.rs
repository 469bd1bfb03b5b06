//! Helpers of the tests: the program in a clean directory and environment, and servers and proxies for it.
//!
//! Everything listens on a free loopback port. What the program should do is in the tests only.

use std::sync::Mutex;
use std::time::Duration;

pub mod answer;
pub mod cli;
pub mod client;
pub mod expected;
pub mod pictures;
pub mod proxy;
pub mod queue;
pub mod running;
pub mod server;
pub mod tls;
#[cfg(unix)]
pub mod unix;
#[cfg(windows)]
pub mod windows;

pub use answer::{Answer, Gate};
pub use cli::Cli;
pub use proxy::Proxy;
pub use queue::Queue;
pub use running::{Output, Running};
pub use server::{Request, Server};
#[cfg(unix)]
pub use unix as system;
#[cfg(windows)]
pub use windows as system;

/// The instance of all tests.
pub const INSTANCE: &str = "1101000001";
/// Its token: the one in the example bodies. It must be in no output of any run.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef01";
/// The longest time that a test waits for anything.
pub const LIMIT: Duration = Duration::from_secs(15);
/// The chat of the documentation's examples.
pub const CHAT: &str = "11001234567@c.us";
/// The group of the documentation's examples.
pub const GROUP: &str = "120363043968066561@g.us";

/// A different chat id for each number.
pub fn chat(n: usize) -> String {
    format!("1100{n:07}@c.us")
}

/// An example body, as GREEN-API documents it or sends it.
pub fn sample(name: &str) -> String {
    let path = format!("{}/tests/cli/samples/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Calls `job` with each item, four at a time: a run waits more than it works.
pub fn in_parallel<T>(items: impl IntoIterator<Item = T, IntoIter: Send>, job: impl Fn(T) + Sync) {
    let items = Mutex::new(items.into_iter());
    let next = || items.lock().expect("no iterator panicked").next();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(item) = next() {
                    job(item);
                }
            });
        }
    });
}

/// The JSON value of a text of one line.
#[track_caller]
pub fn json(line: &str) -> serde_json::Value {
    assert_eq!(line.lines().count(), 1, "one line: {line:?}");
    let line = line.replace("\"elapsedMs\":_", "\"elapsedMs\":0");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

/// The JSON value of each line.
#[track_caller]
pub fn jsons(lines: &str) -> Vec<serde_json::Value> {
    lines.lines().map(json).collect()
}
