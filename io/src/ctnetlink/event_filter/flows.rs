//! The operator's filter as a program: the rule is [`engine::filter`]'s, here it is only said in
//! another language.
//!
//! ```text
//! event of a flow? ─► protocol ─► address, by family ─► state, unless the flow ends ─► keep
//!        │                │               │                    │
//!        └► keep          └───────────────┴────────────────────┴► drop
//! ```
//!
//! An attribute that is looked for and missing leads to `keep`: the engine decides.
//!
//! The stock daemon's program has a meaning of its own: it compares the source and the destination
//! of the original direction, and accepts a flow only if both are inside. Dumps are always filtered
//! in user space, so there a flow is cached or not by the way it came to be known. Ours has the one
//! meaning of user space in both places, at the price of looking at the reply direction too.

use std::net::Ipv6Addr;

use engine::filter::{Addresses, Filter, Policy};
use engine::flow::Family;

use super::assembler::{Assembler, Case, DROP, KEEP, Label, Load, Test};
use crate::ctnetlink::uapi::*;

/// Offset of `nlmsg_type` in `struct nlmsghdr`, with which every event begins.
const NLMSG_TYPE_OFFSET: u32 = 4;
/// Offset of `nfgen_family`: `struct nfgenmsg` follows.
const NFGEN_FAMILY_OFFSET: u32 = 16;
/// Offset of the first attribute.
const ATTRIBUTES_OFFSET: u32 = 20;
/// Offset of the value in an attribute.
const VALUE_OFFSET: u32 = 4;

/// Where a set leads.
#[derive(Clone, Copy, Debug)]
struct Exits {
    /// If an entry matches.
    matched: Label,
    /// If none does.
    missed: Label,
}

impl Exits {
    const fn of(policy: Policy, pass: Label, drop: Label) -> Self {
        match policy {
            Policy::Accept => Self {
                matched: pass,
                missed: drop,
            },
            Policy::Ignore => Self {
                matched: drop,
                missed: pass,
            },
        }
    }
}

/// Writes the program and returns where it begins.
pub(super) fn program(code: &mut Assembler, filter: &Filter) -> Label {
    let (drop, keep) = (code.ret(DROP), code.ret(KEEP));
    if filter.is_empty() {
        return keep;
    }
    let mut next = keep;
    if let Some(list) = filter.tcp_states() {
        let path = [CTA_PROTOINFO, CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE];
        let states = list.entries.iter().map(|state| state.0).collect();
        let exits = Exits::of(list.policy, keep, drop);
        next = byte(code, &path, states, exits, keep);
        // The end of a flow is told in every state.
        next = code.branch(Test::Equal, message(IPCTNL_MSG_CT_DELETE), keep, next);
        next = code.load(Load::Half(NLMSG_TYPE_OFFSET), next);
    }
    if let Some(set) = filter.addresses() {
        next = addresses(code, set, Exits::of(set.policy(), next, drop), keep);
    }
    if let Some(list) = filter.protocols() {
        let path = [CTA_TUPLE_ORIG, CTA_TUPLE_PROTO, CTA_PROTO_NUM];
        let protocols = list.entries.iter().map(|protocol| protocol.0).collect();
        let exits = Exits::of(list.policy, next, drop);
        next = byte(code, &path, protocols, exits, keep);
    }
    let judge = next;
    next = code.branch(Test::Equal, message(IPCTNL_MSG_CT_DELETE), judge, keep);
    next = code.branch(Test::Equal, message(IPCTNL_MSG_CT_NEW), judge, next);
    code.load(Load::Half(NLMSG_TYPE_OFFSET), next)
}

/// Returns what the load of a half word finds as type of a message about a flow: the header is in
/// host order, but loads are big-endian.
const fn message(number: u8) -> u32 {
    let [first, second] = message_type(NFNL_SUBSYS_CTNETLINK, number).to_ne_bytes();
    u32::from_be_bytes([0, 0, first, second])
}

