//! Slots of one type that never move.

use alloc::vec::Vec;
use core::mem;
use core::num::NonZeroU32;

/// Slots a chunk.
const CHUNK_LEN: usize = 1024;
/// Bits of a slot number that tell the slots of one chunk apart.
const CHUNK_BITS: u32 = CHUNK_LEN.trailing_zeros();

/// Names a slot of an [`Arena`]: its number plus one, so that an `Option` of it costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SlotId(NonZeroU32);

impl SlotId {
    /// Returns the name of slot number `slot`; the last number has none.
    pub(super) const fn at(slot: u32) -> Option<Self> {
        match NonZeroU32::MIN.checked_add(slot) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Returns the number of the slot.
    pub(super) const fn slot(self) -> u32 {
        self.0.get().wrapping_sub(1)
    }

    /// Returns the chunk and the place in it.
    const fn place(self) -> (usize, usize) {
        let slot = self.slot() as usize;
        (slot >> CHUNK_BITS, slot & (CHUNK_LEN - 1))
    }
}

/// A slot; the free ones make a list.
#[derive(Clone, Debug)]
enum Slot<T> {
    Free { next: Option<SlotId> },
    Used(T),
}

/// Chunks of slots: growth copies nothing, and the slot freed last is used first.
#[derive(Clone, Debug)]
pub(super) struct Arena<T> {
    /// Each is allocated whole before its first slot is used.
    chunks: Vec<Vec<Slot<T>>>,
    /// Head of the list of free slots.
    free: Option<SlotId>,
    /// Slots in use or in the list.
    n_slots: u32,
    /// Slots in use.
    n_used: u32,
}

impl<T> Arena<T> {
    /// Returns an arena that has allocated nothing.
    pub(super) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            free: None,
            n_slots: 0,
            n_used: 0,
        }
    }

    /// Returns the number of values in it.
    pub(super) const fn len(&self) -> u32 {
        self.n_used
    }

    /// Returns the value in slot `id`, if there is one.
    pub(super) fn get(&self, id: SlotId) -> Option<&T> {
        let (chunk, place) = id.place();
        match self.chunks.get(chunk)?.get(place)? {
            Slot::Used(value) => Some(value),
            Slot::Free { .. } => None,
        }
    }

    /// Returns the value in slot `id`, if there is one.
    pub(super) fn get_mut(&mut self, id: SlotId) -> Option<&mut T> {
        match self.slot_mut(id)? {
            Slot::Used(value) => Some(value),
            Slot::Free { .. } => None,
        }
    }

    /// Puts `value` into a slot.
    ///
    /// # Panics
    /// After 2^32 - 1 values: memory ends long before.
    pub(super) fn insert(&mut self, value: T) -> SlotId {
        self.n_used = self.n_used.saturating_add(1);
        match self.free {
            Some(id) => {
                let slot = self
                    .slot_mut(id)
                    .expect("a listed slot exists: slots are never taken away");
                if let Slot::Free { next } = mem::replace(slot, Slot::Used(value)) {
                    self.free = next;
                }
                id
            }
            None => self.append(value),
        }
    }

    /// Takes the value out of slot `id`, if there is one.
    pub(super) fn remove(&mut self, id: SlotId) -> Option<T> {
        let next = self.free;
        let slot = self.slot_mut(id)?;
        if matches!(slot, Slot::Free { .. }) {
            return None;
        }
        let Slot::Used(value) = mem::replace(slot, Slot::Free { next }) else {
            return None;
        };
        self.free = Some(id);
        self.n_used = self.n_used.saturating_sub(1);
        Some(value)
    }

    /// Returns the bytes that it has allocated.
    pub(super) fn memory_bytes(&self) -> usize {
        let headers = self.chunks.capacity().saturating_mul(size_of::<Vec<Slot<T>>>());
        let chunk = CHUNK_LEN.saturating_mul(size_of::<Slot<T>>());
        headers.saturating_add(self.chunks.len().saturating_mul(chunk))
    }

    /// Puts `value` behind the last slot.
    fn append(&mut self, value: T) -> SlotId {
        let id = SlotId::at(self.n_slots).expect("fewer than 2^32 slots: memory ends long before");
        self.n_slots = self.n_slots.saturating_add(1);
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK_LEN => chunk.push(Slot::Used(value)),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK_LEN);
                chunk.push(Slot::Used(value));
                self.chunks.push(chunk);
            }
        }
        id
    }

    fn slot_mut(&mut self, id: SlotId) -> Option<&mut Slot<T>> {
        let (chunk, place) = id.place();
        self.chunks.get_mut(chunk)?.get_mut(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_freed_last_is_used_first() {
        let mut arena = Arena::new();
        let ids: Vec<_> = (0..3000_u32).map(|value| arena.insert(value)).collect();
        assert!(ids.iter().map(|id| id.slot()).eq(0..3000));
        assert_eq!(arena.remove(ids[7]), Some(7));
        assert_eq!(arena.remove(ids[2000]), Some(2000));
        assert_eq!(arena.remove(ids[2000]), None);
        assert_eq!((arena.get(ids[7]), arena.len()), (None, 2998));
        assert_eq!(arena.insert(8), ids[2000]);
        assert_eq!(arena.insert(9), ids[7]);
        assert_eq!(arena.insert(10).slot(), 3000);
        assert_eq!(arena.get(ids[7]), Some(&9));
    }
}
