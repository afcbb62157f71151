//! The commit: the external cache into our kernel.
//!
//! ```text
//!           ┌────────────── next flows ◄──────────────┐
//!           ▼                                         │ none exists
//!        Create ── some exist, or lack something ─► Inspect ─► Resolve ─┐
//!           ▲                                                           │
//!           └───────────────────────────────────────────────────────────┘
//! ```
//!
//! The flows that the peer spoke of last come first, because they carry traffic; expected flows
//! follow their masters. A flow that the kernel has already is brought to the wanted state in
//! place, so that its counters and expectations survive.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::cache::{Change, ExternalCache, FlowId, FlowKey, InternalCache, Liveness};
use crate::config::Config;
use crate::filter::Verdict;
use crate::flow::Flow;
use crate::input::{ClientId, Errno, EventKind, RequestFailure};
use crate::output::{Batch, FlowName, FlowRequest};
use crate::outputs::{BatchOwner, Outputs};
use crate::report::Report;
use crate::stats::CommitStats;
use crate::sync::Sync;
use crate::time::Instant;

use super::committed;

/// What the batch on its way is for.
#[derive(Debug)]
enum Stage {
    /// Flows are created.
    Create,
    /// The kernel is asked what is in the way; the request at each index is about the flow at
    /// that place of `found`.
    Inspect { asked: Vec<usize>, found: Vec<Found> },
    /// They are updated, or created in another way.
    Resolve,
}

/// What the kernel has in the place of a flow.
#[derive(Debug)]
struct Found {
    wanted: Flow,
    /// The flow that has its original tuple, in either direction.
    at_orig: Option<Flow>,
    /// The flow that has its translated reply tuple, in either direction.
    at_reply: Option<Flow>,
}

/// A commit that runs.
#[derive(Debug)]
pub(crate) struct Commit {
    clients: Vec<ClientId>,
    /// Expectations are committed next.
    has_sequel: bool,
    started: Instant,
    /// Flows to go, the next one last.
    plan: Vec<FlowId>,
    /// Expected flows, put off until their masters are in, and how many masters stand above each.
    expected: Vec<(u8, FlowId)>,
    takes_expected: bool,
    stage: Stage,
    committed: u64,
    failed: u64,
    /// Flows that the kernel took and the internal cache had no room for.
    unfiled: u64,
    /// Errors of which a failure of this commit was reported; further ones are only counted.
    reported: BTreeSet<Errno>,
}

/// What a commit reads and writes beside its own state.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    pub(crate) external: &'a ExternalCache,
    pub(crate) internal: &'a mut InternalCache,
    pub(crate) sync: &'a mut Sync,
    pub(crate) stats: &'a mut CommitStats,
    pub(crate) out: &'a mut Outputs,
    pub(crate) now: Instant,
}

impl Commit {
    /// Plans a commit of all flows of the external cache for `client`.
    pub(crate) fn new(external: &ExternalCache, client: ClientId, now: Instant) -> Self {
        let mut plan = Vec::with_capacity(usize::try_from(external.len()).unwrap_or(0));
        let mut slot = 0;
        while let Some(flow) = external.first_from(slot) {
            plan.push((external.updated_secs(flow), Reverse(flow)));
            slot = flow.slot().saturating_add(1);
        }
        plan.sort_unstable();
        Self {
            clients: Vec::from([client]),
            has_sequel: false,
            started: now,
            plan: plan.into_iter().map(|(_, Reverse(flow))| flow).collect(),
            expected: Vec::new(),
            takes_expected: false,
            stage: Stage::Create,
            committed: 0,
            failed: 0,
            unfiled: 0,
            reported: BTreeSet::new(),
        }
    }

    /// Returns it with the expectations to follow.
    #[must_use]
    pub(crate) fn with_sequel(self) -> Self {
        Self {
            has_sequel: true,
            ..self
        }
    }

    /// Sends the next flows to the kernel; returns whether there were any.
    pub(crate) fn next_batch(&mut self, cx: &mut Context<'_>) -> bool {
        let mut batch = cx.out.new_batch();
        while batch.requests.len() < usize::from(cx.config.limits.batch_len_max.get()) {
            let Some(id) = self.plan.pop() else {
                if batch.requests.is_empty() && self.descend() {
                    continue;
                }
                break;
            };
            if !cx.external.contains(id) {
                continue;
            }
            let flow = cx.external.flow(id);
            if flow.master.is_some() && !self.takes_expected {
                self.expected.push((n_masters(&flow, cx.external), id));
                continue;
            }
            let age_secs = cx.now.whole_secs().saturating_sub(cx.external.updated_secs(id));
            let configured = cx.config.commit_timeout_secs.map(core::num::NonZeroU32::get);
            let timeout_secs = committed::timeout_secs(&flow, age_secs, configured);
            let creation = committed::creation(&flow, timeout_secs, cx.config.tcp_window_tracking);
            batch.requests.push(FlowRequest::Create(creation));
        }
        let is_empty = batch.requests.is_empty();
        if !is_empty {
            self.stage = Stage::Create;
            cx.out.batch(BatchOwner::Commit, batch);
        }
        !is_empty
    }

