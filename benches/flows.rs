//! The flows that the benches work with.
//!
//! `cargo bench -p benches` measures; `cargo bench -p benches -- --test` runs each once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use engine::flow::{
    Addrs, Flow, HelperName, L4Key, Labels, Nat, ProtoState, Protocol, SeqAdj, SeqAdjPair, Status, Synproxy,
    Tcp, TcpState, Tuple,
};

/// Returns the n-th plain TCP flow over IPv4, as the kernel reports one made through netlink.
#[must_use]
pub fn plain(n: u32) -> Flow {
    let orig = Tuple {
        addrs: Addrs::V4 {
            src: Ipv4Addr::from_bits(0x0a00_0000 | n & 0x00ff_ffff),
            dst: Ipv4Addr::new(192, 0, 2, 1),
        },
        proto: Protocol::TCP,
        key: L4Key::Ports {
            src: 40_000,
            dst: 443,
        },
    };
    established(n, orig)
}

/// Returns the n-th flow over IPv6.
#[must_use]
pub fn ipv6(n: u32) -> Flow {
    let address = |n| Ipv6Addr::from_bits(0xfd00 << 112 | u128::from(n));
    let orig = Tuple {
        addrs: Addrs::V6 {
            src: address(n),
            dst: address(u32::MAX),
        },
        ..plain(n).orig
    };
    established(n, orig)
}

/// Returns the n-th flow with its source translated, as the kernel reports it.
#[must_use]
pub fn source_nat(n: u32) -> Flow {
    let mut flow = plain(n);
    if let Some(reply) = &mut flow.reply {
        reply.addrs = Addrs::V4 {
            src: Ipv4Addr::new(192, 0, 2, 1),
            dst: Ipv4Addr::new(198, 51, 100, 1),
        };
    }
    flow.status = flow
        .status
        .map(|status| status | Status::SRC_NAT | Status::SRC_NAT_DONE | Status::DST_NAT_DONE);
    flow
}

/// Returns a flow with all that the sync protocol can carry.
#[must_use]
pub fn laden() -> Flow {
    let adj = SeqAdj {
        correction_pos: 1,
        offset_before: 2,
        offset_after: 3,
    };
    let translated = ipv6(2);
    Flow {
        reply: None,
        zone: Some(5),
        nat: Nat {
            snat: Some(translated.orig.addrs.src()),
            dnat: Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            spat: Some(1),
            dpat: Some(2),
        },
        master: Some(ipv6(3).orig),
        helper: HelperName::from_bytes(b"ftp").ok(),
        labels: Some(Labels(1 << 100)),
        seq_adj: Some(SeqAdjPair {
            orig: adj,
            reply: adj,
        }),
        ..ipv6(1)
    }
}

fn established(n: u32, orig: Tuple) -> Flow {
    Flow {
        reply: Some(orig.mirrored()),
        status: Some(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED),
        timeout_secs: Some(431_999),
        mark: Some(0),
        proto: ProtoState::Tcp(Tcp {
            wscale_orig: Some(7),
            wscale_reply: Some(7),
            ..Tcp::in_state(TcpState::ESTABLISHED)
        }),
        synproxy: Some(Synproxy::ZERO),
        id: Some(n),
        ..Flow::new(orig)
    }
}
