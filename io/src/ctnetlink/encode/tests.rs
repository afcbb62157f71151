//! What is encoded is read back by the decoder, for any flow that can be requested.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use engine::flow::{
    Addrs, DccpRole, DccpState, Direction, ExpectFlags, ExpectNat, Expectation, Family, Flow, FunctionName,
    HelperName, L4Key, Labels, Nat, ProtoState, Protocol, SctpState, SeqAdj, SeqAdjPair, Status, Synproxy,
    Tcp, TcpFlags, TcpState, Tuple,
};
use engine::input::EventKind;
use engine::output::{ExpectRequest, FlowName, FlowRequest};
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::ctnetlink::KernelFilter;
use crate::ctnetlink::decode::{Message, decode_expectation, decode_flow, messages};

fn addrs(is_v4: bool) -> BoxedStrategy<Addrs> {
    if is_v4 {
        any::<(Ipv4Addr, Ipv4Addr)>()
            .prop_map(|(src, dst)| Addrs::V4 { src, dst })
            .boxed()
    } else {
        any::<(Ipv6Addr, Ipv6Addr)>()
            .prop_map(|(src, dst)| Addrs::V6 { src, dst })
            .boxed()
    }
}

fn addr(is_v4: bool) -> BoxedStrategy<IpAddr> {
    if is_v4 {
        any::<Ipv4Addr>().prop_map(IpAddr::V4).boxed()
    } else {
        any::<Ipv6Addr>().prop_map(IpAddr::V6).boxed()
    }
}

fn l4() -> impl Strategy<Value = (Protocol, L4Key)> {
    let ports = any::<(u16, u16)>().prop_map(|(src, dst)| L4Key::Ports { src, dst });
    let icmp = any::<(u8, u8, u16)>().prop_map(|(icmp_type, code, id)| L4Key::Icmp { icmp_type, code, id });
    prop_oneof![
        (
            prop::sample::select(vec![6, 17, 33, 47, 132, 136]).prop_map(Protocol),
            ports
        ),
        (prop::sample::select(vec![1, 58]).prop_map(Protocol), icmp),
        (any::<u8>().prop_map(Protocol), Just(L4Key::None)),
    ]
}

fn tuple(is_v4: bool) -> impl Strategy<Value = Tuple> {
    (addrs(is_v4), l4()).prop_map(|(addrs, (proto, key))| Tuple { addrs, proto, key })
}

fn proto_state() -> impl Strategy<Value = ProtoState> {
    let flags = || option::of(any::<u8>().prop_map(TcpFlags));
    let tcp = (any::<u8>(), option::of(any::<(u8, u8)>()), flags(), flags());
    prop_oneof![
        Just(ProtoState::None),
        // The kernel takes both scales or none.
        tcp.prop_map(|(state, wscales, flags_orig, flags_reply)| ProtoState::Tcp(Tcp {
            state: TcpState(state),
            wscale_orig: wscales.map(|scales| scales.0),
            wscale_reply: wscales.map(|scales| scales.1),
            flags_orig,
            flags_reply,
        })),
        any::<(u8, u32, u32)>().prop_map(|(state, vtag_orig, vtag_reply)| ProtoState::Sctp {
            state: SctpState(state),
            vtag_orig,
            vtag_reply
        }),
        any::<(u8, u8)>().prop_map(|(state, role)| ProtoState::Dccp {
            state: DccpState(state),
            role: DccpRole(role),
        }),
    ]
}

fn helper() -> impl Strategy<Value = HelperName> {
    prop::collection::vec(1_u8.., 0..=HelperName::LEN_MAX)
        .prop_map(|name| HelperName::from_bytes(&name).unwrap())
}

fn seq_adj() -> impl Strategy<Value = SeqAdj> {
    any::<(u32, u32, u32)>().prop_map(|(correction_pos, offset_before, offset_after)| SeqAdj {
        correction_pos,
        offset_before,
        offset_after,
    })
}

fn synproxy() -> impl Strategy<Value = Synproxy> {
    any::<(u32, u32, u32)>().prop_map(|(isn, its, tsoff)| Synproxy { isn, its, tsoff })
}

