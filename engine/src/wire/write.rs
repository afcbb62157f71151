//! Attributes into bytes, the counterpart of [`super::attribute`].
//!
//! Every attribute is written as whole words of 4 bytes, so the padding comes by itself.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use super::header::{Flags, Header, MessageType};
use crate::flow::{Addrs, Tuple};
use crate::seq::Seq;

/// A message being written at the end of a buffer.
pub(super) struct MessageWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

/// Numbers of the attributes of a tuple.
pub(super) struct TupleNumbers {
    /// Both addresses, IPv4.
    pub(super) ipv4: u16,
    /// Both addresses, IPv6.
    pub(super) ipv6: u16,
    /// Protocol.
    pub(super) l4proto: u16,
    /// Both ports.
    pub(super) port: u16,
}

impl<'a> MessageWriter<'a> {
    /// Begins a message behind what `out` has; `len_max` bytes are reserved for it.
    pub(super) fn new(
        out: &'a mut Vec<u8>,
        len_max: usize,
        message_type: MessageType,
        flags: Flags,
        seq: Seq,
    ) -> Self {
        out.reserve(len_max);
        let start = out.len();
        let header = Header {
            message_type,
            flags,
            len: 0,
            seq,
        };
        out.extend_from_slice(&header.to_bytes());
        Self { out, start }
    }

    /// Ends the message: its length goes into its header.
    pub(super) fn end(self) {
        let message = self.out.get_mut(self.start..).unwrap_or_default();
        let len =
            u16::try_from(message.len()).expect("no encoder writes more than FLOW_MESSAGE_LEN_MAX bytes");
        if let [_, _, high, low, ..] = message {
            [*high, *low] = len.to_be_bytes();
        }
    }

    /// Appends words without an attribute header.
    pub(super) fn words<const N: usize>(&mut self, words: [[u8; 4]; N]) {
        self.out.extend_from_slice(words.as_flattened());
    }

    /// Appends a number of 8 bits.
    pub(super) fn u8(&mut self, number: u16, value: u8) {
        self.words([attribute_header(5, number), [value, 0, 0, 0]]);
    }

    /// Appends a number of 16 bits, most significant byte first.
    pub(super) fn u16(&mut self, number: u16, value: u16) {
        let [high, low] = value.to_be_bytes();
        self.words([attribute_header(6, number), [high, low, 0, 0]]);
    }

    /// Appends a number of 16 bits that travels least significant byte first
    /// (docs/sync-protocol.md, "Byte order").
    pub(super) fn u16_swapped(&mut self, number: u16, value: u16) {
        self.u16(number, value.swap_bytes());
    }

    /// Appends a number of 32 bits.
    pub(super) fn u32(&mut self, number: u16, value: u32) {
        self.words([attribute_header(8, number), value.to_be_bytes()]);
    }

    /// Appends numbers of 32 bits; `len` is that of the attribute.
    pub(super) fn u32s<const N: usize>(&mut self, len: u16, number: u16, values: [u32; N]) {
        self.words([attribute_header(len, number)]);
        self.words(values.map(u32::to_be_bytes));
    }

    /// Appends one address.
    pub(super) fn addr(&mut self, ipv4: u16, ipv6: u16, addr: IpAddr) {
        match addr {
            IpAddr::V4(addr) => self.words([attribute_header(8, ipv4), addr.octets()]),
            IpAddr::V6(addr) => {
                self.words([attribute_header(20, ipv6)]);
                self.out.extend_from_slice(&addr.octets());
            }
        }
    }

    /// Appends an IPv4 source and destination.
    pub(super) fn ipv4_pair(&mut self, number: u16, src: Ipv4Addr, dst: Ipv4Addr) {
        self.words([attribute_header(12, number), src.octets(), dst.octets()]);
    }

    /// Appends both addresses of a tuple.
    pub(super) fn addrs(&mut self, ipv4: u16, ipv6: u16, addrs: Addrs) {
        match addrs {
            Addrs::V4 { src, dst } => self.ipv4_pair(ipv4, src, dst),
            Addrs::V6 { src, dst } => {
                self.words([attribute_header(36, ipv6)]);
                self.out.extend_from_slice(&src.octets());
                self.out.extend_from_slice(&dst.octets());
            }
        }
    }

    /// Appends both ports of a tuple that has some.
    pub(super) fn ports(&mut self, number: u16, tuple: &Tuple) {
        if let Some((src, dst)) = tuple.ports() {
            let ([src_high, src_low], [dst_high, dst_low]) = (src.to_be_bytes(), dst.to_be_bytes());
            self.words([
                attribute_header(8, number),
                [src_high, src_low, dst_high, dst_low],
            ]);
        }
    }

    /// Appends addresses, protocol and, where it has some, ports of a tuple.
    pub(super) fn tuple(&mut self, numbers: &TupleNumbers, tuple: &Tuple) {
        self.addrs(numbers.ipv4, numbers.ipv6, tuple.addrs);
        self.u8(numbers.l4proto, tuple.proto.0);
        self.ports(numbers.port, tuple);
    }

    /// Appends a name and its NUL.
    ///
    /// A peer rejects the whole message if they have more than `payload_len_max` bytes: such a name
    /// is left out.
    pub(super) fn name(&mut self, number: u16, name: &[u8], payload_len_max: usize) {
        let payload_len = name.len().saturating_add(1);
        if name.is_empty() || payload_len > payload_len_max {
            return;
        }
        let Ok(len) = u16::try_from(payload_len.saturating_add(4)) else {
            return;
        };
        self.words([attribute_header(len, number)]);
        self.out.extend_from_slice(name);
        let padded_len = payload_len.next_multiple_of(4);
        let zeros = padded_len.saturating_sub(name.len());
        self.out.extend(core::iter::repeat_n(0, zeros));
    }
}

/// Returns the header of an attribute; `len` counts these 4 bytes and the payload without padding.
const fn attribute_header(len: u16, number: u16) -> [u8; 4] {
    let ([len_high, len_low], [number_high, number_low]) = (len.to_be_bytes(), number.to_be_bytes());
    [len_high, len_low, number_high, number_low]
}
