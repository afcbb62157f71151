//! One word to one value.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::diagnose::suggest::closest;
use crate::diagnose::{Code, Diagnostic, echo};
use crate::model::{Facility, FilterPlace, Network, Policy, SchedulerClass, TcpState};
use crate::parse::blame::{bad_character, did_you_mean, separator, suggest};
use crate::parse::lexer::{Token, TokenKind};
use crate::parse::value::{ModeName, Value};
use crate::schema::{INTERFACE_MAX, Kind, NAME_MAX, Range};

/// A word and the clause that it belongs to.
pub(crate) struct Argument<'a> {
    clause: &'a str,
    token: &'a Token<'a>,
}

impl Kind {
    /// Says what a clause of this kind needs.
    pub(crate) fn needs(self) -> String {
        match self {
            Self::Bool | Self::BoolUnlessBlock => "on, off, yes or no".to_owned(),
            Self::Uint(range) if range.unit.is_empty() => "a number".to_owned(),
            Self::Uint(range) => format!("a number of {}", range.unit),
            Self::BoolOrUint(range) => format!("on, off or a number of {}", range.unit),
            Self::Integer => "an integer".to_owned(),
            Self::Path(_) => "an absolute path".to_owned(),
            Self::BoolOrPath(_) => "on, off or an absolute path".to_owned(),
            Self::BoolOrFacility => "on, off or a syslog facility".to_owned(),
            Self::SchedulerClass => "RR or FIFO".to_owned(),
            Self::Interface => "the name of an interface".to_owned(),
            Self::Name(what) => format!("the name of {what}"),
            Self::Protocol => "the name of a protocol".to_owned(),
            Self::ProtocolOrNumber => "the name or number of a protocol".to_owned(),
            Self::Ipv4 => "an IPv4 address".to_owned(),
            Self::Ipv6 => "an IPv6 address".to_owned(),
            Self::AnyAddress => "an IP address".to_owned(),
            Self::Ipv4Net => "an IPv4 address or network".to_owned(),
            Self::Ipv6Net => "an IPv6 address or network".to_owned(),
            Self::Policy => "`Accept` or `Ignore`".to_owned(),
            Self::Mode => "`FTFW`, `ALARM` or `NOTRACK`".to_owned(),
            Self::OptionalDefault => "`Default` or nothing".to_owned(),
            Self::OptionalFrom => "`Userspace` or `Kernelspace`".to_owned(),
            Self::States => "TCP states and `for TCP`".to_owned(),
        }
    }
}

impl<'a> Argument<'a> {
    pub(crate) fn new(clause: &'a str, token: &'a Token<'a>) -> Self {
        Self { clause, token }
    }

    /// Reads the word as a value of the given kind.
    pub(crate) fn read(&self, kind: Kind) -> Result<Value, Diagnostic> {
        match self.token.kind {
            TokenKind::Quoted | TokenKind::Stray => return Err(bad_character(self.token)),
            TokenKind::Path | TokenKind::Word | TokenKind::Open | TokenKind::Close => {}
        }
        if !matches!(kind, Kind::Interface)
            && let Some(separator) = separator(self.token)
        {
            return Err(separator);
        }
        let text = self.token.text;
        match kind {
            Kind::Bool | Kind::BoolUnlessBlock => boolean(text)
                .map(Value::Bool)
                .ok_or_else(|| self.bad_boolean(kind)),
            Kind::Uint(range) => self.number(range).map(Value::Number),
            Kind::BoolOrUint(range) => match boolean(text) {
                Some(value) => Ok(Value::Bool(value)),
                None if text.starts_with(|c: char| c.is_ascii_alphabetic()) => Err(self.bad_boolean(kind)),
                None => self.number(range).map(Value::Number),
            },
            Kind::Integer => self.integer(),
            Kind::Path(max) => self.path(max),
            Kind::BoolOrPath(log) => match boolean(text) {
                Some(true) => Ok(Value::Text(log.on.to_owned())),
                Some(false) => Ok(Value::Bool(false)),
                None => self.path(log.len_max),
            },
            Kind::BoolOrFacility => self.facility(),
            Kind::SchedulerClass => self.scheduler_class(),
            Kind::Interface => self.interface(),
            Kind::Name(what) => self.name(what),
            Kind::Protocol => self.protocol(),
            Kind::ProtocolOrNumber => match text.parse() {
                Ok(number) if is_decimal(text) => Ok(Value::Protocol(number)),
                Ok(_) | Err(_) => self.protocol(),
            },
            Kind::Ipv4 => self.address(Family::V4),
            Kind::Ipv6 => self.address(Family::V6),
            Kind::AnyAddress if text.contains(':') => self.address(Family::V6),
            Kind::AnyAddress => self.address(Family::V4),
            Kind::Ipv4Net => self.network(Family::V4),
            Kind::Ipv6Net => self.network(Family::V6),
            Kind::Policy => self.fixed(
                &[("Accept", Policy::Accept), ("Ignore", Policy::Ignore)],
                Value::Policy,
            ),
            Kind::Mode => self.mode(),
            Kind::OptionalFrom => self.fixed(
                &[
                    ("Userspace", FilterPlace::Userspace),
                    ("Kernelspace", FilterPlace::Kernelspace),
                ],
                Value::Place,
            ),
            Kind::States => self.state(),
            Kind::OptionalDefault => Ok(Value::Marker),
        }
    }

