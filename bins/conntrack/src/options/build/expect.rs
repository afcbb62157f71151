//! The expectation that a command names or makes.

use std::net::IpAddr;

use engine::flow::{Expectation, L4Key, Protocol, Tuple};

use super::super::Refusal;
use super::super::given::Given;
use super::super::table::Part;
use super::super::values::address::AddressList;
use super::addrs;

/// Makes the tuple by which `-G expect` and `-D expect` name an expectation.
pub(super) fn expected(given: &Given<'_>) -> Result<Tuple, Refusal> {
    let src = given.src.as_ref().map(AddressList::single).transpose()?;
    let dst = given.dst.as_ref().map(AddressList::single).transpose()?;
    tuple(given, [src, dst], ["src", "dst"], [Part::OrigSrc, Part::OrigDst])
}

/// Makes the expectation of `-I expect`.
pub(super) fn expectation(given: &Given<'_>) -> Result<Expectation, Refusal> {
    let tuple_addrs = [given.tuple_src, given.tuple_dst];
    let mask_addrs = [given.mask_src, given.mask_dst];
    Ok(Expectation {
        master: expected(given)?,
        tuple: tuple(
            given,
            tuple_addrs,
            ["tuple-src", "tuple-dst"],
            [Part::TupleSrc, Part::TupleDst],
        )?,
        mask: tuple(
            given,
            mask_addrs,
            ["mask-src", "mask-dst"],
            [Part::MaskSrc, Part::MaskDst],
        )?,
        timeout_secs: Some(given.timeout_secs),
        id: None,
        zone: None,
        flags: None,
        class: None,
        nat: None,
        helper: None,
        function: None,
    })
}

/// Makes a tuple; the matrix has seen to it that all of it is there.
fn tuple(
    given: &Given<'_>,
    ends: [Option<IpAddr>; 2],
    names: [&'static str; 2],
    parts: [Part; 2],
) -> Result<Tuple, Refusal> {
    let [Some(src), Some(dst)] = ends else {
        return Err(Refusal::NeededPair(names[0], names[1]));
    };
    let proto = given.proto.unwrap_or(Protocol(0));
    let port = |part| given.ports(part).map_or(Ok(0), |ports| ports.single());
    let key = if proto.has_ports() {
        L4Key::Ports {
            src: port(parts[0])?,
            dst: port(parts[1])?,
        }
    } else if proto.is_icmp() {
        // There are no options for the fields of a foretold message.
        L4Key::Icmp {
            icmp_type: 0,
            code: 0,
            id: 0,
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
