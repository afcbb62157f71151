//! The sync protocol's bytes (docs/sync-protocol.md).
//!
//! Two layers. A view over the bytes only checks bounds: [`messages`] cuts a payload into
//! [`MessageView`]s. A representation that cannot be invalid lies above it: [`decode_flow`] and
//! [`decode_expectation`] make the values of [`crate::flow`], the encoders write them. [`Packer`]
//! puts the encoded messages into datagrams.

mod attribute;
mod decode;
mod encode;
mod error;
mod header;
mod pack;
mod stream;
#[cfg(test)]
mod tests;
mod view;
mod write;

pub use decode::{DecodedExpectation, DecodedFlow, decode_expectation, decode_flow};
pub use encode::{
    ControlMessage, EXPECTATION_MESSAGE_LEN_MAX, EncodeOptions, FLOW_MESSAGE_LEN_MAX, Timeouts, WindowScales,
    encode_control, encode_expectation, encode_flow,
};
pub use error::{DecodeError, DecodeErrorKind, Malformation};
pub use header::{Change, Flags, Header, MessageType, SeqRange};
pub use pack::Packer;
pub use stream::{StreamPart, stream_part};
pub use view::{Content, MessageView, Messages, messages};
