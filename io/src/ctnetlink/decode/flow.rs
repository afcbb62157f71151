//! The attributes of a flow.

use std::net::{IpAddr, Ipv4Addr};

use engine::flow::{
    Addrs, Counters, DccpRole, DccpState, Flow, HelperName, L4Key, Labels, ProtoState, Protocol, SctpState,
    SeqAdj, SeqAdjPair, Status, Synproxy, Tcp, TcpFlags, TcpState, Timestamps, Tuple,
};

use super::attributes::Attribute;
use super::tuple::{decode_tuple, family};
use super::{Body, DecodeError, DecodeErrorKind};
use crate::ctnetlink::uapi::*;

/// Stands for the original tuple until it has been read.
const NO_TUPLE: Tuple = Tuple {
    addrs: Addrs::V4 {
        src: Ipv4Addr::UNSPECIFIED,
        dst: Ipv4Addr::UNSPECIFIED,
    },
    proto: Protocol(0),
    key: L4Key::None,
};

/// Reads the flow that a message is about.
///
/// The kernel itself never sends translations; where a request is read back, they are in it.
///
/// # Errors
/// A value of the wrong length, or no original tuple.
pub fn decode_flow(body: &Body<'_>) -> Result<Flow, DecodeError> {
    let family = family(body.family).map_err(|kind| body.error(kind))?;
    let mut flow = Flow::new(NO_TUPLE);
    let mut has_orig = false;
    for attribute in body.attributes() {
        let attribute = &attribute?;
        match attribute.kind {
            CTA_TUPLE_ORIG => {
                let orig = decode_tuple(attribute, family)?;
                (flow.orig, flow.zone_orig) = (orig.tuple, orig.zone);
                has_orig = true;
            }
            CTA_TUPLE_REPLY => {
                let reply = decode_tuple(attribute, family)?;
                (flow.reply, flow.zone_reply) = (Some(reply.tuple), reply.zone);
            }
            CTA_STATUS => flow.status = Some(Status(attribute.be32()?)),
            CTA_PROTOINFO => flow.proto = decode_proto(attribute)?,
            CTA_HELP => flow.helper = decode_helper(attribute)?,
            CTA_NAT_SRC => (flow.nat.snat, flow.nat.spat) = decode_nat(attribute)?,
            CTA_TIMEOUT => flow.timeout_secs = Some(attribute.be32()?),
            CTA_MARK => flow.mark = Some(attribute.be32()?),
            CTA_COUNTERS_ORIG => flow.counters_orig = Some(decode_counters(attribute)?),
            CTA_COUNTERS_REPLY => flow.counters_reply = Some(decode_counters(attribute)?),
            CTA_USE => flow.use_count = Some(attribute.be32()?),
            CTA_ID => flow.id = Some(attribute.be32()?),
            CTA_NAT_DST => (flow.nat.dnat, flow.nat.dpat) = decode_nat(attribute)?,
            CTA_TUPLE_MASTER => flow.master = Some(decode_tuple(attribute, family)?.tuple),
            CTA_SEQ_ADJ_ORIG => flow.seq_adj.get_or_insert(NO_SEQ_ADJ).orig = decode_seq_adj(attribute)?,
            CTA_SEQ_ADJ_REPLY => flow.seq_adj.get_or_insert(NO_SEQ_ADJ).reply = decode_seq_adj(attribute)?,
            CTA_SECMARK => flow.secmark = Some(attribute.be32()?),
            CTA_ZONE => flow.zone = Some(attribute.be16()?),
            CTA_SECCTX => flow.secctx = decode_secctx(attribute)?,
            CTA_TIMESTAMP => flow.timestamps = Some(decode_timestamps(attribute)?),
            CTA_LABELS => flow.labels = Some(decode_labels(attribute)?),
            CTA_SYNPROXY => flow.synproxy = Some(decode_synproxy(attribute)?),
            _ => {}
        }
    }
    if has_orig {
        Ok(flow)
    } else {
        Err(body.error(DecodeErrorKind::Missing(CTA_TUPLE_ORIG)))
    }
}

