use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::flow::LabelNames as _;
use crate::flow::arbitrary::{kernel_flow, peer_flow};
use crate::flow::details::told::{EvenLabels, Noon};
use crate::flow::text::{Details, FlowLine, Prefix, Timeout};
use crate::flow::{DccpRole, DccpState, Nat, ProtoState, Requester, SctpState, Tcp, TcpState, Timestamps};
use crate::time::UnixTime;

/// Every word that a line can have.
const EVERYTHING: &str = "[1795208095.059057]\t[DESTROY] ipv4     2 tcp      6 99 TIME_WAIT src=10.4.1.2 dst=10.4.2.2 sport=60106 \
     dport=8080 zone-orig=3 packets=6 bytes=321 [UNREPLIED] src=10.4.2.2 dst=10.4.1.2 sport=8080 dport=60106 \
     zone-reply=4 packets=4 bytes=221 [ASSURED] mark=7 secmark=8 secctx=system_u:object_r:ssh_t:s0 zone=9 \
     delta-time=2 [start=Fri Nov 20 20:54:48 2026] [stop=Fri Nov 20 20:54:50 2026] helper=ftp use=1 \
     id=619000643 labels=web,db [expires in 8s] [active since 5s] [USERSPACE] portid=6120 progname=tmux: server";

#[test]
fn every_word_finds_its_place() {
    let text = line(EVERYTHING).unwrap();
    assert_eq!(text.stamp, Some("1795208095.059057"));
    assert_eq!(text.event, Some(Event::Destroy));
    let notes = Notes {
        age_secs: Some(2),
        start: Some("Fri Nov 20 20:54:48 2026"),
        stop: Some("Fri Nov 20 20:54:50 2026"),
        labels: Some("web,db"),
        tail: Some(Tail {
            expires_in_secs: Some(8),
            active_secs: 5,
        }),
        port_id: Some(6120),
        program: Some("tmux: server"),
    };
    assert_eq!(text.notes, notes);
    assert_eq!(text.flow.id, Some(619_000_643));
    assert_eq!(
        printed(&text.flow, UnixTime::from_secs(0)),
        "tcp      6 99 TIME_WAIT src=10.4.1.2 dst=10.4.2.2 sport=60106 dport=8080 zone-orig=3 packets=6 bytes=321 \
         [UNREPLIED] src=10.4.2.2 dst=10.4.1.2 sport=8080 dport=60106 zone-reply=4 packets=4 bytes=221 [ASSURED] \
         mark=7 secmark=8 secctx=system_u:object_r:ssh_t:s0 zone=9 helper=ftp use=1"
    );
}

#[test]
fn names_of_labels_may_have_blanks() {
    for (given, labels) in [
        ("unknown 50 src=::1 dst=::2 labels=web", "web"),
        (
            "unknown 50 src=::1 dst=::2 labels=spaced name,web  mark=5",
            "spaced name,web",
        ),
        (
            "unknown 50 src=::1 dst=::2 labels=a b c [USERSPACE] portid=1",
            "a b c",
        ),
        ("unknown 50 src=::1 dst=::2 labels=web\r\n", "web"),
    ] {
        assert_eq!(line(given).unwrap().notes.labels, Some(labels), "{given}");
    }
}

#[test]
fn a_line_written_by_hand_needs_no_more_than_one_direction() {
    for (given, printed_back) in [
        (
            "tcp dst=10.0.0.2 dport=80 sport=1",
            Err("at byte 4: `dst=10.0.0.2`: a direction begins with `src=`"),
        ),
        (
            "tcp src=10.0.0.1 sport=1 dport=80 dst=10.0.0.2",
            Ok("tcp      6 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=80"),
        ),
        (
            "  tcp ESTABLISHED   src=::1 dst=::2 sport=1 dport=2 mark=0x10\r\n",
            Ok("tcp      6 ESTABLISHED src=::1 dst=::2 sport=1 dport=2 mark=16"),
        ),
        (
            "icmp src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=1 id=2",
            Ok("icmp     1 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=1"),
        ),
        (
            "unknown 50 596 src=10.0.0.1 dst=10.0.0.2",
            Ok("unknown  50 596 src=10.0.0.1 dst=10.0.0.2"),
        ),
    ] {
        let result = line(given).map(|text| printed(&text.flow, UnixTime::from_secs(0)));
        let result = result.as_deref().map_err(ToString::to_string);
        assert_eq!(
            result.as_deref(),
            printed_back.map_err(String::from).as_deref(),
            "{given}"
        );
    }
}

