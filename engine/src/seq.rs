//! Sequence numbers of the sync protocol.

/// Sequence number of a sync message.
///
/// Compared in serial-number arithmetic (RFC 1982), so it has no `Ord`: with wrap-around
/// "less than" is not transitive and must not reach a sort or a map key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seq(pub u32);

impl Seq {
    /// Returns the number that follows this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Returns the number before this one.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.wrapping_sub(1))
    }

    /// Returns whether this number comes before `other`.
    ///
    /// At a distance of exactly 2^31 each comes before the other, as at the stock daemon.
    #[must_use]
    pub const fn is_before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// Returns whether this number comes after `other`.
    #[must_use]
    pub const fn is_after(self, other: Self) -> bool {
        other.is_before(self)
    }

    /// Returns how many steps lead from `earlier` to this number, modulo 2^32.
    #[must_use]
    pub const fn steps_since(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_the_wrap() {
        let last = Seq(u32::MAX);
        assert!(
            last.is_before(last.next()),
            "the number after the largest is later"
        );
        assert!(last.next().is_after(last));
        assert_eq!(last.next().previous(), last);
        assert_eq!(Seq(2).steps_since(Seq(u32::MAX)), 3);
    }

    #[test]
    fn half_a_circle_away_each_is_before_the_other() {
        let (a, b) = (Seq(5), Seq(5 + (1 << 31)));
        assert!(a.is_before(b) && b.is_before(a));
    }
}
