use std::net::{Ipv4Addr, Ipv6Addr};

use engine::flow::parse;
use engine::flow::{
    Addrs, Counters, DccpRole, DccpState, Expectation, L4Key, Nat, ProtoState, Protocol, SctpState, SeqAdj,
    SeqAdjPair, Status, Synproxy, Tcp, TcpFlags, TcpState, Tuple,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::Value;

use super::xml_reader;
use super::*;

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![
        Just(Protocol::TCP),
        Just(Protocol::UDP),
        Just(Protocol::UDPLITE),
        Just(Protocol::SCTP),
        Just(Protocol::DCCP),
        Just(Protocol::GRE),
        Just(Protocol::ICMP),
        Just(Protocol::ICMPV6),
        Just(Protocol(50)),
    ]
}

fn tuple(proto: Protocol, is_ipv6: bool) -> impl Strategy<Value = Tuple> {
    let v4 = any::<(Ipv4Addr, Ipv4Addr)>().prop_map(|(src, dst)| Addrs::V4 { src, dst });
    let v6 = any::<(Ipv6Addr, Ipv6Addr)>().prop_map(|(src, dst)| Addrs::V6 { src, dst });
    let addrs = if is_ipv6 { v6.boxed() } else { v4.boxed() };
    let key = if proto.is_icmp() {
        any::<(u8, u8, u16)>()
            .prop_map(|(icmp_type, code, id)| L4Key::Icmp { icmp_type, code, id })
            .boxed()
    } else if proto.has_ports() {
        any::<(u16, u16)>()
            .prop_map(|(src, dst)| L4Key::Ports { src, dst })
            .boxed()
    } else {
        Just(L4Key::None).boxed()
    };
    (addrs, key).prop_map(move |(addrs, key)| Tuple { addrs, proto, key })
}

fn state(proto: Protocol) -> impl Strategy<Value = ProtoState> {
    let numbers = any::<(u32, u32, Option<u8>, Option<u8>)>();
    (0_u8..=9, numbers, any::<bool>()).prop_map(
        move |(number, (vtag_orig, vtag_reply, wscale, flags), server)| match proto {
            Protocol::TCP => ProtoState::Tcp(Tcp {
                wscale_orig: wscale,
                flags_reply: flags.map(TcpFlags),
                ..Tcp::in_state(TcpState(number))
            }),
            Protocol::SCTP => ProtoState::Sctp {
                state: SctpState(number),
                vtag_orig,
                vtag_reply,
            },
            Protocol::DCCP => ProtoState::Dccp {
                state: DccpState(number),
                role: DccpRole(u8::from(server)),
            },
            _ => ProtoState::None,
        },
    )
}

fn counters() -> impl Strategy<Value = Counters> {
    any::<(u64, u64)>().prop_map(|(packets, bytes)| Counters { packets, bytes })
}

/// Flows as a kernel can tell of them.
pub(super) fn any_flow() -> impl Strategy<Value = Flow> {
    let tuples = (protocol(), any::<bool>())
        .prop_flat_map(|(proto, is_ipv6)| (tuple(proto, is_ipv6), tuple(proto, is_ipv6), state(proto)));
    let zones = any::<(Option<u16>, Option<u16>, Option<u16>)>();
    let numbers = any::<(u32, Option<u32>, Option<u32>, Option<u32>, Option<u32>)>();
    let texts = (of("[a-z0-9_:]{1,20}"), of("[a-zA-Z0-9.-]{1,15}"));
    let timestamps = of(any::<(u64, Option<u64>)>());
    let rest = (
        of(any::<u128>()),
        of(counters()),
        of(counters()),
        any::<[u32; 3]>(),
    );
    (tuples, zones, numbers, texts, timestamps, rest).prop_map(
        |((orig, reply, proto), zones, numbers, (secctx, helper_name), timestamps, rest)| {
            let (labels, counters_orig, counters_reply, [position, before, after]) = rest;
            let seq_adj = SeqAdj {
                correction_pos: position,
                offset_before: before,
                offset_after: after,
            };
            Flow {
                reply: Some(reply),
                zone: zones.0,
                zone_orig: zones.1,
                zone_reply: zones.2,
                status: Some(Status(numbers.0)),
                timeout_secs: numbers.1,
                mark: numbers.2,
                proto,
                nat: Nat::NONE,
                master: timestamps.map(|_| orig),
                helper: helper_name.and_then(|name| helper(&name)),
                labels: labels.map(Labels),
                seq_adj: labels.map(|_| SeqAdjPair {
                    orig: seq_adj,
                    reply: seq_adj,
                }),
                synproxy: Some(Synproxy {
                    isn: position,
                    its: before,
                    tsoff: after,
                }),
                id: numbers.3,
                use_count: numbers.4,
                secmark: None,
                secctx: secctx.map(Box::from),
                counters_orig,
                counters_reply,
                timestamps: timestamps.map(|(start_nanos, stop_nanos)| Timestamps {
                    start_nanos,
                    stop_nanos,
                }),
                ..Flow::new(orig)
            }
        },
    )
}

