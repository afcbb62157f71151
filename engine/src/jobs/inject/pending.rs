//! What the peer told and our kernel has not been asked for.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use crate::cache::{CacheFull, FlowCache, FlowId, FlowKey, HashKey};
use crate::flow::Flow;
use crate::input::EventKind;

/// What is to become of a flow by all that the peer told of it since our kernel was last asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The peer began it.
    New,
    /// The peer changed it; we may have missed its beginning.
    Changed,
    /// The peer ended it.
    Ended,
    /// The peer ended it and then told of it again: another flow with the same tuple.
    Renewed,
}

impl Told {
    const fn of(kind: EventKind) -> Self {
        match kind {
            EventKind::New => Self::New,
            EventKind::Update => Self::Changed,
            EventKind::Destroy => Self::Ended,
        }
    }

    /// Returns what a further message makes of it.
    const fn then(self, kind: EventKind) -> Self {
        match (self, kind) {
            (_, EventKind::Destroy) => Self::Ended,
            (Self::Ended | Self::Renewed, EventKind::New | EventKind::Update) => Self::Renewed,
            (Self::New, EventKind::New | EventKind::Update) | (Self::Changed, EventKind::New) => Self::New,
            (Self::Changed, EventKind::Update) => Self::Changed,
        }
    }
}

/// Flows in the order in which they are put into the kernel, each once.
///
/// A message about a flow that waits takes the place of the one before: a message tells all of a
/// flow. One that begins it anew goes to the end, because what had its place in the kernel, such as
/// a translated port, may have been given up by a flow that waits behind it.
#[derive(Debug)]
pub(super) struct Pending {
    flows: FlowCache,
    order: BTreeMap<u64, FlowId>,
    /// By the slot of the flow: what was told, and its place in `order`.
    notes: Vec<(Told, u64)>,
    next_place: u64,
}

impl Pending {
    /// Returns an empty store for at most `len_max` flows.
    pub(super) fn new(len_max: NonZeroU32, hash_key: HashKey) -> Self {
        Self {
            flows: FlowCache::new(len_max, hash_key),
            order: BTreeMap::new(),
            notes: Vec::new(),
            next_place: 0,
        }
    }

    /// Returns how many flows wait.
    pub(super) const fn len(&self) -> u32 {
        self.flows.len()
    }

    /// Notes a message.
    ///
    /// # Errors
    /// [`CacheFull`] if as many other flows wait as may.
    pub(super) fn tell(&mut self, kind: EventKind, flow: &Flow) -> Result<(), CacheFull> {
        let Some(id) = self.flows.find(&FlowKey::of(flow)) else {
            let id = self.flows.insert(flow, 0)?;
            self.append(id, Told::of(kind));
            return Ok(());
        };
        let (before, place) = self.note(id);
        let after = before.then(kind);
        self.flows.replace(id, flow, 0);
        if before == Told::Ended && after == Told::Renewed {
            self.order.remove(&place);
            self.append(id, after);
        } else {
            self.set_note(id, (after, place));
        }
        Ok(())
    }

    /// Returns the flow that is next, and what was told of it.
    pub(super) fn first(&self) -> Option<(Told, Flow)> {
        let (_, id) = self.order.first_key_value()?;
        Some((self.note(*id).0, self.flows.flow(*id)))
    }

    /// Removes the flow that is next.
    pub(super) fn remove_first(&mut self) {
        if let Some((_, id)) = self.order.pop_first() {
            self.flows.remove(id);
        }
    }

    fn append(&mut self, id: FlowId, told: Told) {
        let place = self.next_place;
        self.next_place = place.wrapping_add(1);
        self.order.insert(place, id);
        self.set_note(id, (told, place));
    }

    fn note(&self, id: FlowId) -> (Told, u64) {
        let slot = usize::try_from(id.slot()).ok();
        let note = slot.and_then(|slot| self.notes.get(slot));
        *note.expect("a flow that waits has a note: both are made in tell()")
    }

    fn set_note(&mut self, id: FlowId, note: (Told, u64)) {
        let slot = usize::try_from(id.slot()).unwrap_or(usize::MAX);
        if slot >= self.notes.len() {
            self.notes.resize(slot.saturating_add(1), note);
        }
        if let Some(place) = self.notes.get_mut(slot) {
            *place = note;
        }
    }

    /// Panics if the parts do not agree.
    #[cfg(debug_assertions)]
    pub(super) fn check_invariants(&self) {
        self.flows.check_invariants();
        let n_places = u32::try_from(self.order.len());
        assert_eq!(
            n_places,
            Ok(self.flows.len()),
            "each flow that waits has one place"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::TcpState;
    use crate::testing::tcp;

    use EventKind::{Destroy, New, Update};

    fn pending() -> Pending {
        Pending::new(NonZeroU32::new(3).unwrap(), HashKey(1, 2))
    }

    fn drain(pending: &mut Pending) -> Vec<(u16, Told)> {
        let mut drained = Vec::new();
        while let Some((told, flow)) = pending.first() {
            drained.push((flow.orig.ports().unwrap().0, told));
            pending.remove_first();
            pending.check_invariants();
        }
        drained
    }

    #[test]
    fn what_was_told_last_decides_and_what_came_between_is_not_forgotten() {
        let table: [(&[EventKind], Told); 10] = [
            (&[New], Told::New),
            (&[New, Update], Told::New),
            (&[New, New], Told::New),
            (&[New, Destroy], Told::Ended),
            (&[Update], Told::Changed),
            (&[Update, Update], Told::Changed),
            (&[Update, New], Told::New),
            (&[Destroy, New], Told::Renewed),
            (&[Destroy, Update, Update], Told::Renewed),
            (&[Destroy, New, Destroy], Told::Ended),
        ];
        for (kinds, want) in table {
            let mut pending = pending();
            for kind in kinds {
                pending.tell(*kind, &tcp(1, TcpState::ESTABLISHED)).unwrap();
            }
            assert_eq!(drain(&mut pending), [(1, want)], "{kinds:?}");
        }
    }

    #[test]
    fn flows_keep_their_order_and_one_that_begins_anew_goes_to_the_end() {
        let mut pending = pending();
        for (kind, port) in [(Destroy, 1), (New, 2), (Update, 3), (Update, 2), (New, 1)] {
            pending.tell(kind, &tcp(port, TcpState::ESTABLISHED)).unwrap();
        }
        assert_eq!(
            drain(&mut pending),
            [(2, Told::New), (3, Told::Changed), (1, Told::Renewed)]
        );
    }

    #[test]
    fn a_full_store_refuses_other_flows_and_takes_news_of_those_that_wait() {
        let mut pending = pending();
        for port in 1..=3 {
            pending.tell(New, &tcp(port, TcpState::SYN_SENT)).unwrap();
        }
        assert!(pending.tell(New, &tcp(4, TcpState::SYN_SENT)).is_err());
        pending.tell(Update, &tcp(1, TcpState::ESTABLISHED)).unwrap();
        let (_, first) = pending.first().unwrap();
        assert_eq!(first.proto, tcp(1, TcpState::ESTABLISHED).proto);
    }
}
