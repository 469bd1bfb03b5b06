//! TCP under ureq: the same bytes as its own transport, with waits that a signal can end and half the system calls.
//!
//! ureq's transport sets a socket timeout before every read and write, and asks three times whether an idle
//! connection is still open. This one keeps the socket non-blocking and polls it together with the pipe of
//! [`crate::interrupt`]. It knows nothing of HTTP or TLS.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with, sockopt};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Error, Timeout};

use crate::interrupt;

/// Opens a TCP connection where no proxy has opened one.
#[derive(Debug)]
pub struct InterruptibleTcp;

impl<In: Transport> Connector<In> for InterruptibleTcp {
    type Out = Either<In, TcpTransport>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        if let Some(transport) = chained {
            return Ok(Some(Either::A(transport)));
        }
        let deadline = deadline(details.timeout);
        let mut last = Error::HostNotFound;
        for (tried, address) in details.addrs.iter().enumerate() {
            let left = (details.addrs.len() - tried) as u32;
            // A dead address must not use up the time of those behind it.
            let until = deadline.map(|deadline| {
                let now = Instant::now();
                now + deadline.saturating_duration_since(now) / left
            });
            match open(*address, until) {
                Ok(stream) => {
                    let buffers =
                        LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
                    return Ok(Some(Either::B(TcpTransport {
                        stream,
                        buffers,
                        unsent: Vec::new(),
                        answer_due: false,
                        just_read: false,
                    })));
                }
                Err(error) if error.kind() == io::ErrorKind::TimedOut => last = Error::Timeout(Timeout::Connect),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error.into()),
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }
}

fn open(address: SocketAddr, until: Option<Instant>) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket =
        socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, Some(ipproto::TCP))?;
    match connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::INPROGRESS | Errno::INTR) => {
            wait(&socket, PollFlags::OUT, until)?;
            sockopt::socket_error(&socket)??;
        }
        Err(error) => return Err(error.into()),
    }
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One connection.
#[derive(Debug)]
pub struct TcpTransport {
    stream: TcpStream,
    buffers: LazyBuffers,
    /// What is to be sent. Header and body come one by one from ureq and leave together when the answer is awaited.
    unsent: Vec<u8>,
    /// An answer cannot have come yet: waiting before the first read saves a read that finds nothing.
    answer_due: bool,
    /// The last read went well, so that the connection need not be asked whether it is open.
    just_read: bool,
}

/// Above this many unsent bytes nothing is gained by waiting for more.
const SEND_AT: usize = 16 * 1024;

impl TcpTransport {
    fn send(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        let deadline = deadline(timeout);
        let mut sent = 0;
        while sent < self.unsent.len() {
            match (&self.stream).write(&self.unsent[sent..]) {
                Ok(n) => sent += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    timed(wait(&self.stream, PollFlags::OUT, deadline), timeout)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.unsent.clear();
        self.answer_due = true;
        Ok(())
    }
}

impl Transport for TcpTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.unsent.extend_from_slice(&self.buffers.output()[..amount]);
        if self.unsent.len() >= SEND_AT {
            self.send(timeout)?;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if !self.unsent.is_empty() {
            self.send(timeout)?;
        }
        let deadline = deadline(timeout);
        let room = self.buffers.input_append_buf();
        if room.is_empty() {
            return Err(Error::LargeResponseHeader(usize::MAX, super::INPUT_BUFFER));
        }
        self.just_read = false;
        loop {
            if std::mem::take(&mut self.answer_due) {
                timed(wait(&self.stream, PollFlags::IN, deadline), timeout)?;
            }
            match (&self.stream).read(room) {
                Ok(amount) => {
                    self.buffers.input_appended(amount);
                    self.just_read = amount > 0;
                    return Ok(amount > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.answer_due = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        if std::mem::take(&mut self.just_read) {
            return true;
        }
        // Idle: nothing may have come, neither bytes nor an end.
        matches!(self.stream.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// Waits for the socket. An interrupted run lets a call go on until the cut-off.
fn wait(socket: impl AsFd, flags: PollFlags, until: Option<Instant>) -> io::Result<()> {
    if interrupt::wait_for(socket.as_fd(), flags, until, interrupt::GRACE)? {
        return Ok(());
    }
    let over = until.is_some_and(|until| until <= Instant::now());
    Err(if over { io::ErrorKind::TimedOut } else { io::ErrorKind::Interrupted }.into())
}

fn timed(result: io::Result<()>, timeout: NextTimeout) -> Result<(), Error> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => Error::Io(error),
    })
}

fn deadline(timeout: NextTimeout) -> Option<Instant> {
    let after: Duration = *timeout.after;
    Instant::now().checked_add(after)
}

/// Notes that a connection is about to be opened, whatever becomes of it: one that breaks before a proxy or TLS is done
/// with it is no stale one either. The first link of the chain.
#[derive(Debug)]
pub struct Opening;

impl Connector for Opening {
    type Out = ();

    fn connect(&self, _: &ConnectionDetails, _: Option<()>) -> Result<Option<()>, Error> {
        super::IS_FRESH.set(true);
        Ok(None)
    }
}

/// Watches every connection, whichever way it was opened, for the first byte of an answer. The last link of the chain.
#[derive(Debug)]
pub struct Watch;

impl<In: Transport> Connector<In> for Watch {
    type Out = Watched<In>;

    fn connect(&self, _: &ConnectionDetails, chained: Option<In>) -> Result<Option<Watched<In>>, Error> {
        Ok(chained.map(Watched))
    }
}

/// A watched connection.
#[derive(Debug)]
pub struct Watched<T>(T);

impl<T: Transport> Transport for Watched<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let came = self.0.await_input(timeout)?;
        if came {
            super::HAS_ANSWERED.set(true);
        }
        Ok(came)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}
