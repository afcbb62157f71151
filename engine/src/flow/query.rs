//! Which flows a person asks for.
//!
//! Everything that is given must hold of a flow. An attribute that a flow lacks is 0 for zones and
//! fails otherwise.

mod matching;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::RangeInclusive;

use super::{Family, Labels, ProtoState, Protocol, Status};

/// A selection of flows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Layer-3 protocol.
    pub family: Option<Family>,
    /// Layer-4 protocol.
    pub proto: Option<Protocol>,
    /// What the original direction must be.
    pub orig: Side,
    /// What the reply direction must be.
    pub reply: Side,
    /// State of the layer-4 tracker; tags and roles are not compared.
    pub state: Option<ProtoState>,
    /// Connection mark.
    pub mark: Option<Masked>,
    /// Security mark.
    pub secmark: Option<u32>,
    /// Status bits that must be set.
    pub status_set: Status,
    /// Status bits that must be clear.
    pub status_clear: Status,
    /// Zone of both directions.
    pub zone: Option<u16>,
    /// Zone of the original direction alone.
    pub zone_orig: Option<u16>,
    /// Zone of the reply direction alone.
    pub zone_reply: Option<u16>,
    /// Labels, all of which the flow must have.
    pub labels: Option<Labels>,
    /// Translations, all of which must be in effect.
    pub nat: Vec<NatQuery>,
    /// The kernel's identifier.
    pub id: Option<u32>,
    /// Seconds left, exactly.
    pub timeout_secs: Option<u32>,
}

/// What one direction of a flow must be. Of each list one entry must hold; an empty list takes all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Source address.
    pub src: Vec<AddrMatch>,
    /// Destination address.
    pub dst: Vec<AddrMatch>,
    /// Source port or GRE key.
    pub src_ports: Vec<RangeInclusive<u16>>,
    /// Destination port or GRE key.
    pub dst_ports: Vec<RangeInclusive<u16>>,
    /// Type of the ICMP message.
    pub icmp_type: Option<u8>,
    /// Code of the ICMP message.
    pub icmp_code: Option<u8>,
    /// Identifier of the ICMP message.
    pub icmp_id: Option<u16>,
}

/// Addresses that are the same under a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddrMatch {
    /// The address.
    pub addr: IpAddr,
    /// Which of its bits count; of the same family.
    pub mask: IpAddr,
}

/// A number of which only some bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masked {
    /// What those bits must be.
    pub value: u32,
    /// Which bits count.
    pub mask: u32,
}

/// Which translation must be in effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatQuery {
    /// What is translated.
    pub kind: NatKind,
    /// To which address; any if absent.
    pub addr: Option<IpAddr>,
    /// To which port; any if absent.
    pub port: Option<u16>,
}

/// What a translation replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatKind {
    /// The source.
    Source,
    /// The destination.
    Destination,
    /// One of them, or both.
    Any,
}
