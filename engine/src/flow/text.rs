//! Entries as lines of text, as `conntrackd -i` and `-e` print them.

use alloc::vec::Vec;
use core::fmt;

use super::attributes::write_lossy;
pub use super::render::Timeout;
use super::render::{Render, address, decimal, delta_secs, field, ports_or_zero};
use super::{Counters, ExpectFlags, Expectation, Flow, L4Key, ProtoState, Protocol, Status, Tuple};
use crate::time::UnixTime;

/// A flow as one line, without its end.
#[derive(Clone, Copy, Debug)]
pub struct FlowLine<'a> {
    /// The flow.
    pub flow: &'a Flow,
    /// Whether its timeout is printed.
    pub timeout: Timeout,
    /// Until when a living flow has lasted.
    pub now: UnixTime,
}

impl FlowLine<'_> {
    /// Appends the line to `out`, as [`fmt::Display`] prints it but faster.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.append_to(out);
    }
}

impl fmt::Display for FlowLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f)
    }
}

impl Render for FlowLine<'_> {
    fn render(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let flow = self.flow;
        let status = flow.status.unwrap_or_default();
        protocol(out, flow.orig.proto)?;
        if let Some(secs) = self.timeout.of(flow.timeout_secs) {
            field(out, " ", secs)?;
        }
        if let Some(name) = flow.proto.state_name() {
            out.write_str(" ")?;
            out.write_str(name)?;
        }

        direction(out, &flow.orig, flow.zone_orig, " zone-orig=")?;
        counters(out, flow.counters_orig)?;
        if flow.status.is_some() && !status.contains(Status::SEEN_REPLY) {
            out.write_str(" [UNREPLIED]")?;
        }
        if let Some(reply) = &flow.reply {
            direction(out, reply, flow.zone_reply, " zone-reply=")?;
            counters(out, flow.counters_reply)?;
        }
        if let Some(flag) = life_flag(status) {
            out.write_str(flag)?;
        }
        attributes(out, flow, self.now)
    }
}

/// When an entry will be forgotten and since when it is cached; follows the line of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Seconds left, for an entry with a life time.
    pub expires_in_secs: Option<u64>,
    /// Seconds since it came into the cache.
    pub active_secs: u64,
}

impl Tail {
    /// Appends the tail to `out`, as [`fmt::Display`] prints it but faster.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.append_to(out);
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f)
    }
}

impl Render for Tail {
    fn render(&self, out: &mut impl fmt::Write) -> fmt::Result {
        if let Some(secs) = self.expires_in_secs {
            field(out, " [expires in ", secs)?;
            out.write_str("s]")?;
        }
        field(out, " [active since ", self.active_secs)?;
        out.write_str("s]")
    }
}

/// An expectation as one line, without its end.
#[derive(Clone, Copy, Debug)]
pub struct ExpectationLine<'a> {
    /// The expectation.
    pub expectation: &'a Expectation,
    /// Whether its timeout is printed.
    pub timeout: Timeout,
}

impl ExpectationLine<'_> {
    /// Appends the line to `out`, as [`fmt::Display`] prints it but faster.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.append_to(out);
    }
}

impl fmt::Display for ExpectationLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f)
    }
}

impl Render for ExpectationLine<'_> {
    fn render(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let expectation = self.expectation;
        // The mask tells nothing of a protocol; its bits are for that of the expected flow.
        let mask = Tuple {
            proto: expectation.tuple.proto,
            ..expectation.mask
        };
        if let Some(secs) = self.timeout.of(expectation.timeout_secs) {
            decimal(out, secs)?;
            out.write_str(" ")?;
        }
        field(out, "proto=", expectation.tuple.proto.0)?;
        addresses(out, &expectation.tuple, [" src=", " dst="])?;
        addresses(out, &mask, [" mask-src=", " mask-dst="])?;
        addresses(out, &expectation.master, [" master-src=", " master-dst="])?;
        if let Some(zone) = expectation.zone {
            field(out, " zone=", zone)?;
        }
        expect_flags(out, expectation.flags.unwrap_or_default())?;
        if let Some(class) = expectation.class {
            field(out, " class=", class)?;
        }
        if let Some(helper) = &expectation.helper {
            out.write_str(" helper=")?;
            write_lossy(out, helper.as_bytes())?;
        }
        Ok(())
    }
}

