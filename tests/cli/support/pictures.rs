//! Pictures, and a server that is both GREEN-API and the host of its pictures.

use std::path::Path;

use crate::support::queue::method;
use crate::support::{Answer, Cli, Request, Server};

/// The start, a scan and the end marker: enough of a JPEG, in 25 bytes.
pub const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0 a picture\xff\xda\xff\xd9";
/// The digest of [`JPEG`].
pub const SHA256: &str = "9595c7af1b9dbe131019eb2946b5a633a114a3d678d9d498d6017fc8650e8aef";

/// Another JPEG.
pub const OTHER: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0 another\xff\xda\xff\xd9";
pub const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR a picture\0\0\0\0IEND\xaeB`\x82";

/// A 200 with this body.
pub fn ok(body: &str) -> Answer {
    Answer::status(200).body(body)
}

/// A download. Its Content-Type is wrong on purpose: only the bytes count.
pub fn picture(bytes: &[u8]) -> Answer {
    Answer::status(200).header("Content-Type", "text/html").body(bytes)
}

/// A service that finds a picture for every chat. The closure answers the downloads.
pub fn picture_service(mut at: impl FnMut(&Request) -> Answer + Send + 'static) -> Server {
    Server::with(move |seen| match method(seen) {
        "getAvatar" => {
            let (host, number) = (seen.header("host").expect("a host"), seen.chat());
            let number = number.split('@').next().expect("a number").to_owned();
            ok(&format!(r#"{{"urlAvatar":"http://{host}/pictures/{number}?oe=615A60EB","available":true}}"#))
        }
        _ => at(seen),
    })
}

/// `get`, allowed to download from this machine.
pub fn get<const N: usize>(server: &Server, args: [&str; N]) -> Cli {
    Cli::on(server).args(["get", "--allow-host", "127.0.0.1", "--retries", "0"]).args(args)
}

/// The names in a directory, hidden ones included.
pub fn names(dir: impl AsRef<Path>) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}