/// Translations with ports for the protocols that have some.
fn nat(is_v4: bool) -> impl Strategy<Value = Nat> {
    let (addr, port) = (|| option::of(addr(is_v4)), || option::of(any::<u16>()));
    (addr(), addr(), port(), port()).prop_map(|(snat, dnat, spat, dpat)| Nat {
        snat,
        dnat,
        spat,
        dpat,
    })
}

/// Everything that a creation can carry.
fn flow() -> impl Strategy<Value = Flow> {
    any::<bool>().prop_flat_map(|is_v4| {
        let tuples = (tuple(is_v4), tuple(is_v4), option::of(tuple(is_v4)));
        let zones = any::<(Option<u16>, Option<u16>, Option<u16>)>();
        let numbers = any::<(Option<u32>, Option<u32>, Option<u32>, Option<u128>)>();
        let adjustments = (option::of((seq_adj(), seq_adj())), option::of(synproxy()));
        (
            tuples,
            zones,
            numbers,
            proto_state(),
            nat(is_v4),
            option::of(helper()),
            adjustments,
        )
            .prop_map(
                |(
                    (orig, reply, master),
                    zones,
                    (status, timeout_secs, mark, labels),
                    proto,
                    nat,
                    helper,
                    adjustments,
                )| {
                    let has_nat_ports = matches!(orig.proto.0, 6 | 17 | 132 | 136);
                    Flow {
                        reply: Some(reply),
                        zone: zones.0,
                        zone_orig: zones.1,
                        zone_reply: zones.2,
                        status: status.map(Status),
                        timeout_secs,
                        mark,
                        proto,
                        nat: Nat {
                            spat: nat.spat.filter(|_| has_nat_ports),
                            dpat: nat.dpat.filter(|_| has_nat_ports),
                            ..nat
                        },
                        master,
                        helper,
                        labels: labels.map(Labels),
                        seq_adj: adjustments.0.map(|(orig, reply)| SeqAdjPair { orig, reply }),
                        synproxy: adjustments.1,
                        ..Flow::new(orig)
                    }
                },
            )
    })
}

fn expectation() -> impl Strategy<Value = Expectation> {
    any::<bool>().prop_flat_map(|is_v4| {
        let tuples = (tuple(is_v4), tuple(is_v4), tuple(is_v4));
        let numbers = any::<(Option<u32>, Option<u32>, Option<u16>, Option<u32>)>();
        let nat = option::of((any::<bool>(), tuple(is_v4)));
        let function = prop::collection::vec(1_u8.., 0..=FunctionName::LEN_MAX)
            .prop_map(|name| FunctionName::from_bytes(&name).unwrap());
        (tuples, numbers, nat, option::of(helper()), option::of(function)).prop_map(
            |((master, tuple, mask), (timeout_secs, flags, zone, class), nat, helper, function)| {
                Expectation {
                    master,
                    tuple,
                    mask,
                    timeout_secs,
                    id: None,
                    zone,
                    flags: flags.map(ExpectFlags),
                    class,
                    nat: nat.map(|(is_orig, tuple)| ExpectNat {
                        direction: if is_orig {
                            Direction::Orig
                        } else {
                            Direction::Reply
                        },
                        tuple,
                    }),
                    helper,
                    function,
                }
            },
        )
    })
}

/// Returns the one message in `bytes`, of which both length and alignment are right.
fn only_message(bytes: &[u8]) -> Message<'_> {
    assert_eq!(bytes.len() % 4, 0);
    let mut all = messages(bytes);
    let message = all.next().unwrap().unwrap();
    assert_eq!(all.next(), None);
    message
}

fn read_back(request: &FlowRequest) -> (EventKind, u32, Flow) {
    let mut buffer = Vec::new();
    encode_flow_request(request, 77, AckMode::OnError, &mut buffer);
    let Message::Flow {
        kind,
        port_id: 0,
        seq,
        body,
    } = only_message(&buffer)
    else {
        panic!("{request:?} became no message about a flow");
    };
    (kind, seq, decode_flow(&body).unwrap())
}

