//! Addresses, protocol and ports of one direction.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Layer-3 protocol, numbered as Linux numbers address families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Family {
    /// `AF_INET`.
    Ipv4 = 2,
    /// `AF_INET6`.
    Ipv6 = 10,
}

/// Source and destination address, both of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Addrs {
    /// IPv4.
    V4 {
        /// Source.
        src: Ipv4Addr,
        /// Destination.
        dst: Ipv4Addr,
    },
    /// IPv6.
    V6 {
        /// Source.
        src: Ipv6Addr,
        /// Destination.
        dst: Ipv6Addr,
    },
}

impl Addrs {
    /// Returns the family of both.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::V4 { .. } => Family::Ipv4,
            Self::V6 { .. } => Family::Ipv6,
        }
    }

    /// Returns the source.
    #[must_use]
    pub const fn src(self) -> IpAddr {
        match self {
            Self::V4 { src, .. } => IpAddr::V4(src),
            Self::V6 { src, .. } => IpAddr::V6(src),
        }
    }

    /// Returns the destination.
    #[must_use]
    pub const fn dst(self) -> IpAddr {
        match self {
            Self::V4 { dst, .. } => IpAddr::V4(dst),
            Self::V6 { dst, .. } => IpAddr::V6(dst),
        }
    }

    /// Returns them the other way round.
    #[must_use]
    pub const fn mirrored(self) -> Self {
        match self {
            Self::V4 { src, dst } => Self::V4 { src: dst, dst: src },
            Self::V6 { src, dst } => Self::V6 { src: dst, dst: src },
        }
    }
}

/// Layer-4 protocol number (IANA).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// ICMP.
    pub const ICMP: Self = Self(1);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// DCCP.
    pub const DCCP: Self = Self(33);
    /// GRE; its keys take the place of ports.
    pub const GRE: Self = Self(47);
    /// ICMPv6.
    pub const ICMPV6: Self = Self(58);
    /// SCTP.
    pub const SCTP: Self = Self(132);
    /// UDP-Lite.
    pub const UDPLITE: Self = Self(136);

    /// Returns the name that `conntrack` prints, `unknown` for a protocol without a tracker.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ICMP => "icmp",
            Self::TCP => "tcp",
            Self::UDP => "udp",
            Self::DCCP => "dccp",
            Self::GRE => "gre",
            Self::ICMPV6 => "icmpv6",
            Self::SCTP => "sctp",
            Self::UDPLITE => "udplite",
            _ => "unknown",
        }
    }

    /// Returns whether the kernel needs ports (or GRE keys) in a tuple of this protocol.
    #[must_use]
    pub const fn has_ports(self) -> bool {
        matches!(
            self,
            Self::TCP | Self::UDP | Self::UDPLITE | Self::SCTP | Self::DCCP | Self::GRE
        )
    }

    /// Returns whether a tuple of this protocol has ICMP type, code and id.
    #[must_use]
    pub const fn is_icmp(self) -> bool {
        matches!(self, Self::ICMP | Self::ICMPV6)
    }
}

/// What tells flows between the same two hosts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum L4Key {
    /// Nothing: one flow a pair of hosts and protocol.
    None,
    /// Ports, or the keys of GRE.
    Ports {
        /// Source port or key.
        src: u16,
        /// Destination port or key.
        dst: u16,
    },
    /// ICMP or ICMPv6.
    Icmp {
        /// Type of the message.
        icmp_type: u8,
        /// Its code.
        code: u8,
        /// Identifier.
        id: u16,
    },
}

/// Addresses, protocol and ports of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// Both addresses.
    pub addrs: Addrs,
    /// Layer-4 protocol.
    pub proto: Protocol,
    /// Ports, keys or ICMP fields.
    pub key: L4Key,
}

impl Tuple {
    /// Returns the tuple of the answer: addresses and ports swapped, the ICMP type replaced by its reply.
    ///
    /// A type without a reply becomes 255, as at the stock daemon; the kernel refuses to track it.
    #[must_use]
    pub const fn mirrored(self) -> Self {
        let key = match self.key {
            L4Key::None => L4Key::None,
            L4Key::Ports { src, dst } => L4Key::Ports { src: dst, dst: src },
            L4Key::Icmp { icmp_type, code, id } => {
                let icmp_type = match self.addrs.family() {
                    Family::Ipv4 => icmp_reply_type(icmp_type),
                    Family::Ipv6 => icmpv6_reply_type(icmp_type),
                };
                L4Key::Icmp { icmp_type, code, id }
            }
        };
        Self {
            addrs: self.addrs.mirrored(),
            proto: self.proto,
            key,
        }
    }

    /// Returns source and destination port, if the tuple has any.
    #[must_use]
    pub const fn ports(self) -> Option<(u16, u16)> {
        match self.key {
            L4Key::Ports { src, dst } => Some((src, dst)),
            L4Key::None | L4Key::Icmp { .. } => None,
        }
    }
}

/// Returns the type of the ICMP message that answers `request` (RFC 792), 255 if none does.
const fn icmp_reply_type(request: u8) -> u8 {
    match request {
        0 => 8,
        8 => 0,
        13 => 14,
        14 => 13,
        15 => 16,
        16 => 15,
        17 => 18,
        18 => 17,
        _ => 255,
    }
}

/// Returns the type of the ICMPv6 message that answers `request` (RFC 4443, RFC 4620), 255 if none does.
const fn icmpv6_reply_type(request: u8) -> u8 {
    match request {
        128 => 129,
        129 => 128,
        139 => 140,
        140 => 139,
        _ => 255,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECHO: Tuple = Tuple {
        addrs: Addrs::V4 {
            src: Ipv4Addr::new(10, 0, 0, 1),
            dst: Ipv4Addr::new(10, 0, 0, 2),
        },
        proto: Protocol::ICMP,
        key: L4Key::Icmp {
            icmp_type: 8,
            code: 0,
            id: 77,
        },
    };

    #[test]
    fn mirroring_twice_gives_the_tuple_back() {
        let ports = Tuple {
            proto: Protocol::TCP,
            key: L4Key::Ports { src: 1, dst: 2 },
            ..ECHO
        };
        for tuple in [ECHO, ports] {
            assert_eq!(tuple.mirrored().mirrored(), tuple);
            assert_ne!(tuple.mirrored(), tuple);
        }
    }

    #[test]
    fn an_icmp_type_without_reply_mirrors_to_255() {
        let redirect = Tuple {
            key: L4Key::Icmp {
                icmp_type: 5,
                code: 0,
                id: 0,
            },
            ..ECHO
        };
        assert_eq!(
            redirect.mirrored().key,
            L4Key::Icmp {
                icmp_type: 255,
                code: 0,
                id: 0
            }
        );
    }
}
