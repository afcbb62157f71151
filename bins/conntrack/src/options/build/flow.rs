//! The flow that a command names or makes.

use std::net::IpAddr;

use engine::flow::{Flow, L4Key, NatRange, Protocol, Tuple};

use super::super::Refusal;
use super::super::check::addresses;
use super::super::given::Given;
use super::super::table::{Column, Part};
use super::super::values::address::AddressList;
use super::super::values::nat::NatValue;
use super::{addrs, proto_state};
use crate::command::Creation;

/// The addresses and ports of both directions, where there is one of each.
struct Ends {
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    reply_src: Option<IpAddr>,
    reply_dst: Option<IpAddr>,
    sport: Option<u16>,
    dport: Option<u16>,
    reply_sport: Option<u16>,
    reply_dport: Option<u16>,
}

impl Ends {
    fn of(given: &Given<'_>) -> Result<Self, Refusal> {
        let addr = |list: &Option<AddressList<'_>>| list.as_ref().map(AddressList::single).transpose();
        let port = |part| given.ports(part).map(|ports| ports.single()).transpose();
        Ok(Self {
            src: addr(&given.src)?,
            dst: addr(&given.dst)?,
            reply_src: addr(&given.reply_src)?,
            reply_dst: addr(&given.reply_dst)?,
            sport: port(Part::OrigSrc)?,
            dport: port(Part::OrigDst)?,
            reply_sport: port(Part::ReplySrc)?,
            reply_dport: port(Part::ReplyDst)?,
        })
    }

    /// Returns the tuple of the original direction; what was not given of it is that of the answer.
    fn orig(&self, given: &Given<'_>) -> Result<Tuple, Refusal> {
        let src = self.src.or(self.reply_dst);
        let dst = self.dst.or(self.reply_src);
        let ports = (self.sport.or(self.reply_dport), self.dport.or(self.reply_sport));
        tuple(given, src, dst, ports)
    }

    /// Returns the tuple of the reply direction, if anything was given of it.
    fn reply(&self, given: &Given<'_>, orig: Tuple) -> Result<Option<Tuple>, Refusal> {
        let is_given = self.reply_src.is_some()
            || self.reply_dst.is_some()
            || self.reply_sport.is_some()
            || self.reply_dport.is_some();
        if !is_given {
            return Ok(None);
        }
        let src = self.reply_src.or(self.dst);
        let dst = self.reply_dst.or(self.src);
        // Ports of a direction whose addresses are all given are not guessed: the kernel refuses them.
        let is_whole = addresses(given) == [[true; 2]; 2];
        let mirrored = |port: Option<u16>| port.filter(|_| !is_whole);
        let ports = (
            self.reply_sport.or_else(|| mirrored(self.dport)),
            self.reply_dport.or_else(|| mirrored(self.sport)),
        );
        let reply = tuple(given, src, dst, ports)?;
        // The type of an ICMP message is given of the original direction.
        let key = match reply.key {
            L4Key::Icmp { .. } => orig.mirrored().key,
            key @ (L4Key::None | L4Key::Ports { .. }) => key,
        };
        Ok(Some(Tuple { key, ..reply }))
    }
}

/// Makes a tuple of what was checked to be there.
fn tuple(
    given: &Given<'_>,
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    ports: (Option<u16>, Option<u16>),
) -> Result<Tuple, Refusal> {
    let (Some(src), Some(dst)) = (src, dst) else {
        return Err(Refusal::NeededPair("src", "dst"));
    };
    let proto = given.proto.unwrap_or(Protocol(0));
    let key = if proto.is_icmp() {
        L4Key::Icmp {
            icmp_type: given.icmp_type,
            code: given.icmp_code,
            id: given.icmp_id,
        }
    } else if proto.has_ports() && ports != (None, None) {
        L4Key::Ports {
            src: ports.0.unwrap_or(0),
            dst: ports.1.unwrap_or(0),
        }
    } else {
        L4Key::None
    };
    Ok(Tuple {
        addrs: addrs(src, dst)?,
        proto,
        key,
    })
}

/// Makes the flow of `-I` and `-A`.
pub(super) fn creation(given: &Given<'_>) -> Result<Creation, Refusal> {
    let ends = Ends::of(given)?;
    let orig = ends.orig(given)?;
    let mut flow = Flow::new(orig);
    flow.reply = ends.reply(given, orig)?;
    flow.zone = given.has(Column::Zone).then_some(given.zone);
    flow.zone_orig = given.has(Column::OrigZone).then_some(given.zone_orig);
    flow.zone_reply = given.has(Column::ReplyZone).then_some(given.zone_reply);
    flow.status = given.has(Column::Status).then_some(given.status.set);
    flow.timeout_secs = Some(given.timeout_secs);
    flow.mark = given.mark.map(|mark| mark.value);
    flow.labels = given.label_add;
    flow.helper = given.helper;
    if let Some(state) = proto_state(given) {
        flow.proto = state;
    }
    let range = |nat: &Option<NatValue<'_>>| -> Option<NatRange> { nat.as_ref().map(|nat| nat.range) };
    Ok(Creation {
        flow,
        src_nat: range(&given.src_nat),
        dst_nat: range(&given.dst_nat),
    })
}

/// Makes the tuple that `-G` looks for: that of the original direction if it was given.
pub(super) fn looked_up(given: &Given<'_>) -> Result<Tuple, Refusal> {
    let [orig_addrs, _] = addresses(given);
    let has_ports = given.proto.is_some_and(Protocol::has_ports);
    let has_orig_ports = given.has_part(Part::OrigSrc) && given.has_part(Part::OrigDst);
    let is_orig = orig_addrs == [true; 2] && (!has_ports || has_orig_ports);
    // Of the other direction a filter may have a list.
    let addr = |list: &Option<AddressList<'_>>| list.as_ref().map(AddressList::single).transpose();
    let port = |part| given.ports(part).map(|ports| ports.single()).transpose();
    if is_orig {
        let ports = (port(Part::OrigSrc)?, port(Part::OrigDst)?);
        return tuple(given, addr(&given.src)?, addr(&given.dst)?, ports);
    }
    let (src, dst) = (addr(&given.reply_src)?, addr(&given.reply_dst)?);
    if given.proto.is_some_and(Protocol::is_icmp) {
        // The type is that of the original direction.
        return tuple(given, dst, src, (None, None));
    }
    tuple(given, src, dst, (port(Part::ReplySrc)?, port(Part::ReplyDst)?))
}
