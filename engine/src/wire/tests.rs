//! What the captures do not show: flows as the kernel reports them, the longest messages, packing,
//! and that the wire loses nothing it can carry.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::flow::arbitrary;
use crate::flow::{
    Addrs, Direction, ExpectNat, Expectation, Flow, FunctionName, HelperName, L4Key, Labels, Nat, ProtoState,
    Protocol, SeqAdj, SeqAdjPair, Status, Synproxy, Tcp, TcpFlags, TcpState, Tuple,
};
use crate::seq::Seq;

const SEND_ALL: EncodeOptions = EncodeOptions {
    timeouts: Timeouts::Send,
    window_scales: WindowScales::Send,
};

const ECHO: Tuple = Tuple {
    addrs: Addrs::V4 {
        src: Ipv4Addr::new(10, 1, 1, 1),
        dst: Ipv4Addr::new(10, 2, 2, 2),
    },
    proto: Protocol::ICMP,
    key: L4Key::Icmp {
        icmp_type: 8,
        code: 0,
        id: 0x1234,
    },
};

const UDP: Tuple = Tuple {
    proto: Protocol::UDP,
    key: L4Key::Ports { src: 1029, dst: 80 },
    ..ECHO
};

const V6: Addrs = Addrs::V6 {
    src: Ipv6Addr::LOCALHOST,
    dst: Ipv6Addr::UNSPECIFIED,
};

const EXPECTED: Expectation = Expectation {
    master: UDP,
    tuple: UDP,
    mask: UDP,
    timeout_secs: Some(60),
    id: None,
    zone: None,
    flags: None,
    class: None,
    nat: Some(ExpectNat {
        direction: Direction::Reply,
        tuple: UDP,
    }),
    helper: None,
    function: None,
};

fn encoded(flow: &Flow, options: EncodeOptions) -> Vec<u8> {
    let mut out = Vec::new();
    encode_flow(&mut out, Change::New, Flags::NONE, Seq(7), flow, options);
    let len = u16::try_from(out.len()).unwrap();
    assert_eq!(
        out[..8],
        [&[0x10, 0][..], &len.to_be_bytes(), &7_u32.to_be_bytes()].concat()
    );
    out
}

/// Returns the numbers of the attributes of a message, in order.
fn numbers(message: &[u8]) -> Vec<u16> {
    let mut numbers = Vec::new();
    let mut rest = &message[8..];
    while let [len_high, len_low, high, low, ..] = *rest {
        numbers.push(u16::from_be_bytes([high, low]));
        rest = &rest[usize::from(u16::from_be_bytes([len_high, len_low])).next_multiple_of(4)..];
    }
    numbers
}

fn received(flow: &Flow) -> Flow {
    let decoded = decode_flow(&encoded(flow, SEND_ALL)[8..], 8).unwrap();
    assert_eq!(decoded.unknown_attributes, 0);
    decoded.flow
}

/// Returns what the wire carries of a flow.
fn carried(flow: &Flow) -> Flow {
    let without_icmp = |tuple: Tuple| Tuple {
        key: if tuple.ports().is_some() {
            tuple.key
        } else {
            L4Key::None
        },
        ..tuple
    };
    Flow {
        zone: flow.zone,
        status: Some(flow.status.unwrap_or_default()),
        timeout_secs: flow.timeout_secs,
        mark: flow.mark,
        proto: match flow.proto {
            ProtoState::Tcp(tcp) => ProtoState::Tcp(Tcp {
                flags_orig: None,
                flags_reply: None,
                ..tcp
            }),
            ProtoState::None | ProtoState::Sctp { .. } | ProtoState::Dccp { .. } => flow.proto,
        },
        nat: flow.nat_in_effect(),
        master: flow.master.map(without_icmp),
        helper: flow.helper.filter(|name| name.as_bytes().len() <= 11),
        labels: flow.labels.filter(|labels| labels.0 != 0),
        seq_adj: flow.seq_adj,
        synproxy: flow.synproxy,
        ..Flow::new(flow.orig)
    }
}

