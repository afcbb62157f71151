//! Emptying the kernel's table of flows, in turns.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::cache::{FlowKey, InternalCache};
use crate::flow::Flow;
use crate::input::{ClientId, Errno, RequestFailure, Table};
use crate::output::{Batch, DumpId, FlowName, FlowRequest};
use crate::outputs::{BatchOwner, Outputs};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    Dumping(DumpId),
    Deleting,
}

/// The flush that runs, if one does.
///
/// The table is dumped and every flow deleted by name: one message could delete all, but the
/// kernel would work on it for seconds while nothing else is served. Of the names one batch at a
/// time becomes requests, which are eight times as long.
#[derive(Debug, Default)]
pub(crate) struct Flush {
    state: State,
    /// What is to be deleted, in the order of the dump; the kernel's table is its limit.
    names: VecDeque<FlowName>,
    clients: Vec<ClientId>,
}

impl Flush {
    /// Begins a flush, or joins the one that runs.
    pub(crate) fn start(&mut self, client: Option<ClientId>, out: &mut Outputs) {
        self.clients.extend(client);
        if self.state == State::Idle {
            self.state = State::Dumping(out.dump(Table::Flows));
        }
    }

    /// Returns whether an entry of this dump is to be deleted.
    pub(crate) fn owns(&self, dump: DumpId) -> bool {
        self.state == State::Dumping(dump)
    }

    /// Notes an entry of the dump.
    pub(crate) fn dumped(&mut self, flow: &Flow) {
        self.names.push_back(FlowName {
            orig: flow.orig,
            zone: flow.zone,
            id: flow.id,
        });
    }

    /// Handles the end of the dump.
    pub(crate) fn dump_ended(&mut self, batch_len_max: u16, out: &mut Outputs) {
        self.state = State::Deleting;
        self.next_batch(batch_len_max, out);
    }

    /// Handles the end of a batch: what was deleted leaves the internal cache, and the peer is not told.
    pub(crate) fn batch_ended(
        &mut self,
        batch: &Batch,
        failures: &[RequestFailure],
        internal: &mut InternalCache,
        batch_len_max: u16,
        out: &mut Outputs,
    ) {
        let mut failures = failures.iter().peekable();
        for (index, request) in batch.requests.iter().enumerate() {
            let failure = failures.next_if(|failure| failure.index == index);
            let is_gone = failure.is_none_or(|failure| failure.errno == Errno::ENOENT);
            if let (FlowRequest::Delete(name), true) = (request, is_gone) {
                internal.forget(&FlowKey::of_name(name));
            }
        }
        self.next_batch(batch_len_max, out);
    }

    /// Forgets a client that hung up; the flush goes on.
    pub(crate) fn forget(&mut self, client: ClientId) {
        self.clients.retain(|waiting| *waiting != client);
    }

    /// Ends a flush for which no client waits; the batch on its way is the last.
    pub(crate) fn cancel_purge(&mut self) {
        if self.clients.is_empty() {
            self.names.clear();
            if matches!(self.state, State::Dumping(_)) {
                self.state = State::Idle;
            }
        }
    }

    /// Deletes the next flows; ends if there are none.
    fn next_batch(&mut self, batch_len_max: u16, out: &mut Outputs) {
        if self.names.is_empty() {
            self.names = VecDeque::new();
            self.state = State::Idle;
            return out.end(&mut self.clients);
        }
        let len = self.names.len().min(usize::from(batch_len_max));
        let requests = self.names.drain(..len).map(FlowRequest::Delete);
        out.requests(BatchOwner::Flush, requests);
    }
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU32;

    use super::*;
    use crate::cache::HashKey;
    use crate::flow::TcpState;
    use crate::output::{KernelOp, Output, Reply};
    use crate::testing::tcp;

    /// Takes the one batch that waits.
    fn batch(out: &mut Outputs) -> Batch {
        let Some(Output::Kernel(KernelOp::Batch(batch))) = out.pop() else {
            panic!("a batch must wait")
        };
        assert!(out.pop().is_none(), "one batch at a time");
        batch
    }

    const BATCH_LEN_MAX: u16 = 2;

    /// Returns a flush for `client` that has read a table of five flows, and what it has asked for since.
    fn flush_of_five(client: Option<ClientId>) -> (Flush, Outputs) {
        let (mut flush, mut out) = (Flush::default(), Outputs::default());
        flush.start(client, &mut out);
        let Some(Output::Kernel(KernelOp::Dump { id, .. })) = out.pop() else {
            panic!("the table must be read first")
        };
        assert!(flush.owns(id));
        for port in 1..=5 {
            flush.dumped(&tcp(port, TcpState::ESTABLISHED));
        }
        assert!(out.pop().is_none(), "nothing is deleted while the table is read");
        flush.dump_ended(BATCH_LEN_MAX, &mut out);
        (flush, out)
    }

    fn cache() -> InternalCache {
        InternalCache::new(NonZeroU32::MIN, HashKey(1, 2))
    }

    #[test]
    fn a_large_table_is_deleted_one_batch_at_a_time_in_the_order_of_the_dump() {
        let (mut flush, mut out) = flush_of_five(Some(ClientId(7)));
        let mut deleted = Vec::new();
        for len in [2, 2, 1] {
            let batch = batch(&mut out);
            assert_eq!(batch.requests.len(), len);
            for request in &batch.requests {
                let FlowRequest::Delete(name) = request else {
                    panic!("a flush deletes: {request:?}")
                };
                deleted.extend(name.orig.ports().map(|(src, _)| src));
            }
            flush.batch_ended(&batch, &[], &mut cache(), BATCH_LEN_MAX, &mut out);
        }
        assert_eq!(deleted, [1, 2, 3, 4, 5]);
        assert!(matches!(out.pop(), Some(Output::Reply(ClientId(7), Reply::End))));
    }

    #[test]
    fn a_purge_can_be_cancelled_and_what_a_client_asked_for_cannot() {
        for (client, is_cancelled) in [(None, true), (Some(ClientId(7)), false)] {
            let (mut flush, mut out) = flush_of_five(client);
            let batch = batch(&mut out);
            flush.cancel_purge();
            flush.batch_ended(&batch, &[], &mut cache(), BATCH_LEN_MAX, &mut out);
            assert_eq!(flush.state == State::Idle, is_cancelled, "{client:?}");
            assert_eq!(out.pop().is_none(), is_cancelled, "{client:?}");
        }
    }
}
