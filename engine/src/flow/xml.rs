//! Entries as XML, as `conntrackd -i -x` and `-e -x` print them: one `<flow>` a line, no document around;
//! with [`Details`] as `conntrack -o xml` does.

use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::net::IpAddr;

use super::attributes::write_lossy;
pub use super::render::Timeout;
use super::render::{Render, Sink, address, age_secs, decimal, hex_field, padded, ports_or_zero};
use super::{
    Addrs, CivilTime, Counters, Event, ExpectFlags, Expectation, Family, Flow, L4Key, LabelNames, Protocol,
    Requester, Status, Tuple,
};
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
    fn render(&self, out: &mut impl Sink) -> fmt::Result {
        flow_element(out, self, None)
    }
}

impl<'a> FlowElement<'a> {
    /// Returns the element with more in it.
    #[must_use]
    pub const fn with(self, details: &'a Details<'a>) -> DetailedElement<'a> {
        DetailedElement {
            element: Element::Flow(self),
            details,
        }
    }
}

/// What an element holds besides: what is given here, ICMP fields and the marks of offloaded flows.
#[derive(Clone, Copy, Debug)]
pub struct Details<'a> {
    /// What happened to the entry.
    pub event: Option<Event>,
    /// When it happened.
    pub when: Option<CivilTime>,
    /// When the flow began and ended, in nanoseconds since 1970.
    pub times: Times,
    /// Those of its labels that have a name here.
    pub labels: Option<&'a dyn LabelNames>,
    /// Who caused the event.
    pub requester: Option<Requester<'a>>,
}

impl Details<'_> {
    /// Nothing is given.
    pub const NONE: Self = Self {
        event: None,
        when: None,
        times: Times::Hidden,
        labels: None,
        requester: None,
    };
}

/// Whether begin and end of a flow are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// They are, if known.
    Shown,
    /// They are not.
    Hidden,
}

/// An entry as one `<flow>` element with more in it.
#[derive(Clone, Copy, Debug)]
pub struct DetailedElement<'a> {
    element: Element<'a>,
    details: &'a Details<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Element<'a> {
    Flow(FlowElement<'a>),
    Expectation(ExpectationElement<'a>),
}

impl DetailedElement<'_> {
    /// Appends the element to `out`, as [`fmt::Display`] prints it but faster.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.append_to(out);
    }
}

impl fmt::Display for DetailedElement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f)
    }
}

impl Render for DetailedElement<'_> {
    fn render(&self, out: &mut impl Sink) -> fmt::Result {
        match &self.element {
            Element::Flow(flow) => flow_element(out, flow, Some(self.details)),
            Element::Expectation(expectation) => expectation_element(out, expectation, Some(self.details)),
        }
    }
}

fn flow_element(
    out: &mut impl Sink,
    element: &FlowElement<'_>,
    details: Option<&Details<'_>>,
) -> fmt::Result {
    let flow = element.flow;
    flow_start(out, details)?;
    out.write_str("<meta direction=\"original\">")?;
    layers(out, &flow.orig, details)?;
    zone(out, flow.zone_orig)?;
    counters(out, flow.counters_orig)?;
    out.write_str("</meta><meta direction=\"reply\">")?;
    match &flow.reply {
        Some(reply) => layers(out, reply, details)?,
        // A flow from a peer has no reply tuple; readers of this format expect the element.
        None => out.write_str(
            "<layer3 protonum=\"0\" protoname=\"unknown\"><src></src><dst></dst></layer3>\
             <layer4 protonum=\"0\" protoname=\"unknown\"></layer4>",
        )?,
    }
    zone(out, flow.zone_reply)?;
    counters(out, flow.counters_reply)?;
    out.write_str("</meta>")?;
    if element.has_independent() {
        element.independent(out, details)?;
    }
    when(out, details)?;
    if let Some(helper) = &flow.helper {
        out.write_str("<helper>")?;
        write_lossy(&mut Escaped(out), helper.as_bytes())?;
        out.write_str("</helper>")?;
    }
    requester(out, details.and_then(|details| details.requester))?;
    out.write_str("</flow>")
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

    fn independent(&self, out: &mut impl Sink, details: Option<&Details<'_>>) -> fmt::Result {
        let flow = self.flow;
        out.write_str("<meta direction=\"independent\">")?;
        if let Some(state) = flow.proto.state_name() {
            out.write_str("<state>")?;
            out.write_str(state)?;
            out.write_str("</state>")?;
        }
        number(out, "timeout", self.timeout.of(flow.timeout_secs))?;
        number(out, "mark", flow.mark)?;
        labels(out, flow, details)?;
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
            life_flags(out, status, details)?;
        }
        times(out, flow, details)?;
        number(
            out,
            "deltatime",
            flow.timestamps.map(|timestamps| age_secs(timestamps, self.now)),
        )?;
        out.write_str("</meta>")
    }
}

