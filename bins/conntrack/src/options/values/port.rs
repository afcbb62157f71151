//! Ports and GRE keys, alone and in lists.

use std::ops::RangeInclusive;

use super::super::Refusal;
use super::super::refusal::shown;
use super::number::{Notation, c, decimal, trimmed};

/// Ports of which one must be that of a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortList<'a> {
    text: &'a [u8],
    notation: Notation,
    first: u16,
    is_list: bool,
}

impl Default for PortList<'_> {
    fn default() -> Self {
        Self {
            text: &[],
            notation: Notation::Decimal,
            first: 0,
            is_list: false,
        }
    }
}

impl<'a> PortList<'a> {
    /// Reads numbers and ranges with commas between them.
    pub(crate) fn parse(text: &'a [u8], notation: Notation) -> Result<Self, Refusal> {
        if let Some(first) = port(text, notation) {
            return Ok(Self {
                text,
                notation,
                first,
                is_list: false,
            });
        }
        let mut first = None;
        for item in text.split(|byte| *byte == b',') {
            let range = range(item, notation).ok_or_else(|| Refusal::Port(shown(item)))?;
            first.get_or_insert(*range.start());
        }
        Ok(Self {
            text,
            notation,
            first: first.unwrap_or_default(),
            is_list: true,
        })
    }

    /// Returns the port where there can only be one.
    pub(crate) fn single(&self) -> Result<u16, Refusal> {
        if self.is_list {
            return Err(Refusal::Port(shown(self.text)));
        }
        Ok(self.first)
    }

    /// Returns what a flow must match.
    pub(crate) fn ranges(&self) -> Vec<RangeInclusive<u16>> {
        if !self.is_list {
            return vec![self.first..=self.first];
        }
        let items = self.text.split(|byte| *byte == b',');
        items.filter_map(|item| range(item, self.notation)).collect()
    }
}

fn port(text: &[u8], notation: Notation) -> Option<u16> {
    let digits = trimmed(text);
    let port = match notation {
        Notation::Decimal => decimal(digits),
        Notation::C => c(digits),
    };
    port.and_then(|port| u16::try_from(port).ok())
}

/// Reads `P` or `P-Q`.
fn range(text: &[u8], notation: Notation) -> Option<RangeInclusive<u16>> {
    let dash = text.iter().position(|byte| *byte == b'-');
    let range = match dash {
        Some(dash) => port(&text[..dash], notation)?..=port(&text[dash + 1..], notation)?,
        None => {
            let port = port(text, notation)?;
            port..=port
        }
    };
    (!range.is_empty()).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_ports_and_ranges() {
        let list = PortList::parse(b"80,443,8000-8100", Notation::Decimal).unwrap();
        assert_eq!(list.ranges(), [80..=80, 443..=443, 8000..=8100]);
        assert_eq!(list.single(), Err(Refusal::Port("80,443,8000-8100".into())));
        let keys = PortList::parse(b"0x10-0x1f,7", Notation::C).unwrap();
        assert_eq!(keys.ranges(), [16..=31, 7..=7]);
    }

    #[test]
    fn ports_are_decimal_and_keys_as_in_c() {
        let read =
            |text: &str, notation| PortList::parse(text.as_bytes(), notation).and_then(|list| list.single());
        assert_eq!(read("010", Notation::Decimal), Ok(10));
        assert_eq!(read("010", Notation::C), Ok(8));
        for text in ["", "foo", "65536", "0x10", "-1", "80x", "9-8", "80,", "1-2-3"] {
            assert!(
                PortList::parse(text.as_bytes(), Notation::Decimal).is_err(),
                "{text}"
            );
        }
    }
}
