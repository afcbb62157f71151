//! Emptying the kernel's table of flows, in turns.

use alloc::vec::Vec;

use crate::cache::{FlowKey, InternalCache};
use crate::flow::Flow;
use crate::input::{ClientId, Errno, RequestFailure, Table};
use crate::output::{Batch, DumpId, FlowName, FlowRequest};
use crate::outputs::{BatchOwner, Outputs};

/// The flush that runs, if one does.
///
/// The table is dumped and every flow deleted by name: one message could delete all, but the
/// kernel would work on it for seconds while nothing else is served.
#[derive(Debug, Default)]
pub(crate) struct Flush {
    dump: Option<DumpId>,
    batch: Batch,
    n_batches: u32,
    clients: Vec<ClientId>,
}

impl Flush {
    /// Returns whether a flush runs.
    pub(crate) fn is_running(&self) -> bool {
        self.dump.is_some() || self.n_batches > 0
    }

    /// Begins a flush, or joins the one that runs.
    pub(crate) fn start(&mut self, client: Option<ClientId>, out: &mut Outputs) {
        self.clients.extend(client);
        if !self.is_running() {
            self.dump = Some(out.dump(Table::Flows));
        }
    }

    /// Returns whether an entry of this dump is to be deleted.
    pub(crate) fn owns(&self, dump: DumpId) -> bool {
        self.dump == Some(dump)
    }

    /// Deletes an entry of the dump.
    pub(crate) fn dumped(&mut self, flow: &Flow, batch_len_max: u16, out: &mut Outputs) {
        let name = FlowName {
            orig: flow.orig,
            zone: flow.zone,
            id: flow.id,
        };
        self.batch.requests.push(FlowRequest::Delete(name));
        if self.batch.requests.len() >= usize::from(batch_len_max) {
            self.send(out);
        }
    }

    /// Handles the end of the dump.
    pub(crate) fn dump_ended(&mut self, out: &mut Outputs) {
        self.dump = None;
        if !self.batch.requests.is_empty() {
            self.send(out);
        }
        self.end_if_done(out);
    }

    /// Handles the end of a batch: what was deleted leaves the internal cache, and the peer is not told.
    pub(crate) fn batch_ended(
        &mut self,
        batch: &Batch,
        failures: &[RequestFailure],
        internal: &mut InternalCache,
        out: &mut Outputs,
    ) {
        self.n_batches = self.n_batches.saturating_sub(1);
        let mut failures = failures.iter().peekable();
        for (index, request) in batch.requests.iter().enumerate() {
            let failure = failures.next_if(|failure| failure.index == index);
            let is_gone = failure.is_none_or(|failure| failure.errno == Errno::ENOENT);
            if let (FlowRequest::Delete(name), true) = (request, is_gone) {
                internal.forget(&FlowKey::of_name(name));
            }
        }
        self.end_if_done(out);
    }

    /// Forgets a client that hung up; the flush goes on.
    pub(crate) fn forget(&mut self, client: ClientId) {
        self.clients.retain(|waiting| *waiting != client);
    }

    fn send(&mut self, out: &mut Outputs) {
        let next = out.new_batch();
        out.batch(BatchOwner::Flush, core::mem::replace(&mut self.batch, next));
        self.n_batches = self.n_batches.saturating_add(1);
    }

    fn end_if_done(&mut self, out: &mut Outputs) {
        if !self.is_running() {
            out.end(&mut self.clients);
        }
    }
}
