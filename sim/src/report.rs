//! The trace: what happened, as text.
//!
//! ```text
//!   0.000s  a    kernel: New tcp 10.1.0.1:40000 > 192.0.2.9:80
//!   0.000s  a→b  CT_NEW 10.1.0.1:40000 seq 7
//!   0.020s  a→b  CT_UPD 10.1.0.1:40000 seq 8       lost
//!   0.025s  b←a  CT_NEW 10.1.0.1:40000 seq 7
//! ```

use std::fmt::Write as _;

use engine::flow::{Expectation, L4Key, Tuple};
use engine::input::Channel;
use engine::time::Instant;
use engine::wire::{self, Change, Content, Flags, MessageView};

use crate::kernel::Subject;

/// The story so far.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    text: String,
}

impl Trace {
    /// Tells that something happened; `who` is a node, or two and an arrow.
    pub(crate) fn tell(&mut self, now: Instant, who: &str, what: &str) {
        let millis = now.as_micros() / 1_000;
        let (secs, millis) = (millis / 1_000, millis % 1_000);
        writeln!(self.text, "{secs:>3}.{millis:03}s  {who:<3}  {what}").expect("a string takes all text");
    }

    /// Returns the whole story.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// Tells what is in a datagram, and by which link it goes if not by the first.
pub(crate) fn datagram(channel: Channel, payload: &[u8]) -> String {
    let way = match channel.0 {
        0 => String::new(),
        n => format!("   by link {n}"),
    };
    messages(payload) + &way
}

fn messages(payload: &[u8]) -> String {
    let mut parts: Vec<String> = wire::messages(payload)
        .map(|message| match message {
            Ok(message) => self::message(&message),
            Err(error) => format!("malformed: {error}"),
        })
        .collect();
    if parts.len() > 8 {
        let n_more = parts.len() - 7;
        parts.truncate(7);
        parts.push(format!("and {n_more} more"));
    }
    parts.join(", ")
}

fn message(message: &MessageView<'_>) -> String {
    let what = match message.content() {
        Ok(Content::Flow(change)) => {
            let kind = match change {
                Change::New => "CT_NEW",
                Change::Update => "CT_UPD",
                Change::Delete => "CT_DEL",
            };
            match wire::decode_flow(message.body, message.body_offset()) {
                Ok(decoded) => format!("{kind} {}", source(&decoded.flow.orig)),
                Err(error) => format!("{kind} malformed: {error}"),
            }
        }
        Ok(Content::Expectation(change)) => {
            let kind = match change {
                Change::New => "EXP_NEW",
                Change::Update => "EXP_UPD",
                Change::Delete => "EXP_DEL",
            };
            match wire::decode_expectation(message.body, message.body_offset()) {
                Ok(decoded) => format!("{kind} {}", expectation(&decoded.expectation)),
                Err(error) => format!("{kind} malformed: {error}"),
            }
        }
        Ok(Content::Ack(range)) => format!("ACK {}..={}", range.from.0, range.to.0),
        Ok(Content::Nack(range)) => format!("NACK {}..={}", range.from.0, range.to.0),
        Ok(Content::Resync) => "RESYNC".to_owned(),
        Ok(Content::Alive) => "ALIVE".to_owned(),
        Err(error) => format!("malformed: {error}"),
    };
    let flags = message.header.flags;
    let hello = if flags.contains(Flags::HELLO) {
        " HELLO"
    } else {
        ""
    };
    let hello_back = if flags.contains(Flags::HELLO_BACK) {
        " HELLO_BACK"
    } else {
        ""
    };
    format!("{what} seq {}{hello}{hello_back}", message.header.seq.0)
}

/// Names the end that began a flow.
fn source(tuple: &Tuple) -> String {
    let src = tuple.addrs.src();
    match tuple.key {
        L4Key::None => src.to_string(),
        L4Key::Ports { src: port, .. } => format!("{src}:{port}"),
        L4Key::Icmp { id, .. } => format!("{src} id {id}"),
    }
}

/// Names what an event is about.
pub(crate) fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Flow(flow) => self::flow(&flow.orig),
        Subject::Expectation(expectation) => self::expectation(expectation),
    }
}

/// Names an expectation.
fn expectation(expectation: &Expectation) -> String {
    let port = expectation.tuple.ports().map_or(0, |(_, dst)| dst);
    format!("expectation of port {port}")
}

/// Names a flow.
fn flow(tuple: &Tuple) -> String {
    let dst = tuple.addrs.dst();
    let name = tuple.proto.name();
    match tuple.key {
        L4Key::Ports { dst: port, .. } => format!("{name} {} > {dst}:{port}", source(tuple)),
        L4Key::None | L4Key::Icmp { .. } => format!("{name} {} > {dst}", source(tuple)),
    }
}
