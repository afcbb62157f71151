//! Against what a kernel sent (Linux 6.18, little-endian), and against what none would send.
//!
//! Each file of `tests/data/ctnetlink` begins with what `conntrack -L -o extended,id` printed of its
//! entries; a datagram a line follows.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use engine::flow::{Expectation, Flow, L4Key, Labels, Nat, ProtoState, Status, Tuple};
use engine::input::{Errno, EventKind};
use proptest::prelude::*;

use super::*;

/// Returns the lines of `conntrack` and the datagrams of a file.
fn captured(name: &str) -> (Vec<String>, Vec<Vec<u8>>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/ctnetlink/{name}.hex"));
    let text = fs::read_to_string(path).unwrap();
    let (lines, datagrams): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with('#'));
    (
        lines.iter().map(|line| line[2..].to_owned()).collect(),
        datagrams.iter().map(|line| bytes(line)).collect(),
    )
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex
        .chars()
        .map(|digit| digit.to_digit(16).unwrap() as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Returns the names of all captured files that end in `suffix`.
fn all_captured(suffix: &str) -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ctnetlink");
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names
        .filter_map(|name| name.to_str()?.strip_suffix(".hex").map(str::to_owned))
        .filter(|name| name.ends_with(suffix))
        .collect();
    names.sort();
    names
}

fn flows_of(datagrams: &[Vec<u8>]) -> Vec<(EventKind, Flow)> {
    content_of(datagrams)
        .map(|message| {
            let Message::Flow { kind, body, .. } = message else {
                panic!("{message:?} is not about a flow");
            };
            (kind, decode_flow(&body).unwrap())
        })
        .collect()
}

/// Returns the messages but for that which ends a dump.
fn content_of(datagrams: &[Vec<u8>]) -> impl Iterator<Item = Message<'_>> {
    let messages = datagrams
        .iter()
        .flat_map(|datagram| messages(datagram))
        .map(Result::unwrap);
    messages.filter(|message| !matches!(message, Message::Done { errno: None, .. }))
}

/// Prints `flow` as `conntrack -L -o extended,id` does, without the age.
fn line_of(flow: &Flow) -> String {
    let (family, number) = if flow.orig.addrs.src().is_ipv4() {
        ("ipv4", 2)
    } else {
        ("ipv6", 10)
    };
    let proto = flow.orig.proto;
    let mut line = format!(
        "{family} {number} {} {} {}",
        proto.name(),
        proto.0,
        flow.timeout_secs.unwrap()
    );
    match flow.proto {
        ProtoState::Tcp(tcp) => write!(line, " {}", tcp.state.name()).unwrap(),
        ProtoState::Sctp { state, .. } => write!(line, " {}", state.name()).unwrap(),
        ProtoState::None | ProtoState::Dccp { .. } => {}
    }
    let status = flow.status.unwrap();
    write_direction(&mut line, &flow.orig, flow.counters_orig.unwrap());
    if !status.contains(Status::SEEN_REPLY) {
        line.push_str(" [UNREPLIED]");
    }
    write_direction(&mut line, &flow.reply.unwrap(), flow.counters_reply.unwrap());
    if status.contains(Status::ASSURED) {
        line.push_str(" [ASSURED]");
    }
    write!(line, " mark={}", flow.mark.unwrap()).unwrap();
    if let Some(zone) = flow.zone {
        write!(line, " zone={zone}").unwrap();
    }
    if let Some(helper) = flow.helper {
        write!(line, " helper={helper}").unwrap();
    }
    write!(line, " use={} id={}", flow.use_count.unwrap(), flow.id.unwrap()).unwrap();
    line
}

fn write_direction(line: &mut String, tuple: &Tuple, counters: engine::flow::Counters) {
    write!(line, " src={} dst={}", tuple.addrs.src(), tuple.addrs.dst()).unwrap();
    match tuple.key {
        L4Key::None => {}
        L4Key::Ports { src, dst } if tuple.proto.name() == "gre" => {
            write!(line, " srckey={src:#x} dstkey={dst:#x}").unwrap();
        }
        L4Key::Ports { src, dst } => write!(line, " sport={src} dport={dst}").unwrap(),
        L4Key::Icmp { icmp_type, code, id } => {
            write!(line, " type={icmp_type} code={code} id={id}").unwrap();
        }
    }
    write!(line, " packets={} bytes={}", counters.packets, counters.bytes).unwrap();
}

