//! The words of a line before the first direction.

use super::error::{FlowLineError, FlowLineErrorKind};
use super::number;
use super::words::{Form, Token, Words};
use crate::flow::{DccpRole, DccpState, Event, ProtoState, Protocol, SctpState, Tcp, TcpState};

/// What stands before the first direction.
pub(super) struct Head<'a> {
    pub(super) stamp: Option<&'a str>,
    pub(super) event: Option<Event>,
    pub(super) protocol: Protocol,
    pub(super) timeout_secs: Option<u32>,
    pub(super) state: ProtoState,
}

impl<'a> Head<'a> {
    pub(super) fn read(words: &mut Words<'a>) -> Result<Self, FlowLineError> {
        let stamp = stamp(words)?;
        let event = words.next_if(|token| match token.form {
            Form::Mark("NEW") => Some(Event::New),
            Form::Mark("UPDATE") => Some(Event::Update),
            Form::Mark("DESTROY") => Some(Event::Destroy),
            Form::Mark(_) | Form::Pair(..) | Form::Bare(_) => None,
        })?;
        family(words)?;
        let protocol = protocol(words)?;
        let timeout_secs = match words.next_if(as_number)? {
            Some(token) => Some(number(&token, token.text)?),
            None => None,
        };
        let state = state(words, protocol)?;
        Ok(Self {
            stamp,
            event,
            protocol,
            timeout_secs,
            state,
        })
    }
}

/// Reads the time before an event or before a line of the flow log.
fn stamp<'a>(words: &mut Words<'a>) -> Result<Option<&'a str>, FlowLineError> {
    const WEEKDAYS: [&str; 7] = ["Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat ", "Sun "];
    let date = words.column();
    if WEEKDAYS.iter().any(|day| date.starts_with(day)) {
        words.skip_column();
        return Ok(Some(date));
    }
    words.next_if(|token| match token.form {
        Form::Mark(time) => time.starts_with(|c: char| c.is_ascii_digit()).then_some(time),
        Form::Pair(..) | Form::Bare(_) => None,
    })
}

/// Reads past the address family: the addresses tell it too.
fn family(words: &mut Words<'_>) -> Result<(), FlowLineError> {
    let number = words.next_if(|token| match token.form {
        Form::Bare("ipv4") => Some("2"),
        Form::Bare("ipv6") => Some("10"),
        Form::Bare(_) | Form::Mark(_) | Form::Pair(..) => None,
    })?;
    if let Some(number) = number {
        words.next_if(|token| (token.text == number).then_some(()))?;
    }
    Ok(())
}

/// Reads name and number; the number of a protocol that has a name may be left out.
fn protocol(words: &mut Words<'_>) -> Result<Protocol, FlowLineError> {
    const KNOWN: [Protocol; 8] = [
        Protocol::TCP,
        Protocol::UDP,
        Protocol::UDPLITE,
        Protocol::ICMP,
        Protocol::ICMPV6,
        Protocol::SCTP,
        Protocol::DCCP,
        Protocol::GRE,
    ];
    let name = words.next()?.ok_or_else(|| words.ended("a protocol"))?;
    let known = KNOWN.into_iter().find(|known| known.name() == name.text);
    if known.is_none() && name.text != "unknown" {
        return Err(name.refused(FlowLineErrorKind::UnknownProtocol));
    }
    let found = words.next_if(as_number)?;
    match (known, found) {
        (Some(known), None) => Ok(known),
        (None, None) => Err(name.refused(FlowLineErrorKind::UnknownProtocol)),
        (None, Some(found)) => Ok(Protocol(number(&found, found.text)?)),
        (Some(known), Some(found)) if number::<u64>(&found, found.text)? == u64::from(known.0) => Ok(known),
        (Some(known), Some(found)) => Err(found.refused(|word| FlowLineErrorKind::ProtocolNumber {
            word,
            name: known.name(),
            number: known.0,
        })),
    }
}

fn as_number<'a>(token: &Token<'a>) -> Option<Token<'a>> {
    let begins_with_digit = token.text.starts_with(|c: char| c.is_ascii_digit());
    (matches!(token.form, Form::Bare(_)) && begins_with_digit).then_some(*token)
}

/// Reads the name of the state, if there is one.
fn state(words: &mut Words<'_>, protocol: Protocol) -> Result<ProtoState, FlowLineError> {
    let name = words.next_if(|token| matches!(token.form, Form::Bare(_)).then_some(*token))?;
    let Some(name) = name else {
        return Ok(ProtoState::None);
    };
    let expected = match protocol {
        Protocol::TCP => "a state of TCP, such as ESTABLISHED, or `src=`",
        Protocol::SCTP => "a state of SCTP, such as ESTABLISHED, or `src=`",
        Protocol::DCCP => "a state of DCCP, such as OPEN, or `src=`",
        _ => "`src=`: flows of this protocol have no state",
    };
    (0..=9)
        .map(|number| numbered(protocol, number))
        .find(|state| state.state_name() == Some(name.text))
        .ok_or_else(|| name.refused(|word| FlowLineErrorKind::UnknownWord { word, expected }))
}

/// Returns the state of that number.
const fn numbered(protocol: Protocol, number: u8) -> ProtoState {
    match protocol {
        Protocol::TCP => ProtoState::Tcp(Tcp::in_state(TcpState(number))),
        Protocol::SCTP => ProtoState::Sctp {
            state: SctpState(number),
            vtag_orig: 0,
            vtag_reply: 0,
        },
        Protocol::DCCP => ProtoState::Dccp {
            state: DccpState(number),
            role: DccpRole(0),
        },
        _ => ProtoState::None,
    }
}
