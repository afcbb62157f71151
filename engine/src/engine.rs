//! The engine: every input goes in here, and is passed to the one part whose business it is.

mod bypass;
mod expectations;
mod inject;
mod kernel;
mod requests;

use alloc::vec::Vec;
use core::time::Duration;

use crate::cache::{Deadlines, ExternalCache, HashKey, InternalCache};
use crate::channels::Channels;
use crate::config::{Config, Mode, OwnFlows, PeerFlows, StartupResync, TcpWindowTracking};
use crate::input::{Channel, ClientEvent, ClientId, Input, LinkEvent, Table};
use crate::jobs::{
    self, Announce, Bypass, CacheDumps, Commit, ExpectCommit, ExpectResync, Flush, Inject, ReadBack, Resync,
};
use crate::output::Output;
use crate::outputs::Outputs;
use crate::peer::{self, Datagram, Peers};
use crate::report::Report;
use crate::rng::{Purpose, Seed};
use crate::stats::{CommitStats, KernelStats, SendStats};
use crate::sync::{Asked, Bulk, BulkCause, BulkLimit, Look, Sync, Transmitter};
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

/// Time from a commit until the kernel's table is compared with the internal cache: what an HA
/// manager asks for right after a commit comes first.
const COMMIT_RECONCILE: Duration = Duration::from_secs(1);

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
    bulk_limit: BulkLimit,
    transmitter: Transmitter,
    channels: Channels,
    peers: Peers,
    resync: Resync,
    expect_resync: ExpectResync,
    read_back: ReadBack,
    flush: Flush,
    /// Clients that wait for the end of a flush of the kernel's expectations.
    expect_flush_clients: Vec<ClientId>,
    commit: Option<Commit>,
    expect_commit: Option<ExpectCommit>,
    /// Passes the flows of our kernel on in place of the internal cache.
    bypass: Option<Bypass>,
    /// Takes the flows of the peer in place of the external cache.
    inject: Option<Inject>,
    dumps: CacheDumps,
    timers: Timers,
    out: Outputs,
    kernel_stats: KernelStats,
    commit_stats: CommitStats,
    send_stats: SendStats,
    cache_full: Throttle,
    expectations_full: Throttle,
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
        let (internal, external) = caches(&config, seed);
        let channels = Channels::new(&config, now);
        let mut engine = Self {
            wall_at_start: wall,
            start: now,
            now,
            internal,
            external,
            sync: Sync::new(config.mode),
            bulk: Bulk::default(),
            bulk_limit: BulkLimit::default(),
            transmitter: Transmitter::new(wall, encode_options(&config), channels.payload_len_max()),
            channels,
            peers: Peers::new(&config.links),
            resync: Resync::new(config.limits.dump_tombstones_max),
            expect_resync: ExpectResync::new(config.limits.dump_tombstones_max),
            read_back: ReadBack::default(),
            flush: Flush::default(),
            expect_flush_clients: Vec::new(),
            commit: None,
            expect_commit: None,
            bypass: match config.own_flows {
                OwnFlows::Cached => None,
                OwnFlows::Bypassed => Some(Bypass::new(
                    config.limits.dump_tombstones_max,
                    usize::try_from(config.cache_len_max.get()).unwrap_or(usize::MAX),
                )),
            },
            inject: match config.peer_flows {
                PeerFlows::Cached => None,
                PeerFlows::Injected => Some(Inject::new(&config, hash_key(seed, Purpose::ExternalIndex))),
            },
            dumps: CacheDumps::default(),
            timers: Timers::default(),
            out: Outputs::default(),
            kernel_stats: KernelStats::default(),
            commit_stats: CommitStats::default(),
            send_stats: SendStats::default(),
            cache_full: Throttle::default(),
            expectations_full: Throttle::default(),
            resend_full: Throttle::default(),
            resend_full_told: 0,
            send_failed: Throttle::default(),
            is_starting: true,
            config,
        };
        engine.arm_alive();
        if matches!(engine.config.mode, Mode::Ftfw(_)) {
            engine
                .timers
                .arm(Timer::StaleResend, now.saturating_add(STALE_RESEND_PERIOD));
        }
        let (report, settled_at) = engine.channels.start(now);
        engine.link_changed(report);
        if let Some(at) = settled_at {
            engine.timers.arm(Timer::Links, at);
        }
        engine.arm_peer_silence();
        if engine.config.mode.startup_resync() == StartupResync::On {
            engine.out.report(Report::ResyncRequested);
            engine.sync.request_resync();
        }
        engine.arm_reconcile();
        engine.start_resync(Table::Both, Announce::No, None);
        engine
    }

    /// Handles something that happened at `now`. Never fails: bad input is counted and reported.
    pub fn handle_input(&mut self, input: Input<'_>, now: Instant) {
        self.now = now;
        match input {
            Input::Kernel(input) => self.handle_kernel(input),
            Input::Peer {
                channel,
                source,
                payload,
            } => self.handle_peer(Datagram {
                channel,
                source,
                payload,
            }),
            Input::Request(client, request) => self.handle_request(client, request),
            Input::Client(client, ClientEvent::Ready) => {
                if let Some(bypass) = &mut self.bypass {
                    bypass.next_part(client, self.config.limits.reply_part_len, &mut self.out);
                }
                let (dumps, mut cx) = self.cache_dumps();
                dumps.next_part(client, &mut cx);
            }
            Input::Client(client, ClientEvent::Gone) => self.forget_client(client),
            Input::Link(channel, event) => self.handle_link(channel, event),
            Input::Shutdown => {
                self.bulk = Bulk::default();
                self.bulk_limit = BulkLimit::default();
            }
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
        {
            self.check_invariants();
            if let Some((at, timer)) = self.poll_timeout() {
                assert!(
                    at > now,
                    "{timer:?} is due at {at:?} and was not handled at {now:?}"
                );
            }
        }
    }

    /// Returns the next thing the driver must do; it drains to `None` after every `handle_*`.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.out.pop() {
            return Some(output);
        }
        let payload = self
            .transmitter
            .next_datagram(&mut self.sync, &mut self.internal, self.now)?;
        self.arm_alive();
        self.report_resend_overflow();
        self.out.push(Output::Send(self.channels.current(), payload));
        self.out.pop()
    }

    /// Returns when to call [`Self::handle_timeout`], and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let bulk = self.bulk.deadline().map(|at| (at, Timer::Bulk));
        let deferred = self.deferred_bulk_deadline().map(|at| (at, Timer::DeferredBulk));
        let sweep = self.peers.sweep_deadline().map(|at| (at, Timer::Sweep));
        let refresh = self.internal.refresh_deadline().map(|at| (at, Timer::Refresh));
        let expiry = self.external.expiry_deadline().map(|at| (at, Timer::Expiry));
        let deadlines = [self.timers.next(), bulk, deferred, sweep, refresh, expiry];
        deadlines.into_iter().flatten().min()
    }

    fn handle_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Alive => {
                self.sync.alive();
                self.arm_alive();
            }
            Timer::StaleResend => {
                self.look_at_resend_queue();
                self.timers
                    .arm(Timer::StaleResend, self.now.saturating_add(STALE_RESEND_PERIOD));
            }
            Timer::Bulk => {
                let len_max = self.config.limits.bulk_turn_len_max.get();
                self.bulk
                    .turn(len_max, &mut self.sync, &mut self.internal, self.now);
                if !self.bulk.is_running() {
                    self.bulk_ended();
                }
            }
            Timer::DeferredBulk => {
                if self.bulk_limit.resume(self.now) {
                    self.begin_bulk();
                }
            }
            Timer::Sweep => {
                let len_max = self.config.limits.bulk_turn_len_max.get();
                self.peers
                    .sweep(&self.sync, &mut self.external, len_max, self.now);
            }
            Timer::Refresh => {
                let len_max = self.config.limits.bulk_turn_len_max.get();
                self.sync.refresh(len_max, &mut self.internal, self.now);
            }
            Timer::Expiry => {
                let len_max = self.config.limits.bulk_turn_len_max.get();
                self.external.expire(len_max, self.now);
            }
            Timer::Purge => self.purge(),
            Timer::ReadBack => self.read_flows_back(),
            Timer::OverrunResync => {
                self.kernel_stats.resyncs = self.kernel_stats.resyncs.wrapping_add(1);
                self.start_resync(Table::Both, Announce::Changes, None);
            }
            Timer::Reconcile => {
                let announce = match self.config.peer_flows {
                    PeerFlows::Cached => Announce::Changes,
                    // Where the tables are polled, it is known what the peer has put there.
                    PeerFlows::Injected if self.config.poll_period.is_some() => Announce::Changes,
                    PeerFlows::Injected => Announce::Known,
                };
                self.start_resync(Table::Both, announce, None);
                self.arm_reconcile();
            }
            Timer::Links => {
                let report = self.channels.settle();
                self.link_changed(report);
            }
            Timer::PeerSilence => {
                if let Some([silent, in_use]) = self.channels.listen(self.now) {
                    self.out.report(silent);
                    self.link_changed(Some(in_use));
                }
                self.arm_peer_silence();
            }
        }
    }

    fn commit_context(&mut self) -> jobs::CommitContext<'_> {
        jobs::CommitContext {
            config: &self.config,
            external: &self.external,
            internal: &mut self.internal,
            sync: &mut self.sync,
            stats: &mut self.commit_stats,
            out: &mut self.out,
            now: self.now,
        }
    }

    fn handle_peer(&mut self, datagram: Datagram<'_>) {
        let mut cx = peer::Context {
            config: &self.config,
            sync: &mut self.sync,
            internal: &mut self.internal,
            external: &mut self.external,
            inject: self.inject.as_mut(),
            out: &mut self.out,
            now: self.now,
            next_seq: self.transmitter.next_seq(),
        };
        let received = self.peers.receive(datagram, &mut cx);
        if received.is_taken {
            let report = self.channels.follow(datagram.channel, self.now);
            self.link_changed(report);
        }
        if let Some(cause) = received.bulk {
            self.start_bulk(cause);
        }
        self.bulk.resume(self.now);
        self.inject_told();
    }

    /// Sets the deadline of the next sign of life, in modes that give one.
    fn arm_alive(&mut self) {
        if self.sync.has_control() {
            self.timers
                .arm(Timer::Alive, self.now.saturating_add(ALIVE_PERIOD));
        }
    }

    /// Sets the deadline of the next look at the peer's silence, in modes in which it gives signs of life.
    fn arm_peer_silence(&mut self) {
        if self.sync.has_control()
            && let Some(at) = self.channels.silence_deadline()
        {
            self.timers.arm(Timer::PeerSilence, at);
        }
    }

    /// Sends again what peers that live should have acknowledged.
    fn look_at_resend_queue(&mut self) {
        if !self.peers.is_alive(self.now) {
            return self.sync.peer_is_silent();
        }
        let look = Look {
            len_max: self.config.limits.bulk_turn_len_max.get(),
            next_seq: self.transmitter.next_seq(),
            present: self.peers.present(self.now),
            living: self.peers.living(self.now),
        };
        let stale = self.sync.resend_stale(look, &mut self.internal);
        if let Some(cause) = stale.bulk {
            self.start_bulk(cause);
        }
        if stale.asks_again {
            self.peers.expect_names(self.now);
        }
    }

    /// Begins a bulk, in modes that have them: where flows are refreshed nobody needs one. One that
    /// peers ask for too often begins later.
    fn start_bulk(&mut self, cause: BulkCause) {
        if !self.sync.has_control() {
            return;
        }
        let asked = match cause {
            BulkCause::Command | BulkCause::Startup => Asked::Now,
            BulkCause::PeerAsked
            | BulkCause::PeerRestarted
            | BulkCause::PeerMayHaveRestarted
            | BulkCause::LostBeyondResend => self.bulk_limit.ask(self.bulk.is_running(), self.now),
        };
        match cause {
            _ if asked == Asked::Merged => {}
            BulkCause::PeerAsked => self.out.report(Report::PeerRequestedResync),
            BulkCause::PeerRestarted => self.out.report(Report::PeerRestarted),
            BulkCause::LostBeyondResend => self.out.report(Report::LostBeyondResend),
            BulkCause::Command | BulkCause::PeerMayHaveRestarted | BulkCause::Startup => {}
        }
        if asked == Asked::Now {
            self.begin_bulk();
        }
    }

    fn begin_bulk(&mut self) {
        if let Some(bypass) = &mut self.bypass {
            bypass.start_bulk(&mut self.out);
        } else if self.bulk.start(self.now) {
            self.out.report(Report::SendingBulk);
        }
    }

    /// Goes on at once with what was asked for while the bulk ran, unless that was too often.
    fn bulk_ended(&mut self) {
        self.bulk_limit.ended(self.now);
        if self.bulk_limit.deadline().is_some_and(|at| at <= self.now) && self.bulk_limit.resume(self.now) {
            self.bulk.start(self.now);
        }
    }

    /// Returns when the bulk that was put off begins; the one that runs must end first.
    fn deferred_bulk_deadline(&self) -> Option<Instant> {
        if self.bulk.is_running() {
            return None;
        }
        self.bulk_limit.deadline()
    }

    fn handle_link(&mut self, channel: Channel, event: LinkEvent) {
        match event {
            LinkEvent::Sent(buffer) => self.transmitter.give_back(buffer),
            LinkEvent::SendFailed(buffer, errno) => {
                self.transmitter.give_back(buffer);
                self.send_stats.failed = self.send_stats.failed.wrapping_add(1);
                if let Some(datagrams) = self.send_failed.note(self.now) {
                    self.out.report(Report::SendFailed { errno, datagrams });
                }
            }
            LinkEvent::State(state) => {
                let report = self.channels.set_state(channel, state, self.now);
                self.link_changed(report);
            }
        }
    }

    /// Adapts to the link in use, which may be another or a changed one, and tells of it.
    fn link_changed(&mut self, report: Option<Report>) {
        self.transmitter
            .set_payload_len_max(self.channels.payload_len_max());
        if let Some(report) = report {
            if matches!(report, Report::LinkInUse { .. }) {
                self.send_stats.link_changes = self.send_stats.link_changes.wrapping_add(1);
            }
            self.out.report(report);
        }
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

    fn arm_reconcile(&mut self) {
        if self.bypass.is_none()
            && let Some(period) = self.config.poll_period.or(self.config.reconcile_period)
        {
            self.timers.arm(Timer::Reconcile, self.now.saturating_add(period));
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

    /// Panics if the parts do not agree.
    #[cfg(debug_assertions)]
    fn check_invariants(&self) {
        self.sync.check_invariants();
        self.internal.check_invariants();
        self.external.check_invariants();
        if let Some(inject) = &self.inject {
            inject.check_invariants();
        }
    }
}

/// Returns what the configuration says about the contents of messages.
fn encode_options(config: &Config) -> EncodeOptions {
    EncodeOptions {
        timeouts: if config.commit_timeout_secs.is_some() {
            Timeouts::Omit
        } else {
            Timeouts::Send
        },
        window_scales: match config.tcp_window_tracking {
            TcpWindowTracking::On => WindowScales::Send,
            TcpWindowTracking::Off => WindowScales::Omit,
        },
    }
}

/// Returns the key of an index.
fn hash_key(seed: Seed, purpose: Purpose) -> HashKey {
    let mut rng = seed.stream(purpose);
    HashKey(rng.next_u64(), rng.next_u64())
}

/// Returns the caches of a node that starts, with the deadlines that its mode gives their entries.
fn caches(config: &Config, seed: Seed) -> (InternalCache, ExternalCache) {
    let mut internal = InternalCache::new(config.cache_len_max, hash_key(seed, Purpose::InternalIndex))
        .with_room_for(config.cache_len_expected);
    let mut external = ExternalCache::new(config.cache_len_max, hash_key(seed, Purpose::ExternalIndex))
        .with_room_for(config.cache_len_expected);
    if let Mode::Alarm(alarm) = config.mode {
        let refreshes = |purpose| Deadlines::of_refreshes(alarm.refresh_secs, seed.stream(purpose));
        let expiries = || Deadlines::of_expiries(alarm.cache_timeout_secs);
        internal = internal.with_refreshes(refreshes(Purpose::Refresh), refreshes(Purpose::ExpectRefresh));
        external = external.with_expiries(expiries(), expiries());
    }
    if config.own_flows == OwnFlows::Bypassed {
        internal = internal.in_transit();
    }
    (internal, external)
}
