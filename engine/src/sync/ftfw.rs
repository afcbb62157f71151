//! FT-FW: every message is acknowledged, what is missing is asked for again.
//!
//! ```text
//!             first transmission            HELLO_BACK received
//!   Init ──────────────────────────► Say ──────────────────────► Done
//!   silent                           HELLO on every message      silent
//!                                         ▲                         │
//!                                         └─ ACK or NACK of a number not sent yet
//! ```
//!
//! The receiver takes messages in sequence. A gap is answered with NACK and never filled: the
//! sender resends the flows of the missing messages in their present state under new numbers.
//! Rules and their reasons: docs/sync-protocol.md, "FT-FW".

mod reception;

use core::time::Duration;

use crate::cache::{InternalCache, NodeId};
use crate::config::FtfwConfig;
use crate::senders::{self, SenderId, SenderSet};
use crate::seq::Seq;
use crate::stats::ReceiveStats;
use crate::time::Instant;
use crate::wire::{Content, ControlMessage, Flags, MessageView, SeqRange};

use super::by_sender::BySender;
use super::queue::{Element, Queues, Sent};
use super::tracker::Position;
use super::{BulkCause, Heard, Look, Outcome, Stale, Verdict};
use reception::Reception;

/// Time for which we go on to say HELLO after the first answer, if there are peers that have not answered.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// What we say about our own start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hello {
    /// Nothing was sent yet.
    Init,
    /// The peer has not answered yet.
    Say,
    /// The peer knows.
    Done,
}

/// Whose messages an acknowledgement speaks of; it names no addressee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// Ours.
    Us,
    /// Ours, or another sender's with numbers that are near.
    UsOrAnother,
    /// Another sender's.
    Another,
    /// Those of a process that was there before us.
    OldProcess,
}

/// The FT-FW machine.
#[derive(Debug)]
pub(crate) struct Ftfw {
    config: FtfwConfig,
    hello: Hello,
    /// Number of our first message, until the peer has spoken of ours alone.
    first_seq: Option<Seq>,
    /// When the first peer answered our greeting, while others have not.
    first_answer: Option<Instant>,
    /// What came from each sender.
    receptions: BySender<Reception>,
    /// Those that have greeted or acknowledged, and so will.
    acknowledging: SenderSet,
    /// Flows sent with numbers in this range may have left the resend queue unacknowledged.
    dropped: Option<(Seq, Seq)>,
    /// Elements dropped because the resend queue was full.
    overflowed: u64,
    /// Number of the first message sent since the last look at the resend queue.
    looked_at: Option<Seq>,
}

impl Ftfw {
    /// Returns the machine at process start.
    #[must_use]
    pub(crate) fn new(config: FtfwConfig) -> Self {
        Self {
            config,
            hello: Hello::Init,
            first_seq: None,
            first_answer: None,
            receptions: BySender::default(),
            acknowledging: SenderSet::EMPTY,
            dropped: None,
            overflowed: 0,
            looked_at: None,
        }
    }

    /// Returns how many elements were dropped because the resend queue was full.
    #[must_use]
    pub(crate) fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Returns the number of the last message taken from a sender.
    pub(crate) fn last_seq(&self, from: SenderId) -> Option<Seq> {
        self.receptions.get(from)?.last()
    }

    /// Forgets a sender whose place another takes.
    pub(crate) fn forget_sender(&mut self, id: SenderId, queues: &mut Queues) {
        self.receptions.reset(id);
        if self.acknowledging.contains(id) {
            self.acknowledging.remove(id);
            queues.forget_acks(id);
        }
    }