/// Lines and what is wrong with them.
const REFUSALS: [(&str, &str); 24] = [
    ("", "at byte 0: the line ends here: expected a protocol"),
    ("  \t ", "at byte 4: the line ends here: expected a protocol"),
    ("tcp      6 99", "at byte 13: the line ends here: expected `src=`"),
    (
        "tpc 6 src=10.0.0.1",
        "at byte 0: `tpc`: expected a protocol: tcp, udp, udplite, icmp, icmpv6, sctp, dccp, gre, or \
             unknown and a number",
    ),
    (
        "tcp 431998 ESTABLISHED src=10.0.0.1",
        "at byte 4: `431998`: `tcp` is protocol 6; the seconds left follow that number",
    ),
    (
        "unknown 256 src=::1",
        "at byte 8: `256`: expected a number from 0 to 255",
    ),
    (
        "tcp 6 UP src=10.0.0.1",
        "at byte 6: `UP`: expected a state of TCP, such as ESTABLISHED, or `src=`",
    ),
    (
        "udp 17 ESTABLISHED src=10.0.0.1",
        "at byte 7: `ESTABLISHED`: expected `src=`: flows of this protocol have no state",
    ),
    (
        "tcp src=10.0.0.1 spotr=80",
        "at byte 17: `spotr=80`: no such key; known keys are src, dst, sport, dport, type, code, id, srckey, \
             dstkey, packets, bytes, zone-orig, zone-reply, zone, mark, secmark, secctx, delta-time, helper, use, \
             labels, portid, progname",
    ),
    (
        "tcp src=10.0.0.1 hello",
        "at byte 17: `hello`: expected `key=value` or a mark in brackets",
    ),
    (
        "tcp src=10.0.0 dst=10.0.0.1",
        "at byte 4: `src=10.0.0`: expected an IPv4 or IPv6 address",
    ),
    (
        "tcp src=10.0.0.1 dst=::1",
        "at byte 17: `dst=::1`: of another address family than those before it",
    ),
    (
        "tcp src=10.0.0.1 dst=10.0.0.2 sport=1 dport=70000",
        "at byte 38: `dport=70000`: expected a number from 0 to 65535",
    ),
    (
        "tcp src=10.0.0.1 dst=10.0.0.2 sport=+1",
        "at byte 30: `sport=+1`: expected a number from 0 to 65535",
    ),
    (
        "tcp src=10.0.0.1 dst=10.0.0.2 sport=",
        "at byte 30: `sport=`: expected a number from 0 to 65535",
    ),
    (
        "tcp src=10.0.0.1 dst=10.0.0.2 sport=1",
        "at byte 4: `dport=` is missing: each direction of `tcp` has it",
    ),
    (
        "icmp src=10.0.0.1 dst=10.0.0.2 sport=1",
        "at byte 5: `sport=` is not for `icmp`",
    ),
    (
        "udp src=10.0.0.1 sport=1 sport=2",
        "at byte 25: `sport=2`: given before",
    ),
    (
        "udp src=::1 src=::1 src=::1",
        "at byte 20: `src=::1`: a flow has two directions",
    ),
    (
        "udp src=::1 dst=::2 sport=1 dport=2 packets=4",
        "at byte 4: `bytes=` is missing: packets and bytes come together",
    ),
    (
        "udp src=::1 helper=a-name-without-end",
        "at byte 12: `helper=a-name-without-end`: a helper has at most 15 bytes",
    ),
    (
        "udp src=::1 [active since",
        "at byte 12: `[active since`: the bracket is not closed",
    ),
    (
        "udp src=::1 []",
        "at byte 12: `[]`: no such mark; known marks are [NEW], [UPDATE], [DESTROY] at the \
             beginning, [UNREPLIED], [ASSURED], [OFFLOAD], [HW_OFFLOAD], [USERSPACE], [start=…], [stop=…], \
             [expires in …s] and [active since …s]",
    ),
    (
        "\u{1b}[31mtcp",
        "at byte 0: `\\u{1b}[31mtcp`: expected a protocol: tcp, udp, udplite, icmp, icmpv6, sctp, dccp, \
             gre, or unknown and a number",
    ),
];

