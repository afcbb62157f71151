//! The internal cache of expectations: those of our kernel.

use alloc::collections::VecDeque;
use core::num::NonZeroU32;

use super::super::{Bookkeeping, Deadlines, FlowKey, HashKey, Liveness, NodeId};
use super::{ExpectId, ExpectKey, ExpectTable};
use crate::flow::Expectation;
use crate::input::EventKind;
use crate::stats::CacheStats;
use crate::time::Instant;

/// Expectations that wait for their master; the oldest gives way.
const EARLY_MAX: usize = 64;

/// What an event did to the internal cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectChange {
    /// Nothing that anyone must hear of.
    Nothing,
    /// This one is new, changed or dead: the peer must hear of it, or
    /// [`InternalExpectations::release`] it.
    Expectation(ExpectId),
    /// There was no room for it.
    Full,
}

/// Expectations of our kernel, fed by its events and dumps.
///
/// A dead one stays until its last message is sent or acknowledged, as a dead flow does.
#[derive(Debug)]
pub struct InternalExpectations {
    table: ExpectTable,
    stats: CacheStats,
    /// Told before their master, or by a dump that overtook that of flows. A helper that finds what
    /// it looks for in the first packet of a flow, as that of TFTP does, speaks before the kernel does.
    early: VecDeque<Expectation>,
    /// Expectations stay only until they are told.
    is_transit: bool,
}

impl InternalExpectations {
    /// Returns an empty cache for at most `len_max` expectations.
    #[must_use]
    pub fn new(len_max: NonZeroU32, hash_key: HashKey) -> Self {
        Self {
            table: ExpectTable::new(len_max, hash_key),
            stats: CacheStats::default(),
            early: VecDeque::new(),
            is_transit: false,
        }
    }

    /// Keeps expectations only until they are told from here on; nothing but [`Self::pass_on`]
    /// brings one in.
    pub(crate) const fn set_transit(&mut self) {
        self.is_transit = true;
    }

    /// Takes in what is told of an expectation until it is told: as new, changed or ended.
    pub fn pass_on(&mut self, kind: EventKind, expectation: &Expectation, now: Instant) -> ExpectChange {
        let key = ExpectKey::of(expectation);
        let id = match self.table.find(&key) {
            Some(id) => id,
            None => match self.insert(expectation, now) {
                ExpectChange::Expectation(id) => id,
                other @ (ExpectChange::Nothing | ExpectChange::Full) => return other,
            },
        };
        let liveness = match kind {
            EventKind::New => Liveness::New,
            EventKind::Update => Liveness::Alive,
            EventKind::Destroy => {
                self.forget_held(&key);
                Liveness::Dead
            }
        };
        self.table.overwrite(id, expectation, liveness, now.whole_secs());
        ExpectChange::Expectation(id)
    }

    /// Gives every expectation a deadline from here on.
    pub(crate) fn set_deadlines(&mut self, deadlines: Deadlines) {
        self.table.set_deadlines(deadlines);
    }

