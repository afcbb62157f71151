//! Whether a flow is among those that a person asks for.

use core::net::IpAddr;
use core::ops::RangeInclusive;

use super::{AddrMatch, Masked, NatKind, NatQuery, Query, Side};
use crate::flow::{Flow, L4Key, Labels, Nat, ProtoState, Status, Tuple};

impl Query {
    /// Returns whether everything that is asked for holds of `flow`.
    #[must_use]
    pub fn matches(&self, flow: &Flow) -> bool {
        self.family
            .is_none_or(|family| flow.orig.addrs.family() == family)
            && self.proto.is_none_or(|proto| flow.orig.proto == proto)
            && self.orig.matches(|| flow.orig)
            && self.reply.matches(|| flow.reply_or_derived())
            && self
                .mark
                .is_none_or(|mark| flow.mark.is_some_and(|it| mark.matches(it)))
            && self.has_status(flow.status)
            && self.is_in_zones(flow)
            && self.state.is_none_or(|state| is_same_state(state, flow.proto))
            && self.secmark.is_none_or(|secmark| flow.secmark == Some(secmark))
            && self
                .labels
                .is_none_or(|labels| flow.labels.is_some_and(|it| contains(it, labels)))
            && self.has_translations(flow)
            && self.id.is_none_or(|id| flow.id == Some(id))
            && self
                .timeout_secs
                .is_none_or(|timeout_secs| flow.timeout_secs == Some(timeout_secs))
    }

    fn has_status(&self, status: Option<Status>) -> bool {
        let asks = (self.status_set | self.status_clear) != Status(0);
        !asks
            || status.is_some_and(|status| {
                status.contains(self.status_set) && status & self.status_clear == Status(0)
            })
    }

    fn is_in_zones(&self, flow: &Flow) -> bool {
        let is_in = |wanted: Option<u16>, zone: Option<u16>| {
            wanted.is_none_or(|wanted| zone.unwrap_or_default() == wanted)
        };
        is_in(self.zone, flow.zone)
            && is_in(self.zone_orig, flow.zone_orig)
            && is_in(self.zone_reply, flow.zone_reply)
    }

    fn has_translations(&self, flow: &Flow) -> bool {
        if self.nat.is_empty() {
            return true;
        }
        let nat = flow.nat_in_effect();
        self.nat.iter().all(|query| query.matches(nat))
    }
}

impl Side {
    /// Returns whether `tuple` is such a direction; it is asked for only if anything is wanted of it.
    fn matches(&self, tuple: impl Fn() -> Tuple) -> bool {
        self.is_any() || {
            let tuple = tuple();
            is_one_of(&self.src, tuple.addrs.src())
                && is_one_of(&self.dst, tuple.addrs.dst())
                && self.has_key(tuple.key)
        }
    }

    /// Returns whether every direction is such a one.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        self.src.is_empty() && self.dst.is_empty() && !self.asks_for_ports() && !self.asks_for_icmp()
    }

    const fn asks_for_ports(&self) -> bool {
        !self.src_ports.is_empty() || !self.dst_ports.is_empty()
    }

    const fn asks_for_icmp(&self) -> bool {
        self.icmp_type.is_some() || self.icmp_code.is_some() || self.icmp_id.is_some()
    }

    /// Ports count only where there are ports, ICMP fields only where there are those.
    fn has_key(&self, key: L4Key) -> bool {
        let has_ports = !self.asks_for_ports()
            || match key {
                L4Key::Ports { src, dst } => {
                    is_in_one_of(&self.src_ports, src) && is_in_one_of(&self.dst_ports, dst)
                }
                L4Key::None | L4Key::Icmp { .. } => false,
            };
        let has_icmp = !self.asks_for_icmp()
            || match key {
                L4Key::Icmp { icmp_type, code, id } => {
                    self.icmp_type.is_none_or(|it| it == icmp_type)
                        && self.icmp_code.is_none_or(|it| it == code)
                        && self.icmp_id.is_none_or(|it| it == id)
                }
                L4Key::None | L4Key::Ports { .. } => false,
            };
        has_ports && has_icmp
    }
}

impl AddrMatch {
    /// Returns whether `addr` is the same where the mask counts; one of another family never is.
    #[must_use]
    pub fn matches(&self, addr: IpAddr) -> bool {
        match (addr, self.addr, self.mask) {
            (IpAddr::V4(addr), IpAddr::V4(wanted), IpAddr::V4(mask)) => {
                (addr.to_bits() ^ wanted.to_bits()) & mask.to_bits() == 0
            }
            (IpAddr::V6(addr), IpAddr::V6(wanted), IpAddr::V6(mask)) => {
                (addr.to_bits() ^ wanted.to_bits()) & mask.to_bits() == 0
            }
            _ => false,
        }
    }

    /// Returns whether no more than one address is meant.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        match self.mask {
            IpAddr::V4(mask) => mask.to_bits() == u32::MAX,
            IpAddr::V6(mask) => mask.to_bits() == u128::MAX,
        }
    }
}

impl Masked {
    /// Returns whether `number` has the value where the mask counts; none has if the value is beyond the mask.
    #[must_use]
    pub const fn matches(self, number: u32) -> bool {
        number & self.mask == self.value
    }
}

impl NatQuery {
    /// Returns whether such a translation is part of `nat`.
    #[must_use]
    pub fn matches(&self, nat: Nat) -> bool {
        let source = self.is_done_by(nat.snat, nat.spat);
        let destination = self.is_done_by(nat.dnat, nat.dpat);
        match self.kind {
            NatKind::Source => source,
            NatKind::Destination => destination,
            NatKind::Any => source || destination,
        }
    }

    fn is_done_by(&self, addr: Option<IpAddr>, port: Option<u16>) -> bool {
        (addr.is_some() || port.is_some())
            && (self.addr.is_none() || addr == self.addr)
            && (self.port.is_none() || port == self.port)
    }
}

fn is_one_of(wanted: &[AddrMatch], addr: IpAddr) -> bool {
    wanted.is_empty() || wanted.iter().any(|it| it.matches(addr))
}

fn is_in_one_of(wanted: &[RangeInclusive<u16>], port: u16) -> bool {
    wanted.is_empty() || wanted.iter().any(|it| it.contains(&port))
}

fn is_same_state(wanted: ProtoState, state: ProtoState) -> bool {
    match (wanted, state) {
        (ProtoState::None, ProtoState::None) => true,
        (ProtoState::Tcp(wanted), ProtoState::Tcp(tcp)) => wanted.state == tcp.state,
        (ProtoState::Sctp { state: wanted, .. }, ProtoState::Sctp { state, .. }) => wanted == state,
        (ProtoState::Dccp { state: wanted, .. }, ProtoState::Dccp { state, .. }) => wanted == state,
        (ProtoState::None | ProtoState::Tcp(_) | ProtoState::Sctp { .. } | ProtoState::Dccp { .. }, _) => {
            false
        }
    }
}

const fn contains(labels: Labels, wanted: Labels) -> bool {
    labels.0 & wanted.0 == wanted.0
}
