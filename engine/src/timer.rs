//! Deadlines and their reasons.

use crate::time::Instant;

/// What the engine waits for. Equal deadlines are handled in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Nothing was sent for a second: acknowledge, or show that we live.
    Alive,
    /// The resend queue is looked through for messages that nobody will acknowledge.
    StaleResend,
    /// The next turn of a bulk.
    Bulk,
    /// A bulk begins that a peer asked for too soon after others.
    DeferredBulk,
    /// Flows that a restarted peer has not named are dropped.
    Sweep,
    /// Flows are told again.
    Refresh,
    /// Flows of the peer of which nothing was heard for long end.
    Expiry,
    /// The kernel's table is emptied, as `-t` has asked.
    Purge,
    /// The kernel's table is read again after events were lost.
    OverrunResync,
    /// The kernel's table is compared with the internal cache.
    Reconcile,
    /// Flows are read back for what events leave out.
    ReadBack,
    /// The interfaces of the links had time to begin to run.
    Links,
    /// Nothing may have been heard of the peer for so long that another link is tried.
    PeerSilence,
}

/// The deadlines that the engine itself keeps.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    alive: Option<Instant>,
    stale_resend: Option<Instant>,
    purge: Option<Instant>,
    overrun_resync: Option<Instant>,
    reconcile: Option<Instant>,
    read_back: Option<Instant>,
    links: Option<Instant>,
    peer_silence: Option<Instant>,
}

impl Timers {
    /// Returns the next deadline.
    pub(crate) fn next(&self) -> Option<(Instant, Timer)> {
        [
            self.alive.map(|at| (at, Timer::Alive)),
            self.stale_resend.map(|at| (at, Timer::StaleResend)),
            self.purge.map(|at| (at, Timer::Purge)),
            self.overrun_resync.map(|at| (at, Timer::OverrunResync)),
            self.reconcile.map(|at| (at, Timer::Reconcile)),
            self.read_back.map(|at| (at, Timer::ReadBack)),
            self.links.map(|at| (at, Timer::Links)),
            self.peer_silence.map(|at| (at, Timer::PeerSilence)),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Sets a deadline; one that was set before is void.
    pub(crate) fn arm(&mut self, timer: Timer, at: Instant) {
        if let Some(deadline) = self.deadline(timer) {
            *deadline = Some(at);
        }
    }

    /// Sets a deadline unless there is one.
    pub(crate) fn arm_if_idle(&mut self, timer: Timer, at: Instant) {
        if !self.is_armed(timer) {
            self.arm(timer, at);
        }
    }

    /// Takes a deadline back.
    pub(crate) fn disarm(&mut self, timer: Timer) {
        if let Some(deadline) = self.deadline(timer) {
            *deadline = None;
        }
    }

    /// Returns whether there is a deadline.
    pub(crate) fn is_armed(&mut self, timer: Timer) -> bool {
        self.deadline(timer).is_some_and(|deadline| deadline.is_some())
    }

    /// Returns the place of a deadline; bulks, sweeps and caches keep their own.
    fn deadline(&mut self, timer: Timer) -> Option<&mut Option<Instant>> {
        match timer {
            Timer::Alive => Some(&mut self.alive),
            Timer::StaleResend => Some(&mut self.stale_resend),
            Timer::Purge => Some(&mut self.purge),
            Timer::OverrunResync => Some(&mut self.overrun_resync),
            Timer::Reconcile => Some(&mut self.reconcile),
            Timer::ReadBack => Some(&mut self.read_back),
            Timer::Links => Some(&mut self.links),
            Timer::PeerSilence => Some(&mut self.peer_silence),
            Timer::Bulk | Timer::DeferredBulk | Timer::Sweep | Timer::Refresh | Timer::Expiry => None,
        }
    }
}
