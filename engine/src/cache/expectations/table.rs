//! The table of expectations.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use core::num::NonZeroU32;

use super::super::arena::{Arena, SlotId};
use super::super::deadlines::Deadlines;
use super::super::index::Index;
use super::super::key::KeyHasher;
use super::super::slot_set::SlotSet;
use super::super::{Bookkeeping, CacheFull, FlowKey, HashKey, Liveness};
use crate::flow::{ExpectFlags, ExpectNat, Expectation, FunctionName, HelperName, Tuple};
use crate::time::Instant;

/// The slot of an expectation; it names another one once that one is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpectId(SlotId);

impl ExpectId {
    /// Returns the number of the slot.
    #[must_use]
    pub const fn slot(self) -> u32 {
        self.0.slot()
    }
}

/// What an expectation is found by.
///
/// The kernel never has two that differ in nothing of this: what helper, class and translation say
/// belongs to the one that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpectKey {
    /// Original tuple of the master.
    pub master: Tuple,
    /// The expected tuple.
    pub tuple: Tuple,
    /// Its mask.
    pub mask: Tuple,
    /// Zone of master and expected flow, 0 if they are in none.
    pub zone: u16,
}

impl ExpectKey {
    /// Returns the key of `expectation`.
    #[must_use]
    pub fn of(expectation: &Expectation) -> Self {
        Self {
            master: expectation.master,
            tuple: expectation.tuple,
            mask: expectation.mask,
            zone: expectation.zone.unwrap_or(0),
        }
    }

    /// Returns what its master is found by.
    #[must_use]
    pub const fn master_key(&self) -> FlowKey {
        self.key_of(self.master)
    }

    /// Returns what a flow with `tuple` in the same zone is found by.
    const fn key_of(&self, Tuple { addrs, proto, key }: Tuple) -> FlowKey {
        FlowKey {
            addrs,
            proto,
            key,
            zone: self.zone,
        }
    }
}

/// Translation and set-up function: of few protocols, and long.
#[derive(Clone, Debug)]
struct Rare {
    nat: Option<ExpectNat>,
    function: Option<FunctionName>,
}

/// One expectation.
#[derive(Clone, Debug)]
struct Entry {
    key: ExpectKey,
    has_zone: bool,
    timeout_secs: Option<u32>,
    id: Option<u32>,
    flags: Option<ExpectFlags>,
    class: Option<u32>,
    helper: Option<HelperName>,
    rare: Option<Box<Rare>>,
    bookkeeping: Bookkeeping,
}

const _: () = assert!(size_of::<Option<Entry>>() <= 256);

impl Entry {
    fn new(expectation: &Expectation, bookkeeping: Bookkeeping) -> Self {
        let Expectation { nat, function, .. } = *expectation;
        let has_rare = nat.is_some() || function.is_some();
        Self {
            key: ExpectKey::of(expectation),
            has_zone: expectation.zone.is_some(),
            timeout_secs: expectation.timeout_secs,
            id: expectation.id,
            flags: expectation.flags,
            class: expectation.class,
            helper: expectation.helper,
            rare: has_rare.then(|| Box::new(Rare { nat, function })),
            bookkeeping,
        }
    }

    fn unpack(&self) -> Expectation {
        let rare = self.rare.as_deref();
        Expectation {
            master: self.key.master,
            tuple: self.key.tuple,
            mask: self.key.mask,
            timeout_secs: self.timeout_secs,
            id: self.id,
            zone: self.has_zone.then_some(self.key.zone),
            flags: self.flags,
            class: self.class,
            nat: rare.and_then(|rare| rare.nat),
            helper: self.helper,
            function: rare.and_then(|rare| rare.function),
        }
    }
}

/// Table of expectations, found by key or by master and walked by slot. Empty, it holds no memory.
///
/// Methods that take an [`ExpectId`] panic if its slot is empty: that is a bug of the caller.
#[derive(Clone, Debug)]
pub struct ExpectTable {
    len_max: NonZeroU32,
    hasher: KeyHasher,
    index: Index,
    /// The living under the hash of their master. A set, as a peer can name one master for all.
    of_masters: BTreeSet<(u32, SlotId)>,
    entries: Arena<Entry>,
    /// The slots of `entries` in use, for walks.
    occupied: SlotSet,
    /// Of every entry that is not dead, in modes that have them.
    deadlines: Deadlines,
}

