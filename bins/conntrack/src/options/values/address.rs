//! Addresses, alone and in lists.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use engine::flow::Family;
use engine::flow::query::AddrMatch;

use super::super::Refusal;
use super::super::refusal::shown;
use super::number::{decimal, trimmed};

/// Reads an address: IPv4 in each notation of `inet_aton(3)`, or IPv6 text.
///
/// # Errors
/// [`Refusal::Address`].
pub(crate) fn address(text: &[u8]) -> Result<IpAddr, Refusal> {
    ipv4(text)
        .map(IpAddr::V4)
        .or_else(|| ipv6(text).map(IpAddr::V6))
        .ok_or_else(|| Refusal::Address(shown(text)))
}

fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    str::from_utf8(text).ok()?.parse().ok()
}

/// One to four numbers in the notation of C, the last of which fills the bytes that are left. What
/// follows white space does not count.
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let end = text.iter().position(u8::is_ascii_whitespace);
    let text = &text[..end.unwrap_or(text.len())];
    let (mut addr, mut n_parts, mut part) = (0_u32, 0_u32, 0_u64);
    let (mut n_digits, mut radix) = (0_u32, 10_u64);
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let digit = match byte {
            b'.' if n_digits > 0 && n_parts < 3 && part <= 0xff => {
                addr |= u32::try_from(part).ok()? << (24 - 8 * n_parts);
                n_parts += 1;
                (part, n_digits, radix) = (0, 0, 10);
                continue;
            }
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => return None,
        };
        if n_digits == 0 && digit == 0 {
            match bytes.peek() {
                Some(b'x' | b'X') => {
                    bytes.next();
                    (radix, n_digits) = (16, 0);
                    // A digit has to follow.
                    if !bytes.peek().is_some_and(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    continue;
                }
                Some(b'0'..=b'9') => radix = 8,
                _ => {}
            }
        }
        if u64::from(digit) >= radix {
            return None;
        }
        part = part * radix + u64::from(digit);
        n_digits += 1;
        if part > u64::from(u32::MAX) {
            return None;
        }
    }
    let rest = u32::try_from(part).ok()?;
    (n_digits > 0 && rest <= u32::MAX >> (8 * n_parts)).then(|| Ipv4Addr::from(addr | rest))
}

/// Returns the family of an address.
pub(crate) const fn family(addr: IpAddr) -> Family {
    match addr {
        IpAddr::V4(_) => Family::Ipv4,
        IpAddr::V6(_) => Family::Ipv6,
    }
}

/// Returns the mask under which all bits of an address of that family count.
pub(crate) const fn full_mask(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::BROADCAST),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)),
    }
}

/// Returns the mask of a prefix, which is at most as long as an address of that family.
fn prefix_mask(family: Family, len: u32) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::from_bits(
            u32::MAX.checked_shl(32 - len).unwrap_or_default(),
        )),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::from_bits(
            u128::MAX.checked_shl(128 - len).unwrap_or_default(),
        )),
    }
}

/// Whether addresses may have a prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// They may.
    Allowed,
    /// They may not; the name of the option.
    Refused(&'static str),
}

/// An address, perhaps with the length of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) addr: IpAddr,
    /// The mask, if not all bits count.
    pub(crate) mask: Option<IpAddr>,
}

/// Reads an address with or without a prefix length.
pub(crate) fn network(text: &[u8], prefix: Prefix) -> Result<Network, Refusal> {
    let slash = text.iter().position(|byte| *byte == b'/');
    let Some(slash) = slash else {
        return Ok(Network {
            addr: address(text)?,
            mask: None,
        });
    };
    if let Prefix::Refused(option) = prefix {
        return Err(Refusal::NoPrefix(option));
    }
    let addr = address(&text[..slash])?;
    let len_max = if addr.is_ipv4() { 32 } else { 128 };
    let len = decimal(trimmed(&text[slash + 1..])).and_then(|len| u32::try_from(len).ok());
    let len = len.filter(|len| *len <= len_max).ok_or(Refusal::PrefixLength)?;
    let mask = (len < len_max).then(|| prefix_mask(family(addr), len));
    Ok(Network { addr, mask })
}

/// Addresses of which one must be that of a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AddressList<'a> {
    text: &'a [u8],
    /// The first, or the only one.
    pub(crate) first: Network,
    /// Whether there is another, or a range.
    pub(crate) is_list: bool,
}