/// Looks for a byte that is the value of an attribute among `values`.
fn byte(code: &mut Assembler, path: &[u16], mut values: Vec<u8>, exits: Exits, missing: Label) -> Label {
    values.sort_unstable();
    values.dedup();
    let cases = values.into_iter().map(|value| Case {
        first: value.into(),
        last: value.into(),
        target: exits.matched,
    });
    let next = code.switch(&cases.collect::<Vec<_>>(), exits.missed);
    let next = code.load(Load::IndexedByte(VALUE_OFFSET), next);
    code.find(ATTRIBUTES_OFFSET, path, next, missing)
}

/// Looks for the sources of both directions among the networks of their family.
fn addresses(code: &mut Assembler, set: &Addresses, exits: Exits, missing: Label) -> Label {
    let ipv4 = set.ipv4().map(|network| Span {
        first: [network.start().to_bits()],
        last: [network.end().to_bits()],
    });
    let ipv6 = set.ipv6().map(|network| Span {
        first: words(network.start()),
        last: words(network.end()),
    });
    let ipv4 = sources(code, CTA_IP_V4_SRC, &ipv4.collect::<Vec<_>>(), exits, missing);
    let ipv6 = sources(code, CTA_IP_V6_SRC, &ipv6.collect::<Vec<_>>(), exits, missing);
    let next = code.branch(Test::Equal, Family::Ipv6 as u32, ipv6, missing);
    let next = code.branch(Test::Equal, Family::Ipv4 as u32, ipv4, next);
    code.load(Load::Byte(NFGEN_FAMILY_OFFSET), next)
}

/// Returns the words of an IPv6 address, first one first.
fn words(address: &Ipv6Addr) -> [u32; 4] {
    let [a, b, c, d, e, f, g, h] = address.segments().map(u32::from);
    [a << 16 | b, c << 16 | d, e << 16 | f, g << 16 | h]
}

fn sources<const N: usize>(
    code: &mut Assembler,
    kind: u16,
    spans: &[Span<N>],
    exits: Exits,
    missing: Label,
) -> Label {
    if spans.is_empty() {
        return exits.missed;
    }
    let mut next = exits.missed;
    for tuple in [CTA_TUPLE_REPLY, CTA_TUPLE_ORIG] {
        let exits = Exits {
            missed: next,
            ..exits
        };
        let compare = address(code, 0, spans, exits);
        next = code.find(ATTRIBUTES_OFFSET, &[tuple, CTA_TUPLE_IP, kind], compare, missing);
    }
    next
}

/// A network by the N words of its first and of its last address.
#[derive(Clone, Copy, Debug)]
struct Span<const N: usize> {
    first: [u32; N],
    last: [u32; N],
}

impl<const N: usize> Span<N> {
    /// Returns the values that the word at `place` may have.
    fn range(&self, place: usize) -> (u32, u32) {
        let [first, last] = [self.first, self.last].map(|words| words.get(place).copied());
        (first.unwrap_or(0), last.unwrap_or(u32::MAX))
    }

    /// Returns whether no word behind `place` matters.
    fn is_decided_by(&self, place: usize) -> bool {
        (place.saturating_add(1)..N).all(|behind| self.range(behind) == (0, u32::MAX))
    }
}

/// Compares the address at the index register with the networks, from the word at `place` on: its
/// words before are those of all `spans`, which are sorted and disjoint.
fn address<const N: usize>(code: &mut Assembler, place: usize, spans: &[Span<N>], exits: Exits) -> Label {
    let mut cases = Vec::new();
    for alike in spans.chunk_by(|a, b| a.range(place) == b.range(place)) {
        let Some(span) = alike.first() else { continue };
        let (first, last) = span.range(place);
        let target = if span.is_decided_by(place) {
            exits.matched
        } else {
            address(code, place.saturating_add(1), alike, exits)
        };
        cases.push(Case { first, last, target });
    }
    let next = code.switch(&cases, exits.missed);
    let offset = u32::try_from(place.saturating_mul(4)).unwrap_or(u32::MAX);
    code.load(Load::IndexedWord(VALUE_OFFSET.saturating_add(offset)), next)
}
