//! The commit of expectations: the external cache into our kernel, after the flows.
//!
//! ```text
//! Create ── some exist ─► Replace: each is deleted and created anew ──► Create, the next ones
//! ```

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::cache::{ExpectChange, ExpectId, ExpectKey, ExternalCache, InternalCache};
use crate::config::Config;
use crate::flow::Expectation;
use crate::input::{ClientId, Errno, EventKind, RequestFailure};
use crate::output::{Batch, ExpectRequest, FlowRequest};
use crate::outputs::{BatchOwner, Outputs};
use crate::report::Report;
use crate::stats::CommitStats;
use crate::time::Instant;

use super::ExpectResync;
use super::expect_requests::{self, REQUESTS_EACH};

/// What the batch on its way is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Create,
    Replace,
}

/// A commit of expectations that runs.
#[derive(Debug)]
pub(crate) struct ExpectCommit {
    clients: Vec<ClientId>,
    started: Instant,
    /// Slot to go on from.
    slot: u32,
    stage: Stage,
    committed: u64,
    failed: u64,
    /// Errors of which a failure of this commit was reported; further ones are only counted.
    reported: BTreeSet<Errno>,
}

/// What it reads and writes beside its own state.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    pub(crate) external: &'a ExternalCache,
    pub(crate) internal: &'a mut InternalCache,
    pub(crate) resync: &'a mut ExpectResync,
    pub(crate) stats: &'a mut CommitStats,
    pub(crate) out: &'a mut Outputs,
    pub(crate) now: Instant,
}

impl ExpectCommit {
    /// Begins a commit of all expectations for `clients`.
    pub(crate) fn new(clients: Vec<ClientId>, now: Instant) -> Self {
        Self {
            clients,
            started: now,
            slot: 0,
            stage: Stage::Create,
            committed: 0,
            failed: 0,
            reported: BTreeSet::new(),
        }
    }

    /// Sends the next expectations to the kernel; returns whether there were any.
    pub(crate) fn next_batch(&mut self, cx: &mut Context<'_>) -> bool {
        let len_max = usize::from(cx.config.limits.batch_len_max.get());
        let mut batch = cx.out.new_batch();
        while batch.requests.is_empty() || batch.requests.len().saturating_add(REQUESTS_EACH) <= len_max {
            let Some(id) = cx.external.expectations.first_from(self.slot) else {
                break;
            };
            self.slot = id.slot().saturating_add(1);
            if let Some(wanted) = wanted(id, cx) {
                expect_requests::create(&wanted, &mut batch.requests);
            }
        }
        let is_empty = batch.requests.is_empty();
        if !is_empty {
            self.stage = Stage::Create;
            cx.out.batch(BatchOwner::CommitExpectations, batch);
        }
        !is_empty
    }

    /// Goes on after a batch; returns whether another one is on its way.
    pub(crate) fn batch_ended(
        &mut self,
        batch: &Batch,
        failures: &[RequestFailure],
        cx: &mut Context<'_>,
    ) -> bool {
        let mut replacing = cx.out.new_batch();
        let mut failures = failures.iter().peekable();
        for (index, request) in batch.requests.iter().enumerate() {
            let failure = failures.next_if(|failure| failure.index == index);
            // A deletion that failed makes the creation behind it fail, which is counted. A time that
            // could not be set is the helper's, or the expected flow has come already.
            let FlowRequest::Expectation(ExpectRequest::Create(wanted)) = request else {
                continue;
            };
            match failure.map(|failure| failure.errno) {
                None => self.succeeded(wanted, cx),
                Some(Errno::EEXIST) if self.stage == Stage::Create => {
                    expect_requests::replace(wanted, &mut replacing.requests)
                }
                Some(errno) => self.fail(errno, wanted, cx),
            }
        }
        if replacing.requests.is_empty() {
            return self.next_batch(cx);
        }
        self.stage = Stage::Replace;
        cx.out.batch(BatchOwner::CommitExpectations, replacing);
        true
    }

    /// The kernel has the expectation: so has the internal cache, without news for the peer.
    fn succeeded(&mut self, created: &Expectation, cx: &mut Context<'_>) {
        self.committed = self.committed.saturating_add(1);
        cx.stats.expectations_created = cx.stats.expectations_created.saturating_add(1);
        let master = ExpectKey::of(created).master_key();
        if !cx.config.expectations.wants(created.helper.as_ref()) || cx.internal.find(&master).is_none() {
            return;
        }
        let change = cx.internal.expectations.apply(EventKind::New, created, cx.now);
        if let ExpectChange::Expectation(id) = change {
            cx.resync.saw(id, cx.internal);
        }
    }

    fn fail(&mut self, errno: Errno, wanted: &Expectation, cx: &mut Context<'_>) {
        self.failed = self.failed.saturating_add(1);
        cx.stats.expectations_failed = cx.stats.expectations_failed.saturating_add(1);
        cx.stats.count_errno(errno);
        if self.reported.insert(errno) {
            cx.out.report(Report::CommitExpectationFailed {
                operation: "create",
                errno,
                expectation: Box::new(wanted.clone()),
            });
        }
    }

    /// Tells how it went and lets the clients go.
    pub(crate) fn finish(mut self, cx: &mut Context<'_>) {
        let took = cx.now.saturating_since(self.started);
        cx.out.report(Report::CommittedExpectations {
            committed: self.committed,
            failed: self.failed,
            took,
        });
        cx.out.end(&mut self.clients);
    }

    /// Forgets a client that hung up; the commit goes on.
    pub(crate) fn forget(&mut self, client: ClientId) {
        self.clients.retain(|waiting| *waiting != client);
    }
}

/// Returns what the kernel is to have of an expectation of the peer: nothing if its time is over.
fn wanted(id: ExpectId, cx: &Context<'_>) -> Option<Expectation> {
    let expectation = cx.external.expectations.expectation(id);
    let updated_secs = cx.external.expectations.updated_secs(id);
    let age_secs = cx.now.whole_secs().saturating_sub(updated_secs);
    let timeout_secs = match (cx.config.commit_timeout_secs, expectation.timeout_secs) {
        (Some(configured), _) => Some(configured.get()),
        (None, Some(told)) => Some(told.checked_sub(age_secs).filter(|left| *left > 0)?),
        (None, None) => None,
    };
    Some(Expectation {
        timeout_secs,
        id: None,
        ..expectation
    })
}