proptest! {
    #[test]
    fn a_creation_says_all_of_its_flow(flow in flow()) {
        prop_assert_eq!(read_back(&FlowRequest::Create(flow.clone())), (EventKind::New, 77, flow));
    }

    #[test]
    fn an_update_says_all_but_reply_translation_master_and_helper(flow in flow()) {
        let said = Flow {
            reply: None,
            zone_reply: None,
            nat: Nat::NONE,
            master: None,
            helper: None,
            ..flow.clone()
        };
        prop_assert_eq!(read_back(&FlowRequest::Update(flow)), (EventKind::Update, 77, said));
    }

    #[test]
    fn a_deletion_says_tuple_zone_and_id(orig in tuple(true), zone: Option<u16>, id: Option<u32>) {
        let said = Flow { zone, id, ..Flow::new(orig) };
        let request = FlowRequest::Delete(FlowName { orig, zone, id });
        prop_assert_eq!(read_back(&request), (EventKind::Destroy, 77, said));
    }

    #[test]
    fn a_creation_of_an_expectation_says_all_of_it(expectation in expectation()) {
        let mut buffer = Vec::new();
        encode_expect_request(&ExpectRequest::Create(expectation.clone().into()), 77, AckMode::Always, &mut buffer);
        let Message::Expect { kind: EventKind::New, seq: 77, body, .. } = only_message(&buffer) else {
            panic!("{expectation:?} became no message about an expectation");
        };
        prop_assert_eq!(decode_expectation(&body).unwrap(), expectation);
    }
}

const TCP: Tuple = Tuple {
    addrs: Addrs::V4 {
        src: Ipv4Addr::new(10, 0, 0, 1),
        dst: Ipv4Addr::new(10, 0, 0, 2),
    },
    proto: Protocol::TCP,
    key: L4Key::Ports { src: 1000, dst: 80 },
};

fn encoded(request: &FlowRequest, ack: AckMode) -> Vec<u8> {
    let mut buffer = Vec::new();
    encode_flow_request(request, 0x0102_0304, ack, &mut buffer);
    buffer
}

#[test]
fn without_a_reply_tuple_the_mirrored_one_is_sent() {
    let (_, _, flow) = read_back(&FlowRequest::Create(Flow::new(TCP)));
    assert_eq!(flow.reply, Some(TCP.mirrored()));
}

#[test]
fn flags_say_what_is_done_and_when_it_is_answered() {
    let name = FlowName {
        orig: TCP,
        zone: None,
        id: None,
    };
    let (create, update) = (
        FlowRequest::Create(Flow::new(TCP)),
        FlowRequest::Update(Flow::new(TCP)),
    );
    for (request, message_type, flags) in [
        (create, 0x100_u16, 0x601_u16),
        (update, 0x100, 0x1),
        (FlowRequest::Delete(name), 0x102, 0x1),
        (FlowRequest::Get(name), 0x101, 0x1),
    ] {
        let bytes = encoded(&request, AckMode::OnError);
        assert_eq!(bytes[4..6], message_type.to_ne_bytes(), "{request:?}");
        assert_eq!(bytes[6..8], flags.to_ne_bytes(), "{request:?}");
        assert_eq!(bytes[8..12], 0x0102_0304_u32.to_ne_bytes(), "{request:?}");
        let bytes = encoded(&request, AckMode::Always);
        assert_eq!(bytes[6..8], (flags | 0x4).to_ne_bytes(), "{request:?}");
    }
}

#[test]
fn the_mask_of_tcp_flags_is_what_is_set() {
    let tcp = Tcp {
        flags_orig: Some(TcpFlags(0x9)),
        flags_reply: Some(TcpFlags(0)),
        ..Tcp::in_state(TcpState::ESTABLISHED)
    };
    let bytes = encoded(
        &FlowRequest::Update(Flow {
            proto: ProtoState::Tcp(tcp),
            ..Flow::new(TCP)
        }),
        AckMode::OnError,
    );
    let [len_0, len_1] = 6_u16.to_ne_bytes();
    for (kind, flags) in [(4_u16, 0x9), (5, 0)] {
        let [kind_0, kind_1] = kind.to_ne_bytes();
        let attribute = [len_0, len_1, kind_0, kind_1, flags, flags, 0, 0];
        assert!(
            bytes.windows(8).any(|window| window == attribute),
            "attribute {kind} in {bytes:x?}"
        );
    }
}