/// Returns what the wire carries of an expectation.
fn carried_expectation(expectation: &Expectation) -> Expectation {
    let has_ports = matches!(
        expectation.master.proto,
        Protocol::TCP | Protocol::UDP | Protocol::SCTP | Protocol::DCCP
    );
    let shown = |tuple: Tuple| Tuple {
        key: if has_ports && tuple.ports().is_some() {
            tuple.key
        } else {
            L4Key::None
        },
        ..tuple
    };
    Expectation {
        master: shown(expectation.master),
        tuple: shown(expectation.tuple),
        mask: shown(expectation.mask),
        timeout_secs: expectation.timeout_secs,
        id: None,
        zone: None,
        flags: Some(expectation.flags.unwrap_or_default()),
        class: expectation.class,
        nat: expectation
            .nat
            .filter(|nat| nat.tuple.addrs.src().is_ipv4())
            .map(|nat| ExpectNat {
                tuple: shown(nat.tuple),
                ..nat
            }),
        helper: expectation.helper.filter(|name| name.as_bytes().len() <= 11),
        function: expectation.function.filter(|name| name.as_bytes().len() <= 27),
    }
}

proptest! {
    #[test]
    fn a_flow_of_the_kernel_arrives_as_far_as_the_wire_carries_it(flow in arbitrary::kernel_flow()) {
        prop_assert_eq!(received(&flow), carried(&flow));
    }

    #[test]
    fn a_received_flow_arrives_whole_when_it_is_sent_on(flow in arbitrary::peer_flow()) {
        let flow = carried(&flow);
        prop_assert_eq!(received(&flow), flow);
    }

    #[test]
    fn an_expectation_arrives_as_far_as_the_wire_carries_it(expectation in arbitrary::expectation()) {
        let mut out = Vec::new();
        encode_expectation(&mut out, Change::Update, Flags::HELLO, Seq(7), &expectation, SEND_ALL);
        prop_assert!(out.len() <= EXPECTATION_MESSAGE_LEN_MAX);
        let decoded = decode_expectation(&out[8..], 8).unwrap();
        prop_assert_eq!(decoded.expectation, carried_expectation(&expectation));
        prop_assert_eq!(decoded.unknown_attributes, 0);
    }

    #[test]
    fn attributes_may_come_in_any_order(flow in arbitrary::peer_flow(), seed in any::<u64>()) {
        let message = encoded(&flow, SEND_ALL);
        let mut attributes = Vec::new();
        let mut rest = &message[8..];
        while !rest.is_empty() {
            let len = usize::from(u16::from_be_bytes([rest[0], rest[1]])).next_multiple_of(4);
            let (attribute, behind) = rest.split_at(len);
            attributes.push(attribute);
            rest = behind;
        }
        attributes.sort_by_key(|attribute| seed.rotate_left(u32::from(attribute[3]) * 7));
        let shuffled = attributes.concat();
        prop_assert_eq!(decode_flow(&shuffled, 8).unwrap().flow, carried(&flow));
    }
}

/// The flow of the annotated capture of source and destination translation, as its kernel told it.
#[test]
fn translation_is_derived_from_the_tuples_of_the_kernel() {
    let flow = Flow {
        reply: Some(Tuple {
            addrs: Addrs::V4 {
                src: Ipv4Addr::new(192, 0, 2, 8),
                dst: Ipv4Addr::new(192, 0, 2, 9),
            },
            key: L4Key::Ports {
                src: 8080,
                dst: 40001,
            },
            ..UDP
        }),
        status: Some(Status(0x1b8)),
        ..Flow::new(UDP)
    };
    let expected = Nat {
        snat: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9))),
        dnat: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 8))),
        spat: Some(40001),
        dpat: Some(8080),
    };
    assert_eq!(received(&flow).nat, expected);
    let message = encoded(&flow, SEND_ALL);
    assert_eq!(numbers(&message), [0, 5, 2, 3, 12, 13, 14, 15]);
    assert_eq!(
        message[message.len() - 16..],
        [0, 6, 0, 14, 0x41, 0x9c, 0, 0, 0, 6, 0, 15, 0x90, 0x1f, 0, 0]
    );
}

