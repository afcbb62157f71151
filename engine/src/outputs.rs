//! What waits for the driver.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::input::{ClientId, Table};
use crate::output::{Batch, DumpId, FlowRequest, KernelOp, Output, Reply};
use crate::report::Report;

/// Whose requests are in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchOwner {
    /// A commit.
    Commit,
    /// A flush of the kernel's table.
    Flush,
    /// The check whether flows that a dump lacked are really gone.
    Ghosts,
    /// A commit of expectations.
    CommitExpectations,
    /// A flush of the kernel's expectations.
    FlushExpectations,
    /// Flows that are read back.
    ReadBack,
    /// Flows of the peer that go into the kernel as they are told.
    Inject,
    /// Expectations of the peer, in the same way.
    InjectExpectations,
    /// Masters of expectations, where no cache knows them.
    Masters,
}

/// Outputs in the order in which the driver gets them.
///
/// The driver carries out batches in order, so the owner of the one that ends is the first.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    queue: VecDeque<Output>,
    owners: VecDeque<BatchOwner>,
    spare_batches: Vec<Batch>,
    n_dumps: u32,
    /// Clients that wait for more than one job.
    n_jobs: BTreeMap<ClientId, u8>,
}

impl Outputs {
    /// Takes the next output.
    pub(crate) fn pop(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }

    /// Queues an output.
    pub(crate) fn push(&mut self, output: Output) {
        self.queue.push_back(output);
    }

    /// Queues a report.
    pub(crate) fn report(&mut self, report: Report) {
        self.push(Output::Report(report));
    }

    /// Queues part of an answer.
    pub(crate) fn reply(&mut self, client: ClientId, reply: Reply) {
        self.push(Output::Reply(client, reply));
    }

    /// Notes that `client` waits for `n_jobs` of them: only the last one completes its answer.
    pub(crate) fn await_jobs(&mut self, client: ClientId, n_jobs: u8) {
        self.n_jobs.insert(client, n_jobs);
    }

    /// Completes the answer to each of `clients`, as far as this was what they waited for.
    pub(crate) fn end(&mut self, clients: &mut Vec<ClientId>) {
        for client in clients.drain(..) {
            match self.n_jobs.get_mut(&client) {
                Some(n_jobs) if *n_jobs > 1 => *n_jobs = n_jobs.saturating_sub(1),
                _ => {
                    self.n_jobs.remove(&client);
                    self.reply(client, Reply::End);
                }
            }
        }
    }

    /// Forgets a client that hung up.
    pub(crate) fn forget(&mut self, client: ClientId) {
        self.n_jobs.remove(&client);
    }

    /// Asks for a dump.
    pub(crate) fn dump(&mut self, table: Table) -> DumpId {
        self.n_dumps = self.n_dumps.wrapping_add(1);
        let id = DumpId(self.n_dumps);
        self.push(Output::Kernel(KernelOp::Dump { id, table }));
        id
    }

    /// Returns an empty batch, one that was used before if there is any.
    pub(crate) fn new_batch(&mut self) -> Batch {
        self.spare_batches.pop().unwrap_or_default()
    }

    /// Sends a batch to the kernel.
    pub(crate) fn batch(&mut self, owner: BatchOwner, mut batch: Batch) {
        batch.keeps_listening = owner == BatchOwner::Inject;
        self.owners.push_back(owner);
        self.push(Output::Kernel(KernelOp::Batch(batch)));
    }

    /// Sends these requests to the kernel.
    pub(crate) fn requests(&mut self, owner: BatchOwner, requests: impl Iterator<Item = FlowRequest>) {
        let mut batch = self.new_batch();
        batch.requests.extend(requests);
        self.batch(owner, batch);
    }

    /// Returns whose batch is the next to end.
    pub(crate) fn batch_owner(&self) -> Option<BatchOwner> {
        self.owners.front().copied()
    }

    /// Notes that a batch has ended, and keeps it for the next.
    pub(crate) fn batch_ended(&mut self, mut batch: Batch) {
        self.owners.pop_front();
        batch.requests.clear();
        self.spare_batches.push(batch);
    }
}