    fn error(&self, code: Code, message: String) -> Diagnostic {
        Diagnostic::error(code, self.token.span, message)
    }

    fn bad_boolean(&self, kind: Kind) -> Diagnostic {
        let text = self.token.text;
        let needs = if matches!(kind, Kind::BoolUnlessBlock) {
            "on, off or a `{ }` list".to_owned()
        } else {
            kind.needs()
        };
        let message = format!("`{}` takes {needs}, not {}", self.clause, echo(text));
        let diagnostic = self.error(Code::BadBoolean, message);
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "enable" | "enabled" => diagnostic.with_help("write `on`"),
            "false" | "0" | "disable" | "disabled" => diagnostic.with_help("write `off`"),
            _ if matches!(kind, Kind::BoolUnlessBlock) && is_name(text) => {
                diagnostic.with_help(format!("a list stands in braces: `{} {{ {text} }}`", self.clause))
            }
            _ => diagnostic,
        }
    }

    fn number(&self, range: Range) -> Result<u32, Diagnostic> {
        let text = self.token.text;
        if !is_decimal(text) {
            return Err(self.bad_number());
        }
        let value = text
            .parse::<u64>()
            .ok()
            .and_then(|value| u32::try_from(value).ok());
        match value {
            Some(value) if value >= range.min && value <= range.max => Ok(value),
            Some(0) if range.zero_is_default => Ok(0),
            Some(_) | None => {
                let unit = if range.unit.is_empty() {
                    String::new()
                } else {
                    format!(" {}", range.unit)
                };
                let zero = if range.zero_is_default {
                    ", or 0 as if it were missing"
                } else {
                    ""
                };
                let message = format!(
                    "`{}` must be between {} and {}{unit}{zero}, not {}",
                    self.clause,
                    range.min,
                    range.max,
                    echo(text),
                );
                Err(self.error(Code::NumberRange, message))
            }
        }
    }

    fn bad_number(&self) -> Diagnostic {
        let text = self.token.text;
        let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let needs = if text.starts_with(['-', '+']) {
            "an unsigned number, without a sign"
        } else if text.starts_with("0x") || text.starts_with("0X") {
            "a decimal number"
        } else if digits.starts_with('.') || is_exponent(digits) {
            "a whole number"
        } else if digits.len() < text.len() {
            "a plain number, without a suffix"
        } else {
            "a number"
        };
        self.error(
            Code::BadNumber,
            format!("`{}` takes {needs}, not {}", self.clause, echo(text)),
        )
    }

    fn integer(&self) -> Result<Value, Diagnostic> {
        let text = self.token.text;
        if is_decimal(text.strip_prefix(['+', '-']).unwrap_or(text)) {
            return Ok(Value::Marker);
        }
        let message = format!("`{}` takes an integer, not {}", self.clause, echo(text));
        Err(self.error(Code::BadNumber, message))
    }

    fn path(&self, max: usize) -> Result<Value, Diagnostic> {
        let text = self.token.text;
        if self.token.kind != TokenKind::Path {
            let message = format!(
                "`{}` takes a path that begins with `/`, not {}",
                self.clause,
                echo(text)
            );
            return Err(self.error(Code::BadPath, message));
        }
        if text.len() > max {
            let message = format!(
                "the path of `{}` is {} bytes long, at most {max} are allowed",
                self.clause,
                text.len()
            );
            return Err(self.error(Code::PathTooLong, message));
        }
        Ok(Value::Text(text.to_owned()))
    }

    fn facility(&self) -> Result<Value, Diagnostic> {
        let text = self.token.text;
        if let Some(on) = boolean(text) {
            return Ok(Value::Bool(on));
        }
        if let Some(facility) = Facility::by_name(text) {
            return Ok(Value::Facility(facility));
        }
        if matches!(text, "true" | "false" | "1" | "0") {
            return Err(self.bad_boolean(Kind::BoolOrFacility));
        }
        let message = format!("{} is not a syslog facility", echo(text));
        let help = "`Syslog` takes on, off, `daemon` or one of `local0` to `local7`, in lower case";
        Err(self.error(Code::UnknownFacility, message).with_help(help))
    }

    fn scheduler_class(&self) -> Result<Value, Diagnostic> {
        match self.token.text.to_ascii_uppercase().as_str() {
            "RR" => Ok(Value::Class(SchedulerClass::RoundRobin)),
            "FIFO" => Ok(Value::Class(SchedulerClass::Fifo)),
            _ => {
                let message = format!("{} is not a scheduler; it is RR or FIFO", echo(self.token.text));
                Err(self.error(Code::UnknownScheduler, message))
            }
        }
    }

    fn interface(&self) -> Result<Value, Diagnostic> {
        let text = self.token.text;
        let reason = if text.len() > INTERFACE_MAX {
            format!("has {} bytes, at most {INTERFACE_MAX} are allowed", text.len())
        } else if text.contains(['/', ':']) {
            "contains `/` or `:`".to_owned()
        } else if matches!(text, "." | "..") {
            "is a directory".to_owned()
        } else {
            return Ok(Value::Text(text.to_owned()));
        };
        Err(self.error(
            Code::BadName,
            format!("the interface name {} {reason}", echo(text)),
        ))
    }

    fn name(&self, what: &str) -> Result<Value, Diagnostic> {
        let text = self.token.text;
        if is_name(text) {
            return Ok(Value::Text(text.to_owned()));
        }
        let help =
            format!("a name is a letter, then letters, digits, `.`, `-` or `_`, at most {NAME_MAX} bytes");
        Err(self
            .error(Code::BadName, format!("{} is not the name of {what}", echo(text)))
            .with_help(help))
    }

    fn protocol(&self) -> Result<Value, Diagnostic> {
        let text = self.token.text;
        let protocols = &crate::model::PROTOCOLS;
        if let Some((_, number)) = protocols.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
            return Ok(Value::Protocol(*number));
        }
        let diagnostic = self.error(Code::UnknownProtocol, format!("unknown protocol {}", echo(text)));
        let number = text.parse::<u8>().ok();
        let suggestion = match number {
            Some(number) => protocols
                .iter()
                .find(|(_, known)| *known == number)
                .map(|(name, _)| *name),
            None => closest(text, protocols.iter().map(|(name, _)| *name)),
        };
        Err(match (suggestion, number) {
            (Some(name), Some(_)) => diagnostic.with_help(format!("write the name, `{name}`")),
            (Some(name), None) if text.chars().all(|c| c.is_ascii_uppercase()) => {
                did_you_mean(diagnostic, &name.to_ascii_uppercase())
            }
            (Some(name), None) => did_you_mean(diagnostic, name),
            (None, Some(_)) => diagnostic.with_help("protocols are given by name"),
            (None, None) => diagnostic,
        })
    }

    fn fixed<T: Copy>(
        &self,
        words: &[(&'static str, T)],
        value: fn(T) -> Value,
    ) -> Result<Value, Diagnostic> {
        let text = self.token.text;
        if let Some((_, found)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(value(*found));
        }
        let names: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let message = format!(
            "`{}` takes {}, not {}",
            self.clause,
            names.join(" or "),
            echo(text)
        );
        let diagnostic = self.error(Code::UnexpectedToken, message);
        Err(suggest(diagnostic, text, words.iter().map(|(word, _)| *word)))
    }

    fn mode(&self) -> Result<Value, Diagnostic> {
        let text = self.token.text;
        let by_name = ModeName::ALL
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text));
        if let Some(mode) = by_name
            .map(|(_, mode)| *mode)
            .or_else(|| ModeName::by_old_name(text))
        {
            return Ok(Value::Mode(mode));
        }
        let message = format!("unknown mode {}; it is FTFW, ALARM or NOTRACK", echo(text));
        let diagnostic = self.error(Code::UnknownMode, message);
        Err(suggest(
            diagnostic,
            text,
            ModeName::ALL.iter().map(|(name, _)| *name),
        ))
    }

    fn state(&self) -> Result<Value, Diagnostic> {
        let text = self.token.text;
        if let Some((_, state)) = TcpState::NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(Value::State(*state));
        }
        let diagnostic = self.error(Code::UnknownState, format!("unknown TCP state {}", echo(text)));
        if text.eq_ignore_ascii_case("SYN_SENT2") {
            return Err(diagnostic.with_help("what the kernel calls so is `LISTEN` here"));
        }
        Err(suggest(
            diagnostic,
            text,
            TcpState::NAMES.iter().map(|(name, _)| *name),
        ))
    }

    fn address(&self, family: Family) -> Result<Value, Diagnostic> {
        if self.token.text.contains('/') {
            let message = format!(
                "`{}` takes an address without a prefix length, not {}",
                self.clause,
                echo(self.token.text),
            );
            return Err(self.error(Code::BadPrefix, message));
        }
        self.parse_address(family, self.token.text).map(Value::Address)
    }

    fn network(&self, family: Family) -> Result<Value, Diagnostic> {
        let (text, prefix) = match self.token.text.split_once('/') {
            Some((text, prefix)) => (text, Some(prefix)),
            None => (self.token.text, None),
        };
        let address = self.parse_address(family, text)?;
        let Some(prefix) = prefix else {
            return Ok(Value::Network(Network::host(address), false));
        };
        let prefix_len = is_decimal(prefix).then(|| prefix.parse::<u8>().ok()).flatten();
        match prefix_len.and_then(|len| Network::new(address, len)) {
            Some(network) => Ok(Value::Network(network, network.address() != address)),
            None => {
                let max = if address.is_ipv4() { 32 } else { 128 };
                let message = format!("the prefix length {} is not between 0 and {max}", echo(prefix));
                let diagnostic = self.error(Code::BadPrefix, message);
                let is_mask = prefix.contains('.');
                Err(if is_mask {
                    diagnostic.with_help("write the number of leading bits")
                } else {
                    diagnostic
                })
            }
        }
    }

    fn parse_address(&self, family: Family, text: &str) -> Result<IpAddr, Diagnostic> {
        let v4 = text.parse::<Ipv4Addr>();
        let v6 = text.parse::<Ipv6Addr>();
        let (code, name) = match (family, v4, v6) {
            (Family::V4, Ok(address), _) => return Ok(IpAddr::V4(address)),
            (Family::V6, _, Ok(address)) => return Ok(IpAddr::V6(address)),
            (Family::V4, _, Ok(_)) => (Code::FamilyMismatch, "IPv6"),
            (Family::V6, Ok(_), _) => (Code::FamilyMismatch, "IPv4"),
            (Family::V4, ..) => (Code::BadIpv4, "IPv4"),
            (Family::V6, ..) => (Code::BadIpv6, "IPv6"),
        };
        if code == Code::FamilyMismatch {
            let message = format!(
                "{} is an {name} address, but `{}` needs the other family",
                echo(text),
                self.clause
            );
            return Err(self.error(code, message));
        }
        let diagnostic = self.error(code, format!("{} is not an {name} address", echo(text)));
        let has_leading_zero = text
            .split('.')
            .any(|part| part.len() > 1 && part.starts_with('0'));
        Err(if text.contains('%') {
            diagnostic.with_help("the zone of a link-local address is the interface that `Interface` names")
        } else if family == Family::V4 && has_leading_zero {
            diagnostic.with_help("a leading zero is ambiguous, some programs read it as octal: leave it out")
        } else {
            diagnostic
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("on") || text.eq_ignore_ascii_case("yes") {
        Some(true)
    } else if text.eq_ignore_ascii_case("off") || text.eq_ignore_ascii_case("no") {
        Some(false)
    } else {
        None
    }
}

/// Whether the word may be the name of a thing that the file names itself.
fn is_name(text: &str) -> bool {
    text.len() <= NAME_MAX
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_exponent(text: &str) -> bool {
    text.strip_prefix(['e', 'E'])
        .is_some_and(|rest| is_decimal(rest.trim_start_matches(['+', '-'])))
}
