//! What an operator should be told.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use crate::flow::{Expectation, Flow};
use crate::input::{Errno, Table};
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
    /// The same of an expectation.
    CommitExpectationFailed {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        errno: Errno,
        /// The expectation.
        expectation: Box<Expectation>,
    },
    /// The kernel refused a flow of the peer; told at most once a second.
    InjectFailed {
        /// What could not be done.
        what: &'static str,
        /// Why.
        errno: Errno,
        /// The flow.
        flow: Box<Flow>,
    },
    /// The same of an expectation.
    InjectExpectationFailed {
        /// What could not be done.
        what: &'static str,
        /// Why.
        errno: Errno,
        /// The expectation.
        expectation: Box<Expectation>,
    },
    /// Too many flows or expectations of the peer wait for the kernel; told at most once a second.
    InjectionsDropped {
        /// Which.
        waiting: &'static str,
        /// How many may wait.
        len_max: u32,
        /// Messages dropped since the last such report.
        dropped: u64,
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
    /// The kernel did not delete its expectations.
    FlushExpectationsFailed {
        /// Why.
        errno: Errno,
    },
    /// The kernel's flows will be deleted.
    PurgeScheduled {
        /// In how many seconds.
        secs: u64,
    },
    /// The kernel's flows are deleted as scheduled.
    PurgeBegins,
    /// A cache is full: what is new is not replicated until there is room.
    CacheFull {
        /// `internal` or `external`, with `expectation` behind it if it is of those.
        cache: &'static str,
        /// Most entries it holds.
        len_max: u32,
        /// Entries refused since the last such report.
        refused: u64,
    },
    /// Events were lost.
    Overrun {
        /// In how many seconds the table is read again, if it is.
        resync_in_secs: Option<u64>,
    },
    /// Events were lost, and without an internal cache nothing makes up for them.
    OverrunWithoutCache,
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
    /// More nodes were heard than state is kept for; told at most once a second.
    SendersForgotten {
        /// How many it is kept for.
        len_max: u8,
        /// The last that was forgotten.
        address: IpAddr,
        /// Nodes forgotten since the last such report.
        senders: u64,
    },
    /// Expectations that ended without an event were found.
    GhostExpectationsRemoved {
        /// How many.
        expectations: u64,
    },
    /// A dump of a table of the kernel failed.
    DumpFailed {
        /// Which; never both.
        table: Table,
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
    /// Messages go over another link from here on.
    LinkInUse {
        /// Its interface.
        interface: String,
    },
    /// The peer has not been heard for so long that another link, named in the next report, is tried.
    PeerSilent {
        /// For how long.
        secs: u64,
    },
    /// The link in use does not run, nor does any other.
    NoLink,
    /// A command has no meaning in this mode.
    Unsupported {
        /// Which.
        command: &'static str,
    },
}

impl Report {
    /// Returns how much it matters.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::ResyncRequested
            | Self::PeerRequestedResync
            | Self::PeerRestarted
            | Self::SendingBulk
            | Self::ResyncKernel
            | Self::ResyncKernelExpectations
            | Self::CommittingFlows
            | Self::CommittingExpectations
            | Self::CommittingAll
            | Self::Committed { .. }
            | Self::CommittedExpectations { .. }
            | Self::CommitInProgress
            | Self::FlushingCaches
            | Self::FlushingInternal
            | Self::FlushingExternal
            | Self::FlushingKernel
            | Self::FlushingKernelExpectations
            | Self::PurgeScheduled { .. }
            | Self::PurgeBegins
            | Self::GhostsRemoved { .. }
            | Self::GhostExpectationsRemoved { .. }
            | Self::LinkInUse { .. }
            | Self::Unsupported { .. } => Level::Notice,
            Self::CacheFull { .. }
            | Self::InjectFailed { .. }
            | Self::InjectExpectationFailed { .. }
            | Self::InjectionsDropped { .. }
            | Self::Overrun { .. }
            | Self::OverrunWithoutCache
            | Self::ResendQueueFull { .. }
            | Self::LostBeyondResend
            | Self::Malformed { .. }
            | Self::PeerSilent { .. }
            | Self::SendersForgotten { .. }
            | Self::SendFailed { .. } => Level::Warning,
            Self::CommitFailed { .. }
            | Self::CommitExpectationFailed { .. }
            | Self::FlushDuringCommit
            | Self::FlushExpectationsFailed { .. }
            | Self::DumpFailed { .. }
            | Self::NoLink => Level::Error,
        }
    }

    /// Returns the flow it is about; a log prints it as an entry of its own below the text.
    #[must_use]
    pub fn flow(&self) -> Option<&Flow> {
        if let Self::CommitFailed { flow, .. } | Self::InjectFailed { flow, .. } = self {
            Some(flow)
        } else {
            None
        }
    }

    /// Returns the expectation it is about, in the same way.
    #[must_use]
    pub fn expectation(&self) -> Option<&Expectation> {
        if let Self::CommitExpectationFailed { expectation, .. }
        | Self::InjectExpectationFailed { expectation, .. } = self
        {
            Some(expectation)
        } else {
            None
        }
    }
}

