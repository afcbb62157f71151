//! The external cache: flows of the peer, in no kernel of ours until a commit.

use core::num::NonZeroU32;

use crate::flow::{Expectation, Flow};
use crate::input::EventKind;
use crate::stats::CacheStats;
use crate::time::Instant;

use super::{
    Bookkeeping, CacheFull, Deadlines, ExpectId, ExternalExpectations, FlowCache, FlowId, FlowKey, HashKey,
};

/// Flows of the peer.
#[derive(Debug)]
pub struct ExternalCache {
    /// What helpers foretell of the peer's flows; empty unless expectations are replicated.
    pub expectations: ExternalExpectations,
    table: FlowCache,
    stats: CacheStats,
}

/// A node as far as it tells of flows, and which of its starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Teller {
    /// The node.
    pub node: u8,
    /// Marks what it named since it started last.
    pub generation: u8,
}

impl Teller {
    /// From here on flows named again are told from those that are not.
    pub const fn begin_generation(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// Returns whether it is this node that told of an entry last, and not since it started last.
    pub(super) const fn has_not_named_again(self, bookkeeping: &Bookkeeping) -> bool {
        bookkeeping.teller == self.node && bookkeeping.generation != self.generation
    }

    /// Marks an entry as named.
    pub(super) const fn mark(self, bookkeeping: &mut Bookkeeping) {
        (bookkeeping.teller, bookkeeping.generation) = (self.node, self.generation);
    }
}

impl ExternalCache {
    /// Returns an empty cache for at most `len_max` flows.
    #[must_use]
    pub fn new(len_max: NonZeroU32, hash_key: HashKey) -> Self {
        Self {
            expectations: ExternalExpectations::new(len_max, hash_key),
            table: FlowCache::new(len_max, hash_key),
            stats: CacheStats::default(),
        }
    }

    /// Returns the same cache with room in its index for `n_flows`, see [`FlowCache::reserve`].
    #[must_use]
    pub fn with_room_for(mut self, n_flows: u32) -> Self {
        self.table.reserve(n_flows);
        self
    }

    /// Returns the same cache, whose entries end when nothing is heard of them for long.
    #[must_use]
    pub(crate) fn with_expiries(mut self, of_flows: Deadlines, of_expectations: Deadlines) -> Self {
        self.table.set_deadlines(of_flows);
        self.expectations.set_deadlines(of_expectations);
        self
    }

