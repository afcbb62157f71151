//! What peers send: from datagrams to the external cache.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::cache::{CacheFull, ExternalCache, InternalCache, Teller};
use crate::config::{Config, LinkConfig};
use crate::input::{Channel, EventKind};
use crate::jobs::Inject;
use crate::outputs::Outputs;
use crate::report::Report;
use crate::senders::{Identified, SENDERS_MAX, SenderId, SenderSet, Senders, Voice};
use crate::seq::Seq;
use crate::stats::{ReceiveStats, SenderStats};
use crate::sync::{BulkCause, Heard, Outcome, Sync, Verdict};
use crate::throttle::Throttle;
use crate::time::Instant;
use crate::wire::{self, Change, Content, DecodeError, Flags, Malformation, MessageView};

/// Time without a flow that a restarted peer names again before those that it did not name are dropped.
const SWEEP_DELAY: Duration = Duration::from_secs(15);

/// Time without a message after which the peer is not known to live.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// Time for which messages are kept for the acknowledgement of a peer that has fallen silent, where
/// others acknowledge them.
const ABSENCE_MAX: Duration = Duration::from_secs(15);

/// Our view of the peers.
#[derive(Debug)]
pub(crate) struct Peers {
    senders: Senders,
    /// What each has told, by its place in the table.
    tales: Vec<Tale>,
    /// Names the next teller.
    n_tellers: u8,
    last_heard: Option<Instant>,
    stats: ReceiveStats,
    malformed: Throttle,
    cache_full: Throttle,
    evicted: Throttle,
}

/// What a sender has told of its flows.
#[derive(Clone, Copy, Debug)]
struct Tale {
    teller: Teller,
    sweep: Option<Sweep>,
}

/// What the external cache holds of a teller and was not named again is dropped at `at`: flows from
/// `slot` on, then expectations from `expect_slot` on.
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
    /// Takes what the peer tells in place of the external cache.
    pub(crate) inject: Option<&'a mut Inject>,
    pub(crate) out: &'a mut Outputs,
    pub(crate) now: Instant,
    /// Number of the next message that we send.
    pub(crate) next_seq: Seq,
}

/// A datagram of a peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagram<'a> {
    /// Link it came by.
    pub(crate) channel: Channel,
    /// Address it came from.
    pub(crate) source: IpAddr,
    /// Its bytes.
    pub(crate) payload: &'a [u8],
}

/// What the engine must do about a datagram.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Received {
    /// Why the peer must get a bulk, if it must.
    pub(crate) bulk: Option<BulkCause>,
    /// A message was taken that did not come before its turn: the peer uses this link.
    pub(crate) is_taken: bool,
}

impl Peers {
    /// Returns our view at process start, with these links to them.
    pub(crate) fn new(links: &[LinkConfig]) -> Self {
        Self {
            senders: Senders::new(links.iter().map(|link| link.reach).collect()),
            tales: Vec::new(),
            n_tellers: 0,
            last_heard: None,
            stats: ReceiveStats::default(),
            malformed: Throttle::default(),
            cache_full: Throttle::default(),
            evicted: Throttle::default(),
        }
    }

    /// Returns the counters.
    pub(crate) fn stats(&self) -> ReceiveStats {
        self.stats
    }

    /// Returns the counters of the table of senders.
    pub(crate) fn sender_stats(&self) -> SenderStats {
        SenderStats {
            known: u64::try_from(self.senders.len()).unwrap_or(u64::MAX),
            evicted: self.senders.evicted(),
        }
    }

    /// Returns those whose acknowledgements are waited for, as far as they give any.
    pub(crate) fn present(&self, now: Instant) -> SenderSet {
        self.senders.heard_within(ABSENCE_MAX, now)
    }

    /// Returns those that were heard of late.
    pub(crate) fn living(&self, now: Instant) -> SenderSet {
        self.senders.heard_within(SILENCE_MAX, now)
    }

    /// Returns whether anything was heard of late, well-formed or not.
    pub(crate) fn is_alive(&self, now: Instant) -> bool {
        self.last_heard
            .is_some_and(|at| now.saturating_since(at) <= SILENCE_MAX)
    }

