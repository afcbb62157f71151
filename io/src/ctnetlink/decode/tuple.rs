//! Addresses, protocol and ports of one direction.

use std::net::{Ipv4Addr, Ipv6Addr};

use engine::flow::{Addrs, Family, L4Key, Protocol, Tuple};

use super::attributes::Attribute;
use super::{DecodeError, DecodeErrorKind};
use crate::ctnetlink::uapi::*;

/// A tuple, and the zone that holds for its direction alone.
pub(super) struct ZonedTuple {
    pub(super) tuple: Tuple,
    pub(super) zone: Option<u16>,
}

/// Returns the family of a message's header.
pub(super) fn family(number: u8) -> Result<Family, DecodeErrorKind> {
    match number {
        2 => Ok(Family::Ipv4),
        10 => Ok(Family::Ipv6),
        other => Err(DecodeErrorKind::Family(other)),
    }
}

/// Reads the nest of a tuple; the family of the message says which addresses it has.
pub(super) fn decode_tuple(nest: &Attribute<'_>, family: Family) -> Result<ZonedTuple, DecodeError> {
    let (mut addrs, mut l4, mut zone) = (None, None, None);
    for attribute in nest.nest() {
        let attribute = attribute?;
        match attribute.kind {
            CTA_TUPLE_IP => addrs = Some(decode_addrs(&attribute, family)?),
            CTA_TUPLE_PROTO => l4 = Some(decode_l4(&attribute)?),
            CTA_TUPLE_ZONE => zone = Some(attribute.be16()?),
            _ => {}
        }
    }
    let addrs = addrs.ok_or_else(|| nest.missing(CTA_TUPLE_IP))?;
    let (proto, key) = l4.ok_or_else(|| nest.missing(CTA_TUPLE_PROTO))?;
    Ok(ZonedTuple {
        tuple: Tuple { addrs, proto, key },
        zone,
    })
}

fn decode_addrs(nest: &Attribute<'_>, family: Family) -> Result<Addrs, DecodeError> {
    match family {
        Family::Ipv4 => {
            let (src, dst) = decode_pair(nest, CTA_IP_V4_SRC, CTA_IP_V4_DST)?;
            Ok(Addrs::V4 {
                src: Ipv4Addr::from(src),
                dst: Ipv4Addr::from(dst),
            })
        }
        Family::Ipv6 => {
            let (src, dst) = decode_pair(nest, CTA_IP_V6_SRC, CTA_IP_V6_DST)?;
            Ok(Addrs::V6 {
                src: Ipv6Addr::from(src),
                dst: Ipv6Addr::from(dst),
            })
        }
    }
}

/// Reads the two addresses of N bytes with these numbers.
fn decode_pair<const N: usize>(
    nest: &Attribute<'_>,
    src_kind: u16,
    dst_kind: u16,
) -> Result<([u8; N], [u8; N]), DecodeError> {
    let (mut src, mut dst) = (None, None);
    for attribute in nest.nest() {
        let attribute = attribute?;
        if attribute.kind == src_kind {
            src = Some(attribute.array()?);
        } else if attribute.kind == dst_kind {
            dst = Some(attribute.array()?);
        }
    }
    Ok((
        src.ok_or_else(|| nest.missing(src_kind))?,
        dst.ok_or_else(|| nest.missing(dst_kind))?,
    ))
}

/// Reads protocol and key. A protocol without tracker has neither ports nor ICMP fields.
fn decode_l4(nest: &Attribute<'_>) -> Result<(Protocol, L4Key), DecodeError> {
    let mut proto = None;
    let (mut src, mut dst) = (None, None);
    let (mut icmp_type, mut code, mut id) = (None, None, None);
    for attribute in nest.nest() {
        let attribute = attribute?;
        match attribute.kind {
            CTA_PROTO_NUM => proto = Some(Protocol(attribute.u8()?)),
            CTA_PROTO_SRC_PORT => src = Some(attribute.be16()?),
            CTA_PROTO_DST_PORT => dst = Some(attribute.be16()?),
            CTA_PROTO_ICMP_ID | CTA_PROTO_ICMPV6_ID => id = Some(attribute.be16()?),
            CTA_PROTO_ICMP_TYPE | CTA_PROTO_ICMPV6_TYPE => icmp_type = Some(attribute.u8()?),
            CTA_PROTO_ICMP_CODE | CTA_PROTO_ICMPV6_CODE => code = Some(attribute.u8()?),
            _ => {}
        }
    }
    let key = if let (Some(src), Some(dst)) = (src, dst) {
        L4Key::Ports { src, dst }
    } else if let (Some(icmp_type), Some(code), Some(id)) = (icmp_type, code, id) {
        L4Key::Icmp { icmp_type, code, id }
    } else {
        L4Key::None
    };
    Ok((proto.ok_or_else(|| nest.missing(CTA_PROTO_NUM))?, key))
}
