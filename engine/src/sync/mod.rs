//! The machines of the sync protocol: who says what when, and what it does to the queues.
//!
//! A machine is handed the queues and the internal cache, changes them, and returns what the
//! engine must do about the message. It sends nothing: [`transmit`] builds messages from the tx
//! queue when the driver asks for output.

mod alarm;
mod bulk;
mod bulk_limit;
mod by_sender;
mod ftfw;
mod notrack;
mod queue;
mod tracker;
mod transmit;

pub(crate) use bulk::{Bulk, BulkCause};
pub(crate) use bulk_limit::{Asked, BulkLimit};
pub(crate) use transmit::Transmitter;

use crate::cache::{ExpectId, FlowId, InternalCache, Liveness, NodeId};
use crate::config::Mode;
use crate::senders::{SenderId, SenderSet};
use crate::seq::Seq;
use crate::stats::{QueueStats, ReceiveStats, ResendElement, ResendQueueStats};
use crate::time::Instant;
use crate::wire::{ControlMessage, DecodeError, Flags, MessageView};

use alarm::Alarm;
use alloc::vec::Vec;
use ftfw::Ftfw;
use notrack::Notrack;
use queue::{Element, Place, Queues, Sent};

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its payload is news of the peer.
    Data,
    /// It concerned the machine alone.
    Control,
    /// It came late or twice.
    Dropped,
    /// The mode does not know such a message.
    BadHeader(DecodeError),
}

/// What the engine must do about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// What became of it.
    pub(crate) verdict: Verdict,
    /// Why the peer must get a bulk, if it must.
    pub(crate) bulk: Option<BulkCause>,
    /// What the peer has told may have ended unheard: it must name its flows.
    pub(crate) must_name: bool,
}

impl Outcome {
    /// Returns that of a mode in which nothing that a peer has told is ever in doubt.
    const fn of(verdict: Verdict, bulk: Option<BulkCause>) -> Self {
        Self {
            verdict,
            bulk,
            must_name: false,
        }
    }
}

/// A look through the resend queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Most elements that are sent again.
    pub(crate) len_max: u16,
    /// Number of the next message that we send.
    pub(crate) next_seq: Seq,
    /// Those that acknowledgements are waited for, as far as they give any.
    pub(crate) present: SenderSet,
    /// Those of them that live.
    pub(crate) living: SenderSet,
}

/// What was found among messages that nobody acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stale {
    /// Why the peer must get a bulk, if it must.
    pub(crate) bulk: Option<BulkCause>,
    /// The peer is asked for its flows once more: the process that was asked is gone.
    pub(crate) asks_again: bool,
}

/// Who speaks, when, and who else is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    /// Who speaks.
    pub(crate) from: SenderId,
    /// Those that acknowledgements are waited for, as far as they give any.
    pub(crate) present: SenderSet,
    /// When.
    pub(crate) now: Instant,
    /// Number of the next message that we send.
    pub(crate) next_seq: Seq,
}

#[derive(Debug)]
enum Machine {
    Notrack(Notrack),
    Ftfw(Ftfw),
    Alarm(Alarm),
}

/// The machine in use with its queues.
#[derive(Debug)]
pub(crate) struct Sync {
    machine: Machine,
    queues: Queues,
    resend_queue_len_max: u32,
}

impl Sync {
    /// Returns the machine of `mode` at process start.
    pub(crate) fn new(mode: Mode) -> Self {
        let (machine, resend_queue_len_max) = match mode {
            Mode::Notrack(_) => (Machine::Notrack(Notrack::default()), 0),
            Mode::Ftfw(config) => (
                Machine::Ftfw(Ftfw::new(config)),
                config.resend_queue_len_max.get(),
            ),
            Mode::Alarm(_) => (Machine::Alarm(Alarm::default()), 0),
        };
        Self {
            machine,
            queues: Queues::default(),
            resend_queue_len_max,
        }
    }

    /// Handles a message of a peer.
    pub(crate) fn receive(
        &mut self,
        message: &MessageView<'_>,
        heard: Heard,
        internal: &mut InternalCache,
        stats: &mut ReceiveStats,
    ) -> Outcome {
        match &mut self.machine {
            Machine::Notrack(notrack) => notrack.receive(message, heard.from, stats),
            Machine::Alarm(alarm) => alarm.receive(message, heard.from, stats),
            Machine::Ftfw(ftfw) => ftfw.receive(message, heard, &mut self.queues, internal, stats),
        }
    }

