//! What the kernel says of expectations.

use alloc::vec::Vec;

use crate::cache::{ExpectChange, ExpectKey, FlowKey};
use crate::flow::Expectation;
use crate::input::{ClientId, EventKind, Origin, RequestFailure, Table};
use crate::jobs::{Announce, ExpectCommit, ExpectCommitContext};
use crate::output::{Batch, DumpId, ExpectRequest, FlowRequest};
use crate::outputs::BatchOwner;
use crate::report::Report;

use super::Engine;

impl Engine {
    /// Takes an event.
    ///
    /// The beginning of one counts only if its master is known: flows that are not replicated are
    /// followed by none that are. Its end counts in any case, or one whose master goes first would
    /// stay for ever.
    pub(super) fn handle_expectation(&mut self, kind: EventKind, origin: Origin, expectation: &Expectation) {
        self.kernel_stats.events = self.kernel_stats.events.wrapping_add(1);
        if kind == EventKind::New && origin == Origin::NotUs && self.bypass.is_none() {
            self.doubt_master(expectation);
        }
        if !self.config.expectations.is_on() {
            return;
        }
        if !self.config.expectations.wants(expectation.helper.as_ref()) {
            self.kernel_stats.events_filtered = self.kernel_stats.events_filtered.wrapping_add(1);
            return;
        }
        if self.passes_expectation_on(kind, origin, expectation) {
            return;
        }
        match kind {
            EventKind::Destroy => self.expect_resync.saw_end(expectation),
            // What the peer told is its own.
            EventKind::New | EventKind::Update if origin == Origin::Us && self.inject.is_some() => return,
            EventKind::New | EventKind::Update if !self.knows_master(expectation) => {
                return self.internal.expectations.hold(expectation);
            }
            EventKind::New | EventKind::Update => {}
        }
        self.apply_expectation(kind, origin, expectation);
    }

    /// Reads the master of a new expectation back: its helper is about to rewrite what it says.
    fn doubt_master(&mut self, expectation: &Expectation) {
        let master = ExpectKey::of(expectation).master_key();
        if let Some(id) = self.internal.find(&master) {
            self.read_back.saw_master(id, &self.internal);
            self.arm_read_back();
        }
    }

    /// Takes what was told of expectations before their master.
    pub(super) fn take_held_expectations(&mut self, master: &FlowKey) {
        while let Some(expectation) = self.internal.expectations.take_held(master) {
            self.apply_expectation(EventKind::New, Origin::NotUs, &expectation);
        }
    }

    fn apply_expectation(&mut self, kind: EventKind, origin: Origin, expectation: &Expectation) {
        let now = self.now;
        match self.internal.expectations.apply(kind, expectation, now) {
            ExpectChange::Expectation(id) => {
                if kind != EventKind::Destroy {
                    self.expect_resync.saw(id, &mut self.internal);
                }
                match origin {
                    Origin::NotUs => self.sync.enqueue_expectation(id, &mut self.internal),
                    Origin::Us => self.internal.expectations.drop_unreferenced(id),
                }
            }
            ExpectChange::Nothing => {}
            ExpectChange::Full => self.report_expectations_full(),
        }
    }

    /// Takes an entry of a dump.
    pub(super) fn handle_dumped_expectation(&mut self, dump: DumpId, expectation: &Expectation) {
        let is_wanted = self.config.expectations.wants(expectation.helper.as_ref());
        if !is_wanted {
            return;
        }
        if !self.expect_resync.owns(dump) {
            return self.bypass_dumped_expectation(dump, expectation);
        }
        if self.is_expectation_put_by_peer(expectation) {
            return;
        }
        let is_known = self
            .internal
            .expectations
            .find(&ExpectKey::of(expectation))
            .is_some();
        if !is_known && self.expect_resync.passes_over_unknown() {
            return;
        }
        if !is_known && !self.knows_master(expectation) {
            return self.internal.expectations.hold(expectation);
        }
        let (internal, sync) = (&mut self.internal, &mut self.sync);
        let now = self.now;
        if self.expect_resync.dumped(expectation, internal, sync, now) == ExpectChange::Full {
            self.report_expectations_full();
        }
    }

