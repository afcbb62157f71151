//! Flows, expectations and control messages into bytes.
//!
//! The order of the attributes is part of the protocol (docs/sync-protocol.md, "Order"): older
//! receivers need the addresses before the ICMP type.

use alloc::vec::Vec;

use super::attribute::{FUNCTION_PAYLOAD_MAX, HELPER_NAME_PAYLOAD_MAX, expect_number, flow_number};
use super::header::{Change, Flags, Header, MessageType, SeqRange};
use super::write::{MessageWriter, TupleNumbers};
use crate::flow::{
    Addrs, Direction, ExpectNat, Expectation, Flow, L4Key, Labels, Nat, ProtoState, Protocol, SeqAdjPair,
    Synproxy, Tuple,
};
use crate::seq::Seq;

/// Length of the longest message that [`encode_flow`] writes: everything known, over IPv6.
pub const FLOW_MESSAGE_LEN_MAX: usize = 8 // header
    + 36 + 8 + 8 // IPV6, STATUS, L4PROTO
    + 8 + 24 // PORT, state of TCP or SCTP
    + 8 + 8 // TIMEOUT, MARK
    + 36 + 8 + 8 // MASTER_IPV6, MASTER_L4PROTO, MASTER_PORT
    + 20 + 20 + 8 + 8 // SNAT_IPV6, DNAT_IPV6, SPAT_PORT, DPAT_PORT
    + 28 + 16 + 20 + 16 + 8; // NAT_SEQ_ADJ, HELPER_NAME, LABELS, SYNPROXY, ZONE

/// Length of the longest message that [`encode_expectation`] writes: everything known, over IPv6.
pub const EXPECTATION_MESSAGE_LEN_MAX: usize = 8 // header
    + 3 * (36 + 8 + 8) // master, expected tuple, mask
    + 8 + 8 + 8 // EXP_TIMEOUT, EXP_FLAGS, EXP_CLASS
    + 16 + 32; // EXP_HELPER_NAME, EXP_FN

/// What this node is configured to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Whether timeouts are sent.
    pub timeouts: Timeouts,
    /// Whether window scales are sent.
    pub window_scales: WindowScales,
}

/// Whether timeouts are sent (not if `CommitTimeout` is configured).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeouts {
    /// They are, where known.
    Send,
    /// They are not.
    Omit,
}

/// Whether window scales are sent (`TCPWindowTracking`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowScales {
    /// They are, each where known.
    Send,
    /// They are not.
    Omit,
}

/// A message that is not about a flow or an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlMessage {
    /// This node lives.
    Alive,
    /// The whole internal cache, please.
    Resync,
    /// These messages arrived.
    Ack(SeqRange),
    /// These messages are missing.
    Nack(SeqRange),
}

impl ControlMessage {
    /// Returns the flag that says which message it is.
    #[must_use]
    pub const fn flag(self) -> Flags {
        match self {
            Self::Alive => Flags::ALIVE,
            Self::Resync => Flags::RESYNC,
            Self::Ack(_) => Flags::ACK,
            Self::Nack(_) => Flags::NACK,
        }
    }
}

