//! What the text and the XML renderer share: numbers and addresses, fast.
//!
//! A dump of a cache prints a million flows. Numbers and IPv4 addresses therefore go straight into
//! the output instead of through the padding and precision machinery of `core::fmt`.

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Timestamps, Tuple};
use crate::time::UnixTime;

/// Nanoseconds of a second.
pub(super) const NANOS_PER_SEC: u64 = 1_000_000_000;

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

/// A sink of text that can take short ASCII words of a fixed room.
pub(super) trait Sink: fmt::Write {
    /// Writes the first `len` bytes of `word`, which is ASCII.
    #[inline]
    fn ascii<const ROOM: usize>(&mut self, word: [u8; ROOM], len: usize) -> fmt::Result {
        let text = word.get(..len).and_then(|text| str::from_utf8(text).ok());
        self.write_str(text.unwrap_or_default())
    }
}

impl Sink for fmt::Formatter<'_> {}

/// Bytes as a sink of text.
struct Bytes<'a>(&'a mut Vec<u8>);

impl fmt::Write for Bytes<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl Sink for Bytes<'_> {
    /// Copies the whole room and takes the surplus back: a copy of known length is a few instructions.
    #[inline]
    fn ascii<const ROOM: usize>(&mut self, word: [u8; ROOM], len: usize) -> fmt::Result {
        let surplus = ROOM.saturating_sub(len);
        self.0.extend_from_slice(&word);
        self.0.truncate(self.0.len().saturating_sub(surplus));
        Ok(())
    }
}

/// Something that can be written to any sink of text.
pub(super) trait Render {
    /// Writes it.
    fn render(&self, out: &mut impl Sink) -> fmt::Result;

    /// Appends it to `out`.
    fn append_to(&self, out: &mut Vec<u8>) {
        self.render(&mut Bytes(out)).expect("a vector takes all text");
    }
}

/// Writes `number` in decimal.
#[inline]
pub(super) fn decimal(out: &mut impl Sink, number: impl Into<u64>) -> fmt::Result {
    let number = number.into();
    match u32::try_from(number) {
        Ok(number) if number < EIGHT_DIGITS => leading(out, number),
        Ok(_) | Err(_) => long_decimal(out, number),
    }
}

/// The first number that has more than eight digits.
const EIGHT_DIGITS: u32 = 100_000_000;

/// Writes a number of more than eight digits.
fn long_decimal(out: &mut impl Sink, number: u64) -> fmt::Result {
    const LIMIT: u64 = EIGHT_DIGITS as u64;
    let [a, b, c, d, ..] = (number % LIMIT).to_le_bytes();
    decimal(out, number / LIMIT)?;
    out.ascii(eight_digits(u32::from_le_bytes([a, b, c, d])).to_le_bytes(), 8)
}

/// Writes a number of at most eight digits without leading zeros.
#[inline]
fn leading(out: &mut impl Sink, number: u32) -> fmt::Result {
    let digits = eight_digits(number);
    // The last digit is written even if it is 0.
    let zeros = ((digits ^ ZEROS).trailing_zeros() / 8).min(7);
    let word = digits.wrapping_shr(zeros.wrapping_mul(8)).to_le_bytes();
    let len = 7_u8.abs_diff(u8::try_from(zeros).unwrap_or_default());
    out.ascii(word, usize::from(len).saturating_add(1))
}

/// Eight times the digit 0.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Returns the digits of a number below 100,000,000 as characters, the first in the lowest byte.
///
/// All lanes of a word are divided at once: by 10,000, by 100 and by 10. The quotients of the last two
/// are multiplications by the rounded inverse, exact for the numbers that a lane can hold.
#[inline]
fn eight_digits(number: u32) -> u64 {
    let fours = u64::from(number / 10_000) | u64::from(number % 10_000).wrapping_shl(32);
    let hundreds = fours.wrapping_mul(10_486).wrapping_shr(20) & 0x0000_007f_0000_007f;
    let twos = hundreds | fours.wrapping_sub(hundreds.wrapping_mul(100)).wrapping_shl(16);
    let tens = twos.wrapping_mul(103).wrapping_shr(10) & 0x000f_000f_000f_000f;
    let ones = tens | twos.wrapping_sub(tens.wrapping_mul(10)).wrapping_shl(8);
    ones | ZEROS
}

