//! One direction of a flow, word by word.

use core::net::IpAddr;

use super::error::{FlowLineError, FlowLineErrorKind};
use super::number;
use super::words::Token;
use crate::flow::{Addrs, Counters, L4Key, Protocol, Tuple};

/// What [`Side::pair`] takes.
const KEYS: [&str; 10] = [
    "dst", "sport", "dport", "srckey", "dstkey", "type", "code", "id", "packets", "bytes",
];

/// What was read of one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    /// Offset of its first word.
    offset: usize,
    src: IpAddr,
    dst: Option<IpAddr>,
    src_port: Option<u16>,
    dst_port: Option<u16>,
    src_key: Option<u16>,
    dst_key: Option<u16>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    icmp_id: Option<u16>,
    packets: Option<u64>,
    bytes: Option<u64>,
}

impl Side {
    /// Returns whether a direction has this key beside `src`.
    pub(super) fn has(key: &str) -> bool {
        KEYS.contains(&key)
    }

    /// Begins a direction at its source.
    pub(super) fn begin(token: &Token<'_>, src: &str) -> Result<Self, FlowLineError> {
        Ok(Self {
            offset: token.offset,
            src: address(token, src)?,
            dst: None,
            src_port: None,
            dst_port: None,
            src_key: None,
            dst_key: None,
            icmp_type: None,
            icmp_code: None,
            icmp_id: None,
            packets: None,
            bytes: None,
        })
    }

    /// Takes what belongs to a direction.
    pub(super) fn pair(&mut self, token: &Token<'_>, key: &str, value: &str) -> Result<(), FlowLineError> {
        match key {
            "dst" => {
                let dst = address(token, value)?;
                if dst.is_ipv4() != self.src.is_ipv4() {
                    return Err(token.refused(FlowLineErrorKind::OtherFamily));
                }
                once(token, &mut self.dst, dst)
            }
            "sport" => once(token, &mut self.src_port, number(token, value)?),
            "dport" => once(token, &mut self.dst_port, number(token, value)?),
            "srckey" => once(token, &mut self.src_key, number(token, value)?),
            "dstkey" => once(token, &mut self.dst_key, number(token, value)?),
            "type" => once(token, &mut self.icmp_type, number(token, value)?),
            "code" => once(token, &mut self.icmp_code, number(token, value)?),
            "id" => once(token, &mut self.icmp_id, number(token, value)?),
            "packets" => once(token, &mut self.packets, number(token, value)?),
            "bytes" => once(token, &mut self.bytes, number(token, value)?),
            _ => Err(token.refused(FlowLineErrorKind::UnknownKey)),
        }
    }

    /// Returns whether an `id` is still that of the ICMP messages and not yet that of the flow.
    pub(super) fn lacks_icmp_id(&self, protocol: Protocol) -> bool {
        protocol.is_icmp() && self.icmp_id.is_none()
    }

    /// Returns whether it is of another address family than `other`.
    pub(super) fn differs_in_family(&self, other: &Self) -> bool {
        self.src.is_ipv4() != other.src.is_ipv4()
    }

    /// Returns its tuple, if nothing is missing and nothing is of another protocol.
    pub(super) fn tuple(&self, proto: Protocol) -> Result<Tuple, FlowLineError> {
        let refused = |kind| FlowLineError {
            offset: self.offset,
            kind,
        };
        let protocol = proto.name();
        let missing = |key| refused(FlowLineErrorKind::Missing { key, protocol });
        let fields = Fields {
            ports: (self.src_port.is_some() || self.dst_port.is_some()).then_some("sport"),
            keys: (self.src_key.is_some() || self.dst_key.is_some()).then_some("srckey"),
            icmp: (self.icmp_type.is_some() || self.icmp_code.is_some() || self.icmp_id.is_some())
                .then_some("type"),
        };
        if let Some(key) = fields.foreign_to(proto) {
            return Err(refused(FlowLineErrorKind::OtherProtocol { key, protocol }));
        }
        let addrs = match (self.src, self.dst.ok_or_else(|| missing("dst"))?) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Addrs::V4 { src, dst },
            (IpAddr::V6(src), IpAddr::V6(dst)) => Addrs::V6 { src, dst },
            // `pair` refuses it.
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return Err(missing("dst")),
        };
        let key = if proto == Protocol::GRE {
            L4Key::Ports {
                src: self.src_key.ok_or_else(|| missing("srckey"))?,
                dst: self.dst_key.ok_or_else(|| missing("dstkey"))?,
            }
        } else if proto.has_ports() {
            L4Key::Ports {
                src: self.src_port.ok_or_else(|| missing("sport"))?,
                dst: self.dst_port.ok_or_else(|| missing("dport"))?,
            }
        } else if proto.is_icmp() {
            L4Key::Icmp {
                icmp_type: self.icmp_type.ok_or_else(|| missing("type"))?,
                code: self.icmp_code.ok_or_else(|| missing("code"))?,
                id: self.icmp_id.ok_or_else(|| missing("id"))?,
            }
        } else {
            L4Key::None
        };
        Ok(Tuple { addrs, proto, key })
    }

    /// Returns its counters: both or none are printed.
    pub(super) fn counters(&self) -> Result<Option<Counters>, FlowLineError> {
        match (self.packets, self.bytes) {
            (Some(packets), Some(bytes)) => Ok(Some(Counters { packets, bytes })),
            (None, None) => Ok(None),
            (packets, _) => Err(FlowLineError {
                offset: self.offset,
                kind: FlowLineErrorKind::Uncounted {
                    key: if packets.is_some() { "bytes" } else { "packets" },
                },
            }),
        }
    }
}

/// The first key given of each kind of field that only some protocols have.
struct Fields {
    ports: Option<&'static str>,
    keys: Option<&'static str>,
    icmp: Option<&'static str>,
}

impl Fields {
    /// Returns a key given that `proto` does not have.
    fn foreign_to(self, proto: Protocol) -> Option<&'static str> {
        let is_gre = proto == Protocol::GRE;
        self.ports
            .filter(|_| is_gre || !proto.has_ports())
            .or(self.keys.filter(|_| !is_gre))
            .or(self.icmp.filter(|_| !proto.is_icmp()))
    }
}

/// Sets what was not set before.
pub(super) fn once<T>(token: &Token<'_>, place: &mut Option<T>, value: T) -> Result<(), FlowLineError> {
    if place.is_some() {
        return Err(token.refused(FlowLineErrorKind::Twice));
    }
    *place = Some(value);
    Ok(())
}

fn address(token: &Token<'_>, value: &str) -> Result<IpAddr, FlowLineError> {
    value
        .parse()
        .map_err(|_| token.refused(FlowLineErrorKind::BadAddress))
}
