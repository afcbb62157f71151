//! The engine: every input goes in here, and is passed to the one part whose business it is.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::cache::{Change, ExternalCache, HashKey, InternalCache};
use crate::config::{Config, Mode, TcpWindowTracking};
use crate::flow::Flow;
use crate::input::{
    CacheName, Channel, ClientEvent, ClientId, EventKind, Input, KernelInput, LinkEvent, Origin, Request,
    RequestFailure, StatsTopic, Table,
};
use crate::jobs::{self, Announce, CacheDumps, Commit, Ended, Flush, Resync};
use crate::output::{Batch, DumpId, Output, Reply};
use crate::outputs::{BatchOwner, Outputs};
use crate::peer::{self, Peer};
use crate::report::Report;
use crate::rng::{Purpose, Seed};
use crate::stats::{CommitStats, KernelStats, Statistics};
use crate::sync::{Bulk, BulkCause, Sync, Transmitter};
use crate::throttle::Throttle;
use crate::time::{Instant, UnixTime};
use crate::timer::{Timer, Timers};
use crate::wire::{EncodeOptions, Timeouts, WindowScales};

/// Time without a transmission after which one is made (docs/sync-protocol.md, "Alive timer").
const ALIVE_PERIOD: Duration = Duration::from_secs(1);

/// Time between two looks through the resend queue for messages that nobody will acknowledge.
const STALE_RESEND_PERIOD: Duration = Duration::from_secs(5);

/// Time until a dump that failed, or missed too much, is tried again.
const DUMP_RETRY: Duration = Duration::from_secs(5);

/// One node of the cluster.
///
/// The contract with its driver is told in the crate's documentation.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    wall_at_start: UnixTime,
    start: Instant,
    now: Instant,
    internal: InternalCache,
    external: ExternalCache,
    sync: Sync,
    bulk: Bulk,
    transmitter: Transmitter,
    channel: Channel,
    peer: Peer,
    resync: Resync,
    flush: Flush,
    commit: Option<Commit>,
    dumps: CacheDumps,
    timers: Timers,
    out: Outputs,
    kernel_stats: KernelStats,
    commit_stats: CommitStats,
    cache_full: Throttle,
    resend_full: Throttle,
    resend_full_told: u64,
    send_failed: Throttle,
    /// The first dump is not complete: the peer has not been told what we have.
    is_starting: bool,
}

impl Engine {
    /// Returns a node that has just started at `wall`; its first output asks for the kernel's table.
    ///
    /// The driver must have subscribed to the kernel's events before it carries that out.
    #[must_use]
    pub fn new(config: Config, seed: Seed, wall: UnixTime, now: Instant) -> Self {
        let hash_key = |purpose| {
            let mut rng = seed.stream(purpose);
            HashKey(rng.next_u64(), rng.next_u64())
        };
        let options = EncodeOptions {
            timeouts: if config.commit_timeout_secs.is_some() {
                Timeouts::Omit
            } else {
                Timeouts::Send
            },
            window_scales: match config.tcp_window_tracking {
                TcpWindowTracking::On => WindowScales::Send,
                TcpWindowTracking::Off => WindowScales::Omit,
            },
        };
        let channel = Channel(config.default_link);
        let payload_len_max = config
            .links
            .get(usize::from(channel.0))
            .map_or(0, |link| link.payload_len_max);
        let mut engine = Self {
            wall_at_start: wall,
            start: now,
            now,
            internal: InternalCache::new(config.cache_len_max, hash_key(Purpose::InternalIndex)),
            external: ExternalCache::new(config.cache_len_max, hash_key(Purpose::ExternalIndex)),
            sync: Sync::new(config.mode),
            bulk: Bulk::default(),
            transmitter: Transmitter::new(wall, options, payload_len_max),
            channel,
            peer: Peer::default(),
            resync: Resync::new(config.limits.dump_tombstones_max),
            flush: Flush::default(),
            commit: None,
            dumps: CacheDumps::default(),
            timers: Timers::default(),
            out: Outputs::default(),
            kernel_stats: KernelStats::default(),
            commit_stats: CommitStats::default(),
            cache_full: Throttle::default(),
            resend_full: Throttle::default(),
            resend_full_told: 0,
            send_failed: Throttle::default(),
            is_starting: true,
            config,
        };
        engine.timers.arm(Timer::Alive, now.saturating_add(ALIVE_PERIOD));
        if matches!(engine.config.mode, Mode::Ftfw(_)) {
            engine
                .timers
                .arm(Timer::StaleResend, now.saturating_add(STALE_RESEND_PERIOD));
        }
        engine.arm_reconcile();
        engine.resync.start(Announce::No, None, &mut engine.out);
        engine
    }

