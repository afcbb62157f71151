//! Deadlines of slots: one for each, set and taken back in constant time.
//!
//! ```text
//!  next tick ─┐
//!             ▼
//!  ┌───┬───┬───┬───┬───┬───┐    a bucket for each tick up to the longest lead;
//!  │   │   │ ● │   │ ● │   │    those in use are known from a set of bits
//!  └───┴───┴─┼─┴───┴─┼─┴───┘
//!            ▼       ▼
//!          5 ⇄ 2     9          slots that are due at that tick, in the order in which they were set
//! ```
//!
//! The wheel has a bucket for every tick that a deadline can be away, so one turn of it never brings
//! a slot that is not due. When a tick has come its whole bucket is appended to the list of what is
//! due, from which as many slots are taken in a turn as its owner sees fit.
//!
//! A slot costs 12 bytes. A tick lasts 200 ms, or longer if the longest lead would need more than
//! 16,384 of them; a deadline is rounded up to the next one.

use alloc::vec::Vec;
use core::num::NonZeroU64;
use core::time::Duration;

use super::arena::SlotId;
use super::slot_set::SlotSet;
use crate::time::Instant;

/// Shortest time between two ticks.
const TICK_MIN: Duration = Duration::from_millis(200);

/// Most ticks that a deadline is away.
const LEAD_TICKS_MAX: u64 = 16_384;

/// Time until what is due and was not taken in one turn is gone on with.
const TURN: Duration = Duration::from_millis(1);

/// Slots in the order in which they were appended.
#[derive(Clone, Copy, Debug, Default)]
struct List {
    head: Option<SlotId>,
    tail: Option<SlotId>,
}

/// Where a slot stands.
#[derive(Clone, Copy, Debug, Default)]
struct Node {
    prev: Option<SlotId>,
    next: Option<SlotId>,
    /// The bucket that it was put into; `None` if it has no deadline.
    bucket: Option<u16>,
}

const _: () = assert!(size_of::<Node>() == 12);

/// Deadlines of the slots of a table.
#[derive(Clone, Debug)]
pub(super) struct TimerWheel {
    tick_micros: NonZeroU64,
    /// One for each tick from `next_tick` on, at the tick's number modulo their count.
    buckets: Vec<List>,
    occupied: SlotSet,
    nodes: Vec<Node>,
    /// Slots whose tick has come, the earliest first.
    due: List,
    /// When they are gone on with.
    due_at: Instant,
    /// The first tick whose bucket is not in `due`.
    next_tick: u64,
    len: u32,
}

impl TimerWheel {
    /// Returns a wheel for deadlines that are at most `lead_max` away when they are set.
    pub(super) fn new(lead_max: Duration) -> Self {
        let lead_micros = u64::try_from(lead_max.as_micros()).unwrap_or(u64::MAX);
        let tick_min = u64::try_from(TICK_MIN.as_micros()).unwrap_or(u64::MAX);
        let tick_micros = tick_min.max(lead_micros.div_ceil(LEAD_TICKS_MAX));
        let tick_micros = NonZeroU64::new(tick_micros).unwrap_or(NonZeroU64::MIN);
        let lead_ticks = lead_micros.div_ceil(tick_micros.get()).min(LEAD_TICKS_MAX);
        let n_buckets = usize::try_from(lead_ticks).unwrap_or(0).saturating_add(1);
        let mut buckets = Vec::new();
        buckets.resize(n_buckets, List::default());
        Self {
            tick_micros,
            buckets,
            occupied: SlotSet::new(),
            nodes: Vec::new(),
            due: List::default(),
            due_at: Instant::START,
            next_tick: 0,
            len: 0,
        }
    }

    /// Sets the deadline of `slot` to `lead` after `now`; one that was set before is void.
    ///
    /// A lead beyond the longest one ends with the last tick that has a bucket.
    pub(super) fn arm(&mut self, slot: SlotId, now: Instant, lead: Duration) {
        self.cancel(slot);
        self.advance(now);
        let at = now
            .saturating_add(lead)
            .as_micros()
            .div_ceil(self.tick_micros.get());
        let last = self.next_tick.saturating_add(self.n_buckets()).saturating_sub(1);
        let bucket = self.bucket_of(at.clamp(self.next_tick, last));
        let place = usize::try_from(slot.slot()).unwrap_or(usize::MAX);
        if place >= self.nodes.len() {
            self.nodes.resize(place.saturating_add(1), Node::default());
        }
        let prev = self.bucket_mut(bucket).tail.replace(slot);
        match prev {
            Some(prev) => self.node_mut(prev).next = Some(slot),
            None => {
                self.bucket_mut(bucket).head = Some(slot);
                self.occupied.insert(u32::from(bucket));
            }
        }
        *self.node_mut(slot) = Node {
            prev,
            next: None,
            bucket: Some(bucket),
        };
        self.len = self.len.saturating_add(1);
    }

