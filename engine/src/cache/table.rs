//! The table of flows.

use core::net::Ipv6Addr;
use core::num::NonZeroU32;

use super::arena::{Arena, SlotId};
use super::attrs::{Attr, AttrNodes};
use super::bookkeeping::{Bookkeeping, Liveness};
use super::deadlines::Deadlines;
use super::entry::{Entry, PackedAddrs};
use super::index::Index;
use super::key::{FlowKey, HashKey, KeyHasher};
use super::slot_set::SlotSet;
use crate::flow::{Addrs, Flow, ProtoState, Synproxy};
use crate::output::FlowName;
use crate::time::Instant;

/// The slot of a flow; it names another flow once that one is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(SlotId);

impl FlowId {
    /// Returns the handle of slot `slot`, whatever it holds.
    #[cfg(test)]
    pub(crate) fn for_test(slot: u32) -> Self {
        Self(SlotId::at(slot).unwrap())
    }

    /// Returns the number of the slot.
    #[must_use]
    pub const fn slot(self) -> u32 {
        self.0.slot()
    }
}

/// The table holds as many flows as the configuration allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the table is full: {len_max} flows")]
pub struct CacheFull {
    /// The limit.
    pub len_max: NonZeroU32,
}

/// Source and destination of a flow over IPv6.
#[derive(Clone, Copy, Debug)]
struct Addrs6 {
    src: Ipv6Addr,
    dst: Ipv6Addr,
}

/// Compact table of flows, found by original tuple and zone and walked by slot.
///
/// Counters, use count and TCP flags of a flow are not kept.
///
/// Methods that take a [`FlowId`] panic if its slot is empty: that is a bug of the caller.
#[derive(Clone, Debug)]
pub struct FlowCache {
    len_max: NonZeroU32,
    hasher: KeyHasher,
    index: Index,
    entries: Arena<Entry>,
    addrs6: Arena<Addrs6>,
    attrs: AttrNodes,
    /// The slots of `entries` in use, for walks.
    occupied: SlotSet,
    /// Entries that are not dead.
    n_live: u32,
    /// Of every entry that is not dead, in modes that have them.
    deadlines: Deadlines,
}

const OCCUPIED: &str = "the slot of a FlowId is occupied: callers forget the ids of removed flows";

impl FlowCache {
    /// Returns an empty table for `len_max` flows; it allocates as it fills.
    #[must_use]
    pub fn new(len_max: NonZeroU32, hash_key: HashKey) -> Self {
        Self::with_hasher(len_max, KeyHasher::new(hash_key))
    }

    /// Makes room in the index for so many flows, or for the limit if that is less; what the flows
    /// themselves need is allocated as they come.
    pub fn reserve(&mut self, n_flows: u32) {
        let n_flows = n_flows.min(self.len_max.get());
        self.index.reserve(usize::try_from(n_flows).unwrap_or(usize::MAX));
    }

    const fn with_hasher(len_max: NonZeroU32, hasher: KeyHasher) -> Self {
        Self {
            len_max,
            hasher,
            index: Index::new(),
            entries: Arena::new(),
            addrs6: Arena::new(),
            attrs: AttrNodes::new(),
            occupied: SlotSet::new(),
            n_live: 0,
            deadlines: Deadlines::none(),
        }
    }

    /// Returns the flow with `key`.
    #[must_use]
    pub fn find(&self, key: &FlowKey) -> Option<FlowId> {
        let is_it = |slot| {
            self.entries
                .get(slot)
                .is_some_and(|entry| self.has_key(entry, key))
        };
        self.index.find(self.hasher.hash(key), is_it).map(FlowId)
    }

    /// Adds `flow`, whose key must be absent, as new at `now_secs`.
    ///
    /// # Errors
    /// [`CacheFull`] if the limit is reached; dead flows count.
    pub fn insert(&mut self, flow: &Flow, now_secs: u32) -> Result<FlowId, CacheFull> {
        let key = FlowKey::of(flow);
        debug_assert!(self.find(&key).is_none(), "{key:?} is already in the table");
        if self.len() >= self.len_max.get() {
            return Err(CacheFull {
                len_max: self.len_max,
            });
        }
        let addrs = match key.addrs {
            Addrs::V4 { src, dst } => PackedAddrs::V4 { src, dst },
            Addrs::V6 { src, dst } => PackedAddrs::V6(self.addrs6.insert(Addrs6 { src, dst })),
        };
        let mut entry = Entry::new(addrs, key.proto, key.key, key.zone, Bookkeeping::new(now_secs));
        Self::learn(&mut self.attrs, &mut entry, flow);
        let slot = self.entries.insert(entry);
        self.index.insert(self.hasher.hash(&key), slot);
        self.occupied.insert(slot.slot());
        self.n_live = self.n_live.saturating_add(1);
        Ok(FlowId(slot))
    }

