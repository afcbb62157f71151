//! What the kernel says: events, dumps, and the ends of batches.

use crate::cache::{Change, FlowKey};
use crate::filter::{SetName, Step, Verdict};
use crate::flow::Flow;
use crate::input::{Errno, EventKind, KernelInput, Origin, RequestFailure, Table};
use crate::jobs::{Commit, Ended, READ_BACK_DELAY};
use crate::output::{Batch, DumpId};
use crate::outputs::BatchOwner;
use crate::report::Report;
use crate::sync::BulkCause;
use crate::timer::Timer;

use super::{COMMIT_RECONCILE, DUMP_RETRY, Engine};

impl Engine {
    pub(super) fn handle_kernel(&mut self, input: KernelInput<'_>) {
        match input {
            KernelInput::Flow { kind, origin, flow } => self.handle_event(kind, origin, flow),
            KernelInput::Expect {
                kind,
                origin,
                expectation,
            } => self.handle_expectation(kind, origin, expectation),
            KernelInput::Overrun => self.handle_overrun(),
            KernelInput::Dumped { dump, flow } => self.handle_dumped(dump, flow),
            KernelInput::DumpedExpectation { dump, expectation } => {
                self.handle_dumped_expectation(dump, expectation);
            }
            KernelInput::DumpEnded { dump, error: None } => self.handle_dump_ended(dump),
            KernelInput::DumpEnded {
                dump,
                error: Some(errno),
            } => self.handle_dump_failed(dump, errno),
            KernelInput::Answer { index, flow } => match self.out.batch_owner() {
                Some(BatchOwner::Commit) => {
                    if let Some(commit) = &mut self.commit {
                        commit.answer(index, flow);
                    }
                }
                Some(BatchOwner::ReadBack) => self.read_back_answered(index, flow),
                Some(BatchOwner::Inject) => self.inject_answered(index, flow),
                Some(BatchOwner::Masters) => self.master_answered(index, flow),
                Some(
                    BatchOwner::Flush
                    | BatchOwner::Ghosts
                    | BatchOwner::CommitExpectations
                    | BatchOwner::FlushExpectations
                    | BatchOwner::InjectExpectations,
                )
                | None => {}
            },
            KernelInput::BatchEnded { batch, failures } => self.handle_batch_ended(batch, failures),
        }
    }

    fn handle_event(&mut self, kind: EventKind, origin: Origin, flow: &Flow) {
        self.kernel_stats.events = self.kernel_stats.events.wrapping_add(1);
        let verdict = match kind {
            EventKind::New | EventKind::Update => self.config.filter.judge(flow),
            EventKind::Destroy => self.config.filter.judge_end(flow),
        };
        if let Verdict::Excluded(step) = verdict {
            self.kernel_stats.events_filtered = self.kernel_stats.events_filtered.wrapping_add(1);
            if may_be_cached(step) {
                self.resync.passed_over(flow, &mut self.internal, &mut self.sync);
            }
            return;
        }
        if self.passes_on(kind, origin, flow) {
            return;
        }
        if kind == EventKind::Destroy {
            self.resync.saw_end(flow);
            if self.was_never_kept(flow) {
                return;
            }
        } else if origin == Origin::Us && self.inject.is_some() {
            // What the peer told is its own.
            return;
        }
        match self.internal.apply(kind, flow, self.now) {
            Change::Flow(id) => {
                self.resync.saw(id, &mut self.internal);
                match origin {
                    Origin::NotUs => {
                        if self.read_back.saw(id, flow, &self.internal) {
                            self.sync.enqueue(id, &mut self.internal);
                        }
                        self.arm_read_back();
                    }
                    Origin::Us => self.internal.drop_unreferenced(id),
                }
                if kind == EventKind::New {
                    self.take_held_expectations(&FlowKey::of(flow));
                }
            }
            Change::Nothing => {}
            Change::Full => self.report_internal_full(),
        }
    }

    /// Returns whether a flow that ends in an excluded state is one that was excluded all along.
    fn was_never_kept(&self, flow: &Flow) -> bool {
        self.config.filter.judge(flow) != Verdict::Kept && self.internal.find(&FlowKey::of(flow)).is_none()
    }