#[test]
fn a_message_names_the_place_the_word_and_what_was_expected() {
    for (given, message) in REFUSALS {
        let error = line(given).expect_err(given);
        assert_eq!(error.to_string(), message, "{given:?}");
        assert!(
            error.offset <= given.len() && given.is_char_boundary(error.offset),
            "{given:?}"
        );
    }
}

#[test]
fn a_message_does_not_repeat_a_word_without_end() {
    let error = line(&"x".repeat(10_000)).unwrap_err();
    assert!(error.to_string().len() < 200, "{error}");
}

proptest! {
    #[test]
    fn a_flow_printed_and_read_is_what_the_text_carries_of_it(
        flow in prop_oneof![kernel_flow(), peer_flow()],
    ) {
        let flow = with_plain_words(flow);
        let text = printed(&flow, UnixTime::from_secs(1 << 40));
        let read = line(&text).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
        prop_assert_eq!(&read.flow, &carried(&flow), "{}", text);
        prop_assert_eq!(read.notes.age_secs.is_some(), flow.timestamps.is_some());
    }

    #[test]
    fn a_line_read_and_printed_is_the_same_line(flow in prop_oneof![kernel_flow(), peer_flow()]) {
        let now = UnixTime::from_secs(1 << 40);
        let text = printed(&with_plain_words(flow), now);
        let read = line(&text).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
        let born_at_0 = Timestamps { start_nanos: 0, stop_nanos: None };
        let flow = Flow { timestamps: read.notes.age_secs.map(|_| born_at_0), ..read.flow };
        let now = UnixTime::from_secs(read.notes.age_secs.unwrap_or_default());
        prop_assert_eq!(printed(&flow, now), text);
    }

    #[test]
    fn every_detail_of_a_line_finds_its_place(
        flow in kernel_flow(),
        micros in any::<Option<u64>>(),
        kind in 0_usize..4,
        port_id in any::<Option<u32>>(),
    ) {
        let flow = with_plain_words(flow);
        let event = [None, Some(Event::New), Some(Event::Update), Some(Event::Destroy)][kind];
        let details = Details { family: true, id: true, times: Some(&Noon), labels: Some(&EvenLabels) };
        let requester = port_id.map(|port_id| Requester { port_id, program: Some("tmux: server") });
        let plain = FlowLine { flow: &flow, timeout: Timeout::Shown, now: UnixTime::from_secs(1 << 40) };
        let stamp = micros.map(UnixTime::from_micros);
        let text = format!(
            "{}{}{}",
            Prefix { stamp, event },
            plain.with(&details),
            requester.map_or_else(String::new, |requester| requester.to_string()),
        );
        let read = line(&text).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
        prop_assert_eq!(&read.flow, &Flow { id: flow.id, ..carried(&flow) }, "{}", text);
        let told = micros.map(|micros| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000));
        prop_assert_eq!(read.stamp.map(String::from), told);
        prop_assert_eq!(read.event, event);
        let noon = "Sun Nov  1 12:00:09 2026";
        prop_assert_eq!(read.notes.start, flow.timestamps.map(|_| noon));
        prop_assert_eq!(read.notes.stop, flow.timestamps.and_then(|times| times.stop_nanos).map(|_| noon));
        let even = flow.labels.map_or_else(Vec::new, |labels| labels.iter().filter(|label| label % 2 == 0).collect());
        let names: Vec<_> = even.iter().map(|label| EvenLabels.name(*label).unwrap()).collect();
        prop_assert_eq!(read.notes.labels.unwrap_or_default(), names.join(","));
        prop_assert_eq!(read.notes.port_id, port_id);
        prop_assert_eq!(read.notes.program, port_id.map(|_| "tmux: server"));
    }

    #[test]
    fn no_text_is_too_odd(text in any::<String>()) {
        let result = line(&text);
        prop_assert!(result.is_ok() || place_is_in(&result, &text));
    }

    #[test]
    fn no_mutation_of_a_line_is_too_odd(place in 0..EVERYTHING.len(), byte in any::<u8>(), cut in 0_usize..60) {
        let mut bytes = Vec::from(EVERYTHING);
        bytes[place] = byte;
        bytes.drain(place..place.saturating_add(cut).min(EVERYTHING.len()));
        let text = String::from_utf8_lossy(&bytes);
        let result = line(&text);
        prop_assert!(result.is_ok() || place_is_in(&result, &text));
    }
}

