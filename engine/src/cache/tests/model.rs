//! The table against a map that is too simple to be wrong.

use alloc::collections::BTreeMap;

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::flow::{Counters, DccpRole, DccpState, TcpFlags};

const LEN_MAX: u32 = 12;

#[derive(Clone, Debug)]
enum Op {
    /// Merge it into the n-th flow; insert it if there is none or its key is new.
    Learn(Flow, Option<usize>),
    /// Put it in the place of the n-th flow; insert it if there is none or its key is new.
    Replace(Flow, Option<usize>),
    Remove(usize),
    MarkDead(usize),
    Clear,
}

#[derive(Clone, Debug)]
struct Known {
    flow: Flow,
    liveness: Liveness,
    since_secs: u32,
    updated_secs: u32,
}

/// Few addresses, so that keys meet.
fn addrs() -> impl Strategy<Value = Addrs> {
    let v4 = |n| Ipv4Addr::new(10, 0, 0, n);
    let v6 = |n| Ipv6Addr::from_bits(0xfd << 120 | u128::from(n));
    (any::<bool>(), 0..2_u8, 0..2_u8).prop_map(move |(is_v4, a, b)| {
        if is_v4 {
            Addrs::V4 {
                src: v4(a),
                dst: v4(b),
            }
        } else {
            Addrs::V6 {
                src: v6(a),
                dst: v6(b),
            }
        }
    })
}

fn tuple() -> impl Strategy<Value = Tuple> {
    let key = prop_oneof![
        Just(L4Key::None),
        (0..2_u16, 0..2_u16).prop_map(|(src, dst)| L4Key::Ports { src, dst }),
        (select(&[0_u8, 5, 8, 128][..]), 0..2_u16).prop_map(|(icmp_type, id)| L4Key::Icmp {
            icmp_type,
            code: 0,
            id
        }),
    ];
    let proto = select(&[Protocol::TCP, Protocol::ICMP][..]);
    (addrs(), proto, key).prop_map(|(addrs, proto, key)| Tuple { addrs, proto, key })
}

fn proto_state() -> impl Strategy<Value = ProtoState> {
    let scale = || option::of(0..15_u8);
    let flags = || option::of(any::<u8>().prop_map(TcpFlags));
    let tcp = (any::<u8>(), scale(), scale(), flags(), flags());
    prop_oneof![
        Just(ProtoState::None),
        tcp.prop_map(|(state, wscale_orig, wscale_reply, flags_orig, flags_reply)| {
            ProtoState::Tcp(Tcp {
                state: TcpState(state),
                wscale_orig,
                wscale_reply,
                flags_orig,
                flags_reply,
            })
        }),
        (any::<u8>(), 0..2_u32, 0..2_u32).prop_map(|(state, vtag_orig, vtag_reply)| ProtoState::Sctp {
            state: SctpState(state),
            vtag_orig,
            vtag_reply
        }),
        (any::<u8>(), any::<u8>()).prop_map(|(state, role)| ProtoState::Dccp {
            state: DccpState(state),
            role: DccpRole(role)
        }),
    ]
}

fn nat() -> impl Strategy<Value = Nat> {
    let addr = || option::of(addrs().prop_map(Addrs::src));
    let port = || option::of(any::<u16>());
    (addr(), addr(), port(), port()).prop_map(|(snat, dnat, spat, dpat)| Nat {
        snat,
        dnat,
        spat,
        dpat,
    })
}

/// What has a place in every entry.
fn common() -> impl Strategy<Value = Flow> {
    let number = || option::of(any::<u32>());
    let reply = (tuple(), any::<bool>());
    let zone = || option::weighted(0.2, 0..2_u16);
    (
        tuple(),
        option::of(reply),
        zone(),
        zone(),
        number(),
        number(),
        number(),
        proto_state(),
        number(),
    )
        .prop_map(
            |(orig, reply, zone, zone_orig, status, timeout_secs, mark, proto, id)| Flow {
                reply: reply.map(|(other, is_mirrored)| if is_mirrored { orig.mirrored() } else { other }),
                zone,
                zone_orig,
                status: status.map(Status),
                timeout_secs,
                mark,
                proto,
                id,
                ..Flow::new(orig)
            },
        )
}

/// What few flows have, and what is not kept.
fn rare() -> impl Strategy<Value = Flow> {
    let seq_adj = option::of((0..3_u32, 0..3_u32).prop_map(|(a, b)| {
        let adj = |n| SeqAdj {
            correction_pos: n,
            offset_before: n + 1,
            offset_after: n + 2,
        };
        SeqAdjPair {
            orig: adj(a),
            reply: adj(b),
        }
    }));
    let times = (any::<u64>(), option::of(any::<u64>()));
    let helper = select(&["", "ftp", "fifteen-letters"][..]);
    let secctx = select(&["", "a", "a longer security context"][..]);
    (
        nat(),
        option::of(tuple()),
        option::of(helper),
        option::of(any::<u128>()),
        seq_adj,
        option::of(0..2_u32),
        option::of(any::<u32>()),
        option::of(secctx),
        option::of(times),
        option::of(any::<u16>()),
        option::of(any::<u32>()),
    )
        .prop_map(
            |(nat, master, helper, labels, seq_adj, synproxy, secmark, secctx, times, zone_reply, unkept)| {
                Flow {
                    nat,
                    master,
                    helper: helper.map(|name| HelperName::from_bytes(name.as_bytes()).unwrap()),
                    labels: labels.map(Labels),
                    seq_adj,
                    synproxy: synproxy.map(|tsoff| Synproxy {
                        tsoff,
                        ..Synproxy::ZERO
                    }),
                    secmark,
                    secctx: secctx.map(Into::into),
                    timestamps: times.map(|(start_nanos, stop_nanos)| Timestamps {
                        start_nanos,
                        stop_nanos,
                    }),
                    zone_reply,
                    use_count: unkept,
                    counters_orig: unkept.map(|n| Counters {
                        packets: n.into(),
                        bytes: 0,
                    }),
                    ..Flow::new(tcp4(0))
                }
            },
        )
}

