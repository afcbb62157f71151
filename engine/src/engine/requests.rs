//! What clients of the control socket ask for.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::input::{CacheName, ClientId, Request, StatsTopic, Table};
use crate::jobs::{Announce, Commit};
use crate::output::Reply;
use crate::report::Report;
use crate::stats::Statistics;
use crate::sync::BulkCause;
use crate::timer::Timer;

use super::Engine;

impl Engine {
    pub(super) fn handle_request(&mut self, client: ClientId, request: Request) {
        match request {
            Request::Dump {
                table: Table::Flows,
                cache,
                format,
            } => {
                let (dumps, mut cx) = self.cache_dumps();
                return dumps.start(client, cache, format, &mut cx);
            }
            Request::Commit(Table::Flows) => return self.start_commit(client, Report::CommittingFlows),
            Request::Commit(Table::Both) => return self.start_commit(client, Report::CommittingAll),
            Request::FlushKernel(Table::Flows | Table::Both) => {
                self.out.report(Report::FlushingKernel);
                self.kernel_stats.flushes = self.kernel_stats.flushes.wrapping_add(1);
                return self.flush.start(Some(client), &mut self.out);
            }
            Request::ResyncKernel(Table::Flows | Table::Both) => {
                self.out.report(Report::ResyncKernel);
                self.kernel_stats.resyncs = self.kernel_stats.resyncs.wrapping_add(1);
                return self.resync.start(Announce::No, Some(client), &mut self.out);
            }
            Request::Stop => return self.out.reply(client, Reply::Stop),
            // Without synchronised expectations these have nothing to do, as at the stock daemon.
            Request::Dump { .. }
            | Request::Commit(Table::Expectations)
            | Request::FlushKernel(Table::Expectations)
            | Request::ResyncKernel(Table::Expectations)
            | Request::Statistics(StatsTopic::Expectations) => {}
            Request::FlushCache(cache) => self.flush_cache(cache),
            Request::Bulk => self.start_bulk(BulkCause::Command),
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

    fn start_commit(&mut self, client: ClientId, report: Report) {
        // What a commit finds in the kernel it keeps: a purge must not delete it behind its back.
        self.timers.disarm(Timer::Purge);
        self.flush.cancel_purge();
        if self.commit.is_some() {
            self.out.report(Report::CommitInProgress);
            return self.out.reply(client, Reply::End);
        }
        self.out.report(report);
        let mut commit = Commit::new(&self.external, client, self.now);
        if commit.next_batch(&mut self.commit_context()) {
            self.commit = Some(commit);
        } else {
            commit.finish(&mut self.commit_context());
        }
    }

    fn flush_cache(&mut self, cache: Option<CacheName>) {
        if self.commit.is_some() && cache != Some(CacheName::Internal) {
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
            traffic: self.internal.traffic(),
            receive: self.peer.stats(),
            kernel: self.kernel_stats,
            commit: self.commit_stats.clone(),
            send: self.send_stats,
            queues: self.sync.queue_stats(),
            resend_queue,
            active_channel: self.channels.current(),
            ..Statistics::default()
        }
    }

    pub(super) fn forget_client(&mut self, client: ClientId) {
        self.dumps.forget(client);
        self.flush.forget(client);
        self.resync.forget(client);
        if let Some(commit) = &mut self.commit {
            commit.forget(client);
        }
    }
}
