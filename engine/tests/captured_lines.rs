//! What `conntrackd` 1.4.7 printed of real flows is what the renderers print of the same flows.
//!
//! The flows are read from the captured lines themselves by their `name=value` words, without
//! regard to order, blanks and columns; those are for the renderers to get right.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use engine::flow::text::Timeout;
use engine::flow::text::{ExpectationLine, FlowLine, Tail};
use engine::flow::xml::{ExpectationElement, FlowElement};
use engine::flow::{
    Addrs, Counters, DccpRole, DccpState, ExpectFlags, Expectation, Flow, HelperName, L4Key, ProtoState,
    Protocol, SctpState, Status, Tcp, TcpState, Timestamps, Tuple,
};
use engine::time::UnixTime;

const NOW: UnixTime = UnixTime::from_secs(1_795_210_000);

#[test]
fn a_dump_of_flows_reads_as_captured() {
    for capture in [
        include_str!("data/outputs/i-ct.ftfw.A.txt"),
        include_str!("data/outputs/e-ct.ftfw.B.txt"),
        include_str!("data/outputs/e-ct.alarm.B.txt"),
        include_str!("data/outputs/i-protos.A.txt"),
        include_str!("data/outputs/e-protos.B.txt"),
        include_str!("data/outputs/i-ct.bypass.A.txt"),
    ] {
        for captured in entries(capture) {
            let (flow, tail) = flow_behind(captured);
            let line = FlowLine {
                flow: &flow,
                timeout: Timeout::Shown,
                now: NOW,
            };
            let mut bytes = Vec::new();
            line.write_to(&mut bytes);
            let mut text = line.to_string();
            if let Some(tail) = tail {
                tail.write_to(&mut bytes);
                text.push_str(&tail.to_string());
            }
            assert_eq!(text, captured);
            assert_eq!(
                String::from_utf8(bytes).unwrap(),
                captured,
                "both ways of printing agree"
            );
        }
    }
}

#[test]
fn the_flow_log_reads_as_captured() {
    for captured in entries(include_str!("data/outputs/stats-logfile.stats.A.txt")) {
        let (_date, captured) = captured.split_once('\t').unwrap();
        let (flow, _) = flow_behind(captured);
        let line = FlowLine {
            flow: &flow,
            timeout: Timeout::Shown,
            now: NOW,
        };
        assert_eq!(line.to_string(), captured);
    }
}

#[test]
fn a_dump_in_xml_reads_as_captured_but_with_the_states_of_sctp_by_their_names() {
    for (text, xml) in [
        (
            include_str!("data/outputs/i-ct.ftfw.A.txt"),
            include_str!("data/outputs/i-ct-xml.ftfw.A.txt"),
        ),
        (
            include_str!("data/outputs/e-ct.ftfw.B.txt"),
            include_str!("data/outputs/e-ct-xml.ftfw.B.txt"),
        ),
        (
            include_str!("data/outputs/i-protos.A.txt"),
            include_str!("data/outputs/i-protos-xml.A.txt"),
        ),
    ] {
        for (text, captured) in entries(text).zip(entries(xml)) {
            let (mut flow, _) = flow_behind(text);
            flow.id = between(captured, "<id>", "</id>").map(|id| id.parse().unwrap());
            let element = FlowElement {
                flow: &flow,
                timeout: Timeout::Hidden,
                now: NOW,
            };
            let captured = if flow.orig.proto == Protocol::SCTP {
                captured.replace("<state>FIN_WAIT</state>", "<state>ESTABLISHED</state>")
            } else {
                captured.to_owned()
            };
            let mut bytes = Vec::new();
            element.write_to(&mut bytes);
            assert_eq!(element.to_string(), captured);
            assert_eq!(
                String::from_utf8(bytes).unwrap(),
                captured,
                "both ways of printing agree"
            );
        }
    }
}

#[test]
fn expectations_read_as_captured() {
    for (text, xml) in [
        (
            include_str!("data/outputs/i-exp.ftfw.A.txt"),
            include_str!("data/outputs/i-exp-xml.ftfw.A.txt"),
        ),
        (
            include_str!("data/outputs/e-exp.ftfw.B.txt"),
            include_str!("data/outputs/e-exp-xml.ftfw.B.txt"),
        ),
    ] {
        for (text, xml) in entries(text).zip(entries(xml)) {
            let (expectation, tail) = expectation_behind(text);
            let line = ExpectationLine {
                expectation: &expectation,
                timeout: Timeout::Hidden,
            };
            assert_eq!(format!("{line}{tail}"), text);
            let element = ExpectationElement {
                expectation: &expectation,
                timeout: Timeout::Hidden,
            };
            assert_eq!(element.to_string(), xml);
        }
    }
}