impl<'a> AddressList<'a> {
    /// Reads networks and ranges with commas between them, all of one family.
    pub(crate) fn parse(text: &'a [u8], prefix: Prefix) -> Result<Self, Refusal> {
        if text.iter().all(|byte| !matches!(byte, b',' | b'-')) {
            let first = network(text, prefix)?;
            return Ok(Self {
                text,
                first,
                is_list: false,
            });
        }
        let mut first = None;
        for item in text.split(|byte| *byte == b',') {
            let network = match range(item)? {
                Some((addr, _)) => Network { addr, mask: None },
                None => network(item, prefix)?,
            };
            let known = *first.get_or_insert(network);
            if family(known.addr) != family(network.addr) {
                return Err(Refusal::Family);
            }
        }
        let first = first.ok_or_else(|| Refusal::Address(shown(text)))?;
        Ok(Self {
            text,
            first,
            is_list: true,
        })
    }

    /// Returns the address where there can only be one.
    pub(crate) fn single(&self) -> Result<IpAddr, Refusal> {
        if self.is_list {
            return Err(Refusal::Address(shown(self.text)));
        }
        Ok(self.first.addr)
    }

    /// Returns what a flow must match; `mask` is that of a single address.
    pub(crate) fn matches(&self, mask: Option<IpAddr>) -> Vec<AddrMatch> {
        let full = full_mask(family(self.first.addr));
        if !self.is_list {
            let mask = mask.unwrap_or(full);
            return vec![AddrMatch {
                addr: self.first.addr,
                mask,
            }];
        }
        let mut matches = Vec::new();
        for item in self.text.split(|byte| *byte == b',') {
            if let Ok(Some((from, to))) = range(item) {
                cover(from, to, &mut matches);
            } else if let Ok(network) = network(item, Prefix::Allowed) {
                matches.push(AddrMatch {
                    addr: network.addr,
                    mask: network.mask.unwrap_or(full),
                });
            }
        }
        matches
    }
}

/// Reads `A-B`: the first and the last address, of one family and in this order.
pub(crate) fn range(text: &[u8]) -> Result<Option<(IpAddr, IpAddr)>, Refusal> {
    let dash = text.iter().position(|byte| *byte == b'-');
    // Behind a slash it is a mistake in the prefix length.
    let Some(dash) = dash.filter(|dash| !text[..*dash].contains(&b'/')) else {
        return Ok(None);
    };
    let refused = || Refusal::Address(shown(text));
    let from = address(&text[..dash]).map_err(|_| refused())?;
    let to = address(&text[dash + 1..]).map_err(|_| refused())?;
    if family(from) != family(to) {
        return Err(Refusal::Family);
    }
    if from > to {
        return Err(refused());
    }
    Ok(Some((from, to)))
}

/// Appends the fewest prefixes that cover a range.
fn cover(from: IpAddr, to: IpAddr, matches: &mut Vec<AddrMatch>) {
    let (family, len_max) = (family(from), if from.is_ipv4() { 32 } else { 128 });
    let (mut at, last) = (bits(from), bits(to));
    loop {
        // As many low bits as are clear in the address and do not reach beyond the last one.
        let fits = |n_low: u32| {
            let low = u128::MAX.checked_shl(n_low).map_or(u128::MAX, |high| !high);
            at & low == 0 && at | low <= last
        };
        let n_low = (0..=len_max).rev().find(|n_low| fits(*n_low)).unwrap_or(0);
        let addr = match family {
            // The low half of an IPv4 address is the address.
            Family::Ipv4 => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(at).unwrap_or(u32::MAX))),
            Family::Ipv6 => IpAddr::V6(Ipv6Addr::from_bits(at)),
        };
        matches.push(AddrMatch {
            addr,
            mask: prefix_mask(family, len_max - n_low),
        });
        let next = 1_u128.checked_shl(n_low).and_then(|size| at.checked_add(size));
        match next {
            Some(next) if next <= last => at = next,
            _ => return,
        }
    }
}

