//! What FT-FW keeps of one sender: where its numbers stand, what of them is acknowledged, how it greets.

use core::time::Duration;

use crate::seq::Seq;
use crate::stats::ReceiveStats;
use crate::time::Instant;
use crate::wire::{ControlMessage, SeqRange};

use super::super::queue::{Element, Queues};
use super::super::tracker::{Position, Tracker};
use super::BulkCause;

/// Time within which the peer's process has our HELLO_BACK, unless that was lost.
const ANSWER_WITHIN: Duration = Duration::from_millis(300);

/// What came from one sender, and what it knows of us.
#[derive(Debug, Default)]
pub(super) struct Reception {
    pub(super) tracker: Tracker,
    /// First message received and not yet acknowledged.
    pub(super) run_from: Option<Seq>,
    /// Messages since the last acknowledgement that was *forced*: closing a run by the alive timer
    /// leaves it alone.
    pub(super) n_unforced: u16,
    /// It said HELLO and waits for the answer.
    owes_hello_back: bool,
    /// Its last message said HELLO: more of them belong to the same start.
    says_hello: bool,
    /// When HELLO_BACK was sent to the start that it speaks of.
    answered: Option<Instant>,
    /// It has answered our greeting.
    pub(super) has_answered: bool,
    /// The last number that was taken before a greeting moved its numbers back, until they have passed it.
    behind: Option<Seq>,
    /// Messages are missing since it last greeted or was asked for its flows.
    has_gap: bool,
    /// It has told of flows, and not answered our greeting yet.
    has_told: bool,
    /// While it was silent for long, others acknowledged what it has not.
    pub(super) has_missed: bool,
}

impl Reception {
    /// Returns the number of the last message taken.
    pub(super) fn last(&self) -> Option<Seq> {
        self.tracker.last()
    }

    /// Returns whether it knows that we have started: it has answered, or is as new as we.
    pub(super) const fn knows_of_us(&self) -> bool {
        self.has_answered || self.says_hello
    }

    /// Takes note of an answer to our greeting, and tells whether it must name its flows.
    ///
    /// What it told before may have been sent to a process that was there before us: an end that is
    /// among the missing was acknowledged by that one, and nobody tells it again.
    pub(super) fn note_answer(&mut self, seq: Seq) -> bool {
        let is_after = self.last().is_some_and(|last| seq.is_after(last.next()));
        let has_gap = self.has_gap || is_after;
        let is_first = !core::mem::replace(&mut self.has_answered, true);
        is_first && core::mem::take(&mut self.has_told) && has_gap
    }

    /// Takes note that we greet again.
    pub(super) const fn expect_answer(&mut self) {
        (self.has_answered, self.has_gap, self.has_told) = (false, false, false);
    }

    /// Takes note that it has told of a flow.
    pub(super) const fn note_told(&mut self) {
        self.has_told |= !self.has_answered;
    }

    /// Takes note of where a message stands, and tells whether its sender must name its flows: its
    /// numbers go on beyond those from which a greeting moved them back, and some are missing.
    ///
    /// Such a greeting was a late one of the process that we know, which told what may have ended since.
    pub(super) fn note_gap(&mut self, seq: Seq, position: Position) -> bool {
        self.has_gap |= matches!(position, Position::After { .. });
        let is_past = position != Position::Before && self.behind.is_some_and(|last| !seq.is_before(last));
        if is_past {
            self.behind = None;
        }
        is_past && core::mem::take(&mut self.has_gap)
    }

    /// Takes note of a message without HELLO, and tells why its sender must get a bulk.
    ///
    /// A guest that comes to others and neither greets nor answers may have greeted unheard.
    pub(super) fn follow(
        &mut self,
        seq: Seq,
        is_late_guest: bool,
        stats: &mut ReceiveStats,
    ) -> (Position, Option<BulkCause>) {
        self.says_hello = false;
        let position = self.tracker.classify(seq, stats);
        let has_missed = position != Position::Before && core::mem::take(&mut self.has_missed);
        let cause = if is_late_guest && position == Position::First {
            Some(BulkCause::PeerMayHaveRestarted)
        } else {
            has_missed.then_some(BulkCause::LostBeyondResend)
        };
        (position, cause)
    }

    /// Takes note of a HELLO: the peer is a new process and holds nothing of ours.
    ///
    /// The first HELLO of a start is taken whatever its number. Those that follow until our answer
    /// arrives belong to the same start as long as they are in sequence; one that is not, or that
    /// comes when the answer must have arrived, may be of yet another process: one that sent a message
    /// a second and is started again goes on with the same numbers. A gap is asked for in any case.
    /// Among several nodes it goes on to greet until all have answered, however long ago we have.
    pub(super) fn greet(
        &mut self,
        seq: Seq,
        are_several: bool,
        stats: &mut ReceiveStats,
        now: Instant,
    ) -> (Position, Option<BulkCause>) {
        self.owes_hello_back = true;
        let (position, cause) = if self.says_hello {
            let has_heard_us = !are_several
                && self
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
        self.go_back(seq);
        self.says_hello = true;
        self.answered = None;
        self.has_missed = false;
        (self.has_gap, self.has_told) = (false, false);
        if position == Position::First && self.run_from.is_some() {
            // The run began with numbers of an earlier process.
            (self.run_from, self.n_unforced) = (Some(seq), 1);
        }
        (position, Some(cause))
    }

    /// Remembers how far its numbers had come, if they go back.
    fn go_back(&mut self, seq: Seq) {
        let is_behind = |last: &Seq| !seq.is_after(*last);
        let known = [self.behind, self.last()].into_iter().flatten().filter(is_behind);
        self.behind = known.reduce(|a, b| if b.is_after(a) { b } else { a });
    }

    /// Returns whether the message that is about to leave answers its greeting.
    pub(super) fn answer(&mut self, now: Instant) -> bool {
        let owes_answer = core::mem::take(&mut self.owes_hello_back);
        if owes_answer {
            self.answered.get_or_insert(now);
        }
        owes_answer
    }

    /// Takes a message that is not late: a gap is asked for, a full window acknowledged.
    pub(super) fn take(&mut self, seq: Seq, position: Position, window: u16, queues: &mut Queues) {
        match position {
            Position::After { first_missing } => self.answer_gap(first_missing, seq, queues),
            Position::First | Position::InSync | Position::Before => self.extend_run(seq, window, queues),
        }
        self.tracker.store(seq);
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
        (self.run_from, self.n_unforced) = (Some(seq), 1);
    }

    fn extend_run(&mut self, seq: Seq, window: u16, queues: &mut Queues) {
        let from = *self.run_from.get_or_insert(seq);
        self.n_unforced = self.n_unforced.saturating_add(1);
        if self.n_unforced >= window {
            queues.push_tx(Element::Control(ControlMessage::Ack(SeqRange { from, to: seq })));
            (self.run_from, self.n_unforced) = (None, 0);
        }
    }

    /// Ends the run and returns it, if there is one.
    pub(super) fn take_run(&mut self) -> Option<SeqRange> {
        let to = self.last()?;
        let from = self.run_from.take()?;
        Some(SeqRange { from, to })
    }
}
