//! The dedicated links to the peers.

mod address;
mod counters;
mod datagram;
mod datagram_link;
mod error;
mod interface;
mod multicast;
mod socket;
mod tcp;
mod udp;

pub use address::{LocalAddress, local_addresses};
pub use counters::{DirectionCounters, LinkCounters};
pub use error::LinkError;
pub use interface::{Change, Interface, InterfaceWatch, WatchRead};
pub use multicast::{Group, MulticastSpec};
pub use tcp::{ErrorQueue, TcpSpec};
pub use udp::UdpSpec;

use std::io;
use std::net::IpAddr;
use std::os::fd::RawFd;

use engine::config::Reach;
use engine::input::LinkState;
use engine::time::Instant;
use mio::{Registry, Token};

use crate::control::statistics::{self, TcpConnection};
use datagram_link::{DatagramLink, DatagramSpec};
use tcp::TcpLink;

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
    /// A connection in each direction.
    Tcp(TcpSpec),
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
    Udp(DatagramLink),
    Multicast(DatagramLink),
    Tcp(TcpLink),
}

/// What became of a payload that was handed over.
#[derive(Debug)]
pub enum Sent {
    /// It left; here is its buffer.
    Now(Vec<u8>),
    /// It waits for room in the socket's buffer, or for a connection.
    Later,
    /// It could not be sent, or waited for so long that it gave way to others; here is its buffer.
    Failed(Vec<u8>, io::Error),
}

/// Something about a link's sockets that an operator should be told.
#[derive(Debug)]
pub enum LinkNews {
    /// The connection to the peer stands.
    Connected,
    /// It cannot be made; told once until it stands.
    Refused(io::Error),
    /// It has ended.
    Lost(io::Error),
    /// The interface was made again, and the sockets opened on it.
    Reopened,
    /// They cannot be opened on it; told once until they are.
    NotReopened(LinkError),
}

/// What came of driving a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driven {
    /// It receives as before.
    AsBefore,
    /// It receives by another socket, which the poll watches and which may hold something already.
    NewReceiver,
}

