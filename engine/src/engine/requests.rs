//! What clients of the control socket ask for.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::input::{CacheName, ClientId, Request, StatsTopic, Table};
use crate::jobs::{Announce, Bypass, Commit, Inject};
use crate::output::Reply;
use crate::report::Report;
use crate::stats::{SendStats, Statistics};
use crate::sync::BulkCause;
use crate::timer::Timer;

use super::Engine;

impl Engine {
    pub(super) fn handle_request(&mut self, client: ClientId, request: Request) {
        let has_expectations = self.config.expectations.is_on();
        match request {
            // Without synchronised expectations these have nothing to do, as at the stock daemon.
            Request::Dump {
                table: Table::Expectations,
                ..
            }
            | Request::Commit(Table::Expectations)
            | Request::FlushKernel(Table::Expectations)
            | Request::ResyncKernel(Table::Expectations)
            | Request::Statistics(StatsTopic::Expectations)
                if !has_expectations => {}
            Request::Dump {
                cache: CacheName::Internal,
                table,
                format,
            } if self.reads_kernel(client, table, format) => return,
            Request::Dump { table, cache, format } => {
                let (dumps, mut cx) = self.cache_dumps();
                return dumps.start(client, cache, table, format, &mut cx);
            }
            Request::Commit(table) => return self.start_commit(client, table),
            Request::FlushKernel(table) => return self.flush_kernel(client, table),
            Request::ResyncKernel(table) => return self.resync_kernel(client, table),
            Request::Stop => return self.out.reply(client, Reply::Stop),
            Request::FlushCache(cache) => self.flush_cache(cache),
            Request::Bulk => self.start_bulk(BulkCause::Command),
            // ALARM has no message for it, and the stock daemon says nothing about it.
            Request::RequestResync if !self.sync.has_control() => {}
            Request::RequestResync => {
                self.out.report(Report::ResyncRequested);
                self.sync.request_resync();
            }
            Request::SchedulePurge => self.schedule_purge(),
            Request::Statistics(topic) => {
                let statistics = Box::new(self.statistics(topic));
                self.out.reply(client, Reply::Statistics(topic, statistics));
            }
        }
        self.out.reply(client, Reply::End);
    }

    fn start_commit(&mut self, client: ClientId, table: Table) {
        // What a commit finds in the kernel it keeps: a purge must not delete it behind its back.
        self.timers.disarm(Timer::Purge);
        self.flush.cancel_purge();
        if self.is_committing() {
            self.out.report(Report::CommitInProgress);
            return self.out.reply(client, Reply::End);
        }
        self.out.report(match table {
            Table::Flows => Report::CommittingFlows,
            Table::Expectations => Report::CommittingExpectations,
            Table::Both => Report::CommittingAll,
        });
        if self.inject.is_some() {
            // The kernel has it all.
            return self.out.reply(client, Reply::End);
        }
        let commit = Commit::new(&self.external, client, self.now);
        match table {
            Table::Flows => self.commit_flows(commit),
            Table::Both if !self.config.expectations.is_on() => self.commit_flows(commit),
            Table::Both => self.commit_flows(commit.with_sequel()),
            Table::Expectations => self.commit_expectations(Vec::from([client])),
        }
    }

    fn commit_flows(&mut self, mut commit: Commit) {
        if commit.next_batch(&mut self.commit_context()) {
            self.commit = Some(commit);
        } else {
            self.end_commit(commit);
        }
    }

    /// Returns whether a commit runs.
    const fn is_committing(&self) -> bool {
        self.commit.is_some() || self.expect_commit.is_some()
    }

    fn flush_kernel(&mut self, client: ClientId, table: Table) {
        let has_expectations = self.config.expectations.is_on() && table != Table::Flows;
        if table == Table::Both && has_expectations {
            self.out.await_jobs(client, 2);
        }
        if table != Table::Expectations {
            self.out.report(Report::FlushingKernel);
            self.kernel_stats.flushes = self.kernel_stats.flushes.wrapping_add(1);
            self.flush.start(Some(client), &mut self.out);
        }
        if has_expectations {
            self.flush_expectations(client);
        }
    }