/// Reads when the event happened that a message tells, nanoseconds since 1970. Kernels since 6.14 tell
/// it, while `nf_conntrack_timestamp` is on.
///
/// # Errors
/// A value of the wrong length.
pub fn decode_event_time(body: &Body<'_>) -> Result<Option<u64>, DecodeError> {
    for attribute in body.attributes() {
        let attribute = attribute?;
        if attribute.kind == CTA_TIMESTAMP_EVENT {
            return attribute.be64().map(Some);
        }
    }
    Ok(None)
}

/// What the kernel means where it reports only one direction.
const NO_SEQ_ADJ: SeqAdjPair = {
    const NONE: SeqAdj = SeqAdj {
        correction_pos: 0,
        offset_before: 0,
        offset_after: 0,
    };
    SeqAdjPair {
        orig: NONE,
        reply: NONE,
    }
};

/// Reads CTA_PROTOINFO. A nest that is empty or of an unknown protocol says nothing.
fn decode_proto(nest: &Attribute<'_>) -> Result<ProtoState, DecodeError> {
    let mut proto = ProtoState::None;
    for attribute in nest.nest() {
        let attribute = &attribute?;
        proto = match attribute.kind {
            CTA_PROTOINFO_TCP => decode_tcp(attribute)?,
            CTA_PROTOINFO_SCTP => decode_sctp(attribute)?,
            CTA_PROTOINFO_DCCP => decode_dccp(attribute)?,
            _ => continue,
        };
    }
    Ok(proto)
}

fn decode_tcp(nest: &Attribute<'_>) -> Result<ProtoState, DecodeError> {
    /// A flags attribute is the value and a mask that means something in requests alone.
    fn flags(attribute: &Attribute<'_>) -> Result<TcpFlags, DecodeError> {
        attribute.array().map(|[value, _mask]| TcpFlags(value))
    }
    let mut tcp = Tcp::in_state(TcpState::NONE);
    for attribute in nest.nest() {
        let attribute = &attribute?;
        match attribute.kind {
            CTA_PROTOINFO_TCP_STATE => tcp.state = TcpState(attribute.u8()?),
            CTA_PROTOINFO_TCP_WSCALE_ORIGINAL => tcp.wscale_orig = Some(attribute.u8()?),
            CTA_PROTOINFO_TCP_WSCALE_REPLY => tcp.wscale_reply = Some(attribute.u8()?),
            CTA_PROTOINFO_TCP_FLAGS_ORIGINAL => tcp.flags_orig = Some(flags(attribute)?),
            CTA_PROTOINFO_TCP_FLAGS_REPLY => tcp.flags_reply = Some(flags(attribute)?),
            _ => {}
        }
    }
    Ok(ProtoState::Tcp(tcp))
}

/// A DESTROY event tells the state alone.
fn decode_sctp(nest: &Attribute<'_>) -> Result<ProtoState, DecodeError> {
    let (mut state, mut vtag_orig, mut vtag_reply) = (SctpState(0), 0, 0);
    for attribute in nest.nest() {
        let attribute = attribute?;
        match attribute.kind {
            CTA_PROTOINFO_SCTP_STATE => state = SctpState(attribute.u8()?),
            CTA_PROTOINFO_SCTP_VTAG_ORIGINAL => vtag_orig = attribute.be32()?,
            CTA_PROTOINFO_SCTP_VTAG_REPLY => vtag_reply = attribute.be32()?,
            _ => {}
        }
    }
    Ok(ProtoState::Sctp {
        state,
        vtag_orig,
        vtag_reply,
    })
}

fn decode_dccp(nest: &Attribute<'_>) -> Result<ProtoState, DecodeError> {
    let (mut state, mut role) = (DccpState(0), DccpRole(0));
    for attribute in nest.nest() {
        let attribute = attribute?;
        match attribute.kind {
            CTA_PROTOINFO_DCCP_STATE => state = DccpState(attribute.u8()?),
            CTA_PROTOINFO_DCCP_ROLE => role = DccpRole(attribute.u8()?),
            _ => {}
        }
    }
    Ok(ProtoState::Dccp { state, role })
}

fn decode_helper(nest: &Attribute<'_>) -> Result<Option<HelperName>, DecodeError> {
    let mut helper = None;
    for attribute in nest.nest() {
        let attribute = attribute?;
        if attribute.kind == CTA_HELP_NAME {
            helper = Some(HelperName::from_bytes(attribute.value).map_err(|error| attribute.error(error))?);
        }
    }
    Ok(helper)
}