    /// Returns when the next refresh is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.table.next_deadline()
    }

    /// Takes the next expectation whose refresh is due at `now`, and sets its next one.
    pub(crate) fn next_refresh(&mut self, now: Instant) -> Option<ExpectId> {
        let id = self.table.pop_due(now)?;
        self.table.arm(id, now);
        Some(id)
    }

    /// Puts off the refreshes that are due and were not taken to the next turn.
    pub(crate) fn end_turn(&mut self, now: Instant) {
        self.table.end_turn(now);
    }

    /// Applies an event of the kernel about an expectation with a known master, or the end of any.
    ///
    /// ```text
    ///            unknown     live           dead
    /// New        insert      replace        replace
    /// Update     insert      overwrite      replace
    /// Destroy    nothing     mark dead      nothing
    /// ```
    pub fn apply(&mut self, kind: EventKind, expectation: &Expectation, now: Instant) -> ExpectChange {
        if self.is_transit {
            return ExpectChange::Nothing;
        }
        let key = ExpectKey::of(expectation);
        match (kind, self.table.find(&key)) {
            (EventKind::Destroy, known) => {
                self.forget_held(&key);
                match known.filter(|id| self.is_live(*id)) {
                    Some(id) => {
                        self.kill(id);
                        ExpectChange::Expectation(id)
                    }
                    None => {
                        self.stats.destroy_not_found = self.stats.destroy_not_found.wrapping_add(1);
                        ExpectChange::Nothing
                    }
                }
            }
            (EventKind::New | EventKind::Update, None) => self.insert(expectation, now),
            (EventKind::Update, Some(id)) if self.is_live(id) => {
                self.table
                    .overwrite(id, expectation, Liveness::Alive, now.whole_secs());
                self.table.arm(id, now);
                self.stats.updated = self.stats.updated.wrapping_add(1);
                ExpectChange::Expectation(id)
            }
            (EventKind::New | EventKind::Update, Some(id)) => {
                if self.is_live(id) {
                    self.stats.destroyed = self.stats.destroyed.wrapping_add(1);
                }
                self.stats.created = self.stats.created.wrapping_add(1);
                self.table
                    .overwrite(id, expectation, Liveness::New, now.whole_secs());
                self.table.bookkeeping_mut(id).since_secs = now.whole_secs();
                self.table.arm(id, now);
                ExpectChange::Expectation(id)
            }
        }
    }

    /// Applies an entry of a dump; the second value tells whether more than its timeout is new.
    pub fn apply_dumped(&mut self, expectation: &Expectation, now: Instant) -> (ExpectChange, bool) {
        let known = self.table.find(&ExpectKey::of(expectation));
        let Some(id) = known.filter(|id| self.is_live(*id)) else {
            return (self.apply(EventKind::New, expectation, now), true);
        };
        let before = self.table.expectation(id);
        // One without an identifier is of our own making, and the kernel has not spoken of it since:
        // what it adds is no news.
        let is_told = before.id.is_some();
        let is_same = Expectation {
            timeout_secs: before.timeout_secs,
            id: if is_told { expectation.id } else { None },
            ..expectation.clone()
        } == before;
        if is_same {
            let liveness = self.table.bookkeeping(id).liveness();
            self.table.overwrite(id, expectation, liveness, now.whole_secs());
            return (ExpectChange::Expectation(id), false);
        }
        (self.apply(EventKind::Update, expectation, now), is_told)
    }

    fn insert(&mut self, expectation: &Expectation, now: Instant) -> ExpectChange {
        let inserted = self.table.insert(expectation, now.whole_secs());
        if let Ok(id) = inserted {
            self.table.arm(id, now);
        }
        let (counter, change) = match inserted {
            Ok(id) => (&mut self.stats.created, ExpectChange::Expectation(id)),
            Err(_) => (&mut self.stats.create_failed_full, ExpectChange::Full),
        };
        *counter = counter.wrapping_add(1);
        change
    }

    /// Keeps an expectation whose master is not known until the kernel tells of that, or of too many.
    pub fn hold(&mut self, expectation: &Expectation) {
        self.forget_held(&ExpectKey::of(expectation));
        if self.early.len() >= EARLY_MAX {
            self.early.pop_front();
        }
        self.early.push_back(expectation.clone());
    }

    fn forget_held(&mut self, key: &ExpectKey) {
        self.early.retain(|early| ExpectKey::of(early) != *key);
    }

    /// Takes one that waited for this master.
    pub fn take_held(&mut self, master: &FlowKey) -> Option<Expectation> {
        let is_its = |early: &Expectation| ExpectKey::of(early).master_key() == *master;
        let place = self.early.iter().position(is_its)?;
        self.early.remove(place)
    }

    /// Marks a live expectation dead.
    pub fn kill(&mut self, id: ExpectId) {
        self.stats.destroyed = self.stats.destroyed.wrapping_add(1);
        self.table.mark_dead(id);
    }

    /// Takes the queue node from an expectation; a dead one leaves the cache with it.
    pub fn release(&mut self, id: ExpectId) {
        self.set_node(id, None);
        if self.is_transit {
            self.table.remove(id);
        } else {
            self.drop_unreferenced(id);
        }
    }

    /// Removes a dead expectation that no queue refers to.
    pub fn drop_unreferenced(&mut self, id: ExpectId) {
        if !self.is_live(id) && self.node(id).is_none() {
            self.table.remove(id);
        }
    }

    /// Forgets one that we deleted from the kernel, in the way of those of a deleted master.
    pub fn forget(&mut self, key: &ExpectKey) {
        let Some(id) = self.table.find(key) else { return };
        if self.is_live(id) {
            self.kill(id);
        }
        self.drop_unreferenced(id);
    }

    /// Forgets what went with a flow that we deleted from the kernel: the peer is not told, but a
    /// message that waits in a queue goes out as an end.
    pub fn forget_of_master(&mut self, master: &FlowKey) {
        while let Some(id) = self.table.living_of_master(master) {
            self.kill(id);
            self.drop_unreferenced(id);
        }
    }

    /// Forgets all that was in the kernel, which has been emptied, in the same way.
    pub fn forget_all(&mut self) {
        self.early.clear();
        let mut slot = 0;
        while let Some(id) = self.table.first_from(slot) {
            slot = id.slot().saturating_add(1);
            if self.is_live(id) {
                self.kill(id);
            }
            self.drop_unreferenced(id);
        }
    }

    /// Empties the cache; no queue may refer to its expectations.
    pub fn clear(&mut self) {
        let live = u64::from(self.table.live_len());
        self.stats.destroyed = self.stats.destroyed.wrapping_add(live);
        self.table.clear();
        self.early.clear();
    }

    /// Returns one of the living expectations of a master.
    #[must_use]
    pub fn living_of_master(&self, master: &FlowKey) -> Option<ExpectId> {
        self.table.living_of_master(master)
    }

    /// Returns the expectation with this key, dead or alive.
    #[must_use]
    pub fn find(&self, key: &ExpectKey) -> Option<ExpectId> {
        self.table.find(key)
    }

    /// Returns the first expectation at `slot` or behind it, dead or alive.
    #[must_use]
    pub fn first_from(&self, slot: u32) -> Option<ExpectId> {
        self.table.first_from(slot)
    }

    /// Returns an expectation.
    #[must_use]
    pub fn expectation(&self, id: ExpectId) -> Expectation {
        self.table.expectation(id)
    }

    /// Returns what is remembered of an expectation beside it.
    #[must_use]
    pub fn bookkeeping(&self, id: ExpectId) -> &Bookkeeping {
        self.table.bookkeeping(id)
    }

    /// Returns whether an expectation is not dead.
    #[must_use]
    pub fn is_live(&self, id: ExpectId) -> bool {
        self.table.bookkeeping(id).is_live()
    }

    /// Notes the dump that saw an expectation last.
    pub fn set_generation(&mut self, id: ExpectId, generation: u8) {
        self.table.bookkeeping_mut(id).generation = generation;
    }

    /// Returns the queue node that refers to an expectation.
    #[must_use]
    pub fn node(&self, id: ExpectId) -> Option<NodeId> {
        self.table.bookkeeping(id).node
    }

    /// Notes the queue node that refers to an expectation.
    pub fn set_node(&mut self, id: ExpectId, node: Option<NodeId>) {
        self.table.bookkeeping_mut(id).node = node;
    }

    /// Returns whether there is no expectation, not even a dead one.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        CacheStats {
            live: u64::from(self.table.live_len()),
            total: u64::from(self.table.len()),
            ..self.stats
        }
    }

    /// Panics if the table is not consistent.
    #[cfg(debug_assertions)]
    pub fn check_invariants(&self) {
        self.table.check_invariants();
    }
}