fn any_occasion() -> impl Strategy<Value = Occasion> {
    prop_oneof![
        Just(Occasion::Listed),
        Just(Occasion::Updated),
        Just(Occasion::Deleted),
        Just(Occasion::Event(Event::New)),
        Just(Occasion::Event(Event::Update)),
        Just(Occasion::Event(Event::Destroy)),
    ]
}

/// An output of that notation that says all it can.
fn all_of(format: Format) -> Output {
    Output {
        format,
        extended: true,
        id: true,
        timestamp: true,
        ktimestamp: true,
        labels: true,
    }
}

/// Returns what all notations tell of the tracker.
fn named(proto: ProtoState) -> Option<&'static str> {
    proto.state_name()
}

proptest! {
    #[test]
    fn a_plain_line_gives_the_flow_back(flow in any_flow(), occasion in any_occasion(), micros in any::<u64>()) {
        let labels = label_map();
        let circumstances = Circumstances {
            occasion,
            at: UnixTime::from_micros(micros),
            requester: Some(Requester { port_id: 7, program: Some("tmux: server") }),
        };
        let line = text(|out| printer(&all_of(Format::Plain), Table::Flows, &labels).flow(out, &flow, &circumstances));
        let read = parse::line(&line).map_err(|error| TestCaseError::fail(format!("{error}: {line}")))?;
        prop_assert_eq!(read.flow.orig, flow.orig, "{}", &line);
        prop_assert_eq!(read.flow.reply, flow.reply, "{}", &line);
        prop_assert_eq!(read.flow.counters_reply, flow.counters_reply);
        prop_assert_eq!(read.flow.mark, flow.mark);
        prop_assert_eq!(read.flow.id, flow.id, "{}", &line);
        prop_assert_eq!(read.flow.helper, flow.helper);
        prop_assert_eq!(named(read.flow.proto), named(flow.proto));
        prop_assert_eq!(read.event, circumstances.event());
        prop_assert_eq!(read.notes.program, Some("tmux: server"));
        let is_stamped = circumstances.event().is_some();
        prop_assert_eq!(read.stamp.is_some(), is_stamped);
    }

    #[test]
    fn a_document_gives_the_flows_back(flows in vec(any_flow(), 0..4)) {
        let labels = label_map();
        let printer = printer(&all_of(Format::Xml), Table::Flows, &labels);
        let document = text(|out| {
            printer.begin(out);
            flows.iter().for_each(|flow| printer.flow(out, flow, &listed()));
            printer.end(out);
        });
        let read = xml_reader::flows(&document);
        prop_assert_eq!(read.len(), flows.len());
        for ((read, _), flow) in read.iter().zip(&flows) {
            prop_assert_eq!(read.orig, flow.orig);
            prop_assert_eq!(read.reply, flow.reply);
            prop_assert_eq!(read.zone_reply, flow.zone_reply);
            prop_assert_eq!(read.counters_orig, flow.counters_orig);
            prop_assert_eq!(read.id, flow.id);
            prop_assert_eq!(read.helper, flow.helper);
            prop_assert_eq!(named(read.proto), named(flow.proto));
            let shown = Status::SEEN_REPLY | Status::ASSURED | Status::OFFLOAD | Status::HW_OFFLOAD;
            let status = flow.status.unwrap_or_default();
            prop_assert_eq!(read.status.map(|status| status & shown), Some(status & shown));
        }
    }

    #[test]
    fn a_saved_line_is_one_line_of_words(flow in any_flow(), occasion in any_occasion()) {
        let labels = label_map();
        let circumstances = Circumstances { occasion, ..listed() };
        let line = text(|out| printer(&all_of(Format::Save), Table::Flows, &labels).flow(out, &flow, &circumstances));
        prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
        let src = format!(" -s {} ", flow.orig.addrs.src());
        prop_assert!(line.contains(&src), "{}", line);
    }

    #[test]
    fn an_object_tells_all_of_a_flow(flow in any_flow(), occasion in any_occasion(), program in any::<Option<String>>()) {
        let labels = label_map();
        let requester = Some(Requester { port_id: 7, program: program.as_deref() });
        let circumstances = Circumstances { occasion, requester, ..listed() };
        let line = text(|out| printer(&all_of(Format::Json), Table::Flows, &labels).flow(out, &flow, &circumstances));
        prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
        let object: Value = serde_json::from_str(&line).unwrap();
        let number = |value: Option<u64>| value.map_or(Value::Null, Value::from);
        let word = |value: Option<&str>| value.map_or(Value::Null, Value::from);
        prop_assert_eq!(&object["event"], &word(circumstances.event().map(Event::name)));
        prop_assert_eq!(&object["orig"]["src"], &Value::from(flow.orig.addrs.src().to_string()));
        prop_assert_eq!(&object["state"], &word(flow.proto.state_name()));
        prop_assert_eq!(&object["mark"], &number(flow.mark.map(u64::from)));
        prop_assert_eq!(&object["id"], &number(flow.id.map(u64::from)));
        prop_assert_eq!(&object["use"], &number(flow.use_count.map(u64::from)));
        prop_assert_eq!(&object["zone"], &number(flow.zone.map(u64::from)));
        prop_assert_eq!(&object["reply"]["zone"], &number(flow.zone_reply.map(u64::from)));
        prop_assert_eq!(&object["orig"]["bytes"], &number(flow.counters_orig.map(|counters| counters.bytes)));
        prop_assert_eq!(&object["status_bits"], &number(flow.status.map(|status| u64::from(status.0))));
        prop_assert_eq!(&object["requester"]["program"], &word(program.as_deref()));
        prop_assert_eq!(object["start"].is_string(), flow.timestamps.is_some());
        let n_labels = flow.labels.map_or(0, |labels| labels.0.count_ones() as usize);
        prop_assert_eq!(object["labels"].as_array().map_or(0, Vec::len), n_labels);
    }

    #[test]
    fn an_object_tells_all_of_an_expectation(
        tuples in (protocol(), any::<bool>()).prop_flat_map(|(proto, is_ipv6)| {
            (tuple(proto, is_ipv6), tuple(proto, is_ipv6), tuple(proto, is_ipv6))
        }),
        timeout_secs in any::<Option<u32>>(),
    ) {
        let labels = label_map();
        let (tuple, mask, master) = tuples;
        let expectation = Expectation {
            tuple,
            mask,
            master,
            timeout_secs,
            id: None,
            zone: None,
            flags: None,
            class: None,
            nat: None,
            helper: helper("ftp"),
            function: None,
        };
        for format in [Format::Plain, Format::Xml, Format::Save] {
            let printer = printer(&all_of(format), Table::Expectations, &labels);
            let printed = text(|out| printer.expectation(out, &expectation, &listed()));
            prop_assert_eq!(printed.find('\n'), Some(printed.len() - 1));
        }
        let printer = printer(&all_of(Format::Json), Table::Expectations, &labels);
        let line = text(|out| printer.expectation(out, &expectation, &listed()));
        let object: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(&object["expected"]["dst"], &Value::from(tuple.addrs.dst().to_string()));
        prop_assert_eq!(&object["master"]["protocol_number"], &Value::from(master.proto.0));
        prop_assert_eq!(&object["timeout"], &timeout_secs.map_or(Value::Null, Value::from));
        prop_assert_eq!(&object["helper"], &Value::from("ftp"));
    }
}

#[test]
fn an_object_is_stable_to_the_byte() {
    let labels = label_map();
    let line = "[1795208095.059057]\t[DESTROY] tcp      6 TIME_WAIT src=10.4.1.2 dst=10.4.2.2 sport=60106 dport=8080 \
                packets=6 bytes=321 src=10.4.2.2 dst=10.4.9.9 sport=8080 dport=60106 packets=4 bytes=221 [ASSURED] \
                mark=7 delta-time=2 [start=Fri Nov 20 20:54:48 2026] [stop=Fri Nov 20 20:54:50 2026] helper=ftp \
                id=619000643 labels=web,spaced name [USERSPACE] portid=6120 progname=conntrack";
    let (mut flow, circumstances) = told(parse::line(line).unwrap(), &labels);
    flow.status = flow.status.map(|status| status | Status::SRC_NAT_DONE);
    flow.labels = flow.labels.map(|labels| Labels(labels.0 | 1 << 127));
    let printer = printer(&all_of(Format::Json), Table::Flows, &labels);
    let object = text(|out| printer.flow(out, &flow, &circumstances));
    assert_eq!(object, include_str!("flow.json"));
}
