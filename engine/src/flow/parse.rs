//! Flows read back from lines of text.
//!
//! [`line()`] takes what [`text`](super::text) prints, and every plain line that lists flows on Linux: those
//! of `conntrack -L`, `-G` and `-E` with `-o extended`, `id`, `timestamp`, `ktimestamp` and `labels`,
//! of `conntrackd -i`, `-e` and of its flow log, and of `/proc/net/nf_conntrack`. What they say and
//! a [`Flow`] cannot hold stands beside it in [`FlowText`].
//!
//! The order is free within a direction and behind it: a line may be written by hand.

mod error;
mod head;
mod side;
#[cfg(test)]
mod tests;
mod words;

use core::net::Ipv4Addr;

pub use error::{FlowLineError, FlowLineErrorKind, Word};
use head::Head;
use side::{Side, once};
use words::{Form, Token, Words};

use super::text::Tail;
use super::{Addrs, Event, Flow, HelperName, L4Key, Protocol, Status, Tuple};

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowText<'a> {
    /// The flow.
    ///
    /// Its status has the bits that are printed: [`Status::SEEN_REPLY`] unless the line says
    /// `[UNREPLIED]`, and those of `[ASSURED]`, `[OFFLOAD]` and `[HW_OFFLOAD]`. Verification tags and
    /// roles are not printed and read as 0.
    pub flow: Flow,
    /// When the line was written, as it says.
    pub stamp: Option<&'a str>,
    /// What happened to the flow, if the line is an event.
    pub event: Option<Event>,
    /// What else the line says.
    pub notes: Notes<'a>,
}

/// What a line may say that a [`Flow`] has no place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notes<'a> {
    /// Age of the flow in seconds (`delta-time`).
    pub age_secs: Option<u64>,
    /// When it began (`[start=…]`), as the line says.
    pub start: Option<&'a str>,
    /// When it ended (`[stop=…]`), as the line says.
    pub stop: Option<&'a str>,
    /// Names of its labels, joined by commas: which bits they are only the label file knows.
    pub labels: Option<&'a str>,
    /// Since when the entry is cached, and how long it will be.
    pub tail: Option<Tail>,
    /// Netlink port of the process that caused the event.
    pub port_id: Option<u32>,
    /// Name of that process.
    pub program: Option<&'a str>,
}

impl Notes<'_> {
    /// The line says nothing else.
    pub const NONE: Self = Self {
        age_secs: None,
        start: None,
        stop: None,
        labels: None,
        tail: None,
        port_id: None,
        program: None,
    };
}

/// Reads one line; blanks around it, such as its end, do not matter.
///
/// # Errors
/// [`FlowLineError`] with the place of the first word that does not fit.
pub fn line(line: &str) -> Result<FlowText<'_>, FlowLineError> {
    let mut words = Words::of(line);
    let head = Head::read(&mut words)?;
    let mut body = Body::of(head.protocol);
    while let Some(token) = words.next()? {
        match token.form {
            Form::Pair(key, value) => body.pair(&token, key, value)?,
            Form::Mark(mark) => body.mark(&token, mark)?,
            Form::Bare(_) => {
                return Err(token.refused(|word| FlowLineErrorKind::UnknownWord {
                    word,
                    expected: "`key=value` or a mark in brackets",
                }));
            }
        }
    }
    let (mut flow, notes) = body.finish(&words)?;
    flow.timeout_secs = head.timeout_secs;
    flow.proto = head.state;
    Ok(FlowText {
        flow,
        stamp: head.stamp,
        event: head.event,
        notes,
    })
}

/// What was read behind the state of the flow.
struct Body<'a> {
    protocol: Protocol,
    orig: Option<Side>,
    reply: Option<Side>,
    is_unreplied: Option<()>,
    is_assured: Option<()>,
    is_offloaded: Option<Status>,
    /// What belongs to neither direction; the tuples are put in at the end.
    flow: Flow,
    notes: Notes<'a>,
    expires_in_secs: Option<u64>,
    active_secs: Option<u64>,
    is_requested: Option<()>,
}

impl<'a> Body<'a> {
    const fn of(protocol: Protocol) -> Self {
        let addrs = Addrs::V4 {
            src: Ipv4Addr::UNSPECIFIED,
            dst: Ipv4Addr::UNSPECIFIED,
        };
        let key = L4Key::None;
        Self {
            protocol,
            orig: None,
            reply: None,
            is_unreplied: None,
            is_assured: None,
            is_offloaded: None,
            flow: Flow::new(Tuple {
                addrs,
                proto: protocol,
                key,
            }),
            notes: Notes::NONE,
            expires_in_secs: None,
            active_secs: None,
            is_requested: None,
        }
    }