/// A stock daemon compares the id of an ICMP flow with its type and code and sends both ports as 0.
#[test]
fn a_translated_icmp_flow_of_the_kernel_has_no_ports() {
    let reply = Tuple {
        addrs: Addrs::V4 {
            src: Ipv4Addr::new(10, 2, 2, 2),
            dst: Ipv4Addr::new(192, 0, 2, 9),
        },
        ..ECHO.mirrored()
    };
    let flow = Flow {
        reply: Some(reply),
        status: Some(Status(0x198)),
        ..Flow::new(ECHO)
    };
    assert_eq!(numbers(&encoded(&flow, SEND_ALL)), [0, 5, 2, 22, 23, 24, 12]);
}

/// Stock daemons send ports for neither, but take them.
#[test]
fn gre_keys_and_udplite_ports_are_sent_where_known() {
    for proto in [Protocol::GRE, Protocol::UDPLITE] {
        let known = Flow::new(Tuple { proto, ..UDP });
        assert_eq!(numbers(&encoded(&known, SEND_ALL)), [0, 5, 2, 3]);
        assert_eq!(received(&known).orig, known.orig);
    }
}

/// A stock daemon sends PORT for DCCP with whatever its buffer holds.
#[test]
fn unknown_ports_are_not_sent() {
    for proto in [Protocol::DCCP, Protocol::GRE, Protocol::UDPLITE, Protocol(50)] {
        let key = L4Key::None;
        let unknown = Flow::new(Tuple { proto, key, ..UDP });
        assert_eq!(numbers(&encoded(&unknown, SEND_ALL)), [0, 5, 2], "{proto:?}");
        assert_eq!(received(&unknown).orig, unknown.orig);
    }
}

#[test]
fn what_tells_flows_apart_is_mandatory() {
    let missing = |tuple: Tuple| decode_flow(&encoded(&Flow::new(tuple), SEND_ALL)[8..], 8).unwrap_err();
    for proto in [Protocol::TCP, Protocol::UDP, Protocol::SCTP] {
        let error = missing(Tuple {
            proto,
            key: L4Key::None,
            ..UDP
        });
        assert_eq!(error.kind, DecodeErrorKind::AttributeMissing("PORT"), "{proto:?}");
    }
    for proto in [Protocol::ICMP, Protocol::ICMPV6] {
        let error = missing(Tuple { proto, ..UDP });
        assert_eq!(
            error.kind,
            DecodeErrorKind::AttributeMissing("ICMP_TYPE"),
            "{proto:?}"
        );
    }
    let no_protocol = &encoded(&Flow::new(UDP), SEND_ALL)[8..28];
    let error = decode_flow(no_protocol, 8).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::AttributeMissing("L4PROTO"));
}

#[test]
fn timeouts_and_window_scales_are_left_out_on_request() {
    let flow = Flow {
        timeout_secs: Some(60),
        proto: ProtoState::Tcp(Tcp {
            wscale_orig: Some(7),
            ..Tcp::in_state(TcpState::SYN_SENT)
        }),
        ..Flow::new(Tuple {
            proto: Protocol::TCP,
            ..UDP
        })
    };
    assert_eq!(numbers(&encoded(&flow, SEND_ALL)), [0, 5, 2, 3, 4, 25, 6]);
    let options = EncodeOptions {
        timeouts: Timeouts::Omit,
        window_scales: WindowScales::Omit,
    };
    assert_eq!(numbers(&encoded(&flow, options)), [0, 5, 2, 3, 4]);
}