    /// Handles the end of a dump.
    pub(super) fn expectations_read(&mut self) {
        if let Some(inject) = &mut self.inject {
            inject.expectations_read();
        }
        let (internal, sync) = (&mut self.internal, &mut self.sync);
        let ghosts = self.expect_resync.dump_ended(internal, sync, &mut self.out);
        if ghosts > 0 && self.config.poll_period.is_none() {
            self.kernel_stats.ghosts = self.kernel_stats.ghosts.wrapping_add(ghosts);
            self.out
                .report(Report::GhostExpectationsRemoved { expectations: ghosts });
        }
    }

    fn knows_master(&self, expectation: &Expectation) -> bool {
        let master = ExpectKey::of(expectation).master_key();
        self.internal.find(&master).is_some()
    }

    /// Reads tables again; those of expectations only if they are replicated.
    pub(super) fn start_resync(&mut self, table: Table, announce: Announce, client: Option<ClientId>) {
        if self.bypass.is_some() {
            // There is no cache to be brought in line.
            return;
        }
        let has_expectations = self.config.expectations.is_on();
        let (flows, expectations) = match table {
            Table::Flows => (true, false),
            Table::Expectations => (false, has_expectations),
            Table::Both => (true, has_expectations),
        };
        if let Some(client) = client
            && flows
            && expectations
        {
            self.out.await_jobs(client, 2);
        }
        // Flows first: an expectation counts if its master is known.
        if flows {
            self.resync.start(announce, client, &mut self.out);
        }
        if expectations {
            self.expect_resync.start(announce, client, &mut self.out);
        }
    }

    /// Begins a commit of expectations for `clients`.
    pub(super) fn commit_expectations(&mut self, clients: Vec<ClientId>) {
        let mut commit = ExpectCommit::new(clients, self.now);
        if commit.next_batch(&mut self.expect_commit_context()) {
            self.expect_commit = Some(commit);
        } else {
            commit.finish(&mut self.expect_commit_context());
        }
    }

    /// Goes on with it after a batch.
    pub(super) fn expect_commit_batch_ended(&mut self, batch: &Batch, failures: &[RequestFailure]) {
        let Some(mut commit) = self.expect_commit.take() else {
            return;
        };
        if commit.batch_ended(batch, failures, &mut self.expect_commit_context()) {
            self.expect_commit = Some(commit);
        } else {
            commit.finish(&mut self.expect_commit_context());
        }
    }

    fn expect_commit_context(&mut self) -> ExpectCommitContext<'_> {
        ExpectCommitContext {
            config: &self.config,
            external: &self.external,
            internal: &mut self.internal,
            resync: &mut self.expect_resync,
            stats: &mut self.commit_stats,
            out: &mut self.out,
            now: self.now,
        }
    }

    /// Deletes all expectations of the kernel in one go.
    pub(super) fn flush_expectations(&mut self, client: ClientId) {
        self.out.report(Report::FlushingKernelExpectations);
        self.kernel_stats.flushes = self.kernel_stats.flushes.wrapping_add(1);
        self.expect_flush_clients.push(client);
        let request = FlowRequest::Expectation(ExpectRequest::Flush);
        self.out
            .requests(BatchOwner::FlushExpectations, core::iter::once(request));
    }

    /// Handles the end of that: what was there leaves the internal cache, and the peer is not told.
    pub(super) fn expectations_flushed(&mut self, failures: &[RequestFailure]) {
        match failures.first() {
            None => {
                self.internal.expectations.forget_all();
                // Events from before that are still to be read would bring some of them back.
                self.start_resync(Table::Expectations, Announce::Changes, None);
            }
            Some(failure) => self
                .out
                .report(Report::FlushExpectationsFailed { errno: failure.errno }),
        }
        self.out.end(&mut self.expect_flush_clients);
    }

    pub(super) fn report_expectations_full(&mut self) {
        if let Some(refused) = self.expectations_full.note(self.now) {
            self.out.report(Report::CacheFull {
                cache: "internal expectation",
                len_max: self.config.cache_len_max.get(),
                refused,
            });
        }
    }
}
