//! Entries as XML, as `conntrackd -i -x` and `-e -x` print them: one `<flow>` a line, no document around.

use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::net::IpAddr;

use super::attributes::write_lossy;
pub use super::render::Timeout;
use super::render::{Render, address, decimal, delta_secs, ports_or_zero};
use super::{Addrs, Counters, ExpectFlags, Expectation, Family, Flow, Protocol, Status, Tuple};
use crate::time::UnixTime;

/// A flow as one `<flow>` element.
#[derive(Clone, Copy, Debug)]
pub struct FlowElement<'a> {
    /// The flow.
    pub flow: &'a Flow,
    /// Whether its timeout is printed.
    pub timeout: Timeout,
    /// Until when a living flow has lasted.
    pub now: UnixTime,
}

impl FlowElement<'_> {
    /// Appends the element to `out`, as [`fmt::Display`] prints it but faster.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.append_to(out);
    }
}

impl fmt::Display for FlowElement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f)
    }
}

impl Render for FlowElement<'_> {
    fn render(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let flow = self.flow;
        out.write_str("<flow><meta direction=\"original\">")?;
        layers(out, &flow.orig)?;
        zone(out, flow.zone_orig)?;
        counters(out, flow.counters_orig)?;
        out.write_str("</meta><meta direction=\"reply\">")?;
        match &flow.reply {
            Some(reply) => layers(out, reply)?,
            // A flow from a peer has no reply tuple; readers of this format expect the element.
            None => out.write_str(
                "<layer3 protonum=\"0\" protoname=\"unknown\"><src></src><dst></dst></layer3>\
                 <layer4 protonum=\"0\" protoname=\"unknown\"></layer4>",
            )?,
        }
        zone(out, flow.zone_reply)?;
        counters(out, flow.counters_reply)?;
        out.write_str("</meta>")?;
        if self.has_independent() {
            self.independent(out)?;
        }
        if let Some(helper) = &flow.helper {
            out.write_str("<helper>")?;
            write_lossy(&mut Escaped(out), helper.as_bytes())?;
            out.write_str("</helper>")?;
        }
        out.write_str("</flow>")
    }
}

impl FlowElement<'_> {
    /// Returns whether anything is known that belongs to neither direction.
    fn has_independent(&self) -> bool {
        let flow = self.flow;
        flow.proto.state_name().is_some()
            || self.timeout.of(flow.timeout_secs).is_some()
            || flow.mark.is_some()
            || flow.secmark.is_some()
            || flow.zone.is_some()
            || flow.use_count.is_some()
            || flow.status.is_some()
            || flow.id.is_some()
            || flow.labels.is_some()
            || flow.timestamps.is_some()
    }

    fn independent(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let flow = self.flow;
        out.write_str("<meta direction=\"independent\">")?;
        if let Some(state) = flow.proto.state_name() {
            out.write_str("<state>")?;
            out.write_str(state)?;
            out.write_str("</state>")?;
        }
        number(out, "timeout", self.timeout.of(flow.timeout_secs))?;
        number(out, "mark", flow.mark)?;
        number(out, "secmark", flow.secmark)?;
        if let Some(secctx) = &flow.secctx {
            out.write_str("<secctx>")?;
            Escaped(out).write_str(secctx)?;
            out.write_str("</secctx>")?;
        }
        zone(out, flow.zone)?;
        number(out, "use", flow.use_count)?;
        number(out, "id", flow.id)?;
        if let Some(status) = flow.status {
            if status.contains(Status::ASSURED) {
                out.write_str("<assured/>")?;
            }
            if !status.contains(Status::SEEN_REPLY) {
                out.write_str("<unreplied/>")?;
            }
        }
        number(
            out,
            "deltatime",
            flow.timestamps.map(|timestamps| delta_secs(timestamps, self.now)),
        )?;
        out.write_str("</meta>")
    }
}

/// An expectation as one `<flow>` element.
#[derive(Clone, Copy, Debug)]
pub struct ExpectationElement<'a> {
    /// The expectation.
    pub expectation: &'a Expectation,
    /// Whether its timeout is printed.
    pub timeout: Timeout,
}

impl ExpectationElement<'_> {
    /// Appends the element to `out`, as [`fmt::Display`] prints it but faster.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.append_to(out);
    }
}

impl fmt::Display for ExpectationElement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f)
    }
}

impl Render for ExpectationElement<'_> {
    fn render(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let expectation = self.expectation;
        let tuples = [
            ("expected", &expectation.tuple),
            ("mask", &expectation.mask),
            ("master", &expectation.master),
        ];
        let proto = expectation.tuple.proto;
        out.write_str("<flow>")?;
        layer3_start(out, expectation.tuple.addrs)?;
        for (name, tuple) in tuples {
            start(out, name)?;
            addresses(out, tuple.addrs)?;
            end(out, name)?;
        }
        out.write_str("</layer3>")?;
        layer4_start(out, proto)?;
        for (name, tuple) in tuples {
            start(out, name)?;
            ports(out, proto, tuple)?;
            end(out, name)?;
        }
        out.write_str("</layer4><meta>")?;
        if let Some(helper) = &expectation.helper {
            out.write_str("<helper-name>")?;
            write_lossy(&mut Escaped(out), helper.as_bytes())?;
            out.write_str("</helper-name>")?;
        }
        number(out, "timeout", self.timeout.of(expectation.timeout_secs))?;
        number(out, "class", expectation.class)?;
        zone(out, expectation.zone)?;
        expect_flags(out, expectation.flags.unwrap_or_default())?;
        out.write_str("</meta></flow>")
    }
}