    /// Goes on to the expected flows with the fewest masters above them; returns whether there are any.
    ///
    /// Masters and children are never in one batch: a master may have to be created in another way.
    fn descend(&mut self) -> bool {
        let Some(fewest) = self.expected.iter().map(|(n_masters, _)| *n_masters).min() else {
            return false;
        };
        self.takes_expected = true;
        let expected = core::mem::take(&mut self.expected);
        let (next, rest) = expected
            .into_iter()
            .partition::<Vec<_>, _>(|(n_masters, _)| *n_masters == fewest);
        self.expected = rest;
        self.plan.extend(next.into_iter().rev().map(|(_, id)| id));
        true
    }

    /// Takes the kernel's answer about a flow that exists.
    pub(crate) fn answer(&mut self, index: usize, flow: &Flow) {
        if let Stage::Inspect { asked, found } = &mut self.stage
            && let Some(found) = asked.get(index).and_then(|place| found.get_mut(*place))
        {
            let orig = found.wanted.orig;
            let place = if flow.orig == orig || flow.reply == Some(orig) {
                &mut found.at_orig
            } else {
                &mut found.at_reply
            };
            *place = Some(flow.clone());
        }
    }

    /// Goes on after a batch; returns whether another one is on its way.
    pub(crate) fn batch_ended(
        &mut self,
        batch: &Batch,
        failures: &[RequestFailure],
        cx: &mut Context<'_>,
    ) -> bool {
        match core::mem::replace(&mut self.stage, Stage::Create) {
            Stage::Create => {
                let again = self.created(batch, failures, cx);
                self.inspect(again, cx) || self.next_batch(cx)
            }
            Stage::Inspect { found, .. } => {
                self.resolve(found, cx);
                true
            }
            Stage::Resolve => {
                self.resolved(batch, failures, cx);
                self.next_batch(cx)
            }
        }
    }

    /// Files what was created; returns the flows that must be looked at again.
    fn created(&mut self, batch: &Batch, failures: &[RequestFailure], cx: &mut Context<'_>) -> Vec<Flow> {
        let mut again = Vec::new();
        let mut failures = failures.iter().peekable();
        for (index, request) in batch.requests.iter().enumerate() {
            let FlowRequest::Create(flow) = request else {
                continue;
            };
            match failures.next_if(|failure| failure.index == index) {
                None => self.succeeded(flow, cx),
                Some(RequestFailure {
                    errno: Errno::EEXIST, ..
                }) => again.push(flow.clone()),
                Some(failure) if flow.master.is_some() || flow.helper.is_some() => {
                    self.report(failure.errno, "create", flow, cx);
                    again.push(lesser(flow, failure.errno));
                }
                Some(failure) => self.fail(failure.errno, "create", flow, cx),
            }
        }
        again
    }

    /// Asks what is in the way of each flow; of a translated one both tuples can be taken.
    fn inspect(&mut self, again: Vec<Flow>, cx: &mut Context<'_>) -> bool {
        if again.is_empty() {
            return false;
        }
        let (mut batch, mut asked) = (cx.out.new_batch(), Vec::new());
        for (place, wanted) in again.iter().enumerate() {
            let reply = committed::reply_after_nat(wanted);
            let is_translated = reply != wanted.orig.mirrored();
            for orig in [Some(wanted.orig), is_translated.then_some(reply)]
                .into_iter()
                .flatten()
            {
                let (zone, id) = (wanted.zone, None);
                batch.requests.push(FlowRequest::Get(FlowName { orig, zone, id }));
                asked.push(place);
            }
        }
        cx.out.batch(BatchOwner::Commit, batch);
        let unasked = |wanted| Found {
            wanted,
            at_orig: None,
            at_reply: None,
        };
        let found = again.into_iter().map(unasked).collect();
        self.stage = Stage::Inspect { asked, found };
        true
    }

    /// Updates what exists as wanted, replaces what is translated otherwise, creates what is not there.
    fn resolve(&mut self, found: Vec<Found>, cx: &mut Context<'_>) {
        let mut batch = cx.out.new_batch();
        for found in found {
            let at_orig = found.at_orig.as_ref();
            if let Some(update) = at_orig.and_then(|present| committed::update(present, &found.wanted)) {
                batch.requests.push(FlowRequest::Update(update));
                continue;
            }
            let wrong = [
                found.at_orig,
                found
                    .at_reply
                    .filter(|flow| committed::is_answer_to(flow, &found.wanted)),
            ];
            for Flow { orig, zone, id, .. } in wrong.into_iter().flatten() {
                batch
                    .requests
                    .push(FlowRequest::Delete(FlowName { orig, zone, id }));
            }
            batch.requests.push(FlowRequest::Create(found.wanted));
        }
        self.stage = Stage::Resolve;
        cx.out.batch(BatchOwner::Commit, batch);
    }