fn life_flags(out: &mut impl Sink, status: Status, details: Option<&Details<'_>>) -> fmt::Result {
    if status.contains(Status::ASSURED) {
        out.write_str("<assured/>")?;
    }
    if !status.contains(Status::SEEN_REPLY) {
        out.write_str("<unreplied/>")?;
    }
    if details.is_none() {
        return Ok(());
    }
    if status.contains(Status::OFFLOAD) {
        out.write_str("<offload/>")?;
    }
    if status.contains(Status::HW_OFFLOAD) {
        out.write_str("<hw-offload/>")?;
    }
    Ok(())
}

fn labels(out: &mut impl Sink, flow: &Flow, details: Option<&Details<'_>>) -> fmt::Result {
    let Some((labels, names)) = flow.labels.zip(details.and_then(|details| details.labels)) else {
        return Ok(());
    };
    let mut before = "<labels><label>";
    for name in labels.named(names) {
        out.write_str(before)?;
        Escaped(out).write_str(name)?;
        out.write_str("</label>")?;
        before = "<label>";
    }
    // The first name has opened the list.
    out.write_str(if before == "<label>" { "</labels>" } else { "" })
}

fn times(out: &mut impl Sink, flow: &Flow, details: Option<&Details<'_>>) -> fmt::Result {
    let (Some(timestamps), Some(Times::Shown)) = (flow.timestamps, details.map(|details| details.times))
    else {
        return Ok(());
    };
    out.write_str("<timestamp>")?;
    number(out, "start", Some(timestamps.start_nanos))?;
    number(out, "stop", timestamps.stop_nanos)?;
    out.write_str("</timestamp>")
}

fn when(out: &mut impl Sink, details: Option<&Details<'_>>) -> fmt::Result {
    let Some(when) = details.and_then(|details| details.when) else {
        return Ok(());
    };
    out.write_str("<when>")?;
    number(out, "hour", Some(when.hour))?;
    for (name, two_digits) in [("min", when.minute), ("sec", when.second)] {
        start(out, name)?;
        padded(out, u32::from(two_digits), 2)?;
        end(out, name)?;
    }
    number(out, "wday", Some(when.weekday))?;
    number(out, "day", Some(when.day))?;
    number(out, "month", Some(when.month))?;
    number(out, "year", Some(when.year))?;
    out.write_str("</when>")
}

fn requester(out: &mut impl Sink, requester: Option<Requester<'_>>) -> fmt::Result {
    let Some(Requester { port_id, program }) = requester else {
        return Ok(());
    };
    out.write_str("<userspace>")?;
    number(out, "portid", Some(port_id))?;
    if let Some(program) = program {
        out.write_str("<progname>")?;
        Escaped(out).write_str(program)?;
        out.write_str("</progname>")?;
    }
    out.write_str("</userspace>")
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
    fn render(&self, out: &mut impl Sink) -> fmt::Result {
        expectation_element(out, self, None)
    }
}

impl<'a> ExpectationElement<'a> {
    /// Returns the element with more in it; an expectation has neither times nor labels.
    #[must_use]
    pub const fn with(self, details: &'a Details<'a>) -> DetailedElement<'a> {
        DetailedElement {
            element: Element::Expectation(self),
            details,
        }
    }
}

fn expectation_element(
    out: &mut impl Sink,
    element: &ExpectationElement<'_>,
    details: Option<&Details<'_>>,
) -> fmt::Result {
    let expectation = element.expectation;
    let tuples = [
        ("expected", &expectation.tuple),
        ("mask", &expectation.mask),
        ("master", &expectation.master),
    ];
    let proto = expectation.tuple.proto;
    flow_start(out, details)?;
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
        key(out, proto, tuple, details)?;
        end(out, name)?;
    }
    out.write_str("</layer4><meta>")?;
    if let Some(helper) = &expectation.helper {
        out.write_str("<helper-name>")?;
        write_lossy(&mut Escaped(out), helper.as_bytes())?;
        out.write_str("</helper-name>")?;
    }
    number(out, "timeout", element.timeout.of(expectation.timeout_secs))?;
    number(out, "class", expectation.class)?;
    zone(out, expectation.zone)?;
    expect_flags(out, expectation.flags.unwrap_or_default())?;
    when(out, details)?;
    out.write_str("</meta>")?;
    requester(out, details.and_then(|details| details.requester))?;
    out.write_str("</flow>")
}

