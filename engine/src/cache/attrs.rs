//! What few flows have: translation, helper, master, labels and the like.
//!
//! Each such attribute is a node of its own in one arena; the nodes of a flow make a list that
//! hangs on its entry. A plain flow has no list, one behind source translation has one node.

use alloc::boxed::Box;
use core::mem;
use core::net::IpAddr;

use super::arena::{Arena, SlotId};
use crate::flow::{
    Addrs, Flow, HelperName, L4Key, Labels, ProtoState, Protocol, SeqAdjPair, Synproxy, Timestamps, Tuple,
};

/// One attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attr {
    /// Source of the reply tuple, where it is not that of the mirrored original.
    ReplySrc(IpAddr),
    /// Destination of the reply tuple, likewise.
    ReplyDst(IpAddr),
    /// Protocol and ports of the reply tuple, likewise.
    ReplyKey(Protocol, L4Key),
    /// The parts of [`crate::flow::Nat`].
    SrcNat(IpAddr),
    DstNat(IpAddr),
    SrcPort(u16),
    DstPort(u16),
    ZoneOrig(u16),
    ZoneReply(u16),
    /// Verification tags of SCTP, unless both are zero.
    VerificationTags {
        orig: u32,
        reply: u32,
    },
    Master(Box<Tuple>),
    Helper(HelperName),
    /// Bytes and not a number, which would have to be aligned to 16.
    Labels([u8; 16]),
    SeqAdj(Box<SeqAdjPair>),
    /// Unless it is zero.
    Synproxy(Synproxy),
    Secmark(u32),
    Secctx(Box<str>),
    Timestamps {
        start_nanos: u64,
        stop_nanos: u64,
        has_stop: bool,
    },
}

impl Attr {
    /// Stands for all SYN proxy values where only the kind counts.
    pub(super) const ANY_SYNPROXY: Self = Self::Synproxy(Synproxy::ZERO);
    /// Stands for all verification tags where only the kind counts.
    pub(super) const ANY_TAGS: Self = Self::VerificationTags { orig: 0, reply: 0 };

    /// Calls `found` with each attribute that `flow` has, those of the reply tuple apart.
    pub(super) fn for_each(flow: &Flow, mut found: impl FnMut(Self)) {
        let mut add = |attr: Option<Self>| attr.into_iter().for_each(&mut found);
        add(flow.nat.snat.map(Self::SrcNat));
        add(flow.nat.dnat.map(Self::DstNat));
        add(flow.nat.spat.map(Self::SrcPort));
        add(flow.nat.dpat.map(Self::DstPort));
        add(flow.zone_orig.map(Self::ZoneOrig));
        add(flow.zone_reply.map(Self::ZoneReply));
        add(Self::of_proto(flow.proto));
        add(flow.master.map(|master| Self::Master(Box::new(master))));
        add(flow.helper.map(Self::Helper));
        add(flow.labels.map(|Labels(bits)| Self::Labels(bits.to_ne_bytes())));
        add(flow.seq_adj.map(|pair| Self::SeqAdj(Box::new(pair))));
        let synproxy = flow.synproxy.filter(|values| *values != Synproxy::ZERO);
        add(synproxy.map(Self::Synproxy));
        add(flow.secmark.map(Self::Secmark));
        add(flow.secctx.clone().map(Self::Secctx));
        add(flow.timestamps.map(|times| Self::Timestamps {
            start_nanos: times.start_nanos,
            stop_nanos: times.stop_nanos.unwrap_or(0),
            has_stop: times.stop_nanos.is_some(),
        }));
    }

    /// Calls `found` with what `reply` differs by from the mirrored `orig`.
    pub(super) fn for_each_of_reply(orig: &Tuple, reply: &Tuple, mut found: impl FnMut(Self)) {
        let mirrored = orig.mirrored();
        if reply.addrs.src() != mirrored.addrs.src() {
            found(Self::ReplySrc(reply.addrs.src()));
        }
        if reply.addrs.dst() != mirrored.addrs.dst() {
            found(Self::ReplyDst(reply.addrs.dst()));
        }
        if (reply.proto, reply.key) != (mirrored.proto, mirrored.key) {
            found(Self::ReplyKey(reply.proto, reply.key));
        }
    }