/// Appends a message about a flow.
pub fn encode_flow(
    out: &mut Vec<u8>,
    change: Change,
    flags: Flags,
    seq: Seq,
    flow: &Flow,
    options: EncodeOptions,
) {
    let message_type = MessageType::Flow(change);
    let mut message = MessageWriter::new(out, FLOW_MESSAGE_LEN_MAX, message_type, flags, seq);
    message.addrs(flow_number::IPV4, flow_number::IPV6, flow.orig.addrs);
    message.u32(flow_number::STATUS, flow.status.unwrap_or_default().0);
    message.u8(flow_number::L4PROTO, flow.orig.proto.0);
    write_key(&mut message, &flow.orig);
    write_proto_state(&mut message, flow.proto, options.window_scales);
    if let (Timeouts::Send, Some(secs)) = (options.timeouts, flow.timeout_secs) {
        message.u32(flow_number::TIMEOUT, secs);
    }
    if let Some(mark) = flow.mark {
        message.u32(flow_number::MARK, mark);
    }
    if let Some(master) = &flow.master {
        message.tuple(&FLOW_MASTER, master);
    }
    write_nat(&mut message, flow.nat_in_effect());
    if let Some(SeqAdjPair { orig, reply }) = flow.seq_adj {
        let [a, b, c] = [orig.correction_pos, orig.offset_before, orig.offset_after];
        let [d, e, f] = [reply.correction_pos, reply.offset_before, reply.offset_after];
        message.u32s(28, flow_number::NAT_SEQ_ADJ, [a, b, c, d, e, f]);
    }
    if let Some(helper) = &flow.helper {
        let name = helper.as_bytes();
        message.name(flow_number::HELPER_NAME, name, HELPER_NAME_PAYLOAD_MAX);
    }
    if let Some(labels) = flow.labels.filter(|labels| labels.0 != 0) {
        message.u32s(20, flow_number::LABELS, label_words(labels));
    }
    if let Some(Synproxy { isn, its, tsoff }) = flow.synproxy {
        message.u32s(16, flow_number::SYNPROXY, [its, isn, tsoff]);
    }
    if let Some(zone) = flow.zone {
        message.u16(flow_number::ZONE, zone);
    }
    message.end();
}

/// Appends a message about an expectation.
///
/// Ports go along if the master's protocol has them, whatever is expected. There is no attribute
/// for the IPv6 address of a translation, so a translation is sent over IPv4 only.
pub fn encode_expectation(
    out: &mut Vec<u8>,
    change: Change,
    flags: Flags,
    seq: Seq,
    expectation: &Expectation,
    options: EncodeOptions,
) {
    let message_type = MessageType::Expectation(change);
    let mut message = MessageWriter::new(out, EXPECTATION_MESSAGE_LEN_MAX, message_type, flags, seq);
    let has_ports = matches!(
        expectation.master.proto,
        Protocol::TCP | Protocol::UDP | Protocol::SCTP | Protocol::DCCP
    );
    let shown = |tuple: Tuple| Tuple {
        key: if has_ports { tuple.key } else { L4Key::None },
        ..tuple
    };
    message.tuple(&EXPECT_MASTER, &shown(expectation.master));
    message.tuple(&EXPECT_TUPLE, &shown(expectation.tuple));
    message.tuple(&EXPECT_MASK, &shown(expectation.mask));
    if let (Timeouts::Send, Some(secs)) = (options.timeouts, expectation.timeout_secs) {
        message.u32(expect_number::TIMEOUT, secs);
    }
    message.u32(expect_number::FLAGS, expectation.flags.unwrap_or_default().0);
    if let Some(class) = expectation.class {
        message.u32(expect_number::CLASS, class);
    }
    if let Some(ExpectNat { direction, tuple }) = expectation.nat
        && let Addrs::V4 { src, dst } = tuple.addrs
    {
        message.ipv4_pair(expect_number::NAT_IPV4, src, dst);
        message.u8(expect_number::NAT_L4PROTO, tuple.proto.0);
        message.ports(expect_number::NAT_PORT, &shown(tuple));
        let direction = match direction {
            Direction::Orig => 0,
            Direction::Reply => 1,
        };
        message.u32(expect_number::NAT_DIR, direction);
    }
    if let Some(helper) = &expectation.helper {
        let name = helper.as_bytes();
        message.name(expect_number::HELPER_NAME, name, HELPER_NAME_PAYLOAD_MAX);
    }
    if let Some(function) = &expectation.function {
        let name = function.as_bytes();
        message.name(expect_number::FUNCTION, name, FUNCTION_PAYLOAD_MAX);
    }
    message.end();
}

/// Appends a control message; `hello` are the hello bits that ride on it.
pub fn encode_control(out: &mut Vec<u8>, message: ControlMessage, hello: Flags, seq: Seq) {
    let range = match message {
        ControlMessage::Alive => None,
        ControlMessage::Resync => Some(SeqRange::UNUSED),
        ControlMessage::Ack(range) | ControlMessage::Nack(range) => Some(range),
    };
    let (len_max, flags) = (usize::from(Header::LEN_WITH_RANGE), message.flag() | hello);
    let mut message = MessageWriter::new(out, len_max, MessageType::Control, flags, seq);
    if let Some(range) = range {
        message.words(range.to_words());
    }
    message.end();
}