fn place_is_in(result: &Result<FlowText<'_>, FlowLineError>, text: &str) -> bool {
    result
        .as_ref()
        .is_err_and(|error| error.offset <= text.len() && text.is_char_boundary(error.offset))
}

fn printed(flow: &Flow, now: UnixTime) -> String {
    FlowLine {
        flow,
        timeout: Timeout::Shown,
        now,
    }
    .to_string()
}

/// Replaces names that a line of words cannot carry.
fn with_plain_words(mut flow: Flow) -> Flow {
    flow.secctx = flow
        .secctx
        .map(|text| text.replace(char::is_whitespace, "_").into());
    flow.helper = flow.helper.map(|name| {
        let plain = name.to_string().replace(|c: char| !c.is_ascii_graphic(), "_");
        HelperName::from_bytes(&plain.as_bytes()[..plain.len().min(HelperName::LEN_MAX)]).unwrap()
    });
    flow
}

/// Returns what the printed line tells of a flow.
fn carried(flow: &Flow) -> Flow {
    let zero_if_absent = |tuple: Tuple| Tuple {
        key: match tuple.key {
            L4Key::None if tuple.proto.has_ports() => L4Key::Ports { src: 0, dst: 0 },
            key @ (L4Key::None | L4Key::Ports { .. } | L4Key::Icmp { .. }) => key,
        },
        ..tuple
    };
    let status = flow.status.unwrap_or(Status::SEEN_REPLY);
    let mut shown = status & Status::SEEN_REPLY;
    for bit in [Status::HW_OFFLOAD, Status::OFFLOAD, Status::ASSURED] {
        if status.contains(bit) {
            shown = shown | bit;
            break;
        }
    }
    Flow {
        orig: zero_if_absent(flow.orig),
        reply: flow.reply.map(zero_if_absent),
        zone_reply: flow.reply.and(flow.zone_reply),
        counters_reply: flow.reply.and(flow.counters_reply),
        status: Some(shown),
        proto: named_state(flow.proto),
        nat: Nat::NONE,
        master: None,
        labels: None,
        seq_adj: None,
        synproxy: None,
        id: None,
        timestamps: None,
        ..flow.clone()
    }
}

/// Returns the state that has the same name, without what is not printed.
fn named_state(state: ProtoState) -> ProtoState {
    let named = |number: u8| if number > 9 { 0 } else { number };
    match state {
        ProtoState::None => ProtoState::None,
        ProtoState::Tcp(tcp) => ProtoState::Tcp(Tcp::in_state(TcpState(named(tcp.state.0)))),
        ProtoState::Sctp { state, .. } => ProtoState::Sctp {
            state: SctpState(named(state.0)),
            vtag_orig: 0,
            vtag_reply: 0,
        },
        ProtoState::Dccp { state, .. } => ProtoState::Dccp {
            state: DccpState(named(state.0)),
            role: DccpRole(0),
        },
    }
}
