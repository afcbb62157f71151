//! Words that only the stock daemon accepts where they are no value.

use crate::diagnose::Code;
use crate::model::TcpState;
use crate::parse::value::ModeName;
use crate::schema::{self, Kind, Range};

/// Words that the stock daemon knows beside clauses, modes and states.
const FIXED_WORDS: [&str; 8] = [
    "Accept",
    "Default",
    "From",
    "Ignore",
    "Kernelspace",
    "TCP",
    "Userspace",
    "for",
];
/// The same in any mixture of small letters and capitals.
const BOOLEANS: [&str; 4] = ["on", "off", "yes", "no"];

/// Returns what the stock daemon makes of a word that is no value of its kind, `None` if it refuses it.
pub(super) fn tolerated(kind: Kind, text: &str, code: Code) -> Option<&'static str> {
    const NO_ENTRY: &str = "it is left out, the set stays";
    match (kind, code) {
        (Kind::BoolOrFacility, Code::UnknownFacility) if !is_reserved(text) => {
            Some("the clause has no effect")
        }
        (Kind::Uint(Range::PORTS), Code::NumberRange) if text.bytes().all(|digit| digit == b'0') => {
            Some("it is as if the clause were missing")
        }
        (Kind::Protocol, Code::UnknownProtocol)
            if text.starts_with(|c: char| c.is_ascii_alphabetic()) && !is_reserved(text) =>
        {
            Some(NO_ENTRY)
        }
        (
            Kind::Ipv4Net | Kind::Ipv6Net,
            Code::BadIpv4 | Code::BadIpv6 | Code::BadPrefix | Code::FamilyMismatch,
        ) if has_form_of_address(text) => Some(NO_ENTRY),
        _ => None,
    }
}

/// Whether the word has one meaning all over the file, so that the stock daemon takes it for nothing else.
fn is_reserved(text: &str) -> bool {
    let in_any_case = |word: &&str| word.eq_ignore_ascii_case(text);
    FIXED_WORDS.contains(&text)
        || BOOLEANS.iter().any(in_any_case)
        || TcpState::NAMES.iter().any(|(name, _)| *name == text)
        || ModeName::ALL.iter().any(|(name, _)| in_any_case(name))
        || schema::stock_names().any(|name| name == text)
}

/// Whether the word has the outer form of an address, with or without a prefix length. Octal numbers,
/// which mean an address to some programs and another one to others, are left out.
fn has_form_of_address(text: &str) -> bool {
    let is_decimal = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (address, prefix) = text.split_once('/').unwrap_or((text, "0"));
    let is_plain = |part: &str| is_decimal(part) && (part == "0" || !part.starts_with('0'));
    let is_v4 = address.split('.').count() == 4 && address.split('.').all(is_plain);
    let is_v6 = address.contains(':')
        && address
            .bytes()
            .all(|byte| byte == b':' || byte.is_ascii_hexdigit());
    is_decimal(prefix) && (is_v4 || is_v6)
}
