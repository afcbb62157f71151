//! Numbers that tell how the engine fares.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::input::{Channel, Errno, EventKind};
use crate::seq::Seq;

/// A snapshot of all counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// The internal cache of flows.
    pub internal: CacheStats,
    /// The external cache of flows.
    pub external: CacheStats,
    /// Events passed on; `None` with an internal cache.
    pub bypass: Option<BypassStats>,
    /// Flows put into the kernel as the peer told them; `None` with an external cache.
    pub inject: Option<InjectStats>,
    /// Events about expectations passed on; `None` with an internal cache.
    pub bypass_expect: Option<BypassStats>,
    /// Expectations put into the kernel as the peer told them; `None` with an external cache.
    pub inject_expect: Option<InjectStats>,
    /// The internal cache of expectations.
    pub internal_expect: CacheStats,
    /// The external cache of expectations.
    pub external_expect: CacheStats,
    /// Traffic of flows that ended, both directions together.
    pub traffic: TrafficStats,
    /// Messages received.
    pub receive: ReceiveStats,
    /// Who sent them.
    pub senders: SenderStats,
    /// The kernel's table and events.
    pub kernel: KernelStats,
    /// Commits.
    pub commit: CommitStats,
    /// What could not be sent.
    pub send: SendStats,
    /// The queues.
    pub queues: QueueStats,
    /// Elements of the resend queue, oldest first; only when asked for.
    pub resend_queue: Option<Box<Vec<ResendElement>>>,
    /// The link in use.
    pub active_channel: Channel,
}

/// Counters of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Entries that are not dead.
    pub live: u64,
    /// All entries.
    pub total: u64,
    /// Insertions.
    pub created: u64,
    /// Insertions refused because the cache was full.
    pub create_failed_full: u64,
    /// Updates of a live entry.
    pub updated: u64,
    /// Entries that died or were removed.
    pub destroyed: u64,
    /// Ends that were told of entries that are not there.
    pub destroy_not_found: u64,
    /// Those of them of which nothing was heard for too long.
    pub expired: u64,
}

/// What became of the flows, or of the expectations, that the peer told, where they go into the
/// kernel at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InjectStats {
    /// Beginnings that the kernel took.
    pub created: u64,
    /// Beginnings that it refused.
    pub create_failed: u64,
    /// Changes that the kernel took.
    pub updated: u64,
    /// Changes that it refused.
    pub update_failed: u64,
    /// Flows deleted.
    pub destroyed: u64,
    /// Flows that could not be deleted.
    pub destroy_failed: u64,
    /// Flows that the kernel took only without their master or their helper.
    pub lessened: u64,
    /// Messages dropped because too many flows waited for the kernel.
    pub dropped: u64,
    /// Flows that wait for the kernel.
    pub pending: u64,
}

/// Events passed on to the link, where there is no internal cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BypassStats {
    /// Of new flows.
    pub created: u64,
    /// Of changed ones.
    pub updated: u64,
    /// Of ended ones.
    pub destroyed: u64,
}

impl BypassStats {
    /// Counts an event.
    pub(crate) const fn count(&mut self, kind: EventKind) {
        let counter = match kind {
            EventKind::New => &mut self.created,
            EventKind::Update => &mut self.updated,
            EventKind::Destroy => &mut self.destroyed,
        };
        *counter = counter.wrapping_add(1);
    }
}

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficStats {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
}

/// What was wrong with received messages, and what was missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveStats {
    /// All messages taken.
    pub messages: u64,
    /// Version other than 1.
    pub bad_version: u64,
    /// A header the mode does not know.
    pub bad_header: u64,
    /// A payload that could not be parsed.
    pub bad_payload: u64,
    /// A message type above 5.
    pub bad_type: u64,
    /// A message longer than its datagram.
    pub truncated: u64,
    /// A length field that cannot be.
    pub bad_size: u64,
    /// Attributes that were skipped because they are not known.
    pub unknown_attributes: u64,
    /// Messages missing in the sequence, counted as the stock daemon counts: a gap of n adds n + 2.
    pub lost_as_stock: u64,
    /// Messages missing in the sequence.
    pub lost: u64,
    /// Messages that came late or twice.
    pub before: u64,
}

/// The nodes that are heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderStats {
    /// Nodes that receive state is kept for.
    pub known: u64,
    /// Nodes that were forgotten because there were too many.
    pub evicted: u64,
}

impl ReceiveStats {
    /// Returns how many messages were not understood.
    #[must_use]
    pub const fn malformed(&self) -> u64 {
        self.bad_version
            .saturating_add(self.bad_header)
            .saturating_add(self.bad_payload)
            .saturating_add(self.bad_type)
            .saturating_add(self.truncated)
            .saturating_add(self.bad_size)
    }
}

/// What went wrong in sending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendStats {
    /// Datagrams that the driver could not send.
    pub failed: u64,
    /// Times that another link was taken.
    pub link_changes: u64,
    /// Bulks asked for by peers that did not begin at once, because others ran or had just run.
    pub bulks_put_off: u64,
}

/// Counters of the kernel's side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelStats {
    /// Events handled.
    pub events: u64,
    /// Events about flows that the filter excludes.
    pub events_filtered: u64,
    /// Times that events were lost.
    pub overruns: u64,
    /// Tables flushed, one for each.
    pub flushes: u64,
    /// Re-reads of a table.
    pub resyncs: u64,
    /// Flows and expectations found dead by a re-read: their end came without an event.
    pub ghosts: u64,
    /// Dumps that failed.
    pub dumps_failed: u64,
}

/// Counters of all commits so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitStats {
    /// Flows created.
    pub created: u64,
    /// Flows that existed and were updated.
    pub updated: u64,
    /// Flows that could not be committed.
    pub failed: u64,
    /// Expectations created.
    pub expectations_created: u64,
    /// Expectations that could not be committed.
    pub expectations_failed: u64,
    /// Failures of both by error number, in its order.
    pub failed_by_errno: Vec<(i32, u64)>,
}

impl CommitStats {
    /// Counts a failure under its error number.
    pub(crate) fn count_errno(&mut self, errno: Errno) {
        let by_errno = &mut self.failed_by_errno;
        match by_errno.binary_search_by_key(&errno.0, |(number, _)| *number) {
            Ok(place) => {
                if let Some((_, failures)) = by_errno.get_mut(place) {
                    *failures = failures.saturating_add(1);
                }
            }
            Err(place) => by_errno.insert(place, (errno.0, 1)),
        }
    }
}

/// Lengths of the queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Control messages waiting in a queue.
    pub control_messages: u64,
    /// To be sent.
    pub tx: u64,
    /// Sent and not acknowledged; `None` in modes without it.
    pub resend: Option<ResendQueueStats>,
}

/// Counters of the resend queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResendQueueStats {
    /// Elements in it.
    pub len: u64,
    /// Most elements.
    pub len_max: u64,
    /// Elements dropped because it was full.
    pub overflowed: u64,
}

/// One element of the resend queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResendElement {
    /// A flow or an expectation.
    Object {
        /// Number it was sent with.
        seq: Seq,
    },
    /// A control message.
    Control {
        /// Number it was sent with.
        seq: Seq,
        /// Flag bits of its header.
        flags: u8,
    },
}
