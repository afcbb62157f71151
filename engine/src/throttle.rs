//! Reports that would come too often.

use core::time::Duration;

use crate::time::Instant;

/// Lets one report through in a second, and counts what it stands for.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    last: Option<Instant>,
    untold: u64,
}

impl Throttle {
    const PERIOD: Duration = Duration::from_secs(1);

    /// Counts one case; returns how many a report made now stands for, if one may be made.
    pub(crate) fn note(&mut self, now: Instant) -> Option<u64> {
        self.untold = self.untold.saturating_add(1);
        if self
            .last
            .is_some_and(|last| now.saturating_since(last) < Self::PERIOD)
        {
            return None;
        }
        self.last = Some(now);
        Some(core::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_passes_between_reports_and_no_case_is_left_out() {
        let mut throttle = Throttle::default();
        let told: u64 = (0..3_000)
            .filter_map(|ms| throttle.note(Instant::from_millis(ms)))
            .sum();
        assert_eq!(
            told, 2_001,
            "reports at 0, 1,000 and 2,000 ms; the last 999 cases wait for the next"
        );
    }
}
