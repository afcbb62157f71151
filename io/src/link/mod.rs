//! The dedicated links to the peers.

mod address;
mod counters;
mod datagram;
mod error;
mod interface;
mod multicast;
mod socket;
mod udp;

pub use address::{LocalAddress, local_addresses};
pub use counters::{DirectionCounters, LinkCounters};
pub use error::LinkError;
pub use interface::{Change, Interface, InterfaceWatch, WatchRead};
pub use multicast::{Group, MulticastSpec};
pub use udp::UdpSpec;

use std::io;
use std::net::IpAddr;

use engine::input::LinkState;

use crate::control::statistics;
use datagram::Datagrams;

/// Largest payload of a UDP datagram over IPv4 in bytes.
const UDP_PAYLOAD_LEN_MAX: u32 = 65_507;

/// What the operator chose for one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSpec {
    /// Its interface.
    pub interface: InterfaceSpec,
    /// How it carries messages.
    pub transport: TransportSpec,
    /// The sizes of its buffers.
    pub buffers: Buffers,
}

/// How a link finds its interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterfaceSpec {
    /// By name.
    Named(String),
    /// By an address that it carries when the link is opened.
    Carrying(IpAddr),
}

/// How a link carries messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportSpec {
    /// Unicast datagrams.
    Udp(UdpSpec),
    /// Datagrams to a group.
    Multicast(MulticastSpec),
}

/// Sizes of socket buffers in bytes, where they are not the system's (`SndSocketBuffer`,
/// `RcvSocketBuffer`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffers {
    /// Of what sends.
    pub send_len: Option<u32>,
    /// Of what receives.
    pub receive_len: Option<u32>,
}

/// Whether datagrams carry a checksum (`Checksum`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// They do.
    On,
    /// They do not, over IPv4; over IPv6 they always do.
    Off,
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
    Udp(Datagrams),
    Multicast(Datagrams),
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
        let (name, interface) = find_interface(&spec.interface)?;
        let transport = match &spec.transport {
            TransportSpec::Udp(udp) => Transport::Udp(udp::open(udp, interface.index, spec.buffers)?),
            TransportSpec::Multicast(multicast) => {
                Transport::Multicast(multicast::open(multicast, interface.index, spec.buffers)?)
            }
        };
        let state = link_state(&transport, Some(interface));
        Ok(Self {
            interface: name,
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

    /// Returns what `-s` shows of the transport.
    #[must_use]
    pub const fn transport(&self) -> statistics::Transport {
        match &self.transport {
            Transport::Udp(_) => statistics::Transport::Udp,
            Transport::Multicast(_) => statistics::Transport::Multicast,
        }
    }

    /// Returns the counters.
    #[must_use]
    pub const fn counters(&self) -> LinkCounters {
        match &self.transport {
            Transport::Udp(datagrams) | Transport::Multicast(datagrams) => datagrams.counters(),
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
            Transport::Udp(datagrams) | Transport::Multicast(datagrams) => datagrams.send(datagram),
        }
    }

    /// Sends what was kept for lack of room; call when the sender is writable.
    pub fn flush(&mut self, each: impl FnMut(Sent)) {
        match &mut self.transport {
            Transport::Udp(datagrams) | Transport::Multicast(datagrams) => datagrams.flush(each),
        }
    }

    /// Returns how many datagrams wait for room.
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        match &self.transport {
            Transport::Udp(datagrams) | Transport::Multicast(datagrams) => datagrams.n_waiting(),
        }
    }

    /// Receives about as many datagrams as asked for, and hands on each with its source.
    pub fn receive(&mut self, n_datagrams: usize, each: impl FnMut(IpAddr, &[u8])) -> Readable {
        match &mut self.transport {
            Transport::Udp(datagrams) | Transport::Multicast(datagrams) => {
                datagrams.receive(n_datagrams, each)
            }
        }
    }

    /// Returns the size of the receive buffer in bytes, as the kernel reports it.
    #[must_use]
    pub const fn receive_buffer_len(&self) -> usize {
        match &self.transport {
            Transport::Udp(datagrams) | Transport::Multicast(datagrams) => datagrams.receive_buffer_len(),
        }
    }

    /// Returns the file descriptor that becomes readable.
    #[must_use]
    pub fn receiver_fd(&self) -> std::os::fd::RawFd {
        match &self.transport {
            Transport::Udp(datagrams) | Transport::Multicast(datagrams) => datagrams.receiver_fd(),
        }
    }

    /// Returns the file descriptor that becomes writable.
    #[must_use]
    pub fn sender_fd(&self) -> std::os::fd::RawFd {
        match &self.transport {
            Transport::Udp(datagrams) | Transport::Multicast(datagrams) => datagrams.sender_fd(),
        }
    }
}

/// Returns the state of a link over this interface; a missing interface is down.
fn link_state(transport: &Transport, interface: Option<Interface>) -> LinkState {
    let header_len = match transport {
        Transport::Udp(datagrams) | Transport::Multicast(datagrams) => datagrams.header_len(),
    };
    let mtu = interface.map_or(0, |interface| interface.mtu);
    let payload_len_max = mtu.saturating_sub(header_len).min(UDP_PAYLOAD_LEN_MAX);
    LinkState {
        is_up: interface.is_some_and(|interface| interface.is_up),
        is_running: interface.is_some_and(|interface| interface.is_running),
        payload_len_max: u16::try_from(payload_len_max).unwrap_or(u16::MAX),
    }
}

/// Returns name and state of the interface that is meant.
fn find_interface(spec: &InterfaceSpec) -> Result<(String, Interface), LinkError> {
    let failed = LinkError::at("ask for interfaces");
    let name = match spec {
        InterfaceSpec::Named(name) => name.clone(),
        InterfaceSpec::Carrying(address) => {
            let carrier = Interface::carrying(*address).map_err(&failed)?;
            carrier.ok_or(LinkError::NoCarrier { address: *address })?
        }
    };
    match Interface::find(&name).map_err(failed)? {
        Some(interface) => Ok((name, interface)),
        None => Err(LinkError::NoInterface { name }),
    }
}

/// Refuses a link whose ends cannot talk to each other.
fn check_families(local: IpAddr, peer: IpAddr) -> Result<(), LinkError> {
    if local.is_ipv4() == peer.is_ipv4() {
        Ok(())
    } else {
        Err(LinkError::MixedFamilies { local, peer })
    }
}