    /// Returns the verification tags in `proto`, unless they are zero.
    fn of_proto(proto: ProtoState) -> Option<Self> {
        match proto {
            ProtoState::Sctp {
                vtag_orig: orig,
                vtag_reply: reply,
                ..
            } if (orig, reply) != (0, 0) => Some(Self::VerificationTags { orig, reply }),
            ProtoState::Sctp { .. } | ProtoState::None | ProtoState::Tcp(_) | ProtoState::Dccp { .. } => None,
        }
    }

    /// Puts the attribute back into `flow`, or into `reply` if it is a part of that tuple.
    fn put(&self, flow: &mut Flow, reply: &mut ReplyParts) {
        match self {
            Self::ReplySrc(addr) => reply.src = Some(*addr),
            Self::ReplyDst(addr) => reply.dst = Some(*addr),
            Self::ReplyKey(proto, key) => reply.key = Some((*proto, *key)),
            Self::SrcNat(addr) => flow.nat.snat = Some(*addr),
            Self::DstNat(addr) => flow.nat.dnat = Some(*addr),
            Self::SrcPort(port) => flow.nat.spat = Some(*port),
            Self::DstPort(port) => flow.nat.dpat = Some(*port),
            Self::ZoneOrig(zone) => flow.zone_orig = Some(*zone),
            Self::ZoneReply(zone) => flow.zone_reply = Some(*zone),
            Self::VerificationTags { orig, reply } => {
                if let ProtoState::Sctp {
                    vtag_orig,
                    vtag_reply,
                    ..
                } = &mut flow.proto
                {
                    (*vtag_orig, *vtag_reply) = (*orig, *reply);
                }
            }
            Self::Master(master) => flow.master = Some(**master),
            Self::Helper(name) => flow.helper = Some(*name),
            Self::Labels(bytes) => flow.labels = Some(Labels(u128::from_ne_bytes(*bytes))),
            Self::SeqAdj(pair) => flow.seq_adj = Some(**pair),
            Self::Synproxy(values) => flow.synproxy = Some(*values),
            Self::Secmark(mark) => flow.secmark = Some(*mark),
            Self::Secctx(context) => flow.secctx = Some(context.clone()),
            Self::Timestamps {
                start_nanos,
                stop_nanos,
                has_stop,
            } => {
                flow.timestamps = Some(Timestamps {
                    start_nanos: *start_nanos,
                    stop_nanos: has_stop.then_some(*stop_nanos),
                });
            }
        }
    }

    /// Returns whether both are of one kind, of which a flow has one at most.
    fn is_like(&self, other: &Self) -> bool {
        mem::discriminant(self) == mem::discriminant(other)
    }

    /// Returns the bytes that it has allocated outside its node.
    fn boxed_bytes(&self) -> usize {
        match self {
            Self::Master(master) => size_of_val(&**master),
            Self::SeqAdj(pair) => size_of_val(&**pair),
            Self::Secctx(context) => context.len(),
            Self::ReplySrc(_)
            | Self::ReplyDst(_)
            | Self::ReplyKey(..)
            | Self::SrcNat(_)
            | Self::DstNat(_)
            | Self::SrcPort(_)
            | Self::DstPort(_)
            | Self::ZoneOrig(_)
            | Self::ZoneReply(_)
            | Self::VerificationTags { .. }
            | Self::Helper(_)
            | Self::Labels(_)
            | Self::Synproxy(_)
            | Self::Secmark(_)
            | Self::Timestamps { .. } => 0,
        }
    }
}

/// What a reply tuple differs by from the mirrored original.
#[derive(Default)]
struct ReplyParts {
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    key: Option<(Protocol, L4Key)>,
}

impl ReplyParts {
    /// Changes `tuple`, the mirrored original.
    fn apply(&self, tuple: &mut Tuple) {
        let src = self.src.unwrap_or_else(|| tuple.addrs.src());
        let dst = self.dst.unwrap_or_else(|| tuple.addrs.dst());
        // A reply of the other family differs in both addresses, so they are never mixed.
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => tuple.addrs = Addrs::V4 { src, dst },
            (IpAddr::V6(src), IpAddr::V6(dst)) => tuple.addrs = Addrs::V6 { src, dst },
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {}
        }
        if let Some((proto, key)) = self.key {
            (tuple.proto, tuple.key) = (proto, key);
        }
    }
}