/// Returns the address and port that replace those of the direction.
fn decode_nat(nest: &Attribute<'_>) -> Result<(Option<IpAddr>, Option<u16>), DecodeError> {
    let (mut addr, mut port) = (None, None);
    for attribute in nest.nest() {
        let attribute = attribute?;
        match attribute.kind {
            CTA_NAT_V4_MINIP => addr = Some(IpAddr::V4(attribute.array::<4>()?.into())),
            CTA_NAT_V6_MINIP => addr = Some(IpAddr::V6(attribute.array::<16>()?.into())),
            CTA_NAT_PROTO => {
                for attribute in attribute.nest() {
                    let attribute = attribute?;
                    if attribute.kind == CTA_PROTONAT_PORT_MIN {
                        port = Some(attribute.be16()?);
                    }
                }
            }
            _ => {}
        }
    }
    Ok((addr, port))
}

fn decode_counters(nest: &Attribute<'_>) -> Result<Counters, DecodeError> {
    let mut counters = Counters { packets: 0, bytes: 0 };
    for attribute in nest.nest() {
        let attribute = attribute?;
        match attribute.kind {
            CTA_COUNTERS_PACKETS => counters.packets = attribute.be64()?,
            CTA_COUNTERS_BYTES => counters.bytes = attribute.be64()?,
            _ => {}
        }
    }
    Ok(counters)
}

fn decode_seq_adj(nest: &Attribute<'_>) -> Result<SeqAdj, DecodeError> {
    let mut seq_adj = NO_SEQ_ADJ.orig;
    for attribute in nest.nest() {
        let attribute = attribute?;
        match attribute.kind {
            CTA_SEQADJ_CORRECTION_POS => seq_adj.correction_pos = attribute.be32()?,
            CTA_SEQADJ_OFFSET_BEFORE => seq_adj.offset_before = attribute.be32()?,
            CTA_SEQADJ_OFFSET_AFTER => seq_adj.offset_after = attribute.be32()?,
            _ => {}
        }
    }
    Ok(seq_adj)
}

fn decode_secctx(nest: &Attribute<'_>) -> Result<Option<Box<str>>, DecodeError> {
    let mut secctx = None;
    for attribute in nest.nest() {
        let attribute = attribute?;
        if attribute.kind == CTA_SECCTX_NAME {
            let name = attribute.value.split(|byte| *byte == 0).next();
            secctx = name.map(|name| String::from_utf8_lossy(name).into());
        }
    }
    Ok(secctx)
}

fn decode_timestamps(nest: &Attribute<'_>) -> Result<Timestamps, DecodeError> {
    let (mut start, mut stop_nanos) = (None, None);
    for attribute in nest.nest() {
        let attribute = attribute?;
        match attribute.kind {
            CTA_TIMESTAMP_START => start = Some(attribute.be64()?),
            CTA_TIMESTAMP_STOP => stop_nanos = Some(attribute.be64()?),
            _ => {}
        }
    }
    Ok(Timestamps {
        start_nanos: start.ok_or_else(|| nest.missing(CTA_TIMESTAMP_START))?,
        stop_nanos,
    })
}

/// The kernel keeps labels as 32-bit words in host order, label 0 in the lowest bit of the first.
fn decode_labels(attribute: &Attribute<'_>) -> Result<Labels, DecodeError> {
    let bytes: [u8; 16] = attribute.array()?;
    let (words, _) = bytes.as_chunks();
    let labels = words.iter().rev().fold(0, |labels: u128, word| {
        labels << 32 | u128::from(u32::from_ne_bytes(*word))
    });
    Ok(Labels(labels))
}

fn decode_synproxy(nest: &Attribute<'_>) -> Result<Synproxy, DecodeError> {
    let mut synproxy = Synproxy::ZERO;
    for attribute in nest.nest() {
        let attribute = attribute?;
        match attribute.kind {
            CTA_SYNPROXY_ISN => synproxy.isn = attribute.be32()?,
            CTA_SYNPROXY_ITS => synproxy.its = attribute.be32()?,
            CTA_SYNPROXY_TSOFF => synproxy.tsoff = attribute.be32()?,
            _ => {}
        }
    }
    Ok(synproxy)
}
