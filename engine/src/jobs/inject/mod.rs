//! Flows of the peer into our kernel, as they are told: there is no external cache.
//!
//! ```text
//! message ─► Pending ─► a round of flows ─► batch ─► answers ─┬─► settled: the next round
//!                              ▲                              │
//!                              └──── flows that need more ◄───┘
//! ```
//!
//! Expectations have rounds of their own, each behind all flows that were told before it: the kernel
//! takes none without its master.
//!
//! One batch is on its way at a time. What the peer tells meanwhile of a flow that waits replaces
//! what it told before; what it tells of a flow on its way waits for the next round. So each flow
//! ends as the peer last told it, however slow the kernel is.

mod expectations;
mod order;
mod pending;
mod share;
mod step;

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::cache::{FlowKey, HashKey, InternalCache, Liveness};
use crate::config::Config;
use crate::flow::{Expectation, Flow};
use crate::input::{Errno, EventKind, RequestFailure, Table};
use crate::output::FlowRequest;
use crate::outputs::{BatchOwner, Outputs};
use crate::report::Report;
use crate::stats::InjectStats;
use crate::throttle::Throttle;
use crate::time::Instant;

use super::committed;
use expectations::Expectations;
use pending::{Pending, Told};
use share::Share;
use step::{Injection, Outcome};

/// Flows and expectations of the peer on their way into our kernel.
#[derive(Debug)]
pub(crate) struct Inject {
    pending: Pending,
    expectations: Expectations,
    /// Messages about both are numbered.
    next_place: u64,
    /// What the kernel has of the peer's, where the tables are polled.
    share: Option<Share>,
    /// The flows that the kernel is asked about.
    round: Vec<Injection>,
    /// Of each request of the batch on its way the place of its flow in `round`.
    asked: Vec<usize>,
    stats: InjectStats,
    failed: Throttle,
    full: Throttle,
    /// Messages were dropped since the peer was last asked for all.
    has_dropped: bool,
}

/// What an injection reads and writes beside its own state.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    pub(crate) internal: &'a mut InternalCache,
    pub(crate) out: &'a mut Outputs,
    pub(crate) now: Instant,
}

impl Inject {
    /// Returns the job; as many flows wait for the kernel as a cache holds, and as many expectations.
    pub(crate) fn new(config: &Config, hash_key: HashKey) -> Self {
        let len_max = config.cache_len_max;
        Self {
            pending: Pending::new(len_max, hash_key),
            expectations: Expectations::new(len_max, hash_key),
            next_place: 0,
            share: config.poll_period.map(|_| Share::new(len_max, hash_key)),
            round: Vec::new(),
            asked: Vec::new(),
            stats: InjectStats::default(),
            failed: Throttle::default(),
            full: Throttle::default(),
            has_dropped: false,
        }
    }

    /// Returns the counters of expectations.
    pub(crate) fn expectation_stats(&self) -> InjectStats {
        self.expectations.stats()
    }

    /// Returns the counters of flows.
    pub(crate) fn stats(&self) -> InjectStats {
        InjectStats {
            pending: u64::from(self.pending.len()),
            ..self.stats
        }
    }

    /// Notes what the peer tells; [`Self::begin`] takes it to the kernel.
    pub(crate) fn tell(
        &mut self,
        kind: EventKind,
        flow: &Flow,
        config: &Config,
        out: &mut Outputs,
        now: Instant,
    ) {
        let place = self.take_place();
        if kind == EventKind::Destroy {
            self.expectations.master_ended(&FlowKey::of(flow));
        }
        if self.pending.tell(kind, flow, place).is_err() {
            self.stats.dropped = self.stats.dropped.wrapping_add(1);
            self.dropped("flows", config, out, now);
        }
    }

    /// Does the same with an expectation.
    pub(crate) fn tell_expectation(
        &mut self,
        kind: EventKind,
        expectation: &Expectation,
        config: &Config,
        out: &mut Outputs,
        now: Instant,
    ) {
        let place = self.take_place();
        if self.expectations.tell(kind, expectation, place).is_err() {
            self.dropped("expectations", config, out, now);
        }
    }

    const fn take_place(&mut self) -> u64 {
        let place = self.next_place;
        self.next_place = place.wrapping_add(1);
        place
    }

