//! What the peer sends: from datagrams to the external cache.

use core::time::Duration;

use crate::cache::{ExternalCache, InternalCache};
use crate::config::Config;
use crate::input::EventKind;
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

/// Flows of the external cache that were not named again are dropped at `at`.
#[derive(Clone, Copy, Debug)]
struct Sweep {
    at: Instant,
    slot: u32,
}

/// What the receive path reads and writes beside its own state.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    pub(crate) sync: &'a mut Sync,
    pub(crate) internal: &'a mut InternalCache,
    pub(crate) external: &'a mut ExternalCache,
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
        self.sweep = Some(Sweep { at, slot: 0 });
    }

    fn apply(&mut self, message: &MessageView<'_>, cx: &mut Context<'_>) {
        let kind = match message.content() {
            Ok(Content::Flow(Change::New)) => EventKind::New,
            Ok(Content::Flow(Change::Update)) => EventKind::Update,
            Ok(Content::Flow(Change::Delete)) => EventKind::Destroy,
            // Expectations are not cached; their messages are acknowledged like all others.
            Ok(Content::Expectation(_)) => return self.check_expectation(message, cx),
            Ok(Content::Ack(_) | Content::Nack(_) | Content::Resync | Content::Alive) | Err(_) => return,
        };
        match wire::decode_flow(message.body, message.body_offset()) {
            Ok(decoded) => {
                self.count_unknown(decoded.unknown_attributes);
                match cx.external.apply(kind, &decoded.flow, cx.now.whole_secs()) {
                    Ok(true) => self.put_off_sweep(cx.now),
                    Ok(false) => {}
                    Err(_full) => self.report_full(cx),
                }
            }
            Err(error) => self.reject(error, cx),
        }
    }

    /// A peer that goes on naming flows of before its restart has not come to the end of its bulk.
    fn put_off_sweep(&mut self, now: Instant) {
        if let Some(sweep) = &mut self.sweep {
            sweep.at = now.saturating_add(SWEEP_DELAY);
        }
    }

    fn report_full(&mut self, cx: &mut Context<'_>) {
        if let Some(refused) = self.cache_full.note(cx.now) {
            cx.out.report(Report::CacheFull {
                cache: "external",
                len_max: cx.config.cache_len_max.get(),
                refused,
            });
        }
    }

    fn check_expectation(&mut self, message: &MessageView<'_>, cx: &mut Context<'_>) {
        match wire::decode_expectation(message.body, message.body_offset()) {
            Ok(decoded) => self.count_unknown(decoded.unknown_attributes),
            Err(error) => self.reject(error, cx),
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
            let Some(id) = external.first_from(sweep.slot) else {
                return;
            };
            sweep.slot = id.slot().saturating_add(1);
            if external.is_of_past_generation(id) {
                external.remove(id);
            }
        }
        self.sweep = Some(Sweep {
            at: now.saturating_add(TURN),
            ..sweep
        });
    }
}
