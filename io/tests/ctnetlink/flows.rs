//! The flows that the tests make, and what becomes of them.

use std::net::{Ipv4Addr, Ipv6Addr};

use engine::flow::{
    Addrs, Flow, HelperName, L4Key, Labels, Nat, ProtoState, Protocol, SctpState, SeqAdj, SeqAdjPair, Status,
    Synproxy, Tcp, TcpFlags, TcpState, Tuple,
};
use engine::output::FlowName;

pub(crate) const V4: Addrs = Addrs::V4 {
    src: Ipv4Addr::new(10, 0, 0, 1),
    dst: Ipv4Addr::new(192, 0, 2, 9),
};

pub(crate) const V6: Addrs = Addrs::V6 {
    src: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1),
    dst: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9),
};

pub(crate) const ESTABLISHED: Status = Status(0x8 | 0x2 | 0x4);

pub(crate) const fn ports(addrs: Addrs, proto: Protocol, src: u16) -> Tuple {
    let key = L4Key::Ports { src, dst: 80 };
    Tuple { addrs, proto, key }
}

/// A flow with nothing but what the kernel needs.
pub(crate) fn plain(orig: Tuple) -> Flow {
    Flow {
        status: Some(ESTABLISHED),
        timeout_secs: Some(600),
        ..Flow::new(orig)
    }
}

pub(crate) fn udp(src: u16) -> Flow {
    plain(ports(V4, Protocol::UDP, src))
}

pub(crate) fn tcp(src: u16) -> Flow {
    let flags = Some(TcpFlags(TcpFlags::WINDOW_SCALE.0 | TcpFlags::BE_LIBERAL.0));
    Flow {
        proto: ProtoState::Tcp(Tcp {
            wscale_orig: Some(7),
            wscale_reply: Some(9),
            flags_orig: flags,
            flags_reply: flags,
            ..Tcp::in_state(TcpState::ESTABLISHED)
        }),
        ..plain(ports(V4, Protocol::TCP, src))
    }
}

pub(crate) fn name_of(flow: &Flow) -> FlowName {
    FlowName {
        orig: flow.orig,
        zone: flow.zone,
        id: None,
    }
}

/// One flow of every kind that the kernel can be told to make.
pub(crate) fn every_kind() -> Vec<Flow> {
    let mut flows = every_protocol();
    flows.extend(every_attribute());
    flows
}

fn every_protocol() -> Vec<Flow> {
    let sctp = ProtoState::Sctp {
        state: SctpState::ESTABLISHED,
        vtag_orig: 0x0102_0304,
        vtag_reply: 0xfefd_fcfb,
    };
    let icmp = |addrs, proto, icmp_type| Tuple {
        addrs,
        proto,
        key: L4Key::Icmp {
            icmp_type,
            code: 0,
            id: 0x1234,
        },
    };
    let no_key = |addrs, number| Tuple {
        addrs,
        proto: Protocol(number),
        key: L4Key::None,
    };
    let mut flows = vec![
        plain(icmp(V4, Protocol::ICMP, 8)),
        plain(icmp(V6, Protocol::ICMPV6, 128)),
        plain(no_key(V4, 50)),
        plain(no_key(V6, 89)),
    ];
    for (addrs, mark) in [(V4, 0), (V6, 0xcafe_f00d)] {
        for proto in [Protocol::UDP, Protocol::UDPLITE, Protocol::GRE] {
            flows.push(Flow {
                mark: Some(mark),
                ..plain(ports(addrs, proto, 1000))
            });
        }
        flows.push(Flow {
            proto: sctp,
            ..plain(ports(addrs, Protocol::SCTP, 1000))
        });
        flows.push(Flow {
            orig: ports(addrs, Protocol::TCP, 1000),
            ..tcp(0)
        });
    }
    flows
}

fn every_attribute() -> Vec<Flow> {
    vec![
        Flow {
            zone: Some(7),
            ..udp(1000)
        },
        Flow {
            zone_orig: Some(8),
            ..udp(1001)
        },
        Flow {
            zone_reply: Some(9),
            ..udp(1002)
        },
        Flow {
            labels: Some(Labels(1 | 1 << 31 | 1 << 32 | 1 << 127)),
            ..udp(1003)
        },
        Flow {
            helper: Some(HelperName::from_bytes(b"tftp").unwrap()),
            ..udp(1004)
        },
        Flow {
            master: Some(udp(1000).orig),
            ..udp(1005)
        },
        Flow {
            seq_adj: Some(SeqAdjPair {
                orig: SeqAdj {
                    correction_pos: 1,
                    offset_before: 2,
                    offset_after: 3,
                },
                reply: SeqAdj {
                    correction_pos: 4,
                    offset_before: 5,
                    offset_after: u32::MAX,
                },
            }),
            ..tcp(1006)
        },
        Flow {
            synproxy: Some(Synproxy {
                isn: 1,
                its: 2,
                tsoff: 3,
            }),
            ..tcp(1007)
        },
    ]
}

/// What the kernel is expected to report of a flow that was made as `made`.
pub(crate) fn as_reported(made: &Flow, reported: &Flow) -> Flow {
    let mut expected = made.clone();
    expected.nat = Nat::NONE;
    expected.reply = expected.reply.or_else(|| Some(expected.orig.mirrored()));
    // What the kernel finds out for itself.
    expected.id = reported.id;
    expected.use_count = reported.use_count;
    expected.mark = expected.mark.or(reported.mark);
    expected.timestamps = reported.timestamps;
    expected.synproxy = expected.synproxy.or(Some(Synproxy::ZERO));
    if reported
        .timeout_secs
        .zip(made.timeout_secs)
        .is_some_and(|(now, then)| now <= then && then - now < 60)
    {
        expected.timeout_secs = reported.timeout_secs;
    }
    if let Some(status) = &mut expected.status {
        if made.master.is_some() {
            *status = *status | Status::EXPECTED;
        }
        if made.seq_adj.is_some() {
            *status = *status | Status::SEQ_ADJUST;
        }
        if made.helper.is_some() {
            *status = *status | Status::HELPER;
        }
    }
    expected
}