    /// Handles a message; its payload is the caller's business if the verdict is [`Verdict::Data`].
    pub(crate) fn receive(
        &mut self,
        message: &MessageView<'_>,
        heard: Heard,
        queues: &mut Queues,
        internal: &mut InternalCache,
        stats: &mut ReceiveStats,
    ) -> Outcome {
        let (seq, flags) = (message.header.seq, message.header.flags);
        self.note_acknowledging(message, heard.from);
        let are_several = self.awaited(heard).are_several();
        let mut must_name = flags.contains(Flags::HELLO_BACK) && self.note_answer(seq, heard);
        let reception = self.receptions.of(heard.from);
        let (position, cause) = if flags.contains(Flags::HELLO) {
            reception.greet(seq, are_several, stats, heard.now)
        } else {
            let is_late_guest = heard.present.are_several() && !flags.contains(Flags::HELLO_BACK);
            reception.follow(seq, is_late_guest, stats)
        };
        let mut bulk = cause;
        if flags.contains(Flags::HELLO) && cause.is_some() {
            self.forget_old_process(heard, queues, internal);
        } else {
            must_name |= self.receptions.of(heard.from).note_gap(seq, position);
        }
        if position == Position::Before {
            return Outcome {
                verdict: Verdict::Dropped,
                bulk,
                must_name,
            };
        }
        let (verdict, asked) = self.digest(message, heard, queues, internal);
        bulk = bulk.or(asked);
        if !matches!(verdict, Verdict::BadHeader(_)) {
            let window = window(self.config);
            self.receptions.of(heard.from).take(seq, position, window, queues);
        }
        if verdict == Verdict::Data {
            self.receptions.of(heard.from).note_told();
        }
        Outcome {
            verdict,
            bulk,
            must_name,
        }
    }

    /// Notes whether a sender speaks FT-FW: of others no acknowledgement comes.
    fn note_acknowledging(&mut self, message: &MessageView<'_>, from: SenderId) {
        let flags = message.header.flags;
        let is_greeting = flags.contains(Flags::HELLO) || flags.contains(Flags::HELLO_BACK);
        if is_greeting || matches!(message.content(), Ok(Content::Ack(_) | Content::Nack(_))) {
            self.acknowledging.insert(from);
        }
    }

    /// Returns whose acknowledgements a message of ours is kept for.
    fn awaited(&self, heard: Heard) -> SenderSet {
        self.acknowledging.and(heard.present)
    }

    /// Handles a HELLO_BACK; it names no addressee, so all who are there must have sent one. Tells
    /// whether its sender must name its flows.
    fn note_answer(&mut self, seq: Seq, heard: Heard) -> bool {
        if self.hello != Hello::Say {
            return false;
        }
        let must_name = self.receptions.of(heard.from).note_answer(seq);
        let awaited = self.awaited(heard);
        let is_answered = self.receptions.among(awaited).all(|(_, peer)| peer.knows_of_us());
        if is_answered {
            self.hello = Hello::Done;
        } else {
            self.first_answer.get_or_insert(heard.now);
        }
        must_name
    }

    /// Sends again what waited for an old process; what was said about its numbers is void.
    ///
    /// Where others wait for the same messages they stay, and the new process, which gets a bulk, is
    /// not waited for; but a request for its flows it must have.
    fn forget_old_process(&mut self, heard: Heard, queues: &mut Queues, internal: &mut InternalCache) {
        if self.awaited(heard).are_several() {
            let mut next = queues.oldest_sent();
            while let Some(sent) = next {
                if sent.element == Element::Control(ControlMessage::Resync) {
                    queues.forget_ack(sent.node, heard.from);
                } else {
                    queues.acknowledge(sent.node, heard.from);
                }
                next = queues.sent_after(sent.node);
            }
            return;
        }
        while let Some(sent) = queues.oldest_sent() {
            match sent.element {
                Element::Flow(_) | Element::Expectation(_) => queues.resend(sent.node),
                Element::Control(_) => release(queues, internal, sent.node),
            }
        }
        self.dropped = None;
    }

    fn digest(
        &mut self,
        message: &MessageView<'_>,
        heard: Heard,
        queues: &mut Queues,
        internal: &mut InternalCache,
    ) -> (Verdict, Option<BulkCause>) {
        match message.content() {
            Ok(Content::Flow(_) | Content::Expectation(_)) => (Verdict::Data, None),
            Ok(Content::Ack(range)) => {
                self.acknowledge(range, heard, queues, internal);
                (Verdict::Control, None)
            }
            Ok(Content::Nack(range)) => (Verdict::Control, self.resend(range, heard, queues)),
            Ok(Content::Resync) => (Verdict::Control, Some(BulkCause::PeerAsked)),
            Ok(Content::Alive) => (Verdict::Control, None),
            Err(error) => (Verdict::BadHeader(error), None),
        }
    }