    fn resolved(&mut self, batch: &Batch, failures: &[RequestFailure], cx: &mut Context<'_>) {
        let mut failures = failures.iter().peekable();
        for (index, request) in batch.requests.iter().enumerate() {
            let failure = failures.next_if(|failure| failure.index == index);
            match (request, failure) {
                (FlowRequest::Create(flow), None) => self.succeeded(flow, cx),
                (FlowRequest::Create(flow), Some(failure)) => self.fail(failure.errno, "create", flow, cx),
                (FlowRequest::Update(flow), None) => self.updated(flow, cx),
                (FlowRequest::Update(flow), Some(failure)) => self.fail(failure.errno, "update", flow, cx),
                (FlowRequest::Delete(name), None) => bury(name, cx),
                // A flow that could not be deleted makes the creation behind it fail, which is counted.
                (FlowRequest::Delete(_), Some(_))
                | (FlowRequest::Get(_) | FlowRequest::Expectation(_), _) => {}
            }
        }
    }

    /// The kernel has the flow: so has the internal cache, if the filter keeps it, without news for the peer.
    fn succeeded(&mut self, creation: &Flow, cx: &mut Context<'_>) {
        self.committed = self.committed.saturating_add(1);
        cx.stats.created = cx.stats.created.saturating_add(1);
        self.file(EventKind::New, &committed::created(creation), cx);
    }

    fn updated(&mut self, update: &Flow, cx: &mut Context<'_>) {
        self.committed = self.committed.saturating_add(1);
        cx.stats.updated = cx.stats.updated.saturating_add(1);
        self.file(EventKind::Update, &committed::updated(update), cx);
    }

    fn file(&mut self, kind: EventKind, flow: &Flow, cx: &mut Context<'_>) {
        let is_kept = cx.config.filter.judge(flow) == Verdict::Kept;
        if is_kept && cx.internal.apply(kind, flow, cx.now) == Change::Full {
            self.unfiled = self.unfiled.saturating_add(1);
        }
    }

    fn fail(&mut self, errno: Errno, operation: &'static str, flow: &Flow, cx: &mut Context<'_>) {
        self.failed = self.failed.saturating_add(1);
        cx.stats.failed = cx.stats.failed.saturating_add(1);
        self.report(errno, operation, flow, cx);
    }

    /// Counts an error, and reports its first flow in this commit.
    fn report(&mut self, errno: Errno, operation: &'static str, flow: &Flow, cx: &mut Context<'_>) {
        cx.stats.count_errno(errno);
        if self.reported.insert(errno) {
            cx.out.report(Report::CommitFailed {
                operation,
                errno,
                flow: Box::new(flow.clone()),
            });
        }
    }

    /// Returns whether the expectations are to follow.
    pub(crate) const fn has_sequel(&self) -> bool {
        self.has_sequel
    }

    /// Tells how it went; returns the clients, who may wait for the expectations too.
    pub(crate) fn finish(self, cx: &mut Context<'_>) -> Vec<ClientId> {
        if self.unfiled > 0 {
            cx.out.report(Report::CacheFull {
                cache: "internal",
                len_max: cx.config.cache_len_max.get(),
                refused: self.unfiled,
            });
        }
        let took = cx.now.saturating_since(self.started);
        cx.out.report(Report::Committed {
            committed: self.committed,
            failed: self.failed,
            took,
        });
        self.clients
    }

    /// Forgets a client that hung up; the commit goes on.
    pub(crate) fn forget(&mut self, client: ClientId) {
        self.clients.retain(|waiting| *waiting != client);
    }
}

/// Returns how many masters stand above an expected flow: those of an H.323 call are expected themselves.
fn n_masters(flow: &Flow, external: &ExternalCache) -> u8 {
    const MAX: u8 = 8;
    let (mut n_masters, mut master) = (0_u8, flow.master);
    while let Some(orig) = master.filter(|_| n_masters < MAX) {
        n_masters = n_masters.saturating_add(1);
        let name = FlowName {
            orig,
            zone: flow.zone,
            id: None,
        };
        let found = external.find(&FlowKey::of_name(&name));
        master = found.and_then(|id| external.flow(id).master);
    }
    n_masters
}

/// Takes a flow that was deleted to make room out of the internal cache, and tells the peer.
fn bury(name: &FlowName, cx: &mut Context<'_>) {
    if let Some(id) = cx.internal.find(&FlowKey::of_name(name))
        && cx.internal.liveness(id) != Liveness::Dead
    {
        cx.internal.kill(id);
        cx.sync.enqueue(id, cx.internal);
    }
}

/// Returns the flow without what the kernel could not give it: its master is not there, or its
/// helper is not known. The stream goes on all the same.
fn lesser(flow: &Flow, errno: Errno) -> Flow {
    let mut lesser = flow.clone();
    match errno {
        Errno::ENOENT => lesser.master = None,
        Errno::EOPNOTSUPP => lesser.helper = None,
        _ => {}
    }
    lesser
}
