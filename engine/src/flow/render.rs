//! What the text and the XML renderer share: numbers and addresses, fast.
//!
//! A dump of a cache prints a million flows. Numbers and IPv4 addresses therefore go straight into
//! the output instead of through the padding and precision machinery of `core::fmt`.

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Timestamps, Tuple};
use crate::time::UnixTime;

const NANOS_PER_SEC: u64 = 1_000_000_000;

/// Whether the timeout of an entry is printed: caches do not show it, logs do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// It is, if known.
    Shown,
    /// It is not.
    Hidden,
}

impl Timeout {
    /// Returns what is to be printed of `secs`.
    pub(super) fn of(self, secs: Option<u32>) -> Option<u32> {
        match self {
            Self::Shown => secs,
            Self::Hidden => None,
        }
    }
}

/// Bytes as a sink of text.
struct Bytes<'a>(&'a mut Vec<u8>);

impl fmt::Write for Bytes<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Something that can be written to any sink of text.
pub(super) trait Render {
    /// Writes it.
    fn render(&self, out: &mut impl fmt::Write) -> fmt::Result;

    /// Appends it to `out`.
    fn append_to(&self, out: &mut Vec<u8>) {
        self.render(&mut Bytes(out)).expect("a vector takes all text");
    }
}

/// Writes `number` in decimal.
pub(super) fn decimal(out: &mut impl fmt::Write, number: impl Into<u64>) -> fmt::Result {
    let mut left = number.into();
    let mut digits = [0; 20];
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        let [lowest, ..] = (left % 10).to_le_bytes();
        *digit = b'0' | lowest;
        start = start.saturating_sub(1);
        left /= 10;
        if left == 0 {
            break;
        }
    }
    let text = digits.get(start..).and_then(|text| str::from_utf8(text).ok());
    out.write_str(text.unwrap_or_default())
}

/// Writes `prefix` and `number` in decimal.
pub(super) fn field(out: &mut impl fmt::Write, prefix: &str, number: impl Into<u64>) -> fmt::Result {
    out.write_str(prefix)?;
    decimal(out, number)
}

/// Writes an address as `inet_ntop` does.
pub(super) fn address(out: &mut impl fmt::Write, address: IpAddr) -> fmt::Result {
    match address {
        IpAddr::V4(address) => ipv4(out, address),
        IpAddr::V6(address) => ipv6(out, address),
    }
}

fn ipv4(out: &mut impl fmt::Write, address: Ipv4Addr) -> fmt::Result {
    let [a, b, c, d] = address.octets();
    decimal(out, a)?;
    field(out, ".", b)?;
    field(out, ".", c)?;
    field(out, ".", d)
}

/// RFC 5952, except that `::a.b.c.d` keeps its dots: the library function still prints them.
fn ipv6(out: &mut impl fmt::Write, address: Ipv6Addr) -> fmt::Result {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            out.write_str("::")?;
            ipv4(out, Ipv4Addr::new(a, b, c, d))
        }
        _ => write!(out, "{address}"),
    }
}

/// Returns the ports of a tuple whose protocol has some; a peer may leave them out, which reads as 0.
pub(super) fn ports_or_zero(tuple: &Tuple) -> (u16, u16) {
    tuple.ports().unwrap_or_default()
}

/// Returns the seconds from the start to the end of a flow, or to `now` while it lives.
pub(super) fn delta_secs(timestamps: Timestamps, now: UnixTime) -> u64 {
    match timestamps.stop_nanos {
        Some(stop_nanos) => stop_nanos.saturating_sub(timestamps.start_nanos) / NANOS_PER_SEC,
        None => now
            .whole_secs()
            .saturating_sub(timestamps.start_nanos / NANOS_PER_SEC),
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};

    use super::*;

    #[test]
    fn decimals_equal_those_of_the_standard_library() {
        for number in [0, 7, 10, 99, 100, 65_535, u64::from(u32::MAX), u64::MAX] {
            let mut text = String::new();
            decimal(&mut text, number).unwrap();
            assert_eq!(text, number.to_string());
        }
    }

    #[test]
    fn addresses_read_as_inet_ntop_prints_them() {
        for (given, printed) in [
            ("10.3.1.254", "10.3.1.254"),
            ("fd03:1:0:0:0:0:0:10", "fd03:1::10"),
            ("::", "::"),
            ("::1", "::1"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
            ("::192.0.2.1", "::192.0.2.1"),
            ("2001:db8:0:1:0:0:0:1", "2001:db8:0:1::1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ] {
            let mut text = String::new();
            address(&mut text, given.parse().unwrap()).unwrap();
            assert_eq!(text, printed);
        }
    }

    #[test]
    fn a_living_flow_ages_until_now_and_a_dead_one_until_its_end() {
        let lives = Timestamps {
            start_nanos: 5 * NANOS_PER_SEC + 1,
            stop_nanos: None,
        };
        let dead = Timestamps {
            stop_nanos: Some(7 * NANOS_PER_SEC),
            ..lives
        };
        assert_eq!(delta_secs(lives, UnixTime::from_secs(9)), 4);
        assert_eq!(
            delta_secs(lives, UnixTime::from_secs(1)),
            0,
            "a clock that was set back makes no age"
        );
        assert_eq!(delta_secs(dead, UnixTime::from_secs(9)), 1);
    }
}