    /// Tells whose messages a range speaks of, and greets again if it is those of an earlier process:
    /// the peer takes us for that one, and what ended our greeting was its answer to it.
    ///
    /// Of a sole peer all are ours that are not of an earlier process. Numbers before our first are
    /// looked at until it has once spoken of ours alone: later they come round again.
    fn subject(&mut self, range: SeqRange, heard: Heard) -> Subject {
        let is_before_us = self.first_seq.is_some_and(|first| range.from.is_before(first));
        let is_ours = !is_before_us && range.to.is_before(heard.next_seq);
        let are_several = self.awaited(heard).are_several();
        let is_near = |(id, other): (SenderId, &Reception)| {
            id != heard.from && other.last().is_some_and(|last| senders::is_near(range.to, last))
        };
        let may_be_anothers = are_several && self.receptions.among(heard.present).any(is_near);
        match (is_ours, may_be_anothers) {
            (true, true) => Subject::UsOrAnother,
            (false, true) => Subject::Another,
            (true, false) => {
                self.first_seq = None;
                Subject::Us
            }
            (false, false) => {
                self.greet_again();
                Subject::OldProcess
            }
        }
    }

    fn greet_again(&mut self) {
        if self.hello == Hello::Done {
            self.hello = Hello::Say;
            self.first_answer = None;
            for peer in self.receptions.iter_mut() {
                peer.expect_answer();
            }
        }
    }

    /// Handles an ACK. Its range leaves the resend queue if everybody that is there has acknowledged
    /// it; if it may speak of another's messages it stays until the next look, for a NACK may follow.
    fn acknowledge(
        &mut self,
        range: SeqRange,
        heard: Heard,
        queues: &mut Queues,
        internal: &mut InternalCache,
    ) {
        let awaited = self.awaited(heard);
        let subject = self.subject(range, heard);
        if subject == Subject::Another || (subject == Subject::OldProcess && awaited.are_several()) {
            return;
        }
        for_each_sent(range, queues, |queues, node| {
            let acked_by = queues.acknowledge(node, heard.from);
            if subject != Subject::UsOrAnother && acked_by.contains_all(awaited) {
                self.release(queues, internal, node, acked_by);
            }
        });
        let SeqRange { from, to } = range;
        if let Some((first, last)) = self.dropped
            && subject != Subject::UsOrAnother
            && !awaited.are_several()
            && !first.is_before(from)
            && !first.is_after(to)
        {
            self.dropped = to.is_before(last).then_some((to.next(), last));
        }
    }

    /// Removes an element that all who are there have acknowledged. A peer that was heard before, is
    /// not there and has not acknowledged it gets a bulk when it comes back.
    fn release(
        &mut self,
        queues: &mut Queues,
        internal: &mut InternalCache,
        node: NodeId,
        acked_by: SenderSet,
    ) {
        if !acked_by.contains_all(self.acknowledging) {
            for id in self.acknowledging.iter().filter(|id| !acked_by.contains(*id)) {
                self.receptions.of(id).has_missed = true;
            }
        }
        release(queues, internal, node);
    }

    /// Sends again what is left of a range; asks for a bulk if flows of it may be gone.
    fn resend(&mut self, range: SeqRange, heard: Heard, queues: &mut Queues) -> Option<BulkCause> {
        let subject = self.subject(range, heard);
        if subject == Subject::Another {
            return None;
        }
        let SeqRange { from, to } = range;
        for_each_sent(range, queues, Queues::resend);
        let (first, last) = self.dropped?;
        if last.is_before(from) || first.is_after(to) {
            return None;
        }
        self.dropped = None;
        Some(BulkCause::LostBeyondResend)
    }

    /// Handles the alive timer: acknowledges what came from each sender, or shows that we live.
    pub(crate) fn alive(&mut self, queues: &mut Queues) {
        let mut has_acknowledged = false;
        for run in self.receptions.iter_mut().filter_map(Reception::take_run) {
            has_acknowledged = true;
            queues.push_tx(Element::Control(ControlMessage::Ack(run)));
        }
        if !has_acknowledged {
            queues.push_tx(Element::Control(ControlMessage::Alive));
        }
    }