/// Names of a link's sockets in the events of the poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// What is read.
    pub receiver: Token,
    /// What is written to.
    pub sender: Token,
    /// Where the peer connects to.
    pub listener: Token,
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
        let datagram_link = |datagrams| DatagramLink::open(datagrams, interface.index, spec.buffers);
        let transport = match &spec.transport {
            TransportSpec::Udp(udp) => Transport::Udp(datagram_link(DatagramSpec::Udp(*udp))?),
            TransportSpec::Multicast(multicast) => {
                Transport::Multicast(datagram_link(DatagramSpec::Multicast(*multicast))?)
            }
            TransportSpec::Tcp(tcp) => Transport::Tcp(TcpLink::open(tcp, interface.index, spec.buffers)?),
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

    /// Returns whom it reaches.
    #[must_use]
    pub const fn reach(&self) -> Reach {
        match &self.transport {
            Transport::Udp(_) | Transport::Tcp(_) => Reach::Peer,
            Transport::Multicast(_) => Reach::Group,
        }
    }

    /// Returns what `-s` shows of the transport.
    #[must_use]
    pub const fn transport(&self) -> statistics::Transport {
        match &self.transport {
            Transport::Udp(_) => statistics::Transport::Udp,
            Transport::Multicast(_) => statistics::Transport::Multicast,
            Transport::Tcp(tcp) => statistics::Transport::Tcp {
                server: connection(tcp.has_incoming()),
                client: connection(tcp.is_connected()),
            },
        }
    }

    /// Returns the counters.
    #[must_use]
    pub const fn counters(&self) -> LinkCounters {
        match &self.transport {
            Transport::Udp(link) | Transport::Multicast(link) => link.datagrams().counters(),
            Transport::Tcp(tcp) => tcp.counters(),
        }
    }

    /// Takes note of news about an interface; returns the new state if this link's changed.
    pub fn note(&mut self, change: &Change) -> Option<LinkState> {
        if change.name != self.interface {
            return None;
        }
        if let (Transport::Udp(link) | Transport::Multicast(link), Some(interface)) =
            (&mut self.transport, change.interface)
        {
            link.note_index(interface.index);
        }
        let state = link_state(&self.transport, change.interface);
        (state != self.state).then(|| {
            self.state = state;
            state
        })
    }

    /// Has the poll watch what is received; a TCP link also has it watch its other sockets.
    ///
    /// # Errors
    /// When the poll refuses.
    pub fn watch(&mut self, registry: &Registry, tokens: Tokens) -> io::Result<()> {
        match &mut self.transport {
            Transport::Udp(link) | Transport::Multicast(link) => link.watch(registry, tokens.receiver),
            Transport::Tcp(tcp) => tcp.watch(registry, tokens),
        }
    }

    /// The poll says that something happened to a socket other than the receiver.
    pub fn wake(&mut self, token: Token) {
        match &mut self.transport {
            // What waits is tried in every turn, and the poll only has to end the sleep.
            Transport::Udp(_) | Transport::Multicast(_) => {}
            Transport::Tcp(tcp) => tcp.wake(token),
        }
    }

    /// Returns when to [drive](Self::drive) the link if the poll does not wake us before.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        match &self.transport {
            Transport::Udp(link) | Transport::Multicast(link) => link.deadline(),
            Transport::Tcp(tcp) => tcp.deadline(),
        }
    }

    /// Does what is due besides receiving: sends what was kept, makes and takes connections, and opens
    /// sockets anew on an interface that was made again.
    pub fn drive(&mut self, now: Instant, each: impl FnMut(Sent)) -> Driven {
        match &mut self.transport {
            Transport::Udp(link) | Transport::Multicast(link) => link.drive(now, each),
            Transport::Tcp(tcp) => tcp.drive(now, each),
        }
    }

    /// Sends one payload, or keeps it until it can be sent.
    pub fn send(&mut self, payload: Vec<u8>) -> Sent {
        match &mut self.transport {
            Transport::Udp(link) | Transport::Multicast(link) => link.datagrams_mut().send(payload),
            Transport::Tcp(tcp) => tcp.send(payload),
        }
    }

    /// Passes what waits for a connection on to the link that is used in place of this one, unless this
    /// one has a connection and that one has none.
    pub fn hand_over(&mut self, successor: &mut Self) {
        if let (Transport::Tcp(tcp), Transport::Tcp(successor)) =
            (&mut self.transport, &mut successor.transport)
            && (successor.is_connected() || !tcp.is_connected())
        {
            successor.adopt(tcp.take_waiting());
        }
    }

    /// Returns how many payloads wait and will soon be sent.
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        match &self.transport {
            Transport::Udp(link) | Transport::Multicast(link) => link.datagrams().n_waiting(),
            Transport::Tcp(tcp) => tcp.n_waiting(),
        }
    }

    /// Returns the queue of what could not be sent, of a TCP link.
    #[must_use]
    pub fn error_queue(&self) -> Option<ErrorQueue> {
        match &self.transport {
            Transport::Udp(_) | Transport::Multicast(_) => None,
            Transport::Tcp(tcp) => Some(tcp.error_queue()),
        }
    }

    /// Returns what happened to the sockets and was not told before.
    pub const fn take_news(&mut self) -> Option<LinkNews> {
        match &mut self.transport {
            Transport::Udp(link) | Transport::Multicast(link) => link.take_news(),
            Transport::Tcp(tcp) => tcp.take_news(),
        }
    }

    /// Receives about as many payloads as asked for, and hands on each with its source.
    pub fn receive(&mut self, n_payloads: usize, each: impl FnMut(IpAddr, &[u8])) -> Readable {
        match &mut self.transport {
            Transport::Udp(link) | Transport::Multicast(link) => {
                link.datagrams_mut().receive(n_payloads, each)
            }
            Transport::Tcp(tcp) => tcp.receive(n_payloads, each),
        }
    }

    /// Returns the size of the receive buffer in bytes, as the kernel reports it.
    #[must_use]
    pub fn receive_buffer_len(&self) -> usize {
        match &self.transport {
            Transport::Udp(link) | Transport::Multicast(link) => link.datagrams().receive_buffer_len(),
            Transport::Tcp(tcp) => tcp.receive_buffer_len(),
        }
    }

    /// Returns the file descriptor that becomes readable, if there is one at present.
    #[must_use]
    pub fn receiver_fd(&self) -> Option<RawFd> {
        match &self.transport {
            Transport::Udp(link) | Transport::Multicast(link) => Some(link.datagrams().receiver_fd()),
            Transport::Tcp(tcp) => tcp.receiver_fd(),
        }
    }

    /// Returns the file descriptor that becomes writable, if the caller has to have the poll watch it.
    #[must_use]
    pub fn sender_fd(&self) -> Option<RawFd> {
        match &self.transport {
            Transport::Udp(link) | Transport::Multicast(link) => Some(link.datagrams().sender_fd()),
            Transport::Tcp(_) => None,
        }
    }
}

/// Returns the state of a link over this interface; a missing interface is down.
fn link_state(transport: &Transport, interface: Option<Interface>) -> LinkState {
    let header_len = match transport {
        Transport::Udp(link) | Transport::Multicast(link) => link.datagrams().header_len(),
        Transport::Tcp(tcp) => tcp.header_len(),
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

const fn connection(is_connected: bool) -> TcpConnection {
    if is_connected {
        TcpConnection::Connected
    } else {
        TcpConnection::Disconnected
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