    /// Sees to it that flows that are to be read back are asked for.
    pub(super) fn arm_read_back(&mut self) {
        if self.read_back.is_due() {
            self.timers
                .arm_if_idle(Timer::ReadBack, self.now.saturating_add(READ_BACK_DELAY));
        }
    }

    pub(super) fn read_flows_back(&mut self) {
        let batch_len_max = self.config.limits.batch_len_max.get();
        self.read_back.ask(&self.internal, batch_len_max, &mut self.out);
        self.arm_read_back();
    }

    fn read_back_answered(&mut self, index: usize, flow: &Flow) {
        let (internal, sync, now) = (&mut self.internal, &mut self.sync, self.now);
        if self.config.filter.judge(flow) != Verdict::Kept {
            return self.read_back.unanswered(index, internal, sync);
        }
        if let Some(id) = self.read_back.answer(index, flow, internal, sync, now) {
            self.resync.saw(id, &mut self.internal);
        }
    }

    fn handle_overrun(&mut self) {
        self.kernel_stats.overruns = self.kernel_stats.overruns.wrapping_add(1);
        self.resync.lost_events();
        self.expect_resync.lost_events();
        if self.bypass.is_some() {
            return self.out.report(Report::OverrunWithoutCache);
        }
        let delay = self.config.overrun_resync;
        self.out.report(Report::Overrun {
            resync_in_secs: delay.map(|delay| delay.as_secs()),
        });
        if let Some(delay) = delay {
            // An overrun that follows does not put it off, or a steady stream of them would for ever.
            self.timers
                .arm_if_idle(Timer::OverrunResync, self.now.saturating_add(delay));
        }
    }

    fn handle_dumped(&mut self, dump: DumpId, flow: &Flow) {
        let verdict = self.config.filter.judge(flow);
        if self.resync.owns(dump) {
            if self.is_put_by_peer(flow) {
                return;
            }
            let now = self.now;
            let (internal, sync) = (&mut self.internal, &mut self.sync);
            match verdict {
                Verdict::Kept => match self.resync.dumped(flow, internal, sync, now) {
                    Change::Flow(_) => self.take_held_expectations(&FlowKey::of(flow)),
                    Change::Nothing => {}
                    Change::Full => self.report_internal_full(),
                },
                Verdict::Excluded(step) if may_be_cached(step) => {
                    self.resync.dumped_in_vain(flow, internal, sync);
                }
                Verdict::Excluded(_) => {}
            }
        } else if self.flush.owns(dump) && verdict == Verdict::Kept {
            self.flush.dumped(flow);
        } else if verdict == Verdict::Kept {
            self.bypass_dumped(dump, flow);
        }
    }

    fn handle_dump_ended(&mut self, dump: DumpId) {
        let batch_len_max = self.config.limits.batch_len_max.get();
        if self.resync.owns(dump) {
            if let Some(inject) = &mut self.inject {
                inject.flows_read();
            }
            let ended = self
                .resync
                .dump_ended(&self.internal, batch_len_max, &mut self.out);
            self.resync_ended(ended);
        } else if self.expect_resync.owns(dump) {
            self.expectations_read();
            self.begin_to_tell();
        } else if self.flush.owns(dump) {
            self.flush.dump_ended(batch_len_max, &mut self.out);
        } else {
            self.bypass_dump_ended(dump);
        }
    }

    fn handle_dump_failed(&mut self, dump: DumpId, errno: Errno) {
        self.kernel_stats.dumps_failed = self.kernel_stats.dumps_failed.wrapping_add(1);
        let table = if self.expect_resync.owns(dump) {
            Table::Expectations
        } else {
            Table::Flows
        };
        self.out.report(Report::DumpFailed { table, errno });
        if self.resync.owns(dump) {
            self.resync.dump_failed(&mut self.out);
        } else if self.expect_resync.owns(dump) {
            self.expect_resync.dump_failed(&mut self.out);
        } else {
            if self.flush.owns(dump) {
                let batch_len_max = self.config.limits.batch_len_max.get();
                self.flush.dump_ended(batch_len_max, &mut self.out);
            } else {
                self.bypass_dump_ended(dump);
            }
            return;
        }
        self.timers
            .arm_if_idle(Timer::OverrunResync, self.now.saturating_add(DUMP_RETRY));
    }