#[test]
fn the_timeout_of_an_expectation_is_left_out_on_request() {
    let mut out = Vec::new();
    encode_expectation(&mut out, Change::New, Flags::NONE, Seq(7), &EXPECTED, SEND_ALL);
    assert_eq!(
        numbers(&out),
        [0, 2, 3, 4, 6, 7, 8, 10, 11, 12, 13, 15, 17, 16, 18]
    );
    let options = EncodeOptions {
        timeouts: Timeouts::Omit,
        ..SEND_ALL
    };
    out.clear();
    encode_expectation(&mut out, Change::New, Flags::NONE, Seq(7), &EXPECTED, options);
    assert_eq!(numbers(&out), [0, 2, 3, 4, 6, 7, 8, 10, 11, 13, 15, 17, 16, 18]);
}

/// A peer rejects the whole message for a name of 12 bytes and its NUL.
#[test]
fn a_helper_name_that_no_peer_takes_is_left_out() {
    let named = |name: &[u8]| Flow {
        helper: Some(HelperName::from_bytes(name).unwrap()),
        ..Flow::new(UDP)
    };
    assert_eq!(
        numbers(&encoded(&named(b"abcdefghijk"), SEND_ALL)),
        [0, 5, 2, 3, 27]
    );
    assert_eq!(numbers(&encoded(&named(b"abcdefghijkl"), SEND_ALL)), [0, 5, 2, 3]);
}

#[test]
fn a_helper_name_ends_with_its_attribute() {
    let name_of = |payload: &[u8]| {
        let mut body = encoded(&Flow::new(UDP), SEND_ALL).split_off(8);
        body.extend([0, u8::try_from(4 + payload.len()).unwrap(), 0, 27]);
        body.extend(payload);
        body.resize(body.len().next_multiple_of(4), 0xff);
        body.extend([0, 8, 0, 7, 1, 2, 3, 4]);
        let flow = decode_flow(&body, 8).unwrap().flow;
        assert_eq!(flow.mark, Some(0x0102_0304));
        flow.helper.map(|helper| helper.as_bytes().to_vec())
    };
    assert_eq!(name_of(b"abcdefghijkl"), Some(b"abcdefghijkl".to_vec()));
    assert_eq!(name_of(b"ftp\0x"), Some(b"ftp".to_vec()));
    assert_eq!(name_of(b"\0"), None);
    assert_eq!(name_of(b""), None);
}

#[test]
fn labels_beyond_those_of_the_kernel_are_cut_off() {
    let labels_of = |words: &[u32]| {
        let mut body = encoded(&Flow::new(UDP), SEND_ALL).split_off(8);
        body.extend([0, u8::try_from(4 + 4 * words.len()).unwrap(), 0, 28]);
        body.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        decode_flow(&body, 8).unwrap().flow.labels
    };
    assert_eq!(
        labels_of(&[2, 0x8000_0000, 0, 0x0100_0000]),
        Some(Labels(1 << 1 | 1 << 63 | 1 << 120))
    );
    assert_eq!(labels_of(&[1]), Some(Labels(1)));
    assert_eq!(labels_of(&[0, 0, 0, 1, 1]), Some(Labels(1 << 96)));
    assert_eq!(labels_of(&[]), None);
}

#[test]
fn labels_that_are_no_words_do_not_undo_those_before() {
    let mut body = encoded(&Flow::new(UDP), SEND_ALL).split_off(8);
    body.extend([0, 8, 0, 28, 0, 0, 0, 5]);
    let ignored = [0, 6, 0, 28, 0, 1, 0, 0];
    body.extend(ignored);
    assert_eq!(decode_flow(&body, 8).unwrap().flow.labels, Some(Labels(5)));
}

#[test]
fn a_translation_into_the_other_family_is_none() {
    for number in [29, 30] {
        let mut body = encoded(&Flow::new(UDP), SEND_ALL).split_off(8);
        body.extend([0, 20, 0, number]);
        body.extend([1; 16]);
        assert_eq!(decode_flow(&body, 8).unwrap().flow.nat, Nat::NONE);
    }
}

