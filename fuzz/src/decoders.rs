//! The decoders, and everything that is done with what they return.

use core::num::NonZeroU32;

use engine::cache::{FlowCache, HashKey};
use engine::flow::parse;
use engine::flow::text::{ExpectationLine, FlowLine, Timeout};
use engine::flow::xml::{ExpectationElement, FlowElement};
use engine::flow::{Expectation, Flow, ProtoState};
use engine::output::{ExpectRequest, FlowRequest};
use engine::seq::Seq;
use engine::time::UnixTime;
use engine::wire::{
    Change, Content, EXPECTATION_MESSAGE_LEN_MAX, EncodeOptions, FLOW_MESSAGE_LEN_MAX, Flags, Timeouts,
    WindowScales, decode_expectation, decode_flow, encode_expectation, encode_flow, messages,
};
use io::control::codes;
use io::ctnetlink;
use io::ctnetlink::encode::{AckMode, encode_expect_request, encode_flow_request};

const OPTIONS: EncodeOptions = EncodeOptions {
    timeouts: Timeouts::Send,
    window_scales: WindowScales::Send,
};

/// A datagram of a peer.
pub fn wire_datagram(datagram: &[u8]) {
    let mut n_messages = 0;
    for message in messages(datagram).flatten() {
        n_messages += 1;
        let offset = message.body_offset();
        match message.content() {
            Ok(Content::Flow(_)) => wire_flow(message.body, offset),
            Ok(Content::Expectation(_)) => wire_expectation(message.body, offset),
            Ok(Content::Ack(_) | Content::Nack(_) | Content::Resync | Content::Alive) | Err(_) => {}
        }
    }
    assert!(
        n_messages * 8 <= datagram.len(),
        "no message is shorter than its header"
    );
}

/// The body of a peer's message.
pub fn wire_payload(body: &[u8]) {
    wire_flow(body, 0);
    wire_expectation(body, 0);
}

/// A datagram of the kernel.
pub fn ctnetlink_datagram(datagram: &[u8]) {
    for message in ctnetlink::messages(datagram).flatten() {
        match message {
            ctnetlink::Message::Flow { body, .. } => {
                if let Ok(flow) = ctnetlink::decode::decode_flow(&body) {
                    use_flow(&flow);
                }
            }
            ctnetlink::Message::Expect { body, .. } => {
                if let Ok(expectation) = ctnetlink::decode::decode_expectation(&body) {
                    use_expectation(&expectation);
                }
            }
            ctnetlink::Message::Other { body, .. } => {
                let stats = ctnetlink::decode::decode_table_stats(&body);
                stats.into_iter().for_each(|stats| drop(format!("{stats:?}")));
            }
            ctnetlink::Message::Done { .. }
            | ctnetlink::Message::Ack { .. }
            | ctnetlink::Message::Error { .. } => {}
        }
    }
}

/// A line that an operator hands to `--explain`: what is read prints as a line that is read.
pub fn flow_line(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let flow = match parse::line(&text) {
        Ok(read) => read.flow,
        Err(error) => {
            assert!(text.is_char_boundary(error.offset), "{error}");
            drop(error.to_string());
            return;
        }
    };
    use_flow(&flow);
    let printed = printed(&flow);
    let again = parse::line(&printed).expect("our own line").flow;
    assert_eq!(self::printed(&again), printed);
}

fn printed(flow: &Flow) -> String {
    let (timeout, now) = (Timeout::Shown, UnixTime::default());
    FlowLine { flow, timeout, now }.to_string()
}

/// What a control client asks for.
pub fn control_request(bytes: &[u8]) {
    let Some(code) = bytes.first_chunk() else {
        return;
    };
    let code = i32::from_ne_bytes(*code);
    if let Some(request) = codes::request(code) {
        let known = codes::code(request).expect("every request with a code has one");
        assert_eq!(codes::request(known), Some(request));
        // 19 is an older number of 45.
        assert!(
            known == code || (code, known) == (19, 45),
            "{request:?} is {known}"
        );
    }
}

