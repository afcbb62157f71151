//! What is saved and loaded again is the same flow.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;

use engine::flow::{Addrs, L4Key, NatRange, ProtoState, Protocol, Status, Tcp, Tuple};
use proptest::prelude::*;

use super::properties::any_flow;
use super::*;
use crate::command::{Command, Creation};
use crate::options::{Context, parse_line};

/// Makes of any flow one that a kernel would let a person create.
fn creatable(mut flow: Flow) -> Flow {
    flow.status = flow.status.map(|status| status | Status::CONFIRMED);
    flow.timeout_secs = flow.timeout_secs.or(Some(30));
    if let L4Key::Icmp { code, id, .. } = flow.orig.key {
        let icmp_type = if flow.orig.proto == Protocol::ICMP { 8 } else { 128 };
        flow.orig.key = L4Key::Icmp { icmp_type, code, id };
        flow.reply = flow.reply.map(|reply| Tuple {
            key: flow.orig.mirrored().key,
            ..reply
        });
    }
    flow
}

/// Returns what the line must give back: what is told by other means than options is not saved.
fn saved_of(flow: &Flow) -> Flow {
    let given = Status::SEEN_REPLY | Status::ASSURED | Status::FIXED_TIMEOUT | Status::EXPECTED;
    Flow {
        reply: flow.reply,
        status: flow.status.map(|status| status & given),
        timeout_secs: flow.timeout_secs,
        mark: flow.mark.filter(|mark| *mark != 0),
        zone: flow.zone,
        zone_orig: flow.zone_orig,
        zone_reply: flow.zone_reply,
        proto: named(flow.proto),
        labels: flow.labels.filter(|labels| labels.0 != 0),
        helper: flow.helper,
        ..Flow::new(flow.orig)
    }
}

/// Returns the state without what the tracker learns by itself.
fn named(proto: ProtoState) -> ProtoState {
    match proto {
        ProtoState::Tcp(tcp) => ProtoState::Tcp(Tcp::in_state(tcp.state)),
        ProtoState::None | ProtoState::Sctp { .. } | ProtoState::Dccp { .. } => proto,
    }
}

/// Returns the flow that the kernel makes of a creation: translations change its reply tuple.
pub(super) fn made(creation: &Creation) -> Flow {
    let Creation {
        flow,
        src_nat,
        dst_nat,
    } = creation;
    let reply = flow.reply_or_derived();
    let addr = |range: &Option<NatRange>, of_tuple: IpAddr| match range.and_then(|range| range.addrs) {
        Some((addr, last)) => {
            assert_eq!(addr, last, "no choice is left to the kernel");
            addr
        }
        None => of_tuple,
    };
    let port = |range: &Option<NatRange>, of_tuple: u16| {
        range
            .and_then(|range| range.ports)
            .map_or(of_tuple, |(port, _)| port)
    };
    let reply = Tuple {
        addrs: match (addr(dst_nat, reply.addrs.src()), addr(src_nat, reply.addrs.dst())) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Addrs::V4 { src, dst },
            (IpAddr::V6(src), IpAddr::V6(dst)) => Addrs::V6 { src, dst },
            (src, dst) => panic!("{src} and {dst} are of two families"),
        },
        key: match reply.key {
            L4Key::Ports { src, dst } => L4Key::Ports {
                src: port(dst_nat, src),
                dst: port(src_nat, dst),
            },
            key @ (L4Key::None | L4Key::Icmp { .. }) => key,
        },
        ..reply
    };
    Flow {
        reply: Some(reply),
        proto: named(flow.proto),
        ..flow.clone()
    }
}

/// Returns what is translated, as the kernel is told.
const fn translations(creation: &Creation) -> [bool; 2] {
    [creation.src_nat.is_some(), creation.dst_nat.is_some()]
}

proptest! {
    #[test]
    fn a_flow_saved_and_loaded_is_the_same_flow(flow in any_flow()) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"1 web\n2 db\n7 spaced name\n").unwrap();
        let mut context = Context::with_files(file.path(), Path::new("/nonexistent"));
        let labels = label_map();
        let flow = creatable(flow);
        let output = Output { format: Format::Save, ..Output::default() };
        let line = text(|out| printer(&output, Table::Flows, &labels).flow(out, &flow, &listed()));
        let command = parse_line(line.as_bytes(), &mut context);
        let command = command.map_err(|error| TestCaseError::fail(format!("{error}: {line}")))?;
        let Some(Command::Create { creation, .. }) = command else {
            return Err(TestCaseError::fail(format!("no creation: {line}")));
        };
        prop_assert_eq!(made(&creation), saved_of(&flow), "{}", &line);
        let nat = flow.nat_in_effect();
        let is_translated = [nat.snat.is_some() || nat.spat.is_some(), nat.dnat.is_some() || nat.dpat.is_some()];
        prop_assert_eq!(translations(&creation), is_translated, "{}", &line);
    }
}