/// Writes the name in eight columns, a blank and the number.
fn protocol(out: &mut impl fmt::Write, protocol: Protocol) -> fmt::Result {
    const BLANKS: &str = "        ";
    let name = protocol.name();
    out.write_str(name)?;
    out.write_str(BLANKS.get(name.len()..).unwrap_or_default())?;
    field(out, " ", protocol.0)
}

/// Writes one direction of a flow up to its zone.
fn direction(out: &mut impl fmt::Write, tuple: &Tuple, zone: Option<u16>, zone_prefix: &str) -> fmt::Result {
    addresses(out, tuple, [" src=", " dst="])?;
    match zone {
        Some(zone) => field(out, zone_prefix, zone),
        None => Ok(()),
    }
}

/// Writes both addresses after their prefixes, then ports, keys or ICMP fields.
fn addresses(out: &mut impl fmt::Write, tuple: &Tuple, [src, dst]: [&str; 2]) -> fmt::Result {
    out.write_str(src)?;
    address(out, tuple.addrs.src())?;
    out.write_str(dst)?;
    address(out, tuple.addrs.dst())?;
    layer4(out, tuple)
}

fn layer4(out: &mut impl fmt::Write, tuple: &Tuple) -> fmt::Result {
    if tuple.proto == Protocol::GRE {
        let (src, dst) = ports_or_zero(tuple);
        write!(out, " srckey={src:#x} dstkey={dst:#x}")
    } else if tuple.proto.has_ports() {
        let (src, dst) = ports_or_zero(tuple);
        field(out, " sport=", src)?;
        field(out, " dport=", dst)
    } else if tuple.proto.is_icmp() {
        let (icmp_type, code, id) = match tuple.key {
            L4Key::Icmp { icmp_type, code, id } => (icmp_type, code, id),
            L4Key::None | L4Key::Ports { .. } => (0, 0, 0),
        };
        field(out, " type=", icmp_type)?;
        field(out, " code=", code)?;
        field(out, " id=", id)
    } else {
        Ok(())
    }
}

fn counters(out: &mut impl fmt::Write, counters: Option<Counters>) -> fmt::Result {
    match counters {
        Some(Counters { packets, bytes }) => {
            field(out, " packets=", packets)?;
            field(out, " bytes=", bytes)
        }
        None => Ok(()),
    }
}

/// Returns the first mark that applies: what offloads a flow keeps it alive too.
fn life_flag(status: Status) -> Option<&'static str> {
    if status.contains(Status::HW_OFFLOAD) {
        Some(" [HW_OFFLOAD]")
    } else if status.contains(Status::OFFLOAD) {
        Some(" [OFFLOAD]")
    } else if status.contains(Status::ASSURED) {
        Some(" [ASSURED]")
    } else {
        None
    }
}

/// Writes what belongs to neither direction.
fn attributes(out: &mut impl fmt::Write, flow: &Flow, now: UnixTime) -> fmt::Result {
    if let Some(mark) = flow.mark {
        field(out, " mark=", mark)?;
    }
    if let Some(secmark) = flow.secmark {
        field(out, " secmark=", secmark)?;
    }
    if let Some(secctx) = &flow.secctx {
        out.write_str(" secctx=")?;
        out.write_str(secctx)?;
    }
    if let Some(zone) = flow.zone {
        field(out, " zone=", zone)?;
    }
    if let Some(timestamps) = flow.timestamps {
        field(out, " delta-time=", delta_secs(timestamps, now))?;
    }
    if let Some(helper) = &flow.helper {
        out.write_str(" helper=")?;
        write_lossy(out, helper.as_bytes())?;
    }
    if let Some(use_count) = flow.use_count {
        field(out, " use=", use_count)?;
    }
    Ok(())
}

fn expect_flags(out: &mut impl fmt::Write, flags: ExpectFlags) -> fmt::Result {
    let mut separator = " ";
    for (flag, name) in [
        (ExpectFlags::PERMANENT, "PERMANENT"),
        (ExpectFlags::INACTIVE, "INACTIVE"),
        (ExpectFlags::USERSPACE, "USERSPACE"),
    ] {
        if flags.0 & flag.0 != 0 {
            out.write_str(separator)?;
            out.write_str(name)?;
            separator = ",";
        }
    }
    Ok(())
}

impl ProtoState {
    /// Returns the name of the state, if the protocol has one.
    pub(super) fn state_name(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Tcp(tcp) => Some(tcp.state.name()),
            Self::Sctp { state, .. } => Some(state.name()),
            Self::Dccp { state, .. } => Some(state.name()),
        }
    }
}
