//! What the peer told and our kernel has not been asked for.

use core::num::NonZeroU32;

use crate::cache::{CacheFull, FlowCache, FlowId, FlowKey, HashKey};
use crate::flow::Flow;
use crate::input::EventKind;

use super::order::Order;

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
    order: Order<FlowId, Told>,
}

impl Pending {
    /// Returns an empty store for at most `len_max` flows.
    pub(super) fn new(len_max: NonZeroU32, hash_key: HashKey) -> Self {
        Self {
            flows: FlowCache::new(len_max, hash_key),
            order: Order::new(),
        }
    }

    /// Returns how many flows wait.
    pub(super) const fn len(&self) -> u32 {
        self.flows.len()
    }

    /// Notes a message; `place` is behind all that were told before.
    ///
    /// # Errors
    /// [`CacheFull`] if as many other flows wait as may.
    pub(super) fn tell(&mut self, kind: EventKind, flow: &Flow, place: u64) -> Result<(), CacheFull> {
        let Some(id) = self.flows.find(&FlowKey::of(flow)) else {
            let id = self.flows.insert(flow, 0)?;
            self.order.append(id, Told::of(kind), place);
            return Ok(());
        };
        let before = self.order.note(id);
        let after = before.then(kind);
        self.flows.replace(id, flow, 0);
        if before == Told::Ended && after == Told::Renewed {
            self.order.move_to(id, after, place);
        } else {
            self.order.change(id, after);
        }
        Ok(())
    }

    /// Returns the place of the flow that is next.
    pub(super) fn first_place(&self) -> Option<u64> {
        self.order.first().map(|(place, _)| place)
    }

    /// Returns the flow that is next, and what was told of it.
    pub(super) fn first(&self) -> Option<(Told, Flow)> {
        let (_, id) = self.order.first()?;
        Some((self.order.note(id), self.flows.flow(id)))
    }

    /// Removes the flow that is next.
    pub(super) fn remove_first(&mut self) {
        if let Some(id) = self.order.pop_first() {
            self.flows.remove(id);
        }
    }

    /// Panics if the parts do not agree.
    #[cfg(debug_assertions)]
    pub(super) fn check_invariants(&self) {
        self.flows.check_invariants();
        self.order.check_len(self.flows.len());
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

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
            for (kind, place) in kinds.iter().zip(0..) {
                pending
                    .tell(*kind, &tcp(1, TcpState::ESTABLISHED), place)
                    .unwrap();
            }
            assert_eq!(drain(&mut pending), [(1, want)], "{kinds:?}");
        }
    }

    #[test]
    fn flows_keep_their_order_and_one_that_begins_anew_goes_to_the_end() {
        let mut pending = pending();
        let told = [(Destroy, 1), (New, 2), (Update, 3), (Update, 2), (New, 1)];
        for ((kind, port), place) in told.into_iter().zip(0..) {
            pending
                .tell(kind, &tcp(port, TcpState::ESTABLISHED), place)
                .unwrap();
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
            pending
                .tell(New, &tcp(port, TcpState::SYN_SENT), port.into())
                .unwrap();
        }
        assert!(pending.tell(New, &tcp(4, TcpState::SYN_SENT), 4).is_err());
        pending.tell(Update, &tcp(1, TcpState::ESTABLISHED), 5).unwrap();
        let (_, first) = pending.first().unwrap();
        assert_eq!(first.proto, tcp(1, TcpState::ESTABLISHED).proto);
    }
}