    /// Notes that a message was dropped, because too many of these wait.
    fn dropped(&mut self, waiting: &'static str, config: &Config, out: &mut Outputs, now: Instant) {
        self.has_dropped = true;
        if let Some(dropped) = self.full.note(now) {
            let len_max = config.cache_len_max.get();
            out.report(Report::InjectionsDropped {
                waiting,
                len_max,
                dropped,
            });
        }
    }

    /// Begins a round if none runs.
    ///
    /// An expected flow is never in one round with its master, which may have to be created in
    /// another way.
    pub(crate) fn begin(&mut self, cx: &mut Context<'_>) {
        if self.is_asking() || self.expectations.begin(self.pending.first_place(), cx) {
            return;
        }
        let len_max = usize::from(cx.config.limits.batch_len_max.get());
        while self.round.len() < len_max
            && let Some((told, flow)) = self.pending.first()
        {
            let is_master =
                |other: &Injection| Some(other.wanted.orig) == flow.master && other.wanted.zone == flow.zone;
            if flow.master.is_some() && self.round.iter().any(is_master) {
                break;
            }
            self.pending.remove_first();
            let tracking = cx.config.tcp_window_tracking;
            self.round.push(Injection::new(told, &flow, tracking));
        }
        self.ask(cx.out);
    }

    /// Returns whether a batch is on its way.
    const fn is_asking(&self) -> bool {
        !self.round.is_empty() || self.expectations.are_on_their_way()
    }

    /// Sends what the flows of the round need next.
    fn ask(&mut self, out: &mut Outputs) {
        if self.round.is_empty() {
            return;
        }
        let mut batch = out.new_batch();
        self.asked.clear();
        for (place, injection) in self.round.iter().enumerate() {
            injection.ask(&mut batch.requests);
            self.asked.resize(batch.requests.len(), place);
        }
        out.batch(BatchOwner::Inject, batch);
    }

    /// Takes the kernel's answer about a flow that exists.
    pub(crate) fn answer(&mut self, index: usize, flow: &Flow) {
        let place = self.asked.get(index);
        if let Some(injection) = place.and_then(|place| self.round.get_mut(*place)) {
            injection.answer(flow);
        }
    }

    /// Goes on after a batch about expectations, and returns the same as after one about flows.
    #[must_use]
    pub(crate) fn expectations_batch_ended(
        &mut self,
        failures: &[RequestFailure],
        cx: &mut Context<'_>,
    ) -> bool {
        if !self.expectations.batch_ended(failures, &mut self.share, cx) {
            self.begin(cx);
        }
        self.must_ask_for_all()
    }

    fn must_ask_for_all(&mut self) -> bool {
        !self.is_asking() && core::mem::take(&mut self.has_dropped)
    }

    /// Goes on after a batch; returns whether the peer must be asked for all it has, because nothing
    /// waits any more and something was dropped.
    #[must_use]
    pub(crate) fn batch_ended(
        &mut self,
        requests: &[FlowRequest],
        failures: &[RequestFailure],
        cx: &mut Context<'_>,
    ) -> bool {
        self.note_deletions(requests, failures, cx.internal);
        let round = core::mem::take(&mut self.round);
        let asked = core::mem::take(&mut self.asked);
        let mut answers = answers_that_decide(&asked, failures);
        for mut injection in round {
            let answer = answers.next().unwrap_or(Ok(()));
            if self.settle(&mut injection, answer, cx) {
                self.round.push(injection);
            }
        }
        if self.round.is_empty() {
            self.begin(cx);
        } else {
            self.ask(cx.out);
        }
        self.must_ask_for_all()
    }

    /// What the kernel has deleted for us leaves the internal cache; the peer knows.
    fn note_deletions(
        &mut self,
        requests: &[FlowRequest],
        failures: &[RequestFailure],
        internal: &mut InternalCache,
    ) {
        let mut failures = failures.iter().peekable();
        for (index, request) in requests.iter().enumerate() {
            let failure = failures.next_if(|failure| failure.index == index);
            if let (FlowRequest::Delete(name), None) = (request, failure) {
                let key = FlowKey::of_name(name);
                internal.forget(&key);
                self.forget(&key);
            }
        }
    }

    /// Returns whether a flow that a poll shows is the peer's, and as the peer told it.
    pub(crate) fn has_put(&mut self, flow: &Flow, now: Instant) -> bool {
        let share = self.share.as_mut();
        share.is_some_and(|share| share.has(flow, now))
    }

