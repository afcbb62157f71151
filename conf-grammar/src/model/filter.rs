//! Which flows the daemon cares about.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::span::Spanned;

/// Section `Filter`: a flow must pass every set that is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// `From`: where events are filtered. The user-space test runs in any case.
    pub place: Spanned<FilterPlace>,
    /// `Protocol`: layer 4 protocol numbers.
    pub protocols: Option<FilterSet<u8>>,
    /// `Address`: source of the original or of the reply direction.
    pub addresses: Option<FilterSet<Network>>,
    /// `State`: TCP states; flows of other protocols pass.
    pub tcp_states: Option<FilterSet<TcpState>>,
}

/// Where events are filtered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterPlace {
    /// By the daemon.
    Userspace,
    /// By a socket filter, and again by the daemon.
    Kernelspace,
}

/// A list of things to keep or to drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterSet<T> {
    /// What happens to a flow that an entry matches.
    pub policy: Spanned<Policy>,
    /// The entries, in the order of the file, without duplicates.
    pub entries: Vec<Spanned<T>>,
}

/// What a filter set does with its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Keeps what matches and drops the rest.
    Accept,
    /// Drops what matches and keeps the rest.
    Ignore,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accept => "Accept",
            Self::Ignore => "Ignore",
        })
    }
}

/// An address and how many of its leading bits count; the other bits are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    prefix_len: u8,
}

impl Network {
    /// Returns the network of `address`, `None` if it has no so long prefix.
    pub fn new(address: IpAddr, prefix_len: u8) -> Option<Self> {
        let shift = |bits: u8| bits.checked_sub(prefix_len).map(u32::from);
        let address = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(shift(32)?).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(shift(128)?).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
        };
        Some(Self { address, prefix_len })
    }

    /// Returns the network that holds `address` alone.
    pub fn host(address: IpAddr) -> Self {
        let prefix_len = if address.is_ipv4() { 32 } else { 128 };
        Self { address, prefix_len }
    }

    /// Returns the first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Returns the number of leading bits that count.
    pub fn prefix_len(&self) -> u8 {
        self.prefix_len
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

/// A TCP state of connection tracking, with the number of `<linux/netfilter/nf_conntrack_tcp.h>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are those of the kernel's states")]
pub enum TcpState {
    SynSent = 1,
    SynRecv = 2,
    Established = 3,
    FinWait = 4,
    CloseWait = 5,
    LastAck = 6,
    TimeWait = 7,
    Close = 8,
    /// The kernel's number 9: simultaneous open, since Linux 2.6.31.
    Listen = 9,
}

impl TcpState {
    /// The names of the states in a file; the first one of a state is its usual name.
    pub(crate) const NAMES: [(&str, Self); 10] = [
        ("SYN_SENT", Self::SynSent),
        ("SYN_RECV", Self::SynRecv),
        ("ESTABLISHED", Self::Established),
        ("FIN_WAIT", Self::FinWait),
        ("CLOSE_WAIT", Self::CloseWait),
        ("LAST_ACK", Self::LastAck),
        ("TIME_WAIT", Self::TimeWait),
        ("CLOSE", Self::Close),
        ("CLOSED", Self::Close),
        ("LISTEN", Self::Listen),
    ];
}

/// Layer 4 protocols that a filter knows by name, in lower case.
pub(crate) const PROTOCOLS: [(&str, u8); 20] = [
    ("icmp", 1),
    ("igmp", 2),
    ("ipip", 4),
    ("ipencap", 4),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("icmp6", 58),
    ("ospf", 89),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("udplite", 136),
];

/// What there is to say about a protocol that [`protocol_spelling`] has no name for.
pub(crate) const NAMELESS_PROTOCOL: &str = "a protocol number without a name cannot stand in `Filter`";

/// Returns the name of a protocol as people write it, those with a keyword of their own in capitals.
pub(crate) fn protocol_spelling(number: u8) -> Option<String> {
    let (name, _) = PROTOCOLS.iter().find(|(_, known)| *known == number)?;
    Some(match *name {
        "tcp" | "udp" => name.to_ascii_uppercase(),
        _ => (*name).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_no_bits_below_its_prefix() {
        let network = |text: &str, len| Network::new(text.parse().unwrap(), len).unwrap().to_string();
        assert_eq!(network("10.50.0.9", 16), "10.50.0.0/16");
        assert_eq!(network("10.50.0.9", 0), "0.0.0.0/0");
        assert_eq!(network("10.50.0.9", 32), "10.50.0.9/32");
        assert_eq!(network("2001:db8::1", 32), "2001:db8::/32");
        assert_eq!(network("2001:db8::1", 0), "::/0");
    }

    #[test]
    fn a_prefix_longer_than_the_address_is_no_network() {
        assert_eq!(Network::new("10.0.0.0".parse().unwrap(), 33), None);
        assert_eq!(Network::new("fe80::".parse().unwrap(), 129), None);
    }
}
