//! How far long work is, for whoever watches.

use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use engine::time::Instant;
use io::clock::Clock;

/// Work that takes no longer says nothing, and later on so often.
const PERIOD: Duration = Duration::from_secs(1);

/// Counts on a terminal on stderr while work goes on; the line is taken back at the end.
///
/// Where flows are printed on the same terminal they tell enough.
pub(super) struct Progress {
    what: &'static str,
    clock: Clock,
    next: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    /// Begins work after which so many flows "have been `what`".
    pub(super) fn of(what: &'static str) -> Self {
        let clock = Clock::start();
        let is_watched = stderr().is_terminal() && !std::io::stdout().is_terminal();
        Self {
            what,
            clock,
            next: is_watched.then(|| clock.now().saturating_add(PERIOD)),
            is_shown: false,
        }
    }

    /// Tells how far it is, if it is time.
    pub(super) fn at(&mut self, n: u64) {
        let now = match self.next {
            Some(next) => match self.clock.now() {
                now if now >= next => now,
                _ => return,
            },
            None => return,
        };
        self.next = Some(now.saturating_add(PERIOD));
        self.is_shown = true;
        tell(&format!("\r{n} flow entries {} so far", self.what));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            // Blanks the line, for terminals that cannot erase to its end.
            tell(&format!("\r{:60}\r", ""));
        }
    }
}

/// That a terminal is gone hinders no work.
fn tell(text: &str) {
    drop(stderr().write_all(text.as_bytes()));
}