    fn resync_kernel(&mut self, client: ClientId, table: Table) {
        if self.bypass.is_some() {
            let n_tables = if table == Table::Both { 2 } else { 1 };
            for _ in 0..n_tables {
                self.out.report(Report::Unsupported { command: "resync" });
            }
            return self.out.reply(client, Reply::End);
        }
        let has_expectations = self.config.expectations.is_on() && table != Table::Flows;
        let reports = [
            (table != Table::Expectations).then_some(Report::ResyncKernel),
            has_expectations.then_some(Report::ResyncKernelExpectations),
        ];
        for report in reports.into_iter().flatten() {
            self.out.report(report);
            self.kernel_stats.resyncs = self.kernel_stats.resyncs.wrapping_add(1);
        }
        if let Some(inject) = &mut self.inject {
            inject.take_all(table);
        }
        // Where the table is polled no event has told the peer what this brings.
        let announce = match self.config.poll_period {
            Some(_) => Announce::Changes,
            None => Announce::No,
        };
        self.start_resync(table, announce, Some(client));
    }

    fn flush_cache(&mut self, cache: Option<CacheName>) {
        if self.is_committing() && cache != Some(CacheName::Internal) {
            return self.out.report(Report::FlushDuringCommit);
        }
        self.out.report(match cache {
            None => Report::FlushingCaches,
            Some(CacheName::Internal) => Report::FlushingInternal,
            Some(CacheName::External) => Report::FlushingExternal,
        });
        if cache != Some(CacheName::External) {
            self.timers.disarm(Timer::Purge);
            self.flush_internal();
        }
        if cache != Some(CacheName::Internal) {
            self.external.clear();
        }
        // With one cache named, the stock daemon empties that of flows alone.
        if cache.is_none() {
            self.sync.forget_expectations(&mut self.internal);
            self.internal.expectations.clear();
            self.external.expectations.clear();
        }
    }

    fn flush_internal(&mut self) {
        self.sync.forget_flows(&mut self.internal);
        self.internal.clear();
    }

    fn schedule_purge(&mut self) {
        if !self.timers.is_armed(Timer::Purge) {
            let delay = self.config.purge_timeout;
            self.out.report(Report::PurgeScheduled {
                secs: delay.as_secs(),
            });
            self.timers.arm(Timer::Purge, self.now.saturating_add(delay));
        }
    }

    pub(super) fn purge(&mut self) {
        self.out.report(Report::PurgeBegins);
        self.kernel_stats.flushes = self.kernel_stats.flushes.wrapping_add(1);
        self.flush.start(None, &mut self.out);
        self.flush_internal();
    }

    fn statistics(&self, topic: StatsTopic) -> Statistics {
        let resend_queue = (topic == StatsTopic::ResendQueue)
            .then(|| self.sync.resend_queue())
            .flatten()
            .map(Box::<Vec<_>>::new);
        Statistics {
            internal: self.internal.stats(),
            external: self.external.stats(),
            internal_expect: self.internal.expectations.stats(),
            external_expect: self.external.expectations.stats(),
            bypass: self.bypass.as_ref().map(Bypass::stats),
            inject: self.inject.as_ref().map(Inject::stats),
            bypass_expect: self.bypass.as_ref().map(Bypass::expectation_stats),
            inject_expect: self.inject.as_ref().map(Inject::expectation_stats),
            traffic: self.internal.traffic(),
            receive: self.peers.stats(),
            senders: self.peers.sender_stats(),
            kernel: self.kernel_stats,
            commit: self.commit_stats.clone(),
            send: SendStats {
                bulks_put_off: self.bulk_limit.put_off(),
                ..self.send_stats
            },
            queues: self.sync.queue_stats(),
            resend_queue,
            active_channel: self.channels.current(),
        }
    }

    pub(super) fn forget_client(&mut self, client: ClientId) {
        self.dumps.forget(client);
        if let Some(bypass) = &mut self.bypass {
            bypass.forget(client);
        }
        self.flush.forget(client);
        self.resync.forget(client);
        self.expect_resync.forget(client);
        self.expect_flush_clients.retain(|waiting| *waiting != client);
        self.out.forget(client);
        if let Some(commit) = &mut self.expect_commit {
            commit.forget(client);
        }
        if let Some(commit) = &mut self.commit {
            commit.forget(client);
        }
    }
}