    /// Does the same with an expectation.
    pub(crate) fn has_put_expectation(&mut self, expectation: &Expectation, now: Instant) -> bool {
        let share = self.share.as_mut();
        share.is_some_and(|share| share.has_expectation(expectation, now))
    }

    /// All flows, or all expectations, that the kernel has are our own from here on.
    pub(crate) fn take_all(&mut self, table: Table) {
        if let Some(share) = &mut self.share {
            share.clear(table);
        }
    }

    fn forget(&mut self, key: &FlowKey) {
        if let Some(share) = &mut self.share {
            share.forget(key);
        }
    }

    /// Handles the end of a dump of flows.
    pub(crate) fn flows_read(&mut self) {
        if let Some(share) = &mut self.share {
            share.polled();
        }
    }

    /// Handles the end of a dump of expectations.
    pub(crate) fn expectations_read(&mut self) {
        if let Some(share) = &mut self.share {
            share.polled_expectations();
        }
    }

    /// Brings a flow that our kernel told of, and that is the peer's too, to what the kernel has.
    ///
    /// One that only the peer has stays out of the internal cache until traffic of ours changes it.
    fn file(&mut self, kind: EventKind, flow: &Flow, cx: &mut Context<'_>) {
        let known = cx.internal.find(&FlowKey::of(flow));
        if known.is_some_and(|id| cx.internal.liveness(id) != Liveness::Dead) {
            cx.internal.apply(kind, flow, cx.now);
        } else if let Some(share) = &mut self.share {
            share.put(flow, cx.now);
        }
    }

    /// Takes the answer about a flow; returns whether more is to be asked.
    fn settle(&mut self, injection: &mut Injection, answer: Result<(), Errno>, cx: &mut Context<'_>) -> bool {
        let what = injection.what_failed();
        let outcome = injection.advance(answer);
        let by_told = match injection.told {
            Told::New | Told::Renewed => [&mut self.stats.created, &mut self.stats.create_failed],
            Told::Changed => [&mut self.stats.updated, &mut self.stats.update_failed],
            Told::Ended => [&mut self.stats.destroyed, &mut self.stats.destroy_failed],
        };
        let [done, failed] = by_told;
        match outcome {
            Outcome::GoesOn => return true,
            Outcome::GoesOnWithLess(errno) => {
                self.stats.lessened = self.stats.lessened.wrapping_add(1);
                self.report(what, errno, injection, cx);
                return true;
            }
            Outcome::Created => {
                *done = done.wrapping_add(1);
                self.file(EventKind::New, &committed::created(&injection.wanted), cx);
                let place = self.take_place();
                self.expectations
                    .master_came(&FlowKey::of(&injection.wanted), place);
            }
            Outcome::Updated => {
                *done = done.wrapping_add(1);
                self.file(EventKind::Update, &injection.updated(), cx);
            }
            Outcome::Deleted => *done = done.wrapping_add(1),
            Outcome::WasGone => self.forget(&FlowKey::of(&injection.wanted)),
            Outcome::Refused(errno) => {
                *failed = failed.wrapping_add(1);
                self.report(what, errno, injection, cx);
            }
        }
        false
    }

    fn report(&mut self, what: &'static str, errno: Errno, injection: &Injection, cx: &mut Context<'_>) {
        if self.failed.note(cx.now).is_some() {
            let flow = Box::new(injection.wanted.clone());
            cx.out.report(Report::InjectFailed { what, errno, flow });
        }
    }

    /// Panics if the parts do not agree.
    #[cfg(debug_assertions)]
    pub(crate) fn check_invariants(&self) {
        self.pending.check_invariants();
        self.expectations.check_invariants();
        let n_waiting = self.pending.len().saturating_add(self.expectations.n_waiting());
        assert!(
            self.is_asking() || n_waiting == 0,
            "some wait and the kernel is not asked"
        );
    }
}

/// Returns the answer to the last request of each flow that was asked about, in order.
fn answers_that_decide<'a>(
    asked: &'a [usize],
    failures: &'a [RequestFailure],
) -> impl Iterator<Item = Result<(), Errno>> + 'a {
    let mut failures = failures.iter().peekable();
    let mut asked = asked.iter().enumerate().peekable();
    core::iter::from_fn(move || {
        loop {
            let (index, place) = asked.next()?;
            let failure = failures.next_if(|failure| failure.index == index);
            if asked.peek().is_none_or(|(_, next)| *next != place) {
                return Some(failure.map_or(Ok(()), |failure| Err(failure.errno)));
            }
        }
    })
}
