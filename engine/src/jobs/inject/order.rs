//! The order in which what waits is served.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::cache::{ExpectId, FlowId};

/// The id of an entry of a table, whose slots are few and low.
pub(super) trait InSlot: Copy {
    /// Returns the number of the slot.
    fn number(self) -> u32;
}

impl InSlot for FlowId {
    fn number(self) -> u32 {
        self.slot()
    }
}

impl InSlot for ExpectId {
    fn number(self) -> u32 {
        self.slot()
    }
}

/// The entries of a table, each with a place and a note; the lowest place is served first.
#[derive(Debug)]
pub(super) struct Order<Id, Note> {
    by_place: BTreeMap<u64, Id>,
    /// By slot; that of an entry that is served is left as it was.
    notes: Vec<Option<(Note, u64)>>,
}

impl<Id: InSlot, Note: Copy> Order<Id, Note> {
    /// Returns an order of nothing.
    pub(super) const fn new() -> Self {
        Self {
            by_place: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    /// Gives an entry that has none its place.
    pub(super) fn append(&mut self, id: Id, note: Note, place: u64) {
        self.by_place.insert(place, id);
        let slot = slot(id);
        if slot >= self.notes.len() {
            self.notes.resize(slot.saturating_add(1), None);
        }
        self.set_note(id, note, place);
    }

    /// Gives an entry that waits another place.
    pub(super) fn move_to(&mut self, id: Id, note: Note, place: u64) {
        let (_, former) = self.note_and_place(id);
        self.by_place.remove(&former);
        self.append(id, note, place);
    }

    /// Gives an entry that waits another note.
    pub(super) fn change(&mut self, id: Id, note: Note) {
        let (_, place) = self.note_and_place(id);
        self.set_note(id, note, place);
    }

    /// Returns the note of an entry that waits.
    pub(super) fn note(&self, id: Id) -> Note {
        self.note_and_place(id).0
    }

    /// Returns the place of the entry that is next, and the entry.
    pub(super) fn first(&self) -> Option<(u64, Id)> {
        self.by_place.first_key_value().map(|(place, id)| (*place, *id))
    }

    /// Removes the entry that is next.
    pub(super) fn pop_first(&mut self) -> Option<Id> {
        self.by_place.pop_first().map(|(_, id)| id)
    }

    fn note_and_place(&self, id: Id) -> (Note, u64) {
        let note = self.notes.get(slot(id)).copied().flatten();
        note.expect("an entry that waits has a note: both are made in append()")
    }

    fn set_note(&mut self, id: Id, note: Note, place: u64) {
        if let Some(known) = self.notes.get_mut(slot(id)) {
            *known = Some((note, place));
        }
    }

    /// Panics if not each of the table's entries has one place.
    #[cfg(debug_assertions)]
    pub(super) fn check_len(&self, n_entries: u32) {
        assert_eq!(
            u32::try_from(self.by_place.len()),
            Ok(n_entries),
            "each entry that waits has one place"
        );
    }
}

fn slot(id: impl InSlot) -> usize {
    usize::try_from(id.number()).unwrap_or(usize::MAX)
}
