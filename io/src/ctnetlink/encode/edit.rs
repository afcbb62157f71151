//! Requests about single entries, as a person makes them.

use std::net::IpAddr;

use engine::flow::query::Masked;
use engine::flow::{Family, Flow, Labels, NatRange, ProtoState, Protocol, Status, Tuple};
use engine::output::ExpectRequest;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};

use super::flow::{label_words, write_attributes, write_identity, write_nat, write_proto};
use super::writer::{Header, Writer, write_message};
use super::{AckMode, encode_expect_request};
use crate::ctnetlink::uapi::*;

/// A request about one entry.
#[derive(Clone, Copy, Debug)]
pub enum Edit<'a> {
    /// Create a flow, with translations that the kernel chooses from ranges. Without a reply tuple it
    /// gets the mirrored original one.
    Create {
        /// What it is.
        flow: &'a Flow,
        /// Source translation in place of [`Flow::nat`]'s.
        src_nat: Option<NatRange>,
        /// Destination translation in place of [`Flow::nat`]'s.
        dst_nat: Option<NatRange>,
        /// What happens if it exists.
        existing: Existing,
    },
    /// Change some attributes of a flow, which its original tuple and its zones name.
    Change(&'a Flow, &'a FlowChange),
    /// Delete a flow: the one with this original tuple, these zones and, if told, this identifier.
    Delete(&'a Flow),
    /// Tell a flow.
    Get {
        /// Its tuple, of whichever direction.
        tuple: &'a Tuple,
        /// Its zone in both directions.
        zone: Option<u16>,
        /// Its zone in the original direction alone.
        zone_orig: Option<u16>,
    },
    /// Tell the expectation that covers this tuple.
    GetExpectation(&'a Tuple),
    /// Anything else about expectations.
    Expectation(&'a ExpectRequest),
    /// Delete all flows of a family, or of both.
    Flush(Option<Family>),
}

/// What a creation does if the flow exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It fails with EEXIST.
    Refuses,
    /// The flow takes on the attributes of the new one; a translation is refused with EOPNOTSUPP.
    Changes,
}

/// What becomes of some attributes of a flow; what is absent stays.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowChange {
    /// All its status bits; the kernel insists on CONFIRMED.
    pub status: Option<Status>,
    /// Seconds to live.
    pub timeout_secs: Option<u32>,
    /// The new mark is the old one without the bits of the mask, exclusive-or the value.
    pub mark: Option<Masked>,
    /// State of the layer-4 tracker, unless [`ProtoState::None`].
    pub state: ProtoState,
    /// The labels in the mask become those of the value; without a mask all do.
    pub labels: Option<(Labels, Option<Labels>)>,
}

/// Appends `edit` to `buffer`; answers to it will carry `seq`.
pub fn encode_edit(edit: &Edit<'_>, seq: u32, ack: AckMode, buffer: &mut Vec<u8>) {
    let flow = |message| (NFNL_SUBSYS_CTNETLINK, message);
    let ((subsystem, message), flags, family) = match edit {
        Edit::Create {
            flow: it, existing, ..
        } => {
            let flags = match existing {
                Existing::Refuses => NLM_F_CREATE | NLM_F_EXCL,
                Existing::Changes => NLM_F_CREATE,
            };
            (flow(IPCTNL_MSG_CT_NEW), flags, Some(it.orig.addrs.family()))
        }
        Edit::Change(it, _) => (flow(IPCTNL_MSG_CT_NEW), 0, Some(it.orig.addrs.family())),
        Edit::Delete(it) => (flow(IPCTNL_MSG_CT_DELETE), 0, Some(it.orig.addrs.family())),
        Edit::Get { tuple, .. } => (flow(IPCTNL_MSG_CT_GET), 0, Some(tuple.addrs.family())),
        Edit::GetExpectation(tuple) => (
            (NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_GET),
            0,
            Some(tuple.addrs.family()),
        ),
        Edit::Expectation(request) => return encode_expect_request(request, seq, ack, buffer),
        Edit::Flush(family) => (flow(IPCTNL_MSG_CT_DELETE), 0, *family),
    };
    let header = Header {
        message_type: message_type(subsystem, message),
        flags,
        seq,
        ack,
        family,
        // A flush looks at its family from this version on, and nothing else does.
        version: u8::from(matches!(edit, Edit::Flush(Some(_)))),
    };
    write_message(buffer, &header, |writer| match edit {
        Edit::Create {
            flow,
            src_nat,
            dst_nat,
            ..
        } => write_create(writer, flow, *src_nat, *dst_nat),
        Edit::Change(flow, change) => {
            write_name(writer, flow);
            write_change(writer, change);
        }
        Edit::Delete(flow) => {
            write_name(writer, flow);
            if let Some(id) = flow.id {
                writer.be32(CTA_ID, id);
            }
        }
        Edit::Get {
            tuple,
            zone,
            zone_orig,
        } => {
            writer.tuple(CTA_TUPLE_ORIG, tuple, *zone_orig);
            write_zone(writer, *zone);
        }
        Edit::GetExpectation(tuple) => writer.tuple(CTA_EXPECT_TUPLE, tuple, None),
        // The one has a message of its own, the other has no attributes.
        Edit::Expectation(_) | Edit::Flush(_) => {}
    });
}

