//! Waiting that a signal ends, so that an interrupted run still puts the host back as it was.

use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::time::ClockId;
use signal_hook::consts::{SIGINT, SIGTERM};

/// Waits for a time, unless INT or TERM comes first.
#[derive(Debug)]
pub(crate) struct Waiter {
    signals: UnixStream,
}

impl Waiter {
    /// Takes over INT and TERM.
    pub(crate) fn new() -> Result<Self> {
        let (signals, writer) = UnixStream::pair()?;
        signal_hook::low_level::pipe::register(SIGINT, writer.try_clone()?)?;
        signal_hook::low_level::pipe::register(SIGTERM, writer)?;
        Ok(Self { signals })
    }

    /// Returns after `time`.
    ///
    /// # Errors
    ///
    /// A signal asks for the end of the run.
    pub(crate) fn wait(&self, time: Duration) -> Result<()> {
        let mut descriptors = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        if poll(&mut descriptors, PollTimeout::try_from(time)?)? > 0 {
            (&self.signals).read_exact(&mut [0])?;
            bail!("interrupted");
        }
        Ok(())
    }
}

/// Reads the monotonic clock.
pub(crate) fn now() -> Result<Duration> {
    Ok(ClockId::CLOCK_MONOTONIC.now()?.into())
}

/// The CPU time this thread has used.
pub(crate) fn thread_cpu() -> Result<Duration> {
    Ok(ClockId::CLOCK_THREAD_CPUTIME_ID.now()?.into())
}
