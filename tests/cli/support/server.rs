//! A server that says exactly what a test tells it to, and remembers what it was asked.
//!
//! When it is dropped it checks that it was asked as often as expected and that none of its threads panicked.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::answer::{Answer, Gate, PATIENCE, Step};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When it was there whole.
    pub at: Instant,
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The chat that it asks for.
    pub fn chat(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).expect("a request's body is JSON");
        body["chatId"].as_str().expect("a request names a chat").to_owned()
    }
}

type Script = Box<dyn FnMut(&Seen) -> Answer + Send>;

#[derive(Clone, Copy)]
enum Times {
    Exactly(usize),
    AtLeast(usize),
}

#[derive(Default)]
struct Memory {
    requests: Mutex<Vec<Seen>>,
    came: Condvar,
    connections: AtomicUsize,
    ends: AtomicBool,
    greeting: Mutex<Option<&'static [u8]>>,
    /// Those that are open, so that the end of the test can end them.
    open: Mutex<HashMap<usize, TcpStream>>,
}

impl Memory {
    fn hang_up(&self) {
        for stream in self.open.lock().expect("a lock").values() {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// The server. It stops when it is dropped.
pub struct Server {
    address: SocketAddr,
    is_tls: bool,
    times: Times,
    memory: Arc<Memory>,
    gates: Vec<Gate>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// One answer for each request, in this order, and exactly this number of requests.
    pub fn answering(answers: impl IntoIterator<Item = Answer>) -> Server {
        let mut answers: VecDeque<Answer> = answers.into_iter().collect();
        let times = Times::Exactly(answers.len());
        let script = move |_: &Seen| answers.pop_front().unwrap_or_else(|| Answer::status(500).body("asked too often"));
        Server::start(Box::new(script), times, None)
    }

    /// This answer for every request, of which there is at least one.
    pub fn always(answer: Answer) -> Server {
        Server::with(move |_| answer.clone())
    }

    /// What the closure says, at least once.
    pub fn with(script: impl FnMut(&Seen) -> Answer + Send + 'static) -> Server {
        Server::start(Box::new(script), Times::AtLeast(1), None)
    }

    /// A server that must never be asked.
    pub fn unasked() -> Server {
        Server::answering([])
    }

    /// Over TLS, at `https://localhost`, with this answer for every request.
    pub fn tls(config: Arc<ServerConfig>, answer: Answer) -> Server {
        Server::start(Box::new(move |_| answer.clone()), Times::AtLeast(1), Some(config))
    }

    /// Says this as soon as somebody connects, asked or not, and hangs up.
    pub fn blurting(bytes: &'static [u8]) -> Server {
        let mut server = Server::unasked();
        *server.memory.greeting.lock().expect("a lock") = Some(bytes);
        server.times = Times::Exactly(0);
        server
    }

    /// Exactly this number of requests is expected.
    pub fn times(mut self, times: usize) -> Server {
        self.times = Times::Exactly(times);
        self
    }

    /// However many requests come.
    pub fn any_times(mut self) -> Server {
        self.times = Times::AtLeast(0);
        self
    }

    /// Opens these gates when it is dropped, so that a failed test does not wait for them.
    pub fn opening(mut self, gate: &Gate) -> Server {
        self.gates.push(gate.clone());
        self
    }

    fn start(script: Script, times: Times, tls: Option<Arc<ServerConfig>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let memory = Arc::new(Memory::default());
        let shared = Arc::clone(&memory);
        let is_tls = tls.is_some();
        let thread = std::thread::spawn(move || accept(&listener, script, tls.as_ref(), &shared));
        Server { address, is_tls, times, memory, gates: Vec::new(), thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        if self.is_tls {
            format!("https://localhost:{}", self.address.port())
        } else {
            format!("http://{}", self.address)
        }
    }

    /// What came so far.
    pub fn requests(&self) -> Vec<Seen> {
        self.memory.requests.lock().expect("a lock").clone()
    }

    /// The chats that were asked for, in the order in which they came.
    pub fn chats(&self) -> Vec<String> {
        self.requests().iter().map(Seen::chat).collect()
    }

    /// How many connections were opened.
    pub fn connections(&self) -> usize {
        self.memory.connections.load(Ordering::SeqCst)
    }

    /// Waits until this number of requests has arrived.
    #[track_caller]
    pub fn wait_for(&self, requests: usize) {
        let seen = self.memory.requests.lock().expect("a lock");
        let (seen, waited) =
            self.memory.came.wait_timeout_while(seen, PATIENCE, |seen| seen.len() < requests).expect("a lock");
        assert!(!waited.timed_out(), "{requests} requests expected, {} came", seen.len());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.gates.iter().for_each(Gate::open);
        self.memory.ends.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; an error means that it has ended already.
        let _ = TcpStream::connect(self.address);
        self.memory.hang_up();
        let went_well = self.thread.take().expect("dropped once").join().is_ok();
        if std::thread::panicking() {
            return;
        }
        assert!(went_well, "the server panicked");
        let came = self.memory.requests.lock().expect("a lock");
        let is_right = match self.times {
            Times::Exactly(times) => came.len() == times,
            Times::AtLeast(times) => came.len() >= times,
        };
        let expected = match self.times {
            Times::Exactly(times) => format!("exactly {times}"),
            Times::AtLeast(times) => format!("at least {times}"),
        };
        assert!(is_right, "{expected} requests expected, {} came: {:#?}", came.len(), &came[..came.len().min(5)]);
    }
}

fn accept(listener: &TcpListener, script: Script, tls: Option<&Arc<ServerConfig>>, memory: &Arc<Memory>) {
    let script = Mutex::new(script);
    std::thread::scope(|scope| {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            if memory.ends.load(Ordering::SeqCst) {
                break;
            }
            stream.set_nodelay(true).expect("a socket");
            let connection = memory.connections.fetch_add(1, Ordering::SeqCst);
            memory.open.lock().expect("a lock").insert(connection, stream.try_clone().expect("a socket"));
            let script = &script;
            scope.spawn(move || {
                match tls {
                    None => serve(Stream::Plain(stream), script, memory),
                    Some(config) => {
                        // Who does not get through the handshake asks nothing.
                        if let Ok(stream) = shake_hands(stream, config) {
                            serve(stream, script, memory);
                        }
                    }
                }
                // The last copy of the socket: this closes the connection.
                memory.open.lock().expect("a lock").remove(&connection);
            });
        }
        // Connections that came after those were ended that the end of the test found.
        memory.hang_up();
    });
}

fn shake_hands(mut stream: TcpStream, config: &Arc<ServerConfig>) -> io::Result<Stream> {
    let mut tls = ServerConnection::new(Arc::clone(config)).expect("a server configuration");
    while tls.is_handshaking() {
        tls.complete_io(&mut stream)?;
    }
    Ok(Stream::Tls(Box::new(StreamOwned::new(tls, stream))))
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.read(piece),
            Stream::Tls(stream) => stream.read(piece),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }
}

fn serve(mut stream: Stream, script: &Mutex<Script>, memory: &Memory) {
    let greeting = *memory.greeting.lock().expect("a lock");
    if let Some(greeting) = greeting {
        // Whatever becomes of it, this connection is over.
        let _ = stream.write(greeting);
        return;
    }
    let mut unread = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut unread) {
        let answer = {
            // Remembered and answered under one lock: the order of requests is the order of answers.
            let mut script = script.lock().expect("no script panicked");
            memory.requests.lock().expect("a lock").push(seen.clone());
            memory.came.notify_all();
            script(&seen)
        };
        for step in answer.steps() {
            if act(&mut stream, step).is_err() {
                return;
            }
        }
        if answer.closes {
            return;
        }
    }
}

/// An error means that this connection is over.
fn act(stream: &mut Stream, step: Step) -> io::Result<()> {
    match step {
        Step::Send(bytes) => stream.write(&bytes),
        Step::Drip(bytes) => {
            for byte in bytes {
                stream.write(&[byte])?;
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }
        Step::Endless(bytes) => {
            let began = Instant::now();
            while began.elapsed() < PATIENCE {
                stream.write(&bytes)?;
            }
            Ok(())
        }
        Step::Silence => {
            let mut piece = [0; 1024];
            while let Ok(1..) = stream.read(&mut piece) {}
            Err(io::ErrorKind::ConnectionAborted.into())
        }
        Step::Hold(gate) => {
            gate.wait();
            Ok(())
        }
        Step::Reset => {
            socket2::SockRef::from(stream.tcp()).set_linger(Some(Duration::ZERO))?;
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
}

/// The next request; `None` when the other side has hung up.
fn read_request(stream: &mut Stream, unread: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        match unread.windows(4).position(|four| four == b"\r\n\r\n") {
            Some(at) => break at + 4,
            None => more(stream, unread)?,
        }
    };
    let head = String::from_utf8(unread.drain(..end).collect()).expect("a request's head is ASCII");
    let mut lines = head.trim_end().split("\r\n");
    let mut first = lines.next().expect("a request line").split(' ');
    let method = first.next().expect("a method").to_owned();
    let path = first.next().expect("a path").to_owned();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(':').expect("a header has a colon"))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut seen = Seen { at: Instant::now(), method, path, headers, body: String::new() };
    let length = seen.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    while unread.len() < length {
        more(stream, unread)?;
    }
    seen.body = String::from_utf8(unread.drain(..length).collect()).expect("a request's body is UTF-8");
    seen.at = Instant::now();
    Some(seen)
}

fn more(stream: &mut Stream, unread: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 4096];
    match stream.read(&mut piece) {
        Ok(got @ 1..) => unread.extend_from_slice(&piece[..got]),
        _ => return None,
    }
    Some(())
}
