//! Reading single flows back from the kernel, for what its events leave out.
//!
//! Where translation changes the length of what a TCP connection says, as that of FTP does with
//! addresses, the kernel shifts sequence numbers from there on. No event tells by how much, nor that
//! it begins; but one about such a flow has the bit for it in its status, and a helper foretells a
//! flow when it is about to rewrite the address in its master. So these are asked for, a moment
//! later, and many at once.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use crate::cache::{FlowId, FlowKey, InternalCache, Liveness, NoNews};
use crate::flow::{Flow, Nat, Status};
use crate::input::{Errno, RequestFailure};
use crate::output::{Batch, FlowRequest};
use crate::outputs::{BatchOwner, Outputs};
use crate::sync::Sync;
use crate::time::Instant;

/// Time until flows are asked for: a helper speaks before it rewrites the packet, on its way
/// through the kernel at that moment.
pub(crate) const READ_BACK_DELAY: Duration = Duration::from_millis(20);

/// Flows that wait; those beyond are told as they are, and the next comparison with the kernel's
/// table finds the rest.
const WANTED_MAX: usize = 4096;

/// What the peer knows of a flow that is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Nothing of late: half of it would be wrong.
    NotYet,
    /// All that the events said.
    Already,
}

/// The flows that are read back.
#[derive(Debug, Default)]
pub(crate) struct ReadBack {
    wanted: BTreeMap<FlowKey, Told>,
    /// Those of the batch on its way, in the order of its requests.
    asked: Vec<(FlowKey, Told)>,
}

impl ReadBack {
    /// Takes a flow that an event told of; returns whether the peer is to hear of it at once.
    pub(crate) fn saw(&mut self, id: FlowId, event: &Flow, internal: &InternalCache) -> bool {
        let is_adjusted = event
            .status
            .is_some_and(|status| status.contains(Status::SEQ_ADJUST));
        if !is_adjusted || internal.liveness(id) == Liveness::Dead {
            return true;
        }
        let told = if internal.flow(id).seq_adj.is_some() {
            Told::Already
        } else {
            Told::NotYet
        };
        let is_wanted = self.want(internal.key(id), told);
        told == Told::Already || !is_wanted
    }

    /// Takes the master of an expectation: if it is translated, its helper rewrites it.
    pub(crate) fn saw_master(&mut self, id: FlowId, internal: &InternalCache) {
        if internal.flow(id).nat_in_effect() != Nat::NONE {
            self.want(internal.key(id), Told::Already);
        }
    }

    /// Returns whether there are flows to be asked for and no batch of them is on its way.
    pub(crate) fn is_due(&self) -> bool {
        !self.wanted.is_empty() && self.asked.is_empty()
    }

    /// Asks for the next flows.
    pub(crate) fn ask(&mut self, internal: &InternalCache, batch_len_max: u16, out: &mut Outputs) {
        let mut batch = out.new_batch();
        while batch.requests.len() < usize::from(batch_len_max)
            && let Some((key, told)) = self.wanted.pop_first()
        {
            if let Some(id) = living(&key, internal) {
                batch.requests.push(FlowRequest::Get(internal.name(id)));
                self.asked.push((key, told));
            }
        }
        if !batch.requests.is_empty() {
            out.batch(BatchOwner::ReadBack, batch);
        }
    }

    /// Takes the kernel's answer; returns the flow, and tells the peer what is new.
    pub(crate) fn answer(
        &self,
        index: usize,
        flow: &Flow,
        internal: &mut InternalCache,
        sync: &mut Sync,
        now: Instant,
    ) -> Option<FlowId> {
        let (key, told) = *self.asked.get(index)?;
        let id = living(&key, internal).filter(|_| FlowKey::of(flow) == key)?;
        let (_, is_news) = internal.apply_dumped(flow, NoNews::Skip, now);
        if is_news || told == Told::NotYet {
            sync.enqueue(id, internal);
        }
        Some(id)
    }

    /// Tells the peer of a flow whose answer is of no use, as it is known.
    pub(crate) fn unanswered(&self, index: usize, internal: &mut InternalCache, sync: &mut Sync) {
        if let Some((key, Told::NotYet)) = self.asked.get(index)
            && let Some(id) = living(key, internal)
        {
            sync.enqueue(id, internal);
        }
    }

    /// Handles the end of the batch; a flow that is gone ends by an event.
    pub(crate) fn batch_ended(
        &mut self,
        batch: &Batch,
        failures: &[RequestFailure],
        internal: &mut InternalCache,
        sync: &mut Sync,
    ) {
        debug_assert_eq!(batch.requests.len(), self.asked.len(), "one batch at a time");
        for failure in failures.iter().filter(|failure| failure.errno != Errno::ENOENT) {
            self.unanswered(failure.index, internal, sync);
        }
        self.asked.clear();
    }

    /// Notes that a flow is to be read back; returns whether there was room.
    fn want(&mut self, key: FlowKey, told: Told) -> bool {
        if self.wanted.len() >= WANTED_MAX && !self.wanted.contains_key(&key) {
            return false;
        }
        // Of two reasons the one that holds back counts.
        let known = self.wanted.entry(key).or_insert(told);
        if told == Told::NotYet {
            *known = told;
        }
        true
    }
}

/// Returns the flow with this key, if it is known and not dead.
fn living(key: &FlowKey, internal: &InternalCache) -> Option<FlowId> {
    internal
        .find(key)
        .filter(|id| internal.liveness(*id) != Liveness::Dead)
}