#[test]
fn rare_attributes_have_their_place() {
    let (mut flow, _) = flow_behind(
        "udp 17 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 [ASSURED]",
    );
    flow.timeout_secs = Some(30);
    flow.zone_orig = Some(3);
    flow.zone_reply = Some(4);
    flow.status = Some(Status::ASSURED | Status::SEEN_REPLY | Status::OFFLOAD);
    flow.secmark = Some(7);
    flow.secctx = Some("system_u:<t>".into());
    flow.timestamps = Some(Timestamps {
        start_nanos: (NOW.whole_secs() - 9) * 1_000_000_000,
        stop_nanos: None,
    });
    flow.use_count = Some(2);
    let line = FlowLine {
        flow: &flow,
        timeout: Timeout::Shown,
        now: NOW,
    };
    assert_eq!(
        line.to_string(),
        "udp      17 30 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 zone-orig=3 src=10.0.0.2 dst=10.0.0.1 \
         sport=2 dport=1 zone-reply=4 [OFFLOAD] secmark=7 secctx=system_u:<t> delta-time=9 use=2"
    );
    let element = FlowElement {
        flow: &flow,
        timeout: Timeout::Shown,
        now: NOW,
    };
    let xml = element.to_string();
    assert!(
        xml.ends_with(
            "<zone>4</zone></meta><meta direction=\"independent\"><timeout>30</timeout><secmark>7</secmark>\
             <secctx>system_u:&lt;t&gt;</secctx><use>2</use><assured/><deltatime>9</deltatime></meta></flow>"
        ),
        "{xml}"
    );
}

#[test]
fn flags_of_an_expectation_are_joined() {
    let (mut expectation, _) = expectation_behind(
        entries(include_str!("data/outputs/i-exp.ftfw.A.txt"))
            .next()
            .unwrap(),
    );
    expectation.flags = Some(ExpectFlags(ExpectFlags::PERMANENT.0 | ExpectFlags::USERSPACE.0));
    expectation.timeout_secs = Some(299);
    expectation.zone = Some(5);
    let line = ExpectationLine {
        expectation: &expectation,
        timeout: Timeout::Shown,
    }
    .to_string();
    assert!(line.starts_with("299 proto=6 src="), "{line}");
    assert!(
        line.ends_with(" dport=21 zone=5 PERMANENT,USERSPACE class=0 helper=ftp"),
        "{line}"
    );
    let xml = ExpectationElement {
        expectation: &expectation,
        timeout: Timeout::Shown,
    }
    .to_string();
    assert!(
        xml.ends_with(
            "<meta><helper-name>ftp</helper-name><timeout>299</timeout><class>0</class><zone>5</zone>\
             <permanent/><userspace/></meta></flow>"
        ),
        "{xml}"
    );
}

/// The captured entries: all lines but the one that says how they were made.
fn entries(capture: &str) -> impl Iterator<Item = &str> {
    capture.lines().filter(|line| !line.starts_with('#'))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

/// The `name=value` words of a line, in order, consumed by name.
struct Words<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Words<'a> {
    fn of(line: &'a str) -> Self {
        Self(
            line.split_whitespace()
                .filter_map(|word| word.split_once('='))
                .collect(),
        )
    }

    /// Takes the first value of that name away.
    fn take(&mut self, name: &str) -> Option<&'a str> {
        let place = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.remove(place).1)
    }

    fn number<T: TryFrom<u64, Error: std::fmt::Debug>>(&mut self, name: &str) -> Option<T> {
        let text = self.take(name)?;
        let number = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        Some(number.unwrap().try_into().unwrap())
    }

    fn tuple(&mut self, proto: Protocol, prefix: &str) -> Option<Tuple> {
        let (src, dst) = (
            self.take(&format!("{prefix}src"))?,
            self.take(&format!("{prefix}dst"))?,
        );
        let addrs = if src.contains(':') {
            Addrs::V6 {
                src: src.parse().unwrap(),
                dst: dst.parse().unwrap(),
            }
        } else {
            Addrs::V4 {
                src: src.parse().unwrap(),
                dst: dst.parse().unwrap(),
            }
        };
        let key = if proto.is_icmp() {
            L4Key::Icmp {
                icmp_type: self.number("type").unwrap(),
                code: self.number("code").unwrap(),
                id: self.number("id").unwrap(),
            }
        } else if proto == Protocol::GRE {
            L4Key::Ports {
                src: self.number("srckey").unwrap(),
                dst: self.number("dstkey").unwrap(),
            }
        } else if proto.has_ports() {
            L4Key::Ports {
                src: self.number("sport").unwrap(),
                dst: self.number("dport").unwrap(),
            }
        } else {
            L4Key::None
        };
        Some(Tuple { addrs, proto, key })
    }

    fn counters(&mut self) -> Option<Counters> {
        Some(Counters {
            packets: self.number("packets")?,
            bytes: self.number("bytes")?,
        })
    }
}

