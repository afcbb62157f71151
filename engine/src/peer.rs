//! What the peer sends: from datagrams to the external cache.

use core::time::Duration;

use crate::cache::{CacheFull, ExternalCache, InternalCache};
use crate::config::Config;
use crate::input::EventKind;
use crate::jobs::Inject;
use crate::outputs::Outputs;
use crate::report::Report;
use crate::seq::Seq;
use crate::stats::ReceiveStats;
use crate::sync::{BulkCause, Outcome, Sync, Verdict};
use crate::throttle::Throttle;
use crate::time::Instant;
use crate::wire::{self, Change, Content, DecodeError, Malformation, MessageView};

/// Time without a flow that a restarted peer names again before those that it did not name are dropped.
const SWEEP_DELAY: Duration = Duration::from_secs(15);

/// Time without a message after which the peer is not known to live.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// Our view of the peer.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    last_heard: Option<Instant>,
    stats: ReceiveStats,
    malformed: Throttle,
    cache_full: Throttle,
    sweep: Option<Sweep>,
}

/// What the external cache holds and was not named again is dropped at `at`: flows from `slot` on,
/// then expectations from `expect_slot` on.
#[derive(Clone, Copy, Debug)]
struct Sweep {
    at: Instant,
    slot: u32,
    expect_slot: u32,
}

/// What the receive path reads and writes beside its own state.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    pub(crate) sync: &'a mut Sync,
    pub(crate) internal: &'a mut InternalCache,
    pub(crate) external: &'a mut ExternalCache,
    /// Takes the flows in place of the external cache.
    pub(crate) inject: Option<&'a mut Inject>,
    pub(crate) out: &'a mut Outputs,
    pub(crate) now: Instant,
    /// Number of the next message that we send.
    pub(crate) next_seq: Seq,
}

/// What the engine must do about a datagram.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Received {
    /// Why the peer must get a bulk, if it must.
    pub(crate) bulk: Option<BulkCause>,
    /// A message was taken that did not come before its turn: the peer uses this link.
    pub(crate) is_taken: bool,
}

impl Peer {
    /// Returns the counters.
    pub(crate) fn stats(&self) -> ReceiveStats {
        self.stats
    }

    /// Returns whether the peer was heard of late.
    pub(crate) fn is_alive(&self, now: Instant) -> bool {
        self.last_heard
            .is_some_and(|at| now.saturating_since(at) <= SILENCE_MAX)
    }

    /// Handles a datagram.
    pub(crate) fn receive(&mut self, payload: &[u8], cx: &mut Context<'_>) -> Received {
        self.last_heard = Some(cx.now);
        let mut received = Received::default();
        for item in wire::messages(payload) {
            match item {
                Ok(message) => self.take(&message, cx, &mut received),
                Err(error) => self.reject(error, cx),
            }
        }
        received
    }

    fn take(&mut self, message: &MessageView<'_>, cx: &mut Context<'_>, received: &mut Received) {
        self.stats.messages = self.stats.messages.wrapping_add(1);
        let Outcome { verdict, bulk } =
            cx.sync
                .receive(message, cx.internal, &mut self.stats, cx.now, cx.next_seq);
        match verdict {
            Verdict::Data => self.apply(message, cx),
            Verdict::BadHeader(error) => self.reject(error, cx),
            Verdict::Control | Verdict::Dropped => {}
        }
        received.is_taken |= matches!(verdict, Verdict::Data | Verdict::Control);
        received.bulk = bulk.or(received.bulk);
        if matches!(
            bulk,
            Some(BulkCause::PeerRestarted | BulkCause::PeerMayHaveRestarted)
        ) {
            self.greet(cx);
        }
    }

    /// Asks a new process of the peer for its flows; those that it does not name are history.
    fn greet(&mut self, cx: &mut Context<'_>) {
        cx.sync.request_resync();
        self.expect_names(cx.external, cx.now);
    }

    /// From here on the peer names its flows; those that it leaves out are dropped after a while.
    pub(crate) fn expect_names(&mut self, external: &mut ExternalCache, now: Instant) {
        external.begin_generation();
        let at = now.saturating_add(SWEEP_DELAY);
        self.sweep = Some(Sweep {
            at,
            slot: 0,
            expect_slot: 0,
        });
    }

    fn apply(&mut self, message: &MessageView<'_>, cx: &mut Context<'_>) {
        let (is_expectation, change) = match message.content() {
            Ok(Content::Flow(change)) => (false, change),
            Ok(Content::Expectation(change)) => (true, change),
            Ok(Content::Ack(_) | Content::Nack(_) | Content::Resync | Content::Alive) | Err(_) => return,
        };
        let kind = match change {
            Change::New => EventKind::New,
            Change::Update => EventKind::Update,
            Change::Delete => EventKind::Destroy,
        };
        let applied = if is_expectation {
            self.apply_expectation(kind, message, cx)
        } else {
            self.apply_flow(kind, message, cx)
        };
        if let Err(error) = applied {
            self.reject(error, cx);
        }
    }

