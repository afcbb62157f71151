//! Entries as lines of text, as `conntrackd -i` and `-e` print them, and with more words as `conntrack` does.

use alloc::vec::Vec;
use core::fmt;

use super::attributes::write_lossy;
use super::render::{NANOS_PER_SEC, Render, Sink, address, decimal, field, hex_field, padded, ports_or_zero};
pub use super::render::{Timeout, age_secs};
use super::{
    Counters, Event, ExpectFlags, Expectation, Family, Flow, L4Key, LabelNames, LocalTime, ProtoState,
    Protocol, Requester, Status, Tuple,
};
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
    fn render(&self, out: &mut impl Sink) -> fmt::Result {
        self.with(&Details::NONE).render(out)
    }
}

impl<'a> FlowLine<'a> {
    /// Returns the line with more words.
    #[must_use]
    pub const fn with(self, details: &'a Details<'a>) -> DetailedLine<'a> {
        DetailedLine { line: self, details }
    }
}

/// What a line says of a flow only when asked.
#[derive(Clone, Copy, Debug)]
pub struct Details<'a> {
    /// The family, before the protocol.
    pub family: bool,
    /// The kernel's identifier.
    pub id: bool,
    /// When the flow began and ended, in this time zone.
    pub times: Option<&'a dyn LocalTime>,
    /// Those of its labels that have a name here.
    pub labels: Option<&'a dyn LabelNames>,
}

impl Details<'_> {
    /// Nothing more.
    pub const NONE: Self = Self {
        family: false,
        id: false,
        times: None,
        labels: None,
    };
}

/// A flow as one line with more words, without its end.
#[derive(Clone, Copy, Debug)]
pub struct DetailedLine<'a> {
    line: FlowLine<'a>,
    details: &'a Details<'a>,
}

impl DetailedLine<'_> {
    /// Appends the line to `out`, as [`fmt::Display`] prints it but faster.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.append_to(out);
    }
}

impl fmt::Display for DetailedLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f)
    }
}

impl Render for DetailedLine<'_> {
    fn render(&self, out: &mut impl Sink) -> fmt::Result {
        let Self { line, details } = self;
        let flow = line.flow;
        let status = flow.status.unwrap_or_default();
        if details.family {
            family(out, flow.orig.addrs.family())?;
        }
        protocol(out, flow.orig.proto)?;
        if let Some(secs) = line.timeout.of(flow.timeout_secs) {
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
        attributes(out, line, details)
    }
}

/// What stands before the line of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// When it happened, in brackets and with a tab behind.
    pub stamp: Option<UnixTime>,
    /// What happened.
    pub event: Option<Event>,
}

impl Prefix {
    /// Appends the prefix to `out`, as [`fmt::Display`] prints it but faster.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.append_to(out);
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f)
    }
}

impl Render for Prefix {
    fn render(&self, out: &mut impl Sink) -> fmt::Result {
        if let Some(stamp) = self.stamp {
            field(out, "[", stamp.whole_secs())?;
            out.write_str(".")?;
            padded(out, stamp.subsec_micros(), 6)?;
            out.write_str("]\t")?;
        }
        match self.event {
            Some(event) => out.write_str(event.mark()),
            None => Ok(()),
        }
    }
}

impl Requester<'_> {
    /// Appends to `out` what follows the line of an event that this process caused, as [`fmt::Display`]
    /// prints it.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.append_to(out);
    }
}

impl fmt::Display for Requester<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f)
    }
}

