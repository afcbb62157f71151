//! Why a datagram was not understood.

use crate::seq::Seq;

/// A datagram that is not a valid sync message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {kind}")]
pub struct DecodeError {
    /// Offset in the datagram of the first byte we could not accept.
    pub offset: usize,
    /// What was wrong with it.
    pub kind: DecodeErrorKind,
}

/// What was wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// Another version of the protocol.
    #[error("protocol version {0}, only 1 is known")]
    Version(u8),
    /// Fewer bytes than a header.
    #[error("a message header has 8 bytes, {left} are left")]
    HeaderCut {
        /// Bytes from here to the end of the payload.
        left: usize,
    },
    /// Fewer bytes than the header of an acknowledgement.
    #[error("the header of ACK, NACK and RESYNC has 16 bytes, {left} are left")]
    RangeCut {
        /// Bytes from here to the end of the payload.
        left: usize,
    },
    /// The length field says less than the header alone has.
    #[error("length field says {len}, the header alone has {header_len} bytes")]
    LenBelowHeader {
        /// The length field.
        len: u16,
        /// Length of the header this message must have.
        header_len: u16,
    },
    /// The length field says more than there is.
    #[error("length field says {len}, {left} bytes are left")]
    LenBeyondPayload {
        /// The length field.
        len: u16,
        /// Bytes from here to the end of the payload.
        left: usize,
    },
    /// Type and flags are no message that is understood here.
    #[error("type {message_type} with flags {flags:#04x} is no message")]
    Header {
        /// Number of the type.
        message_type: u8,
        /// The flags.
        flags: u8,
    },
    /// A type that no machine has a meaning for.
    #[error("type {0} without flags is no message")]
    Type(u8),
    /// A range of sequence numbers that ends before it begins.
    #[error("a range from {} to {}", from.0, to.0)]
    RangeBackwards {
        /// First number.
        from: Seq,
        /// Last number.
        to: Seq,
    },
    /// An attribute shorter than its own header.
    #[error("attribute {number} has length {len}, its header alone has 4 bytes")]
    AttributeLenBelowHeader {
        /// Number of the attribute.
        number: u16,
        /// Its length field.
        len: u16,
    },
    /// An attribute that does not end before its message.
    #[error("attribute {number} has length {len}, {left} bytes of the message are left")]
    AttributeLenBeyondMessage {
        /// Number of the attribute.
        number: u16,
        /// Its length field.
        len: u16,
        /// Bytes from here to the end of the message.
        left: usize,
    },
    /// An attribute of fixed length with another.
    #[error("attribute {number} has length {len}, it must be {must_be}")]
    AttributeLen {
        /// Number of the attribute.
        number: u16,
        /// Its length field.
        len: usize,
        /// What the length field must say.
        must_be: usize,
    },
    /// An attribute of variable length that is too long.
    #[error("attribute {number} has length {len}, at most {len_max} is allowed")]
    AttributeTooLong {
        /// Number of the attribute.
        number: u16,
        /// Its length field.
        len: usize,
        /// Largest length allowed.
        len_max: usize,
    },
    /// An attribute whose value has no meaning.
    #[error("attribute {number} has the value {value}")]
    AttributeValue {
        /// Number of the attribute.
        number: u16,
        /// Its value.
        value: u32,
    },
    /// An attribute without which the message says nothing.
    #[error("the message has no {0}")]
    AttributeMissing(&'static str),
}

impl DecodeErrorKind {
    /// Returns the counter that a message with this error adds to.
    #[must_use]
    pub const fn malformation(&self) -> Malformation {
        match self {
            Self::Version(_) => Malformation::BadVersion,
            Self::HeaderCut { .. } | Self::RangeCut { .. } => Malformation::Truncated,
            Self::LenBelowHeader { .. } | Self::LenBeyondPayload { .. } => Malformation::BadSize,
            Self::Header { .. } | Self::RangeBackwards { .. } => Malformation::BadHeader,
            Self::Type(_) => Malformation::BadType,
            Self::AttributeLenBelowHeader { .. }
            | Self::AttributeLenBeyondMessage { .. }
            | Self::AttributeLen { .. }
            | Self::AttributeTooLong { .. }
            | Self::AttributeValue { .. }
            | Self::AttributeMissing(_) => Malformation::BadPayload,
        }
    }

    /// Returns whether more bytes of a stream can make it good: the message has only begun.
    #[must_use]
    pub const fn is_incomplete(&self) -> bool {
        matches!(
            self,
            Self::HeaderCut { .. } | Self::RangeCut { .. } | Self::LenBeyondPayload { .. }
        )
    }
}

/// What kind of malformed a message is: one counter each (`conntrackd -s network`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformation {
    /// Wrong protocol version.
    BadVersion,
    /// Malformed header.
    BadHeader,
    /// Malformed payload.
    BadPayload,
    /// Bad message type; ALARM alone tells it from a malformed header.
    BadType,
    /// Truncated message.
    Truncated,
    /// Bad message size.
    BadSize,
}