    /// Handles something that happened at `now`. Never fails: bad input is counted and reported.
    pub fn handle_input(&mut self, input: Input<'_>, now: Instant) {
        self.now = now;
        match input {
            Input::Kernel(input) => self.handle_kernel(input),
            Input::Peer { payload, .. } => self.handle_peer(payload),
            Input::Request(client, request) => self.handle_request(client, request),
            Input::Client(client, ClientEvent::Ready) => {
                let (dumps, mut cx) = self.cache_dumps();
                dumps.next_part(client, &mut cx);
            }
            Input::Client(client, ClientEvent::Gone) => self.forget_client(client),
            Input::Link(channel, event) => self.handle_link(channel, event),
            Input::Shutdown => self.bulk = Bulk::default(),
        }
        #[cfg(debug_assertions)]
        self.check_invariants();
    }

    /// Does what is due at `now`; before the announced deadline it does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self
            .poll_timeout()
            .filter(|(at, _)| *at <= now)
            .map(|(_, timer)| timer)
        {
            self.now = now;
            self.timers.disarm(timer);
            self.handle_timer(timer);
        }
        #[cfg(debug_assertions)]
        self.check_invariants();
    }

    /// Returns the next thing the driver must do; it drains to `None` after every `handle_*`.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.out.pop() {
            return Some(output);
        }
        let payload = self
            .transmitter
            .next_datagram(&mut self.sync, &mut self.internal)?;
        self.timers
            .arm(Timer::Alive, self.now.saturating_add(ALIVE_PERIOD));
        self.report_resend_overflow();
        self.out.push(Output::Send(self.channel, payload));
        self.out.pop()
    }

    /// Returns when to call [`Self::handle_timeout`], and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let bulk = self.bulk.deadline().map(|at| (at, Timer::Bulk));
        let sweep = self.peer.sweep_deadline().map(|at| (at, Timer::Sweep));
        [self.timers.next(), bulk, sweep].into_iter().flatten().min()
    }

    fn handle_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Alive => {
                self.sync.alive();
                self.timers
                    .arm(Timer::Alive, self.now.saturating_add(ALIVE_PERIOD));
            }
            Timer::StaleResend => {
                let len_max = self.config.limits.bulk_turn_len_max.get();
                let is_peer_alive = self.peer.is_alive(self.now);
                self.sync
                    .resend_stale(is_peer_alive, len_max, self.transmitter.next_seq());
                self.timers
                    .arm(Timer::StaleResend, self.now.saturating_add(STALE_RESEND_PERIOD));
            }
            Timer::Bulk => {
                let len_max = self.config.limits.bulk_turn_len_max.get();
                self.bulk
                    .turn(len_max, &mut self.sync, &mut self.internal, self.now);
            }
            Timer::Sweep => {
                let len_max = self.config.limits.bulk_turn_len_max.get();
                self.peer.sweep(&self.sync, &mut self.external, len_max, self.now);
            }
            Timer::Purge => self.purge(),
            Timer::OverrunResync => {
                self.kernel_stats.resyncs = self.kernel_stats.resyncs.wrapping_add(1);
                self.resync.start(Announce::Changes, None, &mut self.out);
            }
            Timer::Reconcile => {
                self.resync.start(Announce::Changes, None, &mut self.out);
                self.arm_reconcile();
            }
        }
    }

    fn handle_kernel(&mut self, input: KernelInput<'_>) {
        match input {
            KernelInput::Flow { kind, origin, flow } => self.handle_event(kind, origin, flow),
            // The expectation caches stay empty until a mode that synchronises expectations exists.
            KernelInput::Expect { .. } => {}
            KernelInput::Overrun => self.handle_overrun(),
            KernelInput::Dumped { dump, flow } => self.handle_dumped(dump, flow),
            KernelInput::DumpEnded { dump, error: None } => self.handle_dump_ended(dump),
            KernelInput::DumpEnded {
                dump,
                error: Some(errno),
            } => {
                self.kernel_stats.dumps_failed = self.kernel_stats.dumps_failed.wrapping_add(1);
                self.out.report(Report::DumpFailed { errno });
                if self.resync.owns(dump) {
                    self.resync.dump_failed(&mut self.out);
                    self.timers
                        .arm_if_idle(Timer::OverrunResync, self.now.saturating_add(DUMP_RETRY));
                } else if self.flush.owns(dump) {
                    self.flush.dump_ended(&mut self.out);
                }
            }
            KernelInput::Answer { index, flow } => match self.out.batch_owner() {
                Some(BatchOwner::Commit) => {
                    if let Some(commit) = &mut self.commit {
                        commit.answer(index, flow);
                    }
                }
                Some(BatchOwner::Flush | BatchOwner::Ghosts) | None => {}
            },
            KernelInput::BatchEnded { batch, failures } => self.handle_batch_ended(batch, failures),
        }
    }

    fn handle_event(&mut self, kind: EventKind, origin: Origin, flow: &Flow) {
        self.kernel_stats.events = self.kernel_stats.events.wrapping_add(1);
        if kind == EventKind::Destroy {
            self.resync.saw_end(flow);
        }
        match self.internal.apply(kind, flow, self.now.whole_secs()) {
            Change::Flow(id) => {
                self.resync.saw(id, &mut self.internal);
                match origin {
                    Origin::NotUs => self.sync.enqueue(id, &mut self.internal),
                    Origin::Us => self.internal.drop_unreferenced(id),
                }
            }
            Change::Nothing => {}
            Change::Full => self.report_internal_full(),
        }
    }

    fn handle_overrun(&mut self) {
        self.kernel_stats.overruns = self.kernel_stats.overruns.wrapping_add(1);
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
        if self.resync.owns(dump) {
            let now_secs = self.now.whole_secs();
            if self
                .resync
                .dumped(flow, &mut self.internal, &mut self.sync, now_secs)
                == Change::Full
            {
                self.report_internal_full();
            }
        } else if self.flush.owns(dump) {
            self.flush
                .dumped(flow, self.config.limits.batch_len_max.get(), &mut self.out);
        }
    }

    fn handle_dump_ended(&mut self, dump: DumpId) {
        if self.resync.owns(dump) {
            let batch_len_max = self.config.limits.batch_len_max.get();
            let ended = self
                .resync
                .dump_ended(&self.internal, batch_len_max, &mut self.out);
            self.resync_ended(ended);
        } else if self.flush.owns(dump) {
            self.flush.dump_ended(&mut self.out);
        }
    }

    fn handle_batch_ended(&mut self, batch: Batch, failures: &[RequestFailure]) {
        match self.out.batch_owner() {
            Some(BatchOwner::Commit) => self.commit_batch_ended(&batch, failures),
            Some(BatchOwner::Flush) => {
                self.flush
                    .batch_ended(&batch, failures, &mut self.internal, &mut self.out)
            }
            Some(BatchOwner::Ghosts) => {
                let batch_len_max = self.config.limits.batch_len_max.get();
                let (internal, sync) = (&mut self.internal, &mut self.sync);
                let ended =
                    self.resync
                        .batch_ended(&batch, failures, internal, sync, batch_len_max, &mut self.out);
                self.resync_ended(ended);
            }
            None => {}
        }
        self.out.batch_ended(batch);
    }

    fn resync_ended(&mut self, ended: Option<Ended>) {
        let Some(Ended::Complete { ghosts }) = ended else {
            return;
        };
        if ghosts > 0 {
            self.kernel_stats.ghosts = self.kernel_stats.ghosts.wrapping_add(ghosts);
            self.out.report(Report::GhostsRemoved { flows: ghosts });
        }
        if core::mem::take(&mut self.is_starting) && self.internal.first_from(0).is_some() {
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
            commit.finish(&mut self.out, self.now);
        }
    }

    fn commit_context(&mut self) -> jobs::CommitContext<'_> {
        jobs::CommitContext {
            config: &self.config,
            external: &self.external,
            internal: &mut self.internal,
            stats: &mut self.commit_stats,
            out: &mut self.out,
            now: self.now,
        }
    }

    fn handle_peer(&mut self, payload: &[u8]) {
        let mut cx = peer::Context {
            config: &self.config,
            sync: &mut self.sync,
            internal: &mut self.internal,
            external: &mut self.external,
            out: &mut self.out,
            now: self.now,
        };
        if let Some(cause) = self.peer.receive(payload, &mut cx) {
            self.start_bulk(cause);
        }
        self.bulk.resume(self.now);
    }

    fn start_bulk(&mut self, cause: BulkCause) {
        let begins = self.bulk.start(self.now);
        match cause {
            BulkCause::PeerAsked => self.out.report(Report::PeerRequestedResync),
            BulkCause::PeerRestarted => self.out.report(Report::PeerRestarted),
            BulkCause::LostBeyondResend => self.out.report(Report::LostBeyondResend),
            BulkCause::Command | BulkCause::PeerMayHaveRestarted | BulkCause::Startup => {}
        }
        if begins {
            self.out.report(Report::SendingBulk);
        }
    }

    fn handle_link(&mut self, channel: Channel, event: LinkEvent) {
        match event {
            LinkEvent::Sent(buffer) => self.transmitter.give_back(buffer),
            LinkEvent::SendFailed(buffer, errno) => {
                self.transmitter.give_back(buffer);
                if let Some(datagrams) = self.send_failed.note(self.now) {
                    self.out.report(Report::SendFailed { errno, datagrams });
                }
            }
            LinkEvent::State(state) => {
                if channel == self.channel {
                    self.transmitter.set_payload_len_max(state.payload_len_max);
                }
            }
        }
    }

    fn handle_request(&mut self, client: ClientId, request: Request) {
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
            | Request::ResyncKernel(Table::Expectations) => {}
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

    fn cache_dumps(&mut self) -> (&mut CacheDumps, jobs::DumpContext<'_>) {
        let wall = self.wall();
        let cx = jobs::DumpContext {
            internal: &self.internal,
            external: &self.external,
            out: &mut self.out,
            now_secs: self.now.whole_secs(),
            wall,
            part_len: self.config.limits.reply_part_len,
        };
        (&mut self.dumps, cx)
    }

    fn wall(&self) -> UnixTime {
        self.wall_at_start
            .saturating_add(self.now.saturating_since(self.start))
    }

    fn forget_client(&mut self, client: ClientId) {
        self.dumps.forget(client);
        self.flush.forget(client);
        self.resync.forget(client);
        if let Some(commit) = &mut self.commit {
            commit.forget(client);
        }
    }

    fn start_commit(&mut self, client: ClientId, report: Report) {
        self.timers.disarm(Timer::Purge);
        if self.commit.is_some() {
            self.out.report(Report::CommitInProgress);
            return self.out.reply(client, Reply::End);
        }
        self.out.report(report);
        let mut commit = Commit::new(&self.external, client, self.now);
        if commit.next_batch(&mut self.commit_context()) {
            self.commit = Some(commit);
        } else {
            commit.finish(&mut self.out, self.now);
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

    fn purge(&mut self) {
        self.out.report(Report::PurgeBegins);
        self.kernel_stats.flushes = self.kernel_stats.flushes.wrapping_add(1);
        self.flush.start(None, &mut self.out);
        self.flush_internal();
    }

    fn arm_reconcile(&mut self) {
        if let Some(period) = self.config.reconcile_period {
            self.timers.arm(Timer::Reconcile, self.now.saturating_add(period));
        }
    }

    fn report_internal_full(&mut self) {
        if let Some(refused) = self.cache_full.note(self.now) {
            let len_max = self.config.cache_len_max.get();
            self.out.report(Report::CacheFull {
                cache: "internal",
                len_max,
                refused,
            });
        }
    }

    fn report_resend_overflow(&mut self) {
        let overflowed = self.sync.overflowed();
        if overflowed > self.resend_full_told && self.resend_full.note(self.now).is_some() {
            let dropped = overflowed.wrapping_sub(self.resend_full_told);
            self.resend_full_told = overflowed;
            self.out.report(Report::ResendQueueFull { dropped });
        }
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
            queues: self.sync.queue_stats(),
            resend_queue,
            active_channel: self.channel,
            ..Statistics::default()
        }
    }

    /// Panics if the parts do not agree, or a deadline is not later than the time of the last call.
    #[cfg(debug_assertions)]
    fn check_invariants(&self) {
        self.sync.check_invariants();
        self.internal.check_invariants();
        self.external.check_invariants();
        if let Some((at, timer)) = self.poll_timeout() {
            assert!(
                at > self.now,
                "{timer:?} is due at {at:?} and was not handled at {:?}",
                self.now
            );
        }
    }
}