#[test]
fn the_longest_messages_are_as_long_as_told() {
    let tuple = Tuple { addrs: V6, ..UDP };
    let adj = SeqAdj {
        correction_pos: 1,
        offset_before: 2,
        offset_after: 3,
    };
    let flow = Flow {
        zone: Some(1),
        status: Some(Status(1)),
        timeout_secs: Some(1),
        mark: Some(1),
        proto: ProtoState::Tcp(Tcp {
            state: TcpState::ESTABLISHED,
            wscale_orig: Some(1),
            wscale_reply: Some(1),
            flags_orig: Some(TcpFlags::BE_LIBERAL),
            flags_reply: None,
        }),
        nat: Nat {
            snat: Some(V6.src()),
            dnat: Some(V6.src()),
            spat: Some(1),
            dpat: Some(1),
        },
        master: Some(tuple),
        helper: Some(HelperName::from_bytes(b"abcdefghijk").unwrap()),
        labels: Some(Labels(1)),
        seq_adj: Some(SeqAdjPair {
            orig: adj,
            reply: adj,
        }),
        synproxy: Some(Synproxy::ZERO),
        ..Flow::new(tuple)
    };
    assert_eq!(encoded(&flow, SEND_ALL).len(), FLOW_MESSAGE_LEN_MAX);
    let expectation = Expectation {
        master: tuple,
        tuple,
        mask: tuple,
        timeout_secs: Some(1),
        id: None,
        zone: None,
        flags: None,
        class: Some(1),
        nat: Some(ExpectNat {
            direction: Direction::Reply,
            tuple,
        }),
        helper: flow.helper,
        function: Some(FunctionName::from_bytes(&[b'f'; 27]).unwrap()),
    };
    let mut out = Vec::new();
    encode_expectation(&mut out, Change::New, Flags::NONE, Seq(7), &expectation, SEND_ALL);
    assert_eq!(out.len(), EXPECTATION_MESSAGE_LEN_MAX);
}

#[test]
fn a_direction_that_is_none_is_an_error() {
    let mut out = Vec::new();
    encode_expectation(&mut out, Change::New, Flags::NONE, Seq(7), &EXPECTED, SEND_ALL);
    *out.last_mut().unwrap() = 2;
    let error = decode_expectation(&out[8..], 8).unwrap_err();
    assert_eq!(
        error.kind,
        DecodeErrorKind::AttributeValue { number: 18, value: 2 }
    );
    assert_eq!(error.offset, out.len() - 8);
}

#[test]
fn another_version_does_not_hide_the_messages_behind_it() {
    let mut payload = Vec::new();
    for seq in 1..=3 {
        encode_control(&mut payload, ControlMessage::Alive, Flags::NONE, Seq(seq));
    }
    payload[8] = 0x2a;
    let seqs: Vec<_> = messages(&payload)
        .map(|item| item.map(|message| message.header.seq))
        .collect();
    let version = DecodeError {
        offset: 8,
        kind: DecodeErrorKind::Version(2),
    };
    assert_eq!(seqs, [Ok(Seq(1)), Err(version), Ok(Seq(3))]);
}

#[test]
fn of_several_control_flags_the_first_known_counts() {
    let mut payload = Vec::new();
    let range = SeqRange {
        from: Seq(1),
        to: Seq(2),
    };
    encode_control(
        &mut payload,
        ControlMessage::Nack(range),
        Flags::HELLO | Flags::RESYNC,
        Seq(1),
    );
    let message = messages(&payload).next().unwrap().unwrap();
    assert_eq!(message.content(), Ok(Content::Nack(range)));
    encode_control(&mut payload, ControlMessage::Ack(range), Flags::ALIVE, Seq(2));
    let message = messages(&payload).nth(1).unwrap().unwrap();
    assert_eq!(message.content(), Ok(Content::Ack(range)));
}
