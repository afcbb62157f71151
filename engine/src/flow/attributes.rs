//! Attributes that a flow may have: translation, helper, labels, sequence adjustment, counters.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Addrs, L4Key, Status, Tuple};

/// Direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// That of the first packet.
    Orig,
    /// That of the answers.
    Reply,
}

/// Address and port translation of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Nat {
    /// Address that replaces the source: destination of the reply tuple.
    pub snat: Option<IpAddr>,
    /// Address that replaces the destination: source of the reply tuple.
    pub dnat: Option<IpAddr>,
    /// Port that replaces the source port.
    pub spat: Option<u16>,
    /// Port that replaces the destination port.
    pub dpat: Option<u16>,
}

impl Nat {
    /// Nothing is translated.
    pub const NONE: Self = Self {
        snat: None,
        dnat: None,
        spat: None,
        dpat: None,
    };

    /// Returns what must be done to the mirrored `orig` to get `reply`.
    ///
    /// A direction counts when `status` is not known or says that its translation is done. Ports
    /// count only where both tuples have some.
    #[must_use]
    pub fn between(orig: &Tuple, reply: &Tuple, status: Option<Status>) -> Self {
        let is_done = |bit| status.is_none_or(|status| status.contains(bit));
        let (src_done, dst_done) = (is_done(Status::SRC_NAT_DONE), is_done(Status::DST_NAT_DONE));
        let ports = orig.ports().zip(reply.ports());
        Self {
            snat: (src_done && reply.addrs.dst() != orig.addrs.src()).then(|| reply.addrs.dst()),
            dnat: (dst_done && reply.addrs.src() != orig.addrs.dst()).then(|| reply.addrs.src()),
            spat: ports
                .filter(|_| src_done)
                .and_then(|((src, _), (_, to))| (src != to).then_some(to)),
            dpat: ports
                .filter(|_| dst_done)
                .and_then(|((_, dst), (to, _))| (dst != to).then_some(to)),
        }
    }

    /// Returns the reply tuple that this translation makes of the mirrored original one.
    ///
    /// An address of the other family and a port where `mirrored` has none are passed over.
    #[must_use]
    pub fn applied_to(&self, mirrored: Tuple) -> Tuple {
        let addrs = match mirrored.addrs {
            Addrs::V4 { src, dst } => Addrs::V4 {
                src: ipv4(self.dnat).unwrap_or(src),
                dst: ipv4(self.snat).unwrap_or(dst),
            },
            Addrs::V6 { src, dst } => Addrs::V6 {
                src: ipv6(self.dnat).unwrap_or(src),
                dst: ipv6(self.snat).unwrap_or(dst),
            },
        };
        let key = match mirrored.key {
            L4Key::Ports { src, dst } => L4Key::Ports {
                src: self.dpat.unwrap_or(src),
                dst: self.spat.unwrap_or(dst),
            },
            key @ (L4Key::None | L4Key::Icmp { .. }) => key,
        };
        Tuple {
            addrs,
            proto: mirrored.proto,
            key,
        }
    }

    /// Returns whether anything is translated.
    #[must_use]
    pub fn is_some(self) -> bool {
        self != Self::NONE
    }

    /// Copies what `news` has; what it lacks stays.
    pub fn merge(&mut self, news: Self) {
        self.snat = news.snat.or(self.snat);
        self.dnat = news.dnat.or(self.dnat);
        self.spat = news.spat.or(self.spat);
        self.dpat = news.dpat.or(self.dpat);
    }
}

/// From what the kernel may choose a translation (`CTA_NAT_SRC`, `CTA_NAT_DST`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NatRange {
    /// First and last address, both of one family.
    pub addrs: Option<(IpAddr, IpAddr)>,
    /// First and last port.
    pub ports: Option<(u16, u16)>,
}

fn ipv4(addr: Option<IpAddr>) -> Option<Ipv4Addr> {
    match addr {
        Some(IpAddr::V4(addr)) => Some(addr),
        Some(IpAddr::V6(_)) | None => None,
    }
}

fn ipv6(addr: Option<IpAddr>) -> Option<Ipv6Addr> {
    match addr {
        Some(IpAddr::V6(addr)) => Some(addr),
        Some(IpAddr::V4(_)) | None => None,
    }
}

/// A name longer than the kernel's 15 bytes (`NF_CT_HELPER_NAME_LEN` counts the NUL).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a helper name of {len} bytes, at most {} are allowed", HelperName::LEN_MAX)]
pub struct HelperNameTooLong {
    /// Length of the name in bytes.
    pub len: usize,
}

/// Name of a connection-tracking helper: bytes without NUL, at most 15.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HelperName {
    bytes: [u8; Self::LEN_MAX],
    len: u8,
}

impl HelperName {
    /// Longest name in bytes.
    pub const LEN_MAX: usize = 15;

    /// Returns the name up to the first NUL of `bytes`.
    ///
    /// # Errors
    /// [`HelperNameTooLong`] if it has more than 15 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HelperNameTooLong> {
        let (bytes, len) = copy_until_nul(bytes).map_err(|len| HelperNameTooLong { len })?;
        Ok(Self { bytes, len })
    }

    /// Returns the bytes, without NUL.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

impl fmt::Display for HelperName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_lossy(f, self.as_bytes())
    }
}

impl fmt::Debug for HelperName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HelperName({self})")
    }
}

/// Copies `bytes` up to the first NUL into an array of `N`; the length as the error if it does not fit.
pub(super) fn copy_until_nul<const N: usize>(bytes: &[u8]) -> Result<([u8; N], u8), usize> {
    let name = bytes.split(|byte| *byte == 0).next().unwrap_or(&[]);
    let mut copy = [0; N];
    match (copy.get_mut(..name.len()), u8::try_from(name.len())) {
        (Some(to), Ok(len)) => {
            to.copy_from_slice(name);
            Ok((copy, len))
        }
        _ => Err(name.len()),
    }
}

/// Writes `bytes` as text, the replacement character for what is not UTF-8.
pub(super) fn write_lossy(f: &mut impl fmt::Write, bytes: &[u8]) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        f.write_str(chunk.valid())?;
        if !chunk.invalid().is_empty() {
            f.write_str("\u{fffd}")?;
        }
    }
    Ok(())
}

/// Connection labels: bit n of the number is label n, 128 at most as in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Labels(pub u128);

/// Sequence adjustment of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeqAdj {
    /// Sequence number at which the offset changed last.
    pub correction_pos: u32,
    /// Offset before it, two's complement.
    pub offset_before: u32,
    /// Offset after it, two's complement.
    pub offset_after: u32,
}

/// Sequence adjustment of both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeqAdjPair {
    /// Of the original direction.
    pub orig: SeqAdj,
    /// Of the reply direction.
    pub reply: SeqAdj,
}

/// What a SYN proxy must remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Synproxy {
    /// Initial sequence number.
    pub isn: u32,
    /// Initial timestamp.
    pub its: u32,
    /// Timestamp offset.
    pub tsoff: u32,
}

impl Synproxy {
    /// What the kernel reports for every flow made through netlink.
    pub const ZERO: Self = Self {
        isn: 0,
        its: 0,
        tsoff: 0,
    };
}

/// Packets and bytes of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// When a flow began and ended, nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timestamps {
    /// Creation.
    pub start_nanos: u64,
    /// End, once the flow is dead.
    pub stop_nanos: Option<u64>,
}