/// The flow that the daemon printed as `line`, and its tail.
fn flow_behind(line: &str) -> (Flow, Option<Tail>) {
    let mut bare = line
        .split_whitespace()
        .skip(1)
        .take_while(|word| !word.contains('='));
    let proto = Protocol(bare.next().unwrap().parse().unwrap());
    let (mut timeout_secs, mut state) = (None, None);
    for word in bare {
        match word.parse() {
            Ok(secs) => timeout_secs = Some(secs),
            Err(_) => state = Some(word),
        }
    }
    let mut words = Words::of(line);
    let mut flow = Flow::new(words.tuple(proto, "").unwrap());
    flow.timeout_secs = timeout_secs;
    flow.proto = state.map_or(ProtoState::None, |state| proto_state(proto, state));
    flow.counters_orig = words.counters();
    flow.reply = words.tuple(proto, "");
    flow.counters_reply = words.counters();
    let mut status = Status::default();
    if !line.contains("[UNREPLIED]") {
        status = status | Status::SEEN_REPLY;
    }
    if line.contains("[ASSURED]") {
        status = status | Status::ASSURED;
    }
    flow.status = Some(status);
    flow.mark = words.number("mark");
    flow.zone = words.number("zone");
    flow.helper = words
        .take("helper")
        .map(|name| HelperName::from_bytes(name.as_bytes()).unwrap());
    flow.use_count = words.number("use");
    flow.timestamps = words.number::<u64>("delta-time").map(|secs| Timestamps {
        start_nanos: 1_000,
        stop_nanos: Some(1_000 + secs * 1_000_000_000),
    });
    assert_eq!(words.0, [], "every word of {line:?} is understood");
    (flow, tail_behind(line))
}

fn proto_state(proto: Protocol, name: &str) -> ProtoState {
    let number = (0..=9).find(|number| match proto {
        Protocol::TCP => TcpState(*number).name() == name,
        Protocol::SCTP => SctpState(*number).name() == name,
        _ => DccpState(*number).name() == name,
    });
    let number = number.expect("the state has a number");
    match proto {
        Protocol::TCP => ProtoState::Tcp(Tcp::in_state(TcpState(number))),
        Protocol::SCTP => ProtoState::Sctp {
            state: SctpState(number),
            vtag_orig: 0,
            vtag_reply: 0,
        },
        _ => ProtoState::Dccp {
            state: DccpState(number),
            role: DccpRole(0),
        },
    }
}

fn tail_behind(line: &str) -> Option<Tail> {
    Some(Tail {
        expires_in_secs: between(line, "[expires in ", "s]").map(|secs| secs.parse().unwrap()),
        active_secs: between(line, "[active since ", "s]")?.parse().unwrap(),
    })
}

/// The expectation that the daemon printed as `line`, and its tail.
fn expectation_behind(line: &str) -> (Expectation, Tail) {
    let mut words = Words::of(line);
    let proto = Protocol(words.number("proto").unwrap());
    let expectation = Expectation {
        tuple: words.tuple(proto, "").unwrap(),
        mask: words.tuple(proto, "mask-").unwrap(),
        master: words.tuple(proto, "master-").unwrap(),
        timeout_secs: None,
        id: None,
        zone: words.number("zone"),
        flags: Some(ExpectFlags(0)),
        class: words.number("class"),
        nat: None,
        helper: words
            .take("helper")
            .map(|name| HelperName::from_bytes(name.as_bytes()).unwrap()),
        function: None,
    };
    (expectation, tail_behind(line).unwrap())
}
