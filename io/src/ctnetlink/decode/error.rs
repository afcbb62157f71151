//! Why bytes of the kernel were not understood.

use engine::flow::{FunctionNameTooLong, HelperNameTooLong};

/// A datagram of the kernel that is not what its interface promises.
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
    /// A message's length is below its header's, or above what is left of the datagram.
    #[error("a message that does not fit into the {left} bytes left")]
    Message {
        /// Bytes left in the datagram.
        left: usize,
    },
    /// A message too short for the header of its kind.
    #[error("a message of type {message_type:#x} with only {len} bytes of payload")]
    Payload {
        /// Type of the message.
        message_type: u16,
        /// Length of its payload.
        len: usize,
    },
    /// An attribute's length is below its header's, or above what is left of its nest.
    #[error("an attribute that does not fit into its nest")]
    Attribute,
    /// An attribute's value has another length than its type has.
    #[error("attribute {attribute} holds {len} bytes, not {want}")]
    ValueLen {
        /// Number of the attribute within its nest.
        attribute: u16,
        /// Length of its value.
        len: usize,
        /// Length it must have.
        want: usize,
    },
    /// Neither IPv4 nor IPv6.
    #[error("address family {0}, only 2 and 10 are known")]
    Family(u8),
    /// A message or nest lacks an attribute without which it has no meaning.
    #[error("attribute {0} is missing")]
    Missing(u16),
    /// A helper's name is too long.
    #[error(transparent)]
    Helper(#[from] HelperNameTooLong),
    /// A function's name is too long.
    #[error(transparent)]
    Function(#[from] FunctionNameTooLong),
}