const OCCUPIED: &str = "the slot of an ExpectId is occupied: callers forget the ids of removed expectations";

impl ExpectTable {
    /// Returns an empty table for `len_max` expectations.
    #[must_use]
    pub fn new(len_max: NonZeroU32, hash_key: HashKey) -> Self {
        Self::with_hasher(len_max, KeyHasher::new(hash_key))
    }

    const fn with_hasher(len_max: NonZeroU32, hasher: KeyHasher) -> Self {
        Self {
            len_max,
            hasher,
            index: Index::new(),
            of_masters: BTreeSet::new(),
            entries: Arena::new(),
            occupied: SlotSet::new(),
            deadlines: Deadlines::none(),
        }
    }

    /// Returns the expectation with `key`.
    #[must_use]
    pub fn find(&self, key: &ExpectKey) -> Option<ExpectId> {
        let is_it = |slot| self.entries.get(slot).is_some_and(|entry| entry.key == *key);
        self.index.find(self.hash(key), is_it).map(ExpectId)
    }

    /// Returns one of the living expectations of a master.
    #[must_use]
    pub fn living_of_master(&self, master: &FlowKey) -> Option<ExpectId> {
        let hash = self.hasher.hash(master);
        let (first, last) = (SlotId::at(0)?, SlotId::at(u32::MAX.wrapping_sub(1))?);
        let mut of_hash = self.of_masters.range((hash, first)..=(hash, last));
        let is_its = |slot: SlotId| {
            let entry = self.entries.get(slot);
            entry.is_some_and(|entry| entry.key.master_key() == *master)
        };
        let found = of_hash.find(|(_, slot)| is_its(*slot));
        found.map(|(_, slot)| ExpectId(*slot))
    }

    /// Adds `expectation`, whose key must be absent, as new at `now_secs`.
    ///
    /// # Errors
    /// [`CacheFull`] if the limit is reached; dead ones count.
    pub fn insert(&mut self, expectation: &Expectation, now_secs: u32) -> Result<ExpectId, CacheFull> {
        let key = ExpectKey::of(expectation);
        debug_assert!(self.find(&key).is_none(), "{key:?} is already in the table");
        if self.len() >= self.len_max.get() {
            return Err(CacheFull {
                len_max: self.len_max,
            });
        }
        let slot = self
            .entries
            .insert(Entry::new(expectation, Bookkeeping::new(now_secs)));
        self.index.insert(self.hash(&key), slot);
        self.of_masters.insert(self.place_of(&key, slot));
        self.occupied.insert(slot.slot());
        Ok(ExpectId(slot))
    }

    /// Stores `expectation`, which has the same key, in the slot of another, updated at `now_secs`,
    /// with the age, the queue node and the generation that it had.
    pub fn overwrite(&mut self, id: ExpectId, expectation: &Expectation, liveness: Liveness, now_secs: u32) {
        debug_assert_eq!(
            self.find(&ExpectKey::of(expectation)),
            Some(id),
            "what overwrites has the key of the expectation"
        );
        let entry = self.entries.get_mut(id.0).expect(OCCUPIED);
        let mut bookkeeping = entry.bookkeeping.clone();
        bookkeeping.updated_secs = now_secs;
        *entry = Entry::new(expectation, bookkeeping);
        self.set_liveness(id, liveness);
    }

    /// Takes the expectation out and frees its slot.
    pub fn remove(&mut self, id: ExpectId) {
        let key = self.key(id);
        let was_indexed = self.index.remove(self.hash(&key), id.0);
        debug_assert!(was_indexed, "every entry is in the index: put there in insert()");
        self.of_masters.remove(&self.place_of(&key, id.0));
        self.entries.remove(id.0);
        self.occupied.remove(id.slot());
        self.deadlines.cancel(id.0);
    }

    /// Returns the expectation.
    #[must_use]
    pub fn expectation(&self, id: ExpectId) -> Expectation {
        self.entry(id).unpack()
    }

    /// Returns what the expectation is found by.
    #[must_use]
    pub fn key(&self, id: ExpectId) -> ExpectKey {
        self.entry(id).key
    }

    /// Returns what the table remembers of the expectation beside it.
    #[must_use]
    pub fn bookkeeping(&self, id: ExpectId) -> &Bookkeeping {
        &self.entry(id).bookkeeping
    }

    /// Returns the same to be changed.
    pub fn bookkeeping_mut(&mut self, id: ExpectId) -> &mut Bookkeeping {
        &mut self.entries.get_mut(id.0).expect(OCCUPIED).bookkeeping
    }

