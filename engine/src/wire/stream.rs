//! Where the messages of a stream end (docs/sync-protocol.md, "Reception").

use super::error::DecodeErrorKind;
use super::view::messages;

/// What the bytes of a stream are that came so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamPart {
    /// So many of the first bytes are whole messages; the others begin the next.
    Whole(usize),
    /// A length cannot be: where the messages behind it begin is not known, nor will it ever be.
    Broken,
}

/// Returns how much of what came by a stream can be handed on.
#[must_use]
pub fn stream_part(bytes: &[u8]) -> StreamPart {
    let mut messages = messages(bytes);
    match messages.by_ref().last() {
        Some(Err(error))
            if !matches!(error.kind, DecodeErrorKind::Version(_)) && !error.kind.is_incomplete() =>
        {
            StreamPart::Broken
        }
        Some(_) | None => StreamPart::Whole(bytes.len().saturating_sub(messages.rest().len())),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// Two ALIVE and the beginning of a third.
    #[test]
    fn whole_messages_are_told_from_the_beginning_of_the_next() {
        let alive = [0x1a, 0x10, 0, 8, 0, 0, 0, 7];
        let stream = alive.repeat(3);
        for len in 0..=stream.len() {
            let whole = len - len % alive.len();
            assert_eq!(stream_part(&stream[..len]), StreamPart::Whole(whole), "{len}");
        }
    }

    #[test]
    fn a_length_that_cannot_be_breaks_the_stream_and_another_version_does_not() {
        let other_version = [0x2a, 0x10, 0, 8, 0, 0, 0, 7];
        assert_eq!(stream_part(&other_version), StreamPart::Whole(8));
        for len in [0, 7] {
            let mut stream = other_version.to_vec();
            stream.extend([0x1a, 0x10, 0, len, 0, 0, 0, 7]);
            assert_eq!(stream_part(&stream), StreamPart::Broken, "length {len}");
        }
        // An ACK with the length of an ALIVE.
        let mut stream = vec![0x1a, 0x08, 0, 8, 0, 0, 0, 7];
        assert_eq!(stream_part(&stream), StreamPart::Whole(0));
        stream.extend([0; 8]);
        assert_eq!(stream_part(&stream), StreamPart::Broken);
    }
}
