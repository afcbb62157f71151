//! Finds the slot of a key.

use hashbrown::HashTable;

use super::arena::SlotId;

/// One place of the index. The hash is kept beside the slot, so that growth reads no entry and a
/// look-up reads only entries that are most likely the right one.
#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u32,
    slot: SlotId,
}

/// Hash table from keys to slots; the keys themselves are in the entries.
#[derive(Clone, Debug)]
pub(super) struct Index {
    places: HashTable<Place>,
}

impl Index {
    /// Returns an empty index that has allocated nothing.
    pub(super) const fn new() -> Self {
        Self {
            places: HashTable::new(),
        }
    }

    /// Makes room for `n_slots`; without the memory for it, it grows as it fills.
    pub(super) fn reserve(&mut self, n_slots: usize) {
        let _is_reserved = self
            .places
            .try_reserve(n_slots, |place| spread(place.hash))
            .is_ok();
    }

    /// Returns the number of slots in it.
    #[cfg(debug_assertions)]
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns the slot with `hash` for which `is_it` says that its key is the one looked for.
    pub(super) fn find(&self, hash: u32, is_it: impl Fn(SlotId) -> bool) -> Option<SlotId> {
        let place = self
            .places
            .find(spread(hash), |place| place.hash == hash && is_it(place.slot))?;
        Some(place.slot)
    }

    /// Adds `slot` under `hash`.
    pub(super) fn insert(&mut self, hash: u32, slot: SlotId) {
        self.places
            .insert_unique(spread(hash), Place { hash, slot }, |place| spread(place.hash));
    }

    /// Takes `slot` out, which is under `hash`; returns whether it was there.
    pub(super) fn remove(&mut self, hash: u32, slot: SlotId) -> bool {
        match self.places.find_entry(spread(hash), |place| place.slot == slot) {
            Ok(place) => {
                place.remove();
                true
            }
            Err(_) => false,
        }
    }

    /// Returns the bytes that it has allocated.
    pub(super) fn memory_bytes(&self) -> usize {
        self.places.allocation_size()
    }
}

/// Returns the 64 bits that the table wants: it takes the place from the low and a tag of 7 bits
/// from the high end, which are different bits of the hash up to 2^25 places.
fn spread(hash: u32) -> u64 {
    let hash = u64::from(hash);
    hash << 32 | hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_with_room_does_not_grow_until_it_is_used_up() {
        let mut index = Index::new();
        index.reserve(1000);
        let room = index.memory_bytes();
        for n in 0..1000 {
            index.insert(n, SlotId::at(n).unwrap());
        }
        assert_eq!(index.memory_bytes(), room);
    }
}