fn write_name(writer: &mut Writer<'_>, flow: &Flow) {
    writer.tuple(CTA_TUPLE_ORIG, &flow.orig, flow.zone_orig);
    write_zone(writer, flow.zone);
}

fn write_zone(writer: &mut Writer<'_>, zone: Option<u16>) {
    if let Some(zone) = zone {
        writer.be16(CTA_ZONE, zone);
    }
}

fn write_create(writer: &mut Writer<'_>, flow: &Flow, src_nat: Option<NatRange>, dst_nat: Option<NatRange>) {
    write_identity(writer, flow);
    let proto = flow.orig.proto;
    match src_nat {
        Some(range) => write_nat_range(writer, CTA_NAT_SRC, proto, range),
        None => write_nat(writer, CTA_NAT_SRC, proto, flow.nat.snat, flow.nat.spat),
    }
    match dst_nat {
        Some(range) => write_nat_range(writer, CTA_NAT_DST, proto, range),
        None => write_nat(writer, CTA_NAT_DST, proto, flow.nat.dnat, flow.nat.dpat),
    }
    write_attributes(writer, flow);
}

/// Writes from what the kernel may choose a translation. Without anything to translate there is no
/// nest: an empty one would mark the flow as translated.
fn write_nat_range(writer: &mut Writer<'_>, kind: u16, proto: Protocol, range: NatRange) {
    // The kernel refuses a translated key of GRE; of a ping the port is the identifier.
    let ports = range.ports.filter(|_| proto != Protocol::GRE);
    // A range of two families is none.
    let addrs = range
        .addrs
        .filter(|(first, last)| first.is_ipv4() == last.is_ipv4());
    if addrs.is_none() && ports.is_none() {
        return;
    }
    writer.nest(kind, |writer| {
        match addrs {
            Some((IpAddr::V4(first), IpAddr::V4(last))) => {
                writer.bytes(CTA_NAT_V4_MINIP, &first.octets());
                writer.bytes(CTA_NAT_V4_MAXIP, &last.octets());
            }
            Some((IpAddr::V6(first), IpAddr::V6(last))) => {
                writer.bytes(CTA_NAT_V6_MINIP, &first.octets());
                writer.bytes(CTA_NAT_V6_MAXIP, &last.octets());
            }
            Some((IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_))) | None => {}
        }
        if let Some((first, last)) = ports {
            writer.nest(CTA_NAT_PROTO, |writer| {
                writer.be16(CTA_PROTONAT_PORT_MIN, first);
                writer.be16(CTA_PROTONAT_PORT_MAX, last);
            });
        }
    });
}

fn write_change(writer: &mut Writer<'_>, change: &FlowChange) {
    if let Some(status) = change.status {
        writer.be32(CTA_STATUS, status.0);
    }
    if let Some(timeout_secs) = change.timeout_secs {
        writer.be32(CTA_TIMEOUT, timeout_secs);
    }
    if let Some(mark) = change.mark {
        writer.be32(CTA_MARK, mark.value);
        writer.be32(CTA_MARK_MASK, mark.mask);
    }
    write_proto(writer, &change.state);
    if let Some((labels, mask)) = change.labels {
        writer.bytes(CTA_LABELS, &label_words(labels.0));
        if let Some(mask) = mask {
            writer.bytes(CTA_LABELS_MASK, &label_words(mask.0));
        }
    }
}
