//! What the benchmarks share: a loopback server that answers at once, over HTTP and TLS, and paired runs.
//!
//! These machines are noisy: the commands run in turn, A B A B ..., and what counts is the median of each and their ratio.

#![allow(dead_code, missing_docs)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef01";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A server that answers every request with 200 and nothing, and counts its connections.
pub struct Server {
    pub url: String,
    pub connections: Arc<AtomicUsize>,
}

impl Server {
    pub fn http() -> Server {
        Server::start("http", answer)
    }

    /// TLS 1.3 with a P-256 certificate; its authority is written to `folder`/ca.pem.
    pub fn https(folder: &Path) -> Server {
        let made =
            rcgen::generate_simple_self_signed(vec!["localhost".into(), "127.0.0.1".into()]).expect("a certificate");
        std::fs::write(folder.join("ca.pem"), made.cert.pem()).expect("written");
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a server certificate");
        let config = Arc::new(config);
        Server::start("https", move |stream| {
            let Ok(connection) = ServerConnection::new(Arc::clone(&config)) else { return };
            answer(StreamOwned::new(connection, stream));
        })
    }

    fn start(scheme: &str, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("{scheme}://127.0.0.1:{}", listener.local_addr().expect("an address").port());
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::Relaxed);
                let _ = stream.set_nodelay(true);
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(stream));
            }
        });
        Server { url, connections }
    }
}

/// Answers requests on one connection until it closes. Bodies have a Content-Length or none.
fn answer(mut stream: impl Read + Write) {
    let mut buffer = Vec::with_capacity(4096);
    let mut chunk = [0; 4096];
    loop {
        while let Some(end) = request_end(&buffer) {
            buffer.drain(..end);
            if stream.write_all(ANSWER).is_err() {
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(n) if n > 0 => buffer.extend_from_slice(&chunk[..n]),
            _ => return,
        }
    }
}

fn request_end(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).ok()?;
    let length = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.trim().parse().unwrap_or(0));
    (bytes.len() >= head + length).then_some(head + length)
}

/// The release binary: the one that cargo built for this benchmark, or the one that GREENAVATAR_BIN names.
pub fn binary() -> PathBuf {
    std::env::var_os("GREENAVATAR_BIN").map_or_else(|| env!("CARGO_BIN_EXE_greenavatar").into(), PathBuf::from)
}

/// The program with a clean environment and credentials for a server.
pub fn greenavatar(url: &str) -> Command {
    let mut command = Command::new(binary());
    command.env_clear().env("GREEN_API_URL", url);
    command.env("GREEN_API_ID_INSTANCE", "1101000001").env("GREEN_API_TOKEN_INSTANCE", TOKEN);
    command
}

/// Runs a command to its end, its output thrown away; seconds of wall time.
pub fn time(command: &mut Command) -> f64 {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let status = command.status().expect("the command starts");
    let took = began.elapsed().as_secs_f64();
    assert!(status.success(), "{command:?} failed: {status}");
    took
}

/// Peak memory of one run in MiB, from `/usr/bin/time`; none where that is not installed.
pub fn peak_memory(command: &Command) -> Option<f64> {
    let mut measured = Command::new("/usr/bin/time");
    measured.args(["-f", "%M"]).arg(command.get_program()).args(command.get_args()).env_clear();
    for (name, value) in command.get_envs() {
        measured.env(name, value?);
    }
    let output = measured.stdin(Stdio::null()).output().ok()?;
    let kib: f64 = String::from_utf8_lossy(&output.stderr).lines().last()?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Runs two commands in turn; the median wall seconds of each.
pub fn paired(runs: usize, mut a: impl FnMut() -> Command, mut b: impl FnMut() -> Command) -> (f64, f64) {
    for _ in 0..3 {
        time(&mut a());
        time(&mut b());
    }
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        of_a.push(time(&mut a()));
        of_b.push(time(&mut b()));
    }
    (median(&mut of_a), median(&mut of_b))
}
