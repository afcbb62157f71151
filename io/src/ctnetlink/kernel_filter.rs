//! What of a query the kernel can judge while it sends a table.
//!
//! The kernel's filter is exact where it understands a question at all, but it understands few, and an
//! old kernel passes over what it does not know. So it may let through more than the query takes, never
//! less, and whoever reads the answers asks [`Query::matches`] again.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use engine::flow::query::{AddrMatch, Masked, Query, Side};
use engine::flow::{Family, Protocol, Status};

/// Attributes of flows that the kernel compares; what is absent is not compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelFilter {
    /// Layer-3 protocol.
    pub family: Option<Family>,
    /// Mark; the value is within the mask, and the mask is not 0.
    pub mark: Option<Masked>,
    /// Status bits.
    pub status: Option<StatusFilter>,
    /// Zone, of whichever directions; not 0, for which the kernel means a flow without any zone.
    pub zone: Option<u16>,
    /// Parts of the original tuple; none without a family.
    pub orig: TupleFilter,
    /// Parts of the reply tuple; none without a family.
    pub reply: TupleFilter,
}

/// Status bits that the kernel compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusFilter {
    /// What they must be; within the mask, or nothing would match.
    pub value: Status,
    /// Which; not none, which the kernel refuses.
    pub mask: Status,
}

/// Parts of a tuple that the kernel compares. Ports and ICMP fields come with the protocol.
///
/// IPv6 addresses are missing on purpose: kernels were seen to match them inverted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TupleFilter {
    /// Source address.
    pub src: Option<Ipv4Addr>,
    /// Destination address.
    pub dst: Option<Ipv4Addr>,
    /// Layer-4 protocol.
    pub proto: Option<Protocol>,
    /// Source port or GRE key.
    pub src_port: Option<u16>,
    /// Destination port or GRE key.
    pub dst_port: Option<u16>,
    /// Type of the ICMP message.
    pub icmp_type: Option<u8>,
    /// Its code.
    pub icmp_code: Option<u8>,
    /// Its identifier.
    pub icmp_id: Option<u16>,
}

impl KernelFilter {
    /// Returns the filter that lets through all that `query` takes, and as little else as it can.
    #[must_use]
    pub fn of(query: &Query) -> Self {
        let family = query.family.or_else(|| told_family(query));
        let (orig, reply) = match family {
            Some(family) => (
                TupleFilter::of(&query.orig, family, query.proto),
                TupleFilter::of(&query.reply, family, query.proto),
            ),
            // The kernel refuses parts of tuples without a family.
            None => (TupleFilter::default(), TupleFilter::default()),
        };
        Self {
            family,
            mark: query
                .mark
                .filter(|mark| mark.mask != 0 && mark.matches(mark.value)),
            status: status_filter(query),
            zone: [query.zone, query.zone_orig, query.zone_reply]
                .into_iter()
                .flatten()
                .find(|zone| *zone != 0),
            orig,
            // The protocol is that of both directions: once is enough.
            reply: if reply.has_key() || reply.has_addr() {
                reply
            } else {
                TupleFilter::default()
            },
        }
    }
}

impl TupleFilter {
    fn of(side: &Side, family: Family, proto: Option<Protocol>) -> Self {
        let has_ports = proto.is_some_and(Protocol::has_ports);
        let has_icmp = proto == Some(icmp_of(family));
        let port = |ports: &[RangeInclusive<u16>]| only(ports).filter(|_| has_ports);
        Self {
            src: exact(&side.src, family),
            dst: exact(&side.dst, family),
            proto,
            src_port: port(&side.src_ports),
            dst_port: port(&side.dst_ports),
            icmp_type: side.icmp_type.filter(|_| has_icmp),
            icmp_code: side.icmp_code.filter(|_| has_icmp),
            icmp_id: side.icmp_id.filter(|_| has_icmp),
        }
    }

    const fn has_addr(&self) -> bool {
        self.src.is_some() || self.dst.is_some()
    }

    const fn has_key(&self) -> bool {
        self.src_port.is_some()
            || self.dst_port.is_some()
            || self.icmp_type.is_some()
            || self.icmp_code.is_some()
            || self.icmp_id.is_some()
    }
}

/// Returns the protocol whose ICMP fields a tuple of `family` can have.
const fn icmp_of(family: Family) -> Protocol {
    match family {
        Family::Ipv4 => Protocol::ICMP,
        Family::Ipv6 => Protocol::ICMPV6,
    }
}

/// Returns the family that the addresses or the protocol of `query` can only be of.
fn told_family(query: &Query) -> Option<Family> {
    [
        &query.orig.src,
        &query.orig.dst,
        &query.reply.src,
        &query.reply.dst,
    ]
    .into_iter()
    .find_map(|addrs| common_family(addrs))
}

fn common_family(addrs: &[AddrMatch]) -> Option<Family> {
    let family = |it: &AddrMatch| match it.addr {
        IpAddr::V4(_) => Family::Ipv4,
        IpAddr::V6(_) => Family::Ipv6,
    };
    let first = addrs.first().map(family)?;
    addrs.iter().all(|it| family(it) == first).then_some(first)
}

/// Returns the one IPv4 address that is asked for.
fn exact(addrs: &[AddrMatch], family: Family) -> Option<Ipv4Addr> {
    match addrs {
        [only] if only.is_exact() && family == Family::Ipv4 => match only.addr {
            IpAddr::V4(addr) => Some(addr),
            IpAddr::V6(_) => None,
        },
        _ => None,
    }
}

