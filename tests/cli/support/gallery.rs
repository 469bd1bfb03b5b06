//! A GREEN-API and a pictures' host in one server, and `get` told that it may be followed there.

use std::path::Path;

use crate::support::queue::method;
use crate::support::{Answer, Cli, Seen, Server};

/// Its beginning, its first scan and its end are enough of a JPEG; 25 bytes.
pub const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0 a picture\xff\xda\xff\xd9";
/// Its digest.
pub const SHA256: &str = "9595c7af1b9dbe131019eb2946b5a633a114a3d678d9d498d6017fc8650e8aef";

/// An answer of GREEN-API.
pub fn said(body: &str) -> Answer {
    Answer::status(200).body(body)
}

/// A picture, or what stands in for one; the type is a lie, as it may be.
pub fn picture(bytes: &[u8]) -> Answer {
    Answer::status(200).header("Content-Type", "text/html").body(bytes)
}

/// Finds an avatar for every chat; what lies at its URL is said by the closure.
pub fn gallery(mut at: impl FnMut(&Seen) -> Answer + Send + 'static) -> Server {
    Server::with(move |seen| match method(seen) {
        "getAvatar" => {
            let (host, number) = (seen.header("host").expect("a host"), seen.chat());
            let number = number.split('@').next().expect("a number").to_owned();
            said(&format!(r#"{{"urlAvatar":"http://{host}/pictures/{number}?oe=615A60EB","available":true}}"#))
        }
        _ => at(seen),
    })
}

/// `get` with pictures on this machine.
pub fn get<const N: usize>(server: &Server, args: [&str; N]) -> Cli {
    Cli::on(server).args(["get", "--allow-host", "127.0.0.1", "--retries", "0"]).args(args)
}

/// The names in a directory, hidden ones too.
pub fn names(dir: impl AsRef<Path>) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}
