//! What a flow is found by, and its hash.

use core::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use crate::flow::{Addrs, Flow, L4Key, Protocol, Tuple};
use crate::output::FlowName;

/// Key of the hash that spreads flows over the index.
///
/// It comes from the seed: with a key that outsiders know they could choose flows that collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashKey(pub u64, pub u64);

/// What a flow is found by: its original tuple and its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// Both addresses of the original direction.
    pub addrs: Addrs,
    /// Layer-4 protocol.
    pub proto: Protocol,
    /// Ports, GRE keys or ICMP fields.
    pub key: L4Key,
    /// Zone, 0 if the flow is in none.
    ///
    /// A flow may be in a zone in its original direction alone; the kernel looks it up by that one.
    pub zone: u16,
}

impl FlowKey {
    /// Returns the key of `flow`.
    #[must_use]
    pub fn of(flow: &Flow) -> Self {
        let Tuple { addrs, proto, key } = flow.orig;
        Self {
            addrs,
            proto,
            key,
            zone: flow.zone.or(flow.zone_orig).unwrap_or(0),
        }
    }

    /// Returns the key of the flow that the kernel finds by `name`.
    #[must_use]
    pub fn of_name(name: &FlowName) -> Self {
        let Tuple { addrs, proto, key } = name.orig;
        Self {
            addrs,
            proto,
            key,
            zone: name.zone.unwrap_or(0),
        }
    }

    /// Returns the original tuple.
    #[must_use]
    pub const fn orig(&self) -> Tuple {
        Tuple {
            addrs: self.addrs,
            proto: self.proto,
            key: self.key,
        }
    }
}

/// Hashes keys with SipHash-1-3.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyHasher(SipHasher13);

impl KeyHasher {
    /// Returns a hasher with the key `HashKey`.
    pub(super) fn new(HashKey(low, high): HashKey) -> Self {
        Self(SipHasher13::new_with_keys(low, high))
    }

    /// Returns the hash of `key`.
    pub(super) fn hash(&self, key: &FlowKey) -> u32 {
        self.hash_all(&[*key])
    }

    /// Returns the hash of several keys together.
    pub(super) fn hash_all(&self, keys: &[FlowKey]) -> u32 {
        let mut hasher = self.0;
        for key in keys {
            match key.addrs {
                Addrs::V4 { src, dst } => {
                    hasher.write_u64(u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits()));
                }
                Addrs::V6 { src, dst } => {
                    hasher.write_u128(src.to_bits());
                    hasher.write_u128(dst.to_bits());
                }
            }
            hasher.write_u64(rest_bits(key));
        }
        // All 64 bits are equally good; the index keeps 32.
        let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}

/// Returns all of `key` but its addresses.
fn rest_bits(key: &FlowKey) -> u64 {
    let (kind, [a, b, c, d]) = match key.key {
        L4Key::None => (0, [0; 4]),
        L4Key::Ports { src, dst } => {
            let ([a, b], [c, d]) = (src.to_le_bytes(), dst.to_le_bytes());
            (1, [a, b, c, d])
        }
        L4Key::Icmp { icmp_type, code, id } => {
            let [c, d] = id.to_le_bytes();
            (2, [icmp_type, code, c, d])
        }
    };
    let [zone_low, zone_high] = key.zone.to_le_bytes();
    u64::from_le_bytes([key.proto.0, kind, a, b, c, d, zone_low, zone_high])
}
