//! Attributes of a message's body (docs/sync-protocol.md, "Attributes").

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::{DecodeError, DecodeErrorKind};
use crate::flow::Addrs;

/// Bytes of an attribute's header: length and number.
const HEADER_LEN: usize = 4;

/// Numbers of the attributes of a flow.
pub(super) mod flow_number {
    pub(in crate::wire) const IPV4: u16 = 0;
    pub(in crate::wire) const IPV6: u16 = 1;
    pub(in crate::wire) const L4PROTO: u16 = 2;
    pub(in crate::wire) const PORT: u16 = 3;
    pub(in crate::wire) const TCP_STATE: u16 = 4;
    pub(in crate::wire) const STATUS: u16 = 5;
    pub(in crate::wire) const TIMEOUT: u16 = 6;
    pub(in crate::wire) const MARK: u16 = 7;
    pub(in crate::wire) const MASTER_IPV4: u16 = 8;
    pub(in crate::wire) const MASTER_IPV6: u16 = 9;
    pub(in crate::wire) const MASTER_L4PROTO: u16 = 10;
    pub(in crate::wire) const MASTER_PORT: u16 = 11;
    pub(in crate::wire) const SNAT_IPV4: u16 = 12;
    pub(in crate::wire) const DNAT_IPV4: u16 = 13;
    pub(in crate::wire) const SPAT_PORT: u16 = 14;
    pub(in crate::wire) const DPAT_PORT: u16 = 15;
    pub(in crate::wire) const NAT_SEQ_ADJ: u16 = 16;
    pub(in crate::wire) const SCTP_STATE: u16 = 17;
    pub(in crate::wire) const SCTP_VTAG_ORIG: u16 = 18;
    pub(in crate::wire) const SCTP_VTAG_REPLY: u16 = 19;
    pub(in crate::wire) const DCCP_STATE: u16 = 20;
    pub(in crate::wire) const DCCP_ROLE: u16 = 21;
    pub(in crate::wire) const ICMP_TYPE: u16 = 22;
    pub(in crate::wire) const ICMP_CODE: u16 = 23;
    pub(in crate::wire) const ICMP_ID: u16 = 24;
    pub(in crate::wire) const TCP_WSCALE_ORIG: u16 = 25;
    pub(in crate::wire) const TCP_WSCALE_REPLY: u16 = 26;
    pub(in crate::wire) const HELPER_NAME: u16 = 27;
    pub(in crate::wire) const LABELS: u16 = 28;
    pub(in crate::wire) const SNAT_IPV6: u16 = 29;
    pub(in crate::wire) const DNAT_IPV6: u16 = 30;
    pub(in crate::wire) const SYNPROXY: u16 = 31;
    pub(in crate::wire) const ZONE: u16 = 32;
}

/// Numbers of the attributes of an expectation.
pub(super) mod expect_number {
    pub(in crate::wire) const MASTER_IPV4: u16 = 0;
    pub(in crate::wire) const MASTER_IPV6: u16 = 1;
    pub(in crate::wire) const MASTER_L4PROTO: u16 = 2;
    pub(in crate::wire) const MASTER_PORT: u16 = 3;
    pub(in crate::wire) const EXPECT_IPV4: u16 = 4;
    pub(in crate::wire) const EXPECT_IPV6: u16 = 5;
    pub(in crate::wire) const EXPECT_L4PROTO: u16 = 6;
    pub(in crate::wire) const EXPECT_PORT: u16 = 7;
    pub(in crate::wire) const MASK_IPV4: u16 = 8;
    pub(in crate::wire) const MASK_IPV6: u16 = 9;
    pub(in crate::wire) const MASK_L4PROTO: u16 = 10;
    pub(in crate::wire) const MASK_PORT: u16 = 11;
    pub(in crate::wire) const TIMEOUT: u16 = 12;
    pub(in crate::wire) const FLAGS: u16 = 13;
    pub(in crate::wire) const CLASS: u16 = 14;
    pub(in crate::wire) const NAT_IPV4: u16 = 15;
    pub(in crate::wire) const NAT_PORT: u16 = 16;
    pub(in crate::wire) const NAT_L4PROTO: u16 = 17;
    pub(in crate::wire) const NAT_DIR: u16 = 18;
    pub(in crate::wire) const HELPER_NAME: u16 = 19;
    pub(in crate::wire) const FUNCTION: u16 = 20;
}

/// Largest payload of a helper's name, its NUL included.
pub(super) const HELPER_NAME_PAYLOAD_MAX: usize = 12;
/// Largest payload of the name of an expectation's function, its NUL included.
pub(super) const FUNCTION_PAYLOAD_MAX: usize = 28;
/// Largest payload of labels that a peer accepts; the kernel has 16 bytes.
pub(super) const LABELS_PAYLOAD_MAX: usize = 1024;

