//! Waiting for a condition, with a limit and a name.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use crate::clock;

/// A process whose end ends the wait: no condition is worth waiting for when its daemon is gone.
#[derive(Debug)]
pub struct Watched {
    /// Readable once the process has ended.
    pub pidfd: OwnedFd,
    /// What to call it.
    pub name: String,
}

/// How long to wait for what takes a second at most on a machine that is neither slow nor busy.
pub const LIMIT: Duration = Duration::from_secs(60);
/// The first pause between two looks at a condition.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest one.
const LAST_PAUSE: Duration = Duration::from_millis(100);

/// Looks at `condition` until it holds; an `Err` means "not yet" and says why.
///
/// Between two looks it blocks on the ends of the `watched` processes, the pause growing from 5 to 100 ms.
///
/// # Errors
/// When the condition does not hold within `limit`, or a watched process ends: names what was awaited and the
/// last reason.
pub fn wait_until<T>(
    what: &str,
    limit: Duration,
    watched: &[Watched],
    mut condition: impl FnMut() -> Result<T>,
) -> Result<T> {
    let deadline = clock::now() + limit;
    let mut pause = FIRST_PAUSE;
    loop {
        let reason = match condition() {
            Ok(value) => return Ok(value),
            Err(reason) => reason,
        };
        if clock::now() >= deadline {
            return Err(reason).with_context(|| format!("waited {limit:?} in vain until {what}"));
        }
        if let Some(ended) = first_end(watched, pause)? {
            return Err(anyhow!("{ended} has ended")).with_context(|| format!("while waiting until {what}"));
        }
        pause = LAST_PAUSE.min(pause * 2);
    }
}

/// Blocks until one of `watched` ends, at most for `pause`.
fn first_end(watched: &[Watched], pause: Duration) -> Result<Option<&str>> {
    let mut fds: Vec<_> = watched
        .iter()
        .map(|w| PollFd::from_borrowed_fd(w.pidfd.as_fd(), PollFlags::IN))
        .collect();
    let pause = Timespec::try_from(pause).context("a pause of milliseconds fits")?;
    match poll(&mut fds, Some(&pause)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => Ok(None),
        Ok(_) => {
            let ended = fds.iter().zip(watched).find(|(fd, _)| !fd.revents().is_empty());
            Ok(ended.map(|(_, w)| w.name.as_str()))
        }
        Err(errno) => Err(errno).context("poll on the daemons"),
    }
}