const FLOW_MASTER: TupleNumbers = TupleNumbers {
    ipv4: flow_number::MASTER_IPV4,
    ipv6: flow_number::MASTER_IPV6,
    l4proto: flow_number::MASTER_L4PROTO,
    port: flow_number::MASTER_PORT,
};

const EXPECT_MASTER: TupleNumbers = TupleNumbers {
    ipv4: expect_number::MASTER_IPV4,
    ipv6: expect_number::MASTER_IPV6,
    l4proto: expect_number::MASTER_L4PROTO,
    port: expect_number::MASTER_PORT,
};

const EXPECT_TUPLE: TupleNumbers = TupleNumbers {
    ipv4: expect_number::EXPECT_IPV4,
    ipv6: expect_number::EXPECT_IPV6,
    l4proto: expect_number::EXPECT_L4PROTO,
    port: expect_number::EXPECT_PORT,
};

const EXPECT_MASK: TupleNumbers = TupleNumbers {
    ipv4: expect_number::MASK_IPV4,
    ipv6: expect_number::MASK_IPV6,
    l4proto: expect_number::MASK_L4PROTO,
    port: expect_number::MASK_PORT,
};

/// Appends what tells a flow apart from others between its two hosts.
///
/// Stock daemons send no ports for GRE and UDP-Lite but take them.
fn write_key(message: &mut MessageWriter<'_>, orig: &Tuple) {
    match orig.key {
        L4Key::None => {}
        L4Key::Ports { .. } => message.ports(flow_number::PORT, orig),
        L4Key::Icmp { icmp_type, code, id } => {
            message.u8(flow_number::ICMP_TYPE, icmp_type);
            message.u8(flow_number::ICMP_CODE, code);
            message.u16_swapped(flow_number::ICMP_ID, id);
        }
    }
}

/// Appends the state of the layer-4 tracker.
fn write_proto_state(message: &mut MessageWriter<'_>, state: ProtoState, window_scales: WindowScales) {
    match state {
        ProtoState::None => {}
        ProtoState::Tcp(tcp) => {
            message.u8(flow_number::TCP_STATE, tcp.state.0);
            if let (WindowScales::Send, Some(scale)) = (window_scales, tcp.wscale_orig) {
                message.u8(flow_number::TCP_WSCALE_ORIG, scale);
            }
            if let (WindowScales::Send, Some(scale)) = (window_scales, tcp.wscale_reply) {
                message.u8(flow_number::TCP_WSCALE_REPLY, scale);
            }
        }
        ProtoState::Sctp {
            state,
            vtag_orig,
            vtag_reply,
        } => {
            message.u8(flow_number::SCTP_STATE, state.0);
            message.u32(flow_number::SCTP_VTAG_ORIG, vtag_orig);
            message.u32(flow_number::SCTP_VTAG_REPLY, vtag_reply);
        }
        ProtoState::Dccp { state, role } => {
            message.u8(flow_number::DCCP_STATE, state.0);
            message.u8(flow_number::DCCP_ROLE, role.0);
        }
    }
}

/// Appends the translation in effect.
fn write_nat(message: &mut MessageWriter<'_>, nat: Nat) {
    if let Some(snat) = nat.snat {
        message.addr(flow_number::SNAT_IPV4, flow_number::SNAT_IPV6, snat);
    }
    if let Some(dnat) = nat.dnat {
        message.addr(flow_number::DNAT_IPV4, flow_number::DNAT_IPV6, dnat);
    }
    if let Some(spat) = nat.spat {
        message.u16_swapped(flow_number::SPAT_PORT, spat);
    }
    if let Some(dpat) = nat.dpat {
        message.u16_swapped(flow_number::DPAT_PORT, dpat);
    }
}

/// Returns the words of the labels, labels 0 to 31 first.
fn label_words(labels: Labels) -> [u32; 4] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = labels.0.to_le_bytes();
    [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]].map(u32::from_le_bytes)
}