    fn apply_flow(
        &mut self,
        kind: EventKind,
        message: &MessageView<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), DecodeError> {
        let decoded = wire::decode_flow(message.body, message.body_offset())?;
        self.count_unknown(decoded.unknown_attributes);
        if let Some(inject) = &mut cx.inject {
            inject.tell(kind, &decoded.flow, cx.config, cx.out, cx.now);
            return Ok(());
        }
        let applied = cx.external.apply(kind, &decoded.flow, cx.now);
        self.note_applied(applied, "external", cx);
        Ok(())
    }

    /// Where expectations are not replicated, a message about one is read and let go.
    fn apply_expectation(
        &mut self,
        kind: EventKind,
        message: &MessageView<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), DecodeError> {
        let decoded = wire::decode_expectation(message.body, message.body_offset())?;
        self.count_unknown(decoded.unknown_attributes);
        if cx.config.expectations.is_on() {
            let applied = cx.external.apply_expectation(kind, &decoded.expectation, cx.now);
            self.note_applied(applied, "external expectation", cx);
        }
        Ok(())
    }

    fn note_applied(&mut self, applied: Result<bool, CacheFull>, cache: &'static str, cx: &mut Context<'_>) {
        match applied {
            Ok(true) => self.put_off_sweep(cx.now),
            Ok(false) => {}
            Err(CacheFull { len_max }) => {
                if let Some(refused) = self.cache_full.note(cx.now) {
                    cx.out.report(Report::CacheFull {
                        cache,
                        len_max: len_max.get(),
                        refused,
                    });
                }
            }
        }
    }

    /// A peer that goes on naming flows of before its restart has not come to the end of its bulk.
    fn put_off_sweep(&mut self, now: Instant) {
        if let Some(sweep) = &mut self.sweep {
            sweep.at = now.saturating_add(SWEEP_DELAY);
        }
    }

    fn count_unknown(&mut self, attributes: u16) {
        self.stats.unknown_attributes = self.stats.unknown_attributes.wrapping_add(u64::from(attributes));
    }

    fn reject(&mut self, error: DecodeError, cx: &mut Context<'_>) {
        let counter = match error.kind.malformation() {
            Malformation::BadVersion => &mut self.stats.bad_version,
            Malformation::BadHeader => &mut self.stats.bad_header,
            Malformation::BadPayload => &mut self.stats.bad_payload,
            Malformation::BadType => &mut self.stats.bad_type,
            Malformation::Truncated => &mut self.stats.truncated,
            Malformation::BadSize => &mut self.stats.bad_size,
        };
        *counter = counter.wrapping_add(1);
        if let Some(messages) = self.malformed.note(cx.now) {
            cx.out.report(Report::Malformed { error, messages });
        }
    }

    /// Returns when flows that a restarted peer did not name are dropped.
    pub(crate) fn sweep_deadline(&self) -> Option<Instant> {
        self.sweep.map(|sweep| sweep.at)
    }

    /// Drops flows that a restarted peer did not name, `len_max` in one turn at the most.
    ///
    /// Not before the peer has acknowledged that it was asked for them, and only while it lives: a
    /// peer that cannot name its flows may be the one whose flows are needed next.
    pub(crate) fn sweep(&mut self, sync: &Sync, external: &mut ExternalCache, len_max: u16, now: Instant) {
        const TURN: Duration = Duration::from_millis(1);
        let Some(mut sweep) = self.sweep.take() else {
            return;
        };
        if sync.awaits_resync() || !self.is_alive(now) {
            self.sweep = Some(Sweep {
                at: now.saturating_add(SWEEP_DELAY),
                ..sweep
            });
            return;
        }
        for _ in 0..len_max {
            if !sweep.step(external) {
                return;
            }
        }
        self.sweep = Some(Sweep {
            at: now.saturating_add(TURN),
            ..sweep
        });
    }
}

impl Sweep {
    /// Looks at one entry; returns whether there was one left.
    fn step(&mut self, external: &mut ExternalCache) -> bool {
        if let Some(id) = external.first_from(self.slot) {
            self.slot = id.slot().saturating_add(1);
            if external.is_of_past_generation(id) {
                external.remove(id);
            }
        } else if let Some(id) = external.expectations.first_from(self.expect_slot) {
            self.expect_slot = id.slot().saturating_add(1);
            if external.expectation_is_of_past_generation(id) {
                external.expectations.remove(id);
            }
        } else {
            return false;
        }
        true
    }
}