/// Returns the one port that is asked for.
fn only(ports: &[RangeInclusive<u16>]) -> Option<u16> {
    match ports {
        [range] if range.start() == range.end() => Some(*range.start()),
        _ => None,
    }
}

fn status_filter(query: &Query) -> Option<StatusFilter> {
    let (value, mask) = (query.status_set, query.status_set | query.status_clear);
    (mask != Status(0)).then_some(StatusFilter { value, mask })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(addr: &str, mask: &str) -> AddrMatch {
        AddrMatch {
            addr: addr.parse().unwrap(),
            mask: mask.parse().unwrap(),
        }
    }

    fn from(src: Vec<AddrMatch>) -> Query {
        Query {
            orig: Side {
                src,
                ..Side::default()
            },
            ..Query::default()
        }
    }

    #[test]
    fn a_query_for_all_has_no_filter() {
        assert_eq!(KernelFilter::of(&Query::default()), KernelFilter::default());
    }

    #[test]
    fn one_ipv4_address_is_compared_and_tells_the_family() {
        let filter = KernelFilter::of(&from(vec![addr("10.0.0.1", "255.255.255.255")]));
        assert_eq!(filter.family, Some(Family::Ipv4));
        assert_eq!(filter.orig.src, Some(Ipv4Addr::new(10, 0, 0, 1)));
    }

    #[test]
    fn prefixes_lists_and_ipv6_addresses_tell_the_family_at_most() {
        let exact = "255.255.255.255";
        for (src, family) in [
            (vec![addr("10.0.0.0", "255.0.0.0")], Some(Family::Ipv4)),
            (
                vec![addr("10.0.0.1", exact), addr("10.0.0.2", exact)],
                Some(Family::Ipv4),
            ),
            (
                vec![addr("fd00::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")],
                Some(Family::Ipv6),
            ),
            (vec![addr("10.0.0.1", exact), addr("fd00::1", "::")], None),
        ] {
            let want = KernelFilter {
                family,
                ..KernelFilter::default()
            };
            assert_eq!(KernelFilter::of(&from(src.clone())), want, "{src:?}");
        }
    }

    #[test]
    fn ports_need_a_family_and_a_protocol_that_has_them() {
        let query = |family, proto, ports| Query {
            family,
            proto,
            reply: Side {
                dst_ports: vec![ports],
                ..Side::default()
            },
            ..Query::default()
        };
        let port = |query: &Query| KernelFilter::of(query).reply.dst_port;
        let (v4, tcp) = (Some(Family::Ipv4), Some(Protocol::TCP));
        assert_eq!(port(&query(v4, tcp, 80..=80)), Some(80));
        assert_eq!(
            port(&query(Some(Family::Ipv6), Some(Protocol::GRE), 7..=7)),
            Some(7)
        );
        assert_eq!(port(&query(v4, tcp, 80..=81)), None);
        assert_eq!(port(&query(None, tcp, 80..=80)), None);
        assert_eq!(port(&query(v4, None, 80..=80)), None);
        assert_eq!(port(&query(v4, Some(Protocol(50)), 80..=80)), None);
    }

    #[test]
    fn icmp_fields_are_compared_in_their_own_family_alone() {
        let ping = |family, proto| Query {
            family: Some(family),
            proto: Some(proto),
            orig: Side {
                icmp_type: Some(8),
                icmp_id: Some(77),
                ..Side::default()
            },
            ..Query::default()
        };
        let fields = |query: &Query| {
            let TupleFilter {
                icmp_type, icmp_id, ..
            } = KernelFilter::of(query).orig;
            (icmp_type, icmp_id)
        };
        assert_eq!(fields(&ping(Family::Ipv4, Protocol::ICMP)), (Some(8), Some(77)));
        assert_eq!(fields(&ping(Family::Ipv6, Protocol::ICMPV6)), (Some(8), Some(77)));
        assert_eq!(fields(&ping(Family::Ipv6, Protocol::ICMP)), (None, None));
    }

    #[test]
    fn bits_to_be_clear_are_in_the_mask() {
        let query = Query {
            status_set: Status::SEEN_REPLY,
            status_clear: Status::ASSURED,
            ..Query::default()
        };
        let want = StatusFilter {
            value: Status(2),
            mask: Status(6),
        };
        assert_eq!(KernelFilter::of(&query).status, Some(want));
    }

    #[test]
    fn a_mark_without_mask_or_beyond_it_is_not_asked_of_the_kernel() {
        let mark = |value, mask| {
            KernelFilter::of(&Query {
                mark: Some(Masked { value, mask }),
                ..Query::default()
            })
            .mark
        };
        assert_eq!(
            mark(1, u32::MAX),
            Some(Masked {
                value: 1,
                mask: u32::MAX
            })
        );
        assert_eq!(mark(0, 0), None);
        assert_eq!(mark(3, 1), None);
    }

    #[test]
    fn zone_zero_is_left_to_us() {
        let zones = |zone, zone_orig| {
            KernelFilter::of(&Query {
                zone,
                zone_orig,
                ..Query::default()
            })
            .zone
        };
        assert_eq!(zones(Some(0), None), None);
        assert_eq!(zones(Some(0), Some(5)), Some(5));
        assert_eq!(zones(Some(7), None), Some(7));
    }
}