/// The attributes of a body, in their order.
///
/// A remainder of 4 bytes or less is ignored: that is how the stock daemon reads, so a last
/// attribute without payload or a tail of padding is no error.
pub(super) struct Attributes<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Attributes<'a> {
    /// Returns the attributes of a body that begins at `offset` of its datagram.
    pub(super) const fn new(body: &'a [u8], offset: usize) -> Self {
        Self { rest: body, offset }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (rest, offset) = (self.rest, self.offset);
        let (&[len_high, len_low, number_high, number_low], behind_header @ [_, ..]) =
            rest.split_first_chunk()?
        else {
            return None;
        };
        let len = u16::from_be_bytes([len_high, len_low]);
        let number = u16::from_be_bytes([number_high, number_low]);
        let Some(payload_len) = usize::from(len).checked_sub(HEADER_LEN) else {
            let kind = DecodeErrorKind::AttributeLenBelowHeader { number, len };
            return Some(Err(DecodeError { offset, kind }));
        };
        let Some(payload) = behind_header.get(..payload_len) else {
            let left = rest.len();
            let kind = DecodeErrorKind::AttributeLenBeyondMessage { number, len, left };
            return Some(Err(DecodeError { offset, kind }));
        };
        // The last attribute may lack its padding.
        let step = usize::from(len).next_multiple_of(HEADER_LEN);
        self.rest = rest.get(step..).unwrap_or_default();
        self.offset = offset.saturating_add(step);
        Some(Ok(Attribute {
            number,
            offset,
            payload,
        }))
    }
}

/// One attribute.
#[derive(Clone, Copy)]
pub(super) struct Attribute<'a> {
    /// Its number.
    pub(super) number: u16,
    offset: usize,
    payload: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// Returns the error that the payload has a length other than `must_be`.
    fn bad_len(&self, must_be: usize) -> DecodeError {
        self.error(DecodeErrorKind::AttributeLen {
            number: self.number,
            len: self.payload.len().saturating_add(HEADER_LEN),
            must_be: must_be.saturating_add(HEADER_LEN),
        })
    }

    /// Returns an error about this attribute.
    pub(super) const fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError {
            offset: self.offset,
            kind,
        }
    }

    /// Returns the payload, which must have `N` bytes.
    pub(super) fn bytes<const N: usize>(&self) -> Result<[u8; N], DecodeError> {
        self.payload.try_into().map_err(|_| self.bad_len(N))
    }

    /// Returns the payload, which must not have more than `len_max` bytes.
    pub(super) fn at_most(&self, len_max: usize) -> Result<&'a [u8], DecodeError> {
        if self.payload.len() > len_max {
            return Err(self.error(DecodeErrorKind::AttributeTooLong {
                number: self.number,
                len: self.payload.len().saturating_add(HEADER_LEN),
                len_max: len_max.saturating_add(HEADER_LEN),
            }));
        }
        Ok(self.payload)
    }

    /// Returns a payload of one byte.
    pub(super) fn u8(&self) -> Result<u8, DecodeError> {
        self.bytes().map(|[byte]| byte)
    }

    /// Returns a number of 16 bits, most significant byte first.
    pub(super) fn u16(&self) -> Result<u16, DecodeError> {
        self.bytes().map(u16::from_be_bytes)
    }

    /// Returns a number of 16 bits that travels least significant byte first
    /// (docs/sync-protocol.md, "Byte order").
    pub(super) fn u16_swapped(&self) -> Result<u16, DecodeError> {
        self.bytes().map(u16::from_le_bytes)
    }

    /// Returns a number of 32 bits, most significant byte first.
    pub(super) fn u32(&self) -> Result<u32, DecodeError> {
        self.bytes().map(u32::from_be_bytes)
    }

    /// Returns `N` numbers of 32 bits.
    pub(super) fn u32s<const N: usize>(&self) -> Result<[u32; N], DecodeError> {
        let (words, []) = self.payload.as_chunks() else {
            return Err(self.bad_len(N.saturating_mul(4)));
        };
        let words: &[[u8; 4]; N] = words.try_into().map_err(|_| self.bad_len(N.saturating_mul(4)))?;
        Ok(words.map(u32::from_be_bytes))
    }

    /// Returns a source and a destination port.
    pub(super) fn ports(&self) -> Result<(u16, u16), DecodeError> {
        let [a, b, c, d] = self.bytes()?;
        Ok((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    /// Returns an IPv4 address.
    pub(super) fn ipv4(&self) -> Result<IpAddr, DecodeError> {
        self.bytes::<4>().map(IpAddr::from)
    }

    /// Returns an IPv6 address.
    pub(super) fn ipv6(&self) -> Result<IpAddr, DecodeError> {
        self.bytes::<16>().map(IpAddr::from)
    }

    /// Returns an IPv4 source and destination.
    pub(super) fn ipv4_pair(&self) -> Result<Addrs, DecodeError> {
        let (src, dst) = self.halves::<4>()?;
        Ok(Addrs::V4 {
            src: Ipv4Addr::from(src),
            dst: Ipv4Addr::from(dst),
        })
    }

    /// Returns an IPv6 source and destination.
    pub(super) fn ipv6_pair(&self) -> Result<Addrs, DecodeError> {
        let (src, dst) = self.halves::<16>()?;
        Ok(Addrs::V6 {
            src: Ipv6Addr::from(src),
            dst: Ipv6Addr::from(dst),
        })
    }

    /// Returns the two halves of a payload of `2 * N` bytes.
    fn halves<const N: usize>(&self) -> Result<([u8; N], [u8; N]), DecodeError> {
        match self.payload.as_chunks() {
            (&[first, second], []) => Ok((first, second)),
            _ => Err(self.bad_len(N.saturating_mul(2))),
        }
    }
}