    /// Handles a datagram.
    ///
    /// Its first message tells who sent it; without a message it is nobody's.
    pub(crate) fn receive(&mut self, datagram: Datagram<'_>, cx: &mut Context<'_>) -> Received {
        self.last_heard = Some(cx.now);
        let mut received = Received::default();
        let mut heard = None;
        for item in wire::messages(datagram.payload) {
            match item {
                Ok(message) => {
                    let heard = *heard.get_or_insert_with(|| self.identify(datagram, &message, cx));
                    self.take(&message, heard, cx, &mut received);
                }
                Err(error) => self.reject(error, cx),
            }
        }
        received
    }

    fn identify(&mut self, datagram: Datagram<'_>, first: &MessageView<'_>, cx: &mut Context<'_>) -> Heard {
        let voice = Voice {
            channel: datagram.channel,
            source: datagram.source,
            seq: first.header.seq,
            is_greeting: first.header.flags.contains(Flags::HELLO),
        };
        let identified = self.senders.identify(voice, |id| cx.sync.last_seq(id), cx.now);
        let from = identified.id();
        match identified {
            Identified::Known(_) => {}
            Identified::New(_) => self.begin_tale(from),
            Identified::InPlaceOf(_, address) => {
                cx.sync.forget_sender(from);
                self.begin_tale(from);
                if let Some(senders) = self.evicted.note(cx.now) {
                    cx.out.report(Report::SendersForgotten {
                        len_max: SENDERS_MAX,
                        address,
                        senders,
                    });
                }
            }
        }
        Heard {
            from,
            present: self.present(cx.now),
            now: cx.now,
            next_seq: cx.next_seq,
        }
    }

    /// Tells what a sender will name from what others named.
    fn begin_tale(&mut self, id: SenderId) {
        let node = self.n_tellers;
        self.n_tellers = node.wrapping_add(1);
        let tale = Tale {
            teller: Teller { node, generation: 0 },
            sweep: None,
        };
        match self.tales.get_mut(id.index()) {
            Some(place) => *place = tale,
            None => self.tales.push(tale),
        }
    }

    fn tale(&mut self, id: SenderId) -> &mut Tale {
        let tale = self.tales.get_mut(id.index());
        tale.expect("the tale of a sender begins where it is identified")
    }

    fn take(
        &mut self,
        message: &MessageView<'_>,
        heard: Heard,
        cx: &mut Context<'_>,
        received: &mut Received,
    ) {
        self.stats.messages = self.stats.messages.wrapping_add(1);
        let Outcome {
            verdict,
            bulk,
            must_name,
        } = cx.sync.receive(message, heard, cx.internal, &mut self.stats);
        let has_restarted = matches!(
            bulk,
            Some(BulkCause::PeerRestarted | BulkCause::PeerMayHaveRestarted)
        );
        // The message itself is the new process's.
        if has_restarted || must_name {
            self.greet(heard, cx);
        }
        match verdict {
            Verdict::Data => self.apply(message, heard.from, cx),
            Verdict::BadHeader(error) => self.reject(error, cx),
            Verdict::Control | Verdict::Dropped => {}
        }
        received.is_taken |= matches!(verdict, Verdict::Data | Verdict::Control);
        received.bulk = bulk.or(received.bulk);
    }

    /// Asks a process for its flows; those that it does not name are history.
    ///
    /// Several that are new in one turn are asked together.
    fn greet(&mut self, heard: Heard, cx: &mut Context<'_>) {
        if !heard.present.are_several() || !cx.sync.is_about_to_ask() {
            cx.sync.request_resync();
        }
        self.expect_names_of(heard.from, cx.now);
    }

    /// From here on those that live name their flows; those that they leave out are dropped after a while.
    pub(crate) fn expect_names(&mut self, now: Instant) {
        for id in self.living(now).iter() {
            self.expect_names_of(id, now);
        }
    }

    fn expect_names_of(&mut self, id: SenderId, now: Instant) {
        let tale = self.tale(id);
        tale.teller.begin_generation();
        tale.sweep = Some(Sweep {
            at: now.saturating_add(SWEEP_DELAY),
            slot: 0,
            expect_slot: 0,
        });
    }