    /// Returns the number of the last message taken from a sender.
    pub(crate) fn last_seq(&self, from: SenderId) -> Option<Seq> {
        match &self.machine {
            Machine::Notrack(notrack) => notrack.trackers.get(from)?.last(),
            Machine::Alarm(alarm) => alarm.trackers.get(from)?.last(),
            Machine::Ftfw(ftfw) => ftfw.last_seq(from),
        }
    }

    /// Forgets a sender whose place another takes.
    pub(crate) fn forget_sender(&mut self, id: SenderId) {
        match &mut self.machine {
            Machine::Notrack(notrack) => notrack.trackers.reset(id),
            Machine::Alarm(alarm) => alarm.trackers.reset(id),
            Machine::Ftfw(ftfw) => ftfw.forget_sender(id, &mut self.queues),
        }
    }

    /// Handles the alive timer: one second has passed since the last transmission.
    pub(crate) fn alive(&mut self) {
        match &mut self.machine {
            Machine::Notrack(_) => Notrack::alive(&mut self.queues),
            Machine::Ftfw(ftfw) => ftfw.alive(&mut self.queues),
            Machine::Alarm(_) => {}
        }
    }

    /// Sends again what peers that live have had time to acknowledge and have not.
    pub(crate) fn resend_stale(&mut self, look: Look, internal: &mut InternalCache) -> Stale {
        match &mut self.machine {
            Machine::Notrack(_) | Machine::Alarm(_) => Stale::default(),
            Machine::Ftfw(ftfw) => ftfw.resend_stale(look, &mut self.queues, internal),
        }
    }

    /// Takes the peer's silence for what it is: it says nothing about single messages.
    pub(crate) fn peer_is_silent(&mut self) {
        match &mut self.machine {
            Machine::Notrack(_) | Machine::Alarm(_) => {}
            Machine::Ftfw(ftfw) => ftfw.forget_look(),
        }
    }

    /// Returns whether the machine has control messages: that it lives, what it lacks, what it got.
    pub(crate) const fn has_control(&self) -> bool {
        match self.machine {
            Machine::Notrack(_) | Machine::Ftfw(_) => true,
            Machine::Alarm(_) => false,
        }
    }

    /// Asks the peer for a bulk, if the machine can.
    pub(crate) fn request_resync(&mut self) {
        if self.has_control() {
            self.queues.push_tx(Element::Control(ControlMessage::Resync));
        }
    }

    /// Queues flows and expectations whose refresh is due, `len_max` of each at the most.
    pub(crate) fn refresh(&mut self, len_max: u16, internal: &mut InternalCache, now: Instant) {
        for _ in 0..len_max {
            let Some(flow) = internal.next_refresh(now) else {
                break;
            };
            self.enqueue(flow, internal);
        }
        for _ in 0..len_max {
            let Some(expectation) = internal.next_expectation_refresh(now) else {
                break;
            };
            self.enqueue_expectation(expectation, internal);
        }
        internal.end_refresh_turn(now);
    }

    /// Returns whether a RESYNC is on its way that the peer has not acknowledged.
    pub(crate) fn awaits_resync(&self) -> bool {
        self.queues.has_resync()
    }

    /// Returns whether a RESYNC is about to be sent.
    pub(crate) fn is_about_to_ask(&self) -> bool {
        self.queues.has_resync_to_send()
    }

    /// Puts a changed flow at the end of the tx queue, unless it stands there already; an older
    /// message about it that waits for its acknowledgement is given up.
    ///
    /// The end of a master is the end of its expectations: they go behind it.
    pub(crate) fn enqueue(&mut self, flow: FlowId, internal: &mut InternalCache) {
        let node = self.requeue(internal.node(flow), Element::Flow(flow));
        internal.set_node(flow, Some(node));
        if internal.liveness(flow) == Liveness::Dead && !internal.expectations.is_empty() {
            let master = internal.key(flow);
            while let Some(expectation) = internal.expectations.living_of_master(&master) {
                internal.expectations.kill(expectation);
                self.enqueue_expectation(expectation, internal);
            }
        }
    }

    /// Does the same with a changed expectation.
    pub(crate) fn enqueue_expectation(&mut self, id: ExpectId, internal: &mut InternalCache) {
        let node = self.requeue(internal.expectations.node(id), Element::Expectation(id));
        internal.expectations.set_node(id, Some(node));
    }

    /// Returns the node of an element that is in the tx queue from here on, wherever it was before.
    fn requeue(&mut self, node: Option<NodeId>, element: Element) -> NodeId {
        match node {
            Some(node) => {
                if self.queues.place(node) == Place::Resend {
                    self.queues.resend(node);
                }
                node
            }
            None => self.queues.push_tx(element),
        }
    }

