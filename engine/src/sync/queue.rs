//! The queues of a machine: what is to be sent, and what is sent and not yet acknowledged.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use crate::cache::{ExpectId, FlowId, NodeId};
use crate::senders::{SenderId, SenderSet};
use crate::seq::Seq;
use crate::wire::ControlMessage;

/// What can stand in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    /// A flow of the internal cache: its message is made from its state at the moment of sending.
    Flow(FlowId),
    /// The same with an expectation.
    Expectation(ExpectId),
    /// A control message.
    Control(ControlMessage),
}

/// Which queue a node is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// To be sent.
    Tx,
    /// Sent and not acknowledged.
    Resend,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    element: Element,
    place: Place,
    /// Number it was sent with; means something in the resend queue only.
    seq: Seq,
    /// Who has acknowledged that number.
    acked_by: SenderSet,
    prev: Option<NodeId>,
    next: Option<NodeId>,
}

impl Node {
    fn is_resync(&self) -> bool {
        self.element == Element::Control(ControlMessage::Resync)
    }
}

#[derive(Clone, Copy, Debug)]
enum Slot {
    Used(Node),
    Free { next: Option<NodeId> },
}

#[derive(Clone, Copy, Debug, Default)]
struct List {
    head: Option<NodeId>,
    tail: Option<NodeId>,
    len: u32,
    /// RESYNC in it.
    resyncs: u32,
}

/// An element of the resend queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Its node.
    pub(crate) node: NodeId,
    /// Number it was sent with.
    pub(crate) seq: Seq,
    /// What it is.
    pub(crate) element: Element,
}

/// The tx queue and the resend queue, two lists over one arena.
///
/// An element is in at most one of them, once. The elements of the resend queue are in the order
/// of their sequence numbers, because each gets its number when it is appended there.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    slots: Vec<Slot>,
    free: Option<NodeId>,
    tx: List,
    resend: List,
    controls: u32,
}

impl Queues {
    /// Returns how many elements are to be sent.
    #[must_use]
    pub(crate) fn tx_len(&self) -> u32 {
        self.tx.len
    }

    /// Returns how many elements wait for their acknowledgement.
    #[must_use]
    pub(crate) fn resend_len(&self) -> u32 {
        self.resend.len
    }

    /// Returns how many control messages are in either queue.
    #[must_use]
    pub(crate) fn controls(&self) -> u32 {
        self.controls
    }

    /// Appends a new element to the tx queue.
    pub(crate) fn push_tx(&mut self, element: Element) -> NodeId {
        let node = Node {
            element,
            place: Place::Tx,
            seq: Seq(0),
            acked_by: SenderSet::EMPTY,
            prev: None,
            next: None,
        };
        let id = self.allocate(node);
        if matches!(element, Element::Control(_)) {
            self.controls = self.controls.saturating_add(1);
        }
        self.append(id, Place::Tx);
        id
    }

    /// Takes the first element out of the tx queue; its node stays until [`Self::push_resend`] or
    /// [`Self::free`].
    pub(crate) fn pop_tx(&mut self) -> Option<(NodeId, Element)> {
        let id = self.tx.head?;
        self.unlink(id);
        Some((id, self.node(id).element))
    }

    /// Appends a node taken from the tx queue to the resend queue.
    pub(crate) fn push_resend(&mut self, id: NodeId, seq: Seq) {
        let node = self.node_mut(id);
        (node.seq, node.acked_by) = (seq, SenderSet::EMPTY);
        self.append(id, Place::Resend);
    }

    /// Notes that a sender has acknowledged a node of the resend queue; returns all who have.
    pub(crate) fn acknowledge(&mut self, id: NodeId, by: SenderId) -> SenderSet {
        let acked_by = &mut self.node_mut(id).acked_by;
        acked_by.insert(by);
        *acked_by
    }

    /// Returns who has acknowledged a node of the resend queue.
    #[must_use]
    pub(crate) fn acked_by(&self, id: NodeId) -> SenderSet {
        self.node(id).acked_by
    }

    /// Forgets that a sender has acknowledged a node of the resend queue.
    pub(crate) fn forget_ack(&mut self, id: NodeId, by: SenderId) {
        self.node_mut(id).acked_by.remove(by);
    }

    /// Forgets all that a sender has acknowledged.
    pub(crate) fn forget_acks(&mut self, by: SenderId) {
        let mut next = self.resend.head;
        while let Some(id) = next {
            let node = self.node_mut(id);
            node.acked_by.remove(by);
            next = node.next;
        }
    }