    fn apply(&mut self, message: &MessageView<'_>, from: SenderId, cx: &mut Context<'_>) {
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
            self.apply_expectation(kind, message, from, cx)
        } else {
            self.apply_flow(kind, message, from, cx)
        };
        if let Err(error) = applied {
            self.reject(error, cx);
        }
    }

    fn apply_flow(
        &mut self,
        kind: EventKind,
        message: &MessageView<'_>,
        from: SenderId,
        cx: &mut Context<'_>,
    ) -> Result<(), DecodeError> {
        let decoded = wire::decode_flow(message.body, message.body_offset())?;
        self.count_unknown(decoded.unknown_attributes);
        if let Some(inject) = &mut cx.inject {
            inject.tell(kind, &decoded.flow, cx.config, cx.out, cx.now);
            return Ok(());
        }
        let applied = cx
            .external
            .apply(kind, &decoded.flow, self.tale(from).teller, cx.now);
        self.note_applied(applied, from, "external", cx);
        Ok(())
    }

    /// Where expectations are not replicated, a message about one is read and let go.
    fn apply_expectation(
        &mut self,
        kind: EventKind,
        message: &MessageView<'_>,
        from: SenderId,
        cx: &mut Context<'_>,
    ) -> Result<(), DecodeError> {
        let decoded = wire::decode_expectation(message.body, message.body_offset())?;
        self.count_unknown(decoded.unknown_attributes);
        if !cx.config.expectations.is_on() {
            return Ok(());
        }
        if let Some(inject) = &mut cx.inject {
            inject.tell_expectation(kind, &decoded.expectation, cx.config, cx.out, cx.now);
        } else {
            let teller = self.tale(from).teller;
            let applied = cx
                .external
                .apply_expectation(kind, &decoded.expectation, teller, cx.now);
            self.note_applied(applied, from, "external expectation", cx);
        }
        Ok(())
    }

    fn note_applied(
        &mut self,
        applied: Result<bool, CacheFull>,
        from: SenderId,
        cache: &'static str,
        cx: &mut Context<'_>,
    ) {
        match applied {
            Ok(true) => self.put_off_sweep(from, cx.now),
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
    fn put_off_sweep(&mut self, from: SenderId, now: Instant) {
        if let Some(sweep) = &mut self.tale(from).sweep {
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
        let sweeps = self.tales.iter().filter_map(|tale| tale.sweep);
        sweeps.map(|sweep| sweep.at).min()
    }

    /// Drops flows that restarted peers did not name, `len_max` of each in one turn at the most.
    ///
    /// Not before the peer has acknowledged that it was asked for them, and only while it lives: a
    /// peer that cannot name its flows may be the one whose flows are needed next.
    pub(crate) fn sweep(&mut self, sync: &Sync, external: &mut ExternalCache, len_max: u16, now: Instant) {
        let living = self.living(now);
        for (place, tale) in (0..).zip(&mut self.tales) {
            let Some(sweep) = tale.sweep.filter(|sweep| sweep.at <= now) else {
                continue;
            };
            let is_known = !sync.awaits_resync() && living.iter().any(|id| id.index() == place);
            tale.sweep = if is_known {
                sweep.turn(tale.teller, external, len_max, now)
            } else {
                let at = now.saturating_add(SWEEP_DELAY);
                Some(Sweep { at, ..sweep })
            };
        }
    }
}

impl Sweep {
    /// Looks at `len_max` entries; returns how the sweep goes on if some are left.
    fn turn(
        mut self,
        teller: Teller,
        external: &mut ExternalCache,
        len_max: u16,
        now: Instant,
    ) -> Option<Self> {
        const TURN: Duration = Duration::from_millis(1);
        for _ in 0..len_max {
            if !self.step(teller, external) {
                return None;
            }
        }
        let at = now.saturating_add(TURN);
        Some(Self { at, ..self })
    }

    /// Looks at one entry; returns whether there was one left.
    fn step(&mut self, teller: Teller, external: &mut ExternalCache) -> bool {
        if let Some(id) = external.first_from(self.slot) {
            self.slot = id.slot().saturating_add(1);
            if external.is_of_past_generation(id, teller) {
                external.remove(id);
            }
        } else if let Some(id) = external.expectations.first_from(self.expect_slot) {
            self.expect_slot = id.slot().saturating_add(1);
            if external.expectation_is_of_past_generation(id, teller) {
                external.expectations.remove(id);
            }
        } else {
            return false;
        }
        true
    }
}