    /// Returns when the next entry ends.
    #[must_use]
    pub(crate) fn expiry_deadline(&self) -> Option<Instant> {
        let deadlines = [self.table.next_deadline(), self.expectations.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Removes what has ended at `now`, `len_max` flows and as many expectations at the most; the
    /// rest is left for the next turn.
    pub(crate) fn expire(&mut self, len_max: u16, now: Instant) {
        for _ in 0..len_max {
            let Some(id) = self.table.pop_due(now) else { break };
            self.remove(id);
            self.stats.expired = self.stats.expired.wrapping_add(1);
        }
        self.table.end_turn(now);
        self.expectations.expire(len_max, now);
    }

    /// Returns the seconds until a flow of which nothing is heard ends, `None` if it does not.
    #[must_use]
    pub(crate) fn left_secs(&self, id: FlowId, now_secs: u32) -> Option<u32> {
        self.table.left_secs(id, now_secs)
    }

    /// Applies a message of `teller`.
    ///
    /// A message tells all of a flow, an update too: what it lacks the flow has not, even if an
    /// earlier flow with the same key had it. An update of an unknown flow inserts it, the end of an
    /// unknown one is nothing, that of a master is the end of its expectations. Returns whether one of
    /// the teller's flows was named again for the first time since its generation began.
    ///
    /// # Errors
    /// [`CacheFull`] if there is no room for it.
    pub fn apply(
        &mut self,
        kind: EventKind,
        flow: &Flow,
        teller: Teller,
        now: Instant,
    ) -> Result<bool, CacheFull> {
        let key = FlowKey::of(flow);
        let known = self.table.find(&key);
        let is_named_again = known.is_some_and(|id| self.is_of_past_generation(id, teller));
        let id = match (kind, known) {
            (EventKind::Destroy, known) => {
                self.expectations.remove_of_master(&key);
                match known {
                    Some(id) => self.remove(id),
                    None => {
                        self.stats.destroy_not_found = self.stats.destroy_not_found.wrapping_add(1);
                    }
                }
                return Ok(false);
            }
            (EventKind::New | EventKind::Update, None) => self.insert(flow, now)?,
            (EventKind::New, Some(id)) => {
                self.table.replace(id, flow, now.whole_secs());
                self.stats.created = self.stats.created.wrapping_add(1);
                self.stats.destroyed = self.stats.destroyed.wrapping_add(1);
                id
            }
            (EventKind::Update, Some(id)) => {
                let since_secs = self.since_secs(id);
                self.table.replace(id, flow, now.whole_secs());
                self.table.bookkeeping_mut(id).since_secs = since_secs;
                self.stats.updated = self.stats.updated.wrapping_add(1);
                id
            }
        };
        teller.mark(self.table.bookkeeping_mut(id));
        self.table.arm(id, now);
        Ok(is_named_again)
    }

    /// Applies a message of `teller` about an expectation; the result is as that of [`Self::apply`].
    ///
    /// # Errors
    /// [`CacheFull`] if there is no room for it.
    pub fn apply_expectation(
        &mut self,
        kind: EventKind,
        expectation: &Expectation,
        teller: Teller,
        now: Instant,
    ) -> Result<bool, CacheFull> {
        self.expectations.apply(kind, expectation, teller, now)
    }

    fn insert(&mut self, flow: &Flow, now: Instant) -> Result<FlowId, CacheFull> {
        let inserted = self.table.insert(flow, now.whole_secs());
        let counter = match inserted {
            Ok(_) => &mut self.stats.created,
            Err(_) => &mut self.stats.create_failed_full,
        };
        *counter = counter.wrapping_add(1);
        inserted
    }

    /// Returns whether a flow is the teller's and was not named since its generation began.
    #[must_use]
    pub fn is_of_past_generation(&self, id: FlowId, teller: Teller) -> bool {
        teller.has_not_named_again(self.table.bookkeeping(id))
    }

    /// Returns the same of an expectation.
    #[must_use]
    pub fn expectation_is_of_past_generation(&self, id: ExpectId, teller: Teller) -> bool {
        self.expectations.is_of_past_generation(id, teller)
    }

    /// Removes a flow.
    pub fn remove(&mut self, id: FlowId) {
        self.table.remove(id);
        self.stats.destroyed = self.stats.destroyed.wrapping_add(1);
    }

    /// Empties the cache of flows.
    pub fn clear(&mut self) {
        self.stats.destroyed = self
            .stats
            .destroyed
            .wrapping_add(u64::from(self.table.live_len()));
        self.table.clear();
    }

    /// Returns the flow with this key.
    #[must_use]
    pub fn find(&self, key: &FlowKey) -> Option<FlowId> {
        self.table.find(key)
    }

    /// Returns the first flow at `slot` or behind it.
    #[must_use]
    pub fn first_from(&self, slot: u32) -> Option<FlowId> {
        self.table.first_from(slot)
    }

    /// Returns whether the slot holds a flow.
    #[must_use]
    pub fn contains(&self, id: FlowId) -> bool {
        self.table.contains(id)
    }

    /// Returns a flow.
    #[must_use]
    pub fn flow(&self, id: FlowId) -> Flow {
        self.table.flow(id)
    }

    /// Returns the second at which a flow entered the cache.
    #[must_use]
    pub fn since_secs(&self, id: FlowId) -> u32 {
        self.table.bookkeeping(id).since_secs
    }

    /// Returns the second of the last message about a flow.
    #[must_use]
    pub fn updated_secs(&self, id: FlowId) -> u32 {
        self.table.bookkeeping(id).updated_secs
    }

    /// Returns how many flows there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.table.len()
    }

    /// Returns whether there is no flow.
    #[must_use]
    pub fn is_empty(&self) -> bool {
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
        self.expectations.check_invariants();
    }
}
