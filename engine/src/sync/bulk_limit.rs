//! How often peers get the bulks that they ask for.

use core::time::Duration;

use crate::time::Instant;

/// Time to one bulk that peers ask for, from the end of the one before, once some came in a row.
///
/// Less than the time that a peer that asked waits for its flows to be named, by far.
const INTERVAL: Duration = Duration::from_secs(5);

/// Bulks that may follow each other: a start has a greeting and a request, of the node and of an
/// operator, and a loss may come on top.
const IN_A_ROW: u32 = 4;

/// What becomes of a bulk that a peer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It begins.
    Now,
    /// It begins later.
    Later,
    /// It is the same that was put off before.
    Merged,
}

/// Puts off bulks that peers ask for too often, whoever asks: a bulk goes to all.
///
/// Some may follow each other. What is asked for beyond them becomes one bulk, which is not forgotten.
#[derive(Debug, Default)]
pub(crate) struct BulkLimit {
    /// When all that was given is paid off, an interval a bulk.
    debt_until: Instant,
    /// When the bulk that runs began, if a peer asked for it.
    began: Option<Instant>,
    is_waiting: bool,
    put_off: u64,
}

impl BulkLimit {
    /// Takes a request at `now`; a bulk that runs is waited for.
    pub(crate) fn ask(&mut self, is_running: bool, now: Instant) -> Asked {
        if self.is_waiting {
            self.put_off = self.put_off.saturating_add(1);
            return Asked::Merged;
        }
        if is_running || self.allowed_at() > now {
            self.put_off = self.put_off.saturating_add(1);
            self.is_waiting = true;
            return Asked::Later;
        }
        self.begin(now);
        Asked::Now
    }

    /// Returns when the bulk that was put off begins, unless one runs then.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.is_waiting.then(|| self.allowed_at())
    }

    /// Begins the bulk that was put off; returns whether there is one.
    pub(crate) fn resume(&mut self, now: Instant) -> bool {
        let is_due = core::mem::take(&mut self.is_waiting);
        if is_due {
            self.begin(now);
        }
        is_due
    }

    /// Takes note that no bulk runs any more: one that took long is followed by a longer pause.
    pub(crate) fn ended(&mut self, now: Instant) {
        if let Some(began) = self.began.take() {
            self.debt_until = self.debt_until.saturating_add(now.saturating_since(began));
        }
    }

    /// Returns how many requests did not begin a bulk at once.
    pub(crate) const fn put_off(&self) -> u64 {
        self.put_off
    }

    fn begin(&mut self, now: Instant) {
        self.debt_until = self.debt_until.max(now).saturating_add(INTERVAL);
        self.began = Some(now);
    }

    fn allowed_at(&self) -> Instant {
        let debt = self.debt_until.saturating_since(Instant::START);
        Instant::START
            .saturating_add(debt.saturating_sub(INTERVAL.saturating_mul(IN_A_ROW.saturating_sub(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Asks every 100 ms for half a minute for bulks that take `len_ms`; returns when they begin.
    fn begins(len_ms: u64) -> Vec<u64> {
        let (mut limit, mut ends_at, mut begins) = (BulkLimit::default(), None, Vec::new());
        for ms in (0..30_000).step_by(100) {
            let now = Instant::from_millis(ms);
            if ends_at.is_some_and(|at| at <= ms) {
                ends_at = None;
                limit.ended(now);
            }
            let is_due = |limit: &BulkLimit| limit.deadline().is_some_and(|at| at <= now);
            let begins_now = (ends_at.is_none() && is_due(&limit) && limit.resume(now))
                || limit.ask(ends_at.is_some(), now) == Asked::Now;
            if begins_now {
                begins.push(ms);
                ends_at = Some(ms + len_ms);
            }
        }
        begins
    }

    #[test]
    fn four_bulks_come_in_a_row_and_then_one_an_interval() {
        assert_eq!(
            begins(100),
            [0, 100, 200, 300, 5_400, 10_500, 15_600, 20_700, 25_800]
        );
    }

    #[test]
    fn a_long_bulk_is_followed_by_a_pause_all_the_same() {
        assert_eq!(begins(4_000), [0, 4_000, 8_000, 12_000, 21_000]);
    }

    #[test]
    fn the_last_request_is_served_and_calm_pays_off() {
        let at = Instant::from_millis;
        let mut limit = BulkLimit::default();
        let asked = [0, 1, 2, 3].map(|ms| limit.ask(false, at(ms)));
        assert_eq!(asked, [Asked::Now; 4]);
        let asked = [4, 5].map(|ms| limit.ask(false, at(ms)));
        assert_eq!(asked, [Asked::Later, Asked::Merged]);
        assert_eq!((limit.deadline(), limit.put_off()), (Some(at(5_000)), 2));
        assert!(limit.resume(at(5_000)) && limit.deadline().is_none());
        let asked = [60_000, 60_001, 60_002, 60_003, 60_004].map(|ms| limit.ask(false, at(ms)));
        assert_eq!(asked[..4], [Asked::Now; 4]);
        assert_eq!(asked[4], Asked::Later);
    }
}