    /// Notes that the expectation is gone; its entry stays.
    pub fn mark_dead(&mut self, id: ExpectId) {
        self.set_liveness(id, Liveness::Dead);
    }

    /// Gives every expectation a deadline from here on; the table must be empty.
    pub(crate) fn set_deadlines(&mut self, deadlines: Deadlines) {
        self.deadlines = deadlines;
    }

    /// Sets the deadline of a living expectation anew, in modes that have one.
    pub(crate) fn arm(&mut self, id: ExpectId, now: Instant) {
        self.deadlines.arm(id.0, now);
    }

    /// Takes the first expectation that is due at `now`; it has no deadline until it is armed again or removed.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<ExpectId> {
        self.deadlines.pop_due(now).map(ExpectId)
    }

    /// Puts off what is due and was not taken to the next turn.
    pub(crate) fn end_turn(&mut self, now: Instant) {
        self.deadlines.end_turn(now);
    }

    /// Returns the next deadline.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Returns the seconds until an expectation of which nothing is heard ends, `None` if it does not.
    pub(crate) fn left_secs(&self, id: ExpectId, now_secs: u32) -> Option<u32> {
        let updated_secs = self.bookkeeping(id).updated_secs;
        self.deadlines.left_secs(updated_secs, now_secs)
    }

    /// Returns the expectation in the first occupied slot that is not below `slot`.
    #[must_use]
    pub fn first_from(&self, slot: u32) -> Option<ExpectId> {
        self.occupied.first_from(slot).and_then(SlotId::at).map(ExpectId)
    }

    /// Returns whether the slot of `id` is occupied.
    #[must_use]
    pub fn contains(&self, id: ExpectId) -> bool {
        self.entries.get(id.0).is_some()
    }

    /// Returns the number of expectations, the dead among them.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.entries.len()
    }

    /// Returns the number of expectations that are not dead.
    #[must_use]
    pub fn live_len(&self) -> u32 {
        u32::try_from(self.of_masters.len()).unwrap_or(u32::MAX)
    }

    /// Returns whether there are no expectations, not even dead ones.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all expectations and gives their memory back.
    pub fn clear(&mut self) {
        let mut deadlines = core::mem::take(&mut self.deadlines);
        deadlines.clear();
        *self = Self::with_hasher(self.len_max, self.hasher);
        self.deadlines = deadlines;
    }

    /// Checks that index, entries and set of the living agree; of a big table every n-th entry.
    ///
    /// # Panics
    /// If they do not.
    #[cfg(debug_assertions)]
    pub fn check_invariants(&self) {
        const CHECKED_MAX: u32 = 256;
        assert_eq!(u32::try_from(self.index.len()), Ok(self.len()), "index and arena");
        self.deadlines.check_len(self.live_len());
        let stride = (self.len() / CHECKED_MAX).saturating_add(1);
        let mut next = self.first_from(0);
        while let Some(id) = next {
            next = self.first_from(id.slot().saturating_add(stride));
            let entry = self.entry(id);
            assert_eq!(self.find(&entry.key), Some(id), "the index finds the entry");
            self.deadlines.check(id.0, entry.bookkeeping.is_live());
            assert_eq!(
                self.of_masters.contains(&self.place_of(&entry.key, id.0)),
                entry.bookkeeping.is_live(),
                "the living are found by their master"
            );
        }
    }

    fn set_liveness(&mut self, id: ExpectId, liveness: Liveness) {
        let place = self.place_of(&self.key(id), id.0);
        let bookkeeping = self.bookkeeping_mut(id);
        bookkeeping.set_liveness(liveness);
        if bookkeeping.is_live() {
            self.of_masters.insert(place);
        } else {
            self.of_masters.remove(&place);
            self.deadlines.cancel(id.0);
        }
    }

    fn hash(&self, key: &ExpectKey) -> u32 {
        self.hasher
            .hash_all(&[key.master_key(), key.key_of(key.tuple), key.key_of(key.mask)])
    }

    /// Returns what stands for a slot in the set of the living.
    fn place_of(&self, key: &ExpectKey, slot: SlotId) -> (u32, SlotId) {
        (self.hasher.hash(&key.master_key()), slot)
    }

    fn entry(&self, id: ExpectId) -> &Entry {
        self.entries.get(id.0).expect(OCCUPIED)
    }
}