fn flow_start(out: &mut impl Sink, details: Option<&Details<'_>>) -> fmt::Result {
    match details.and_then(|details| details.event) {
        Some(event) => {
            out.write_str("<flow type=\"")?;
            out.write_str(event.name())?;
            out.write_str("\">")
        }
        None => out.write_str("<flow>"),
    }
}

fn layers(out: &mut impl Sink, tuple: &Tuple, details: Option<&Details<'_>>) -> fmt::Result {
    layer3_start(out, tuple.addrs)?;
    addresses(out, tuple.addrs)?;
    out.write_str("</layer3>")?;
    layer4_start(out, tuple.proto)?;
    key(out, tuple.proto, tuple, details)?;
    out.write_str("</layer4>")
}

fn layer3_start(out: &mut impl Sink, addrs: Addrs) -> fmt::Result {
    out.write_str(match addrs.family() {
        Family::Ipv4 => "<layer3 protonum=\"2\" protoname=\"ipv4\">",
        Family::Ipv6 => "<layer3 protonum=\"10\" protoname=\"ipv6\">",
    })
}

fn addresses(out: &mut impl Sink, addrs: Addrs) -> fmt::Result {
    let mut element = |name, value: IpAddr| {
        start(out, name)?;
        address(out, value)?;
        end(out, name)
    };
    element("src", addrs.src())?;
    element("dst", addrs.dst())
}

fn layer4_start(out: &mut impl Sink, proto: Protocol) -> fmt::Result {
    out.write_str("<layer4 protonum=\"")?;
    decimal(out, proto.0)?;
    out.write_str("\" protoname=\"")?;
    out.write_str(proto.name())?;
    out.write_str("\">")
}

/// Writes what `tuple` has in the place of ports, as a tuple of `proto`; without details no ICMP fields.
fn key(out: &mut impl Sink, proto: Protocol, tuple: &Tuple, details: Option<&Details<'_>>) -> fmt::Result {
    let (src, dst) = ports_or_zero(tuple);
    if proto == Protocol::GRE {
        hex_field(out, "<srckey>", src)?;
        hex_field(out, "</srckey><dstkey>", dst)?;
        out.write_str("</dstkey>")
    } else if proto.has_ports() {
        number(out, "sport", Some(src))?;
        number(out, "dport", Some(dst))
    } else if let (L4Key::Icmp { icmp_type, code, id }, Some(_)) = (tuple.key, details) {
        number(out, "type", Some(icmp_type))?;
        number(out, "code", Some(code))?;
        number(out, "id", Some(id))
    } else {
        Ok(())
    }
}

fn zone(out: &mut impl Sink, zone: Option<u16>) -> fmt::Result {
    number(out, "zone", zone)
}

fn counters(out: &mut impl Sink, counters: Option<Counters>) -> fmt::Result {
    let Some(Counters { packets, bytes }) = counters else {
        return Ok(());
    };
    out.write_str("<counters>")?;
    number(out, "packets", Some(packets))?;
    number(out, "bytes", Some(bytes))?;
    out.write_str("</counters>")
}

fn expect_flags(out: &mut impl Sink, flags: ExpectFlags) -> fmt::Result {
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
fn number(out: &mut impl Sink, name: &str, number: Option<impl Into<u64>>) -> fmt::Result {
    let Some(number) = number else {
        return Ok(());
    };
    start(out, name)?;
    decimal(out, number)?;
    end(out, name)
}

fn start(out: &mut impl Sink, name: &str) -> fmt::Result {
    out.write_str("<")?;
    out.write_str(name)?;
    out.write_str(">")
}

fn end(out: &mut impl Sink, name: &str) -> fmt::Result {
    out.write_str("</")?;
    out.write_str(name)?;
    out.write_str(">")
}

/// A sink that escapes what would be markup or an end of the line: names come from the kernel and from
/// peers. A character that no document may hold (XML 1.0, section 2.2) becomes the replacement character.
struct Escaped<'a, W>(&'a mut W);

