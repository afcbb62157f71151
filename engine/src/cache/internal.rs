//! The internal cache: flows of our kernel.

use core::num::NonZeroU32;

use crate::flow::{Flow, ProtoState};
use crate::input::EventKind;
use crate::output::FlowName;
use crate::stats::{CacheStats, TrafficStats};
use crate::time::Instant;

use super::{
    Deadlines, ExpectId, FlowCache, FlowId, FlowKey, HashKey, InternalExpectations, Liveness, NodeId,
};

/// What an event did to the internal cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing that anyone must hear of.
    Nothing,
    /// This flow is new, changed or dead: the peer must hear of it, or [`InternalCache::release`] it.
    Flow(FlowId),
    /// There was no room for the flow.
    Full,
}

/// What is done about a dumped flow of which nothing but its timeout is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoNews {
    /// It is taken as it is: somebody asked for a re-read.
    Merge,
    /// It is passed over: a comparison with the kernel is no update.
    Skip,
}

/// Flows of our kernel, fed by its events and dumps.
///
/// A dead flow stays until its last message is sent or acknowledged, because the message is made
/// from it; [`InternalCache::release`] lets it go.
#[derive(Debug)]
pub struct InternalCache {
    /// What helpers foretell of our kernel's flows; empty unless expectations are replicated.
    pub expectations: InternalExpectations,
    table: FlowCache,
    stats: CacheStats,
    traffic: TrafficStats,
    /// Flows stay only until they are told.
    is_transit: bool,
}

impl InternalCache {
    /// Returns an empty cache for at most `len_max` flows.
    #[must_use]
    pub fn new(len_max: NonZeroU32, hash_key: HashKey) -> Self {
        Self {
            expectations: InternalExpectations::new(len_max, hash_key),
            table: FlowCache::new(len_max, hash_key),
            stats: CacheStats::default(),
            traffic: TrafficStats::default(),
            is_transit: false,
        }
    }

    /// Returns the same cache for flows and expectations that stay only until they are told; nothing
    /// but [`Self::pass_on`] brings one in.
    #[must_use]
    pub const fn in_transit(mut self) -> Self {
        self.is_transit = true;
        self.expectations.set_transit();
        self
    }

    /// Takes in what is told of a flow until it is told: as new, changed or ended, as the event says.
    pub fn pass_on(&mut self, kind: EventKind, flow: &Flow, now: Instant) -> Change {
        let id = match self.table.find(&FlowKey::of(flow)) {
            Some(id) => id,
            None => match self.insert(flow, now) {
                Change::Flow(id) => id,
                other @ (Change::Nothing | Change::Full) => return other,
            },
        };
        match kind {
            EventKind::New => self.table.replace(id, flow, now.whole_secs()),
            EventKind::Update => self.table.merge(id, flow, now.whole_secs()),
            EventKind::Destroy => self.table.mark_dead(id),
        }
        Change::Flow(id)
    }

    /// Returns the same cache with room in its index for `n_flows`, see [`FlowCache::reserve`].
    #[must_use]
    pub fn with_room_for(mut self, n_flows: u32) -> Self {
        self.table.reserve(n_flows);
        self
    }

    /// Returns the same cache, whose entries are told again when their refresh is due.
    #[must_use]
    pub(crate) fn with_refreshes(mut self, of_flows: Deadlines, of_expectations: Deadlines) -> Self {
        self.table.set_deadlines(of_flows);
        self.expectations.set_deadlines(of_expectations);
        self
    }