#[test]
fn every_dumped_flow_is_the_one_that_conntrack_prints() {
    let names = all_captured("-dump");
    assert!(names.len() >= 15, "{names:?}");
    for name in names.iter().filter(|name| !name.contains("expect")) {
        let (lines, datagrams) = captured(name);
        let decoded: Vec<_> = flows_of(&datagrams)
            .iter()
            .map(|(_, flow)| line_of(flow))
            .collect();
        let printed: Vec<_> = lines
            .iter()
            .map(|line| {
                let words = line
                    .split_whitespace()
                    .filter(|word| !word.starts_with("delta-time="));
                words.collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert_eq!(decoded, printed, "in {name}");
    }
}

#[test]
fn the_events_of_a_flow_tell_its_life() {
    for name in all_captured("-events")
        .iter()
        .filter(|name| !name.contains("ftp"))
    {
        let events = flows_of(&captured(name).1);
        let (_, dumped) = flows_of(&captured(&name.replace("-events", "-dump")).1).swap_remove(0);
        let of_this: Vec<_> = events.iter().filter(|(_, flow)| flow.id == dumped.id).collect();
        let (first, last) = (of_this[0], of_this[of_this.len() - 1]);
        assert_eq!(
            (first.0, last.0),
            (EventKind::New, EventKind::Destroy),
            "in {name}"
        );
        assert_eq!(
            (first.1.orig, last.1.orig),
            (dumped.orig, dumped.orig),
            "in {name}"
        );
        assert!(last.1.status.unwrap().contains(Status::DYING), "in {name}");
        let packets = |flow: &Flow| flow.counters_orig.unwrap().packets;
        assert!(packets(&last.1) >= packets(&dumped), "in {name}");
        let (ended, began) = (last.1.timestamps.unwrap(), dumped.timestamps.unwrap());
        assert_eq!(
            (ended.start_nanos, began.stop_nanos),
            (began.start_nanos, None),
            "in {name}"
        );
        assert!(ended.stop_nanos > Some(ended.start_nanos), "in {name}");
    }
}

#[test]
fn a_tcp_flow_reports_state_scales_and_flags_while_it_lives_and_the_state_when_it_ends() {
    let states: Vec<_> = flows_of(&captured("tcp-v4-events").1)
        .iter()
        .map(|(_, flow)| {
            let ProtoState::Tcp(tcp) = flow.proto else {
                panic!("{:?} is not TCP's", flow.proto);
            };
            (
                tcp.state.name(),
                tcp.wscale_orig,
                tcp.wscale_reply,
                tcp.flags_orig.map(|flags| flags.0),
                tcp.flags_reply.map(|flags| flags.0),
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            ("SYN_SENT", Some(10), Some(0), Some(0x3), Some(0)),
            ("SYN_RECV", Some(10), Some(10), Some(0x3), Some(0x23)),
            ("ESTABLISHED", Some(10), Some(10), Some(0x23), Some(0x23)),
            ("TIME_WAIT", None, None, None, None),
        ]
    );
}

#[test]
fn verification_tags_are_the_bytes_of_the_packet() {
    let (_, flow) = flows_of(&captured("sctp-v4-dump").1).swap_remove(0);
    let ProtoState::Sctp {
        vtag_orig,
        vtag_reply,
        ..
    } = flow.proto
    else {
        panic!("{:?} is not SCTP's", flow.proto);
    };
    // The tool that made this flow takes them byte-swapped.
    assert_eq!(
        (vtag_orig, vtag_reply),
        (16_909_060_u32.swap_bytes(), 84_281_096_u32.swap_bytes())
    );
}

#[test]
fn labels_are_numbered_from_the_lowest_bit_of_the_first_byte() {
    let (_, flow) = flows_of(&captured("tcp-mark-labels-dump").1).swap_remove(0);
    assert_eq!(flow.labels, Some(Labels(1 << 1 | 1 << 127)));
}

#[test]
fn translation_shows_in_the_tuples() {
    for (name, nat) in [
        (
            "tcp-dnat-dump",
            Nat {
                dnat: "127.0.0.1".parse().ok(),
                dpat: Some(8080),
                ..Nat::NONE
            },
        ),
        (
            "tcp-snat-dump",
            Nat {
                snat: "127.0.0.77".parse().ok(),
                spat: Some(5000),
                ..Nat::NONE
            },
        ),
    ] {
        let (_, flow) = flows_of(&captured(name).1).swap_remove(0);
        assert_eq!(flow.nat_in_effect(), nat, "in {name}");
    }
}

#[test]
fn an_expected_flow_names_its_master() {
    let flows = flows_of(&captured("ftp-dump").1);
    let (child, master) = (&flows[0].1, &flows[1].1);
    assert_eq!(child.master, Some(master.orig));
    assert!(child.status.unwrap().contains(Status::EXPECTED));
}

#[test]
fn expectations_are_decoded_from_dumps_and_events() {
    let decode_all = |name| -> Vec<(EventKind, Expectation)> {
        let datagrams = captured(name).1;
        let expectations = content_of(&datagrams).map(|message| {
            let Message::Expect { kind, body, .. } = message else {
                panic!("{message:?} is not about an expectation");
            };
            (kind, decode_expectation(&body).unwrap())
        });
        expectations.collect()
    };
    let events = decode_all("ftp-expect-events");
    let kinds: Vec<_> = events.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [EventKind::New, EventKind::Destroy, EventKind::New]);
    let (_, dumped) = decode_all("ftp-expect-dump").swap_remove(0);
    assert_eq!(
        dumped,
        Expectation {
            timeout_secs: dumped.timeout_secs,
            ..events[2].1.clone()
        }
    );
    assert_eq!(dumped.tuple.key, L4Key::Ports { src: 0, dst: 51210 });
    assert_eq!(dumped.mask.key, L4Key::Ports { src: 0, dst: 65535 });
    assert_eq!(
        dumped.master.key,
        L4Key::Ports {
            src: 40021,
            dst: 2121
        }
    );
    assert_eq!(dumped.helper.unwrap().as_bytes(), b"ftp");
    assert_eq!(
        (dumped.class, dumped.flags.map(|flags| flags.0)),
        (Some(0), Some(0))
    );
}

/// A message of `message_type` with this payload.
fn message_of(message_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut message = (payload.len() as u32 + 16).to_ne_bytes().to_vec();
    message.extend(message_type.to_ne_bytes());
    message.extend([0; 2]);
    message.extend(7_u32.to_ne_bytes());
    message.extend([0; 4]);
    message.extend(payload);
    message
}

#[test]
fn answers_without_content_are_told_apart() {
    for (message_type, code, want) in [
        (2, 0_i32, Message::Ack { seq: 7 }),
        (
            2,
            -17,
            Message::Error {
                seq: 7,
                errno: Errno::EEXIST,
            },
        ),
        (3, 0, Message::Done { seq: 7, errno: None }),
        (
            3,
            -12,
            Message::Done {
                seq: 7,
                errno: Some(Errno::ENOMEM),
            },
        ),
    ] {
        let datagram = message_of(message_type, &code.to_ne_bytes());
        let decoded: Vec<_> = messages(&datagram).map(Result::unwrap).collect();
        assert_eq!(decoded, [want]);
    }
}

#[test]
fn a_message_that_does_not_fit_ends_the_datagram() {
    let mut datagram = message_of(3, &[0; 4]);
    datagram.extend(&message_of(3, &[0; 4])[..18]);
    let decoded: Vec<_> = messages(&datagram).collect();
    let error = DecodeError {
        offset: 20,
        kind: DecodeErrorKind::Message { left: 18 },
    };
    assert_eq!(decoded, [Ok(Message::Done { seq: 7, errno: None }), Err(error)]);
}

fn decode_attributes(hex: &str) -> Result<Flow, DecodeError> {
    let mut payload = vec![2, 0, 0, 0];
    payload.extend(bytes(hex));
    let datagram = message_of(0x100, &payload);
    let message = messages(&datagram).next().unwrap()?;
    let Message::Flow { body, .. } = message else {
        panic!("{message:?} is not about a flow");
    };
    decode_flow(&body)
}

const ORIG: &str = "2400018014000180080001007f000001080002007f0000010c0002800500010032000000";

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (hex, want) in [
        ("", "at byte 20: attribute 1 is missing"),
        (
            "08000300000000",
            "at byte 20: an attribute that does not fit into its nest",
        ),
        (
            "0300030000000000",
            "at byte 20: an attribute that does not fit into its nest",
        ),
        ("0600030000080000", "at byte 24: attribute 3 holds 2 bytes, not 4"),
        (
            "100001800c000180080002000a000001",
            "at byte 28: attribute 1 is missing",
        ),
        (
            "1400018010000180080001007f00000108000200",
            "at byte 36: an attribute that does not fit into its nest",
        ),
        (
            "180005801400010061626364656667686970716d6e6f7071",
            "at byte 28: a helper name of 16 bytes, at most 15 are allowed",
        ),
    ] {
        assert_eq!(
            decode_attributes(hex).unwrap_err().to_string(),
            want,
            "for {hex:?}"
        );
    }
}

#[test]
fn what_a_newer_kernel_may_add_is_skipped() {
    let known = decode_attributes(ORIG).unwrap();
    let unknown = format!("{ORIG}08009980010203040c001b000102030405060708");
    assert_eq!(decode_attributes(&unknown).unwrap(), known);
}

#[test]
fn a_security_context_is_read_as_text() {
    let hex = format!("{ORIG}100013800c000100756e636f6e660000");
    assert_eq!(decode_attributes(&hex).unwrap().secctx.as_deref(), Some("unconf"));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(datagram in prop::collection::vec(any::<u8>(), 0..200)) {
        decode_all(&datagram);
    }

    #[test]
    fn no_change_of_captured_bytes_makes_it_panic(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let names = all_captured("");
        for mut datagram in captured(&names[file.index(names.len())]).1 {
            for (at, byte) in &changes {
                let at = at.index(datagram.len());
                datagram[at] = *byte;
            }
            decode_all(&datagram);
            decode_all(&datagram[..cut.index(datagram.len())]);
        }
    }
}

fn decode_all(datagram: &[u8]) {
    for message in messages(datagram).flatten() {
        match message {
            Message::Flow { body, .. } => drop(decode_flow(&body)),
            Message::Expect { body, .. } => drop(decode_expectation(&body)),
            Message::Other { body, .. } => drop(decode_table_stats(&body)),
            Message::Done { .. } | Message::Ack { .. } | Message::Error { .. } => {}
        }
    }
}
