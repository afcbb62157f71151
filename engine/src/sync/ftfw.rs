//! FT-FW: every message is acknowledged, what is missing is asked for again.
//!
//! ```text
//!             first transmission            HELLO_BACK received
//!   Init ──────────────────────────► Say ──────────────────────► Done
//!   silent                           HELLO on every message      silent
//! ```
//!
//! The receiver takes messages in sequence. A gap is answered with NACK and never filled: the
//! sender resends the flows of the missing messages in their present state under new numbers.
//! Rules and their reasons: docs/sync-protocol.md, "FT-FW".

use crate::cache::{InternalCache, NodeId};
use crate::config::FtfwConfig;
use crate::seq::Seq;
use crate::stats::ReceiveStats;
use crate::wire::{Content, ControlMessage, Flags, MessageView, SeqRange};

use super::queue::{Element, Queues, Sent};
use super::tracker::{Position, Tracker};
use super::{BulkCause, Outcome, Verdict};

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

/// The FT-FW machine.
#[derive(Debug)]
pub(crate) struct Ftfw {
    config: FtfwConfig,
    hello: Hello,
    /// The peer said HELLO and waits for the answer.
    owes_hello_back: bool,
    /// The last message of the peer said HELLO: more of them belong to the same start.
    peer_says_hello: bool,
    tracker: Tracker,
    /// First message received and not yet acknowledged.
    run_from: Option<Seq>,
    /// Messages left before an acknowledgement is forced.
    ///
    /// It counts from the last *forced* one: closing a run by the alive timer leaves it alone.
    credit: u16,
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
            owes_hello_back: false,
            peer_says_hello: false,
            tracker: Tracker::default(),
            run_from: None,
            credit: config.ack_window.get(),
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

    /// Handles a message; its payload is the caller's business if the verdict is [`Verdict::Data`].
    pub(crate) fn receive(
        &mut self,
        message: &MessageView<'_>,
        queues: &mut Queues,
        internal: &mut InternalCache,
        stats: &mut ReceiveStats,
    ) -> Outcome {
        let (seq, flags) = (message.header.seq, message.header.flags);
        if flags.contains(Flags::HELLO_BACK) && self.hello == Hello::Say {
            self.hello = Hello::Done;
        }
        let mut bulk = None;
        let position = if flags.contains(Flags::HELLO) {
            self.owes_hello_back = true;
            let (position, cause) = self.greet(seq, queues, internal, stats);
            bulk = cause;
            position
        } else {
            self.peer_says_hello = false;
            self.tracker.classify(seq, stats)
        };
        if position == Position::Before {
            return Outcome {
                verdict: Verdict::Dropped,
                bulk,
            };
        }
        let (verdict, asked) = self.digest(message, queues, internal);
        let bulk = bulk.or(asked);
        if matches!(verdict, Verdict::BadHeader(_)) {
            return Outcome { verdict, bulk };
        }
        match position {
            Position::After { first_missing } => self.answer_gap(first_missing, seq, queues),
            Position::First | Position::InSync | Position::Before => self.extend_run(seq, queues),
        }
        self.tracker.store(seq);
        Outcome { verdict, bulk }
    }

    /// Handles a HELLO: the peer is a new process and holds nothing of ours.
    ///
    /// The first HELLO of a start is taken whatever its number. Those that follow until our answer
    /// arrives belong to the same start as long as they are in sequence; one that is not may come
    /// from yet another process. A gap is asked for in any case.
    fn greet(
        &mut self,
        seq: Seq,
        queues: &mut Queues,
        internal: &mut InternalCache,
        stats: &mut ReceiveStats,
    ) -> (Position, Option<BulkCause>) {
        let (position, cause) = if self.peer_says_hello {
            match self.tracker.classify(seq, stats) {
                position @ (Position::First | Position::InSync) => return (position, None),
                position @ Position::After { .. } => (position, BulkCause::PeerMayHaveRestarted),
                Position::Before => (Position::First, BulkCause::PeerMayHaveRestarted),
            }
        } else {
            (Position::First, BulkCause::PeerRestarted)
        };
        self.peer_says_hello = true;
        if position == Position::First {
            self.restart_run(seq);
        }
        self.forget_old_process(queues, internal);
        (position, Some(cause))
    }

    /// Sends again what waited for an old process; what was said about its numbers is void.
    fn forget_old_process(&mut self, queues: &mut Queues, internal: &mut InternalCache) {
        while let Some(sent) = queues.oldest_sent() {
            match sent.element {
                Element::Flow(_) => queues.resend(sent.node),
                Element::Control(_) => release(queues, internal, sent.node),
            }
        }
        self.dropped = None;
    }

    /// Begins the run anew if it began with numbers of an earlier process.
    fn restart_run(&mut self, seq: Seq) {
        if self.run_from.is_some_and(|from| seq.is_before(from)) {
            self.run_from = Some(seq);
            self.credit = self.credit_after_one();
        }
    }

