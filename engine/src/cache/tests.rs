mod model;

use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU32;

use super::*;
use crate::flow::{
    Addrs, Flow, HelperName, L4Key, Labels, Nat, ProtoState, Protocol, SctpState, SeqAdj, SeqAdjPair, Status,
    Synproxy, Tcp, TcpState, Timestamps, Tuple,
};
use crate::time::Instant;

const KEY: HashKey = HashKey(1, 2);

fn cache(len_max: u32) -> FlowCache {
    FlowCache::new(NonZeroU32::new(len_max).unwrap(), KEY)
}

const fn tcp4(n: u32) -> Tuple {
    let [_, a, b, c] = n.to_be_bytes();
    Tuple {
        addrs: Addrs::V4 {
            src: Ipv4Addr::new(10, a, b, c),
            dst: Ipv4Addr::new(192, 0, 2, 1),
        },
        proto: Protocol::TCP,
        key: L4Key::Ports { src: 40_000, dst: 80 },
    }
}

/// What the kernel reports for a plain TCP flow made through netlink.
fn plain(n: u32) -> Flow {
    let orig = tcp4(n);
    Flow {
        reply: Some(orig.mirrored()),
        status: Some(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED),
        timeout_secs: Some(431_999),
        mark: Some(0),
        proto: ProtoState::Tcp(Tcp {
            wscale_orig: Some(7),
            wscale_reply: Some(8),
            ..Tcp::in_state(TcpState::ESTABLISHED)
        }),
        synproxy: Some(Synproxy::ZERO),
        id: Some(n),
        ..Flow::new(orig)
    }
}

/// A flow over IPv6 that has everything.
fn full(n: u32) -> Flow {
    let [a, b] = [n, n + 1].map(|n| Ipv6Addr::from_bits(u128::from(n) << 64 | 0xfe80));
    let addrs = Addrs::V6 { src: a, dst: b };
    let orig = Tuple {
        addrs,
        proto: Protocol::SCTP,
        key: L4Key::Ports { src: 1, dst: 2 },
    };
    let adj = SeqAdj {
        correction_pos: 1,
        offset_before: 2,
        offset_after: u32::MAX,
    };
    Flow {
        reply: Some(tcp4(n)),
        zone: Some(9),
        zone_orig: Some(10),
        zone_reply: Some(11),
        status: Some(Status(u32::MAX)),
        timeout_secs: Some(0),
        mark: Some(u32::MAX),
        proto: ProtoState::Sctp {
            state: SctpState::ESTABLISHED,
            vtag_orig: 5,
            vtag_reply: 6,
        },
        nat: Nat {
            snat: Some(a.into()),
            dnat: Some(Ipv4Addr::LOCALHOST.into()),
            spat: Some(0),
            dpat: Some(u16::MAX),
        },
        master: Some(tcp4(n + 1)),
        helper: Some(HelperName::from_bytes(b"ftp").unwrap()),
        labels: Some(Labels(u128::MAX - 1)),
        seq_adj: Some(SeqAdjPair {
            orig: adj,
            reply: adj,
        }),
        synproxy: Some(Synproxy {
            isn: 1,
            its: 2,
            tsoff: 3,
        }),
        id: Some(n),
        secmark: Some(4),
        secctx: Some("system_u:object_r:unlabeled_t:s0".into()),
        timestamps: Some(Timestamps {
            start_nanos: 1,
            stop_nanos: Some(0),
        }),
        ..Flow::new(orig)
    }
}

#[test]
fn a_stored_flow_comes_back_whole() {
    let mut cache = cache(10);
    for flow in [plain(1), full(2), Flow::new(tcp4(3)), Flow::new(full(4).orig)] {
        let id = cache.insert(&flow, 0).unwrap();
        assert_eq!(cache.flow(id), flow);
        assert_eq!(cache.find(&FlowKey::of(&flow)), Some(id));
        cache.check_invariants();
    }
}

#[test]
fn a_plain_flow_costs_at_most_128_bytes_with_its_deadline() {
    // Behind a growth step of the index, or of the wheel, it costs most.
    for n_flows in [100_000, 114_689, 131_073] {
        let mut cache = cache(n_flows);
        cache.set_deadlines(Deadlines::of_expiries(NonZeroU32::new(180).unwrap()));
        for n in 0..n_flows {
            let id = cache.insert(&plain(n), 0).unwrap();
            cache.arm(id, Instant::START);
        }
        let bytes = cache.memory_bytes();
        assert!(
            bytes <= 128 * n_flows as usize,
            "{bytes} bytes for {n_flows} flows"
        );
        cache.check_invariants();
    }
}

