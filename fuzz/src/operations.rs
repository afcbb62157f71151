//! Operations on the table of flows, against a map that is too simple to be wrong.

use core::net::{Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU32;
use std::collections::BTreeMap;

use engine::cache::{FlowCache, FlowKey, HashKey};
use engine::flow::{
    Addrs, DccpRole, DccpState, Flow, HelperName, L4Key, Labels, Nat, ProtoState, Protocol, SctpState,
    SeqAdj, SeqAdjPair, Status, Synproxy, Tcp, TcpState, Timestamps, Tuple,
};

use crate::bytes::Bytes;
use crate::decoders::stored;

/// Few, so that a short sequence of operations reaches the limit.
const LEN_MAX: NonZeroU32 = NonZeroU32::new(6).unwrap();

/// A sequence of operations: the same flows are in the table and in a map at its end.
pub fn cache_operations(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let mut cache = FlowCache::new(LEN_MAX, HashKey(bytes.u64(), 0));
    let mut model = BTreeMap::new();
    while !bytes.is_empty() {
        step(&mut cache, &mut model, &mut bytes);
        cache.check_invariants();
        assert_eq!(cache.len() as usize, model.len());
    }
    let walk = core::iter::successors(cache.first_from(0), |id| cache.first_from(id.slot() + 1));
    let flows: BTreeMap<_, _> = walk.map(|id| (cache.key(id), cache.flow(id))).collect();
    assert_eq!(flows, model);
}

fn step(cache: &mut FlowCache, model: &mut BTreeMap<FlowKey, Flow>, bytes: &mut Bytes<'_>) {
    let operation = bytes.u8() % 8;
    let flow = flow(bytes);
    let key = FlowKey::of(&flow);
    match (operation, cache.find(&key)) {
        (0..4, Some(id)) => {
            cache.merge(id, &flow, 0);
            let known = model.get_mut(&key).expect("the model knows what the table knows");
            known.merge(&stored(&flow));
        }
        (4, Some(id)) => {
            cache.replace(id, &flow, 0);
            model.insert(key, stored(&flow));
        }
        (5, Some(id)) => cache.mark_dead(id),
        (6, Some(id)) => {
            cache.remove(id);
            model.remove(&key);
        }
        (7, _) => {
            cache.clear();
            model.clear();
        }
        (_, None) => {
            if cache.insert(&flow, 0).is_ok() {
                model.insert(key, stored(&flow));
            } else {
                assert_eq!(cache.len(), LEN_MAX.get(), "only a full table refuses");
            }
        }
        (8.., Some(_)) => {}
    }
}

fn flow(bytes: &mut Bytes<'_>) -> Flow {
    let orig = tuple(bytes);
    let common = Flow {
        zone: bytes.maybe(|bytes| u16::from(bytes.u8() & 1)),
        reply: bytes.maybe(|bytes| bytes.maybe(tuple).unwrap_or_else(|| orig.mirrored())),
        status: bytes.maybe(Bytes::u32).map(Status),
        mark: bytes.maybe(Bytes::u32),
        proto: proto_state(bytes),
        ..Flow::new(orig)
    };
    bytes.maybe(|bytes| rare(bytes, &common)).unwrap_or(common)
}

/// Returns `common` with what few flows have.
fn rare(bytes: &mut Bytes<'_>, common: &Flow) -> Flow {
    Flow {
        zone_orig: bytes.maybe(|bytes| u16::from(bytes.u8() & 1)),
        zone_reply: bytes.maybe(Bytes::u16),
        timeout_secs: bytes.maybe(Bytes::u32),
        nat: Nat {
            snat: bytes.maybe(addrs).map(Addrs::src),
            dnat: bytes.maybe(addrs).map(Addrs::dst),
            spat: bytes.maybe(Bytes::u16),
            dpat: bytes.maybe(Bytes::u16),
        },
        master: bytes.maybe(tuple),
        helper: bytes
            .maybe(Bytes::u16)
            .and_then(|name| HelperName::from_bytes(&name.to_be_bytes()).ok()),
        labels: bytes
            .maybe(Bytes::u64)
            .map(|bits| Labels(u128::from(bits) << 64 | 1)),
        seq_adj: bytes.maybe(|bytes| SeqAdjPair {
            orig: seq_adj(bytes),
            reply: seq_adj(bytes),
        }),
        synproxy: bytes.maybe(|bytes| Synproxy {
            isn: u32::from(bytes.u8()),
            ..Synproxy::ZERO
        }),
        id: bytes.maybe(Bytes::u32),
        secmark: bytes.maybe(Bytes::u32),
        secctx: bytes.maybe(Bytes::u8).map(|n| "s".repeat(n.into()).into()),
        timestamps: bytes.maybe(|bytes| Timestamps {
            start_nanos: bytes.u64(),
            stop_nanos: bytes.maybe(Bytes::u64),
        }),
        ..common.clone()
    }
}

fn tuple(bytes: &mut Bytes<'_>) -> Tuple {
    let addrs = addrs(bytes);
    let proto = Protocol(bytes.u8());
    let key = match bytes.u8() % 3 {
        0 => L4Key::None,
        1 => L4Key::Ports {
            src: bytes.u16(),
            dst: bytes.u16(),
        },
        _ => L4Key::Icmp {
            icmp_type: bytes.u8(),
            code: bytes.u8(),
            id: bytes.u16(),
        },
    };
    Tuple { addrs, proto, key }
}

fn addrs(bytes: &mut Bytes<'_>) -> Addrs {
    let is_v4 = bytes.u8() & 1 == 0;
    let (src, dst) = (bytes.u8(), bytes.u8());
    if is_v4 {
        let address = |n| Ipv4Addr::new(10, 0, 0, n);
        Addrs::V4 {
            src: address(src),
            dst: address(dst),
        }
    } else {
        let address = |n| Ipv6Addr::from_bits(u128::from(n));
        Addrs::V6 {
            src: address(src),
            dst: address(dst),
        }
    }
}

fn proto_state(bytes: &mut Bytes<'_>) -> ProtoState {
    match bytes.u8() % 4 {
        0 => ProtoState::None,
        1 => ProtoState::Tcp(Tcp {
            wscale_orig: bytes.maybe(Bytes::u8),
            wscale_reply: bytes.maybe(Bytes::u8),
            ..Tcp::in_state(TcpState(bytes.u8()))
        }),
        2 => ProtoState::Sctp {
            state: SctpState(bytes.u8()),
            vtag_orig: u32::from(bytes.u8()),
            vtag_reply: u32::from(bytes.u8()),
        },
        _ => ProtoState::Dccp {
            state: DccpState(bytes.u8()),
            role: DccpRole(bytes.u8()),
        },
    }
}

fn seq_adj(bytes: &mut Bytes<'_>) -> SeqAdj {
    SeqAdj {
        correction_pos: bytes.u32(),
        offset_before: bytes.u32(),
        offset_after: bytes.u32(),
    }
}
