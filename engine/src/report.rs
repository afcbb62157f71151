//! What an operator should be told.

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

use crate::flow::Flow;
use crate::input::Errno;
use crate::wire::DecodeError;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Notice,
    /// May need attention.
    Warning,
    /// Something was lost or could not be done.
    Error,
}

/// Something an operator should be told; each is counted elsewhere too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// We ask the peer for a bulk.
    ResyncRequested,
    /// The peer asks for a bulk.
    PeerRequestedResync,
    /// The peer is new: it gets a bulk unasked.
    PeerRestarted,
    /// A bulk begins.
    SendingBulk,
    /// The kernel's flows are read again.
    ResyncKernel,
    /// The kernel's expectations are read again.
    ResyncKernelExpectations,
    /// A commit of flows begins.
    CommittingFlows,
    /// A commit of expectations begins.
    CommittingExpectations,
    /// A commit of both begins.
    CommittingAll,
    /// How a commit ended.
    Committed {
        /// Flows in the kernel now.
        committed: u64,
        /// Flows that are not.
        failed: u64,
        /// How long it took.
        took: Duration,
    },
    /// How a commit of expectations ended.
    CommittedExpectations {
        /// Expectations in the kernel now.
        committed: u64,
        /// Expectations that are not.
        failed: u64,
        /// How long it took.
        took: Duration,
    },
    /// The first flow of this commit that the kernel refused with this error.
    CommitFailed {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        errno: Errno,
        /// The flow.
        flow: Box<Flow>,
    },
    /// A commit is asked for while one runs.
    CommitInProgress,
    /// A flush is asked for while a commit runs.
    FlushDuringCommit,
    /// All caches are emptied.
    FlushingCaches,
    /// The internal cache is emptied.
    FlushingInternal,
    /// The external cache is emptied.
    FlushingExternal,
    /// The kernel's flows are deleted.
    FlushingKernel,
    /// The kernel's expectations are deleted.
    FlushingKernelExpectations,
    /// The kernel's flows will be deleted.
    PurgeScheduled {
        /// In how many seconds.
        secs: u64,
    },
    /// The kernel's flows are deleted as scheduled.
    PurgeBegins,
    /// A cache is full: flows are not replicated until there is room.
    CacheFull {
        /// `internal` or `external`.
        cache: &'static str,
        /// Most entries it holds.
        len_max: u32,
        /// Flows refused since the last such report.
        refused: u64,
    },
    /// Events were lost.
    Overrun {
        /// In how many seconds the table is read again, if it is.
        resync_in_secs: Option<u64>,
    },
    /// Flows that ended without an event were found.
    GhostsRemoved {
        /// How many.
        flows: u64,
    },
    /// The resend queue was full: the oldest messages can no longer be resent.
    ResendQueueFull {
        /// Messages dropped since the last such report.
        dropped: u64,
    },
    /// The peer asks again for messages that are gone: it gets a bulk.
    LostBeyondResend,
    /// A datagram, or the rest of one, was dropped; told at most once a second.
    Malformed {
        /// Where and why.
        error: DecodeError,
        /// Malformed messages since the last such report.
        messages: u64,
    },
    /// A dump of the kernel's table failed.
    DumpFailed {
        /// Why.
        errno: Errno,
    },
    /// The link could not send; told at most once a second.
    SendFailed {
        /// Why.
        errno: Errno,
        /// Datagrams lost since the last such report.
        datagrams: u64,
    },
    /// A command has no meaning in this mode.
    Unsupported {
        /// Which.
        command: &'static str,
    },
}
