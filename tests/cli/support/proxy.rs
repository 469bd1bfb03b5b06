//! Proxies that connect every client to one server, whatever the target is, and record what they receive.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What a proxy recorded, and its open connections.
#[derive(Default)]
struct State {
    /// The targets with their ports, as the clients named them.
    targets: Mutex<Vec<String>>,
    /// Every byte of the clients, inside of tunnels too.
    bytes: Mutex<Vec<u8>>,
    ends: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

#[derive(Clone, Copy)]
enum Kind {
    Connect,
    Socks4,
    Socks5,
    Refusing,
}

/// A proxy. It stops when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// An HTTP proxy with CONNECT.
    pub fn http(to: SocketAddr) -> Proxy {
        Proxy::start(Kind::Connect, to)
    }

    /// A SOCKS4 proxy.
    pub fn socks4(to: SocketAddr) -> Proxy {
        Proxy::start(Kind::Socks4, to)
    }

    /// A SOCKS5 proxy without a password.
    pub fn socks5(to: SocketAddr) -> Proxy {
        Proxy::start(Kind::Socks5, to)
    }

    /// An HTTP proxy that refuses every tunnel.
    pub fn refusing() -> Proxy {
        Proxy::start(Kind::Refusing, SocketAddr::from(([127, 0, 0, 1], 9)))
    }

    /// Its address, for a proxy variable.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The targets with their ports, as the clients named them.
    pub fn targets(&self) -> Vec<String> {
        self.state.targets.lock().expect("a lock").clone()
    }

    /// Every byte of the clients, as text.
    pub fn received(&self) -> String {
        String::from_utf8_lossy(&self.state.bytes.lock().expect("a lock")).into_owned()
    }

    fn start(kind: Kind, to: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            std::thread::scope(|scope| {
                for client in listener.incoming().flatten() {
                    if shared.ends.load(Ordering::SeqCst) {
                        break;
                    }
                    let state = &shared;
                    state.open.lock().expect("a lock").push(client.try_clone().expect("a socket"));
                    scope.spawn(move || serve(client, kind, to, state));
                }
                shared.hang_up();
            });
        });
        Proxy { address, state, thread: Some(thread) }
    }
}

impl State {
    fn hang_up(&self) {
        for stream in self.open.lock().expect("a lock").iter() {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ends.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        self.state.hang_up();
        let is_ok = self.thread.take().expect("dropped once").join().is_ok();
        assert!(is_ok || std::thread::panicking(), "the proxy panicked");
    }
}

/// Connects one client to the server. `None` if either closes the connection before.
fn serve(mut client: TcpStream, kind: Kind, to: SocketAddr, state: &State) -> Option<()> {
    match kind {
        Kind::Connect | Kind::Refusing => {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(byte(&mut client)?);
            }
            state.bytes.lock().expect("a lock").extend_from_slice(&head);
            let head = String::from_utf8_lossy(&head).into_owned();
            let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
            state.targets.lock().expect("a lock").push(target);
            if !head.starts_with("CONNECT ") || matches!(kind, Kind::Refusing) {
                return client.write_all(b"HTTP/1.1 403 No Proxy\r\nContent-Length: 0\r\n\r\n").ok();
            }
            client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").ok()?;
        }
        Kind::Socks4 => {
            let request = bytes(&mut client, 8)?;
            assert_eq!(request[..2], [4, 1], "SOCKS4, connect");
            while byte(&mut client)? != 0 {}
            let port = u16::from_be_bytes([request[2], request[3]]);
            let host = request[4..].iter().map(u8::to_string).collect::<Vec<_>>().join(".");
            state.targets.lock().expect("a lock").push(format!("{host}:{port}"));
            client.write_all(&[0, 90, 0, 0, 0, 0, 0, 0]).ok()?;
        }
        Kind::Socks5 => {
            let greeting = bytes(&mut client, 2)?;
            assert_eq!(greeting[0], 5, "SOCKS5");
            bytes(&mut client, greeting[1].into())?;
            client.write_all(&[5, 0]).ok()?;
            let request = bytes(&mut client, 4)?;
            let host = match request[3] {
                1 => bytes(&mut client, 4)?.iter().map(u8::to_string).collect::<Vec<_>>().join("."),
                3 => {
                    let length = byte(&mut client)?;
                    String::from_utf8_lossy(&bytes(&mut client, length.into())?).into_owned()
                }
                _ => bytes(&mut client, 16)?.iter().map(|b| format!("{b:02x}")).collect(),
            };
            let port = bytes(&mut client, 2)?;
            let port = u16::from_be_bytes([port[0], port[1]]);
            state.targets.lock().expect("a lock").push(format!("{host}:{port}"));
            client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).ok()?;
        }
    }
    let server = TcpStream::connect(to).ok()?;
    state.open.lock().expect("a lock").push(server.try_clone().expect("a socket"));
    std::thread::scope(|scope| {
        scope.spawn(|| copy(&server, &client, |_| {}));
        copy(&client, &server, |piece| state.bytes.lock().expect("a lock").extend_from_slice(piece));
    });
    Some(())
}

fn copy(mut from: &TcpStream, mut to: &TcpStream, record: impl Fn(&[u8])) {
    let mut piece = [0; 4096];
    while let Ok(got @ 1..) = from.read(&mut piece) {
        record(&piece[..got]);
        if to.write_all(&piece[..got]).is_err() {
            break;
        }
    }
    // Either may be closed already.
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

fn byte(stream: &mut TcpStream) -> Option<u8> {
    bytes(stream, 1).map(|bytes| bytes[0])
}

fn bytes(stream: &mut TcpStream, count: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).ok().map(|()| bytes)
}
