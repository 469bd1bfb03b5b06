//! What tests are made of: the program in a clean place, and the servers and proxies that it meets there.
//!
//! Everything listens on a free loopback port, and nothing here knows what the program should do.

use std::sync::Mutex;

pub mod answer;
pub mod cli;
pub mod client;
pub mod expected;
pub mod gallery;
pub mod proxy;
pub mod queue;
pub mod running;
pub mod server;
pub mod tls;

pub use answer::{Answer, Gate};
pub use cli::Cli;
pub use proxy::Tunnel;
pub use queue::Queue;
pub use running::{Running, Said};
pub use server::{Seen, Server};

/// The instance of all tests.
pub const INSTANCE: &str = "1101000001";
/// Its token: the one in the example bodies. No output of any run may hold it.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef01";
/// The chat of the documentation's examples.
pub const CHAT: &str = "11001234567@c.us";
/// The group of the documentation's examples.
pub const GROUP: &str = "120363043968066561@g.us";

/// A chat id of its own for each number.
pub fn chat(n: usize) -> String {
    format!("1100{n:07}@c.us")
}

/// An example body, as GREEN-API documents it or as it was seen.
pub fn sample(name: &str) -> String {
    let path = format!("{}/tests/cli/samples/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Does something with each, four at a time: a run waits more than it works.
pub fn at_once<T>(items: impl IntoIterator<Item = T, IntoIter: Send>, job: impl Fn(T) + Sync) {
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

/// The only line, taken apart.
#[track_caller]
pub fn json(line: &str) -> serde_json::Value {
    assert_eq!(line.lines().count(), 1, "one line: {line:?}");
    let line = line.replace("\"elapsedMs\":_", "\"elapsedMs\":0");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

/// Every line, taken apart.
#[track_caller]
pub fn jsons(lines: &str) -> Vec<serde_json::Value> {
    lines.lines().map(json).collect()
}
