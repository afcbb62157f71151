//! Randomness made from a seed: the engine draws none from outside.

/// The one number from which everything random in an engine comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

/// What a stream of random numbers is for.
///
/// Each purpose has its own stream, so that a new draw for one does not shift the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Key of the internal cache's index.
    InternalIndex,
    /// Key of the external cache's index.
    ExternalIndex,
    /// When flows are told again.
    Refresh,
    /// When expectations are told again.
    ExpectRefresh,
}

/// A stream of random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Seed {
    /// Returns the stream for `purpose`.
    pub(crate) fn stream(self, purpose: Purpose) -> Rng {
        let number = match purpose {
            Purpose::InternalIndex => 1,
            Purpose::ExternalIndex => 2,
            Purpose::Refresh => 3,
            Purpose::ExpectRefresh => 4,
        };
        let mut rng = Rng(self.0 ^ (number << 56));
        Rng(rng.next_u64())
    }
}

impl Rng {
    /// Draws a number.
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let draw = |purpose| Seed(7).stream(purpose).next_u64();
        assert_eq!(draw(Purpose::InternalIndex), draw(Purpose::InternalIndex));
        assert_ne!(draw(Purpose::InternalIndex), draw(Purpose::ExternalIndex));
    }
}