    /// Takes the deadline of `slot` back, if it has one.
    pub(super) fn cancel(&mut self, slot: SlotId) {
        let Some(Node {
            prev,
            next,
            bucket: Some(bucket),
        }) = self.node(slot)
        else {
            return;
        };
        // The ends of a list alone must know which one it is.
        match prev {
            Some(prev) => self.node_mut(prev).next = next,
            None if self.due.head == Some(slot) => self.due.head = next,
            None => self.bucket_mut(bucket).head = next,
        }
        match next {
            Some(next) => self.node_mut(next).prev = prev,
            None if self.due.tail == Some(slot) => self.due.tail = prev,
            None => self.bucket_mut(bucket).tail = prev,
        }
        if self.bucket_mut(bucket).head.is_none() {
            self.occupied.remove(u32::from(bucket));
        }
        *self.node_mut(slot) = Node::default();
        self.len = self.len.saturating_sub(1);
    }

    /// Takes the first slot that is due at `now`; of equal deadlines the one that was set first.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<SlotId> {
        self.advance(now);
        let slot = self.due.head?;
        self.cancel(slot);
        Some(slot)
    }

    /// Puts off what is due and was not taken in this turn to the next.
    pub(super) fn end_turn(&mut self, now: Instant) {
        self.due_at = now.saturating_add(TURN);
    }

    /// Returns when the next slot is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        if self.due.head.is_some() {
            return Some(self.due_at);
        }
        self.first_tick().map(|tick| self.instant_of(tick))
    }

    /// Takes all deadlines back and gives the memory of the slots back.
    pub(super) fn clear(&mut self) {
        self.buckets.fill(List::default());
        self.occupied = SlotSet::new();
        self.nodes = Vec::new();
        self.due = List::default();
        self.len = 0;
    }

    /// Returns the bytes that it has allocated.
    pub(super) fn memory_bytes(&self) -> usize {
        let nodes = self.nodes.capacity().saturating_mul(size_of::<Node>());
        let buckets = self.buckets.capacity().saturating_mul(size_of::<List>());
        nodes
            .saturating_add(buckets)
            .saturating_add(self.occupied.memory_bytes())
    }

    /// Appends the buckets of all ticks up to `now` to the list of what is due.
    fn advance(&mut self, now: Instant) {
        let end = (now.as_micros() / self.tick_micros).saturating_add(1);
        while let Some(tick) = self.first_tick().filter(|tick| *tick < end) {
            let bucket = self.bucket_of(tick);
            let List { head, tail } = core::mem::take(self.bucket_mut(bucket));
            self.occupied.remove(u32::from(bucket));
            let Some(first) = head else { continue };
            let last = core::mem::replace(&mut self.due.tail, tail);
            match last {
                Some(last) => {
                    self.node_mut(last).next = Some(first);
                    self.node_mut(first).prev = Some(last);
                }
                None => {
                    self.due.head = Some(first);
                    self.due_at = self.instant_of(tick);
                }
            }
        }
        self.next_tick = self.next_tick.max(end);
    }

    /// Returns the first tick whose bucket is in use.
    fn first_tick(&self) -> Option<u64> {
        let start = self.bucket_of(self.next_tick);
        let behind = self.occupied.first_from(u32::from(start));
        let bucket = u64::from(behind.or_else(|| self.occupied.first_from(0))?);
        let ahead = bucket
            .saturating_add(self.n_buckets())
            .saturating_sub(u64::from(start));
        let ahead = ahead.checked_rem(self.n_buckets()).unwrap_or(0);
        Some(self.next_tick.saturating_add(ahead))
    }

    fn instant_of(&self, tick: u64) -> Instant {
        Instant::from_micros(tick.saturating_mul(self.tick_micros.get()))
    }

    fn n_buckets(&self) -> u64 {
        u64::try_from(self.buckets.len()).unwrap_or(u64::MAX)
    }

    fn bucket_of(&self, tick: u64) -> u16 {
        let bucket = tick.checked_rem(self.n_buckets()).unwrap_or(0);
        u16::try_from(bucket).expect("there are fewer buckets than 2^16: see new()")
    }

    fn bucket_mut(&mut self, bucket: u16) -> &mut List {
        let bucket = self.buckets.get_mut(usize::from(bucket));
        bucket.expect("a bucket's number is taken modulo their count: see bucket_of()")
    }

    fn node(&self, slot: SlotId) -> Option<Node> {
        self.nodes.get(usize::try_from(slot.slot()).ok()?).copied()
    }

    fn node_mut(&mut self, slot: SlotId) -> &mut Node {
        let place = usize::try_from(slot.slot()).ok();
        let node = place.and_then(|place| self.nodes.get_mut(place));
        node.expect("a slot in a list has a node: made in arm(), given back in clear() with all lists")
    }

    /// Returns the number of deadlines.
    #[cfg(any(debug_assertions, test))]
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    /// Returns whether `slot` has a deadline.
    #[cfg(debug_assertions)]
    pub(super) fn is_armed(&self, slot: SlotId) -> bool {
        self.node(slot).is_some_and(|node| node.bucket.is_some())
    }
}

#[cfg(test)]
mod tests;
