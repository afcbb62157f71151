//! Networks, and which of many an address lies in.

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(Range);

/// First and last address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    V4(u32, u32),
    V6(u128, u128),
}

impl Network {
    /// Returns the network that `address` is in, with so many bits in common; `None` if an address
    /// of its family has fewer.
    #[must_use]
    pub fn new(address: IpAddr, prefix_len: u8) -> Option<Self> {
        let n_bits = u32::from(prefix_len);
        let range = match address {
            IpAddr::V4(v4) if n_bits <= Ipv4Addr::BITS => {
                let rest = u32::MAX.checked_shr(n_bits).unwrap_or(0);
                Range::V4(v4.to_bits() & !rest, v4.to_bits() | rest)
            }
            IpAddr::V6(v6) if n_bits <= Ipv6Addr::BITS => {
                let rest = u128::MAX.checked_shr(n_bits).unwrap_or(0);
                Range::V6(v6.to_bits() & !rest, v6.to_bits() | rest)
            }
            IpAddr::V4(_) | IpAddr::V6(_) => return None,
        };
        Some(Self(range))
    }
}

/// Many networks, in which an address is found in the time of a binary search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Networks {
    ipv4: Spans<u32>,
    ipv6: Spans<u128>,
}

impl Networks {
    pub(super) fn new(entries: &[Network]) -> Self {
        let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
        for (entry, network) in entries.iter().enumerate() {
            match network.0 {
                Range::V4(first, last) => ipv4.push(Span { first, last, entry }),
                Range::V6(first, last) => ipv6.push(Span { first, last, entry }),
            }
        }
        Self {
            ipv4: Spans::new(ipv4),
            ipv6: Spans::new(ipv6),
        }
    }

    /// Returns the place in the list of the widest network that holds `address`.
    pub(super) fn find(&self, address: IpAddr) -> Option<usize> {
        match address {
            IpAddr::V4(v4) => self.ipv4.find(v4.to_bits()),
            IpAddr::V6(v6) => self.ipv6.find(v6.to_bits()),
        }
    }

    /// Returns first and last address of the IPv4 networks, sorted and disjoint.
    pub(super) fn ipv4(&self) -> impl Iterator<Item = (u32, u32)> {
        self.ipv4.iter()
    }

    /// Returns first and last address of the IPv6 networks, sorted and disjoint.
    pub(super) fn ipv6(&self) -> impl Iterator<Item = (u128, u128)> {
        self.ipv6.iter()
    }
}

/// Networks of one family, sorted. Two networks are nested or disjoint: without those inside
/// another all are disjoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Spans<A>(Vec<Span<A>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span<A> {
    first: A,
    last: A,
    /// Its place in the list.
    entry: usize,
}

impl<A: Copy + Ord> Spans<A> {
    fn new(mut spans: Vec<Span<A>>) -> Self {
        // A network comes before those inside it, and before its repetitions.
        spans.sort_unstable_by_key(|span| (span.first, Reverse(span.last), span.entry));
        spans.dedup_by(|span, before| span.last <= before.last);
        Self(spans)
    }

    fn find(&self, address: A) -> Option<usize> {
        let n_not_behind = self.0.partition_point(|span| span.first <= address);
        let span = self.0.get(n_not_behind.checked_sub(1)?)?;
        (address <= span.last).then_some(span.entry)
    }

    fn iter(&self) -> impl Iterator<Item = (A, A)> {
        self.0.iter().map(|span| (span.first, span.last))
    }
}
