//! NOTRACK: best effort. Everything is taken as it comes; the sequence is only counted.

use crate::stats::ReceiveStats;
use crate::wire::{Content, ControlMessage, Flags, MessageType, MessageView};

use super::queue::{Element, Queues};
use super::tracker::Tracker;
use super::{BulkCause, Outcome, Verdict};

/// The NOTRACK machine.
#[derive(Debug, Default)]
pub(crate) struct Notrack {
    tracker: Tracker,
}

impl Notrack {
    /// Handles a message; its payload is the caller's business if the verdict is [`Verdict::Data`].
    pub(crate) fn receive(&mut self, message: &MessageView<'_>, stats: &mut ReceiveStats) -> Outcome {
        let seq = message.header.seq;
        self.tracker.classify(seq, stats);
        // Of several control flags RESYNC counts first here, and there is no ACK or NACK.
        let is_resync = message.header.message_type == MessageType::Control
            && message.header.flags.contains(Flags::RESYNC);
        let (verdict, bulk) = match message.content() {
            _ if is_resync => (Verdict::Control, Some(BulkCause::PeerAsked)),
            Ok(Content::Flow(_) | Content::Expectation(_)) => (Verdict::Data, None),
            Ok(Content::Resync | Content::Alive) => (Verdict::Control, None),
            Ok(Content::Ack(_) | Content::Nack(_)) => (Verdict::BadHeader(message.bad_header()), None),
            Err(error) => (Verdict::BadHeader(error), None),
        };
        if matches!(verdict, Verdict::BadHeader(_)) {
            return Outcome { verdict, bulk: None };
        }
        // A late message moves the expectation back, as at the stock daemon.
        self.tracker.store(seq);
        Outcome { verdict, bulk }
    }

    /// Handles the alive timer.
    pub(crate) fn alive(queues: &mut Queues) {
        queues.push_tx(Element::Control(ControlMessage::Alive));
    }
}
