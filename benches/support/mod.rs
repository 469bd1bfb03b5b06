//! Shared by the benchmarks: a loopback server that answers at once, over HTTP and TLS, and paired runs.
//!
//! Timings vary, so the commands run in turn, A B A B …, and the medians are compared.

#![allow(dead_code, missing_docs)]

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef01";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A server that answers every request with an empty 200, and counts its connections.
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
    let mut buffer = [0; 8192];
    let mut filled = 0;
    loop {
        while let Some(end) = request_end(&buffer[..filled]) {
            buffer.copy_within(end..filled, 0);
            filled -= end;
            if stream.write_all(ANSWER).is_err() {
                return;
            }
        }
        match stream.read(&mut buffer[filled..]) {
            Ok(n) if n > 0 => filled += n,
            _ => return,
        }
    }
}

/// Where the first request in these bytes ends, if all of it is there.
pub fn request_end(bytes: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let mut lines = bytes[..head].split(|&byte| byte == b'\n');
    let length = lines
        .find(|line| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME))
        .and_then(|line| std::str::from_utf8(&line[NAME.len()..]).ok()?.trim().parse().ok())
        .unwrap_or(0);
    (bytes.len() >= head + length).then_some(head + length)
}

/// The program with a clean environment and credentials for a server: a copy of the release build, or GREENAVATAR_BIN.
///
/// A copy, as an installed program is one: the kernel maps what the linker wrote in smaller pieces.
pub fn greenavatar(url: &str) -> Command {
    static PROGRAM: LazyLock<OsString> = LazyLock::new(|| {
        std::env::var_os("GREENAVATAR_BIN").unwrap_or_else(|| {
            let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("greenavatar");
            std::fs::copy(env!("CARGO_BIN_EXE_greenavatar"), &copy).expect("copied");
            copy.into()
        })
    });
    let mut command = Command::new(&*PROGRAM);
    command.env_clear().env("GREEN_API_URL", url);
    command.env("GREEN_API_ID_INSTANCE", "1101000001").env("GREEN_API_TOKEN_INSTANCE", TOKEN);
    command
}

/// Runs a command without its output, and returns the seconds it took.
pub fn time(command: &mut Command) -> f64 {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let status = command.status().expect("the command starts");
    let took = began.elapsed().as_secs_f64();
    assert!(status.success(), "{command:?} failed: {status}");
    took
}

/// The cost of one run of a command.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Seconds.
    pub wall: f64,
    /// Seconds of user and system time, its children included.
    pub cpu: f64,
    /// Peak memory of its largest process, in MiB.
    pub memory: f64,
}

/// Runs a command without its output, and measures it with bash and `/usr/bin/time`; `None` if they are not installed.
/// They take a millisecond or two, so short commands are timed with [`time`].
pub fn cost(command: &Command) -> Option<Cost> {
    let out = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut measured = Command::new("/bin/bash");
    // bash measures milliseconds, time measures memory.
    measured.args([
        "-c",
        r#"TIMEFORMAT="%R %U %S"; { time /usr/bin/time -o "$0" -f %M "$@" 2>/dev/null; } 2>&1 >/dev/null"#,
    ]);
    measured
        .arg(out.path())
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()));
    for (name, value) in command.get_envs() {
        measured.env(name, value?);
    }
    let output = measured.stdin(Stdio::null()).output().ok()?;
    let numbers = |text: &str| -> Vec<f64> { text.split_whitespace().filter_map(|word| word.parse().ok()).collect() };
    let times = numbers(&String::from_utf8_lossy(&output.stdout));
    let memory = numbers(std::fs::read_to_string(out.path()).ok()?.lines().last()?);
    assert!(output.status.success(), "{command:?} failed: {}", output.status);
    Some(Cost { wall: *times.first()?, cpu: times.get(1)? + times.get(2)?, memory: memory.first()? / 1024.0 })
}

/// Whether a program can be started.
pub fn is_installed(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Writes a list of `count` different chats to a file.
pub fn write_list(path: &Path, count: u64) {
    let mut text = String::with_capacity(count as usize * 17);
    for n in 0..count {
        text.push_str(&format!("{}@c.us\n", 10_000_000_000 + n));
    }
    std::fs::write(path, text).expect("written");
}

/// Runs two commands in turn. Returns the median seconds of each.
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

/// A service that finds a picture of `size` bytes for every chat, and is the host of the pictures. `delays`: the time
/// of an answer and of a download.
pub fn serve_pictures(size: usize, delays: [Duration; 2]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let base = url.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let base = base.clone();
            std::thread::spawn(move || answer_with_pictures(stream, &base, size, delays));
        }
    });
    url
}

fn answer_with_pictures(mut stream: TcpStream, url: &str, size: usize, delays: [Duration; 2]) {
    stream.set_nodelay(true).expect("no delay");
    let mut picture = vec![0x5a; size];
    picture[..4].copy_from_slice(&[0xff, 0xd8, 0xff, 0xda]);
    picture[size - 2..].copy_from_slice(&[0xff, 0xd9]);
    let mut buffer = [0; 8192];
    let mut filled = 0;
    let mut asked = 0_u64;
    loop {
        match stream.read(&mut buffer[filled..]) {
            Ok(n) if n > 0 => filled += n,
            _ => return,
        }
        while let Some(end) = request_end(&buffer[..filled]) {
            let mut answer;
            let is_download = buffer.starts_with(b"GET");
            std::thread::sleep(delays[usize::from(is_download)]);
            if is_download {
                answer = format!("HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {size}\r\n\r\n")
                    .into_bytes();
                answer.extend_from_slice(&picture);
            } else {
                asked += 1;
                let body = format!(r#"{{"urlAvatar":"{url}/pictures/{asked}.jpg","available":true}}"#);
                answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
            }
            if stream.write_all(&answer).is_err() {
                return;
            }
            buffer.copy_within(end..filled, 0);
            filled -= end;
        }
    }
}
