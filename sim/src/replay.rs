//! The number that decides everything, and the streams of random numbers made from it.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// The number that decides everything in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

/// The line that replays the run.
impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "replay: cargo run --release -p flowtwin-sim -- {:#018x}",
            self.0
        )
    }
}

/// Reads a number, hexadecimal after `0x`.
impl FromStr for Seed {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        number.map(Self)
    }
}

/// What a stream of random numbers is for; each has its own, so that a draw for one does not shift
/// the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// What world it is.
    World,
    /// What happens to the machines and the link, and when.
    Schedule,
    /// What the hosts behind the firewalls do.
    Traffic,
    /// What becomes of each datagram.
    Datagrams,
    /// The delays that turmoil draws.
    Turmoil,
    /// The seeds of the engines.
    Engines,
}

/// A stream of random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Seed {
    /// Returns the stream for `purpose`.
    pub(crate) fn stream(self, purpose: Purpose) -> Rng {
        let number = match purpose {
            Purpose::World => 1_u64,
            Purpose::Schedule => 2,
            Purpose::Traffic => 3,
            Purpose::Datagrams => 4,
            Purpose::Turmoil => 5,
            Purpose::Engines => 6,
        };
        let mut rng = Rng(self.0 ^ number.rotate_right(8));
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

    /// Draws a number from `from` to `to`, both possible; the bias of the remainder does not matter here.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        assert!(from <= to, "a range from {from} to {to}");
        let n_choices = (to - from).saturating_add(1);
        from + self.next_u64() % n_choices
    }

    /// Draws a number from `from` to `to`, both possible.
    pub(crate) fn between_u16(&mut self, from: u16, to: u16) -> u16 {
        let number = self.between(u64::from(from), u64::from(to));
        u16::try_from(number).expect("it is at most `to`")
    }

    /// Draws a number from `from` to `to`, both possible.
    pub(crate) fn between_u32(&mut self, from: u32, to: u32) -> u32 {
        let number = self.between(u64::from(from), u64::from(to));
        u32::try_from(number).expect("it is at most `to`")
    }

    /// Draws whether something happens that does in `per_mille` of 1,000 cases.
    pub(crate) fn happens(&mut self, per_mille: u32) -> bool {
        self.between(0, 999) < u64::from(per_mille)
    }

    /// Draws one of `choices`.
    pub(crate) fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        let last = u64::try_from(choices.len() - 1).expect("a short list");
        let index = usize::try_from(self.between(0, last)).expect("the index of a short list");
        choices[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_replay_line_names_the_seed_that_it_was_made_from() {
        let line = Seed(0x2a).to_string();
        assert_eq!(
            line,
            "replay: cargo run --release -p flowtwin-sim -- 0x000000000000002a"
        );
        let argument = line.rsplit(' ').next().unwrap();
        assert_eq!(argument.parse(), Ok(Seed(42)));
        assert_eq!("42".parse(), Ok(Seed(42)));
        assert!("0x2g".parse::<Seed>().is_err());
    }

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let draw = |purpose| Seed(7).stream(purpose).next_u64();
        assert_eq!(draw(Purpose::World), draw(Purpose::World));
        assert_ne!(draw(Purpose::World), draw(Purpose::Traffic));
    }

    #[test]
    fn draws_stay_in_their_range() {
        let mut rng = Seed(1).stream(Purpose::World);
        for _ in 0..1_000 {
            assert!((3..=5).contains(&rng.between(3, 5)));
        }
        assert!((0..1_000).all(|_| !rng.happens(0)));
        assert!((0..1_000).all(|_| rng.happens(1_000)));
    }
}
