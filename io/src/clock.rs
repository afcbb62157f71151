//! The one place that reads clocks.

use std::time::{Instant as StdInstant, SystemTime};

use engine::time::{Instant, UnixTime};

/// The monotonic clock, counted from the moment this was made.
///
/// All deadlines are on it, so a step of the wall clock moves none of them.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: StdInstant,
}

impl Clock {
    /// Starts counting.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    pub fn start() -> Self {
        Self {
            start: StdInstant::now(),
        }
    }

    /// Returns the time since the start.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::START.saturating_add(self.start.elapsed())
    }
}

/// Returns the wall-clock time; a clock set before 1970 counts as 1970.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the clock"
)]
pub fn wall() -> UnixTime {
    let since_1970 = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UnixTime::from_micros(u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_go_backwards() {
        let clock = Clock::start();
        let earlier = clock.now();
        assert!(clock.now() >= earlier);
    }

    #[test]
    fn the_wall_clock_is_after_2020() {
        assert!(wall().whole_secs() > 1_577_836_800);
    }
}
