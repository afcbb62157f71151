//! What objects of both tables are made of.

use std::fmt;
use std::net::IpAddr;

use engine::flow::{Family, L4Key, LabelNames, Labels, Protocol, Requester, SeqAdj, Status, Tuple};
use engine::time::UnixTime;
use jiff::Timestamp;
use serde::Serialize;
use serde::ser::Serializer;

/// A moment as RFC 3339 writes it, in UTC.
#[derive(Clone, Copy)]
pub(super) struct Moment(Timestamp);

impl Moment {
    pub(super) fn of(time: UnixTime) -> Self {
        let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        Self(Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX))
    }

    pub(super) fn from_nanos(nanos: u64) -> Self {
        Self(Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::MAX))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Something as the text that it is printed as.
pub(super) struct Text<T>(pub(super) T);

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Returns the name of a family.
pub(super) const fn family(tuple: &Tuple) -> &'static str {
    match tuple.addrs.family() {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    }
}

/// One direction of a flow, or a tuple alone.
#[derive(Serialize)]
pub(super) struct Side {
    src: IpAddr,
    dst: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    sport: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dport: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    srckey: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dstkey: Option<u16>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    icmp_type: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) zone: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) packets: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) window_scale: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tcp_flags: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vtag: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seq_adj: Option<SeqAdjObject>,
}

impl Side {
    /// Returns the tuple as one of this protocol, with nothing else.
    pub(super) fn of(tuple: &Tuple, proto: Protocol) -> Self {
        let mut side = Self {
            src: tuple.addrs.src(),
            dst: tuple.addrs.dst(),
            sport: None,
            dport: None,
            srckey: None,
            dstkey: None,
            icmp_type: None,
            code: None,
            id: None,
            zone: None,
            packets: None,
            bytes: None,
            window_scale: None,
            tcp_flags: None,
            vtag: None,
            seq_adj: None,
        };
        match tuple.key {
            L4Key::None => {}
            L4Key::Ports { src, dst } if proto == Protocol::GRE => {
                (side.srckey, side.dstkey) = (Some(src), Some(dst));
            }
            L4Key::Ports { src, dst } => (side.sport, side.dport) = (Some(src), Some(dst)),
            L4Key::Icmp { icmp_type, code, id } => {
                (side.icmp_type, side.code, side.id) = (Some(icmp_type), Some(code), Some(id));
            }
        }
        side
    }
}

/// Sequence adjustment of one direction.
#[derive(Serialize)]
pub(super) struct SeqAdjObject {
    position: u32,
    before: i32,
    after: i32,
}

impl From<SeqAdj> for SeqAdjObject {
    fn from(adj: SeqAdj) -> Self {
        Self {
            position: adj.correction_pos,
            before: adj.offset_before.cast_signed(),
            after: adj.offset_after.cast_signed(),
        }
    }
}

/// A tuple that stands alone, as that of a master does.
#[derive(Serialize)]
pub(super) struct LoneTuple {
    protocol: &'static str,
    protocol_number: u8,
    #[serde(flatten)]
    side: Side,
}

impl LoneTuple {
    pub(super) fn of(tuple: &Tuple) -> Self {
        Self {
            protocol: tuple.proto.name(),
            protocol_number: tuple.proto.0,
            side: Side::of(tuple, tuple.proto),
        }
    }
}

/// Who caused an event.
#[derive(Serialize)]
pub(super) struct RequesterObject<'a> {
    port_id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<&'a str>,
}

impl<'a> From<Requester<'a>> for RequesterObject<'a> {
    fn from(requester: Requester<'a>) -> Self {
        Self {
            port_id: requester.port_id,
            program: requester.program,
        }
    }
}

/// The status bits as a list of their names.
pub(super) struct StatusNames(pub(super) Status);

impl Serialize for StatusNames {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.names())
    }
}

/// Labels as a list of their names.
pub(super) struct LabelList<'a> {
    pub(super) labels: Labels,
    pub(super) names: Option<&'a dyn LabelNames>,
}

impl Serialize for LabelList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.labels.iter().map(|label| LabelName {
            label,
            name: self.names.and_then(|names| names.name(label)),
        }))
    }
}

/// A label as its name or, without one, as `#` and its number.
struct LabelName<'a> {
    label: u8,
    name: Option<&'a str>,
}

impl Serialize for LabelName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.name {
            Some(name) => serializer.serialize_str(name),
            None => serializer.collect_str(&format_args!("#{}", self.label)),
        }
    }
}
