//! What of our kernel's tables is the peer's, where no event tells it from our own.
//!
//! Where events are heard, a flow is our own if traffic of ours changes it. Where the tables are
//! polled, what was put in for the peer is remembered as the kernel was told; what a poll shows to be
//! otherwise has changed by traffic of ours.

use core::num::NonZeroU32;

use crate::cache::{Change, ExpectChange, ExpectKey, FlowKey, HashKey, InternalCache, NoNews};
use crate::flow::{Expectation, Flow};
use crate::input::{EventKind, Table};
use crate::time::Instant;

/// Polls that show nothing of a flow until it is taken for gone: one may overlook it.
const UNSEEN_MAX: u8 = 2;

/// The peer's part of our kernel's tables.
#[derive(Debug)]
pub(super) struct Share {
    cache: InternalCache,
    /// The poll that runs.
    generation: u8,
}

impl Share {
    /// Returns the part of a peer that has told nothing; at most `len_max` flows are remembered, and
    /// as many expectations. The kernel takes what is beyond, and the next poll takes it for our own.
    pub(super) fn new(len_max: NonZeroU32, hash_key: HashKey) -> Self {
        Self {
            cache: InternalCache::new(len_max, hash_key),
            generation: 0,
        }
    }

    /// The kernel has got a flow for the peer, and it is as told.
    pub(super) fn put(&mut self, flow: &Flow, now: Instant) {
        let as_told = Flow {
            id: None,
            ..flow.clone()
        };
        if let Change::Flow(id) = self.cache.apply(EventKind::New, &as_told, now) {
            self.cache.set_generation(id, self.generation);
        }
    }

    /// Does the same with an expectation.
    pub(super) fn put_expectation(&mut self, expectation: &Expectation, now: Instant) {
        let as_told = Expectation {
            id: None,
            ..expectation.clone()
        };
        let expectations = &mut self.cache.expectations;
        if let ExpectChange::Expectation(id) = expectations.apply(EventKind::New, &as_told, now) {
            expectations.set_generation(id, self.generation);
        }
    }

    /// Whatever is in a table, or in both, is our own.
    pub(super) fn clear(&mut self, table: Table) {
        if table != Table::Expectations {
            self.cache.clear();
        }
        if table != Table::Flows {
            self.cache.expectations.clear();
        }
    }

    /// A flow is gone, or our own.
    pub(super) fn forget(&mut self, key: &FlowKey) {
        self.cache.forget(key);
    }

    /// An expectation is gone, or our own.
    pub(super) fn forget_expectation(&mut self, key: &ExpectKey) {
        self.cache.expectations.forget(key);
    }

    /// Returns whether a flow of a poll is the peer's, and nothing but its time has changed.
    pub(super) fn has(&mut self, flow: &Flow, now: Instant) -> bool {
        let key = FlowKey::of(flow);
        let Some(id) = self.cache.find(&key) else {
            return false;
        };
        // The first poll that shows a flow brings all that the kernel has added to what it was told,
        // and its identifier.
        if !self.cache.is_another(id, flow) {
            let (_, is_news) = self.cache.apply_dumped(flow, NoNews::Skip, now);
            if !is_news {
                self.cache.set_generation(id, self.generation);
                return true;
            }
        }
        self.cache.forget(&key);
        false
    }

    /// Does the same with an expectation.
    pub(super) fn has_expectation(&mut self, expectation: &Expectation, now: Instant) -> bool {
        let expectations = &mut self.cache.expectations;
        let key = ExpectKey::of(expectation);
        if expectations.find(&key).is_none() {
            return false;
        }
        let (change, is_news) = expectations.apply_dumped(expectation, now);
        match change {
            ExpectChange::Expectation(id) if !is_news => {
                expectations.set_generation(id, self.generation);
                true
            }
            ExpectChange::Expectation(_) | ExpectChange::Nothing | ExpectChange::Full => {
                expectations.forget(&key);
                false
            }
        }
    }

    /// A poll of flows has come to its end: what was long not seen is gone.
    pub(super) fn polled(&mut self) {
        let mut slot = 0;
        while let Some(id) = self.cache.first_from(slot) {
            slot = id.slot().saturating_add(1);
            if self.generation.wrapping_sub(self.cache.generation(id)) >= UNSEEN_MAX {
                let key = self.cache.key(id);
                self.cache.forget(&key);
            }
        }
        self.generation = self.generation.wrapping_add(1);
    }

    /// Does the same behind a poll of expectations, which overlooks none.
    pub(super) fn polled_expectations(&mut self) {
        let expectations = &mut self.cache.expectations;
        let mut slot = 0;
        while let Some(id) = expectations.first_from(slot) {
            slot = id.slot().saturating_add(1);
            let unseen = self
                .generation
                .wrapping_sub(expectations.bookkeeping(id).generation);
            if unseen >= UNSEEN_MAX {
                let key = ExpectKey::of(&expectations.expectation(id));
                expectations.forget(&key);
            }
        }
    }
}
