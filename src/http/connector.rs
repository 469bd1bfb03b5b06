//! Tells a kept-alive connection that the server has closed from one that breaks in the middle of an answer.

use std::cell::Cell;

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

thread_local! {
    /// Whether the call on this thread was sent over a connection that had been used before, and no byte of its answer
    /// has come. ureq has no other way to tell.
    pub static IS_STALE: Cell<bool> = const { Cell::new(false) };
}

/// The last connector of the chain.
#[derive(Debug)]
pub struct WatchReuse;

impl<In: Transport> Connector<In> for WatchReuse {
    type Out = Watched<In>;

    fn connect(&self, _: &ConnectionDetails, chained: Option<In>) -> Result<Option<Watched<In>>, Error> {
        Ok(chained.map(|connection| Watched { connection, is_used: false }))
    }
}

/// A connection, and whether an answer has come over it.
#[derive(Debug)]
pub struct Watched<T> {
    connection: T,
    is_used: bool,
}

impl<T: Transport> Transport for Watched<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.connection.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        IS_STALE.set(self.is_used);
        self.connection.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let has_come = self.connection.await_input(timeout)?;
        if has_come {
            self.is_used = true;
            IS_STALE.set(false);
        }
        Ok(has_come)
    }

    fn is_open(&mut self) -> bool {
        self.connection.is_open()
    }

    fn is_tls(&self) -> bool {
        self.connection.is_tls()
    }
}
