use alloc::format;
use alloc::string::String;
use alloc::vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::flow::arbitrary::kernel_flow;
use crate::flow::{Addrs, Flow, L4Key, Tcp, TcpFlags, TcpState, Tuple};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(5, 5, 5, 5));

const WEB: Tuple = Tuple {
    addrs: Addrs::V4 {
        src: Ipv4Addr::new(10, 0, 0, 1),
        dst: Ipv4Addr::new(10, 0, 1, 1),
    },
    proto: Protocol::TCP,
    key: L4Key::Ports { src: 1001, dst: 80 },
};

/// An established stream whose source is translated to 5.5.5.5:2000.
fn web() -> Flow {
    let reply = Tuple {
        addrs: Addrs::V4 {
            src: Ipv4Addr::new(10, 0, 1, 1),
            dst: Ipv4Addr::new(5, 5, 5, 5),
        },
        proto: Protocol::TCP,
        key: L4Key::Ports { src: 80, dst: 2000 },
    };
    Flow {
        reply: Some(reply),
        status: Some(Status(0x19e)),
        mark: Some(0x12),
        proto: ProtoState::Tcp(Tcp {
            flags_orig: Some(TcpFlags(8)),
            ..Tcp::in_state(TcpState::ESTABLISHED)
        }),
        labels: Some(Labels(0b110)),
        zone: Some(5),
        id: Some(7),
        timeout_secs: Some(99),
        ..Flow::new(WEB)
    }
}