/// One or more lines without the end of the last; each is a log line of its own.
///
/// Where the stock daemon logs the same thing, the wording is its own: scripts look for it.
impl fmt::Display for Report {
    #[expect(clippy::too_many_lines, reason = "a flat table of one sentence each")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ResyncRequested => f.write_str("resync requested"),
            Self::PeerRequestedResync => f.write_str("resync requested by other node"),
            Self::PeerRestarted => f.write_str("the other node has started: it gets a bulk update unasked"),
            Self::SendingBulk => f.write_str("sending bulk update"),
            Self::ResyncKernel => f.write_str("resync with master conntrack table"),
            Self::ResyncKernelExpectations => f.write_str("resync with master expect table"),
            Self::CommittingFlows => f.write_str("committing conntrack cache"),
            Self::CommittingExpectations => f.write_str("committing expectation cache"),
            Self::CommittingAll => f.write_str("committing all external caches"),
            Self::Committed {
                committed,
                failed,
                took,
            } => write_commit(f, "entries", *committed, *failed, *took),
            Self::CommittedExpectations {
                committed,
                failed,
                took,
            } => write_commit(f, "expectations", *committed, *failed, *took),
            Self::CommitFailed { operation, errno, .. }
            | Self::CommitExpectationFailed { operation, errno, .. } => {
                write!(f, "commit-{operation}: {errno}")
            }
            Self::InjectFailed { what, errno, .. } | Self::InjectExpectationFailed { what, errno, .. } => {
                write!(f, "{what}: {errno}")
            }
            Self::CommitInProgress => f.write_str("commit already in progress, skipping"),
            Self::FlushDuringCommit => f.write_str("ignoring flush command, commit still in progress"),
            Self::FlushingCaches => f.write_str("flushing caches"),
            Self::FlushingInternal => f.write_str("flushing internal cache"),
            Self::FlushingExternal => f.write_str("flushing external cache"),
            Self::FlushingKernel => f.write_str("flushing kernel conntrack table"),
            Self::FlushingKernelExpectations => f.write_str("flushing kernel expect table"),
            Self::FlushExpectationsFailed { errno } => {
                write!(f, "flushing the kernel's expect table failed: {errno}")
            }
            Self::PurgeScheduled { secs } => write!(f, "flushing conntrack table in {secs} secs"),
            Self::PurgeBegins => f.write_str("flushing kernel conntrack table (scheduled)"),
            Self::Unsupported { command } => write!(f, "{command} is unsupported in this mode"),
            Self::LinkInUse { interface } => write!(f, "device `{interface}' becomes dedicated link"),
            Self::NoLink => f.write_str("no dedicated links available!"),
            // The stock daemon is silent about the rest.
            Self::PeerSilent { secs } => write!(
                f,
                "nothing was heard of the other node for {secs} seconds: another link is tried"
            ),
            Self::CacheFull {
                cache,
                len_max,
                refused,
            } => write!(
                f,
                "the {cache} cache is full at {len_max} entries: {refused} were not replicated; \
                 raise HashLimit"
            ),
            Self::InjectionsDropped {
                waiting,
                len_max,
                dropped,
            } => write!(
                f,
                "{len_max} {waiting} of the other node wait for the kernel: {dropped} messages were dropped, \
                 and it will be asked for a bulk update; raise HashLimit"
            ),
            Self::Overrun {
                resync_in_secs: Some(secs),
            } => write!(
                f,
                "events of the kernel were lost: its table will be read again in {secs} seconds"
            ),
            Self::OverrunWithoutCache => f.write_str(
                "events of the kernel were lost, and there is no internal cache to make up for them: \
                 replicas may differ until `conntrackd -B`",
            ),
            Self::Overrun { resync_in_secs: None } => f.write_str(
                "events of the kernel were lost and NetlinkOverrunResync is off: \
                 replicas may differ until `conntrackd -R`",
            ),
            Self::GhostsRemoved { flows } => {
                write!(f, "{flows} flows had ended without an event and were removed")
            }
            Self::ResendQueueFull { dropped } => write!(
                f,
                "the resend queue is full: {dropped} messages can no longer be resent; raise ResendQueueSize"
            ),
            Self::LostBeyondResend => f.write_str(
                "the other node misses messages that are no longer in the resend queue: \
                 it gets a bulk update",
            ),
            Self::Malformed { error, messages } => {
                write!(f, "{messages} malformed messages received; the last: {error}")
            }
            Self::SendersForgotten {
                len_max,
                address,
                senders,
            } => write!(
                f,
                "more than {len_max} nodes are heard on the dedicated links: {senders} were forgotten, \
                 the last at {address}; somebody may forge addresses"
            ),
            Self::GhostExpectationsRemoved { expectations } => write!(
                f,
                "{expectations} expectations had ended without an event and were removed"
            ),
            Self::DumpFailed { table, errno } => {
                let name = match table {
                    Table::Flows | Table::Both => "conntrack",
                    Table::Expectations => "expect",
                };
                write!(f, "reading the kernel's {name} table failed: {errno}")
            }
            Self::SendFailed { errno, datagrams } => {
                write!(
                    f,
                    "sending on the dedicated link failed: {errno}; {datagrams} datagrams lost"
                )
            }
        }
    }
}

