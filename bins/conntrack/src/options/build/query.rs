//! Which flows a command is about.

use engine::flow::query::{NatKind, NatQuery, Query, Side};

use super::super::Refusal;
use super::super::given::Given;
use super::super::table::{Column, Kind, Part};
use super::super::values::nat::NatValue;
use super::state;

/// Makes the selection of a command. What `-U` sets does not select.
pub(super) fn query(given: &Given<'_>) -> Result<Query, Refusal> {
    let selects = given.kind != Kind::Update;
    let when = |column: Column| selects && given.has(column);
    Ok(Query {
        family: given.family,
        proto: given.proto,
        orig: orig(given),
        reply: reply(given),
        state: state(given).filter(|_| selects && given.has_part(Part::State)),
        mark: given.mark.filter(|_| selects),
        secmark: when(Column::Secmark).then_some(given.secmark),
        status_set: if selects {
            given.status.set
        } else {
            Default::default()
        },
        status_clear: if selects {
            given.status.clear
        } else {
            Default::default()
        },
        zone: when(Column::Zone).then_some(given.zone),
        zone_orig: when(Column::OrigZone).then_some(given.zone_orig),
        zone_reply: when(Column::ReplyZone).then_some(given.zone_reply),
        labels: given.label,
        nat: nat(given)?,
        id: given.has(Column::Id).then_some(given.id),
        timeout_secs: when(Column::Timeout).then_some(given.timeout_secs),
    })
}

fn orig(given: &Given<'_>) -> Side {
    let (src, dst) = (given.src.as_ref(), given.dst.as_ref());
    let ports = |part| given.ports(part).map_or_else(Vec::new, |ports| ports.ranges());
    Side {
        src: src.map_or_else(Vec::new, |list| list.matches(given.mask_src)),
        dst: dst.map_or_else(Vec::new, |list| list.matches(given.mask_dst)),
        src_ports: ports(Part::OrigSrc),
        dst_ports: ports(Part::OrigDst),
        icmp_type: given.has_part(Part::IcmpType).then_some(given.icmp_type),
        icmp_code: given.has_part(Part::IcmpCode).then_some(given.icmp_code),
        icmp_id: given.has_part(Part::IcmpId).then_some(given.icmp_id),
    }
}

fn reply(given: &Given<'_>) -> Side {
    let (src, dst) = (given.reply_src.as_ref(), given.reply_dst.as_ref());
    let ports = |part| given.ports(part).map_or_else(Vec::new, |ports| ports.ranges());
    Side {
        src: src.map_or_else(Vec::new, |list| list.matches(None)),
        dst: dst.map_or_else(Vec::new, |list| list.matches(None)),
        src_ports: ports(Part::ReplySrc),
        dst_ports: ports(Part::ReplyDst),
        icmp_type: None,
        icmp_code: None,
        icmp_id: None,
    }
}

fn nat(given: &Given<'_>) -> Result<Vec<NatQuery>, Refusal> {
    let values = [
        (NatKind::Source, Column::SrcNat, &given.src_nat),
        (NatKind::Destination, Column::DstNat, &given.dst_nat),
        (NatKind::Any, Column::AnyNat, &given.any_nat),
    ];
    let given_ones = values.into_iter().filter(|(_, column, _)| given.has(*column));
    given_ones
        .map(|(kind, _, value)| {
            let single = value.as_ref().map(NatValue::single).transpose()?;
            let (addr, port) = single.unwrap_or_default();
            Ok(NatQuery { kind, addr, port })
        })
        .collect()
}
