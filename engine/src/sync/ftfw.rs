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

use core::time::Duration;

use crate::cache::{InternalCache, NodeId};
use crate::config::FtfwConfig;
use crate::seq::Seq;
use crate::stats::ReceiveStats;
use crate::time::Instant;
use crate::wire::{Content, ControlMessage, Flags, MessageView, SeqRange};

use super::queue::{Element, Queues, Sent};
use super::tracker::{Position, Tracker};
use super::{BulkCause, Outcome, Stale, Verdict};

/// Time within which the peer's process has our HELLO_BACK, unless that was lost.
const ANSWER_WITHIN: Duration = Duration::from_millis(300);

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
    /// Number of our first message, until the peer has spoken of ours alone.
    first_seq: Option<Seq>,
    /// When HELLO_BACK was sent to the start that the peer speaks of.
    answered: Option<Instant>,
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
            first_seq: None,
            answered: None,
            tracker: Tracker::default(),
            run_from: None,
            credit: window(config),
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
        now: Instant,
        next_seq: Seq,
    ) -> Outcome {
        let (seq, flags) = (message.header.seq, message.header.flags);
        if flags.contains(Flags::HELLO_BACK) && self.hello == Hello::Say {
            self.hello = Hello::Done;
        }
        let mut bulk = None;
        let position = if flags.contains(Flags::HELLO) {
            self.owes_hello_back = true;
            let (position, cause) = self.greet(seq, queues, internal, stats, now);
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
        let (verdict, asked) = self.digest(message, queues, internal, next_seq);
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
    /// arrives belong to the same start as long as they are in sequence; one that is not, or that
    /// comes when the answer must have arrived, may be of yet another process: one that sent a message
    /// a second and is started again goes on with the same numbers. A gap is asked for in any case.
    fn greet(
        &mut self,
        seq: Seq,
        queues: &mut Queues,
        internal: &mut InternalCache,
        stats: &mut ReceiveStats,
        now: Instant,
    ) -> (Position, Option<BulkCause>) {
        let (position, cause) = if self.peer_says_hello {
            let has_heard_us = self
                .answered
                .is_some_and(|at| now.saturating_since(at) > ANSWER_WITHIN);
            match self.tracker.classify(seq, stats) {
                position @ (Position::First | Position::InSync) if !has_heard_us => return (position, None),
                position @ (Position::First | Position::InSync | Position::After { .. }) => {
                    (position, BulkCause::PeerMayHaveRestarted)
                }
                Position::Before => (Position::First, BulkCause::PeerMayHaveRestarted),
            }
        } else {
            (Position::First, BulkCause::PeerRestarted)
        };
        self.peer_says_hello = true;
        self.answered = None;
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
                Element::Flow(_) | Element::Expectation(_) => queues.resend(sent.node),
                Element::Control(_) => release(queues, internal, sent.node),
            }
        }
        self.dropped = None;
    }

    /// Begins the run anew if it began with numbers of an earlier process.
    fn restart_run(&mut self, seq: Seq) {
        if self.run_from.is_some() {
            self.run_from = Some(seq);
            self.credit = self.credit_after_one();
        }
    }

    fn digest(
        &mut self,
        message: &MessageView<'_>,
        queues: &mut Queues,
        internal: &mut InternalCache,
        next_seq: Seq,
    ) -> (Verdict, Option<BulkCause>) {
        match message.content() {
            Ok(Content::Flow(_) | Content::Expectation(_)) => (Verdict::Data, None),
            Ok(Content::Ack(range)) => {
                self.doubt_greeting(range, next_seq);
                self.acknowledge(range, queues, internal);
                (Verdict::Control, None)
            }
            Ok(Content::Nack(range)) => {
                self.doubt_greeting(range, next_seq);
                (Verdict::Control, self.resend(range, queues))
            }
            Ok(Content::Resync) => (Verdict::Control, Some(BulkCause::PeerAsked)),
            Ok(Content::Alive) => (Verdict::Control, None),
            Err(error) => (Verdict::BadHeader(error), None),
        }
    }

    /// Greets again if the peer speaks of messages that we have not sent: it takes us for an earlier
    /// process, and what ended our greeting was its answer to that one.
    ///
    /// Numbers before our first are looked at until it has once spoken of ours alone: later they
    /// come round again.
    fn doubt_greeting(&mut self, range: SeqRange, next_seq: Seq) {
        let is_before_us = self.first_seq.is_some_and(|first| range.from.is_before(first));
        if is_before_us || !range.to.is_before(next_seq) {
            if self.hello == Hello::Done {
                self.hello = Hello::Say;
            }
        } else {
            self.first_seq = None;
        }
    }

    fn acknowledge(&mut self, range: SeqRange, queues: &mut Queues, internal: &mut InternalCache) {
        let SeqRange { from, to } = range;
        for_each_sent(range, queues, |queues, node| release(queues, internal, node));
        if let Some((first, last)) = self.dropped
            && !first.is_before(from)
            && !first.is_after(to)
        {
            self.dropped = to.is_before(last).then_some((to.next(), last));
        }
    }

    /// Sends again what is left of a range; asks for a bulk if flows of it may be gone.
    fn resend(&mut self, range: SeqRange, queues: &mut Queues) -> Option<BulkCause> {
        let SeqRange { from, to } = range;
        for_each_sent(range, queues, Queues::resend);
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
            self.credit = window(self.config);
            self.run_from = None;
        }
    }

    /// Returns the credit left when a run has just begun: at least one, or no ACK would be forced.
    fn credit_after_one(&self) -> u16 {
        window(self.config).saturating_sub(1)
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
    /// elements at most; a bulk is due if flows from that time have left the resend queue.
    ///
    /// A peer that lives acknowledges within two seconds, or asks again. What it does neither of
    /// it will never do: it is another process than the one that was spoken to, or its question
    /// was lost and has left its own resend queue.
    pub(crate) fn resend_stale(&mut self, len_max: u16, next_seq: Seq, queues: &mut Queues) -> Stale {
        let mut stale = Stale::default();
        let Some(mark) = self.looked_at.replace(next_seq) else {
            return stale;
        };
        for _ in 0..len_max {
            match queues.oldest_sent() {
                Some(sent) if sent.seq.is_before(mark) => {
                    stale.asks_again |= sent.element == Element::Control(ControlMessage::Resync);
                    queues.resend(sent.node);
                }
                Some(_) | None => break,
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
        let mut flags = Flags::NONE;
        if self.hello == Hello::Say {
            flags = flags | Flags::HELLO;
        }
        if core::mem::take(&mut self.owes_hello_back) {
            self.answered.get_or_insert(now);
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
mod tests {
    use super::*;
    use crate::cache::HashKey;
    use crate::config::StartupResync;
    use crate::wire::{self, Change, EncodeOptions, Timeouts, WindowScales, encode_control, encode_flow};
    use alloc::string::String;
    use alloc::vec::Vec;
    use core::num::{NonZeroU16, NonZeroU32};

    const WINDOW: u16 = 5;

    /// A machine that has taken message 100, with messages 200 to 204 unacknowledged.
    struct Bench {
        ftfw: Ftfw,
        queues: Queues,
        internal: InternalCache,
        stats: ReceiveStats,
    }

    impl Bench {
        fn new() -> Self {
            let config = FtfwConfig {
                ack_window: NonZeroU16::new(WINDOW).unwrap(),
                resend_queue_len_max: NonZeroU32::new(100).unwrap(),
                startup_resync: StartupResync::Off,
            };
            let mut ftfw = Ftfw::new(config);
            ftfw.tracker.store(Seq(100));
            (ftfw.run_from, ftfw.credit) = (Some(Seq(100)), WINDOW - 1);
            let mut queues = Queues::default();
            for seq in 200..205 {
                queues.push_tx(Element::Control(ControlMessage::Resync));
                let (node, _) = queues.pop_tx().unwrap();
                queues.push_resend(node, Seq(seq));
            }
            let internal = InternalCache::new(NonZeroU32::new(10).unwrap(), HashKey(1, 2));
            Self {
                ftfw,
                queues,
                internal,
                stats: ReceiveStats::default(),
            }
        }

        fn receive(&mut self, bytes: &[u8]) -> Outcome {
            let message = wire::messages(bytes).next().unwrap().unwrap();
            let outcome = self.ftfw.receive(
                &message,
                &mut self.queues,
                &mut self.internal,
                &mut self.stats,
                Instant::START,
                Seq(1_000),
            );
            self.queues.check_invariants();
            outcome
        }

        /// Tells what is to be sent and how many elements still wait.
        fn tell(&mut self) -> String {
            let mut told = Vec::new();
            while let Some((node, element)) = self.queues.pop_tx() {
                self.queues.free(node);
                told.push(match element {
                    Element::Flow(_) => "flow".into(),
                    Element::Expectation(_) => "expectation".into(),
                    Element::Control(ControlMessage::Alive) => "ALIVE".into(),
                    Element::Control(ControlMessage::Resync) => "RESYNC".into(),
                    Element::Control(ControlMessage::Ack(range)) => {
                        alloc::format!("ACK {}-{}", range.from.0, range.to.0)
                    }
                    Element::Control(ControlMessage::Nack(range)) => {
                        alloc::format!("NACK {}-{}", range.from.0, range.to.0)
                    }
                });
            }
            alloc::format!("{} | {} wait", told.join(" "), self.queues.resend_len())
        }
    }

    fn control(message: ControlMessage, hello: Flags, seq: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_control(&mut bytes, message, hello, Seq(seq));
        bytes
    }

    fn data(seq: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let flow = crate::testing::tcp(1, crate::flow::TcpState::ESTABLISHED);
        let options = EncodeOptions {
            timeouts: Timeouts::Send,
            window_scales: WindowScales::Omit,
        };
        encode_flow(&mut bytes, Change::New, Flags::NONE, Seq(seq), &flow, options);
        bytes
    }

    #[test]
    fn every_message_in_every_position_is_answered_as_told() {
        use ControlMessage::{Ack, Alive, Nack, Resync};
        let range = |from, to| SeqRange {
            from: Seq(from),
            to: Seq(to),
        };
        let asked = Some(BulkCause::PeerAsked);
        let (data_at, at) = (data, |message| move |seq| control(message, Flags::NONE, seq));
        type Make<'a> = &'a dyn Fn(u32) -> Vec<u8>;
        let (ack, nack) = (at(Ack(range(201, 202))), at(Nack(range(203, 900))));
        let (resync, alive) = (at(Resync), at(Alive));
        let messages: [(&str, Make<'_>, &str, u32, Option<BulkCause>); 5] = [
            ("data", &data_at, "", 5, None),
            ("ACK", &ack, "", 3, None),
            ("NACK", &nack, "RESYNC RESYNC ", 3, None),
            ("RESYNC", &resync, "", 5, asked),
            ("ALIVE", &alive, "", 5, None),
        ];
        for (name, make, resent, waiting, bulk) in messages {
            for (position, seq) in [("in sequence", 101), ("after", 104), ("before", 100)] {
                let mut bench = Bench::new();
                let outcome = bench.receive(&make(seq));
                let context = alloc::format!("{name} {position}");
                let want = match position {
                    "in sequence" => alloc::format!("{} | {waiting} wait", resent.trim_end()),
                    "after" => alloc::format!("{resent}ACK 100-100 NACK 101-103 | {waiting} wait"),
                    _ => " | 5 wait".into(),
                };
                assert_eq!(bench.tell(), want, "{context}");
                let is_taken = position != "before";
                assert_eq!(outcome.bulk, bulk.filter(|_| is_taken), "{context}");
                assert_eq!(outcome.verdict != Verdict::Dropped, is_taken, "{context}");
            }
        }
    }

    #[test]
    fn hello_frees_what_waited_whatever_its_number() {
        for seq in [100, 101, 104, 7] {
            let mut bench = Bench::new();
            let outcome = bench.receive(&control(ControlMessage::Alive, Flags::HELLO, seq));
            assert_eq!(outcome.bulk, Some(BulkCause::PeerRestarted), "seq {seq}");
            assert_eq!(
                bench.tell(),
                " | 0 wait",
                "seq {seq}: no gap is seen in a new process"
            );
            assert!(
                bench
                    .ftfw
                    .next_flags(Seq(1_000), Instant::START)
                    .contains(Flags::HELLO_BACK)
            );
            assert!(
                !bench
                    .ftfw
                    .next_flags(Seq(1_000), Instant::START)
                    .contains(Flags::HELLO_BACK),
                "one answer a HELLO"
            );
        }
    }

    #[test]
    fn an_acknowledgement_of_what_was_not_sent_begins_the_greeting_anew() {
        for (to, is_said) in [(999, false), (1_000, true)] {
            let mut bench = Bench::new();
            bench.ftfw.hello = Hello::Done;
            let range = SeqRange {
                from: Seq(200),
                to: Seq(to),
            };
            bench.receive(&control(ControlMessage::Ack(range), Flags::NONE, 101));
            let flags = bench.ftfw.next_flags(Seq(1_000), Instant::START);
            assert_eq!(
                flags.contains(Flags::HELLO),
                is_said,
                "next is 1000, ACK up to {to}"
            );
        }
    }

    #[test]
    fn a_window_of_one_still_forces_acknowledgements_after_a_loss() {
        let mut bench = Bench::new();
        bench.ftfw.config.ack_window = NonZeroU16::MIN;
        bench.receive(&data(104));
        bench.tell();
        bench.receive(&data(105));
        assert_eq!(bench.tell(), "ACK 104-105 | 5 wait");
    }

    #[test]
    fn the_alive_timer_acknowledges_without_restoring_the_credit() {
        let mut bench = Bench::new();
        bench.ftfw.alive(&mut bench.queues);
        assert_eq!(bench.tell(), "ACK 100-100 | 5 wait");
        bench.ftfw.alive(&mut bench.queues);
        assert_eq!(bench.tell(), "ALIVE | 5 wait");
        for seq in 101..=104 {
            bench.receive(&data(seq));
        }
        assert_eq!(
            bench.tell(),
            "ACK 101-104 | 5 wait",
            "four more make five since the last forced one"
        );
    }

    #[test]
    fn a_full_resend_queue_drops_its_oldest_and_remembers_that_a_flow_is_lost() {
        let mut bench = Bench::new();
        bench.ftfw.config.resend_queue_len_max = NonZeroU32::new(5).unwrap();
        for seq in 205..=206 {
            let node = bench.queues.push_tx(Element::Control(ControlMessage::Resync));
            bench.queues.pop_tx();
            let element = Element::Control(ControlMessage::Resync);
            bench.ftfw.sent(
                Sent {
                    node,
                    seq: Seq(seq),
                    element,
                },
                &mut bench.queues,
                &mut bench.internal,
            );
        }
        assert_eq!((bench.ftfw.overflowed(), bench.queues.resend_len()), (2, 5));
        assert_eq!(bench.queues.oldest_sent().unwrap().seq, Seq(202));
        bench.ftfw.dropped = Some((Seq(190), Seq(195)));
        let nack = |from, to| {
            control(
                ControlMessage::Nack(SeqRange {
                    from: Seq(from),
                    to: Seq(to),
                }),
                Flags::NONE,
                101,
            )
        };
        assert_eq!(
            bench.receive(&nack(180, 192)).bulk,
            Some(BulkCause::LostBeyondResend)
        );
    }
}
