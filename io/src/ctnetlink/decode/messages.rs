//! The messages of one datagram.

use engine::input::{Errno, EventKind};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NetlinkBuffer};

use super::attributes::Attributes;
use super::{DecodeError, DecodeErrorKind};
use crate::ctnetlink::uapi::*;

/// One message of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// An event about a flow, an entry of a dump, or the answer to a request for one flow.
    Flow {
        /// What happened; entries and answers count as [`EventKind::Update`].
        kind: EventKind,
        /// Port id of the socket whose request caused it, 0 for packets and timeouts.
        port_id: u32,
        /// Number of the request that it answers, 0 for an event.
        seq: u32,
        /// The flow, for [`super::decode_flow`].
        body: Body<'a>,
    },
    /// The same about an expectation.
    Expect {
        /// What happened.
        kind: EventKind,
        /// Who caused it.
        port_id: u32,
        /// Which request it answers.
        seq: u32,
        /// The expectation, for [`super::decode_expectation`].
        body: Body<'a>,
    },
    /// The end of a dump.
    Done {
        /// The request that it answers.
        seq: u32,
        /// Why the dump is not complete.
        errno: Option<Errno>,
    },
    /// A request was carried out.
    Ack {
        /// Which.
        seq: u32,
    },
    /// A request was refused.
    Error {
        /// Which.
        seq: u32,
        /// Why.
        errno: Errno,
    },
    /// Something else.
    Other {
        /// Its type: subsystem in the upper byte.
        message_type: u16,
        /// Which request it answers.
        seq: u32,
        /// All that follows the netlink header.
        body: Body<'a>,
    },
}

impl Message<'_> {
    /// Returns the number of the request that it answers, 0 for an event.
    #[must_use]
    pub const fn seq(&self) -> u32 {
        match *self {
            Self::Flow { seq, .. }
            | Self::Expect { seq, .. }
            | Self::Done { seq, .. }
            | Self::Ack { seq }
            | Self::Error { seq, .. }
            | Self::Other { seq, .. } => seq,
        }
    }
}

/// What a message holds behind its netlink header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body<'a> {
    /// The family of its `nfgenmsg`; 0 means any.
    pub family: u8,
    /// The `res_id` of its `nfgenmsg`; of counters the number of the CPU.
    pub res_id: u16,
    /// Its attributes.
    attributes: &'a [u8],
    /// Their offset in the datagram.
    offset: usize,
}

impl<'a> Body<'a> {
    pub(super) fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.attributes, self.offset)
    }

    /// Returns the error of `kind` for the message as a whole.
    pub(super) fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError {
            offset: self.offset,
            kind,
        }
    }
}

/// Returns the messages of `datagram`, as `recv` left it.
#[must_use]
pub fn messages(datagram: &[u8]) -> Messages<'_> {
    Messages {
        rest: datagram,
        offset: 0,
    }
}

/// Iterator over the messages of a datagram; ends after a length that does not fit.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (rest, offset) = (self.rest, self.offset);
        let header = NetlinkBuffer::new_checked(rest).ok();
        let len = header
            .as_ref()
            .and_then(|header| usize::try_from(header.length()).ok());
        let Some((header, len)) = header.zip(len) else {
            self.rest = &[];
            let kind = DecodeErrorKind::Message { left: rest.len() };
            return Some(Err(DecodeError { offset, kind }));
        };
        // The padding behind the last message may be missing.
        let aligned = len.checked_next_multiple_of(4).unwrap_or(len);
        self.rest = rest.get(aligned..).unwrap_or_default();
        self.offset = offset.saturating_add(aligned);
        let payload = rest.get(NLMSG_HDRLEN..len).unwrap_or_default();
        Some(message(&header, payload, offset.saturating_add(NLMSG_HDRLEN)))
    }
}

/// Returns the message with `header` and `payload`, the latter at `offset` of its datagram.
fn message<'a>(
    header: &NetlinkBuffer<&'a [u8]>,
    payload: &'a [u8],
    offset: usize,
) -> Result<Message<'a>, DecodeError> {
    const CT_NEW: u16 = message_type(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW);
    const CT_DELETE: u16 = message_type(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE);
    const EXP_NEW: u16 = message_type(NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_NEW);
    const EXP_DELETE: u16 = message_type(NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_DELETE);

    let (message_type, seq, port_id) = (
        header.message_type(),
        header.sequence_number(),
        header.port_number(),
    );
    let too_short = DecodeError {
        offset,
        kind: DecodeErrorKind::Payload {
            message_type,
            len: payload.len(),
        },
    };
    let body = || body(payload, offset).ok_or(too_short);
    let new_or_update = || {
        if header.flags() & (NLM_F_CREATE | NLM_F_EXCL) == 0 {
            EventKind::Update
        } else {
            EventKind::New
        }
    };
    Ok(match message_type {
        CT_NEW => Message::Flow {
            kind: new_or_update(),
            port_id,
            seq,
            body: body()?,
        },
        CT_DELETE => Message::Flow {
            kind: EventKind::Destroy,
            port_id,
            seq,
            body: body()?,
        },
        EXP_NEW => Message::Expect {
            kind: new_or_update(),
            port_id,
            seq,
            body: body()?,
        },
        EXP_DELETE => Message::Expect {
            kind: EventKind::Destroy,
            port_id,
            seq,
            body: body()?,
        },
        NLMSG_DONE => Message::Done {
            seq,
            errno: errno(payload).unwrap_or_default(),
        },
        NLMSG_ERROR => match errno(payload).ok_or(too_short)? {
            None => Message::Ack { seq },
            Some(errno) => Message::Error { seq, errno },
        },
        message_type => Message::Other {
            message_type,
            seq,
            body: body()?,
        },
    })
}

/// Returns what `payload`, at `offset` of its datagram, holds if there is room for the `nfgenmsg` it begins with.
fn body(payload: &[u8], offset: usize) -> Option<Body<'_>> {
    let (&[family, _version, res_id_0, res_id_1], attributes) =
        payload.split_first_chunk::<NFGENMSG_LEN>()?;
    Some(Body {
        family,
        res_id: u16::from_be_bytes([res_id_0, res_id_1]),
        attributes,
        offset: offset.saturating_add(NFGENMSG_LEN),
    })
}

/// Returns the error that the first four bytes of `payload` tell, host order and negative; `Some(None)` for 0.
fn errno(payload: &[u8]) -> Option<Option<Errno>> {
    let code = i32::from_ne_bytes(*payload.first_chunk()?);
    Some((code != 0).then(|| Errno(code.saturating_neg())))
}