/// Writes the last `width` digits of `number`, at most eight, zeros in front where it has fewer.
pub(super) fn padded(out: &mut impl Sink, number: u32, width: u8) -> fmt::Result {
    let above = 8_u8.saturating_sub(width);
    let digits = eight_digits(number % EIGHT_DIGITS).wrapping_shr(u32::from(above).wrapping_mul(8));
    out.ascii(digits.to_le_bytes(), usize::from(width))
}

/// Writes `prefix` and `number` in decimal.
#[inline]
pub(super) fn field(out: &mut impl Sink, prefix: &str, number: impl Into<u64>) -> fmt::Result {
    out.write_str(prefix)?;
    decimal(out, number)
}

/// Writes `prefix`, `0x` and `number` in hexadecimal without leading zeros.
pub(super) fn hex_field(out: &mut impl Sink, prefix: &str, number: u16) -> fmt::Result {
    out.write_str(prefix)?;
    out.write_str("0x")?;
    hex(out, number)
}

/// Writes `number` in hexadecimal without leading zeros.
#[inline]
pub(super) fn hex(out: &mut impl Sink, number: u16) -> fmt::Result {
    let (digits, len) = hex_digits(number);
    out.ascii(digits.to_le_bytes(), len)
}

/// Returns the digits as characters, the first in the lowest byte, and how many there are.
#[inline]
fn hex_digits(number: u16) -> (u32, usize) {
    let number = u32::from(number);
    let nibbles = number.wrapping_shr(12)
        | number & 0x0f00
        | (number & 0xf0).wrapping_shl(12)
        | (number & 0xf).wrapping_shl(24);
    // 1 in every byte that needs a letter: 39 lie between `9` and `a` less one.
    let letters = nibbles.wrapping_add(0x0606_0606).wrapping_shr(4) & 0x0101_0101;
    let digits = nibbles
        .wrapping_add(0x3030_3030)
        .wrapping_add(letters.wrapping_mul(39));
    // The last digit is written even if it is 0.
    let zeros = (nibbles.trailing_zeros() / 8).min(3);
    let len = 4_u8.saturating_sub(u8::try_from(zeros).unwrap_or_default());
    (digits.wrapping_shr(zeros.wrapping_mul(8)), usize::from(len))
}

/// Writes an address as `inet_ntop` does.
#[inline]
pub(super) fn address(out: &mut impl Sink, address: IpAddr) -> fmt::Result {
    match address {
        IpAddr::V4(address) => ipv4(out, address),
        IpAddr::V6(address) => ipv6(out, address),
    }
}

/// Every octet in decimal with a dot behind it, and the length without the dot.
const OCTETS: [([u8; 4], u8); 256] = {
    let mut octets = [([b'.'; 4], 1); 256];
    let mut n = 0_u8;
    loop {
        let (hundreds, tens, ones) = (b'0' + n / 100, b'0' + n / 10 % 10, b'0' + n % 10);
        #[expect(
            clippy::indexing_slicing,
            reason = "an octet is below 256; constants know no `get`"
        )]
        {
            octets[n as usize] = match n {
                0..=9 => ([ones, b'.', b'.', b'.'], 1),
                10..=99 => ([tens, ones, b'.', b'.'], 2),
                100..=255 => ([hundreds, tens, ones, b'.'], 3),
            };
        }
        let Some(next) = n.checked_add(1) else {
            break octets;
        };
        n = next;
    }
};

#[inline]
fn ipv4(out: &mut impl Sink, address: Ipv4Addr) -> fmt::Result {
    let [a, b, c, d] = address.octets();
    for octet in [a, b, c] {
        let (word, len) = octet_word(octet);
        out.ascii(word, len.saturating_add(1))?;
    }
    let (word, len) = octet_word(d);
    out.ascii(word, len)
}

#[inline]
fn octet_word(octet: u8) -> ([u8; 4], usize) {
    let (word, len) = OCTETS.get(usize::from(octet)).copied().unwrap_or_default();
    (word, usize::from(len))
}

