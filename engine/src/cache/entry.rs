//! One flow in 64 bytes, a cache line of most processors.

use core::net::Ipv4Addr;

use super::arena::SlotId;
use super::attrs::AttrList;
use super::bookkeeping::Bookkeeping;
use crate::flow::{
    DccpRole, DccpState, Flow, L4Key, ProtoState, Protocol, SctpState, Status, Synproxy, Tcp, TcpState, Tuple,
};

/// Addresses of the original direction; IPv4 does not pay for the size of IPv6.
#[derive(Clone, Copy, Debug)]
pub(super) enum PackedAddrs {
    V4 {
        src: Ipv4Addr,
        dst: Ipv4Addr,
    },
    /// Slot with the two IPv6 addresses.
    V6(SlotId),
}

/// [`ProtoState`] without TCP flags, which are not kept, and without SCTP tags, which are rare.
#[derive(Clone, Copy, Debug)]
enum Tracker {
    None,
    Tcp {
        state: TcpState,
        wscale_orig: Option<u8>,
        wscale_reply: Option<u8>,
    },
    Sctp(SctpState),
    Dccp {
        state: DccpState,
        role: DccpRole,
    },
}

impl Tracker {
    /// Copies what `news` knows, as [`ProtoState::merge`] does.
    fn learn(&mut self, news: ProtoState) {
        match (&mut *self, news) {
            (_, ProtoState::None) => {}
            (
                Self::Tcp {
                    state,
                    wscale_orig,
                    wscale_reply,
                },
                ProtoState::Tcp(news),
            ) => {
                *state = news.state;
                *wscale_orig = news.wscale_orig.or(*wscale_orig);
                *wscale_reply = news.wscale_reply.or(*wscale_reply);
            }
            (_, ProtoState::Tcp(news)) => {
                *self = Self::Tcp {
                    state: news.state,
                    wscale_orig: news.wscale_orig,
                    wscale_reply: news.wscale_reply,
                }
            }
            (_, ProtoState::Sctp { state, .. }) => *self = Self::Sctp(state),
            (_, ProtoState::Dccp { state, role }) => *self = Self::Dccp { state, role },
        }
    }

    /// Returns what it stands for.
    const fn unpack(self) -> ProtoState {
        match self {
            Self::None => ProtoState::None,
            Self::Tcp {
                state,
                wscale_orig,
                wscale_reply,
            } => ProtoState::Tcp(Tcp {
                wscale_orig,
                wscale_reply,
                ..Tcp::in_state(state)
            }),
            Self::Sctp(state) => ProtoState::Sctp {
                state,
                vtag_orig: 0,
                vtag_reply: 0,
            },
            Self::Dccp { state, role } => ProtoState::Dccp { state, role },
        }
    }
}

/// Which attributes an entry has.
#[derive(Clone, Copy, Debug)]
struct Present(u8);

impl Present {
    const NOTHING: Self = Self(0);
    const ZONE: Self = Self(0x01);
    const STATUS: Self = Self(0x02);
    const TIMEOUT: Self = Self(0x04);
    const MARK: Self = Self(0x08);
    const ID: Self = Self(0x10);
    /// The mirrored original, unless nodes in the list say otherwise.
    const REPLY: Self = Self(0x20);
    /// All zero, unless a node in the list says otherwise.
    const SYNPROXY: Self = Self(0x40);

    const fn has(self, bit: Self) -> bool {
        self.0 & bit.0 != 0
    }

    const fn add(&mut self, bit: Self) {
        self.0 |= bit.0;
    }
}

/// One flow: what every flow has, and the list of what few have.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(super) struct Entry {
    pub(super) addrs: PackedAddrs,
    pub(super) key: L4Key,
    /// Zone of the key; [`Present::ZONE`] tells whether the flow itself names it.
    pub(super) zone: u16,
    tracker: Tracker,
    pub(super) proto: Protocol,
    present: Present,
    status: Status,
    timeout_secs: u32,
    mark: u32,
    id: u32,
    pub(super) bookkeeping: Bookkeeping,
    pub(super) attrs: AttrList,
}

const _: () = assert!(size_of::<Option<Entry>>() == 64);

impl Entry {
    /// Returns an entry that knows its key alone.
    pub(super) fn new(
        addrs: PackedAddrs,
        proto: Protocol,
        key: L4Key,
        zone: u16,
        bookkeeping: Bookkeeping,
    ) -> Self {
        Self {
            addrs,
            key,
            zone,
            tracker: Tracker::None,
            proto,
            present: Present::NOTHING,
            status: Status(0),
            timeout_secs: 0,
            mark: 0,
            id: 0,
            bookkeeping,
            attrs: AttrList::default(),
        }
    }

    /// Copies the attributes of `news` that have a place in the entry; what it lacks stays.
    pub(super) fn learn(&mut self, news: &Flow) {
        self.tracker.learn(news.proto);
        if news.zone.is_some() {
            self.present.add(Present::ZONE);
        }
        if let Some(status) = news.status {
            self.status = status;
            self.present.add(Present::STATUS);
        }
        if let Some(secs) = news.timeout_secs {
            self.timeout_secs = secs;
            self.present.add(Present::TIMEOUT);
        }
        if let Some(mark) = news.mark {
            self.mark = mark;
            self.present.add(Present::MARK);
        }
        if let Some(id) = news.id {
            self.id = id;
            self.present.add(Present::ID);
        }
        if news.reply.is_some() {
            self.present.add(Present::REPLY);
        }
        if news.synproxy.is_some() {
            self.present.add(Present::SYNPROXY);
        }
    }

    /// Returns whether the reply tuple is known.
    pub(super) const fn has_reply(&self) -> bool {
        self.present.has(Present::REPLY)
    }

    /// Returns the kernel's identifier, if it is known.
    pub(super) fn id(&self) -> Option<u32> {
        self.present.has(Present::ID).then_some(self.id)
    }

    /// Returns the zone that the kernel finds the flow in, if it is in one.
    pub(super) fn zone(&self) -> Option<u16> {
        (self.present.has(Present::ZONE) || self.zone != 0).then_some(self.zone)
    }

    /// Returns the flow as far as the entry itself knows it.
    pub(super) fn unpack(&self, orig: Tuple) -> Flow {
        let has = |bit| self.present.has(bit);
        Flow {
            reply: has(Present::REPLY).then(|| orig.mirrored()),
            zone: has(Present::ZONE).then_some(self.zone),
            status: has(Present::STATUS).then_some(self.status),
            timeout_secs: has(Present::TIMEOUT).then_some(self.timeout_secs),
            mark: has(Present::MARK).then_some(self.mark),
            proto: self.tracker.unpack(),
            synproxy: has(Present::SYNPROXY).then_some(Synproxy::ZERO),
            id: self.id(),
            ..Flow::new(orig)
        }
    }
}
