//! Numbers.

use super::super::Refusal;
use super::super::refusal::shown;

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notation {
    /// Decimal digits.
    Decimal,
    /// As in C: decimal, after `0x` hexadecimal, after `0` octal.
    C,
}

/// Reads the number of an option, at most `max`. `-1` and so on is counted from the end of 32 bits
/// where `max` is their largest number.
pub(crate) fn number(
    option: &'static str,
    text: &[u8],
    notation: Notation,
    max: u64,
) -> Result<u32, Refusal> {
    let digits = trimmed(text);
    let (digits, is_negative) = match digits.strip_prefix(b"-") {
        Some(digits) if max == u64::from(u32::MAX) => (digits, true),
        _ => (digits, false),
    };
    let value = match notation {
        Notation::Decimal => decimal(digits),
        Notation::C => c(digits),
    };
    value
        .filter(|value| *value <= max)
        .and_then(|value| u32::try_from(value).ok())
        .map(|value| if is_negative { value.wrapping_neg() } else { value })
        .ok_or_else(|| Refusal::Number {
            option,
            text: shown(text),
            max,
        })
}

/// Reads decimal digits.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    in_radix(digits, 10)
}

/// Reads a number as C writes it.
pub(crate) fn c(text: &[u8]) -> Option<u64> {
    match text {
        [b'0', b'x' | b'X', digits @ ..] => in_radix(digits, 16),
        [b'0', digits @ ..] if !digits.is_empty() => in_radix(digits, 8),
        digits => in_radix(digits, 10),
    }
}

fn in_radix(digits: &[u8], radix: u32) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = char::from(*digit).to_digit(radix)?;
        number.checked_mul(radix.into())?.checked_add(digit.into())
    })
}

/// Leaves out the blanks before a number and its plus sign, which the C library does not mind.
pub(crate) fn trimmed(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_start();
    text.strip_prefix(b"+").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const U32: u64 = u32::MAX as u64;

    #[test]
    fn notations_of_c_are_read() {
        let read = |text: &str| number("mark", text.as_bytes(), Notation::C, U32).ok();
        assert_eq!(read("18"), Some(18));
        assert_eq!(read("0x12"), Some(18));
        assert_eq!(read("022"), Some(18));
        assert_eq!(read("0"), Some(0));
        assert_eq!(read(" +5"), Some(5));
        assert_eq!(read("-1"), Some(u32::MAX));
        assert_eq!(read("4294967295"), Some(u32::MAX));
        for refused in [
            "",
            "foo",
            "5x",
            "0x",
            "09",
            "4294967296",
            "-",
            "--1",
            "99999999999999999999999",
        ] {
            assert_eq!(read(refused), None, "{refused}");
        }
    }

    #[test]
    fn decimal_numbers_have_no_other_notation() {
        let read = |text: &str| number("timeout", text.as_bytes(), Notation::Decimal, U32).ok();
        assert_eq!(read("010"), Some(10));
        assert_eq!(read("0x64"), None);
    }

    #[test]
    fn a_refusal_names_option_and_range() {
        let error = number("zone", b"65543", Notation::C, 65535).map_err(|error| error.to_string());
        let message = "Invalid value `65543' for `--zone', a number up to 65535 is expected";
        assert_eq!(error, Err(message.to_owned()));
        assert!(number("zone", b"-1", Notation::C, 65535).is_err());
    }
}