#[test]
fn a_zone_of_the_original_direction_tells_flows_apart_too() {
    let mut cache = cache(10);
    let both = Flow {
        zone: Some(5),
        ..plain(1)
    };
    let orig_only = Flow {
        zone_orig: Some(6),
        ..plain(1)
    };
    let ids = [&plain(1), &both, &orig_only].map(|flow| cache.insert(flow, 0).unwrap());
    assert_eq!(ids.map(|id| cache.name(id).zone), [None, Some(5), Some(6)]);
    assert_eq!(ids.map(|id| cache.flow(id).zone), [None, Some(5), None]);
    assert_eq!(ids.map(|id| cache.find(&cache.key(id))), ids.map(Some));
}

#[test]
fn zero_replaces_what_was_rare() {
    let mut cache = cache(1);
    let flow = full(1);
    let id = cache.insert(&flow, 0).unwrap();
    let zero = ProtoState::Sctp {
        state: SctpState(0),
        vtag_orig: 0,
        vtag_reply: 0,
    };
    let news = Flow {
        zone: flow.zone,
        proto: zero,
        synproxy: Some(Synproxy::ZERO),
        ..Flow::new(flow.orig)
    };
    cache.merge(id, &news, 0);
    assert_eq!(cache.flow(id).proto, zero);
    assert_eq!(cache.flow(id).synproxy, Some(Synproxy::ZERO));
    assert_eq!(cache.flow(id).labels, flow.labels);
    cache.check_invariants();
}

#[test]
fn a_replacement_keeps_queue_node_and_generation_alone() {
    let mut cache = cache(1);
    let id = cache.insert(&full(1), 10).unwrap();
    let node = Some(NodeId(NonZeroU32::MIN));
    cache.bookkeeping_mut(id).node = node;
    cache.bookkeeping_mut(id).generation = 3;
    cache.mark_dead(id);
    assert_eq!((cache.len(), cache.live_len()), (1, 0));
    let news = Flow {
        zone: Some(9),
        ..Flow::new(full(1).orig)
    };
    cache.replace(id, &news, 20);
    assert_eq!(cache.flow(id), news);
    let kept = cache.bookkeeping(id);
    assert_eq!((kept.node, kept.generation), (node, 3));
    assert_eq!(
        (kept.liveness(), kept.since_secs, kept.updated_secs),
        (Liveness::New, 20, 20)
    );
    assert_eq!(cache.live_len(), 1);
    cache.check_invariants();
}

#[test]
fn room_is_made_for_as_many_flows_as_the_table_takes() {
    let mut cache = cache(1000);
    assert_eq!(
        cache.memory_bytes(),
        0,
        "nothing is allocated before it is needed"
    );
    cache.reserve(1_000_000);
    let room = cache.memory_bytes();
    assert!((8_000..32_000).contains(&room), "{room} bytes");
}

#[test]
fn a_full_table_refuses_until_a_flow_is_removed() {
    let mut cache = cache(2);
    let first = cache.insert(&plain(1), 0).unwrap();
    cache.insert(&plain(2), 0).unwrap();
    cache.mark_dead(first);
    let len_max = NonZeroU32::new(2).unwrap();
    assert_eq!(cache.insert(&full(3), 0), Err(CacheFull { len_max }));
    cache.remove(first);
    let third = cache.insert(&full(3), 0).unwrap();
    assert_eq!(third, first, "the slot is used again");
    cache.check_invariants();
}

#[test]
fn churn_in_the_steady_state_allocates_nothing() {
    let mut cache = cache(10_000);
    let mut ids: Vec<_> = (0..7_000).map(|n| cache.insert(&plain(n), 0).unwrap()).collect();
    let mut bytes = None;
    for n in 7_000..60_000 {
        let oldest = &mut ids[n as usize % 7_000];
        cache.remove(*oldest);
        *oldest = cache.insert(&plain(n), 0).unwrap();
        // The first round may still grow the index, to have room for the traces of removed keys.
        if n == 20_000 {
            bytes = Some(cache.memory_bytes());
        }
    }
    assert_eq!(Some(cache.memory_bytes()), bytes);
    cache.check_invariants();
}