impl<W: fmt::Write> fmt::Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive(|c| escape(c).is_some()) {
            let last = piece.chars().next_back();
            match last.and_then(|last| Some((last, escape(last)?))) {
                Some((last, escaped)) => {
                    self.0.write_str(piece.strip_suffix(last).unwrap_or_default())?;
                    self.0.write_str(escaped)?;
                }
                None => self.0.write_str(piece)?,
            }
        }
        Ok(())
    }
}

/// Returns what a character is written as, if not as itself.
const fn escape(c: char) -> Option<&'static str> {
    Some(match c {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '"' => "&quot;",
        '\'' => "&apos;",
        '\n' => "&#10;",
        '\r' => "&#13;",
        '\t' => return None,
        '\0'..'\x20' | '\u{fffe}' | '\u{ffff}' => "\u{fffd}",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString as _};

    use proptest::prelude::*;
    use roxmltree::Document;

    use super::*;
    use crate::flow::arbitrary::{expectation, kernel_flow, peer_flow};
    use crate::flow::details::told::EvenLabels;

    const WHEN: CivilTime = CivilTime {
        year: 2026,
        month: 11,
        day: 20,
        weekday: 6,
        hour: 9,
        minute: 5,
        second: 0,
    };

    /// Returns the text of the first element of that name.
    fn text_of<'a>(document: &'a Document<'_>, name: &str) -> Option<&'a str> {
        let element = document.descendants().find(|node| node.has_tag_name(name))?;
        Some(element.text().unwrap_or_default())
    }

    proptest! {
        #[test]
        fn every_flow_is_a_well_formed_element(
            flow in prop_oneof![kernel_flow(), peer_flow()],
            program in any::<Option<String>>(),
        ) {
            let timeout = Timeout::Shown;
            let element = FlowElement { flow: &flow, timeout, now: UnixTime::from_secs(1 << 40) };
            let requester = Requester { port_id: 7, program: program.as_deref() };
            let details = Details {
                event: Some(Event::Update),
                when: Some(WHEN),
                times: Times::Shown,
                labels: Some(&EvenLabels),
                requester: Some(requester),
            };
            let text = element.with(&details).to_string();
            prop_assert!(!text.contains('\n'), "one line: {}", text);
            let document = Document::parse(&text);
            let document = document.map_err(|error| TestCaseError::fail(alloc::format!("{error}: {text}")))?;
            let root = document.root_element();
            prop_assert_eq!(root.attribute("type"), Some("update"));
            for (name, shown) in [("hour", "9"), ("min", "05"), ("sec", "00"), ("wday", "6"), ("day", "20")] {
                prop_assert_eq!(text_of(&document, name), Some(shown));
            }
            prop_assert_eq!(text_of(&document, "portid"), Some("7"));
            let mark = flow.mark.map(|mark| mark.to_string());
            prop_assert_eq!(text_of(&document, "mark"), mark.as_deref());
            let bare = element.to_string();
            prop_assert!(Document::parse(&bare).is_ok(), "{}", bare);
        }

        #[test]
        fn every_expectation_is_a_well_formed_element(expectation in expectation()) {
            let timeout = Timeout::Shown;
            let element = ExpectationElement { expectation: &expectation, timeout };
            let details = Details { event: Some(Event::Destroy), when: Some(WHEN), ..Details::NONE };
            let text = element.with(&details).to_string();
            let document = Document::parse(&text);
            let document = document.map_err(|error| TestCaseError::fail(alloc::format!("{error}: {text}")))?;
            prop_assert_eq!(document.root_element().attribute("type"), Some("destroy"));
            let last = document.descendants().find(|node| node.has_tag_name("meta")).and_then(|meta| meta.last_child());
            prop_assert!(last.is_some_and(|last| last.has_tag_name("when")), "{}", text);
            let bare = element.to_string();
            prop_assert!(Document::parse(&bare).is_ok(), "{}", bare);
        }
    }

    #[test]
    fn what_would_be_markup_is_escaped() {
        let mut text = String::new();
        Escaped(&mut text).write_str("a<b>&\"c'd").unwrap();
        assert_eq!(text, "a&lt;b&gt;&amp;&quot;c&apos;d");
    }

    #[test]
    fn what_would_end_the_line_or_break_the_document_is_escaped() {
        let mut text = String::new();
        Escaped(&mut text)
            .write_str("a\nb\rc\td\0e\u{1b}\u{ffff}")
            .unwrap();
        assert_eq!(text, "a&#10;b&#13;c\td\u{fffd}e\u{fffd}\u{fffd}");
    }
}
