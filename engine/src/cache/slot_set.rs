//! Which slots are occupied.

use alloc::vec::Vec;

/// A set of slot numbers, one bit each: a walk over it skips 64 empty slots a step.
#[derive(Clone, Debug)]
pub(super) struct SlotSet {
    words: Vec<u64>,
}

impl SlotSet {
    /// Returns an empty set.
    pub(super) const fn new() -> Self {
        Self { words: Vec::new() }
    }

    /// Adds `slot`.
    pub(super) fn insert(&mut self, slot: u32) {
        let (word, bit) = place(slot);
        if word >= self.words.len() {
            self.words.resize(word.saturating_add(1), 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= bit;
        }
    }

    /// Takes `slot` out.
    pub(super) fn remove(&mut self, slot: u32) {
        let (word, bit) = place(slot);
        if let Some(word) = self.words.get_mut(word) {
            *word &= !bit;
        }
    }

    /// Returns the lowest number in the set that is not below `slot`.
    pub(super) fn first_from(&self, slot: u32) -> Option<u32> {
        let (first, bit) = place(slot);
        // Of the first word only the bits from `bit` on count.
        let mut mask = bit.wrapping_neg();
        for (nth, word) in self.words.iter().enumerate().skip(first) {
            let bits = word & mask;
            mask = u64::MAX;
            if bits != 0 {
                let base = u32::try_from(nth).ok()?.checked_mul(u64::BITS)?;
                return base.checked_add(bits.trailing_zeros());
            }
        }
        None
    }

    /// Returns the bytes that it has allocated.
    pub(super) fn memory_bytes(&self) -> usize {
        self.words.capacity().saturating_mul(size_of::<u64>())
    }
}

/// Returns the word and the bit in it that stand for `slot`.
const fn place(slot: u32) -> (usize, u64) {
    ((slot / u64::BITS) as usize, 1 << (slot % u64::BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_meets_every_number_once_in_order() {
        let numbers = [0, 1, 63, 64, 127, 200_000, 200_001];
        let mut set = SlotSet::new();
        numbers.iter().rev().for_each(|slot| set.insert(*slot));
        set.insert(70);
        set.remove(70);
        set.remove(9_000_000);
        let walk = core::iter::successors(set.first_from(0), |slot| set.first_from(slot + 1));
        assert!(walk.eq(numbers));
        assert_eq!(set.first_from(u32::MAX), None);
    }
}