impl Render for Requester<'_> {
    fn render(&self, out: &mut impl Sink) -> fmt::Result {
        field(out, " [USERSPACE] portid=", self.port_id)?;
        match self.program {
            Some(program) => {
                out.write_str(" progname=")?;
                out.write_str(program)
            }
            None => Ok(()),
        }
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
    fn render(&self, out: &mut impl Sink) -> fmt::Result {
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
    fn render(&self, out: &mut impl Sink) -> fmt::Result {
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

/// Writes the name in eight columns, a blank, the number and a blank.
fn family(out: &mut impl Sink, family: Family) -> fmt::Result {
    out.write_str(match family {
        Family::Ipv4 => "ipv4     2 ",
        Family::Ipv6 => "ipv6     10 ",
    })
}

/// Writes the name in eight columns, a blank and the number.
#[inline]
fn protocol(out: &mut impl Sink, protocol: Protocol) -> fmt::Result {
    let name = column(protocol);
    out.ascii(name, name.len())?;
    decimal(out, protocol.0)
}

/// Returns the name in eight columns and a blank.
const fn column(protocol: Protocol) -> [u8; 9] {
    *match protocol {
        Protocol::TCP => b"tcp      ",
        Protocol::UDP => b"udp      ",
        Protocol::UDPLITE => b"udplite  ",
        Protocol::ICMP => b"icmp     ",
        Protocol::ICMPV6 => b"icmpv6   ",
        Protocol::SCTP => b"sctp     ",
        Protocol::DCCP => b"dccp     ",
        Protocol::GRE => b"gre      ",
        _ => b"unknown  ",
    }
}

/// Writes one direction of a flow up to its zone.
#[inline]
fn direction(out: &mut impl Sink, tuple: &Tuple, zone: Option<u16>, zone_prefix: &str) -> fmt::Result {
    addresses(out, tuple, [" src=", " dst="])?;
    match zone {
        Some(zone) => field(out, zone_prefix, zone),
        None => Ok(()),
    }
}

/// Writes both addresses after their prefixes, then ports, keys or ICMP fields.
#[inline]
fn addresses(out: &mut impl Sink, tuple: &Tuple, [src, dst]: [&str; 2]) -> fmt::Result {
    out.write_str(src)?;
    address(out, tuple.addrs.src())?;
    out.write_str(dst)?;
    address(out, tuple.addrs.dst())?;
    layer4(out, tuple)
}

#[inline]
fn layer4(out: &mut impl Sink, tuple: &Tuple) -> fmt::Result {
    if tuple.proto == Protocol::GRE {
        let (src, dst) = ports_or_zero(tuple);
        hex_field(out, " srckey=", src)?;
        hex_field(out, " dstkey=", dst)
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

#[inline]
fn counters(out: &mut impl Sink, counters: Option<Counters>) -> fmt::Result {
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
fn attributes(out: &mut impl Sink, line: &FlowLine<'_>, details: &Details<'_>) -> fmt::Result {
    let flow = line.flow;
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
        field(out, " delta-time=", age_secs(timestamps, line.now))?;
        if let Some(zone) = details.times {
            time(out, " [start=", zone, Some(timestamps.start_nanos))?;
            time(out, " [stop=", zone, timestamps.stop_nanos)?;
        }
    }
    if let Some(helper) = &flow.helper {
        out.write_str(" helper=")?;
        write_lossy(out, helper.as_bytes())?;
    }
    if let Some(use_count) = flow.use_count {
        field(out, " use=", use_count)?;
    }
    if let Some(id) = flow.id.filter(|_| details.id) {
        field(out, " id=", id)?;
    }
    match flow.labels.zip(details.labels) {
        Some((labels, names)) => joined(out, " labels=", labels.named(names)),
        None => Ok(()),
    }
}

fn time(out: &mut impl Sink, prefix: &str, zone: &dyn LocalTime, nanos: Option<u64>) -> fmt::Result {
    let Some(nanos) = nanos else {
        return Ok(());
    };
    out.write_str(prefix)?;
    zone.local(nanos / NANOS_PER_SEC).write(out)?;
    out.write_str("]")
}

/// Writes `prefix` and the words with commas between them, nothing if there is none.
fn joined<'a>(out: &mut impl Sink, prefix: &str, words: impl Iterator<Item = &'a str>) -> fmt::Result {
    let mut separator = prefix;
    for word in words {
        out.write_str(separator)?;
        out.write_str(word)?;
        separator = ",";
    }
    Ok(())
}

fn expect_flags(out: &mut impl Sink, flags: ExpectFlags) -> fmt::Result {
    joined(out, " ", flags.names())
}

impl ProtoState {
    /// Returns the name of the state, if the protocol has one.
    #[must_use]
    pub fn state_name(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Tcp(tcp) => Some(tcp.state.name()),
            Self::Sctp { state, .. } => Some(state.name()),
            Self::Dccp { state, .. } => Some(state.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fill_eight_columns() {
        for protocol in (0..=u8::MAX).map(Protocol) {
            let name = alloc::format!("{:<8} ", protocol.name());
            assert_eq!(column(protocol), name.as_bytes());
        }
    }
}