fn layers(out: &mut impl fmt::Write, tuple: &Tuple) -> fmt::Result {
    layer3_start(out, tuple.addrs)?;
    addresses(out, tuple.addrs)?;
    out.write_str("</layer3>")?;
    layer4_start(out, tuple.proto)?;
    ports(out, tuple.proto, tuple)?;
    out.write_str("</layer4>")
}

fn layer3_start(out: &mut impl fmt::Write, addrs: Addrs) -> fmt::Result {
    out.write_str(match addrs.family() {
        Family::Ipv4 => "<layer3 protonum=\"2\" protoname=\"ipv4\">",
        Family::Ipv6 => "<layer3 protonum=\"10\" protoname=\"ipv6\">",
    })
}

fn addresses(out: &mut impl fmt::Write, addrs: Addrs) -> fmt::Result {
    let mut element = |name, value: IpAddr| {
        start(out, name)?;
        address(out, value)?;
        end(out, name)
    };
    element("src", addrs.src())?;
    element("dst", addrs.dst())
}

fn layer4_start(out: &mut impl fmt::Write, proto: Protocol) -> fmt::Result {
    out.write_str("<layer4 protonum=\"")?;
    decimal(out, proto.0)?;
    out.write_str("\" protoname=\"")?;
    out.write_str(proto.name())?;
    out.write_str("\">")
}

/// Writes the ports of `tuple` as those of `proto`; the format has no place for ICMP fields.
fn ports(out: &mut impl fmt::Write, proto: Protocol, tuple: &Tuple) -> fmt::Result {
    let (src, dst) = ports_or_zero(tuple);
    if proto == Protocol::GRE {
        write!(out, "<srckey>{src:#x}</srckey><dstkey>{dst:#x}</dstkey>")
    } else if proto.has_ports() {
        number(out, "sport", Some(src))?;
        number(out, "dport", Some(dst))
    } else {
        Ok(())
    }
}

fn zone(out: &mut impl fmt::Write, zone: Option<u16>) -> fmt::Result {
    number(out, "zone", zone)
}

fn counters(out: &mut impl fmt::Write, counters: Option<Counters>) -> fmt::Result {
    let Some(Counters { packets, bytes }) = counters else {
        return Ok(());
    };
    out.write_str("<counters>")?;
    number(out, "packets", Some(packets))?;
    number(out, "bytes", Some(bytes))?;
    out.write_str("</counters>")
}

fn expect_flags(out: &mut impl fmt::Write, flags: ExpectFlags) -> fmt::Result {
    for (flag, element) in [
        (ExpectFlags::PERMANENT, "<permanent/>"),
        (ExpectFlags::INACTIVE, "<inactive/>"),
        (ExpectFlags::USERSPACE, "<userspace/>"),
    ] {
        if flags.0 & flag.0 != 0 {
            out.write_str(element)?;
        }
    }
    Ok(())
}

/// Writes an element that holds a number, nothing without one.
fn number(out: &mut impl fmt::Write, name: &str, number: Option<impl Into<u64>>) -> fmt::Result {
    let Some(number) = number else {
        return Ok(());
    };
    start(out, name)?;
    decimal(out, number)?;
    end(out, name)
}

fn start(out: &mut impl fmt::Write, name: &str) -> fmt::Result {
    out.write_str("<")?;
    out.write_str(name)?;
    out.write_str(">")
}

fn end(out: &mut impl fmt::Write, name: &str) -> fmt::Result {
    out.write_str("</")?;
    out.write_str(name)?;
    out.write_str(">")
}

/// A sink that escapes what would be markup: names come from the kernel and from peers.
struct Escaped<'a, W>(&'a mut W);

impl<W: fmt::Write> fmt::Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive(['&', '<', '>', '"', '\'']) {
            let Some(plain) = piece.strip_suffix(['&', '<', '>', '"', '\'']) else {
                self.0.write_str(piece)?;
                continue;
            };
            self.0.write_str(plain)?;
            self.0.write_str(match piece.as_bytes().last() {
                Some(b'&') => "&amp;",
                Some(b'<') => "&lt;",
                Some(b'>') => "&gt;",
                Some(b'"') => "&quot;",
                _ => "&apos;",
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn what_would_be_markup_is_escaped() {
        let mut text = String::new();
        Escaped(&mut text).write_str("a<b>&\"c'd").unwrap();
        assert_eq!(text, "a&lt;b&gt;&amp;&quot;c&apos;d");
    }
}
