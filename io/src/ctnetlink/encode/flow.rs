//! Requests about flows.

use std::net::IpAddr;

use engine::flow::{Flow, ProtoState, Protocol, SeqAdj, Tcp, TcpFlags};
use engine::output::{FlowName, FlowRequest};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};

use super::writer::{Header, Writer, write_message};
use super::{AckMode, encode_expect_request};
use crate::ctnetlink::uapi::*;

/// Appends `request` to `buffer`; answers to it will carry `seq`.
pub fn encode_flow_request(request: &FlowRequest, seq: u32, ack: AckMode, buffer: &mut Vec<u8>) {
    let (message, flags, orig) = match request {
        FlowRequest::Create(flow) => (IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, &flow.orig),
        FlowRequest::Update(flow) => (IPCTNL_MSG_CT_NEW, 0, &flow.orig),
        FlowRequest::Delete(name) => (IPCTNL_MSG_CT_DELETE, 0, &name.orig),
        FlowRequest::Get(name) => (IPCTNL_MSG_CT_GET, 0, &name.orig),
        FlowRequest::Expectation(request) => return encode_expect_request(request, seq, ack, buffer),
    };
    let header = Header {
        message_type: message_type(NFNL_SUBSYS_CTNETLINK, message),
        flags,
        seq,
        ack,
        family: Some(orig.addrs.family()),
        version: 0,
    };
    write_message(buffer, &header, |writer| match request {
        FlowRequest::Create(flow) => write_create(writer, flow),
        FlowRequest::Update(flow) => write_update(writer, flow),
        FlowRequest::Delete(name) => {
            write_name(writer, name);
            if let Some(id) = name.id {
                writer.be32(CTA_ID, id);
            }
        }
        FlowRequest::Get(name) => write_name(writer, name),
        // It has a message of its own.
        FlowRequest::Expectation(_) => {}
    });
}

fn write_name(writer: &mut Writer<'_>, name: &FlowName) {
    writer.tuple(CTA_TUPLE_ORIG, &name.orig, None);
    if let Some(zone) = name.zone {
        writer.be16(CTA_ZONE, zone);
    }
}

/// Writes what an update must not have, then what both have.
fn write_create(writer: &mut Writer<'_>, flow: &Flow) {
    write_identity(writer, flow);
    write_nat(writer, CTA_NAT_SRC, flow.orig.proto, flow.nat.snat, flow.nat.spat);
    write_nat(writer, CTA_NAT_DST, flow.orig.proto, flow.nat.dnat, flow.nat.dpat);
    write_attributes(writer, flow);
}

/// Writes what stays as it is made: tuples, master and helper.
pub(super) fn write_identity(writer: &mut Writer<'_>, flow: &Flow) {
    writer.tuple(CTA_TUPLE_ORIG, &flow.orig, flow.zone_orig);
    let reply = flow.reply.unwrap_or_else(|| flow.orig.mirrored());
    writer.tuple(CTA_TUPLE_REPLY, &reply, flow.zone_reply);
    if let Some(master) = &flow.master {
        writer.tuple(CTA_TUPLE_MASTER, master, None);
    }
    if let Some(helper) = &flow.helper {
        writer.nest(CTA_HELP, |writer| writer.name(CTA_HELP_NAME, helper.as_bytes()));
    }
}

fn write_update(writer: &mut Writer<'_>, flow: &Flow) {
    writer.tuple(CTA_TUPLE_ORIG, &flow.orig, flow.zone_orig);
    write_attributes(writer, flow);
}

/// Writes one direction of a translation. Without anything to translate there is no nest: an empty
/// one would mark the flow as translated.
pub(super) fn write_nat(
    writer: &mut Writer<'_>,
    kind: u16,
    proto: Protocol,
    addr: Option<IpAddr>,
    port: Option<u16>,
) {
    let port = port.filter(|_| has_nat_ports(proto));
    if addr.is_none() && port.is_none() {
        return;
    }
    writer.nest(kind, |writer| {
        match addr {
            Some(IpAddr::V4(addr)) => writer.bytes(CTA_NAT_V4_MINIP, &addr.octets()),
            Some(IpAddr::V6(addr)) => writer.bytes(CTA_NAT_V6_MINIP, &addr.octets()),
            None => {}
        }
        if let Some(port) = port {
            writer.nest(CTA_NAT_PROTO, |writer| {
                writer.be16(CTA_PROTONAT_PORT_MIN, port);
                writer.be16(CTA_PROTONAT_PORT_MAX, port);
            });
        }
    });
}

/// Returns whether the kernel translates ports of `proto`. It would take the port of an ICMP flow
/// for a new id, and refuse that of a GRE flow.
const fn has_nat_ports(proto: Protocol) -> bool {
    matches!(
        proto,
        Protocol::TCP | Protocol::UDP | Protocol::UDPLITE | Protocol::SCTP
    )
}

