//! The clock of the tests: deadlines of waits and measured gaps.

use std::time::Instant;

/// Reads the monotonic clock.
pub fn now() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's deadline is real time; no decision of ours hangs on it"
    )]
    Instant::now()
}
