//! Expectations of the peer into our kernel, behind the flows that were told before them.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use crate::cache::{CacheFull, ExpectId, ExpectKey, ExpectTable, FlowKey, HashKey, Liveness};
use crate::flow::Expectation;
use crate::input::{Errno, EventKind, RequestFailure};
use crate::jobs::expect_requests::{self, REQUESTS_EACH};
use crate::output::{ExpectRequest, FlowRequest};
use crate::outputs::BatchOwner;
use crate::report::Report;
use crate::stats::InjectStats;
use crate::throttle::Throttle;

use super::Context;
use super::order::Order;
use super::share::Share;

/// Expectations that the kernel did not take for want of their master and that are put in once it
/// comes; the oldest gives way. Where messages are lost a master can come behind what it foretells.
const ORPHANS_MAX: usize = 64;

/// What is to become of an expectation by the last message about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Present,
    Ended,
}

/// What the kernel is asked for next.
///
/// ```text
/// Present ─► Create ─ it exists ─► Replace
/// Ended ───► Delete
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    Replace,
    Delete,
}

/// One expectation on its way into the kernel.
#[derive(Debug)]
struct Injection {
    wanted: Expectation,
    step: Step,
}

/// Expectations on their way into the kernel.
///
/// Of what is told about one that waits only the last word counts, and goes to the end: its master
/// may have been told again meanwhile.
#[derive(Debug)]
pub(super) struct Expectations {
    pending: ExpectTable,
    order: Order<ExpectId, Told>,
    /// Those that the kernel is asked about, each with the request that decides.
    round: Vec<(Injection, usize)>,
    orphans: VecDeque<Expectation>,
    stats: InjectStats,
    failed: Throttle,
}

impl Expectations {
    /// Returns the store; at most `len_max` expectations wait for the kernel.
    pub(super) fn new(len_max: NonZeroU32, hash_key: HashKey) -> Self {
        Self {
            pending: ExpectTable::new(len_max, hash_key),
            order: Order::new(),
            round: Vec::new(),
            orphans: VecDeque::new(),
            stats: InjectStats::default(),
            failed: Throttle::default(),
        }
    }

    /// Returns the counters.
    pub(super) fn stats(&self) -> InjectStats {
        InjectStats {
            pending: u64::from(self.pending.len()),
            ..self.stats
        }
    }

    /// Returns how many wait.
    #[cfg(debug_assertions)]
    pub(super) const fn n_waiting(&self) -> u32 {
        self.pending.len()
    }

    /// Returns whether the kernel is asked about some.
    pub(super) const fn are_on_their_way(&self) -> bool {
        !self.round.is_empty()
    }

    /// Notes a message; `place` is behind all that were told before.
    ///
    /// # Errors
    /// [`CacheFull`] if as many others wait as may.
    pub(super) fn tell(
        &mut self,
        kind: EventKind,
        expectation: &Expectation,
        place: u64,
    ) -> Result<(), CacheFull> {
        let key = ExpectKey::of(expectation);
        self.orphans.retain(|orphan| ExpectKey::of(orphan) != key);
        let told = match kind {
            EventKind::New | EventKind::Update => Told::Present,
            EventKind::Destroy => Told::Ended,
        };
        let told = self.pend(expectation, told, place);
        if told.is_err() {
            self.stats.dropped = self.stats.dropped.wrapping_add(1);
        }
        told
    }

    fn pend(&mut self, expectation: &Expectation, told: Told, place: u64) -> Result<(), CacheFull> {
        match self.pending.find(&ExpectKey::of(expectation)) {
            None => {
                let id = self.pending.insert(expectation, 0)?;
                self.order.append(id, told, place);
            }
            Some(id) => {
                self.pending.overwrite(id, expectation, Liveness::New, 0);
                self.order.move_to(id, told, place);
            }
        }
        Ok(())
    }

    /// The kernel has a flow: what it foretells is tried again, with this place.
    pub(super) fn master_came(&mut self, master: &FlowKey, place: u64) {
        let is_its = |orphan: &Expectation| ExpectKey::of(orphan).master_key() == *master;
        while let Some(found) = self.orphans.iter().position(is_its)
            && let Some(orphan) = self.orphans.remove(found)
        {
            if self.pend(&orphan, Told::Present, place).is_err() {
                self.stats.dropped = self.stats.dropped.wrapping_add(1);
            }
        }
    }

    /// The peer ended a flow, and with it what it foretold.
    pub(super) fn master_ended(&mut self, master: &FlowKey) {
        self.orphans
            .retain(|orphan| ExpectKey::of(orphan).master_key() != *master);
    }

    /// Asks for those that were told before `place`, or for the next of all; returns whether there
    /// were any.
    pub(super) fn begin(&mut self, place: Option<u64>, cx: &mut Context<'_>) -> bool {
        let requests_max = usize::from(cx.config.limits.batch_len_max.get());
        let len_max = requests_max.div_euclid(REQUESTS_EACH).max(1);
        debug_assert!(self.round.is_empty(), "one round at a time");
        while self.round.len() < len_max
            && let Some((own_place, id)) = self.order.first()
            && place.is_none_or(|place| own_place < place)
        {
            let step = match self.order.note(id) {
                Told::Present => Step::Create,
                Told::Ended => Step::Delete,
            };
            let wanted = self.pending.expectation(id);
            self.order.pop_first();
            self.pending.remove(id);
            self.round.push((Injection { wanted, step }, 0));
        }
        self.ask(cx);
        self.are_on_their_way()
    }

