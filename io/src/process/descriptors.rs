//! How many descriptors the process may have.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// More than the daemon ever needs: its clients, of which it bounds the number, and a few dozen.
const WANTED: u64 = 1024;

/// Raises the soft limit on descriptors to what the daemon may need, as far as the hard limit allows.
///
/// Returns the limit that holds from here on.
///
/// # Errors
/// When the limit cannot be read or set.
pub fn raise_limit() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let raised = soft.max(WANTED.min(hard));
    if raised > soft {
        setrlimit(Resource::RLIMIT_NOFILE, raised, hard)?;
    }
    Ok(raised)
}

/// Returns whether a process with that limit may run out of descriptors.
#[must_use]
pub const fn may_run_short(limit: u64) -> bool {
    limit < WANTED
}