    /// Copies what `news` has into the flow, as [`Flow::merge`] does; it is alive, updated at `now_secs`.
    ///
    /// `news` must have the key of the flow.
    pub fn merge(&mut self, id: FlowId, news: &Flow, now_secs: u32) {
        debug_assert_eq!(
            self.find(&FlowKey::of(news)),
            Some(id),
            "merged news have the key of the flow"
        );
        let entry = self.entries.get_mut(id.0).expect(OCCUPIED);
        Self::learn(&mut self.attrs, entry, news);
        entry.bookkeeping.updated_secs = now_secs;
        self.set_liveness(id, Liveness::Alive);
    }

    /// Forgets what is known of the flow and stores `flow`, which has the same key, in its slot: new
    /// at `now_secs`, with the queue node and the generation that it had.
    pub fn replace(&mut self, id: FlowId, flow: &Flow, now_secs: u32) {
        debug_assert_eq!(
            self.find(&FlowKey::of(flow)),
            Some(id),
            "a replacement has the key of the flow"
        );
        let entry = self.entries.get_mut(id.0).expect(OCCUPIED);
        self.attrs.free(entry.attrs);
        let mut bookkeeping = entry.bookkeeping.clone();
        (bookkeeping.since_secs, bookkeeping.updated_secs) = (now_secs, now_secs);
        *entry = Entry::new(entry.addrs, entry.proto, entry.key, entry.zone, bookkeeping);
        Self::learn(&mut self.attrs, entry, flow);
        self.set_liveness(id, Liveness::New);
    }

    /// Takes the flow out and frees its slot.
    pub fn remove(&mut self, id: FlowId) {
        let key = self.key_of(self.entry(id));
        let was_indexed = self.index.remove(self.hasher.hash(&key), id.0);
        debug_assert!(was_indexed, "every entry is in the index: put there in insert()");
        let entry = self.entries.remove(id.0).expect(OCCUPIED);
        if let PackedAddrs::V6(slot) = entry.addrs {
            self.addrs6.remove(slot);
        }
        self.attrs.free(entry.attrs);
        self.occupied.remove(id.slot());
        self.deadlines.cancel(id.0);
        if entry.bookkeeping.is_live() {
            self.n_live = self.n_live.saturating_sub(1);
        }
    }

    /// Returns the flow.
    #[must_use]
    pub fn flow(&self, id: FlowId) -> Flow {
        let entry = self.entry(id);
        let mut flow = entry.unpack(self.key_of(entry).orig());
        self.attrs.put_into(entry.attrs, &mut flow);
        flow
    }

    /// Returns what the flow is found by.
    #[must_use]
    pub fn key(&self, id: FlowId) -> FlowKey {
        self.key_of(self.entry(id))
    }

    /// Returns what the kernel finds the flow by.
    #[must_use]
    pub fn name(&self, id: FlowId) -> FlowName {
        let entry = self.entry(id);
        FlowName {
            orig: self.key_of(entry).orig(),
            zone: entry.zone(),
            id: entry.id(),
        }
    }

    /// Returns what the table remembers of the flow beside it.
    #[must_use]
    pub fn bookkeeping(&self, id: FlowId) -> &Bookkeeping {
        &self.entry(id).bookkeeping
    }

    /// Returns the same to be changed.
    pub fn bookkeeping_mut(&mut self, id: FlowId) -> &mut Bookkeeping {
        &mut self.entries.get_mut(id.0).expect(OCCUPIED).bookkeeping
    }

    /// Notes that the flow is gone; its entry stays.
    pub fn mark_dead(&mut self, id: FlowId) {
        self.set_liveness(id, Liveness::Dead);
    }

    /// Gives every flow a deadline from here on; the table must be empty.
    pub(crate) fn set_deadlines(&mut self, deadlines: Deadlines) {
        self.deadlines = deadlines;
    }

    /// Sets the deadline of a living flow anew, in modes that have one.
    pub(crate) fn arm(&mut self, id: FlowId, now: Instant) {
        self.deadlines.arm(id.0, now);
    }