    /// Moves a node of the resend queue to the end of the tx queue.
    pub(crate) fn resend(&mut self, id: NodeId) {
        self.unlink(id);
        self.append(id, Place::Tx);
    }

    /// Unlinks a node from the queue it is in and frees it.
    pub(crate) fn remove(&mut self, id: NodeId) -> Element {
        self.unlink(id);
        self.free(id)
    }

    /// Frees a node that is in no queue.
    pub(crate) fn free(&mut self, id: NodeId) -> Element {
        let element = self.node(id).element;
        if matches!(element, Element::Control(_)) {
            self.controls = self.controls.saturating_sub(1);
        }
        let next = self.free;
        *self.slot_mut(id) = Slot::Free { next };
        self.free = Some(id);
        element
    }

    /// Returns which queue a node is in.
    #[must_use]
    pub(crate) fn place(&self, id: NodeId) -> Place {
        self.node(id).place
    }

    /// Returns the oldest element of the resend queue.
    #[must_use]
    pub(crate) fn oldest_sent(&self) -> Option<Sent> {
        self.resend.head.map(|id| self.sent(id))
    }

    /// Returns the element of the resend queue that follows `node`.
    #[must_use]
    pub(crate) fn sent_after(&self, node: NodeId) -> Option<Sent> {
        self.node(node).next.map(|id| self.sent(id))
    }

    /// Returns whether either queue holds a RESYNC.
    pub(crate) fn has_resync(&self) -> bool {
        self.tx.resyncs > 0 || self.resend.resyncs > 0
    }

    /// Returns whether a RESYNC is to be sent.
    pub(crate) fn has_resync_to_send(&self) -> bool {
        self.tx.resyncs > 0
    }

    /// Removes the elements that `is_unwanted` names from both queues, and tells each.
    pub(crate) fn remove_all(
        &mut self,
        is_unwanted: impl Fn(Element) -> bool,
        mut on_removed: impl FnMut(Element),
    ) {
        for head in [self.tx.head, self.resend.head] {
            let mut next = head;
            while let Some(id) = next {
                let node = *self.node(id);
                next = node.next;
                if is_unwanted(node.element) {
                    on_removed(self.remove(id));
                }
            }
        }
    }

    fn sent(&self, node: NodeId) -> Sent {
        let Node { seq, element, .. } = *self.node(node);
        Sent { node, seq, element }
    }

    fn list_mut(&mut self, place: Place) -> &mut List {
        match place {
            Place::Tx => &mut self.tx,
            Place::Resend => &mut self.resend,
        }
    }

    fn append(&mut self, id: NodeId, place: Place) {
        let is_resync = self.node(id).is_resync();
        let list = self.list_mut(place);
        let prev = list.tail.replace(id);
        list.len = list.len.saturating_add(1);
        list.resyncs = list.resyncs.saturating_add(u32::from(is_resync));
        match prev {
            Some(prev) => self.node_mut(prev).next = Some(id),
            None => self.list_mut(place).head = Some(id),
        }
        let node = self.node_mut(id);
        (node.place, node.prev, node.next) = (place, prev, None);
    }

    fn unlink(&mut self, id: NodeId) {
        let node = *self.node(id);
        let Node {
            place, prev, next, ..
        } = node;
        match prev {
            Some(prev) => self.node_mut(prev).next = next,
            None => self.list_mut(place).head = next,
        }
        match next {
            Some(next) => self.node_mut(next).prev = prev,
            None => self.list_mut(place).tail = prev,
        }
        let list = self.list_mut(place);
        list.len = list.len.saturating_sub(1);
        list.resyncs = list.resyncs.saturating_sub(u32::from(node.is_resync()));
    }

    fn allocate(&mut self, node: Node) -> NodeId {
        if let Some(id) = self.free {
            let Slot::Free { next } = *self.slot_mut(id) else {
                unreachable!("the free list holds free slots only: free() is what adds to it")
            };
            self.free = next;
            *self.slot_mut(id) = Slot::Used(node);
            return id;
        }
        self.slots.push(Slot::Used(node));
        let number = u32::try_from(self.slots.len()).ok().and_then(NonZeroU32::new);
        NodeId(number.expect("nodes are fewer than the flows and control messages, which are bounded"))
    }

    fn slot_mut(&mut self, id: NodeId) -> &mut Slot {
        let slot = usize::try_from(id.0.get())
            .ok()
            .and_then(|number| self.slots.get_mut(number.wrapping_sub(1)));
        slot.expect("a node handle comes from allocate(), slots are never given back")
    }