    /// Sends again what waited for an acknowledgement since before the last look and a peer that lives
    /// has not given; a bulk is due if flows from that time have left the resend queue.
    ///
    /// A peer that lives acknowledges within two seconds, or asks again. What it does neither of
    /// it will never do: it is another process than the one that was spoken to, or its question
    /// was lost and has left its own resend queue. What all have acknowledged and nobody has asked for
    /// since the last look has arrived.
    pub(crate) fn resend_stale(
        &mut self,
        look: Look,
        queues: &mut Queues,
        internal: &mut InternalCache,
    ) -> Stale {
        let mut stale = Stale::default();
        let Some(mark) = self.looked_at.replace(look.next_seq) else {
            return stale;
        };
        let awaited = self.acknowledging.and(look.present);
        let living = self.acknowledging.and(look.living);
        let has_all =
            |of: SenderSet, acked_by: SenderSet| of != SenderSet::EMPTY && acked_by.contains_all(of);
        let mut n_left = look.len_max;
        let mut next = queues.oldest_sent();
        while let Some(sent) = next.filter(|sent| sent.seq.is_before(mark) && n_left > 0) {
            next = queues.sent_after(sent.node);
            let acked_by = queues.acked_by(sent.node);
            if has_all(awaited, acked_by) {
                self.release(queues, internal, sent.node, acked_by);
            } else if !has_all(living, acked_by) {
                stale.asks_again |= sent.element == Element::Control(ControlMessage::Resync);
                queues.resend(sent.node);
                n_left = n_left.saturating_sub(1);
            }
        }
        let has_lost = self.dropped.take_if(|(_, last)| last.is_before(mark)).is_some();
        stale.bulk = has_lost.then_some(BulkCause::LostBeyondResend);
        stale
    }

    /// Forgets the last look: the peer is silent, so that nothing can be told from its silence.
    pub(crate) fn forget_look(&mut self) {
        self.looked_at = None;
    }

    /// Returns the flags for the next message: HELLO until it is answered, HELLO_BACK once for each HELLO.
    pub(crate) fn next_flags(&mut self, seq: Seq, now: Instant) -> Flags {
        if self.hello == Hello::Init {
            self.hello = Hello::Say;
            self.first_seq = Some(seq);
        }
        let is_answered = |at: Instant| now.saturating_since(at) > ANSWERS_WITHIN;
        if self.hello == Hello::Say && self.first_answer.is_some_and(is_answered) {
            self.hello = Hello::Done;
        }
        let mut flags = Flags::NONE;
        if self.hello == Hello::Say {
            flags = flags | Flags::HELLO;
        }
        let mut owes_answer = false;
        for peer in self.receptions.iter_mut() {
            owes_answer |= peer.answer(now);
        }
        if owes_answer {
            flags = flags | Flags::HELLO_BACK;
        }
        flags
    }

    /// Keeps a sent element until it is acknowledged; ALIVE is not worth it.
    pub(crate) fn sent(&mut self, sent: Sent, queues: &mut Queues, internal: &mut InternalCache) {
        if sent.element == Element::Control(ControlMessage::Alive) {
            queues.free(sent.node);
            return;
        }
        if queues.resend_len() >= self.config.resend_queue_len_max.get()
            && let Some(oldest) = queues.oldest_sent()
        {
            self.overflowed = self.overflowed.saturating_add(1);
            if !matches!(oldest.element, Element::Control(_)) {
                let first = self.dropped.map_or(oldest.seq, |(first, _)| first);
                self.dropped = Some((first, oldest.seq));
            }
            super::give_up(queues.remove(oldest.node), internal);
        }
        queues.push_resend(sent.node, sent.seq);
    }
}

/// Returns the messages to one ACK: two at least, or two nodes would acknowledge each other's
/// acknowledgements for ever.
fn window(config: FtfwConfig) -> u16 {
    config.ack_window.get().max(2)
}

/// Calls `take` with each element of the resend queue that was sent with a number in `range`; it
/// may take the element out of the queue.
fn for_each_sent(
    SeqRange { from, to }: SeqRange,
    queues: &mut Queues,
    mut take: impl FnMut(&mut Queues, NodeId),
) {
    let mut next = queues.oldest_sent();
    while let Some(sent) = next.filter(|sent| !sent.seq.is_after(to)) {
        next = queues.sent_after(sent.node);
        if !sent.seq.is_before(from) {
            take(queues, sent.node);
        }
    }
}

/// Removes an element from the resend queue for good; what is dead leaves the cache with it.
fn release(queues: &mut Queues, internal: &mut InternalCache, node: NodeId) {
    super::release(queues.remove(node), internal);
}

#[cfg(test)]
mod tests;
