//! NOTRACK: best effort. Everything is taken as it comes; the sequence is only counted.

use crate::senders::SenderId;
use crate::stats::ReceiveStats;
use crate::wire::{Content, ControlMessage, Flags, MessageType, MessageView};

use super::by_sender::BySender;
use super::queue::{Element, Queues};
use super::tracker::Tracker;
use super::{BulkCause, Outcome, Verdict};

/// The NOTRACK machine.
#[derive(Debug, Default)]
pub(crate) struct Notrack {
    /// What came from each sender.
    pub(super) trackers: BySender<Tracker>,
}

impl Notrack {
    /// Handles a message; its payload is the caller's business if the verdict is [`Verdict::Data`].
    pub(crate) fn receive(
        &mut self,
        message: &MessageView<'_>,
        from: SenderId,
        stats: &mut ReceiveStats,
    ) -> Outcome {
        let seq = message.header.seq;
        let tracker = self.trackers.of(from);
        tracker.classify(seq, stats);
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
            return Outcome::of(verdict, None);
        }
        // A late message moves the expectation back, as at the stock daemon.
        tracker.store(seq);
        Outcome::of(verdict, bulk)
    }

    /// Handles the alive timer.
    pub(crate) fn alive(queues: &mut Queues) {
        queues.push_tx(Element::Control(ControlMessage::Alive));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seq::Seq;
    use crate::wire;

    /// A message with this first byte, these flags and this number, long enough for every header.
    fn bytes(message_type: u8, flags: u8, seq: u32) -> [u8; 16] {
        let mut bytes = [0; 16];
        (bytes[0], bytes[1], bytes[3]) = (0x10 | message_type, flags, 16);
        bytes[4..8].copy_from_slice(&seq.to_be_bytes());
        bytes
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Want {
        Data,
        Alive,
        Bulk,
        BadHeader,
    }

    fn want(message_type: u8, flags: u8) -> Want {
        match (message_type, flags) {
            (0..=5, 0 | 0x20 | 0x40 | 0x60) => Want::Data,
            (10, 0x02 | 0x0a | 0x22) => Want::Bulk,
            (10, 0x10 | 0x50) => Want::Alive,
            _ => Want::BadHeader,
        }
    }

    #[test]
    fn every_message_in_every_state_is_taken_as_told() {
        // None, each alone, greetings together and on RESYNC and ALIVE, RESYNC beside ACK.
        let flags = [
            0, 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x60, 0x22, 0x50, 0x0a,
        ];
        let messages = (0..16).flat_map(|message_type| flags.map(|flags| (message_type, flags)));
        let states = [
            (None, 20, (0, 0)),
            (Some(9), 10, (0, 0)),
            (Some(9), 13, (3, 0)),
            (Some(9), 9, (0, 1)),
            (Some(9), 4, (0, 1)),
        ];
        for (message_type, flags) in messages {
            for (last, seq, counted) in states {
                let (mut notrack, mut stats) = (Notrack::default(), ReceiveStats::default());
                if let Some(last) = last {
                    notrack.trackers.of(SenderId::FIRST).store(Seq(last));
                }
                let bytes = bytes(message_type, flags, seq);
                let message = wire::messages(&bytes).next().unwrap().unwrap();
                let outcome = notrack.receive(&message, SenderId::FIRST, &mut stats);
                let got = match (outcome.verdict, outcome.bulk) {
                    (Verdict::Data, None) => Want::Data,
                    (Verdict::Control, None) => Want::Alive,
                    (Verdict::Control, Some(BulkCause::PeerAsked)) => Want::Bulk,
                    (Verdict::BadHeader(_), None) => Want::BadHeader,
                    other => panic!("{other:?}"),
                };
                let context = alloc::format!("{last:?} × type {message_type}, flags {flags:#x}, seq {seq}");
                assert_eq!(got, want(message_type, flags), "{context}");
                assert_eq!((stats.lost, stats.before), counted, "{context}");
                let stored = if got == Want::BadHeader { last } else { Some(seq) };
                let tracker = notrack.trackers.of(SenderId::FIRST);
                assert_eq!(tracker.last(), stored.map(Seq), "{context}");
            }
        }
    }
}
