//! The dedicated links to the peers.

mod interface;
mod udp;

pub use interface::{Change, Interface, InterfaceWatch, WatchRead};
pub use udp::{Checksum, UdpLink, UdpSpec};

use std::io;
use std::net::IpAddr;

use engine::input::LinkState;

/// Largest payload of a UDP datagram over IPv4 in bytes.
const UDP_PAYLOAD_LEN_MAX: u32 = 65_507;

/// What the operator chose for one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSpec {
    /// Name of its interface.
    pub interface: String,
    /// How it carries messages.
    pub transport: TransportSpec,
}

/// How a link carries messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportSpec {
    /// Unicast datagrams.
    Udp(UdpSpec),
}

/// Why a link could not be opened; the caller knows which one and where it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is no such interface.
    #[error("interface `{name}` does not exist")]
    NoInterface {
        /// Its name.
        name: String,
    },
    /// The local address belongs to another machine.
    #[error("address {address} is not on this machine")]
    AddressNotLocal {
        /// The address.
        address: IpAddr,
    },
    /// Somebody else receives there.
    #[error("port {port} of {address} is in use by another program")]
    PortInUse {
        /// The local address.
        address: IpAddr,
        /// The port.
        port: u16,
    },
    /// One address is IPv4, the other IPv6.
    #[error("{local} and {peer} are of different families")]
    MixedFamilies {
        /// The local address.
        local: IpAddr,
        /// The peer's.
        peer: IpAddr,
    },
    /// The process may not do that.
    #[error("no permission to {operation}: CAP_NET_ADMIN is needed")]
    NoPermission {
        /// What was tried.
        operation: &'static str,
    },
    /// Anything else.
    #[error("cannot {operation}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl LinkError {
    /// Returns a closure for `map_err` that names the operation.
    fn at(operation: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| {
            if source.kind() == io::ErrorKind::PermissionDenied {
                Self::NoPermission { operation }
            } else {
                Self::Io { operation, source }
            }
        }
    }
}

/// Counters of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// What left.
    pub sent: DirectionCounters,
    /// What arrived.
    pub received: DirectionCounters,
}

/// Counters of one direction of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionCounters {
    /// Payload bytes.
    pub bytes: u64,
    /// Datagrams.
    pub packets: u64,
    /// Failed calls.
    pub errors: u64,
}

impl DirectionCounters {
    fn count(&mut self, len: usize) {
        self.bytes = self.bytes.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        self.packets = self.packets.saturating_add(1);
    }

    const fn count_error(&mut self) {
        self.errors = self.errors.saturating_add(1);
    }
}

/// A link that is open.
#[derive(Debug)]
pub struct Link {
    interface: String,
    state: LinkState,
    transport: Transport,
}

/// The transports; each has its own sockets and counters.
#[derive(Debug)]
enum Transport {
    Udp(UdpLink),
}

/// What became of a datagram that was handed over.
#[derive(Debug)]
pub enum Sent {
    /// It left; here is its buffer.
    Now(Vec<u8>),
    /// It waits for room in the socket's buffer.
    Later,
    /// It could not be sent; here is its buffer.
    Failed(Vec<u8>, io::Error),
}

/// Whether a read found the end of what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readable {
    /// There is nothing more for the present.
    Drained,
    /// There may be more.
    MayBeMore,
}

impl Link {
    /// Opens the sockets of one link.
    ///
    /// # Errors
    /// When the interface is missing or a socket cannot be made.
    pub fn open(spec: &LinkSpec) -> Result<Self, LinkError> {
        let interface = Interface::find(&spec.interface)
            .map_err(LinkError::at("ask for interfaces"))?
            .ok_or_else(|| LinkError::NoInterface {
                name: spec.interface.clone(),
            })?;
        let transport = match &spec.transport {
            TransportSpec::Udp(udp) => Transport::Udp(UdpLink::open(udp, interface.index)?),
        };
        let state = link_state(&transport, Some(interface));
        Ok(Self {
            interface: spec.interface.clone(),
            state,
            transport,
        })
    }

    /// Returns the name of the interface.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Returns the state of the interface as last told.
    #[must_use]
    pub const fn state(&self) -> LinkState {
        self.state
    }

    /// Returns the counters.
    #[must_use]
    pub const fn counters(&self) -> LinkCounters {
        match &self.transport {
            Transport::Udp(udp) => udp.counters(),
        }
    }

    /// Takes note of news about an interface; returns the new state if this link's changed.
    pub fn note(&mut self, change: &Change) -> Option<LinkState> {
        if change.name != self.interface {
            return None;
        }
        let state = link_state(&self.transport, change.interface);
        (state != self.state).then(|| {
            self.state = state;
            state
        })
    }

    /// Sends one datagram, or keeps it until there is room.
    pub fn send(&mut self, datagram: Vec<u8>) -> Sent {
        match &mut self.transport {
            Transport::Udp(udp) => udp.send(datagram),
        }
    }

    /// Sends what was kept for lack of room; call when the sender is writable.
    pub fn flush(&mut self, each: impl FnMut(Sent)) {
        match &mut self.transport {
            Transport::Udp(udp) => udp.flush(each),
        }
    }

    /// Returns how many datagrams wait for room.
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        match &self.transport {
            Transport::Udp(udp) => udp.n_waiting(),
        }
    }

    /// Receives about as many datagrams as asked for, and hands on each with its source.
    pub fn receive(&mut self, n_datagrams: usize, each: impl FnMut(IpAddr, &[u8])) -> Readable {
        match &mut self.transport {
            Transport::Udp(udp) => udp.receive(n_datagrams, each),
        }
    }

    /// Returns the size of the receive buffer in bytes, as the kernel reports it.
    #[must_use]
    pub const fn receive_buffer_len(&self) -> usize {
        match &self.transport {
            Transport::Udp(udp) => udp.receive_buffer_len(),
        }
    }

    /// Returns the file descriptor that becomes readable.
    #[must_use]
    pub fn receiver_fd(&self) -> std::os::fd::RawFd {
        match &self.transport {
            Transport::Udp(udp) => udp.receiver_fd(),
        }
    }

    /// Returns the file descriptor that becomes writable.
    #[must_use]
    pub fn sender_fd(&self) -> std::os::fd::RawFd {
        match &self.transport {
            Transport::Udp(udp) => udp.sender_fd(),
        }
    }
}

/// Returns the state of a link over this interface; a missing interface is down.
fn link_state(transport: &Transport, interface: Option<Interface>) -> LinkState {
    let header_len = match transport {
        Transport::Udp(udp) => udp.header_len(),
    };
    let mtu = interface.map_or(0, |interface| interface.mtu);
    let payload_len_max = mtu.saturating_sub(header_len).min(UDP_PAYLOAD_LEN_MAX);
    LinkState {
        is_up: interface.is_some_and(|interface| interface.is_up),
        is_running: interface.is_some_and(|interface| interface.is_running),
        payload_len_max: u16::try_from(payload_len_max).unwrap_or(u16::MAX),
    }
}