    fn node(&self, id: NodeId) -> &Node {
        let slot = usize::try_from(id.0.get())
            .ok()
            .and_then(|number| self.slots.get(number.wrapping_sub(1)));
        match slot {
            Some(Slot::Used(node)) => node,
            Some(Slot::Free { .. }) | None => unreachable!("a handle is dropped where its node is freed"),
        }
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        match self.slot_mut(id) {
            Slot::Used(node) => node,
            Slot::Free { .. } => unreachable!("a handle is dropped where its node is freed"),
        }
    }

    /// Panics if lists, lengths and places do not agree, or the resend queue is out of order.
    ///
    /// Long queues are passed over: they are checked when they were short and will be again.
    #[cfg(debug_assertions)]
    pub(crate) fn check_invariants(&self) {
        const LEN_MAX: u32 = 256;
        if self.tx.len.saturating_add(self.resend.len) > LEN_MAX {
            return;
        }
        let mut controls = 0_u32;
        for (place, list) in [(Place::Tx, self.tx), (Place::Resend, self.resend)] {
            let (mut len, mut resyncs, mut prev, mut next) = (0_u32, 0_u32, None, list.head);
            while let Some(id) = next {
                let node = self.node(id);
                let is_control = matches!(node.element, Element::Control(_));
                controls = controls.saturating_add(u32::from(is_control));
                resyncs = resyncs.saturating_add(u32::from(node.is_resync()));
                assert_eq!(node.place, place, "a node knows its queue");
                assert_eq!(node.prev, prev, "links agree in both directions");
                if let (Place::Resend, Some(prev)) = (place, prev) {
                    assert!(
                        self.node(prev).seq.is_before(node.seq),
                        "the resend queue is in sequence order"
                    );
                }
                (prev, next, len) = (Some(id), node.next, len.saturating_add(1));
            }
            assert_eq!((list.tail, list.len), (prev, len), "tail and length of {place:?}");
            assert_eq!(list.resyncs, resyncs, "RESYNC in {place:?}");
        }
        assert_eq!(self.controls, controls, "control messages");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::SeqRange;

    fn control(from: u32) -> Element {
        Element::Control(ControlMessage::Ack(SeqRange {
            from: Seq(from),
            to: Seq(from),
        }))
    }

    fn sent(queues: &Queues) -> Vec<u32> {
        let mut seqs = Vec::new();
        let mut next = queues.oldest_sent();
        while let Some(sent) = next {
            seqs.push(sent.seq.0);
            next = queues.sent_after(sent.node);
        }
        seqs
    }

    #[test]
    fn elements_leave_in_the_order_they_came() {
        let mut queues = Queues::default();
        for n in 0..5 {
            queues.push_tx(control(n));
        }
        for n in 0..5 {
            let (id, element) = queues.pop_tx().unwrap();
            assert_eq!(element, control(n));
            queues.push_resend(id, Seq(100 + n));
            queues.check_invariants();
        }
        assert!(queues.pop_tx().is_none());
        assert_eq!(sent(&queues), [100, 101, 102, 103, 104]);
        assert_eq!(queues.controls(), 5);
    }

    #[test]
    fn a_freed_node_is_used_again() {
        let mut queues = Queues::default();
        for n in 0..3 {
            let (id, _) = {
                queues.push_tx(control(n));
                queues.pop_tx().unwrap()
            };
            queues.push_resend(id, Seq(n));
        }
        let middle = queues
            .sent_after(queues.oldest_sent().unwrap().node)
            .unwrap()
            .node;
        assert_eq!(queues.remove(middle), control(1));
        queues.check_invariants();
        assert_eq!(sent(&queues), [0, 2]);
        assert_eq!(queues.push_tx(control(9)), middle, "the free slot is taken first");
        let oldest = queues.oldest_sent().unwrap().node;
        queues.resend(oldest);
        queues.check_invariants();
        assert_eq!((queues.tx_len(), queues.resend_len()), (2, 1));
    }

    #[test]
    fn removing_flows_leaves_control_messages() {
        let mut queues = Queues::default();
        queues.push_tx(Element::Flow(FlowId::for_test(1)));
        queues.push_tx(control(1));
        queues.push_tx(Element::Flow(FlowId::for_test(2)));
        let mut removed = Vec::new();
        let is_flow = |element| matches!(element, Element::Flow(_));
        queues.remove_all(is_flow, |element| removed.push(element));
        assert_eq!(removed, [1, 2].map(|slot| Element::Flow(FlowId::for_test(slot))));
        assert_eq!(queues.pop_tx().unwrap().1, control(1));
        assert!(queues.pop_tx().is_none());
    }
}