    fn handle_batch_ended(&mut self, batch: Batch, failures: &[RequestFailure]) {
        let batch_len_max = self.config.limits.batch_len_max.get();
        match self.out.batch_owner() {
            Some(BatchOwner::Commit) => self.commit_batch_ended(&batch, failures),
            Some(BatchOwner::Flush) => {
                let internal = &mut self.internal;
                self.flush
                    .batch_ended(&batch, failures, internal, batch_len_max, &mut self.out);
            }
            Some(BatchOwner::Ghosts) => {
                let (internal, sync) = (&mut self.internal, &mut self.sync);
                let ended =
                    self.resync
                        .batch_ended(&batch, failures, internal, sync, batch_len_max, &mut self.out);
                self.resync_ended(ended);
            }
            Some(BatchOwner::CommitExpectations) => self.expect_commit_batch_ended(&batch, failures),
            Some(BatchOwner::FlushExpectations) => self.expectations_flushed(failures),
            Some(BatchOwner::ReadBack) => {
                let (internal, sync) = (&mut self.internal, &mut self.sync);
                self.read_back.batch_ended(&batch, failures, internal, sync);
                self.arm_read_back();
            }
            Some(BatchOwner::Inject) => self.inject_batch_ended(&batch, failures),
            Some(BatchOwner::InjectExpectations) => self.inject_expectations_ended(failures),
            Some(BatchOwner::Masters) => self.masters_asked(failures),
            None => {}
        }
        self.out.batch_ended(batch);
    }

    fn resync_ended(&mut self, ended: Option<Ended>) {
        let Some(Ended::Complete { ghosts }) = ended else {
            return;
        };
        // Where the table is polled no flow ends with an event.
        if ghosts > 0 && self.config.poll_period.is_none() {
            self.kernel_stats.ghosts = self.kernel_stats.ghosts.wrapping_add(ghosts);
            self.out.report(Report::GhostsRemoved { flows: ghosts });
        }
        self.begin_to_tell();
    }

    /// Tells the peer all there is, once both tables have been read after the start.
    fn begin_to_tell(&mut self) {
        if !self.is_starting || !self.resync.is_idle() || !self.expect_resync.is_idle() {
            return;
        }
        self.is_starting = false;
        if self.internal.first_from(0).is_some() {
            self.start_bulk(BulkCause::Startup);
        }
    }

    fn commit_batch_ended(&mut self, batch: &Batch, failures: &[RequestFailure]) {
        let Some(mut commit) = self.commit.take() else {
            return;
        };
        if commit.batch_ended(batch, failures, &mut self.commit_context()) {
            self.commit = Some(commit);
        } else {
            self.end_commit(commit);
            // Finds new flows of which nobody told while the commit ran: see `Batch`.
            self.timers
                .arm(Timer::Reconcile, self.now.saturating_add(COMMIT_RECONCILE));
        }
    }

    /// Ends a commit of flows; that of expectations follows if it was asked for.
    pub(super) fn end_commit(&mut self, commit: Commit) {
        let has_sequel = commit.has_sequel();
        let mut clients = commit.finish(&mut self.commit_context());
        if has_sequel {
            self.commit_expectations(clients);
        } else {
            self.out.end(&mut clients);
        }
    }

    pub(super) fn report_internal_full(&mut self) {
        if let Some(refused) = self.cache_full.note(self.now) {
            let len_max = self.config.cache_len_max.get();
            self.out.report(Report::CacheFull {
                cache: "internal",
                len_max,
                refused,
            });
        }
    }
}

/// Returns whether a flow that is excluded can be in the cache: a state changes, protocol and
/// addresses do not.
fn may_be_cached(excluded_by: Step) -> bool {
    excluded_by.set == SetName::State
}
