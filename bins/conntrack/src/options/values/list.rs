//! Lists of names: of status bits, of kinds of output, of events.

use engine::flow::Status;

use super::super::Refusal;
use super::super::refusal::shown;

/// What a name of a list stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item<T> {
    /// What it says.
    Is(T),
    /// Nothing but a warning.
    Warns(&'static str),
}

/// The names that every list has before its own: they are status bits that cannot be set.
const WARNINGS: [(&str, &str); 2] = [
    ("SRC_NAT", "WARNING: ignoring SRC_NAT, use --src-nat instead"),
    ("DST_NAT", "WARNING: ignoring DST_NAT, use --dst-nat instead"),
];

/// Returns what a name stands for: the first that is equal or begins so, in any case.
fn find<T: Copy>(name: &[u8], names: &[(&str, T)]) -> Option<Item<T>> {
    if name.is_empty() {
        return None;
    }
    let begins = |known: &str| {
        let begin = known.as_bytes().get(..name.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(name))
    };
    if let Some((_, warning)) = WARNINGS.iter().find(|(known, _)| begins(known)) {
        return Some(Item::Warns(warning));
    }
    let found = names.iter().find(|(known, _)| begins(known));
    found.map(|(_, value)| Item::Is(*value))
}

/// Reads names with commas between them.
pub(crate) fn names<T: Copy>(
    text: &[u8],
    names: &[(&str, T)],
    mut each: impl FnMut(Item<T>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    items(text, |name, rest| {
        each(find(name, names).ok_or_else(|| Refusal::ListItem(shown(rest)))?)
    })
}

/// Hands out each item of a list, and the list from there on.
fn items<'a>(
    text: &'a [u8],
    mut each: impl FnMut(&'a [u8], &'a [u8]) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut rest = text;
    loop {
        let comma = rest.iter().position(|byte| *byte == b',');
        each(&rest[..comma.unwrap_or(rest.len())], rest)?;
        match comma {
            Some(comma) => rest = &rest[comma + 1..],
            None => return Ok(()),
        }
    }
}

/// The status bits that a person may name.
pub(crate) const STATUS: [(&str, Status); 7] = [
    ("ASSURED", Status::ASSURED),
    ("SEEN_REPLY", Status::SEEN_REPLY),
    ("UNSET", Status(0)),
    ("FIXED_TIMEOUT", Status::FIXED_TIMEOUT),
    ("EXPECTED", Status::EXPECTED),
    ("OFFLOAD", Status::OFFLOAD),
    ("HW_OFFLOAD", Status::HW_OFFLOAD),
];

/// Status bits that must be set, and those that must be clear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StatusBits {
    pub(crate) set: Status,
    pub(crate) clear: Status,
}

/// Reads names of status bits; `!` before one has it be clear.
pub(crate) fn status(
    text: &[u8],
    bits: &mut StatusBits,
    mut warn: impl FnMut(&'static str),
) -> Result<(), Refusal> {
    items(text, |name, rest| {
        if name.starts_with(b"UNREPLIED") {
            bits.clear = bits.clear | Status::SEEN_REPLY;
            return Ok(());
        }
        let (name, rest, to) = match name.strip_prefix(b"!") {
            Some(name) => (name, &rest[1..], &mut bits.clear),
            None => (name, rest, &mut bits.set),
        };
        match find(name, &STATUS).ok_or_else(|| Refusal::ListItem(shown(rest)))? {
            Item::Is(bit) => *to = *to | bit,
            Item::Warns(warning) => warn(warning),
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(u32, u32, usize), String> {
        let (mut bits, mut n_warnings) = (StatusBits::default(), 0);
        status(text.as_bytes(), &mut bits, |_| n_warnings += 1).map_err(|error| error.to_string())?;
        Ok((bits.set.0, bits.clear.0, n_warnings))
    }

    #[test]
    fn names_of_status_bits_are_matched_in_their_order() {
        let (assured, seen) = (Status::ASSURED.0, Status::SEEN_REPLY.0);
        assert_eq!(read("ASSURED"), Ok((assured, 0, 0)));
        assert_eq!(read("seen,a"), Ok((assured | seen, 0, 0)));
        assert_eq!(read("s"), Ok((0, 0, 1)));
        assert_eq!(read("d,se"), Ok((seen, 0, 1)));
        assert_eq!(read("UNSET"), Ok((0, 0, 0)));
        assert_eq!(read("SEEN_REPLY,!ASSURED"), Ok((seen, assured, 0)));
        assert_eq!(read("UNREPLIED"), Ok((0, seen, 0)));
        assert_eq!(read("UNREPLIEDX"), Ok((0, seen, 0)));
        assert_eq!(read("h"), Ok((Status::HW_OFFLOAD.0, 0, 0)));
    }

    #[test]
    fn a_mistake_shows_the_rest_of_the_list() {
        for (text, rest) in [
            ("CONFIRMED", "CONFIRMED"),
            ("", ""),
            ("ASSURED,", ""),
            (",ASSURED", ",ASSURED"),
            ("!", ""),
            ("!UNREPLIED", "UNREPLIED"),
            ("unreplied", "unreplied"),
            ("a,foo,b", "foo,b"),
            ("a,!foo,b", "foo,b"),
        ] {
            assert_eq!(read(text), Err(format!("Bad parameter `{rest}'")), "{text}");
        }
    }
}
