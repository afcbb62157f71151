//! The links between the nodes of a cluster.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use crate::span::{Span, Spanned};

/// All links: one kind, one to four of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Links {
    /// `Multicast`.
    Multicast(LinkSet<MulticastGroup>),
    /// `UDP`.
    Udp(LinkSet<Unicast>),
    /// `TCP`.
    Tcp {
        /// The links.
        links: LinkSet<Unicast>,
        /// `ErrorQueueLength`: undelivered messages kept, one queue for all links.
        error_queue_len: Spanned<u32>,
    },
}

/// The links of a file, in the order of fail-over; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSet<T> {
    links: Vec<Link<T>>,
    default_index: usize,
}

impl<T> LinkSet<T> {
    /// Returns the links with the one to start with, `None` if there is none or no such one.
    pub(crate) fn new(links: Vec<Link<T>>, default_index: usize) -> Option<Self> {
        (default_index < links.len()).then_some(Self { links, default_index })
    }

    /// Returns the links in the order of the file.
    pub fn as_slice(&self) -> &[Link<T>] {
        &self.links
    }

    /// Returns the index of the link that is used at start.
    pub fn default_index(&self) -> usize {
        self.default_index
    }
}

/// One link; `T` says where its messages go. Equality is that of the settings.
#[derive(Clone, Debug)]
pub struct Link<T> {
    /// The keyword that begins the block.
    pub span: Span,
    /// Addresses and port.
    pub transport: T,
    /// `Interface`: gives the MTU, carrier state and the scope of IPv6 addresses.
    pub interface: Spanned<Interface>,
    /// `SndSocketBuffer` in bytes; `None` is the system's default.
    pub send_buffer: Spanned<Option<u32>>,
    /// `RcvSocketBuffer` in bytes; `None` is the system's default.
    pub recv_buffer: Spanned<Option<u32>>,
    /// `Checksum`: compute UDP checksums of what is sent.
    pub checksum: Spanned<bool>,
}

impl<T: PartialEq> PartialEq for Link<T> {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            span: _,
            transport,
            interface,
            send_buffer,
            recv_buffer,
            checksum,
        } = self;
        *transport == other.transport
            && *interface == other.interface
            && *send_buffer == other.send_buffer
            && *recv_buffer == other.recv_buffer
            && *checksum == other.checksum
    }
}

impl<T: Eq> Eq for Link<T> {}

/// How a link finds its interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interface {
    /// By name.
    Named(String),
    /// By an address that it carries; for files of a time when there was no `Interface`.
    Carrying(Ipv4Addr),
}

/// Two nodes that send to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unicast {
    /// Both ends, of one family.
    pub addresses: UnicastAddresses,
    /// `Port`: bound here and used at the peer. `None`, which only the stock dialect lets pass, leaves
    /// the choice to the kernel: nothing is ever sent.
    pub port: Spanned<Option<NonZeroU16>>,
}

/// Both ends of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnicastAddresses {
    /// Over IPv4.
    V4 {
        /// `IPv4_address`: where to bind, the unspecified address by default.
        local: Spanned<Ipv4Addr>,
        /// `IPv4_Destination_Address`.
        peer: Spanned<Ipv4Addr>,
    },
    /// Over IPv6.
    V6 {
        /// `IPv6_address`: where to bind, the unspecified address by default.
        local: Spanned<Ipv6Addr>,
        /// `IPv6_Destination_Address`.
        peer: Spanned<Ipv6Addr>,
    },
}

impl UnicastAddresses {
    /// Returns the address to bind.
    pub fn local(&self) -> Spanned<IpAddr> {
        match *self {
            Self::V4 { local, .. } => local.map(IpAddr::V4),
            Self::V6 { local, .. } => local.map(IpAddr::V6),
        }
    }

    /// Returns the address of the peer.
    pub fn peer(&self) -> Spanned<IpAddr> {
        match *self {
            Self::V4 { peer, .. } => peer.map(IpAddr::V4),
            Self::V6 { peer, .. } => peer.map(IpAddr::V6),
        }
    }
}

/// A group that all nodes listen and send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MulticastGroup {
    /// Over IPv4.
    V4 {
        /// `IPv4_address`: a multicast address.
        group: Spanned<Ipv4Addr>,
        /// `Group`: the port; `None` as that of [`Unicast`].
        port: Spanned<Option<NonZeroU16>>,
        /// `IPv4_interface`: address of the local interface; `None` is the device of `Interface`.
        local: Spanned<Option<Ipv4Addr>>,
    },
    /// Over IPv6.
    V6 {
        /// `IPv6_address`: a multicast address.
        group: Spanned<Ipv6Addr>,
        /// `Group`: the port; `None` as that of [`Unicast`].
        port: Spanned<Option<NonZeroU16>>,
    },
}

impl MulticastGroup {
    /// Returns the address of the group.
    pub fn group(&self) -> Spanned<IpAddr> {
        match *self {
            Self::V4 { group, .. } => group.map(IpAddr::V4),
            Self::V6 { group, .. } => group.map(IpAddr::V6),
        }
    }

    /// Returns the port of the group.
    pub fn port(&self) -> Spanned<Option<NonZeroU16>> {
        match *self {
            Self::V4 { port, .. } | Self::V6 { port, .. } => port,
        }
    }
}
