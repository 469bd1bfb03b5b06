//! An HTTP server whose answers a test gives, and which records its requests.
//!
//! When dropped, it checks the number of requests, and that none of its threads panicked.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::LIMIT;
use super::answer::{Answer, Gate, Step};

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// When it was complete.
    pub at: Instant,
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The chat in its body.
    pub fn chat(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).expect("a request's body is JSON");
        body["chatId"].as_str().expect("a request names a chat").to_owned()
    }
}

type Script = Box<dyn FnMut(&Request) -> Answer + Send>;

#[derive(Clone, Copy)]
enum Times {
    Exactly(usize),
    AtLeast(usize),
}

#[derive(Default)]
struct State {
    requests: Mutex<Vec<Request>>,
    arrived: Condvar,
    connections: AtomicUsize,
    ends: AtomicBool,
    greeting: Mutex<Option<&'static [u8]>>,
    /// The open connections, to be closed at the end of the test.
    open: Mutex<HashMap<usize, TcpStream>>,
}

impl State {
    fn hang_up(&self) {
        for stream in self.open.lock().expect("a lock").values() {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// The server. It stops when it is dropped.
pub struct Server {
    address: SocketAddr,
    is_tls: bool,
    times: Times,
    state: Arc<State>,
    gates: Vec<Gate>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Gives these answers in this order, and expects exactly as many requests.
    pub fn answering(answers: impl IntoIterator<Item = Answer>) -> Server {
        let mut answers: VecDeque<Answer> = answers.into_iter().collect();
        let times = Times::Exactly(answers.len());
        let script =
            move |_: &Request| answers.pop_front().unwrap_or_else(|| Answer::status(500).body("one request too many"));
        Server::start(Box::new(script), times, None)
    }

    /// Gives this answer to every request. Expects at least one.
    pub fn always(answer: Answer) -> Server {
        Server::with(move |_| answer.clone())
    }

    /// Gives the answers of the closure. Expects at least one request.
    pub fn with(script: impl FnMut(&Request) -> Answer + Send + 'static) -> Server {
        Server::start(Box::new(script), Times::AtLeast(1), None)
    }

    /// Expects no request.
    pub fn unasked() -> Server {
        Server::answering([])
    }

    /// Serves `https://localhost` and gives this answer to every request. Expects at least one.
    pub fn tls(config: Arc<ServerConfig>, answer: Answer) -> Server {
        Server::start(Box::new(move |_| answer.clone()), Times::AtLeast(1), Some(config))
    }

    /// Sends these bytes as soon as a client connects, and closes the connection. Reads no request.
    pub fn speaking_first(bytes: &'static [u8]) -> Server {
        let server = Server::unasked();
        *server.state.greeting.lock().expect("a lock") = Some(bytes);
        server
    }

    /// Expects exactly this number of requests.
    pub fn times(mut self, times: usize) -> Server {
        self.times = Times::Exactly(times);
        self
    }

    /// Expects any number of requests.
    pub fn any_times(mut self) -> Server {
        self.times = Times::AtLeast(0);
        self
    }

    /// Opens the gate when dropped, so that a failed test does not wait for it.
    pub fn opening(mut self, gate: &Gate) -> Server {
        self.gates.push(gate.clone());
        self
    }

    fn start(script: Script, times: Times, tls: Option<Arc<ServerConfig>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let is_tls = tls.is_some();
        let thread = std::thread::spawn(move || accept(&listener, script, tls.as_ref(), &shared));
        Server { address, is_tls, times, state, gates: Vec::new(), thread: Some(thread) }
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

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().expect("a lock").clone()
    }

    /// The chats of the requests so far, in their order.
    pub fn chats(&self) -> Vec<String> {
        self.requests().iter().map(Request::chat).collect()
    }

    /// The number of connections so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Waits until this number of requests has arrived.
    #[track_caller]
    pub fn wait_for(&self, requests: usize) {
        let seen = self.state.requests.lock().expect("a lock");
        let (seen, waited) =
            self.state.arrived.wait_timeout_while(seen, LIMIT, |seen| seen.len() < requests).expect("a lock");
        assert!(!waited.timed_out(), "{requests} requests expected, {} arrived", seen.len());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.gates.iter().for_each(Gate::open);
        self.state.ends.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts. An error means that it has ended already.
        let _ = TcpStream::connect(self.address);
        self.state.hang_up();
        let is_ok = self.thread.take().expect("dropped once").join().is_ok();
        if std::thread::panicking() {
            return;
        }
        assert!(is_ok, "the server panicked");
        let requests = self.state.requests.lock().expect("a lock");
        let (is_right, expected) = match self.times {
            Times::Exactly(times) => (requests.len() == times, format!("exactly {times}")),
            Times::AtLeast(times) => (requests.len() >= times, format!("at least {times}")),
        };
        let first = &requests[..requests.len().min(5)];
        assert!(is_right, "{expected} requests expected, {} arrived: {first:#?}", requests.len());
    }
}

fn accept(listener: &TcpListener, script: Script, tls: Option<&Arc<ServerConfig>>, state: &Arc<State>) {
    let script = Mutex::new(script);
    std::thread::scope(|scope| {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            if state.ends.load(Ordering::SeqCst) {
                break;
            }
            stream.set_nodelay(true).expect("a socket");
            // Wine may keep the connection of a killed program open.
            stream.set_read_timeout(Some(LIMIT)).expect("a socket");
            let connection = state.connections.fetch_add(1, Ordering::SeqCst);
            state.open.lock().expect("a lock").insert(connection, stream.try_clone().expect("a socket"));
            let script = &script;
            scope.spawn(move || {
                match tls {
                    None => serve(Stream::Plain(stream), script, state),
                    Some(config) => {
                        // Without a handshake there is no request.
                        if let Ok(stream) = shake_hands(stream, config) {
                            serve(stream, script, state);
                        }
                    }
                }
                // The last copy of the socket: this closes the connection.
                state.open.lock().expect("a lock").remove(&connection);
            });
        }
        // Closes connections that were accepted after the end of the test closed the others.
        state.hang_up();
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

fn serve(mut stream: Stream, script: &Mutex<Script>, state: &State) {
    let greeting = *state.greeting.lock().expect("a lock");
    if let Some(greeting) = greeting {
        // The client may be gone; the connection ends in any case.
        let _ = stream.write(greeting);
        return;
    }
    let mut unread = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut unread) {
        let answer = {
            // Recorded and answered under one lock, so that answers are in the order of the requests.
            let mut script = script.lock().expect("no script panicked");
            state.requests.lock().expect("a lock").push(seen.clone());
            state.arrived.notify_all();
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

/// Sends one part of an answer. An error ends the connection.
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
            while began.elapsed() < LIMIT {
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

/// Reads the next request; `None` if the client has closed the connection.
fn read_request(stream: &mut Stream, unread: &mut Vec<u8>) -> Option<Request> {
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
    let mut seen = Request { at: Instant::now(), method, path, headers, body: String::new() };
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
