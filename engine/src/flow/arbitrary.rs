//! Any flow and any expectation, for property tests.

use alloc::boxed::Box;
use alloc::string::String;
use core::net::{Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::{
    Addrs, Counters, DccpRole, DccpState, Direction, ExpectFlags, ExpectNat, Expectation, Family, Flow,
    FunctionName, HelperName, L4Key, Labels, Nat, ProtoState, Protocol, SctpState, SeqAdj, SeqAdjPair,
    Status, Synproxy, Tcp, TcpFlags, TcpState, Timestamps, Tuple,
};

/// Any family.
pub(crate) fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)]
}

/// Any addresses of a family.
pub(crate) fn addrs(family: Family) -> BoxedStrategy<Addrs> {
    match family {
        Family::Ipv4 => any::<(Ipv4Addr, Ipv4Addr)>()
            .prop_map(|(src, dst)| Addrs::V4 { src, dst })
            .boxed(),
        Family::Ipv6 => any::<(Ipv6Addr, Ipv6Addr)>()
            .prop_map(|(src, dst)| Addrs::V6 { src, dst })
            .boxed(),
    }
}

/// Any protocol, those with a tracker often.
pub(crate) fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![
        4 => Just(Protocol::TCP),
        2 => Just(Protocol::UDP),
        1 => Just(Protocol::UDPLITE),
        1 => Just(Protocol::SCTP),
        1 => Just(Protocol::DCCP),
        1 => Just(Protocol::GRE),
        1 => Just(Protocol::ICMP),
        1 => Just(Protocol::ICMPV6),
        1 => any::<u8>().prop_map(Protocol),
    ]
}

/// Any key that a flow of this protocol can have.
pub(crate) fn key(proto: Protocol) -> BoxedStrategy<L4Key> {
    let ports = any::<(u16, u16)>().prop_map(|(src, dst)| L4Key::Ports { src, dst });
    match proto {
        Protocol::TCP | Protocol::UDP | Protocol::SCTP => ports.boxed(),
        // Not every source tells their ports.
        Protocol::UDPLITE | Protocol::DCCP | Protocol::GRE => prop_oneof![ports, Just(L4Key::None)].boxed(),
        Protocol::ICMP | Protocol::ICMPV6 => any::<(u8, u8, u16)>()
            .prop_map(|(icmp_type, code, id)| L4Key::Icmp { icmp_type, code, id })
            .boxed(),
        _ => Just(L4Key::None).boxed(),
    }
}

/// Any tuple of a family and a protocol.
pub(crate) fn tuple(family: Family, proto: Protocol) -> impl Strategy<Value = Tuple> {
    (addrs(family), key(proto)).prop_map(move |(addrs, key)| Tuple { addrs, proto, key })
}

/// Any tuple.
pub(crate) fn any_tuple() -> impl Strategy<Value = Tuple> {
    (family(), protocol()).prop_flat_map(|(family, proto)| tuple(family, proto))
}

/// Any state of the tracker of this protocol, or none.
pub(crate) fn proto_state(proto: Protocol) -> BoxedStrategy<ProtoState> {
    let known = match proto {
        Protocol::TCP => {
            let flags = || of(any::<u8>().prop_map(TcpFlags));
            let rest = (of(0_u8..=14), of(0_u8..=14), flags(), flags());
            (any::<u8>().prop_map(TcpState), rest)
                .prop_map(|(state, (wscale_orig, wscale_reply, flags_orig, flags_reply))| {
                    ProtoState::Tcp(Tcp {
                        state,
                        wscale_orig,
                        wscale_reply,
                        flags_orig,
                        flags_reply,
                    })
                })
                .boxed()
        }
        Protocol::SCTP => any::<(u8, u32, u32)>()
            .prop_map(|(state, vtag_orig, vtag_reply)| ProtoState::Sctp {
                state: SctpState(state),
                vtag_orig,
                vtag_reply,
            })
            .boxed(),
        Protocol::DCCP => any::<(u8, u8)>()
            .prop_map(|(state, role)| ProtoState::Dccp {
                state: DccpState(state),
                role: DccpRole(role),
            })
            .boxed(),
        _ => Just(ProtoState::None).boxed(),
    };
    prop_oneof![4 => known, 1 => Just(ProtoState::None)].boxed()
}

/// Any translation of addresses of a family.
pub(crate) fn nat(family: Family) -> impl Strategy<Value = Nat> {
    (
        of(addrs(family)),
        of(addrs(family)),
        any::<(Option<u16>, Option<u16>)>(),
    )
        .prop_map(|(snat, dnat, (spat, dpat))| Nat {
            snat: snat.map(Addrs::src),
            dnat: dnat.map(Addrs::src),
            spat,
            dpat,
        })
}

/// Any name of a helper.
pub(crate) fn helper_name() -> impl Strategy<Value = HelperName> {
    vec(1_u8.., 1..=HelperName::LEN_MAX)
        .prop_map(|name| HelperName::from_bytes(&name).expect("it is not too long"))
}

