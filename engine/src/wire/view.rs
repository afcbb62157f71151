//! A payload seen as messages: bounds are checked, nothing else (docs/sync-protocol.md, "Reception").

use super::error::{DecodeError, DecodeErrorKind};
use super::header::{Change, Flags, Header, MessageType, SeqRange, VERSION};

/// Returns the messages of one datagram, or of what was read from a stream.
#[must_use]
pub const fn messages(payload: &[u8]) -> Messages<'_> {
    Messages {
        rest: payload,
        offset: 0,
        is_over: false,
    }
}

/// The messages of a payload, in their order.
///
/// A message of another version is an error behind which others may follow; after any other error
/// the next message cannot be found and the iteration is over. What is wrong inside of a message
/// shows when it is decoded.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
    offset: usize,
    is_over: bool,
}

impl<'a> Messages<'a> {
    /// Returns the bytes that belong to no message returned so far.
    ///
    /// Of a stream, they are the beginning of the next read if the last item was an error that is
    /// [incomplete](DecodeErrorKind::is_incomplete).
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Cuts off the next message by the checks that do not depend on its version.
    fn cut(&mut self) -> Result<(u8, MessageView<'a>), DecodeErrorKind> {
        let left = self.rest.len();
        let Some(header_bytes) = self.rest.first_chunk() else {
            return Err(DecodeErrorKind::HeaderCut { left });
        };
        let (version, header) = Header::from_bytes(*header_bytes);
        let (len, header_len) = (header.len, header.header_len());
        if len == 0 {
            return Err(DecodeErrorKind::LenBelowHeader { len, header_len });
        }
        let Some((message, behind)) = self.rest.split_at_checked(usize::from(len)) else {
            return Err(DecodeErrorKind::LenBeyondPayload { len, left });
        };
        if left < usize::from(header_len) {
            return Err(DecodeErrorKind::RangeCut { left });
        }
        if len < header_len {
            return Err(DecodeErrorKind::LenBelowHeader { len, header_len });
        }
        let view = MessageView {
            header,
            offset: self.offset,
            body: message.get(usize::from(Header::LEN)..).unwrap_or_default(),
        };
        self.rest = behind;
        self.offset = self.offset.saturating_add(message.len());
        Ok((version, view))
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<MessageView<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over || self.rest.is_empty() {
            return None;
        }
        let offset = self.offset;
        let item = match self.cut() {
            Ok((VERSION, view)) => Ok(view),
            Ok((version, _)) => Err(DecodeErrorKind::Version(version)),
            Err(kind) => {
                self.is_over = true;
                Err(kind)
            }
        };
        Some(item.map_err(|kind| DecodeError { offset, kind }))
    }
}

/// One message of version 1 whose length is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageView<'a> {
    /// Its header.
    pub header: Header,
    /// Where it begins in its datagram.
    pub offset: usize,
    /// What follows the first 8 bytes.
    pub body: &'a [u8],
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// About a flow: [`super::decode_flow`] reads the body.
    Flow(Change),
    /// About an expectation: [`super::decode_expectation`] reads the body.
    Expectation(Change),
    /// These messages arrived.
    Ack(SeqRange),
    /// These messages are missing.
    Nack(SeqRange),
    /// The whole internal cache, please.
    Resync,
    /// The peer lives.
    Alive,
}

impl MessageView<'_> {
    /// Returns where the body begins in the datagram.
    #[must_use]
    pub const fn body_offset(&self) -> usize {
        self.offset.saturating_add(Header::LEN as usize)
    }

    /// Returns what the message is.
    ///
    /// Of several control flags the first of ACK, NACK, RESYNC and ALIVE counts; the hello bits do
    /// not matter here.
    ///
    /// # Errors
    /// A kind of [`super::Malformation::BadHeader`]: data with a flag that only control messages
    /// have, control without any, an unknown type, a range that runs backwards.
    pub fn content(&self) -> Result<Content, DecodeError> {
        const ONLY_HELLO: u8 = !(Flags::HELLO.0 | Flags::HELLO_BACK.0);
        let flags = self.header.flags;
        let is_data = flags.0 & ONLY_HELLO == 0;
        match self.header.message_type {
            MessageType::Flow(change) if is_data => Ok(Content::Flow(change)),
            MessageType::Expectation(change) if is_data => Ok(Content::Expectation(change)),
            MessageType::Control if flags.contains(Flags::ACK) => self.range().map(Content::Ack),
            MessageType::Control if flags.contains(Flags::NACK) => self.range().map(Content::Nack),
            MessageType::Control if flags.contains(Flags::RESYNC) => Ok(Content::Resync),
            MessageType::Control if flags.contains(Flags::ALIVE) => Ok(Content::Alive),
            MessageType::Flow(_)
            | MessageType::Expectation(_)
            | MessageType::Control
            | MessageType::Unknown(_) => Err(self.bad_header()),
        }
    }

    /// Returns the error for a message that the receiving machine does not know.
    #[must_use]
    pub const fn bad_header(&self) -> DecodeError {
        DecodeError {
            offset: self.offset,
            kind: DecodeErrorKind::Header {
                message_type: self.header.message_type.number(),
                flags: self.header.flags.0,
            },
        }
    }

    /// Returns the range of an acknowledgement.
    fn range(&self) -> Result<SeqRange, DecodeError> {
        let offset = self.body_offset();
        let Some(bytes) = self.body.first_chunk() else {
            let left = self.body.len().saturating_add(usize::from(Header::LEN));
            let kind = DecodeErrorKind::RangeCut { left };
            return Err(DecodeError { offset, kind });
        };
        let range = SeqRange::from_bytes(*bytes);
        if range.to.is_before(range.from) {
            let SeqRange { from, to } = range;
            let kind = DecodeErrorKind::RangeBackwards { from, to };
            return Err(DecodeError { offset, kind });
        }
        Ok(range)
    }
}