/// The flow in `body`: what is decoded encodes to bytes that decode to the same.
fn wire_flow(body: &[u8], offset: usize) {
    let Ok(decoded) = decode_flow(body, offset) else {
        return;
    };
    use_flow(&decoded.flow);
    let first = encoded_flow(&decoded.flow);
    let message = messages(&first)
        .next()
        .expect("one message")
        .expect("a sound one");
    let again = decode_flow(message.body, message.body_offset()).expect("our own message decodes");
    assert_eq!(again.unknown_attributes, 0);
    assert_eq!(encoded_flow(&again.flow), first);
}

fn wire_expectation(body: &[u8], offset: usize) {
    let Ok(decoded) = decode_expectation(body, offset) else {
        return;
    };
    use_expectation(&decoded.expectation);
    let first = encoded_expectation(&decoded.expectation);
    let message = messages(&first)
        .next()
        .expect("one message")
        .expect("a sound one");
    let again = decode_expectation(message.body, message.body_offset()).expect("our own message decodes");
    assert_eq!(again.unknown_attributes, 0);
    assert_eq!(encoded_expectation(&again.expectation), first);
}

fn encoded_flow(flow: &Flow) -> Vec<u8> {
    let mut message = Vec::new();
    encode_flow(&mut message, Change::Update, Flags::NONE, Seq(1), flow, OPTIONS);
    assert!(message.len() <= FLOW_MESSAGE_LEN_MAX, "{} bytes", message.len());
    message
}

fn encoded_expectation(expectation: &Expectation) -> Vec<u8> {
    let mut message = Vec::new();
    encode_expectation(
        &mut message,
        Change::Update,
        Flags::NONE,
        Seq(1),
        expectation,
        OPTIONS,
    );
    assert!(
        message.len() <= EXPECTATION_MESSAGE_LEN_MAX,
        "{} bytes",
        message.len()
    );
    message
}

/// Prints, stores, sends and requests `flow`.
fn use_flow(flow: &Flow) {
    let now = UnixTime::default();
    let timeout = Timeout::Shown;
    let line = FlowLine { flow, timeout, now };
    let mut out = Vec::new();
    line.write_to(&mut out);
    assert_eq!(out, line.to_string().as_bytes());
    let element = FlowElement { flow, timeout, now };
    out.clear();
    element.write_to(&mut out);
    assert_eq!(out, element.to_string().as_bytes());

    let mut table = FlowCache::new(NonZeroU32::MIN, HashKey(1, 2));
    let id = table.insert(flow, 0).expect("there is room for one");
    assert_eq!(table.flow(id), stored(flow));
    table.merge(id, flow, 0);
    assert_eq!(table.flow(id), stored(flow));
    table.check_invariants();

    encoded_flow(flow);
    let requests = [
        FlowRequest::Create(flow.clone()),
        FlowRequest::Update(flow.clone()),
        FlowRequest::Get(table.name(id)),
        FlowRequest::Delete(table.name(id)),
    ];
    let mut buffer = Vec::new();
    for request in &requests {
        encode_flow_request(request, 1, AckMode::OnError, &mut buffer);
    }
    assert_eq!(ctnetlink::messages(&buffer).flatten().count(), requests.len());
}

/// Prints, sends and requests `expectation`.
fn use_expectation(expectation: &Expectation) {
    let timeout = Timeout::Shown;
    let line = ExpectationLine { expectation, timeout };
    let mut out = Vec::new();
    line.write_to(&mut out);
    assert_eq!(out, line.to_string().as_bytes());
    let element = ExpectationElement { expectation, timeout };
    out.clear();
    element.write_to(&mut out);
    assert_eq!(out, element.to_string().as_bytes());

    encoded_expectation(expectation);
    let requests = [
        ExpectRequest::Create(expectation.clone().into()),
        ExpectRequest::Update(expectation.clone().into()),
        ExpectRequest::Delete(expectation.clone().into()),
    ];
    let mut buffer = Vec::new();
    for request in &requests {
        encode_expect_request(request, 1, AckMode::OnError, &mut buffer);
    }
    assert_eq!(ctnetlink::messages(&buffer).flatten().count(), requests.len());
}

/// Returns `flow` without what a table does not keep.
pub(crate) fn stored(flow: &Flow) -> Flow {
    let mut flow = Flow {
        use_count: None,
        counters_orig: None,
        counters_reply: None,
        ..flow.clone()
    };
    if let ProtoState::Tcp(tcp) = &mut flow.proto {
        (tcp.flags_orig, tcp.flags_reply) = (None, None);
    }
    flow
}
