//! Messages and attributes, appended to a buffer.

use engine::flow::{Addrs, Family, L4Key, Protocol, Tuple};
use netlink_packet_core::{NLA_F_NESTED, NLM_F_ACK, NLM_F_REQUEST};

use super::AckMode;
use crate::ctnetlink::uapi::*;

/// What is written ahead of the attributes.
pub(super) struct Header {
    pub(super) message_type: u16,
    /// Beside REQUEST and ACK.
    pub(super) flags: u16,
    pub(super) seq: u32,
    pub(super) ack: AckMode,
    /// `None` for all.
    pub(super) family: Option<Family>,
    /// Of `struct nfgenmsg`.
    pub(super) version: u8,
}

/// No family in particular.
const AF_UNSPEC: u8 = 0;

/// Appends a message whose attributes `fill` writes.
pub(super) fn write_message(buffer: &mut Vec<u8>, header: &Header, fill: impl FnOnce(&mut Writer<'_>)) {
    let start = buffer.len();
    let ack = match header.ack {
        AckMode::OnError => 0,
        AckMode::Always => NLM_F_ACK,
    };
    buffer.extend_from_slice(&[0; 4]);
    buffer.extend_from_slice(&header.message_type.to_ne_bytes());
    buffer.extend_from_slice(&(NLM_F_REQUEST | ack | header.flags).to_ne_bytes());
    buffer.extend_from_slice(&header.seq.to_ne_bytes());
    buffer.extend_from_slice(&[0; 4]);
    let family = header.family.map_or(AF_UNSPEC, |family| family as u8);
    buffer.extend_from_slice(&[family, header.version, 0, 0]);
    fill(&mut Writer { buffer });
    // No message of ours reaches even a kilobyte.
    let len = u32::try_from(buffer.len().saturating_sub(start)).unwrap_or(u32::MAX);
    overwrite(buffer, start, len.to_ne_bytes());
}

/// Appends attributes.
pub(super) struct Writer<'a> {
    buffer: &'a mut Vec<u8>,
}

impl Writer<'_> {
    pub(super) fn u8(&mut self, kind: u16, value: u8) {
        self.header(kind, 1);
        self.buffer.extend_from_slice(&[value, 0, 0, 0]);
    }

    pub(super) fn be16(&mut self, kind: u16, value: u16) {
        let [high, low] = value.to_be_bytes();
        self.header(kind, 2);
        self.buffer.extend_from_slice(&[high, low, 0, 0]);
    }

    pub(super) fn be32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// Writes a number in host order.
    pub(super) fn host32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// Writes a string of at most 31 bytes with the NUL that the kernel's `NLA_NUL_STRING` needs.
    pub(super) fn name(&mut self, kind: u16, name: &[u8]) {
        let mut with_nul = [0; 32];
        for (to, byte) in with_nul.iter_mut().zip(name) {
            *to = *byte;
        }
        let len = name.len().saturating_add(1);
        self.bytes(kind, with_nul.get(..len).unwrap_or(&with_nul));
    }

    pub(super) fn bytes(&mut self, kind: u16, value: &[u8]) {
        // What we write are addresses, labels and names, 32 bytes at most.
        self.header(kind, u16::try_from(value.len()).unwrap_or(u16::MAX));
        self.buffer.extend_from_slice(value);
        self.buffer.resize(self.buffer.len().next_multiple_of(4), 0);
    }

    /// Writes a nest whose attributes `fill` writes.
    pub(super) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.buffer.len();
        self.header(kind | NLA_F_NESTED, 0);
        fill(self);
        let len = u16::try_from(self.buffer.len().saturating_sub(start)).unwrap_or(u16::MAX);
        overwrite(self.buffer, start, len.to_ne_bytes());
    }

    /// Writes a tuple, with the zone of its direction alone.
    pub(super) fn tuple(&mut self, kind: u16, tuple: &Tuple, zone: Option<u16>) {
        self.nest(kind, |writer| {
            writer.nest(CTA_TUPLE_IP, |writer| match tuple.addrs {
                Addrs::V4 { src, dst } => {
                    writer.bytes(CTA_IP_V4_SRC, &src.octets());
                    writer.bytes(CTA_IP_V4_DST, &dst.octets());
                }
                Addrs::V6 { src, dst } => {
                    writer.bytes(CTA_IP_V6_SRC, &src.octets());
                    writer.bytes(CTA_IP_V6_DST, &dst.octets());
                }
            });
            writer.nest(CTA_TUPLE_PROTO, |writer| writer.l4(tuple.proto, tuple.key));
            if let Some(zone) = zone {
                writer.be16(CTA_TUPLE_ZONE, zone);
            }
        });
    }

    fn l4(&mut self, proto: Protocol, key: L4Key) {
        self.u8(CTA_PROTO_NUM, proto.0);
        match key {
            L4Key::None => {}
            L4Key::Ports { src, dst } => {
                self.be16(CTA_PROTO_SRC_PORT, src);
                self.be16(CTA_PROTO_DST_PORT, dst);
            }
            L4Key::Icmp { icmp_type, code, id } if proto == Protocol::ICMPV6 => {
                self.be16(CTA_PROTO_ICMPV6_ID, id);
                self.u8(CTA_PROTO_ICMPV6_TYPE, icmp_type);
                self.u8(CTA_PROTO_ICMPV6_CODE, code);
            }
            L4Key::Icmp { icmp_type, code, id } => {
                self.be16(CTA_PROTO_ICMP_ID, id);
                self.u8(CTA_PROTO_ICMP_TYPE, icmp_type);
                self.u8(CTA_PROTO_ICMP_CODE, code);
            }
        }
    }

    #[inline]
    fn header(&mut self, kind: u16, value_len: u16) {
        let [len_0, len_1] = value_len.saturating_add(4).to_ne_bytes();
        let [kind_0, kind_1] = kind.to_ne_bytes();
        self.buffer.extend_from_slice(&[len_0, len_1, kind_0, kind_1]);
    }
}

/// Replaces the bytes at `start`, which have been written.
fn overwrite<const N: usize>(buffer: &mut [u8], start: usize, value: [u8; N]) {
    let chunk = buffer.get_mut(start..).and_then(|rest| rest.first_chunk_mut());
    debug_assert!(
        chunk.is_some(),
        "a length field at {start} must have been reserved"
    );
    if let Some(chunk) = chunk {
        *chunk = value;
    }
}