    /// Returns when the next refresh is due.
    #[must_use]
    pub(crate) fn refresh_deadline(&self) -> Option<Instant> {
        let deadlines = [self.table.next_deadline(), self.expectations.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Takes the next flow whose refresh is due at `now`, and sets its next one.
    pub(crate) fn next_refresh(&mut self, now: Instant) -> Option<FlowId> {
        let id = self.table.pop_due(now)?;
        self.table.arm(id, now);
        Some(id)
    }

    /// Takes the next expectation whose refresh is due in the same way.
    pub(crate) fn next_expectation_refresh(&mut self, now: Instant) -> Option<ExpectId> {
        self.expectations.next_refresh(now)
    }

    /// Puts off the refreshes that are due and were not taken to the next turn.
    pub(crate) fn end_refresh_turn(&mut self, now: Instant) {
        self.table.end_turn(now);
        self.expectations.end_turn(now);
    }

    /// Applies an event of the kernel.
    ///
    /// ```text
    ///            unknown     live           dead
    /// New        insert      replace        replace
    /// Update     insert      merge          replace
    /// Destroy    nothing     mark dead      nothing
    /// ```
    ///
    /// An update with another identifier is about another flow with the same tuple, of whose
    /// beginning no event came: it replaces.
    pub fn apply(&mut self, kind: EventKind, flow: &Flow, now: Instant) -> Change {
        if self.is_transit {
            return Change::Nothing;
        }
        let known = self.table.find(&FlowKey::of(flow));
        match (kind, known) {
            (EventKind::Destroy, None) => self.not_found(),
            (EventKind::Destroy, Some(id)) => self.die(id, flow),
            (EventKind::New | EventKind::Update, None) => self.insert(flow, now),
            (EventKind::Update, Some(id))
                if self.liveness(id) != Liveness::Dead && !self.is_another(id, flow) =>
            {
                self.merge(id, flow, now);
                Change::Flow(id)
            }
            (EventKind::New | EventKind::Update, Some(id)) => {
                if self.liveness(id) != Liveness::Dead {
                    self.stats.destroyed = self.stats.destroyed.wrapping_add(1);
                }
                self.stats.created = self.stats.created.wrapping_add(1);
                self.table.replace(id, flow, now.whole_secs());
                self.table.bookkeeping_mut(id).is_reborn = true;
                self.table.arm(id, now);
                Change::Flow(id)
            }
        }
    }

    /// Applies an entry of a dump; `is_news` in the result tells whether more than its timeout changed.
    ///
    /// A flow without an identifier is one that we put into the kernel, and the kernel has not spoken
    /// of it since: what it adds to the flow is no news.
    pub fn apply_dumped(&mut self, flow: &Flow, no_news: NoNews, now: Instant) -> (Change, bool) {
        let Some(id) = self.table.find(&FlowKey::of(flow)) else {
            return (self.insert(flow, now), true);
        };
        if self.liveness(id) == Liveness::Dead || self.is_another(id, flow) {
            return (self.apply(EventKind::New, flow, now), true);
        }
        let before = self.table.flow(id);
        let mut after = before.clone();
        after.merge(flow);
        (after.timeout_secs, after.use_count) = (before.timeout_secs, None);
        (after.counters_orig, after.counters_reply) = (None, None);
        if let ProtoState::Tcp(tcp) = &mut after.proto {
            (tcp.flags_orig, tcp.flags_reply) = (None, None);
        }
        let is_same = before == after;
        if !is_same || no_news == NoNews::Merge {
            self.merge(id, flow, now);
        }
        (Change::Flow(id), before.id.is_some() && !is_same)
    }

    fn insert(&mut self, flow: &Flow, now: Instant) -> Change {
        match self.table.insert(flow, now.whole_secs()) {
            Ok(id) => {
                self.table.arm(id, now);
                self.stats.created = self.stats.created.wrapping_add(1);
                Change::Flow(id)
            }
            Err(super::CacheFull { .. }) => {
                self.stats.create_failed_full = self.stats.create_failed_full.wrapping_add(1);
                Change::Full
            }
        }
    }

    /// Returns whether the kernel's identifiers tell `flow` from the one that is known.
    #[must_use]
    pub fn is_another(&self, id: FlowId, flow: &Flow) -> bool {
        let known = self.table.name(id).id;
        known.zip(flow.id).is_some_and(|(known, told)| known != told)
    }

    fn merge(&mut self, id: FlowId, flow: &Flow, now: Instant) {
        self.table.merge(id, flow, now.whole_secs());
        self.table.arm(id, now);
        self.stats.updated = self.stats.updated.wrapping_add(1);
    }

    fn die(&mut self, id: FlowId, flow: &Flow) -> Change {
        if self.liveness(id) == Liveness::Dead {
            return self.not_found();
        }
        for counters in [flow.counters_orig, flow.counters_reply].into_iter().flatten() {
            self.traffic.bytes = self.traffic.bytes.wrapping_add(counters.bytes);
            self.traffic.packets = self.traffic.packets.wrapping_add(counters.packets);
        }
        self.kill(id);
        Change::Flow(id)
    }

    const fn not_found(&mut self) -> Change {
        self.stats.destroy_not_found = self.stats.destroy_not_found.wrapping_add(1);
        Change::Nothing
    }

    /// Marks a live flow dead without an event: the kernel has it no longer.
    pub fn kill(&mut self, id: FlowId) {
        self.stats.destroyed = self.stats.destroyed.wrapping_add(1);
        self.table.mark_dead(id);
    }

    /// Takes the queue node from a flow whose message was sent for good; a dead one leaves the cache
    /// with it.
    pub fn release(&mut self, id: FlowId) {
        self.table.bookkeeping_mut(id).is_reborn = false;
        self.give_up(id);
    }

    /// Does the same if the message was dropped, and the peer may not have it.
    pub fn give_up(&mut self, id: FlowId) {
        self.set_node(id, None);
        if self.is_transit || self.liveness(id) == Liveness::Dead {
            self.table.remove(id);
        }
    }

    /// Forgets a flow that we deleted from the kernel, and its expectations: the peer is not told,
    /// but a message about them that waits in a queue goes out as their end.
    pub fn forget(&mut self, key: &FlowKey) {
        self.expectations.forget_of_master(key);
        let Some(id) = self.table.find(key) else { return };
        if self.liveness(id) != Liveness::Dead {
            self.kill(id);
        }
        self.drop_unreferenced(id);
    }

    /// Removes a dead flow that no queue refers to.
    pub fn drop_unreferenced(&mut self, id: FlowId) {
        if self.liveness(id) == Liveness::Dead && self.node(id).is_none() {
            self.table.remove(id);
        }
    }

    /// Empties the cache of flows; no queue may refer to them.
    pub fn clear(&mut self) {
        self.stats.destroyed = self
            .stats
            .destroyed
            .wrapping_add(u64::from(self.table.live_len()));
        self.table.clear();
    }

    /// Returns the flow with this key, dead or alive.
    #[must_use]
    pub fn find(&self, key: &FlowKey) -> Option<FlowId> {
        self.table.find(key)
    }

    /// Returns the first flow at `slot` or behind it, dead or alive.
    #[must_use]
    pub fn first_from(&self, slot: u32) -> Option<FlowId> {
        self.table.first_from(slot)
    }

    /// Returns a flow.
    #[must_use]
    pub fn flow(&self, id: FlowId) -> Flow {
        self.table.flow(id)
    }

    /// Returns what a flow is found by.
    #[must_use]
    pub fn key(&self, id: FlowId) -> FlowKey {
        self.table.key(id)
    }

    /// Returns what the kernel finds a flow by.
    #[must_use]
    pub fn name(&self, id: FlowId) -> FlowName {
        self.table.name(id)
    }

    /// Returns whether a flow is new, changed or dead.
    #[must_use]
    pub fn liveness(&self, id: FlowId) -> Liveness {
        self.table.bookkeeping(id).liveness()
    }

    /// Returns whether a flow took the place of another one, and the peer has not taken a message of
    /// it since.
    #[must_use]
    pub fn is_reborn(&self, id: FlowId) -> bool {
        self.table.bookkeeping(id).is_reborn
    }

    /// Returns the second at which a flow entered the cache.
    #[must_use]
    pub fn since_secs(&self, id: FlowId) -> u32 {
        self.table.bookkeeping(id).since_secs
    }

    /// Returns the dump that saw a flow last.
    #[must_use]
    pub fn generation(&self, id: FlowId) -> u8 {
        self.table.bookkeeping(id).generation
    }

    /// Notes the dump that saw a flow last.
    pub fn set_generation(&mut self, id: FlowId, generation: u8) {
        self.table.bookkeeping_mut(id).generation = generation;
    }

    /// Returns the queue node that refers to a flow.
    #[must_use]
    pub fn node(&self, id: FlowId) -> Option<NodeId> {
        self.table.bookkeeping(id).node
    }

    /// Notes the queue node that refers to a flow.
    pub fn set_node(&mut self, id: FlowId, node: Option<NodeId>) {
        self.table.bookkeeping_mut(id).node = node;
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

    /// Returns the traffic of flows that ended.
    #[must_use]
    pub fn traffic(&self) -> TrafficStats {
        self.traffic
    }

    /// Panics if the table is not consistent.
    #[cfg(debug_assertions)]
    pub fn check_invariants(&self) {
        self.table.check_invariants();
        self.expectations.check_invariants();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Counters, TcpState};
    use crate::testing::tcp;

    const LEN_MAX: NonZeroU32 = NonZeroU32::new(3).unwrap();
    const SECOND_10: Instant = Instant::from_millis(10_000);
    const SECOND_20: Instant = Instant::from_millis(20_000);

    /// Brings flow 1 into a state: `None` for unknown.
    fn cache_with(state: Option<Liveness>) -> InternalCache {
        let mut cache = InternalCache::new(LEN_MAX, HashKey(1, 2));
        let events: &[EventKind] = match state {
            None => &[],
            Some(Liveness::New) => &[EventKind::New],
            Some(Liveness::Alive) => &[EventKind::New, EventKind::Update],
            Some(Liveness::Dead) => &[EventKind::New, EventKind::Destroy],
        };
        for kind in events {
            cache.apply(*kind, &tcp(1, TcpState::SYN_SENT), SECOND_10);
        }
        cache
    }

    #[test]
    fn every_event_in_every_state_leaves_the_flow_as_told() {
        use EventKind::{Destroy, New, Update};
        use Liveness::{Alive, Dead};
        let table = [
            (None, New, Some(Liveness::New), true),
            (None, Update, Some(Liveness::New), true),
            (None, Destroy, None, false),
            (Some(Liveness::New), New, Some(Liveness::New), true),
            (Some(Liveness::New), Update, Some(Alive), true),
            (Some(Liveness::New), Destroy, Some(Dead), true),
            (Some(Alive), New, Some(Liveness::New), true),
            (Some(Alive), Update, Some(Alive), true),
            (Some(Alive), Destroy, Some(Dead), true),
            (Some(Dead), New, Some(Liveness::New), true),
            (Some(Dead), Update, Some(Liveness::New), true),
            (Some(Dead), Destroy, Some(Dead), false),
        ];
        for (state, kind, want, is_told) in table {
            let mut cache = cache_with(state);
            let flow = tcp(1, TcpState::ESTABLISHED);
            let change = cache.apply(kind, &flow, SECOND_20);
            let context = alloc::format!("{state:?} × {kind:?}");
            assert_eq!(
                matches!(change, Change::Flow(_)),
                is_told,
                "{context}: the peer hears of it"
            );
            let after = cache.find(&FlowKey::of(&flow)).map(|id| cache.liveness(id));
            assert_eq!(after, want, "{context}");
            cache.check_invariants();
        }
    }

    #[test]
    fn a_full_cache_refuses_and_counts() {
        let mut cache = cache_with(None);
        for port in 1..=3 {
            assert!(matches!(
                cache.apply(EventKind::New, &tcp(port, TcpState::NONE), Instant::START),
                Change::Flow(_)
            ));
        }
        assert_eq!(
            cache.apply(EventKind::New, &tcp(4, TcpState::NONE), Instant::START),
            Change::Full
        );
        let stats = cache.stats();
        assert_eq!((stats.live, stats.created, stats.create_failed_full), (3, 3, 1));
    }

    #[test]
    fn the_traffic_of_a_flow_counts_once_when_it_ends() {
        let mut cache = cache_with(Some(Liveness::Alive));
        let mut end = tcp(1, TcpState::CLOSE);
        end.counters_orig = Some(Counters {
            packets: 2,
            bytes: 100,
        });
        end.counters_reply = Some(Counters {
            packets: 1,
            bytes: u64::from(u32::MAX),
        });
        cache.apply(EventKind::Destroy, &end, Instant::START);
        cache.apply(EventKind::Destroy, &end, Instant::START);
        assert_eq!(
            cache.traffic(),
            TrafficStats {
                bytes: 100 + u64::from(u32::MAX),
                packets: 3
            }
        );
    }

    #[test]
    fn the_end_of_what_is_not_there_is_counted_and_told_to_nobody() {
        for state in [None, Some(Liveness::Dead)] {
            let mut cache = cache_with(state);
            let destroyed = cache.stats().destroyed;
            let end = tcp(1, TcpState::TIME_WAIT);
            assert_eq!(cache.apply(EventKind::Destroy, &end, SECOND_20), Change::Nothing);
            let stats = cache.stats();
            assert_eq!(
                (stats.destroyed, stats.destroy_not_found),
                (destroyed, 1),
                "{state:?}"
            );
        }
    }

    #[test]
    fn a_dump_that_brings_only_another_timeout_is_no_news() {
        let mut cache = cache_with(None);
        let dumped = |state, timeout_secs| Flow {
            id: Some(77),
            timeout_secs: Some(timeout_secs),
            ..tcp(1, state)
        };
        cache.apply(EventKind::New, &dumped(TcpState::SYN_SENT, 9), SECOND_10);
        let updated = cache.stats().updated;
        assert!(
            !cache
                .apply_dumped(&dumped(TcpState::SYN_SENT, 7), NoNews::Skip, SECOND_20)
                .1
        );
        assert_eq!(cache.stats().updated, updated, "a comparison is no update");
        assert!(
            !cache
                .apply_dumped(&dumped(TcpState::SYN_SENT, 7), NoNews::Merge, SECOND_20)
                .1
        );
        assert_eq!(cache.stats().updated, updated + 1);
        assert!(
            cache
                .apply_dumped(&dumped(TcpState::ESTABLISHED, 7), NoNews::Skip, SECOND_20)
                .1
        );
    }

    #[test]
    fn what_the_kernel_adds_to_a_flow_of_ours_is_no_news() {
        let mut cache = cache_with(None);
        cache.apply(EventKind::New, &tcp(1, TcpState::SYN_SENT), SECOND_10);
        let mut dumped = tcp(1, TcpState::SYN_SENT);
        (dumped.id, dumped.mark) = (Some(77), Some(0));
        assert!(!cache.apply_dumped(&dumped, NoNews::Skip, SECOND_20).1);
        dumped.mark = Some(1);
        assert!(
            cache.apply_dumped(&dumped, NoNews::Skip, SECOND_20).1,
            "the kernel has spoken of it before"
        );
    }
}
