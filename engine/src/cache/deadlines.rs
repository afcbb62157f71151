//! When each entry of a table is due: for its refresh, or for its end.

use core::num::NonZeroU32;
use core::time::Duration;

use super::arena::SlotId;
use super::timer_wheel::TimerWheel;
use crate::rng::Rng;
use crate::time::Instant;

/// How far away a deadline is set.
#[derive(Clone, Debug)]
enum Lead {
    /// Always as far.
    Fixed(Duration),
    /// 1 to `refresh_secs` seconds, and 1 to 5 fifths of one less a microsecond.
    Random { refresh_secs: NonZeroU32, rng: Rng },
}

/// Deadlines of the living entries of a table (docs/sync-protocol.md, "ALARM"); by default, as in
/// most modes, no entry has one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deadlines {
    set: Option<Set>,
}

#[derive(Clone, Debug)]
struct Set {
    lead: Lead,
    wheel: TimerWheel,
}

impl Deadlines {
    /// Returns those of flows that are told again within `refresh_secs` seconds and one more.
    ///
    /// They are spread at random, so that flows that came together are not told again together.
    pub(crate) fn of_refreshes(refresh_secs: NonZeroU32, rng: Rng) -> Self {
        let lead_max = Duration::from_secs(refresh_secs.get().into()).saturating_add(Duration::from_secs(1));
        Self::of(Lead::Random { refresh_secs, rng }, lead_max)
    }

    /// Returns those of flows that end when nothing was heard of them for `timeout_secs` seconds.
    pub(crate) fn of_expiries(timeout_secs: NonZeroU32) -> Self {
        let lead = Duration::from_secs(timeout_secs.get().into());
        Self::of(Lead::Fixed(lead), lead)
    }

    /// Returns those of a table in which no entry has one.
    pub(super) const fn none() -> Self {
        Self { set: None }
    }

    fn of(lead: Lead, lead_max: Duration) -> Self {
        let wheel = TimerWheel::new(lead_max);
        Self {
            set: Some(Set { lead, wheel }),
        }
    }

    /// Sets the deadline of a slot anew.
    pub(super) fn arm(&mut self, slot: SlotId, now: Instant) {
        if let Some(Set { lead, wheel }) = &mut self.set {
            let lead = match lead {
                Lead::Fixed(lead) => *lead,
                Lead::Random { refresh_secs, rng } => refresh_lead(*refresh_secs, rng),
            };
            wheel.arm(slot, now, lead);
        }
    }

    /// Returns how long the entry of a slot whose deadline was set at `armed_secs` is let live.
    pub(super) fn left_secs(&self, armed_secs: u32, now_secs: u32) -> Option<u32> {
        match &self.set.as_ref()?.lead {
            Lead::Fixed(lead) => {
                let lead_secs = u32::try_from(lead.as_secs()).unwrap_or(u32::MAX);
                Some(armed_secs.saturating_add(lead_secs).saturating_sub(now_secs))
            }
            Lead::Random { .. } => None,
        }
    }

    /// Takes the deadline of a slot back.
    pub(super) fn cancel(&mut self, slot: SlotId) {
        if let Some(set) = &mut self.set {
            set.wheel.cancel(slot);
        }
    }

    /// Takes the first slot that is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<SlotId> {
        self.set.as_mut()?.wheel.pop_due(now)
    }

    /// Puts off what was not taken in this turn.
    pub(super) fn end_turn(&mut self, now: Instant) {
        if let Some(set) = &mut self.set {
            set.wheel.end_turn(now);
        }
    }

    /// Returns the next deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.set.as_ref()?.wheel.next_deadline()
    }

    /// Takes all deadlines back; entries to come have theirs.
    pub(super) fn clear(&mut self) {
        if let Some(set) = &mut self.set {
            set.wheel.clear();
        }
    }

    /// Returns the bytes that it has allocated.
    pub(super) fn memory_bytes(&self) -> usize {
        self.set.as_ref().map_or(0, |set| set.wheel.memory_bytes())
    }

    /// Panics unless as many slots as there are living entries have a deadline, or none.
    #[cfg(debug_assertions)]
    pub(super) fn check_len(&self, n_live: u32) {
        if let Some(set) = &self.set {
            assert_eq!(set.wheel.len(), n_live, "every living entry has a deadline");
        }
    }

    /// Panics unless the slot has a deadline if, and only if, its entry lives.
    #[cfg(debug_assertions)]
    pub(super) fn check(&self, slot: SlotId, is_live: bool) {
        if let Some(set) = &self.set {
            assert_eq!(
                set.wheel.is_armed(slot),
                is_live,
                "the living alone have deadlines"
            );
        }
    }
}

fn refresh_lead(refresh_secs: NonZeroU32, rng: &mut Rng) -> Duration {
    const FIFTH_MICROS: u64 = 200_000;
    let mut draw = |n: u32| {
        rng.next_u64()
            .checked_rem(n.into())
            .unwrap_or(0)
            .saturating_add(1)
    };
    let (secs, fifths) = (draw(refresh_secs.get()), draw(5));
    let micros = fifths.saturating_mul(FIFTH_MICROS).saturating_sub(1);
    Duration::from_secs(secs).saturating_add(Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;
    use crate::rng::{Purpose, Seed};

    #[test]
    fn every_refresh_time_is_drawn_and_no_other() {
        let mut rng = Seed(1).stream(Purpose::Refresh);
        let refresh_secs = NonZeroU32::new(3).unwrap();
        let drawn: BTreeSet<u128> = (0..2_000)
            .map(|_| refresh_lead(refresh_secs, &mut rng).as_micros())
            .collect();
        let fractions = [199_999, 399_999, 599_999, 799_999, 999_999];
        let wanted = (1..=3).flat_map(|secs| fractions.map(|micros| secs * 1_000_000 + micros));
        assert!(drawn.into_iter().eq(wanted));
    }

    #[test]
    fn two_nodes_refresh_at_different_times() {
        let leads = |seed| {
            let mut rng = Seed(seed).stream(Purpose::Refresh);
            [(); 8].map(|()| refresh_lead(NonZeroU32::new(60).unwrap(), &mut rng))
        };
        assert_eq!(leads(1), leads(1));
        assert_ne!(leads(1), leads(2));
    }
}