fn masked(addr: &str, mask: &str) -> AddrMatch {
    AddrMatch {
        addr: addr.parse().unwrap(),
        mask: mask.parse().unwrap(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a row is a query written in place")]
fn check(query: Query, flow: &Flow, matches: bool) {
    assert_eq!(query.matches(flow), matches, "{query:?}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a flat table: one line a condition")]
fn every_condition_must_hold() {
    const ANY: fn() -> Query = Query::default;
    let status = |set, clear| Query {
        status_set: Status(set),
        status_clear: Status(clear),
        ..ANY()
    };
    let src = |src| Query {
        orig: Side {
            src,
            ..Side::default()
        },
        ..ANY()
    };
    let mark = |value, mask| Query {
        mark: Some(Masked { value, mask }),
        ..ANY()
    };
    let flow = &web();
    check(ANY(), flow, true);
    check(status(0x6, 0), flow, true);
    check(status(0x6, 0x400), flow, true);
    check(status(0x402, 0), flow, false);
    check(status(0, 0x2), flow, false);
    check(status(0x2, 0x2), flow, false);
    check(src(vec![masked("10.0.0.1", "255.255.255.255")]), flow, true);
    check(src(vec![masked("10.0.0.77", "255.255.255.0")]), flow, true);
    check(src(vec![masked("10.0.1.0", "255.255.255.0")]), flow, false);
    check(src(vec![masked("::", "::")]), flow, false);
    check(
        src(vec![
            masked("1.1.1.1", "255.255.255.255"),
            masked("10.0.0.0", "255.0.0.0"),
        ]),
        flow,
        true,
    );
    check(mark(0x12, u32::MAX), flow, true);
    check(mark(0x10, 0xf0), flow, true);
    check(mark(0x12, 0xf0), flow, false);
    check(
        Query {
            zone: Some(5),
            ..ANY()
        },
        flow,
        true,
    );
    check(
        Query {
            zone: Some(0),
            ..ANY()
        },
        flow,
        false,
    );
    check(
        Query {
            zone_orig: Some(0),
            ..ANY()
        },
        flow,
        true,
    );
    check(
        Query {
            labels: Some(Labels(0b100)),
            ..ANY()
        },
        flow,
        true,
    );
    check(
        Query {
            labels: Some(Labels(0b101)),
            ..ANY()
        },
        flow,
        false,
    );
    check(
        Query {
            secmark: Some(0),
            ..ANY()
        },
        flow,
        false,
    );
    check(
        Query {
            id: Some(7),
            timeout_secs: Some(98),
            ..ANY()
        },
        flow,
        false,
    );
    check(
        Query {
            family: Some(Family::Ipv6),
            ..ANY()
        },
        flow,
        false,
    );
}

#[test]
fn states_are_compared_without_their_flags() {
    let state = |state| Query {
        state: Some(ProtoState::Tcp(Tcp::in_state(state))),
        ..Query::default()
    };
    check(state(TcpState::ESTABLISHED), &web(), true);
    check(state(TcpState::SYN_SENT), &web(), false);
}

#[test]
fn the_keys_of_gre_are_compared() {
    let mut flow = Flow::new(Tuple {
        proto: Protocol::GRE,
        key: L4Key::Ports { src: 1, dst: 2 },
        ..WEB
    });
    let keys = |src| Query {
        proto: Some(Protocol::GRE),
        orig: Side {
            src_ports: vec![src..=src],
            ..Side::default()
        },
        ..Query::default()
    };
    check(keys(1), &flow, true);
    check(keys(99), &flow, false);
    flow.orig.key = L4Key::None;
    check(keys(0), &flow, false);
}

#[test]
fn translations_are_those_in_effect() {
    let nat = |kind, addr, port| Query {
        nat: vec![NatQuery { kind, addr, port }],
        ..Query::default()
    };
    let flow = &web();
    check(nat(NatKind::Source, None, None), flow, true);
    check(nat(NatKind::Source, Some(PUBLIC), Some(2000)), flow, true);
    check(nat(NatKind::Source, Some(CLIENT), None), flow, false);
    check(nat(NatKind::Source, Some(PUBLIC), Some(80)), flow, false);
    check(nat(NatKind::Destination, None, None), flow, false);
    check(nat(NatKind::Any, None, Some(2000)), flow, true);
    let undone = &Flow {
        status: Some(Status(0xe)),
        ..web()
    };
    check(nat(NatKind::Any, None, None), undone, false);
}

#[test]
fn ipv6_translations_are_compared_too() {
    let addr = |last| Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last);
    let tuple = |src, dst| Tuple {
        addrs: Addrs::V6 {
            src: addr(src),
            dst: addr(dst),
        },
        ..WEB
    };
    let flow = &Flow {
        reply: Some(Tuple {
            key: L4Key::Ports { src: 80, dst: 1001 },
            ..tuple(2, 0x55)
        }),
        status: Some(Status(0x198)),
        ..Flow::new(tuple(1, 2))
    };
    let nat = |last| Query {
        nat: vec![NatQuery {
            kind: NatKind::Source,
            addr: Some(addr(last).into()),
            port: None,
        }],
        ..Query::default()
    };
    check(nat(0x55), flow, true);
    check(nat(0x56), flow, false);
}

#[test]
fn the_identifier_of_a_translated_ping_is_no_port() {
    let ping = |dst: [u8; 4], icmp_type, id| Tuple {
        addrs: Addrs::V4 {
            src: Ipv4Addr::new(10, 0, 0, 1),
            dst: dst.into(),
        },
        proto: Protocol::ICMP,
        key: L4Key::Icmp {
            icmp_type,
            code: 0,
            id,
        },
    };
    let orig = ping([10, 0, 0, 2], 8, 77);
    let mut reply = ping([5, 5, 5, 5], 0, 78);
    reply.addrs = Addrs::V4 {
        src: Ipv4Addr::new(10, 0, 0, 2),
        dst: Ipv4Addr::new(5, 5, 5, 5),
    };
    let flow = &Flow {
        reply: Some(reply),
        status: Some(Status(0x19a)),
        ..Flow::new(orig)
    };
    let kind = |kind| Query {
        nat: vec![NatQuery {
            kind,
            addr: None,
            port: None,
        }],
        ..Query::default()
    };
    check(kind(NatKind::Source), flow, true);
    check(kind(NatKind::Destination), flow, false);
}

/// The same judgement by other means: every condition is a claim, told as text, and the first that does
/// not hold is the reason.
#[expect(clippy::too_many_lines, reason = "a flat table: one claim a condition")]
fn naive(query: &Query, flow: &Flow) -> Result<(), String> {
    fn bits(addr: IpAddr) -> String {
        match addr {
            IpAddr::V4(addr) => addr.octets().iter().map(|byte| format!("{byte:08b}")).collect(),
            IpAddr::V6(addr) => addr.octets().iter().map(|byte| format!("{byte:08b}")).collect(),
        }
    }
    fn is_same_under(wanted: &AddrMatch, addr: IpAddr) -> bool {
        let (addr, wanted, mask) = (bits(addr), bits(wanted.addr), bits(wanted.mask));
        addr.len() == wanted.len()
            && addr
                .chars()
                .zip(wanted.chars())
                .zip(mask.chars())
                .all(|((addr, wanted), mask)| mask == '0' || addr == wanted)
    }
    fn side(wanted: &Side, tuple: &Tuple) -> bool {
        let addrs = [(&wanted.src, tuple.addrs.src()), (&wanted.dst, tuple.addrs.dst())]
            .into_iter()
            .all(|(wanted, addr)| {
                wanted.is_empty() || wanted.iter().filter(|it| is_same_under(it, addr)).count() > 0
            });
        let (mut src, mut dst, mut icmp) = (None, None, None);
        match tuple.key {
            L4Key::None => {}
            L4Key::Ports { src: from, dst: to } => (src, dst) = (Some(from), Some(to)),
            L4Key::Icmp { icmp_type, code, id } => icmp = Some((icmp_type, code, id)),
        }
        let ports = [(&wanted.src_ports, src), (&wanted.dst_ports, dst)]
            .into_iter()
            .all(|(wanted, port)| {
                wanted.is_empty()
                    || wanted
                        .iter()
                        .any(|range| port.is_some_and(|port| *range.start() <= port && port <= *range.end()))
            });
        let icmp = [
            wanted
                .icmp_type
                .map(u16::from)
                .zip(Some(icmp.map(|it| u16::from(it.0)))),
            wanted
                .icmp_code
                .map(u16::from)
                .zip(Some(icmp.map(|it| u16::from(it.1)))),
            wanted.icmp_id.zip(Some(icmp.map(|it| it.2))),
        ]
        .into_iter()
        .flatten()
        .all(|(wanted, found)| found == Some(wanted));
        addrs && ports && icmp
    }
    let reply = flow.reply.unwrap();
    let status = flow.status.map(|status| status.0);
    let is_done = |bit: u32| status.is_none_or(|status| status & bit != 0);
    let ports = |tuple: &Tuple| match tuple.key {
        L4Key::Ports { src, dst } => Some([src, dst]),
        L4Key::None | L4Key::Icmp { .. } => None,
    };
    // Of source and destination: to which address and to which port, if to another one.
    let found = [
        (0x80, flow.orig.addrs.src(), reply.addrs.dst(), 0, 1),
        (0x100, flow.orig.addrs.dst(), reply.addrs.src(), 1, 0),
    ]
    .map(|(bit, from, to, orig_port, reply_port)| {
        let port = ports(&flow.orig)
            .zip(ports(&reply))
            .map(|(orig, reply)| (orig[orig_port], reply[reply_port]))
            .filter(|(from, to)| is_done(bit) && from != to)
            .map(|(_, to)| to);
        ((is_done(bit) && from != to).then_some(to), port)
    });
    let is_translated =
        |(addr, port): (Option<IpAddr>, Option<u16>), wanted: &NatQuery| match (wanted.addr, wanted.port) {
            (None, None) => addr.is_some() || port.is_some(),
            (Some(_), None) => addr == wanted.addr,
            (None, Some(_)) => port == wanted.port,
            (Some(_), Some(_)) => (addr, port) == (wanted.addr, wanted.port),
        };
    let claims: [(&str, bool); 14] = [
        (
            "family",
            query.family.is_none_or(|it| it == flow.orig.addrs.family()),
        ),
        ("protocol", query.proto.is_none_or(|it| it == flow.orig.proto)),
        ("orig", side(&query.orig, &flow.orig)),
        ("reply", side(&query.reply, &reply)),
        (
            "state",
            query
                .state
                .is_none_or(|it| state_text(it) == state_text(flow.proto)),
        ),
        (
            "mark",
            query
                .mark
                .is_none_or(|it| flow.mark.map(|mark| mark & it.mask) == Some(it.value)),
        ),
        (
            "secmark",
            query.secmark.is_none() || query.secmark == flow.secmark,
        ),
        (
            "status",
            (0..32).map(|bit| 1 << bit).all(|bit: u32| {
                (query.status_set.0 & bit == 0 || status.is_some_and(|status| status & bit != 0))
                    && (query.status_clear.0 & bit == 0 || status.is_some_and(|status| status & bit == 0))
            }),
        ),
        ("zone", query.zone.is_none_or(|it| it == flow.zone.unwrap_or(0))),
        (
            "zone-orig",
            query.zone_orig.is_none_or(|it| it == flow.zone_orig.unwrap_or(0)),
        ),
        (
            "zone-reply",
            query
                .zone_reply
                .is_none_or(|it| it == flow.zone_reply.unwrap_or(0)),
        ),
        (
            "labels",
            query
                .labels
                .is_none_or(|wanted| flow.labels.is_some_and(|it| wanted.0 & !it.0 == 0)),
        ),
        (
            "nat",
            query.nat.iter().all(|wanted| match wanted.kind {
                NatKind::Source => is_translated(found[0], wanted),
                NatKind::Destination => is_translated(found[1], wanted),
                NatKind::Any => found.into_iter().any(|found| is_translated(found, wanted)),
            }),
        ),
        (
            "id and timeout",
            (query.id.is_none() || query.id == flow.id)
                && (query.timeout_secs.is_none() || query.timeout_secs == flow.timeout_secs),
        ),
    ];
    match claims.into_iter().find(|(_, holds)| !holds) {
        Some((claim, _)) => Err(claim.into()),
        None => Ok(()),
    }
}

fn state_text(state: ProtoState) -> String {
    match state {
        ProtoState::None => "none".into(),
        ProtoState::Tcp(tcp) => format!("tcp {}", tcp.state.0),
        ProtoState::Sctp { state, .. } => format!("sctp {}", state.0),
        ProtoState::Dccp { state, .. } => format!("dccp {}", state.0),
    }
}

/// A query about one attribute of `flow`, near enough to be true about every other time.
#[expect(clippy::too_many_lines, reason = "a flat table: one strategy an attribute")]
fn query_about(flow: &Flow) -> BoxedStrategy<Query> {
    const ANY: fn() -> Query = Query::default;
    let (orig, reply, nat) = (flow.orig, flow.reply.unwrap(), flow.nat_in_effect());
    let side = |tuple: Tuple| {
        let mask: u128 = match tuple.addrs {
            Addrs::V4 { .. } => u32::MAX.into(),
            Addrs::V6 { .. } => u128::MAX,
        };
        let addr = move |addr: IpAddr, flipped: u8, ones: u8| match addr {
            IpAddr::V4(addr) => AddrMatch {
                addr: Ipv4Addr::from_bits(addr.to_bits() ^ (1 << (flipped % 32))).into(),
                mask: Ipv4Addr::from_bits(u32::MAX.checked_shl(u32::from(ones % 33)).unwrap_or(0)).into(),
            },
            IpAddr::V6(addr) => AddrMatch {
                addr: Ipv6Addr::from_bits(addr.to_bits() ^ (1 << (flipped % 128))).into(),
                mask: Ipv6Addr::from_bits(mask.checked_shl(u32::from(ones)).unwrap_or(0)).into(),
            },
        };
        let (src_port, dst_port) = tuple.ports().unwrap_or_default();
        let icmp = match tuple.key {
            L4Key::Icmp { icmp_type, code, id } => (icmp_type, code, id),
            L4Key::None | L4Key::Ports { .. } => (8, 0, 1),
        };
        prop_oneof![
            any::<(u8, u8, u8)>().prop_map(move |(flipped, ones, other)| Side {
                src: vec![
                    addr(tuple.addrs.src(), flipped, ones),
                    addr(tuple.addrs.dst(), other, 0)
                ],
                ..Side::default()
            }),
            any::<(u8, u8)>().prop_map(move |(flipped, ones)| Side {
                dst: vec![addr(tuple.addrs.dst(), flipped, ones)],
                ..Side::default()
            }),
            (0_u16..3, 0_u16..3).prop_map(move |(before, after)| Side {
                src_ports: vec![src_port.saturating_sub(before)..=src_port.saturating_add(after)],
                dst_ports: vec![
                    dst_port.saturating_add(before)..=dst_port.saturating_add(after),
                    before..=after
                ],
                ..Side::default()
            }),
            (0_u8..2, 0_u8..2, 0_u16..2).prop_map(move |(icmp_type, code, id)| Side {
                icmp_type: Some(icmp.0 ^ icmp_type),
                icmp_code: (code == 0).then_some(icmp.1),
                icmp_id: Some(icmp.2 ^ id),
                ..Side::default()
            }),
        ]
    };
    let (mark, status) = (flow.mark.unwrap_or(0), flow.status.unwrap_or(Status(0xe)));
    let (proto, state, zone, labels) = (flow.orig.proto, flow.proto, flow.zone, flow.labels);
    let (zone_orig, zone_reply, id, timeout_secs) =
        (flow.zone_orig, flow.zone_reply, flow.id, flow.timeout_secs);
    prop_oneof![
        side(orig).prop_map(|orig| Query { orig, ..ANY() }),
        side(reply).prop_map(|reply| Query { reply, ..ANY() }),
        any::<(u32, bool)>().prop_map(move |(mask, is_beyond)| Query {
            mark: Some(Masked {
                value: (mark & mask) | u32::from(is_beyond),
                mask
            }),
            ..ANY()
        }),
        any::<(u32, u32, bool)>().prop_map(move |(set, clear, is_true)| Query {
            status_set: if is_true {
                status & Status(set)
            } else {
                Status(set & 0xf)
            },
            status_clear: if is_true {
                !status & Status(clear)
            } else {
                Status(clear & 0xf)
            },
            ..ANY()
        }),
        any::<bool>().prop_map(move |is_first| Query {
            state: Some(state),
            zone: is_first.then(|| zone.unwrap_or(0)),
            zone_orig: is_first.then(|| zone_orig.unwrap_or(0)),
            zone_reply: Some(zone_reply.unwrap_or(u16::from(!is_first))),
            ..ANY()
        }),
        any::<(u128, bool)>().prop_map(move |(some, is_true)| Query {
            labels: Some(Labels(if is_true {
                some & labels.map_or(0, |it| it.0)
            } else {
                some & 7
            })),
            ..ANY()
        }),
        (0_u8..3, any::<(bool, bool, bool)>()).prop_map(move |(kind, (has_addr, has_port, is_source))| {
            let kind = [NatKind::Source, NatKind::Destination, NatKind::Any][usize::from(kind)];
            let (addr, port) = if is_source {
                (nat.snat, nat.spat)
            } else {
                (nat.dnat, nat.dpat)
            };
            Query {
                nat: vec![NatQuery {
                    kind,
                    addr: addr.filter(|_| has_addr),
                    port: port.filter(|_| has_port),
                }],
                ..ANY()
            }
        }),
        any::<(Option<u32>, bool)>().prop_map(move |(secmark, is_true)| Query {
            secmark,
            id,
            timeout_secs: if is_true { timeout_secs } else { Some(1) },
            ..ANY()
        }),
        any::<u8>().prop_map(move |other| Query {
            proto: Some(if other < 128 { proto } else { Protocol(other) }),
            family: Some(if other % 2 == 0 {
                Family::Ipv4
            } else {
                Family::Ipv6
            }),
            ..ANY()
        }),
    ]
    .boxed()
}

/// Either of two queries where they ask the same, both where they do not.
fn both(one: Query, other: Query) -> Query {
    let is_any = |side: &Side| side.is_any();
    Query {
        family: one.family.or(other.family),
        proto: one.proto.or(other.proto),
        orig: if is_any(&one.orig) { other.orig } else { one.orig },
        reply: if is_any(&one.reply) {
            other.reply
        } else {
            one.reply
        },
        state: one.state.or(other.state),
        mark: one.mark.or(other.mark),
        secmark: one.secmark.or(other.secmark),
        status_set: one.status_set | other.status_set,
        status_clear: one.status_clear | other.status_clear,
        zone: one.zone.or(other.zone),
        zone_orig: one.zone_orig.or(other.zone_orig),
        zone_reply: one.zone_reply.or(other.zone_reply),
        labels: one.labels.or(other.labels),
        nat: one.nat.into_iter().chain(other.nat).collect(),
        id: one.id.or(other.id),
        timeout_secs: one.timeout_secs.or(other.timeout_secs),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn a_query_and_the_naive_model_agree(
        (flow, query) in kernel_flow().prop_flat_map(|flow| {
            let query = (query_about(&flow), query_about(&flow), any::<bool>())
                .prop_map(|(one, other, is_both)| if is_both { both(one, other) } else { one });
            (Just(flow), query)
        })
    ) {
        let naive = naive(&query, &flow);
        prop_assert_eq!(query.matches(&flow), naive.is_ok(), "{:?}", naive);
    }
}
