//! Proxies that lead every connection to one server, whatever host was asked for, and remember what they saw.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What a proxy saw.
#[derive(Default)]
struct Memory {
    /// Hosts with their ports, as they were asked for.
    targets: Mutex<Vec<String>>,
    /// Every byte from the client, that of the tunnels included.
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
pub struct Tunnel {
    address: SocketAddr,
    memory: Arc<Memory>,
    thread: Option<JoinHandle<()>>,
}

impl Tunnel {
    /// A forward proxy that knows CONNECT.
    pub fn http(to: SocketAddr) -> Tunnel {
        Tunnel::start(Kind::Connect, to)
    }

    /// A SOCKS4 proxy.
    pub fn socks4(to: SocketAddr) -> Tunnel {
        Tunnel::start(Kind::Socks4, to)
    }

    /// A SOCKS5 proxy without a password.
    pub fn socks5(to: SocketAddr) -> Tunnel {
        Tunnel::start(Kind::Socks5, to)
    }

    /// A forward proxy that refuses every tunnel.
    pub fn refusing() -> Tunnel {
        Tunnel::start(Kind::Refusing, SocketAddr::from(([127, 0, 0, 1], 9)))
    }

    /// Host and port, for a proxy variable.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The hosts with their ports that were asked for.
    pub fn targets(&self) -> Vec<String> {
        self.memory.targets.lock().expect("a lock").clone()
    }

    /// Everything that the proxy could read, as text.
    pub fn saw(&self) -> String {
        String::from_utf8_lossy(&self.memory.bytes.lock().expect("a lock")).into_owned()
    }

    fn start(kind: Kind, to: SocketAddr) -> Tunnel {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let memory = Arc::new(Memory::default());
        let shared = Arc::clone(&memory);
        let thread = std::thread::spawn(move || {
            std::thread::scope(|scope| {
                for client in listener.incoming().flatten() {
                    if shared.ends.load(Ordering::SeqCst) {
                        break;
                    }
                    let memory = &shared;
                    memory.open.lock().expect("a lock").push(client.try_clone().expect("a socket"));
                    scope.spawn(move || lead(client, kind, to, memory));
                }
                shared.hang_up();
            });
        });
        Tunnel { address, memory, thread: Some(thread) }
    }
}

impl Memory {
    fn hang_up(&self) {
        for stream in self.open.lock().expect("a lock").iter() {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.memory.ends.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        self.memory.hang_up();
        let went_well = self.thread.take().expect("dropped once").join().is_ok();
        assert!(went_well || std::thread::panicking(), "the proxy panicked");
    }
}

/// Leads one client to the server. `None`: it hung up before.
fn lead(mut client: TcpStream, kind: Kind, to: SocketAddr, memory: &Memory) -> Option<()> {
    match kind {
        Kind::Connect | Kind::Refusing => {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(byte(&mut client)?);
            }
            memory.bytes.lock().expect("a lock").extend_from_slice(&head);
            let head = String::from_utf8_lossy(&head).into_owned();
            let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
            memory.targets.lock().expect("a lock").push(target);
            if !head.starts_with("CONNECT ") || matches!(kind, Kind::Refusing) {
                return client.write_all(b"HTTP/1.1 403 No Tunnel\r\nContent-Length: 0\r\n\r\n").ok();
            }
            client.write_all(b"HTTP/1.1 200 Well\r\n\r\n").ok()?;
        }
        Kind::Socks4 => {
            let request = bytes(&mut client, 8)?;
            assert_eq!(request[..2], [4, 1], "SOCKS4, connect");
            while byte(&mut client)? != 0 {}
            let port = u16::from_be_bytes([request[2], request[3]]);
            let host = request[4..].iter().map(u8::to_string).collect::<Vec<_>>().join(".");
            memory.targets.lock().expect("a lock").push(format!("{host}:{port}"));
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
            memory.targets.lock().expect("a lock").push(format!("{host}:{port}"));
            client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).ok()?;
        }
    }
    let server = TcpStream::connect(to).ok()?;
    memory.open.lock().expect("a lock").push(server.try_clone().expect("a socket"));
    std::thread::scope(|scope| {
        scope.spawn(|| pour(&server, &client, |_| {}));
        pour(&client, &server, |piece| memory.bytes.lock().expect("a lock").extend_from_slice(piece));
    });
    Some(())
}

fn pour(mut from: &TcpStream, mut to: &TcpStream, look: impl Fn(&[u8])) {
    let mut piece = [0; 4096];
    while let Ok(got @ 1..) = from.read(&mut piece) {
        look(&piece[..got]);
        if to.write_all(&piece[..got]).is_err() {
            break;
        }
    }
    // The other side may be gone already.
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
