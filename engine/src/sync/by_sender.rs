//! What a machine keeps for each sender.

use alloc::vec::Vec;

use crate::senders::{SenderId, SenderSet};

/// A value for each sender that was heard; there are at most [`crate::senders::SENDERS_MAX`].
#[derive(Debug)]
pub(super) struct BySender<T>(Vec<T>);

impl<T> Default for BySender<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default> BySender<T> {
    /// Returns that of a sender; one that was not heard begins with the default.
    pub(super) fn of(&mut self, id: SenderId) -> &mut T {
        let len = self.0.len().max(id.index().saturating_add(1));
        self.0.resize_with(len, T::default);
        self.0
            .get_mut(id.index())
            .expect("there are as many as the place of each asks for")
    }

    /// Returns that of a sender if it was heard.
    pub(super) fn get(&self, id: SenderId) -> Option<&T> {
        self.0.get(id.index())
    }

    /// Begins anew for a sender that takes the place of another.
    pub(super) fn reset(&mut self, id: SenderId) {
        *self.of(id) = T::default();
    }

    /// Returns all in order.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut()
    }

    /// Returns those of a set in order.
    pub(super) fn among(&self, set: SenderSet) -> impl Iterator<Item = (SenderId, &T)> {
        set.iter().filter_map(|id| Some((id, self.get(id)?)))
    }
}
