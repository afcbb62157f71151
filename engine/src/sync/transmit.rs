//! From the tx queue to datagrams.

use alloc::vec::Vec;

use crate::cache::{ExpectId, InternalCache, Liveness};
use crate::flow::Expectation;
use crate::seq::Seq;
use crate::time::{Instant, UnixTime};
use crate::wire::{Change, EncodeOptions, Packer, encode_control, encode_expectation, encode_flow};

use super::Sync;
use super::queue::{Element, Sent};

/// Builds messages and packs them into datagrams.
#[derive(Debug)]
pub(crate) struct Transmitter {
    /// Number of the next message. It begins with the clock, so that a restarted process resumes
    /// above its old numbers unless it had sent more than one message a second.
    next_seq: Seq,
    options: EncodeOptions,
    packer: Packer,
}

impl Transmitter {
    /// Returns a transmitter for datagrams of at most `payload_len_max` bytes.
    #[must_use]
    pub(crate) fn new(wall: UnixTime, options: EncodeOptions, payload_len_max: u16) -> Self {
        let secs = u32::try_from(wall.whole_secs() & u64::from(u32::MAX)).unwrap_or(0);
        Self {
            next_seq: Seq(secs),
            options,
            packer: Packer::new(payload_len_max),
        }
    }

    /// Returns the number of the next message.
    pub(crate) fn next_seq(&self) -> Seq {
        self.next_seq
    }

    /// Changes the largest payload of a datagram.
    pub(crate) fn set_payload_len_max(&mut self, payload_len_max: u16) {
        self.packer.set_payload_len_max(payload_len_max);
    }

    /// Takes back the buffer of a datagram that has left.
    pub(crate) fn give_back(&mut self, buffer: Vec<u8>) {
        self.packer.give_back(buffer);
    }

    /// Returns the next datagram that is full, or the last one when the tx queue is empty.
    ///
    /// The type of a message is that of its flow at this moment: one that changed since it was
    /// queued goes out changed, one that died goes out as its end. One that took the place of
    /// another goes out as new until that is acknowledged: no change tells a peer that puts flows
    /// into its kernel that the old one must go.
    pub(crate) fn next_datagram(
        &mut self,
        sync: &mut Sync,
        internal: &mut InternalCache,
        now: Instant,
    ) -> Option<Vec<u8>> {
        while let Some((node, element, flags)) = sync.next(self.next_seq, now) {
            let seq = self.next_seq;
            self.next_seq = seq.next();
            let full = match element {
                Element::Control(message) => {
                    self.packer.append(|out| encode_control(out, message, flags, seq))
                }
                Element::Flow(id) => {
                    let kind = match change(internal.liveness(id)) {
                        Change::Update if internal.is_reborn(id) => Change::New,
                        kind @ (Change::New | Change::Update | Change::Delete) => kind,
                    };
                    let flow = internal.flow(id);
                    let options = self.options;
                    self.packer
                        .append(|out| encode_flow(out, kind, flags, seq, &flow, options))
                }
                Element::Expectation(id) => {
                    let kind = change(internal.expectations.bookkeeping(id).liveness());
                    let expectation = aged(id, internal, now);
                    let options = self.options;
                    self.packer
                        .append(|out| encode_expectation(out, kind, flags, seq, &expectation, options))
                }
            };
            sync.sent(Sent { node, seq, element }, internal);
            if full.is_some() {
                return full;
            }
        }
        self.packer.flush()
    }
}

/// Returns the type of a message about something that is this far in its life.
const fn change(liveness: Liveness) -> Change {
    match liveness {
        Liveness::New => Change::New,
        Liveness::Alive => Change::Update,
        Liveness::Dead => Change::Delete,
    }
}

/// Returns an expectation with the time that is left of it: nothing but its end prolongs it, so
/// that a bulk can tell.
fn aged(id: ExpectId, internal: &InternalCache, now: Instant) -> Expectation {
    let expectation = internal.expectations.expectation(id);
    let updated_secs = internal.expectations.bookkeeping(id).updated_secs;
    let age_secs = now.whole_secs().saturating_sub(updated_secs);
    Expectation {
        timeout_secs: expectation
            .timeout_secs
            .map(|timeout_secs| timeout_secs.saturating_sub(age_secs)),
        ..expectation
    }
}
