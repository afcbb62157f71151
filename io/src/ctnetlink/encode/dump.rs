//! Requests for whole tables.

use engine::flow::Protocol;
use netlink_packet_core::NLM_F_DUMP;

use super::AckMode;
use super::writer::{Header, Writer, write_message};
use crate::ctnetlink::kernel_filter::{KernelFilter, TupleFilter};
use crate::ctnetlink::uapi::*;

/// What the kernel can send as a whole; each ends with a DONE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// All flows.
    Flows,
    /// All flows; their counters are set to 0 as they are read.
    FlowsZeroing,
    /// Flows whose end could not be told to a listener yet.
    Dying,
    /// Flows whose first packet is still on its way; recent kernels have none to tell.
    Unconfirmed,
    /// All expectations.
    Expectations,
    /// The counters of flows, one message a CPU.
    FlowCounters,
    /// The counters of expectations, one message a CPU.
    ExpectationCounters,
}

/// Appends the request for those entries of `list` that pass `filter`; answers to it will carry `seq`.
pub fn encode_dump(list: List, filter: &KernelFilter, seq: u32, buffer: &mut Vec<u8>) {
    let (subsystem, message) = match list {
        List::Flows => (NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET),
        List::FlowsZeroing => (NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_CTRZERO),
        List::Dying => (NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_DYING),
        List::Unconfirmed => (NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_UNCONFIRMED),
        List::FlowCounters => (NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS_CPU),
        List::Expectations => (NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_GET),
        List::ExpectationCounters => (NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_GET_STATS_CPU),
    };
    let header = Header {
        message_type: message_type(subsystem, message),
        flags: NLM_F_DUMP,
        seq,
        ack: AckMode::OnError,
        family: filter.family,
        version: 0,
    };
    write_message(buffer, &header, |writer| match list {
        List::Flows | List::FlowsZeroing => write_filter(writer, filter),
        // These know no filter but the family.
        List::Dying
        | List::Unconfirmed
        | List::Expectations
        | List::FlowCounters
        | List::ExpectationCounters => {}
    });
}

fn write_filter(writer: &mut Writer<'_>, filter: &KernelFilter) {
    if let Some(mark) = filter.mark {
        writer.be32(CTA_MARK, mark.value);
        writer.be32(CTA_MARK_MASK, mark.mask);
    }
    if let Some(status) = filter.status {
        writer.be32(CTA_STATUS, status.value.0);
        writer.be32(CTA_STATUS_MASK, status.mask.0);
    }
    if let Some(zone) = filter.zone {
        writer.be16(CTA_ZONE, zone);
    }
    let (orig, reply) = (flags(&filter.orig), flags(&filter.reply));
    if orig | reply == 0 {
        return;
    }
    if orig != 0 {
        write_parts(writer, CTA_TUPLE_ORIG, &filter.orig);
    }
    if reply != 0 {
        write_parts(writer, CTA_TUPLE_REPLY, &filter.reply);
    }
    writer.nest(CTA_FILTER, |writer| {
        writer.host32(CTA_FILTER_ORIG_FLAGS, orig);
        writer.host32(CTA_FILTER_REPLY_FLAGS, reply);
    });
}

/// Numbers and flags of the fields of an ICMP message: type, code, identifier.
const fn icmp_fields(proto: Protocol) -> [(u16, u32); 3] {
    if proto.0 == Protocol::ICMPV6.0 {
        [
            (CTA_PROTO_ICMPV6_TYPE, CTA_FILTER_F_CTA_PROTO_ICMPV6_TYPE),
            (CTA_PROTO_ICMPV6_CODE, CTA_FILTER_F_CTA_PROTO_ICMPV6_CODE),
            (CTA_PROTO_ICMPV6_ID, CTA_FILTER_F_CTA_PROTO_ICMPV6_ID),
        ]
    } else {
        [
            (CTA_PROTO_ICMP_TYPE, CTA_FILTER_F_CTA_PROTO_ICMP_TYPE),
            (CTA_PROTO_ICMP_CODE, CTA_FILTER_F_CTA_PROTO_ICMP_CODE),
            (CTA_PROTO_ICMP_ID, CTA_FILTER_F_CTA_PROTO_ICMP_ID),
        ]
    }
}

/// Returns which parts of the tuple count.
fn flags(parts: &TupleFilter) -> u32 {
    let [(_, icmp_type), (_, icmp_code), (_, icmp_id)] = icmp_fields(parts.proto.unwrap_or(Protocol::ICMP));
    [
        (parts.src.is_some(), CTA_FILTER_F_CTA_IP_SRC),
        (parts.dst.is_some(), CTA_FILTER_F_CTA_IP_DST),
        (parts.proto.is_some(), CTA_FILTER_F_CTA_PROTO_NUM),
        (parts.src_port.is_some(), CTA_FILTER_F_CTA_PROTO_SRC_PORT),
        (parts.dst_port.is_some(), CTA_FILTER_F_CTA_PROTO_DST_PORT),
        (parts.icmp_type.is_some(), icmp_type),
        (parts.icmp_code.is_some(), icmp_code),
        (parts.icmp_id.is_some(), icmp_id),
    ]
    .into_iter()
    .filter(|(is_given, _)| *is_given)
    .fold(0, |flags, (_, flag)| flags | flag)
}

fn write_parts(writer: &mut Writer<'_>, kind: u16, parts: &TupleFilter) {
    writer.nest(kind, |writer| {
        if parts.src.is_some() || parts.dst.is_some() {
            writer.nest(CTA_TUPLE_IP, |writer| {
                for (kind, addr) in [(CTA_IP_V4_SRC, parts.src), (CTA_IP_V4_DST, parts.dst)] {
                    if let Some(addr) = addr {
                        writer.bytes(kind, &addr.octets());
                    }
                }
            });
        }
        if let Some(proto) = parts.proto {
            writer.nest(CTA_TUPLE_PROTO, |writer| write_l4(writer, proto, parts));
        }
    });
}

fn write_l4(writer: &mut Writer<'_>, proto: Protocol, parts: &TupleFilter) {
    let [(type_kind, _), (code_kind, _), (id_kind, _)] = icmp_fields(proto);
    writer.u8(CTA_PROTO_NUM, proto.0);
    for (kind, value) in [
        (CTA_PROTO_SRC_PORT, parts.src_port),
        (CTA_PROTO_DST_PORT, parts.dst_port),
        (id_kind, parts.icmp_id),
    ] {
        if let Some(value) = value {
            writer.be16(kind, value);
        }
    }
    for (kind, value) in [(type_kind, parts.icmp_type), (code_kind, parts.icmp_code)] {
        if let Some(value) = value {
            writer.u8(kind, value);
        }
    }
}
