//! The headers of messages (docs/sync-protocol.md, "Framing").

use core::ops::BitOr;

use crate::seq::Seq;

/// The one version of the protocol.
pub(super) const VERSION: u8 = 1;

/// Flag bits of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// Asks for a bulk.
    pub const RESYNC: Self = Self(0x02);
    /// Asks for a range of messages again.
    pub const NACK: Self = Self(0x04);
    /// Acknowledges a range of messages.
    pub const ACK: Self = Self(0x08);
    /// Says that the sender lives.
    pub const ALIVE: Self = Self(0x10);
    /// The sender is new; rides on any message.
    pub const HELLO: Self = Self(0x20);
    /// Answers HELLO; rides on any message.
    pub const HELLO_BACK: Self = Self(0x40);

    /// Returns whether all bits of `bits` are set.
    #[must_use]
    pub const fn contains(self, bits: Self) -> bool {
        self.0 & bits.0 == bits.0
    }

    /// Returns whether any bit of `bits` is set.
    #[must_use]
    pub const fn intersects(self, bits: Self) -> bool {
        self.0 & bits.0 != 0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What happened to the flow or expectation of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// It is new.
    New,
    /// It changed.
    Update,
    /// It is gone.
    Delete,
}

/// Type of a message: the low half of its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// About a flow: `CT_NEW`, `CT_UPD`, `CT_DEL`.
    Flow(Change),
    /// About an expectation: `EXP_NEW`, `EXP_UPD`, `EXP_DEL`.
    Expectation(Change),
    /// A control message; the flags say which.
    Control,
    /// A number without a meaning, 15 at most.
    Unknown(u8),
}

impl MessageType {
    /// Returns the type with this number; only the low half of the byte counts.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number & 0x0f {
            0 => Self::Flow(Change::New),
            1 => Self::Flow(Change::Update),
            2 => Self::Flow(Change::Delete),
            3 => Self::Expectation(Change::New),
            4 => Self::Expectation(Change::Update),
            5 => Self::Expectation(Change::Delete),
            10 => Self::Control,
            number => Self::Unknown(number),
        }
    }

    /// Returns the number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Flow(Change::New) => 0,
            Self::Flow(Change::Update) => 1,
            Self::Flow(Change::Delete) => 2,
            Self::Expectation(Change::New) => 3,
            Self::Expectation(Change::Update) => 4,
            Self::Expectation(Change::Delete) => 5,
            Self::Control => 10,
            Self::Unknown(number) => number & 0x0f,
        }
    }
}

/// The header that every message begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Type of the message.
    pub message_type: MessageType,
    /// Its flags.
    pub flags: Flags,
    /// Length of the whole message in bytes: header, payload and padding.
    pub len: u16,
    /// Its number.
    pub seq: Seq,
}

impl Header {
    /// Length in bytes.
    pub const LEN: u16 = 8;
    /// Length in bytes of the header of ACK, NACK and RESYNC: a range follows.
    pub const LEN_WITH_RANGE: u16 = 16;

    /// Returns the bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        let [len_high, len_low] = self.len.to_be_bytes();
        let [a, b, c, d] = self.seq.0.to_be_bytes();
        let first = VERSION << 4 | self.message_type.number();
        [first, self.flags.0, len_high, len_low, a, b, c, d]
    }

    /// Returns the version and the header of any version.
    pub(super) const fn from_bytes(bytes: [u8; 8]) -> (u8, Self) {
        let [first, flags, len_high, len_low, a, b, c, d] = bytes;
        let header = Self {
            message_type: MessageType::from_number(first),
            flags: Flags(flags),
            len: u16::from_be_bytes([len_high, len_low]),
            seq: Seq(u32::from_be_bytes([a, b, c, d])),
        };
        (first >> 4, header)
    }

    /// Returns the length in bytes of the header this message must have.
    pub(super) fn header_len(&self) -> u16 {
        let has_range = self.message_type == MessageType::Control
            && self.flags.intersects(Flags::ACK | Flags::NACK | Flags::RESYNC);
        if has_range {
            Self::LEN_WITH_RANGE
        } else {
            Self::LEN
        }
    }
}

/// A range of sequence numbers, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeqRange {
    /// First number.
    pub from: Seq,
    /// Last number.
    pub to: Seq,
}

impl SeqRange {
    /// What a RESYNC carries; nobody reads it.
    pub(super) const UNUSED: Self = Self {
        from: Seq(0),
        to: Seq(0),
    };

    /// Returns the bytes in words of four.
    pub(super) const fn to_words(self) -> [[u8; 4]; 2] {
        [self.from.0.to_be_bytes(), self.to.0.to_be_bytes()]
    }

    /// Returns the range these bytes say.
    pub(super) const fn from_bytes(bytes: [u8; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        Self {
            from: Seq(u32::from_be_bytes([a, b, c, d])),
            to: Seq(u32::from_be_bytes([e, f, g, h])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_wire_whatever_its_first_bytes() {
        for first in 0..=0x0f {
            let header = Header {
                message_type: MessageType::from_number(first),
                flags: Flags::HELLO | Flags::ACK,
                len: 0x1234,
                seq: Seq(0x0102_0304),
            };
            let bytes = header.to_bytes();
            assert_eq!(bytes, [0x10 | first, 0x28, 0x12, 0x34, 1, 2, 3, 4]);
            assert_eq!(Header::from_bytes(bytes), (VERSION, header));
        }
    }
}