    fn digest(
        &mut self,
        message: &MessageView<'_>,
        queues: &mut Queues,
        internal: &mut InternalCache,
    ) -> (Verdict, Option<BulkCause>) {
        match message.content() {
            Ok(Content::Flow(_) | Content::Expectation(_)) => (Verdict::Data, None),
            Ok(Content::Ack(range)) => {
                self.acknowledge(range, queues, internal);
                (Verdict::Control, None)
            }
            Ok(Content::Nack(range)) => (Verdict::Control, self.resend(range, queues)),
            Ok(Content::Resync) => (Verdict::Control, Some(BulkCause::PeerAsked)),
            Ok(Content::Alive) => (Verdict::Control, None),
            Err(error) => (Verdict::BadHeader(error), None),
        }
    }

    fn acknowledge(
        &mut self,
        SeqRange { from, to }: SeqRange,
        queues: &mut Queues,
        internal: &mut InternalCache,
    ) {
        let mut next = queues.oldest_sent();
        while let Some(sent) = next {
            if sent.seq.is_after(to) {
                break;
            }
            next = queues.sent_after(sent.node);
            if !sent.seq.is_before(from) {
                release(queues, internal, sent.node);
            }
        }
        if let Some((first, last)) = self.dropped
            && !first.is_before(from)
            && !first.is_after(to)
        {
            self.dropped = to.is_before(last).then_some((to.next(), last));
        }
    }

    /// Sends again what is left of a range; asks for a bulk if flows of it may be gone.
    fn resend(&mut self, SeqRange { from, to }: SeqRange, queues: &mut Queues) -> Option<BulkCause> {
        let mut next = queues.oldest_sent();
        while let Some(sent) = next {
            if sent.seq.is_after(to) {
                break;
            }
            next = queues.sent_after(sent.node);
            if !sent.seq.is_before(from) {
                queues.resend(sent.node);
            }
        }
        let (first, last) = self.dropped?;
        if last.is_before(from) || first.is_after(to) {
            return None;
        }
        self.dropped = None;
        Some(BulkCause::LostBeyondResend)
    }

    fn answer_gap(&mut self, first_missing: Seq, seq: Seq, queues: &mut Queues) {
        if let Some(from) = self.run_from {
            queues.push_tx(Element::Control(ControlMessage::Ack(SeqRange {
                from,
                to: first_missing.previous(),
            })));
        }
        queues.push_tx(Element::Control(ControlMessage::Nack(SeqRange {
            from: first_missing,
            to: seq.previous(),
        })));
        self.credit = self.credit_after_one();
        self.run_from = Some(seq);
    }

    fn extend_run(&mut self, seq: Seq, queues: &mut Queues) {
        let from = *self.run_from.get_or_insert(seq);
        self.credit = self.credit.saturating_sub(1);
        if self.credit == 0 {
            queues.push_tx(Element::Control(ControlMessage::Ack(SeqRange { from, to: seq })));
            self.credit = self.config.ack_window.get();
            self.run_from = None;
        }
    }

    /// Returns the credit left when a run has just begun: at least one, or no ACK would be forced.
    fn credit_after_one(&self) -> u16 {
        self.config.ack_window.get().saturating_sub(1).max(1)
    }

    /// Handles the alive timer: acknowledges what came, or shows that we live.
    pub(crate) fn alive(&mut self, queues: &mut Queues) {
        let message = match (self.run_from.take(), self.tracker.last()) {
            (Some(from), Some(to)) => ControlMessage::Ack(SeqRange { from, to }),
            _ => ControlMessage::Alive,
        };
        queues.push_tx(Element::Control(message));
    }

    /// Sends again what waited for its acknowledgement since before the last look, `len_max`
    /// elements at most.
    ///
    /// A peer that lives acknowledges within two seconds, or asks again. What it does neither of
    /// it will never do: it is another process than the one that was spoken to.
    pub(crate) fn resend_stale(&mut self, len_max: u16, next_seq: Seq, queues: &mut Queues) {
        if let Some(mark) = self.looked_at.replace(next_seq) {
            for _ in 0..len_max {
                match queues.oldest_sent() {
                    Some(sent) if sent.seq.is_before(mark) => queues.resend(sent.node),
                    Some(_) | None => break,
                }
            }
        }
    }

    /// Forgets the last look: the peer is silent, so that nothing can be told from its silence.
    pub(crate) fn forget_look(&mut self) {
        self.looked_at = None;
    }

    /// Returns the flags for the next message: HELLO until it is answered, HELLO_BACK once for each HELLO.
    pub(crate) fn next_flags(&mut self) -> Flags {
        if self.hello == Hello::Init {
            self.hello = Hello::Say;
        }
        let mut flags = Flags::NONE;
        if self.hello == Hello::Say {
            flags = flags | Flags::HELLO;
        }
        if core::mem::take(&mut self.owes_hello_back) {
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
            if matches!(oldest.element, Element::Flow(_)) {
                let first = self.dropped.map_or(oldest.seq, |(first, _)| first);
                self.dropped = Some((first, oldest.seq));
            }
            release(queues, internal, oldest.node);
        }
        queues.push_resend(sent.node, sent.seq);
    }
}

/// Removes an element from the resend queue for good; a dead flow leaves the cache with it.
fn release(queues: &mut Queues, internal: &mut InternalCache, node: NodeId) {
    if let Element::Flow(flow) = queues.remove(node) {
        internal.release(flow);
    }
}
