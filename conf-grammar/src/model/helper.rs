//! User-space helpers.

use crate::span::{Span, Spanned};

/// Section `Helper`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helpers {
    /// `Setup`: create the kernel's side of each helper.
    pub setup: Spanned<bool>,
    /// One for each `Type`, in the order of the file.
    pub types: Vec<Helper>,
}

/// A helper for one pair of protocols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helper {
    /// Name of the helper, one of those the program knows.
    pub name: Spanned<&'static str>,
    /// Layer 3 protocol.
    pub l3: Spanned<HelperL3>,
    /// Layer 4 protocol, one that the helper supports.
    pub l4: Spanned<HelperL4>,
    /// `QueueNum`: the queue that receives the packets.
    pub queue_num: Spanned<u16>,
    /// `QueueLen`: packets in the queue; 0 is the kernel's default.
    pub queue_len: Spanned<u32>,
    /// What may be expected.
    pub policy: HelperPolicy,
}

/// How many expectations a helper makes, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelperPolicy {
    /// Name of the policy.
    pub name: &'static str,
    /// `ExpectMax`: expectations at the same time.
    pub expect_max: Spanned<u8>,
    /// `ExpectTimeout`: their life time.
    pub expect_timeout_secs: Spanned<u32>,
}

/// Layer 3 protocol of a helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelperL3 {
    /// `inet`: IPv4.
    Inet,
    /// `inet6`: IPv6.
    Inet6,
}

/// Layer 4 protocol of a helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelperL4 {
    /// `tcp`.
    Tcp,
    /// `udp`.
    Udp,
}

/// A helper that the program knows. Each has one policy, named like the helper.
pub(crate) struct KnownHelper {
    pub(crate) name: &'static str,
    pub(crate) l4: &'static [HelperL4],
    pub(crate) expect_max: u8,
    pub(crate) expect_timeout_secs: u32,
}

const fn helper(
    name: &'static str,
    l4: &'static [HelperL4],
    expect_max: u8,
    expect_timeout_secs: u32,
) -> KnownHelper {
    KnownHelper {
        name,
        l4,
        expect_max,
        expect_timeout_secs,
    }
}

pub(crate) static KNOWN_HELPERS: [KnownHelper; 10] = [
    helper("amanda", &[HelperL4::Udp], 3, 180),
    helper("dhcpv6", &[HelperL4::Udp], 1, 300),
    helper("ftp", &[HelperL4::Tcp], 1, 300),
    helper("mdns", &[HelperL4::Udp], 8, 30),
    helper("rpc", &[HelperL4::Tcp, HelperL4::Udp], 1, 300),
    helper("sane", &[HelperL4::Tcp], 1, 300),
    helper("slp", &[HelperL4::Udp], 8, 16),
    helper("ssdp", &[HelperL4::Udp, HelperL4::Tcp], 8, 300),
    helper("tftp", &[HelperL4::Udp], 1, 300),
    helper("tns", &[HelperL4::Tcp], 1, 300),
];

impl Helper {
    /// The place to blame when this helper cannot be set up: its name.
    pub fn span(&self) -> Span {
        self.name.span.unwrap_or(Span::START)
    }
}