fn flow() -> impl Strategy<Value = Flow> {
    (common(), option::of(rare())).prop_map(|(mut flow, rare)| {
        if let Some(rare) = rare {
            flow.merge(&Flow { reply: None, ..rare });
        }
        flow
    })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (flow(), option::of(any::<usize>())).prop_map(|(flow, n)| Op::Learn(flow, n)),
        2 => (flow(), option::of(any::<usize>())).prop_map(|(flow, n)| Op::Replace(flow, n)),
        4 => any::<usize>().prop_map(Op::Remove),
        2 => any::<usize>().prop_map(Op::MarkDead),
        1 => Just(Op::Clear),
    ]
}

/// Returns `flow` without what a table does not keep.
fn kept(flow: &Flow) -> Flow {
    let mut flow = Flow {
        use_count: None,
        counters_orig: None,
        counters_reply: None,
        ..flow.clone()
    };
    if let ProtoState::Tcp(tcp) = &mut flow.proto {
        (tcp.flags_orig, tcp.flags_reply) = (None, None);
    }
    flow
}

fn nth_key(model: &BTreeMap<FlowKey, Known>, n: usize) -> Option<FlowKey> {
    model.keys().nth(n.checked_rem(model.len())?).copied()
}

/// Gives `flow` the key `key`.
fn rename(flow: &mut Flow, key: &FlowKey) {
    flow.orig = key.orig();
    if FlowKey::of(flow).zone != key.zone {
        flow.zone = Some(key.zone);
    }
}

/// Does `op` to both at `now_secs`.
fn step(cache: &mut FlowCache, model: &mut BTreeMap<FlowKey, Known>, op: &Op, now_secs: u32) {
    match op {
        Op::Learn(flow, n) | Op::Replace(flow, n) => {
            let mut flow = flow.clone();
            if let Some(key) = n.and_then(|n| nth_key(model, n)) {
                rename(&mut flow, &key);
            }
            let flow = &flow;
            let key = FlowKey::of(flow);
            let fresh = Known {
                flow: kept(flow),
                liveness: Liveness::New,
                since_secs: now_secs,
                updated_secs: now_secs,
            };
            match (cache.find(&key), model.get_mut(&key), op) {
                (Some(id), Some(known), Op::Learn(..)) => {
                    cache.merge(id, flow, now_secs);
                    known.flow.merge(&fresh.flow);
                    (known.liveness, known.updated_secs) = (Liveness::Alive, now_secs);
                }
                (Some(id), Some(known), _) => {
                    cache.replace(id, flow, now_secs);
                    *known = fresh;
                }
                (None, None, _) => {
                    let is_full = model.len() == LEN_MAX as usize;
                    assert_eq!(cache.insert(flow, now_secs).is_err(), is_full);
                    if !is_full {
                        model.insert(key, fresh);
                    }
                }
                (found, known, _) => panic!("{key:?} is {found:?} in the table, {known:?} in the model"),
            }
        }
        Op::Remove(n) => {
            if let Some(key) = nth_key(model, *n) {
                let id = cache.find(&key).unwrap();
                cache.remove(id);
                assert!(!cache.contains(id));
                model.remove(&key);
            }
        }
        Op::MarkDead(n) => {
            if let Some(key) = nth_key(model, *n) {
                cache.mark_dead(cache.find(&key).unwrap());
                model.get_mut(&key).unwrap().liveness = Liveness::Dead;
            }
        }
        Op::Clear => {
            cache.clear();
            model.clear();
        }
    }
}

fn assert_equal(cache: &FlowCache, model: &BTreeMap<FlowKey, Known>) {
    cache.check_invariants();
    let walk: Vec<_> =
        core::iter::successors(cache.first_from(0), |id| cache.first_from(id.slot() + 1)).collect();
    assert_eq!(walk.len(), model.len());
    assert_eq!(cache.len() as usize, model.len());
    let n_live = model.values().filter(|known| known.liveness != Liveness::Dead);
    assert_eq!(cache.live_len() as usize, n_live.count());
    for id in walk {
        let known = &model[&cache.key(id)];
        assert_eq!(cache.flow(id), known.flow);
        let name = cache.name(id);
        assert_eq!((name.orig, name.id), (known.flow.orig, known.flow.id));
        let found = cache.bookkeeping(id);
        assert_eq!(
            (found.liveness(), found.since_secs, found.updated_secs),
            (known.liveness, known.since_secs, known.updated_secs)
        );
    }
}

proptest! {
    #[test]
    fn any_sequence_of_operations_leaves_what_the_model_says(
        ops in proptest::collection::vec(op(), 1..80),
        key in any::<(u64, u64)>(),
    ) {
        let mut cache = FlowCache::new(NonZeroU32::new(LEN_MAX).unwrap(), HashKey(key.0, key.1));
        let mut model = BTreeMap::new();
        for (op, now_secs) in ops.iter().zip(1..) {
            step(&mut cache, &mut model, op, now_secs);
            assert_equal(&cache, &model);
        }
    }
}
