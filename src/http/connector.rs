//! Two connectors around ureq's: one tries the addresses of a name in short rounds; the other distinguishes a
//! kept-alive connection that the server has closed from one that breaks in the middle of an answer.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, TcpConnector, Transport};
use ureq::{Error, Timeout};

/// How long each address is tried in the first round. Later rounds take four times as long each.
const FIRST_ROUND: Duration = Duration::from_millis(250);
/// Addresses that are remembered as good. One run talks to a handful of hosts.
const MOST_REMEMBERED: usize = 64;

thread_local! {
    /// How long this thread has looked up the name that it connects to: `--connect-timeout` includes that.
    pub static LOOK_UP_TIME: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Opens a TCP connection to one address after the other, so that a dead one does not use up the time of the others.
/// The address that worked is tried first from then on.
#[derive(Debug, Default)]
pub struct EachAddress {
    tcp: TcpConnector,
    good: Mutex<Vec<SocketAddr>>,
}

impl EachAddress {
    /// The addresses, the ones that have worked before first.
    fn in_order(&self, details: &ConnectionDetails) -> Vec<SocketAddr> {
        let good = self.good();
        let mut addresses = details.addrs.to_vec();
        addresses.sort_by_key(|address| !good.contains(address));
        addresses
    }

    fn remember(&self, address: SocketAddr) {
        let mut good = self.good();
        if !good.contains(&address) && good.len() < MOST_REMEMBERED {
            good.push(address);
        }
    }

    fn good(&self) -> MutexGuard<'_, Vec<SocketAddr>> {
        self.good.lock().expect("no holder of this lock panics")
    }

    fn connect_to<In: Transport>(
        &self,
        address: SocketAddr,
        timeout: Duration,
        details: &ConnectionDetails,
    ) -> Result<Option<<TcpConnector as Connector<In>>::Out>, Error> {
        let mut addrs = details.resolver.empty();
        addrs.push(address);
        let timeout = NextTimeout { after: timeout.into(), ..details.timeout };
        self.tcp.connect(
            &ConnectionDetails {
                uri: details.uri,
                addrs,
                config: details.config,
                request_level: details.request_level,
                resolver: details.resolver,
                now: (details.current_time)(),
                timeout,
                current_time: details.current_time.clone(),
                run_connector: details.run_connector.clone(),
                register_shutdown: details.register_shutdown.clone(),
            },
            None,
        )
    }
}

impl<In: Transport> Connector<In> for EachAddress {
    type Out = <TcpConnector as Connector<In>>::Out;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        if chained.is_some() {
            return self.tcp.connect(details, chained);
        }
        let began = Instant::now();
        let limit = details.timeout.after.saturating_sub(LOOK_UP_TIME.take());
        let addresses = self.in_order(details);
        let mut round = FIRST_ROUND;
        loop {
            let mut last = Error::Timeout(Timeout::Connect);
            let mut has_timed_out = false;
            for &address in &addresses {
                let left = limit.saturating_sub(began.elapsed());
                if left.is_zero() {
                    return Err(Error::Timeout(Timeout::Connect));
                }
                let timeout = if addresses.len() == 1 { left } else { left.min(round) };
                match self.connect_to(address, timeout, details) {
                    Ok(connection) => {
                        self.remember(address);
                        return Ok(connection);
                    }
                    Err(Error::Timeout(_)) => has_timed_out = true,
                    Err(error) => last = error,
                }
                self.good().retain(|other| *other != address);
            }
            if !has_timed_out || addresses.is_empty() {
                return Err(last);
            }
            round *= 4;
        }
    }
}

thread_local! {
    /// Whether the call on this thread was sent over a connection that was used before, and no byte of its answer has
    /// arrived. ureq does not report this.
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

/// A connection, and whether an answer has arrived on it.
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

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use ureq::config::Config;
    use ureq::http::Uri;
    use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};

    use super::*;

    /// Resolves every name to these addresses, and reports this time for the look-up.
    #[derive(Debug)]
    struct Addresses(Vec<SocketAddr>, Duration);

    impl Resolver for Addresses {
        fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
            let mut found = self.empty();
            self.0.iter().for_each(|address| found.push(*address));
            LOOK_UP_TIME.set(self.1);
            Ok(found)
        }
    }

    /// An address that does not answer while the listener and the streams exist: its queue of connections is full.
    fn dead_address() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        socket2::SockRef::from(&listener).listen(0).expect("a queue of length 0");
        let address = listener.local_addr().expect("an address");
        let fill = |()| TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
        (listener, std::iter::repeat(()).map_while(fill).collect(), address)
    }

    #[test]
    fn a_dead_first_address_costs_a_quarter_of_a_second_once() {
        let (_listener, _filled, dead) = dead_address();
        let server =
            crate::testing::Server::start([crate::testing::answer(200, b""), crate::testing::answer(200, b"")]);
        let live: SocketAddr = server.url().trim_start_matches("http://").parse().expect("an address");
        let config = Config::builder().timeout_connect(Some(Duration::from_secs(10))).build();
        let chain = ().chain(EachAddress::default());
        let agent = ureq::Agent::with_parts(config, chain, Addresses(vec![dead, live], Duration::ZERO));
        let took = || {
            let began = Instant::now();
            agent.get(format!("http://two.example:{}/", live.port())).call().expect("an answer");
            began.elapsed()
        };
        let (first, second) = (took(), took());
        assert!(first >= FIRST_ROUND && first < Duration::from_secs(4), "{first:?}");
        assert!(second < FIRST_ROUND, "the address that worked is tried first: {second:?}");
        server.requests();
    }

    #[test]
    fn an_address_that_refuses_is_followed_by_the_next_and_the_last_reason_is_given() {
        let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let chain = ().chain(EachAddress::default());
        let agent = ureq::Agent::with_parts(Config::default(), chain, Addresses(vec![closed, closed], Duration::ZERO));
        let error = agent.get("http://two.example/").call().expect_err("refused");
        assert!(matches!(&error, Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused), "{error}");
    }

    #[test]
    fn the_look_up_is_part_of_the_time_to_connect() {
        let (_listener, _filled, dead) = dead_address();
        let config = Config::builder().timeout_connect(Some(Duration::from_secs(10))).build();
        let addresses = Addresses(vec![dead], Duration::from_millis(9800));
        let agent = ureq::Agent::with_parts(config, ().chain(EachAddress::default()), addresses);
        let began = Instant::now();
        let error = agent.get(format!("http://two.example:{}/", dead.port())).call().expect_err("no answer");
        assert!(matches!(error, Error::Timeout(Timeout::Connect)), "{error}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}