fn bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => addr.to_bits().into(),
        IpAddr::V6(addr) => addr.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<String> {
        address(text.as_bytes()).ok().map(|addr| addr.to_string())
    }

    #[test]
    fn ipv4_has_many_notations() {
        for (text, want) in [
            ("10.0.0.2", "10.0.0.2"),
            ("10.2", "10.0.0.2"),
            ("1.1.1", "1.1.0.1"),
            ("10", "0.0.0.10"),
            ("0x0a000002", "10.0.0.2"),
            ("012.0.0.2", "10.0.0.2"),
            ("0", "0.0.0.0"),
            ("0.0.0.0", "0.0.0.0"),
            ("10.0.0.2 x", "10.0.0.2"),
            ("255.255.255.255", "255.255.255.255"),
            ("1.16777215", "1.255.255.255"),
            ("0xA.0XfF.1", "10.255.0.1"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
            ("fd00::1", "fd00::1"),
        ] {
            assert_eq!(read(text).as_deref(), Some(want), "{text}");
        }
        for text in [
            "",
            "foo",
            "1.1.1.256",
            "1.2.3.4.5",
            "1.2.3.",
            ".1",
            "1..2",
            "08.1.1.1",
            "0x",
            "0x.1",
            "1.16777216",
            "4294967296",
            "fe80::1%lo",
            " 1.2.3.4",
            "1.2.3.4a",
            "-1",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn prefix_lengths_are_checked() {
        let mask = |text: &str| network(text.as_bytes(), Prefix::Allowed).map(|network| network.mask);
        let v4 = |text: &str| text.parse().map(IpAddr::V4).ok();
        assert_eq!(mask("10.0.0.1/24"), Ok(v4("255.255.255.0")));
        assert_eq!(mask("10.0.0.1/0"), Ok(v4("0.0.0.0")));
        assert_eq!(mask("10.0.0.1/ +8"), Ok(v4("255.0.0.0")));
        assert_eq!(mask("10.0.0.1/32"), Ok(None));
        assert_eq!(mask("::1/128"), Ok(None));
        assert_eq!(mask("::1/0"), Ok("::".parse().ok()));
        for text in [
            "1.1.1.1/",
            "1.1.1.1/33",
            "::1/129",
            "1.1.1.1/24x",
            "1.1.1.1/255.255.255.0",
            "1.1.1.1/-1",
        ] {
            assert_eq!(mask(text), Err(Refusal::PrefixLength), "{text}");
        }
        let refused = network(b"1.1.1.1/8", Prefix::Refused("reply-src"));
        assert_eq!(refused, Err(Refusal::NoPrefix("reply-src")));
    }

    #[test]
    fn a_list_is_networks_and_ranges_of_one_family() {
        let list = AddressList::parse(b"10.0.0.0/8,192.0.2.1,192.0.2.3-192.0.2.6", Prefix::Allowed).unwrap();
        let matches: Vec<_> = list
            .matches(None)
            .iter()
            .map(|found| format!("{}/{}", found.addr, found.mask))
            .collect();
        let want = [
            "10.0.0.0/255.0.0.0",
            "192.0.2.1/255.255.255.255",
            "192.0.2.3/255.255.255.255",
            "192.0.2.4/255.255.255.254",
            "192.0.2.6/255.255.255.255",
        ];
        assert_eq!(matches, want);
        assert!(list.single().is_err());
        for text in [
            "10.0.0.1,",
            ",10.0.0.1",
            "10.0.0.2-10.0.0.1",
            "10.0.0.1-",
            "1.1.1.1,foo",
        ] {
            let parsed = AddressList::parse(text.as_bytes(), Prefix::Allowed);
            assert!(matches!(parsed, Err(Refusal::Address(_))), "{text}");
        }
        for text in ["10.0.0.1,::1", "10.0.0.1-::1"] {
            let parsed = AddressList::parse(text.as_bytes(), Prefix::Allowed).map(|_| ());
            assert_eq!(parsed, Err(Refusal::Family), "{text}");
        }
    }

    proptest! {
        #[test]
        fn prefixes_cover_a_range_and_nothing_else(a: u32, b: u32, probe: u32) {
            let (from, to) = (a.min(b), a.max(b));
            let mut matches = Vec::new();
            cover(IpAddr::V4(from.into()), IpAddr::V4(to.into()), &mut matches);
            for addr in [probe, from, to, from.wrapping_sub(1), to.wrapping_add(1)] {
                let is_covered = matches.iter().any(|found| {
                    bits(found.mask) & u128::from(addr) == bits(found.addr)
                });
                prop_assert_eq!(is_covered, (from..=to).contains(&addr));
            }
            prop_assert!(matches.len() <= 62);
        }
    }
}