    fn ask(&mut self, cx: &mut Context<'_>) {
        if self.round.is_empty() {
            return;
        }
        let mut batch = cx.out.new_batch();
        for (injection, deciding) in &mut self.round {
            *deciding = injection.ask(&mut batch.requests);
        }
        cx.out.batch(BatchOwner::InjectExpectations, batch);
    }

    /// Goes on after a batch; returns whether another one is on its way.
    pub(super) fn batch_ended(
        &mut self,
        failures: &[RequestFailure],
        share: &mut Option<Share>,
        cx: &mut Context<'_>,
    ) -> bool {
        for (mut injection, deciding) in core::mem::take(&mut self.round) {
            let failure = failures.binary_search_by_key(&deciding, |failure| failure.index);
            let failure = failure.ok().and_then(|place| failures.get(place));
            let errno = failure.map(|failure| failure.errno);
            if errno == Some(Errno::EEXIST) && injection.step == Step::Create {
                injection.step = Step::Replace;
                self.round.push((injection, 0));
            } else {
                self.settle(injection, errno, share, cx);
            }
        }
        self.ask(cx);
        self.are_on_their_way()
    }

    /// Files the kernel's last answer about an expectation.
    ///
    /// What our kernel told of, and is the peer's too, is brought to what the kernel has. An
    /// expectation that only the peer has stays out of the internal cache.
    fn settle(
        &mut self,
        injection: Injection,
        errno: Option<Errno>,
        share: &mut Option<Share>,
        cx: &mut Context<'_>,
    ) {
        let Injection { wanted, step } = injection;
        let internal = &mut cx.internal.expectations;
        let key = ExpectKey::of(&wanted);
        match (step, errno) {
            (Step::Create | Step::Replace, None) => {
                self.stats.created = self.stats.created.wrapping_add(1);
                if internal.find(&key).is_some_and(|id| internal.is_live(id)) {
                    internal.apply(EventKind::New, &wanted, cx.now);
                } else if let Some(share) = share {
                    share.put_expectation(&wanted, cx.now);
                }
            }
            (Step::Delete, None | Some(Errno::ENOENT)) => {
                if errno.is_none() {
                    self.stats.destroyed = self.stats.destroyed.wrapping_add(1);
                    internal.forget(&key);
                }
                if let Some(share) = share {
                    share.forget_expectation(&key);
                }
            }
            (_, Some(errno)) => self.refused(step, errno, wanted, cx),
        }
    }

    fn refused(&mut self, step: Step, errno: Errno, wanted: Expectation, cx: &mut Context<'_>) {
        let (what, counter) = match step {
            Step::Create => ("could not add new exp entry", &mut self.stats.create_failed),
            Step::Replace => (
                "could not add new exp entry, even when deleting it first",
                &mut self.stats.create_failed,
            ),
            Step::Delete => ("could not delete exp entry", &mut self.stats.destroy_failed),
        };
        *counter = counter.wrapping_add(1);
        if self.failed.note(cx.now).is_some() {
            let expectation = Box::new(wanted.clone());
            cx.out.report(Report::InjectExpectationFailed {
                what,
                errno,
                expectation,
            });
        }
        if step != Step::Delete && errno == Errno::ENOENT {
            if self.orphans.len() >= ORPHANS_MAX {
                self.orphans.pop_front();
            }
            self.orphans.push_back(wanted);
        }
    }

    /// Panics if the parts do not agree.
    #[cfg(debug_assertions)]
    pub(super) fn check_invariants(&self) {
        self.pending.check_invariants();
        self.order.check_len(self.pending.len());
    }
}

impl Injection {
    /// Appends the next requests; returns the place of the one that decides.
    fn ask(&self, requests: &mut Vec<FlowRequest>) -> usize {
        match self.step {
            Step::Create => expect_requests::create(&self.wanted, requests),
            Step::Replace => expect_requests::replace(&self.wanted, requests),
            Step::Delete => expect_requests::delete(&self.wanted, requests),
        }
        // A time that could not be set is the helper's, or the expected flow has come already.
        let decides = |request: &FlowRequest| match request {
            FlowRequest::Expectation(ExpectRequest::Create(_)) => self.step != Step::Delete,
            FlowRequest::Expectation(ExpectRequest::Delete(_)) => self.step == Step::Delete,
            FlowRequest::Expectation(ExpectRequest::Update(_) | ExpectRequest::Flush)
            | FlowRequest::Create(_)
            | FlowRequest::Update(_)
            | FlowRequest::Delete(_)
            | FlowRequest::Get(_) => false,
        };
        requests.iter().rposition(decides).unwrap_or(usize::MAX)
    }
}
