//! The status bits of a flow.

use core::ops::{BitAnd, BitOr, Not};

/// The `IPS_*` bit set of the kernel (`linux/netfilter/nf_conntrack_common.h`).
///
/// Bits without a name here are kept, so that decode and encode lose nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Status(pub u32);

impl Status {
    /// The flow was foretold by an expectation.
    pub const EXPECTED: Self = Self(0x1);
    /// Packets went both ways.
    pub const SEEN_REPLY: Self = Self(0x2);
    /// Never dropped early when the table is full.
    pub const ASSURED: Self = Self(0x4);
    /// The flow is in the table.
    pub const CONFIRMED: Self = Self(0x8);
    /// The source is translated.
    pub const SRC_NAT: Self = Self(0x10);
    /// The destination is translated.
    pub const DST_NAT: Self = Self(0x20);
    /// TCP sequence numbers are adjusted.
    pub const SEQ_ADJUST: Self = Self(0x40);
    /// Source translation has been decided.
    pub const SRC_NAT_DONE: Self = Self(0x80);
    /// Destination translation has been decided.
    pub const DST_NAT_DONE: Self = Self(0x100);
    /// The flow is being removed.
    pub const DYING: Self = Self(0x200);
    /// The timeout does not move with traffic.
    pub const FIXED_TIMEOUT: Self = Self(0x400);
    /// A helper was attached by rule.
    pub const HELPER: Self = Self(0x2000);
    /// Handled by the flow table.
    pub const OFFLOAD: Self = Self(0x4000);
    /// Handled by the network card.
    pub const HW_OFFLOAD: Self = Self(0x8000);

    /// Returns whether all bits of `bits` are set.
    #[must_use]
    pub const fn contains(self, bits: Self) -> bool {
        self.0 & bits.0 == bits.0
    }

    /// Returns the names of the bits that are set and have one, in the order of the bits.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (Self::EXPECTED, "EXPECTED"),
            (Self::SEEN_REPLY, "SEEN_REPLY"),
            (Self::ASSURED, "ASSURED"),
            (Self::CONFIRMED, "CONFIRMED"),
            (Self::SRC_NAT, "SRC_NAT"),
            (Self::DST_NAT, "DST_NAT"),
            (Self::SEQ_ADJUST, "SEQ_ADJUST"),
            (Self::SRC_NAT_DONE, "SRC_NAT_DONE"),
            (Self::DST_NAT_DONE, "DST_NAT_DONE"),
            (Self::DYING, "DYING"),
            (Self::FIXED_TIMEOUT, "FIXED_TIMEOUT"),
            (Self::HELPER, "HELPER"),
            (Self::OFFLOAD, "OFFLOAD"),
            (Self::HW_OFFLOAD, "HW_OFFLOAD"),
        ]
        .into_iter()
        .filter(move |(bit, _)| self.contains(*bit))
        .map(|(_, name)| name)
    }
}

impl BitOr for Status {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Status {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Status {
    type Output = Self;

    fn not(self) -> Self {
        Self(!self.0)
    }
}
