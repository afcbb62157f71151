//! What an address is translated to.

use std::net::IpAddr;

use engine::flow::NatRange;

use super::super::Refusal;
use super::super::refusal::shown;
use super::address::{address, family, range};
use super::number::decimal;

/// `A`, `A:P`, `[A]:P`; each of `A` and `P` may be a range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NatValue<'a> {
    pub(crate) range: NatRange,
    addr_text: &'a [u8],
    port_text: &'a [u8],
}

impl<'a> NatValue<'a> {
    /// Reads the value of the option of that name.
    pub(crate) fn parse(text: &'a [u8], option: &'static str) -> Result<Self, Refusal> {
        if text.contains(&b'/') {
            return Err(Refusal::NoPrefix(option));
        }
        let (addr_text, port_text) = split(text)?;
        let ports = port_text.map(ports).transpose()?;
        let addrs = match range(addr_text)? {
            Some(addrs) => addrs,
            None => address(addr_text).map(|addr| (addr, addr))?,
        };
        Ok(Self {
            range: NatRange {
                addrs: Some(addrs),
                ports,
            },
            addr_text,
            port_text: port_text.unwrap_or_default(),
        })
    }

    /// Returns the family of its addresses.
    pub(crate) fn family(&self) -> Option<engine::flow::Family> {
        self.range.addrs.map(|(addr, _)| family(addr))
    }

    /// Returns address and port where there can only be one of each.
    pub(crate) fn single(&self) -> Result<(Option<IpAddr>, Option<u16>), Refusal> {
        let addr = self.range.addrs.map(|(first, last)| {
            let is_single = first == last;
            is_single
                .then_some(first)
                .ok_or_else(|| Refusal::Address(shown(self.addr_text)))
        });
        let port = self.range.ports.map(|(first, last)| {
            let is_single = first == last;
            is_single
                .then_some(first)
                .ok_or_else(|| Refusal::Port(shown(self.port_text)))
        });
        Ok((addr.transpose()?, port.transpose()?))
    }
}

/// Splits off the port. Two colons without brackets are those of an IPv6 address.
fn split(text: &[u8]) -> Result<(&[u8], Option<&[u8]>), Refusal> {
    let (addr, port) = match text.strip_prefix(b"[") {
        Some(inner) => {
            let close = inner
                .iter()
                .position(|byte| *byte == b']')
                .ok_or(Refusal::OpenBracket)?;
            let port = inner[close + 1..].strip_prefix(b":");
            (&inner[..close], port.ok_or_else(|| Refusal::Address(shown(text))))
        }
        None => {
            let mut colons = (0..text.len()).filter(|at| text[*at] == b':');
            match (colons.next(), colons.next()) {
                (Some(colon), None) => (&text[..colon], Ok(&text[colon + 1..])),
                _ => return Ok((text, None)),
            }
        }
    };
    if addr.is_empty() && text.starts_with(b"[") {
        return Err(Refusal::EmptyBrackets);
    }
    match port? {
        [] => Err(Refusal::NoPort),
        port => Ok((addr, Some(port))),
    }
}

/// Reads `P` or `P-Q`.
fn ports(text: &[u8]) -> Result<(u16, u16), Refusal> {
    let port = |digits| decimal(digits).and_then(|port| u16::try_from(port).ok());
    let dash = text.iter().position(|byte| *byte == b'-');
    let (first, last) = match dash {
        Some(dash) => (port(&text[..dash]), port(&text[dash + 1..])),
        None => (port(text), port(text)),
    };
    first
        .zip(last)
        .filter(|(first, last)| first <= last)
        .ok_or_else(|| Refusal::Port(shown(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let value = NatValue::parse(text.as_bytes(), "src-nat").map_err(|error| error.to_string())?;
        let (first, last) = value.range.addrs.unwrap();
        let ports = value
            .range
            .ports
            .map_or(String::new(), |(from, to)| format!(" {from}-{to}"));
        Ok(format!("{first}-{last}{ports}"))
    }

    #[test]
    fn addresses_and_ports_are_told_apart() {
        for (text, want) in [
            ("5.5.5.5", "5.5.5.5-5.5.5.5"),
            ("5.5.5.5:80", "5.5.5.5-5.5.5.5 80-80"),
            ("fd00::5", "fd00::5-fd00::5"),
            ("[fd00::5]:0", "fd00::5-fd00::5 0-0"),
            ("5.5.5.5-5.5.5.9", "5.5.5.5-5.5.5.9"),
            ("5.5.5.5-5.5.5.9:1000-2000", "5.5.5.5-5.5.5.9 1000-2000"),
            ("fd00::5-fd00::9", "fd00::5-fd00::9"),
            ("[fd00::5-fd00::9]:7-8", "fd00::5-fd00::9 7-8"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn each_mistake_has_its_message() {
        for (text, want) in [
            ("5.5.5.5:", "No port specified after `:'"),
            (":80", "Invalid IP address `'"),
            ("5.5.5.5:65536", "Invalid port `65536'"),
            ("5.5.5.5:foo", "Invalid port `foo'"),
            ("5.5.5.5:+80", "Invalid port `+80'"),
            ("5.5.5.5:9-8", "Invalid port `9-8'"),
            ("5.5.5.9-5.5.5.5", "Invalid IP address `5.5.5.9-5.5.5.5'"),
            ("[fd00::6", "No closing ']' around IPv6 address"),
            ("[]:80", "No IPv6 address specified"),
            ("[fd00::6]:", "No port specified after `:'"),
            ("[fd00::6]", "Invalid IP address `[fd00::6]'"),
            ("[fd00::6]x:80", "Invalid IP address `[fd00::6]x:80'"),
            ("5.5.5.0/24", "CIDR notation unavailable for `--src-nat'"),
            ("5.5.5.5-fd00::1", "mismatched address family"),
        ] {
            assert_eq!(read(text), Err(want.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_filter_takes_no_range() {
        let single =
            |text: &str| NatValue::parse(text.as_bytes(), "src-nat").and_then(|value| value.single());
        assert!(single("5.5.5.5:80").is_ok());
        assert_eq!(
            single("5.5.5.5-5.5.5.6"),
            Err(Refusal::Address("5.5.5.5-5.5.5.6".into()))
        );
        assert_eq!(single("5.5.5.5:1-2"), Err(Refusal::Port("1-2".into())));
    }
}
