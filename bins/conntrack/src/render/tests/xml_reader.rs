//! Documents read back.

use std::net::IpAddr;

use engine::flow::parse;
use engine::flow::{Addrs, Counters, Expectation, L4Key, ProtoState, Protocol, Status, Timestamps, Tuple};
use roxmltree::{Document, Node};

use super::*;

/// Returns the flows of a document. Of ICMP flows without fields the ones that the capture was made of.
pub(super) fn flows(document: &str) -> Vec<(Flow, Circumstances<'static>)> {
    let document = Document::parse(document).unwrap();
    let elements = document.root_element().children().filter(Node::is_element);
    elements.map(flow).collect()
}

/// Returns the expectations of a document.
pub(super) fn expectations(document: &str) -> Vec<Expectation> {
    let document = Document::parse(document).unwrap();
    let elements = document.root_element().children().filter(Node::is_element);
    elements.map(expectation).collect()
}

fn flow(element: Node<'_, '_>) -> (Flow, Circumstances<'static>) {
    let direction = |name| children(element, "meta").find(|meta| meta.attribute("direction") == Some(name));
    let (orig, reply) = (direction("original").unwrap(), direction("reply").unwrap());
    let rest = direction("independent").unwrap();
    let has = |name| child(rest, name).is_some();
    let mut status = Status::CONFIRMED;
    for (is_set, bit) in [
        (has("assured"), Status::ASSURED),
        (!has("unreplied"), Status::SEEN_REPLY),
        (has("offload"), Status::OFFLOAD),
        (has("hw-offload"), Status::HW_OFFLOAD),
    ] {
        if is_set {
            status = status | bit;
        }
    }
    let times = child(rest, "timestamp");
    let age_secs: Option<u64> = number(rest, "deltatime");
    // The end of a flow that a capture does not tell is that of its age.
    let timestamps = age_secs.map(|age_secs| Timestamps {
        start_nanos: times.and_then(|times| number(times, "start")).unwrap_or_default(),
        stop_nanos: times
            .is_none()
            .then_some(age_secs * 1_000_000_000)
            .or(times.and_then(|times| number(times, "stop"))),
    });
    let flow = Flow {
        reply: Some(tuple(reply, 0)),
        zone_orig: number(orig, "zone"),
        zone_reply: number(reply, "zone"),
        counters_orig: counters(orig),
        counters_reply: counters(reply),
        status: Some(status),
        timeout_secs: number(rest, "timeout"),
        mark: number(rest, "mark"),
        zone: number(rest, "zone"),
        use_count: number(rest, "use"),
        id: number(rest, "id"),
        proto: child(rest, "state").map_or(ProtoState::None, |state| {
            let layer4 = child(orig, "layer4").unwrap();
            let name = layer4.attribute("protoname").unwrap();
            let line = format!("{name} {} src=::1 dst=::2 sport=1 dport=2", state.text().unwrap());
            parse::line(&line).unwrap().flow.proto
        }),
        helper: child(element, "helper").and_then(|name| helper(name.text().unwrap())),
        timestamps,
        ..Flow::new(tuple(orig, 8))
    };
    let born_secs = flow
        .timestamps
        .map_or(0, |times| times.start_nanos / 1_000_000_000);
    let circumstances = Circumstances {
        occasion: match element.attribute("type") {
            None => Occasion::Listed,
            Some("new") => Occasion::Event(Event::New),
            Some("update") => Occasion::Event(Event::Update),
            Some("destroy") => Occasion::Event(Event::Destroy),
            Some(other) => panic!("{other} is no event"),
        },
        at: UnixTime::from_secs(born_secs + age_secs.unwrap_or_default()),
        requester: None,
    };
    (flow, circumstances)
}

fn expectation(element: Node<'_, '_>) -> Expectation {
    let (layer3, layer4) = (
        child(element, "layer3").unwrap(),
        child(element, "layer4").unwrap(),
    );
    let meta = child(element, "meta").unwrap();
    let proto = protocol(layer4);
    let tuple = |name| Tuple {
        addrs: addrs(child(layer3, name).unwrap()),
        proto,
        key: key(child(layer4, name).unwrap(), proto, 8),
    };
    Expectation {
        tuple: tuple("expected"),
        mask: tuple("mask"),
        master: tuple("master"),
        timeout_secs: number(meta, "timeout"),
        id: None,
        zone: number(meta, "zone"),
        flags: None,
        class: number(meta, "class"),
        nat: None,
        helper: child(meta, "helper-name").and_then(|name| helper(name.text().unwrap())),
        function: None,
    }
}

fn tuple(meta: Node<'_, '_>, icmp_type: u8) -> Tuple {
    let layer4 = child(meta, "layer4").unwrap();
    let proto = protocol(layer4);
    Tuple {
        addrs: addrs(child(meta, "layer3").unwrap()),
        proto,
        key: key(layer4, proto, icmp_type),
    }
}

fn protocol(layer4: Node<'_, '_>) -> Protocol {
    Protocol(layer4.attribute("protonum").unwrap().parse().unwrap())
}

fn addrs(parent: Node<'_, '_>) -> Addrs {
    let address = |name| child(parent, name).unwrap().text().unwrap().parse().unwrap();
    match (address("src"), address("dst")) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => Addrs::V4 { src, dst },
        (IpAddr::V6(src), IpAddr::V6(dst)) => Addrs::V6 { src, dst },
        (src, dst) => panic!("{src} and {dst} are of two families"),
    }
}

fn key(parent: Node<'_, '_>, proto: Protocol, icmp_type: u8) -> L4Key {
    let gre_key = |name| {
        let text = child(parent, name)?.text().unwrap();
        u16::from_str_radix(text.strip_prefix("0x").unwrap(), 16).ok()
    };
    let ports = number(parent, "sport").zip(number(parent, "dport"));
    let keys = gre_key("srckey").zip(gre_key("dstkey"));
    match ports.or(keys) {
        Some((src, dst)) => L4Key::Ports { src, dst },
        None if proto.is_icmp() => L4Key::Icmp {
            icmp_type: number(parent, "type").unwrap_or(icmp_type),
            code: number(parent, "code").unwrap_or(0),
            id: number(parent, "id").unwrap_or(4242),
        },
        None => L4Key::None,
    }
}

fn counters(meta: Node<'_, '_>) -> Option<Counters> {
    let counters = child(meta, "counters")?;
    Some(Counters {
        packets: number(counters, "packets")?,
        bytes: number(counters, "bytes")?,
    })
}

fn number<T: std::str::FromStr>(parent: Node<'_, '_>, name: &str) -> Option<T> {
    child(parent, name)?.text()?.parse().ok()
}

fn child<'a, 'd>(parent: Node<'a, 'd>, name: &str) -> Option<Node<'a, 'd>> {
    children(parent, name).next()
}

fn children<'a, 'd>(parent: Node<'a, 'd>, name: &str) -> impl Iterator<Item = Node<'a, 'd>> {
    parent.children().filter(move |node| node.has_tag_name(name))
}