    /// Returns how many flows of a bulk, `len_max` at most, can be sent without driving others out
    /// of the resend queue before they are acknowledged.
    pub(crate) fn bulk_turn_len(&self, len_max: u32) -> u32 {
        match &self.machine {
            Machine::Notrack(_) | Machine::Alarm(_) => len_max,
            Machine::Ftfw(_) => {
                let waiting = self.queues.resend_len().saturating_add(self.queues.tx_len());
                len_max.min(self.resend_queue_len_max.saturating_sub(waiting))
            }
        }
    }

    /// Forgets all messages about flows; those of them that are dead leave the cache.
    pub(crate) fn forget_flows(&mut self, internal: &mut InternalCache) {
        let is_flow = |element| matches!(element, Element::Flow(_));
        self.queues
            .remove_all(is_flow, |element| release(element, internal));
    }

    /// Forgets all messages about expectations in the same way.
    pub(crate) fn forget_expectations(&mut self, internal: &mut InternalCache) {
        let is_expectation = |element| matches!(element, Element::Expectation(_));
        self.queues
            .remove_all(is_expectation, |element| release(element, internal));
    }

    /// Takes the next element to send; [`Self::sent`] must follow.
    fn next(&mut self, seq: Seq, now: Instant) -> Option<(NodeId, Element, Flags)> {
        let (node, element) = self.queues.pop_tx()?;
        let flags = match &mut self.machine {
            Machine::Notrack(_) | Machine::Alarm(_) => Flags::NONE,
            Machine::Ftfw(ftfw) => ftfw.next_flags(seq, now),
        };
        Some((node, element, flags))
    }

    /// Files an element that was sent.
    fn sent(&mut self, sent: Sent, internal: &mut InternalCache) {
        match &mut self.machine {
            Machine::Ftfw(ftfw) => ftfw.sent(sent, &mut self.queues, internal),
            Machine::Notrack(_) | Machine::Alarm(_) => {
                release(self.queues.free(sent.node), internal);
            }
        }
    }

    /// Returns how many elements were dropped because the resend queue was full.
    #[must_use]
    pub(crate) fn overflowed(&self) -> u64 {
        match &self.machine {
            Machine::Notrack(_) | Machine::Alarm(_) => 0,
            Machine::Ftfw(ftfw) => ftfw.overflowed(),
        }
    }

    /// Returns the lengths of the queues.
    #[must_use]
    pub(crate) fn queue_stats(&self) -> QueueStats {
        let resend = match &self.machine {
            Machine::Notrack(_) | Machine::Alarm(_) => None,
            Machine::Ftfw(ftfw) => Some(ResendQueueStats {
                len: u64::from(self.queues.resend_len()),
                len_max: u64::from(self.resend_queue_len_max),
                overflowed: ftfw.overflowed(),
            }),
        };
        QueueStats {
            control_messages: u64::from(self.queues.controls()),
            tx: u64::from(self.queues.tx_len()),
            resend,
        }
    }

    /// Returns the resend queue element by element; `None` in modes without one.
    #[must_use]
    pub(crate) fn resend_queue(&self) -> Option<Vec<ResendElement>> {
        match &self.machine {
            Machine::Notrack(_) | Machine::Alarm(_) => None,
            Machine::Ftfw(_) => {
                let mut elements = Vec::new();
                let mut next = self.queues.oldest_sent();
                while let Some(Sent { node, seq, element }) = next {
                    elements.push(match element {
                        Element::Flow(_) | Element::Expectation(_) => ResendElement::Object { seq },
                        Element::Control(message) => ResendElement::Control {
                            seq,
                            flags: message.flag().0,
                        },
                    });
                    next = self.queues.sent_after(node);
                }
                Some(elements)
            }
        }
    }

    /// Panics if the queues are not consistent.
    #[cfg(debug_assertions)]
    pub(crate) fn check_invariants(&self) {
        self.queues.check_invariants();
    }
}

/// Takes an element that was dropped, not taken by the peer, from what it speaks of.
fn give_up(element: Element, internal: &mut InternalCache) {
    match element {
        Element::Flow(flow) => internal.give_up(flow),
        Element::Expectation(_) | Element::Control(_) => release(element, internal),
    }
}

/// Takes an element that has left the queues from what it speaks of; the dead leave the cache.
fn release(element: Element, internal: &mut InternalCache) {
    match element {
        Element::Flow(flow) => internal.release(flow),
        Element::Expectation(expectation) => internal.expectations.release(expectation),
        Element::Control(_) => {}
    }
}