/// Writes what both a creation and an update may have.
pub(super) fn write_attributes(writer: &mut Writer<'_>, flow: &Flow) {
    if let Some(zone) = flow.zone {
        writer.be16(CTA_ZONE, zone);
    }
    if let Some(status) = flow.status {
        writer.be32(CTA_STATUS, status.0);
    }
    if let Some(timeout_secs) = flow.timeout_secs {
        writer.be32(CTA_TIMEOUT, timeout_secs);
    }
    if let Some(mark) = flow.mark {
        writer.be32(CTA_MARK, mark);
    }
    write_proto(writer, &flow.proto);
    if let Some(labels) = flow.labels {
        writer.bytes(CTA_LABELS, &label_words(labels.0));
    }
    if let Some(seq_adj) = &flow.seq_adj {
        write_seq_adj(writer, CTA_SEQ_ADJ_ORIG, &seq_adj.orig);
        write_seq_adj(writer, CTA_SEQ_ADJ_REPLY, &seq_adj.reply);
    }
    if let Some(synproxy) = &flow.synproxy {
        writer.nest(CTA_SYNPROXY, |writer| {
            writer.be32(CTA_SYNPROXY_ISN, synproxy.isn);
            writer.be32(CTA_SYNPROXY_ITS, synproxy.its);
            writer.be32(CTA_SYNPROXY_TSOFF, synproxy.tsoff);
        });
    }
}

pub(super) fn write_proto(writer: &mut Writer<'_>, proto: &ProtoState) {
    match proto {
        ProtoState::None => {}
        ProtoState::Tcp(tcp) => writer.nest(CTA_PROTOINFO, |writer| {
            writer.nest(CTA_PROTOINFO_TCP, |writer| write_tcp(writer, tcp));
        }),
        ProtoState::Sctp {
            state,
            vtag_orig,
            vtag_reply,
        } => writer.nest(CTA_PROTOINFO, |writer| {
            writer.nest(CTA_PROTOINFO_SCTP, |writer| {
                writer.u8(CTA_PROTOINFO_SCTP_STATE, state.0);
                writer.be32(CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, *vtag_orig);
                writer.be32(CTA_PROTOINFO_SCTP_VTAG_REPLY, *vtag_reply);
            });
        }),
        ProtoState::Dccp { state, role } => writer.nest(CTA_PROTOINFO, |writer| {
            writer.nest(CTA_PROTOINFO_DCCP, |writer| {
                writer.u8(CTA_PROTOINFO_DCCP_STATE, state.0);
                writer.u8(CTA_PROTOINFO_DCCP_ROLE, role.0);
            });
        }),
    }
}

/// Writes the scales only as a pair: the kernel takes both or none.
fn write_tcp(writer: &mut Writer<'_>, tcp: &Tcp) {
    writer.u8(CTA_PROTOINFO_TCP_STATE, tcp.state.0);
    if let (Some(orig), Some(reply)) = (tcp.wscale_orig, tcp.wscale_reply) {
        writer.u8(CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, orig);
        writer.u8(CTA_PROTOINFO_TCP_WSCALE_REPLY, reply);
    }
    if let Some(flags) = tcp.flags_orig {
        write_tcp_flags(writer, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, flags);
    }
    if let Some(flags) = tcp.flags_reply {
        write_tcp_flags(writer, CTA_PROTOINFO_TCP_FLAGS_REPLY, flags);
    }
}

/// Writes `struct nf_ct_tcp_flags`: the flags, and as mask the same, so that those the kernel has
/// found out for itself stay.
fn write_tcp_flags(writer: &mut Writer<'_>, kind: u16, flags: TcpFlags) {
    writer.bytes(kind, &[flags.0, flags.0]);
}

fn write_seq_adj(writer: &mut Writer<'_>, kind: u16, seq_adj: &SeqAdj) {
    writer.nest(kind, |writer| {
        writer.be32(CTA_SEQADJ_CORRECTION_POS, seq_adj.correction_pos);
        writer.be32(CTA_SEQADJ_OFFSET_BEFORE, seq_adj.offset_before);
        writer.be32(CTA_SEQADJ_OFFSET_AFTER, seq_adj.offset_after);
    });
}

/// Returns labels as the kernel keeps them: 32-bit words in host order, label 0 in the lowest bit
/// of the first.
pub(super) fn label_words(labels: u128) -> [u8; 16] {
    let mut bytes = labels.to_le_bytes();
    for word in bytes.as_chunks_mut().0 {
        *word = u32::from_le_bytes(*word).to_ne_bytes();
    }
    bytes
}