/// Writes how a commit of `what` ended.
fn write_commit(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    committed: u64,
    failed: u64,
    took: Duration,
) -> fmt::Result {
    writeln!(f, "Committed {committed} new {what}")?;
    if failed > 0 {
        writeln!(f, "{failed} {what} can't be committed")?;
    }
    write!(
        f,
        "commit has taken {}.{:06} seconds",
        took.as_secs(),
        took.subsec_micros()
    )
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use core::net::Ipv4Addr;

    use super::*;
    use crate::flow::{Addrs, L4Key, Protocol, Tuple};

    #[test]
    fn a_commit_reads_as_the_stock_daemon_logs_it() {
        let report = Report::Committed {
            committed: 3,
            failed: 1,
            took: Duration::from_micros(192),
        };
        assert_eq!(
            report.to_string(),
            "Committed 3 new entries\n1 entries can't be committed\ncommit has taken 0.000192 seconds"
        );
        let report = Report::CommittedExpectations {
            committed: 1,
            failed: 0,
            took: Duration::from_micros(2_000_069),
        };
        assert_eq!(
            report.to_string(),
            "Committed 1 new expectations\ncommit has taken 2.000069 seconds"
        );
    }

    #[test]
    fn a_failed_commit_names_the_cause_and_carries_the_flow() {
        let flow = Flow::new(Tuple {
            addrs: Addrs::V4 {
                src: Ipv4Addr::new(10, 0, 0, 1),
                dst: Ipv4Addr::new(10, 0, 0, 2),
            },
            proto: Protocol::UDP,
            key: L4Key::Ports { src: 1, dst: 2 },
        });
        let report = Report::CommitFailed {
            operation: "create",
            errno: Errno::EINVAL,
            flow: Box::new(flow.clone()),
        };
        assert_eq!(report.to_string(), "commit-create: Invalid argument");
        assert_eq!(report.flow(), Some(&flow));
        assert_eq!(report.level(), Level::Error);
    }

    #[test]
    fn what_is_lost_is_told_with_its_number() {
        let report = Report::CacheFull {
            cache: "external",
            len_max: 1000,
            refused: 7,
        };
        assert_eq!(
            report.to_string(),
            "the external cache is full at 1000 entries: 7 were not replicated; raise HashLimit"
        );
        assert_eq!(report.level(), Level::Warning);
    }
}