/// RFC 5952, except that `::a.b.c.d` keeps its dots: the library function still prints them.
fn ipv6(out: &mut impl Sink, address: Ipv6Addr) -> fmt::Result {
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0xffff, ..] => {
            out.write_str("::ffff:")?;
            return ipv4(out, last_four(address));
        }
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => {
            out.write_str("::")?;
            return ipv4(out, last_four(address));
        }
        _ => {}
    }
    let (start, len) = longest_zeros(segments);
    let mut is_separated = true;
    let mut segments = segments.into_iter().enumerate();
    while let Some((n, segment)) = segments.next() {
        if n == start && len > 1 {
            out.write_str("::")?;
            is_separated = true;
            // The run is passed over, its first segment is this one.
            if let Some(rest) = len.checked_sub(2) {
                segments.nth(rest);
            }
            continue;
        }
        let (digits, len) = hex_digits(segment);
        if is_separated {
            out.ascii(digits.to_le_bytes(), len)?;
        } else {
            let word = u64::from(digits).wrapping_shl(8) | u64::from(b':');
            out.ascii(word.to_le_bytes(), len.saturating_add(1))?;
        }
        is_separated = false;
    }
    Ok(())
}

fn last_four(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

/// Returns where the first longest run of zeros begins, and its length.
fn longest_zeros(segments: [u16; 8]) -> (usize, usize) {
    let (mut best, mut run) = ((0, 0), (0, 0));
    for (n, segment) in segments.into_iter().enumerate() {
        let (start, len) = run;
        run = match (segment, len) {
            (0, 0) => (n, 1),
            (0, len) => (start, usize::saturating_add(len, 1)),
            _ => (0, 0),
        };
        if run.1 > best.1 {
            best = run;
        }
    }
    best
}

/// Returns the ports of a tuple whose protocol has some; a peer may leave them out, which reads as 0.
pub(super) fn ports_or_zero(tuple: &Tuple) -> (u16, u16) {
    tuple.ports().unwrap_or_default()
}

/// Returns the seconds from the start to the end of a flow, or to `now` while it lives.
#[must_use]
pub fn age_secs(timestamps: Timestamps, now: UnixTime) -> u64 {
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

    use proptest::prelude::*;

    use super::*;

    impl Sink for String {}

    fn printed(
        render: impl Fn(&mut String) -> fmt::Result,
        render_bytes: impl Fn(&mut Bytes<'_>) -> fmt::Result,
    ) -> String {
        let mut text = String::new();
        render(&mut text).unwrap();
        let mut bytes = Vec::new();
        render_bytes(&mut Bytes(&mut bytes)).unwrap();
        assert_eq!(bytes, text.as_bytes(), "both sinks get the same");
        text
    }

    proptest! {
        #[test]
        fn any_decimal_equals_that_of_the_standard_library(number: u64, shift in 0_u32..64) {
            let number = number >> shift;
            let text = printed(|out| decimal(out, number), |out| decimal(out, number));
            prop_assert_eq!(text, number.to_string());
        }

        #[test]
        fn any_ipv4_address_equals_that_of_the_standard_library(given: Ipv4Addr) {
            let text = printed(|out| ipv4(out, given), |out| ipv4(out, given));
            prop_assert_eq!(text, given.to_string());
        }

        #[test]
        fn any_ipv6_address_equals_that_of_the_standard_library(segments: [u16; 8], zeros: u8) {
            let mut segments = segments;
            for (n, segment) in segments.iter_mut().enumerate() {
                if zeros & (1 << n) != 0 {
                    *segment = 0;
                }
            }
            let given = Ipv6Addr::from(segments);
            prop_assume!(zeros & 0x3f != 0x3f || zeros & 0x40 != 0);
            let text = printed(|out| ipv6(out, given), |out| ipv6(out, given));
            prop_assert_eq!(text, given.to_string());
        }
    }

    #[test]
    fn every_hexadecimal_number_equals_that_of_the_standard_library() {
        for number in 0..=u16::MAX {
            let text = printed(|out| hex(out, number), |out| hex(out, number));
            assert_eq!(text, alloc::format!("{number:x}"));
        }
    }

    #[test]
    fn decimals_equal_those_of_the_standard_library() {
        for number in [
            0,
            7,
            10,
            99,
            100,
            65_535,
            99_999_999,
            100_000_000,
            u64::from(u32::MAX),
            10_000_000_000_000_000,
            u64::MAX,
        ] {
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
        assert_eq!(age_secs(lives, UnixTime::from_secs(9)), 4);
        assert_eq!(
            age_secs(lives, UnixTime::from_secs(1)),
            0,
            "a clock that was set back makes no age"
        );
        assert_eq!(age_secs(dead, UnixTime::from_secs(9)), 1);
    }
}