    /// Takes the first flow that is due at `now`; it has no deadline until it is armed again or removed.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<FlowId> {
        self.deadlines.pop_due(now).map(FlowId)
    }

    /// Puts off what is due and was not taken to the next turn.
    pub(crate) fn end_turn(&mut self, now: Instant) {
        self.deadlines.end_turn(now);
    }

    /// Returns the next deadline.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Returns the seconds until a flow of which nothing is heard ends, `None` if it does not.
    pub(crate) fn left_secs(&self, id: FlowId, now_secs: u32) -> Option<u32> {
        let updated_secs = self.bookkeeping(id).updated_secs;
        self.deadlines.left_secs(updated_secs, now_secs)
    }

    /// Returns the flow in the first occupied slot that is not below `slot`.
    ///
    /// Bulks, dumps and commits walk the table with it, a few flows a turn; flows that come and go
    /// meanwhile do not disturb the walk.
    #[must_use]
    pub fn first_from(&self, slot: u32) -> Option<FlowId> {
        self.occupied.first_from(slot).and_then(SlotId::at).map(FlowId)
    }

    /// Returns whether the slot of `id` is occupied.
    #[must_use]
    pub fn contains(&self, id: FlowId) -> bool {
        self.entries.get(id.0).is_some()
    }

    /// Returns the number of flows, the dead among them.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.entries.len()
    }

    /// Returns the number of flows that are not dead.
    #[must_use]
    pub const fn live_len(&self) -> u32 {
        self.n_live
    }

    /// Returns whether there are no flows, not even dead ones.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all flows and gives their memory back.
    pub fn clear(&mut self) {
        let mut deadlines = core::mem::take(&mut self.deadlines);
        deadlines.clear();
        *self = Self::with_hasher(self.len_max, self.hasher);
        self.deadlines = deadlines;
    }

    /// Returns the bytes that the table has allocated.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        [
            self.index.memory_bytes(),
            self.entries.memory_bytes(),
            self.addrs6.memory_bytes(),
            self.attrs.memory_bytes(),
            self.occupied.memory_bytes(),
            self.deadlines.memory_bytes(),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }

    /// Checks that index, entries, side tables and counts agree: all of a small table, every n-th
    /// entry of a big one.
    ///
    /// # Panics
    /// If they do not.
    #[cfg(debug_assertions)]
    pub fn check_invariants(&self) {
        const CHECKED_MAX: u32 = 256;
        let n_entries = self.entries.len();
        assert!(
            n_entries <= self.len_max.get(),
            "{n_entries} flows are over the limit"
        );
        assert_eq!(u32::try_from(self.index.len()), Ok(n_entries), "index and arena");
        self.deadlines.check_len(self.n_live);
        let stride = (n_entries / CHECKED_MAX).saturating_add(1);
        let (mut n_checked, mut n_live, mut n_addrs6, mut n_nodes) = (0_u32, 0_u32, 0_u32, 0_u32);
        let mut next = self.first_from(0);
        while let Some(id) = next {
            next = self.first_from(id.slot().saturating_add(stride));
            let entry = self.entry(id);
            assert_eq!(
                self.find(&self.key_of(entry)),
                Some(id),
                "the index finds the entry"
            );
            self.deadlines.check(id.0, entry.bookkeeping.is_live());
            n_checked = n_checked.saturating_add(1);
            n_live = n_live.saturating_add(u32::from(entry.bookkeeping.is_live()));
            n_addrs6 = n_addrs6.saturating_add(u32::from(matches!(entry.addrs, PackedAddrs::V6(_))));
            n_nodes = n_nodes.saturating_add(self.attrs.len_of(entry.attrs));
        }
        if stride == 1 {
            assert_eq!(n_checked, n_entries, "occupied slots and arena");
            assert_eq!(n_live, self.n_live, "entries that are not dead");
            assert_eq!(n_addrs6, self.addrs6.len(), "IPv6 addresses");
            assert_eq!(n_nodes, self.attrs.len(), "attributes in lists and in the arena");
        }
    }

    /// Copies what `news` has into `entry`; what it lacks stays.
    fn learn(attrs: &mut AttrNodes, entry: &mut Entry, news: &Flow) {
        let had_reply = entry.has_reply();
        entry.learn(news);
        let list = &mut entry.attrs;
        if let Some(reply) = news.reply.filter(|_| !had_reply) {
            Attr::for_each_of_reply(&news.orig, &reply, |attr| attrs.set(list, attr));
        }
        // Zero is told by the absence of a node, so a node from before must go.
        if news.proto != ProtoState::None {
            attrs.unset(list, &Attr::ANY_TAGS);
        }
        if news.synproxy == Some(Synproxy::ZERO) {
            attrs.unset(list, &Attr::ANY_SYNPROXY);
        }
        Attr::for_each(news, |attr| attrs.set(list, attr));
    }

    fn set_liveness(&mut self, id: FlowId, liveness: Liveness) {
        let bookkeeping = self.bookkeeping_mut(id);
        let was_live = bookkeeping.is_live();
        bookkeeping.set_liveness(liveness);
        match (was_live, bookkeeping.is_live()) {
            (true, false) => {
                self.n_live = self.n_live.saturating_sub(1);
                self.deadlines.cancel(id.0);
            }
            (false, true) => self.n_live = self.n_live.saturating_add(1),
            (true, true) | (false, false) => {}
        }
    }

    fn entry(&self, id: FlowId) -> &Entry {
        self.entries.get(id.0).expect(OCCUPIED)
    }

    fn addrs6(&self, slot: SlotId) -> Addrs6 {
        *self
            .addrs6
            .get(slot)
            .expect("an IPv6 entry has its addresses: both are put in and taken out together")
    }

    fn key_of(&self, entry: &Entry) -> FlowKey {
        let addrs = match entry.addrs {
            PackedAddrs::V4 { src, dst } => Addrs::V4 { src, dst },
            PackedAddrs::V6(slot) => {
                let Addrs6 { src, dst } = self.addrs6(slot);
                Addrs::V6 { src, dst }
            }
        };
        FlowKey {
            addrs,
            proto: entry.proto,
            key: entry.key,
            zone: entry.zone,
        }
    }

    fn has_key(&self, entry: &Entry, key: &FlowKey) -> bool {
        self.key_of(entry) == *key
    }
}
