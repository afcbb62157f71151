//! Expectations whose masters the kernel is asked for.
//!
//! Without a cache nobody else knows whether the filter keeps the master, and whether there is one
//! yet: a helper may speak of what it foretells before the kernel speaks of the flow.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::cache::ExpectKey;
use crate::flow::Expectation;
use crate::input::{Errno, EventKind, RequestFailure};
use crate::output::{FlowName, FlowRequest};
use crate::outputs::{BatchOwner, Outputs};

/// The expectations that wait for word of their masters.
#[derive(Debug)]
pub(crate) struct Masters {
    waiting: BTreeMap<ExpectKey, (EventKind, Expectation)>,
    waiting_max: usize,
    /// Those of the batch on its way, in the order of its requests.
    asked: Vec<Option<(EventKind, Expectation)>>,
}

impl Masters {
    /// Returns the job; at most `waiting_max` expectations wait.
    pub(super) const fn new(waiting_max: usize) -> Self {
        Self {
            waiting: BTreeMap::new(),
            waiting_max,
            asked: Vec::new(),
        }
    }

    /// Notes an expectation that begins or changes; returns whether there was room.
    #[must_use]
    pub(crate) fn want(&mut self, kind: EventKind, expectation: &Expectation) -> bool {
        let key = ExpectKey::of(expectation);
        if self.waiting.len() >= self.waiting_max && !self.waiting.contains_key(&key) {
            return false;
        }
        self.waiting.insert(key, (kind, expectation.clone()));
        true
    }

    /// Notes that an expectation ended: the answer about its master is of no use.
    pub(crate) fn ended(&mut self, expectation: &Expectation) {
        let key = ExpectKey::of(expectation);
        self.waiting.remove(&key);
        let is_it = |(_, asked): &(EventKind, Expectation)| ExpectKey::of(asked) == key;
        for asked in &mut self.asked {
            asked.take_if(|asked| is_it(asked));
        }
    }

    /// Asks for the next masters, if no batch of them is on its way.
    pub(crate) fn ask(&mut self, batch_len_max: u16, out: &mut Outputs) {
        if !self.asked.is_empty() || self.waiting.is_empty() {
            return;
        }
        let mut batch = out.new_batch();
        while self.asked.len() < usize::from(batch_len_max)
            && let Some((_, (kind, expectation))) = self.waiting.pop_first()
        {
            batch.requests.push(FlowRequest::Get(FlowName {
                orig: expectation.master,
                zone: expectation.zone,
                id: None,
            }));
            self.asked.push(Some((kind, expectation)));
        }
        out.batch(BatchOwner::Masters, batch);
    }

    /// Takes the expectation whose master the kernel has.
    pub(crate) fn answered(&mut self, index: usize) -> Option<(EventKind, Expectation)> {
        self.asked.get_mut(index)?.take()
    }

    /// Takes those that were not answered at the end of the batch, each with the kernel's reason.
    pub(crate) fn batch_ended(
        &mut self,
        failures: &[RequestFailure],
    ) -> Vec<(Errno, EventKind, Expectation)> {
        let mut asked = core::mem::take(&mut self.asked);
        let unanswered = failures.iter().filter_map(|failure| {
            let (kind, expectation) = asked.get_mut(failure.index)?.take()?;
            Some((failure.errno, kind, expectation))
        });
        unanswered.collect()
    }
}
