//! A bulk: the whole internal cache for the peer, in turns; flows first, then expectations.

use core::time::Duration;

use crate::cache::InternalCache;
use crate::time::Instant;

use super::Sync;

/// Time between two turns of a bulk.
///
/// With 1024 flows a turn that is a million flows a second at the most, while changes that happen
/// meanwhile are sent at once and so overtake the bulk.
const TURN: Duration = Duration::from_millis(1);

/// Why the peer gets a bulk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BulkCause {
    /// `-B`.
    Command,
    /// It asked for one.
    PeerAsked,
    /// It said HELLO, so it holds nothing.
    PeerRestarted,
    /// It said HELLO out of sequence: it may be yet another process.
    PeerMayHaveRestarted,
    /// We are new: what died and came while we were away, nobody told it.
    Startup,
    /// It asked again for messages that have left the resend queue.
    LostBeyondResend,
}

/// Where a bulk goes on.
#[derive(Clone, Copy, Debug)]
enum Cursor {
    /// At this slot of the flows.
    Flows(u32),
    /// At this slot of the expectations.
    Expectations(u32),
}

/// The bulk in progress, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Bulk {
    /// Where it goes on.
    cursor: Option<Cursor>,
    /// Another one was wanted meanwhile: what went before it may not have arrived.
    again: bool,
    next_turn: Option<Instant>,
}

impl Bulk {
    /// Returns when the next turn is due; none while the resend queue has no room for it.
    #[must_use]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.next_turn
    }

    /// Returns whether one is in progress.
    pub(crate) const fn is_running(&self) -> bool {
        self.cursor.is_some()
    }

    /// Begins a bulk; several that are wanted while one runs become one more.
    ///
    /// Returns whether it begins now.
    pub(crate) fn start(&mut self, now: Instant) -> bool {
        if self.cursor.is_some() {
            self.again = true;
            return false;
        }
        self.cursor = Some(Cursor::Flows(0));
        self.next_turn = Some(now.saturating_add(TURN));
        true
    }

    /// Queues the objects of one turn.
    pub(crate) fn turn(&mut self, len_max: u16, sync: &mut Sync, internal: &mut InternalCache, now: Instant) {
        self.next_turn = None;
        let turn_len = sync.bulk_turn_len(u32::from(len_max));
        if turn_len == 0 {
            return;
        }
        for _ in 0..turn_len {
            let Some(cursor) = self.cursor else { return };
            let next = Self::step(cursor, sync, internal);
            self.cursor = next.or_else(|| core::mem::take(&mut self.again).then_some(Cursor::Flows(0)));
            if next.is_none() {
                break;
            }
        }
        self.resume(now);
    }

    /// Queues one object; returns where the next one is.
    fn step(cursor: Cursor, sync: &mut Sync, internal: &mut InternalCache) -> Option<Cursor> {
        match cursor {
            Cursor::Flows(slot) => {
                let Some(flow) = internal.first_from(slot) else {
                    return Some(Cursor::Expectations(0));
                };
                sync.enqueue(flow, internal);
                Some(Cursor::Flows(flow.slot().saturating_add(1)))
            }
            Cursor::Expectations(slot) => {
                let expectation = internal.expectations.first_from(slot)?;
                sync.enqueue_expectation(expectation, internal);
                Some(Cursor::Expectations(expectation.slot().saturating_add(1)))
            }
        }
    }

    /// Arms the next turn of a bulk that waits for room, after messages were acknowledged.
    pub(crate) fn resume(&mut self, now: Instant) {
        if self.cursor.is_some() && self.next_turn.is_none() {
            self.next_turn = Some(now.saturating_add(TURN));
        }
    }
}