/// One node of a list.
#[derive(Clone, Debug)]
struct Node {
    attr: Attr,
    next: Option<SlotId>,
}

/// The list of one flow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AttrList {
    head: Option<SlotId>,
}

/// The nodes of all lists.
#[derive(Clone, Debug)]
pub(super) struct AttrNodes {
    nodes: Arena<Node>,
    /// What the attributes have allocated outside the arena.
    boxed_bytes: usize,
}

impl AttrNodes {
    /// Returns an arena without nodes.
    pub(super) const fn new() -> Self {
        Self {
            nodes: Arena::new(),
            boxed_bytes: 0,
        }
    }

    /// Returns the number of nodes in all lists.
    #[cfg(debug_assertions)]
    pub(super) const fn len(&self) -> u32 {
        self.nodes.len()
    }

    /// Returns the number of nodes in `list`.
    #[cfg(debug_assertions)]
    pub(super) fn len_of(&self, list: AttrList) -> u32 {
        self.links(list).fold(0, |n, _| n.saturating_add(1))
    }

    /// Puts `attr` into `list`, in the place of the one of its kind if there is one.
    pub(super) fn set(&mut self, list: &mut AttrList, attr: Attr) {
        self.boxed_bytes = self.boxed_bytes.saturating_add(attr.boxed_bytes());
        let known = self.find(*list, &attr).and_then(|id| self.nodes.get_mut(id));
        if let Some(node) = known {
            self.boxed_bytes = self.boxed_bytes.saturating_sub(node.attr.boxed_bytes());
            node.attr = attr;
        } else {
            let next = list.head;
            list.head = Some(self.nodes.insert(Node { attr, next }));
        }
    }

    /// Takes the attribute of the kind of `like` out of `list`.
    pub(super) fn unset(&mut self, list: &mut AttrList, like: &Attr) {
        let Some(found) = self.find(*list, like) else {
            return;
        };
        let before = self.links(*list).find(|(_, node)| node.next == Some(found));
        let before = before.map(|(id, _)| id);
        let next = self.free_node(found);
        match before.and_then(|id| self.nodes.get_mut(id)) {
            Some(node) => node.next = next,
            None => list.head = next,
        }
    }

    /// Empties `list`.
    pub(super) fn free(&mut self, list: AttrList) {
        let mut head = list.head;
        while let Some(id) = head {
            head = self.free_node(id);
        }
    }

    /// Puts the attributes in `list` back into `flow`.
    pub(super) fn put_into(&self, list: AttrList, flow: &mut Flow) {
        if list.head.is_none() {
            return;
        }
        let mut reply = ReplyParts::default();
        for (_, node) in self.links(list) {
            node.attr.put(flow, &mut reply);
        }
        if let Some(tuple) = &mut flow.reply {
            reply.apply(tuple);
        }
    }

    /// Returns the bytes that it has allocated.
    pub(super) fn memory_bytes(&self) -> usize {
        self.nodes.memory_bytes().saturating_add(self.boxed_bytes)
    }

    /// Frees node `id` and returns the one behind it.
    fn free_node(&mut self, id: SlotId) -> Option<SlotId> {
        let node = self
            .nodes
            .remove(id)
            .expect("a linked node is in the arena: lists are not shared");
        self.boxed_bytes = self.boxed_bytes.saturating_sub(node.attr.boxed_bytes());
        node.next
    }

    fn find(&self, list: AttrList, like: &Attr) -> Option<SlotId> {
        let (id, _) = self.links(list).find(|(_, node)| node.attr.is_like(like))?;
        Some(id)
    }

    fn links(&self, list: AttrList) -> impl Iterator<Item = (SlotId, &Node)> {
        let mut head = list.head;
        core::iter::from_fn(move || {
            let id = head?;
            let node = self.nodes.get(id)?;
            head = node.next;
            Some((id, node))
        })
    }
}

const _: () = assert!(size_of::<Node>() == 32);