#[test]
fn a_single_window_scale_is_not_sent() {
    let tcp = Tcp {
        wscale_orig: Some(7),
        ..Tcp::in_state(TcpState::ESTABLISHED)
    };
    let flow = Flow {
        proto: ProtoState::Tcp(tcp),
        ..Flow::new(TCP)
    };
    let said = ProtoState::Tcp(Tcp::in_state(TcpState::ESTABLISHED));
    assert_eq!(read_back(&FlowRequest::Create(flow)).2.proto, said);
}

#[test]
fn ports_are_not_translated_where_the_kernel_would_misread_them() {
    for proto in [Protocol::ICMP, Protocol::GRE, Protocol::DCCP] {
        let flow = Flow {
            nat: Nat {
                spat: Some(1),
                dpat: Some(2),
                ..Nat::NONE
            },
            ..Flow::new(Tuple { proto, ..TCP })
        };
        assert_eq!(
            read_back(&FlowRequest::Create(flow)).2.nat,
            Nat::NONE,
            "{proto:?}"
        );
    }
}

#[test]
fn requests_follow_one_another_in_one_buffer() {
    let mut buffer = Vec::new();
    let request = FlowRequest::Create(Flow {
        helper: Some(HelperName::from_bytes(b"tftp").unwrap()),
        ..Flow::new(TCP)
    });
    for seq in 0..3 {
        encode_flow_request(&request, seq, AckMode::OnError, &mut buffer);
    }
    encode_command(Command::FlushExpectations, 3, &mut buffer);
    let seqs: Vec<_> = messages(&buffer).map(|message| message.unwrap().seq()).collect();
    assert_eq!(seqs, [0, 1, 2, 3]);
}

#[test]
fn commands_are_headers_alone() {
    for (command, message_type, flags) in [
        (Command::FlushFlows, 0x102_u16, 0x5_u16),
        (Command::FlushExpectations, 0x202, 0x5),
        (Command::TableStats, 0x105, 0x1),
    ] {
        let mut buffer = Vec::new();
        encode_command(command, 9, &mut buffer);
        let mut want = 20_u32.to_ne_bytes().to_vec();
        want.extend(message_type.to_ne_bytes());
        want.extend(flags.to_ne_bytes());
        want.extend(9_u32.to_ne_bytes());
        want.extend([0; 8]);
        assert_eq!(buffer, want, "{command:?}");
    }
}

#[test]
fn a_dump_of_all_is_a_header_alone() {
    for (list, message_type) in [
        (List::Flows, 0x101_u16),
        (List::FlowsZeroing, 0x103),
        (List::FlowCounters, 0x104),
        (List::Dying, 0x106),
        (List::Unconfirmed, 0x107),
        (List::Expectations, 0x201),
        (List::ExpectationCounters, 0x203),
    ] {
        let mut buffer = Vec::new();
        encode_dump(list, &KernelFilter::default(), 9, &mut buffer);
        let mut want = 20_u32.to_ne_bytes().to_vec();
        want.extend(message_type.to_ne_bytes());
        want.extend(0x301_u16.to_ne_bytes());
        want.extend(9_u32.to_ne_bytes());
        want.extend([0; 8]);
        assert_eq!(buffer, want, "{list:?}");
    }
}

#[test]
fn a_flush_of_one_family_says_so_in_the_version() {
    let header_of = |family| {
        let mut buffer = Vec::new();
        encode_edit(&Edit::Flush(family), 9, AckMode::Always, &mut buffer);
        buffer[16..].to_vec()
    };
    assert_eq!(header_of(Some(Family::Ipv6)), [10, 1, 0, 0]);
    assert_eq!(header_of(None), [0; 4]);
}