    /// Takes `key=value`.
    fn pair(&mut self, token: &Token<'_>, key: &str, value: &'a str) -> Result<(), FlowLineError> {
        let (flow, notes) = (&mut self.flow, &mut self.notes);
        match key {
            "src" => self.begin_side(token, value),
            "mark" => once(token, &mut flow.mark, number(token, value)?),
            "zone" => once(token, &mut flow.zone, number(token, value)?),
            "zone-orig" => once(token, &mut flow.zone_orig, number(token, value)?),
            "zone-reply" => once(token, &mut flow.zone_reply, number(token, value)?),
            "secmark" => once(token, &mut flow.secmark, number(token, value)?),
            "secctx" => once(token, &mut flow.secctx, value.into()),
            "use" => once(token, &mut flow.use_count, number(token, value)?),
            "helper" => {
                let name = HelperName::from_bytes(value.as_bytes());
                let name = name.map_err(|_| token.refused(FlowLineErrorKind::LongHelper))?;
                once(token, &mut flow.helper, name)
            }
            "delta-time" => once(token, &mut notes.age_secs, number(token, value)?),
            "labels" => once(token, &mut notes.labels, value),
            "portid" => once(token, &mut notes.port_id, number(token, value)?),
            "progname" => once(token, &mut notes.program, value),
            _ => match self.reply.as_mut().or(self.orig.as_mut()) {
                // ICMP messages have an id, and every flow has one.
                Some(side) if key == "id" && !side.lacks_icmp_id(self.protocol) => {
                    once(token, &mut flow.id, number(token, value)?)
                }
                Some(side) => side.pair(token, key, value),
                None if Side::has(key) => Err(token.refused(FlowLineErrorKind::BeforeSource)),
                None => Err(token.refused(FlowLineErrorKind::UnknownKey)),
            },
        }
    }

    fn begin_side(&mut self, token: &Token<'_>, src: &str) -> Result<(), FlowLineError> {
        let side = Side::begin(token, src)?;
        match &self.orig {
            None => self.orig = Some(side),
            Some(orig) if orig.differs_in_family(&side) => {
                return Err(token.refused(FlowLineErrorKind::OtherFamily));
            }
            Some(_) if self.reply.is_some() => {
                return Err(token.refused(FlowLineErrorKind::ThirdDirection));
            }
            Some(_) => self.reply = Some(side),
        }
        Ok(())
    }

    /// Takes `[mark]`.
    fn mark(&mut self, token: &Token<'_>, mark: &'a str) -> Result<(), FlowLineError> {
        let seconds = |text: &str| number(token, text.strip_suffix('s').unwrap_or(text));
        match mark {
            "UNREPLIED" => return once(token, &mut self.is_unreplied, ()),
            "ASSURED" => return once(token, &mut self.is_assured, ()),
            "OFFLOAD" => return once(token, &mut self.is_offloaded, Status::OFFLOAD),
            "HW_OFFLOAD" => return once(token, &mut self.is_offloaded, Status::HW_OFFLOAD),
            "USERSPACE" => return once(token, &mut self.is_requested, ()),
            _ => {}
        }
        if let Some(time) = mark.strip_prefix("start=") {
            once(token, &mut self.notes.start, time)
        } else if let Some(time) = mark.strip_prefix("stop=") {
            once(token, &mut self.notes.stop, time)
        } else if let Some(left) = mark.strip_prefix("expires in ") {
            once(token, &mut self.expires_in_secs, seconds(left)?)
        } else if let Some(age) = mark.strip_prefix("active since ") {
            once(token, &mut self.active_secs, seconds(age)?)
        } else {
            Err(token.refused(FlowLineErrorKind::UnknownMark))
        }
    }

    /// Puts everything together at the end of the line.
    fn finish(self, words: &Words<'_>) -> Result<(Flow, Notes<'a>), FlowLineError> {
        let orig = self.orig.ok_or_else(|| words.ended("`src=`"))?;
        let mut status = self.is_offloaded.unwrap_or_default();
        if self.is_unreplied.is_none() {
            status = status | Status::SEEN_REPLY;
        }
        if self.is_assured.is_some() {
            status = status | Status::ASSURED;
        }
        let flow = Flow {
            orig: orig.tuple(self.protocol)?,
            counters_orig: orig.counters()?,
            reply: self.reply.map(|side| side.tuple(self.protocol)).transpose()?,
            counters_reply: self.reply.map_or(Ok(None), |side| side.counters())?,
            status: Some(status),
            ..self.flow
        };
        let tail = self.active_secs.map(|active_secs| Tail {
            expires_in_secs: self.expires_in_secs,
            active_secs,
        });
        Ok((flow, Notes { tail, ..self.notes }))
    }
}

/// Reads a number, in decimal or after `0x` in hexadecimal.
fn number<T: Bounded>(token: &Token<'_>, text: &str) -> Result<T, FlowLineError> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // The library takes a sign too.
    let is_digits = digits.bytes().all(|digit| digit.is_ascii_alphanumeric());
    let number = is_digits.then(|| u64::from_str_radix(digits, radix));
    number
        .and_then(Result::ok)
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| {
            token.refused(|word| FlowLineErrorKind::BadNumber {
                word,
                max: T::LARGEST,
            })
        })
}

/// An unsigned integer and its largest value.
trait Bounded: TryFrom<u64> {
    const LARGEST: u64;
}

impl Bounded for u8 {
    const LARGEST: u64 = 0xff;
}

impl Bounded for u16 {
    const LARGEST: u64 = 0xffff;
}

impl Bounded for u32 {
    const LARGEST: u64 = 0xffff_ffff;
}

impl Bounded for u64 {
    const LARGEST: Self = Self::MAX;
}
