//! Sequence tracking: what came in order, what is missing, what came too late.

use crate::seq::Seq;
use crate::stats::ReceiveStats;

/// Where a message stands in the sequence of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// The first one ever.
    First,
    /// The one expected.
    InSync,
    /// Later than expected: `first_missing` and all up to it are not here.
    After {
        /// The one expected.
        first_missing: Seq,
    },
    /// Earlier than expected: a duplicate or a latecomer.
    Before,
}

/// The last sequence number taken from the peer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tracker {
    last: Option<Seq>,
}

impl Tracker {
    /// Returns the last number stored.
    #[must_use]
    pub(crate) fn last(&self) -> Option<Seq> {
        self.last
    }

    /// Tells where `seq` stands and counts gaps and latecomers; stores nothing.
    ///
    /// At a distance of exactly 2^31 a message counts as later (docs/sync-protocol.md, "Sequence tracking").
    pub(crate) fn classify(&self, seq: Seq, stats: &mut ReceiveStats) -> Position {
        let Some(last) = self.last else {
            return Position::First;
        };
        let expected = last.next();
        if seq == expected {
            Position::InSync
        } else if seq.is_after(expected) {
            let missing = seq.steps_since(expected);
            stats.lost = stats.lost.wrapping_add(u64::from(missing));
            stats.lost_as_stock = stats
                .lost_as_stock
                .wrapping_add(u64::from(seq.steps_since(last.previous())));
            Position::After {
                first_missing: expected,
            }
        } else {
            stats.before = stats.before.wrapping_add(1);
            Position::Before
        }
    }

    /// Takes `seq` as the last one.
    pub(crate) fn store(&mut self, seq: Seq) {
        self.last = Some(seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classify(last: Option<u32>, seq: u32) -> (Position, ReceiveStats) {
        let mut stats = ReceiveStats::default();
        let position = Tracker { last: last.map(Seq) }.classify(Seq(seq), &mut stats);
        (position, stats)
    }

    #[test]
    fn a_gap_of_n_counts_n_and_as_stock_n_plus_2() {
        let (position, stats) = classify(Some(500), 511);
        assert_eq!(
            position,
            Position::After {
                first_missing: Seq(501)
            }
        );
        assert_eq!((stats.lost, stats.lost_as_stock), (10, 12));
    }

    #[test]
    fn every_position_is_told_apart_across_the_wrap() {
        assert_eq!(classify(None, 7).0, Position::First);
        assert_eq!(classify(Some(u32::MAX), 0).0, Position::InSync);
        assert_eq!(
            classify(Some(u32::MAX), 1).0,
            Position::After {
                first_missing: Seq(0)
            }
        );
        assert_eq!(classify(Some(0), u32::MAX).0, Position::Before);
        assert_eq!(classify(Some(9), 9).0, Position::Before, "a duplicate is late");
        assert_eq!(
            classify(Some(9), 10 + (1 << 31)).0,
            Position::After {
                first_missing: Seq(10)
            }
        );
    }
}