/// Any name of a function.
pub(crate) fn function_name() -> impl Strategy<Value = FunctionName> {
    vec(1_u8.., 1..=FunctionName::LEN_MAX)
        .prop_map(|name| FunctionName::from_bytes(&name).expect("it is not too long"))
}

fn seq_adj() -> impl Strategy<Value = SeqAdj> {
    any::<(u32, u32, u32)>().prop_map(|(correction_pos, offset_before, offset_after)| SeqAdj {
        correction_pos,
        offset_before,
        offset_after,
    })
}

fn counters() -> impl Strategy<Value = Counters> {
    any::<(u64, u64)>().prop_map(|(packets, bytes)| Counters { packets, bytes })
}

/// Fills in what a peer can tell beside tuples, state and translation.
fn told_by_peer(flow: Flow) -> impl Strategy<Value = Flow> {
    let numbers = any::<(Option<u32>, Option<u32>, Option<u32>, Option<u16>)>();
    let seq_adj = (seq_adj(), seq_adj()).prop_map(|(orig, reply)| SeqAdjPair { orig, reply });
    let synproxy = any::<(u32, u32, u32)>().prop_map(|(isn, its, tsoff)| Synproxy { isn, its, tsoff });
    let labels = any::<u128>().prop_map(Labels);
    let rare = (
        of(any_tuple()),
        of(helper_name()),
        of(labels),
        of(seq_adj),
        of(synproxy),
    );
    (numbers, rare).prop_map(move |((status, timeout_secs, mark, zone), rare)| {
        let (master, helper, labels, seq_adj, synproxy) = rare;
        Flow {
            status: status.map(Status),
            timeout_secs,
            mark,
            zone,
            master,
            helper,
            labels,
            seq_adj,
            synproxy,
            ..flow.clone()
        }
    })
}

/// Fills in what only the kernel tells.
fn told_by_kernel(flow: Flow) -> impl Strategy<Value = Flow> {
    let zones = any::<(Option<u16>, Option<u16>)>();
    let numbers = any::<(Option<u32>, Option<u32>, Option<u32>, Option<String>)>();
    let timestamps = any::<(u64, Option<u64>)>().prop_map(|(start_nanos, stop_nanos)| Timestamps {
        start_nanos,
        stop_nanos,
    });
    let traffic = (of(counters()), of(counters()), of(timestamps));
    (zones, numbers, traffic).prop_map(move |((zone_orig, zone_reply), numbers, traffic)| {
        let (id, use_count, secmark, secctx) = numbers;
        let (counters_orig, counters_reply, timestamps) = traffic;
        Flow {
            zone_orig,
            zone_reply,
            id,
            use_count,
            secmark,
            secctx: secctx.map(Box::from),
            counters_orig,
            counters_reply,
            timestamps,
            ..flow.clone()
        }
    })
}

/// Any flow that a peer can have sent: no reply tuple, a translation of its own.
pub(crate) fn peer_flow() -> impl Strategy<Value = Flow> {
    (family(), protocol())
        .prop_flat_map(|(family, proto)| (tuple(family, proto), proto_state(proto), nat(family)))
        .prop_flat_map(|(orig, proto, nat)| {
            told_by_peer(Flow {
                proto,
                nat,
                ..Flow::new(orig)
            })
        })
}

/// Any flow that the kernel can have: often the mirrored reply tuple, sometimes a translated one.
pub(crate) fn kernel_flow() -> impl Strategy<Value = Flow> {
    (family(), protocol())
        .prop_flat_map(|(family, proto)| {
            let reply = of(tuple(family, proto));
            (tuple(family, proto), reply, proto_state(proto))
        })
        .prop_flat_map(|(orig, reply, proto)| {
            told_by_peer(Flow {
                reply: Some(reply.unwrap_or_else(|| orig.mirrored())),
                proto,
                ..Flow::new(orig)
            })
        })
        .prop_flat_map(told_by_kernel)
}

/// Any expectation.
pub(crate) fn expectation() -> impl Strategy<Value = Expectation> {
    let direction = prop_oneof![Just(Direction::Orig), Just(Direction::Reply)];
    let tuples = (family(), protocol(), protocol()).prop_flat_map(|(family, of_master, expected)| {
        (
            tuple(family, of_master),
            tuple(family, expected),
            tuple(family, expected),
            tuple(family, expected),
        )
    });
    let numbers = any::<(Option<u32>, Option<u32>, Option<u16>, Option<u32>, Option<u32>)>();
    (
        tuples,
        numbers,
        of(direction),
        of(helper_name()),
        of(function_name()),
    )
        .prop_map(
            |(
                (master, tuple, mask, nat),
                (timeout_secs, id, zone, flags, class),
                direction,
                helper,
                function,
            )| {
                Expectation {
                    master,
                    tuple,
                    mask,
                    timeout_secs,
                    id,
                    zone,
                    flags: flags.map(ExpectFlags),
                    class,
                    nat: direction.map(|direction| ExpectNat {
                        direction,
                        tuple: nat,
                    }),
                    helper,
                    function,
                }
            },
        )
}
