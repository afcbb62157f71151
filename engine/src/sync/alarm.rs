//! ALARM: every flow is told again from time to time; what is not heard of for long is forgotten.
//!
//! Nothing is acknowledged and nothing asked for: there are no control messages at all. A loss is
//! healed by the next refresh of the flow, and the loss of an end by the expiry of the entry. The
//! deadlines of both are kept by the caches ([`crate::cache::Deadlines`]); rules and their reasons:
//! docs/sync-protocol.md, "ALARM".

use crate::senders::SenderId;
use crate::stats::ReceiveStats;
use crate::wire::{DecodeError, DecodeErrorKind, Flags, MessageType, MessageView};

use super::by_sender::BySender;
use super::tracker::Tracker;
use super::{Outcome, Verdict};

/// The ALARM machine.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    /// What came from each sender.
    pub(super) trackers: BySender<Tracker>,
}

impl Alarm {
    /// Handles a message; its payload is the caller's business if the verdict is [`Verdict::Data`].
    ///
    /// A message with a flag, whichever, is of another mode: it shows that the peer lives, no more.
    /// Its number counts, for the peer has numbered it like all others.
    pub(crate) fn receive(
        &mut self,
        message: &MessageView<'_>,
        from: SenderId,
        stats: &mut ReceiveStats,
    ) -> Outcome {
        let seq = message.header.seq;
        let tracker = self.trackers.of(from);
        tracker.classify(seq, stats);
        // A late message moves the expectation back, or a restarted peer, which numbers from the
        // clock and so mostly below its old numbers, would be late for ever.
        tracker.store(seq);
        let verdict = match message.header.message_type {
            _ if message.header.flags != Flags::NONE => Verdict::Control,
            MessageType::Flow(_) | MessageType::Expectation(_) => Verdict::Data,
            message_type @ (MessageType::Control | MessageType::Unknown(_)) => {
                let kind = DecodeErrorKind::Type(message_type.number());
                let offset = message.offset;
                Verdict::BadHeader(DecodeError { offset, kind })
            }
        };
        Outcome::of(verdict, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seq::Seq;
    use crate::wire::{self, Malformation};

    /// A message with this first byte, these flags and this number, long enough for every header.
    fn bytes(message_type: u8, flags: u8, seq: u32) -> [u8; 16] {
        let mut bytes = [0; 16];
        (bytes[0], bytes[1], bytes[3]) = (0x10 | message_type, flags, 16);
        bytes[4..8].copy_from_slice(&seq.to_be_bytes());
        bytes
    }

    /// What a machine that has taken number 9, if it has, makes of number `seq`.
    fn receive(last: Option<u32>, message_type: u8, flags: u8, seq: u32) -> (Alarm, Outcome, ReceiveStats) {
        let (mut alarm, mut stats) = (Alarm::default(), ReceiveStats::default());
        if let Some(last) = last {
            alarm.trackers.of(SenderId::FIRST).store(Seq(last));
        }
        let bytes = bytes(message_type, flags, seq);
        let message = wire::messages(&bytes).next().unwrap().unwrap();
        let outcome = alarm.receive(&message, SenderId::FIRST, &mut stats);
        (alarm, outcome, stats)
    }

    #[test]
    fn every_message_in_every_state_is_taken_as_told() {
        enum Want {
            Data,
            Control,
            BadType,
        }
        // Flags of RESYNC, NACK, ACK, ALIVE, HELLO, HELLO_BACK, and two that nobody sends.
        let flags = [0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x01, 0x80];
        let plain = (0..16).map(|message_type| match message_type {
            0..=5 => (message_type, 0, Want::Data),
            _ => (message_type, 0, Want::BadType),
        });
        let flagged = flags
            .iter()
            .flat_map(|flags| (0..16).map(move |message_type| (message_type, *flags, Want::Control)));
        let states = [
            (None, 20, (0, 0)),
            (Some(9), 10, (0, 0)),
            (Some(9), 13, (3, 0)),
            (Some(9), 9, (0, 1)),
            (Some(9), 4, (0, 1)),
        ];
        for (message_type, flags, want) in plain.chain(flagged) {
            for (last, seq, counted) in states {
                let (mut alarm, outcome, stats) = receive(last, message_type, flags, seq);
                let context = alloc::format!("{last:?} × type {message_type}, flags {flags:#x}, seq {seq}");
                let is_as_told = match (&want, outcome.verdict) {
                    (Want::Data, Verdict::Data) | (Want::Control, Verdict::Control) => true,
                    (Want::BadType, Verdict::BadHeader(error)) => {
                        error.kind.malformation() == Malformation::BadType
                    }
                    (Want::Data | Want::Control | Want::BadType, _) => false,
                };
                assert!(is_as_told, "{context}: {outcome:?}");
                assert_eq!(outcome.bulk, None, "{context}");
                assert_eq!((stats.lost, stats.before), counted, "{context}");
                let tracker = alarm.trackers.of(SenderId::FIRST);
                assert_eq!(tracker.last(), Some(Seq(seq)), "{context}");
            }
        }
    }
}
