//! The external cache of expectations: those of the peer, in no kernel of ours until a commit.

use core::num::NonZeroU32;

use super::super::{CacheFull, Deadlines, FlowKey, HashKey, Liveness, Teller};
use super::{ExpectId, ExpectKey, ExpectTable};
use crate::flow::Expectation;
use crate::input::EventKind;
use crate::stats::CacheStats;
use crate::time::Instant;

/// Expectations of the peer.
#[derive(Debug)]
pub struct ExternalExpectations {
    table: ExpectTable,
    stats: CacheStats,
}

impl ExternalExpectations {
    /// Returns an empty cache for at most `len_max` expectations.
    #[must_use]
    pub fn new(len_max: NonZeroU32, hash_key: HashKey) -> Self {
        Self {
            table: ExpectTable::new(len_max, hash_key),
            stats: CacheStats::default(),
        }
    }

    /// Gives every expectation a deadline from here on.
    pub(crate) fn set_deadlines(&mut self, deadlines: Deadlines) {
        self.table.set_deadlines(deadlines);
    }

    /// Returns when the next expectation ends.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.table.next_deadline()
    }

    /// Removes what has ended at `now`, `len_max` expectations at the most.
    pub(crate) fn expire(&mut self, len_max: u16, now: Instant) {
        for _ in 0..len_max {
            let Some(id) = self.table.pop_due(now) else { break };
            self.remove(id);
            self.stats.expired = self.stats.expired.wrapping_add(1);
        }
        self.table.end_turn(now);
    }

    /// Returns the seconds until an expectation of which nothing is heard ends, `None` if it does not.
    pub(crate) fn left_secs(&self, id: ExpectId, now_secs: u32) -> Option<u32> {
        self.table.left_secs(id, now_secs)
    }

    /// Applies a message of `teller`: an update says all anew, and inserts what is not known.
    ///
    /// Returns whether one of the teller's was named again for the first time since its generation began.
    ///
    /// # Errors
    /// [`CacheFull`] if there is no room for it.
    pub fn apply(
        &mut self,
        kind: EventKind,
        expectation: &Expectation,
        teller: Teller,
        now: Instant,
    ) -> Result<bool, CacheFull> {
        let now_secs = now.whole_secs();
        let known = self.table.find(&ExpectKey::of(expectation));
        let is_named_again = known.is_some_and(|id| self.is_of_past_generation(id, teller));
        let id = match (kind, known) {
            (EventKind::Destroy, known) => {
                match known {
                    Some(id) => self.remove(id),
                    None => {
                        self.stats.destroy_not_found = self.stats.destroy_not_found.wrapping_add(1);
                    }
                }
                return Ok(false);
            }
            (EventKind::New | EventKind::Update, None) => self.insert(expectation, now_secs)?,
            (EventKind::New, Some(id)) => {
                self.table.overwrite(id, expectation, Liveness::New, now_secs);
                self.table.bookkeeping_mut(id).since_secs = now_secs;
                self.stats.created = self.stats.created.wrapping_add(1);
                self.stats.destroyed = self.stats.destroyed.wrapping_add(1);
                id
            }
            (EventKind::Update, Some(id)) => {
                self.table.overwrite(id, expectation, Liveness::Alive, now_secs);
                self.stats.updated = self.stats.updated.wrapping_add(1);
                id
            }
        };
        teller.mark(self.table.bookkeeping_mut(id));
        self.table.arm(id, now);
        Ok(is_named_again)
    }

    fn insert(&mut self, expectation: &Expectation, now_secs: u32) -> Result<ExpectId, CacheFull> {
        let inserted = self.table.insert(expectation, now_secs);
        let counter = match inserted {
            Ok(_) => &mut self.stats.created,
            Err(_) => &mut self.stats.create_failed_full,
        };
        *counter = counter.wrapping_add(1);
        inserted
    }

    /// Removes an expectation.
    pub fn remove(&mut self, id: ExpectId) {
        self.table.remove(id);
        self.stats.destroyed = self.stats.destroyed.wrapping_add(1);
    }

    /// Removes the expectations of a master that is gone.
    pub fn remove_of_master(&mut self, master: &FlowKey) {
        while let Some(id) = self.table.living_of_master(master) {
            self.remove(id);
        }
    }

    /// Empties the cache.
    pub fn clear(&mut self) {
        let live = u64::from(self.table.live_len());
        self.stats.destroyed = self.stats.destroyed.wrapping_add(live);
        self.table.clear();
    }

    /// Returns the first expectation at `slot` or behind it.
    #[must_use]
    pub fn first_from(&self, slot: u32) -> Option<ExpectId> {
        self.table.first_from(slot)
    }

    /// Returns whether the slot holds an expectation.
    #[must_use]
    pub fn contains(&self, id: ExpectId) -> bool {
        self.table.contains(id)
    }

    /// Returns an expectation.
    #[must_use]
    pub fn expectation(&self, id: ExpectId) -> Expectation {
        self.table.expectation(id)
    }

    /// Returns whether an expectation is the teller's and was not named since its generation began.
    #[must_use]
    pub fn is_of_past_generation(&self, id: ExpectId, teller: Teller) -> bool {
        teller.has_not_named_again(self.table.bookkeeping(id))
    }

    /// Returns the second at which an expectation entered the cache.
    #[must_use]
    pub fn since_secs(&self, id: ExpectId) -> u32 {
        self.table.bookkeeping(id).since_secs
    }

    /// Returns the second of the last message about an expectation.
    #[must_use]
    pub fn updated_secs(&self, id: ExpectId) -> u32 {
        self.table.bookkeeping(id).updated_secs
    }

    /// Returns whether there is no expectation.
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
