//! The table of expectations: each goes with its master, or when its time is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::cache::FlowKey;
use engine::flow::{Expectation, Tuple};
use engine::input::{Errno, EventKind, Origin};
use engine::output::{ExpectRequest, FlowName};
use engine::time::Instant;

use super::Kernel;
use super::events::{Event, Subject};

/// What the helper gives an expectation that a request creates.
const POLICY_SECS: u32 = 300;

/// An entry of the table.
#[derive(Debug)]
struct Entry {
    expectation: Expectation,
    expires: Instant,
}

/// The expectations of one kernel, by the tuple that they wait for.
#[derive(Debug, Default)]
pub(super) struct Expectations {
    entries: BTreeMap<Tuple, Entry>,
    n_created: u32,
    history: BTreeSet<Tuple>,
}

impl Entry {
    /// Returns the expectation as a dump or an event tells it.
    fn told(&self, now: Instant) -> Expectation {
        let left = self.expires.saturating_since(now).as_secs();
        Expectation {
            timeout_secs: u32::try_from(left).ok(),
            ..self.expectation.clone()
        }
    }
}

impl Expectations {
    pub(super) fn lose_power(&mut self) {
        self.entries.clear();
    }
}

impl Kernel {
    /// Returns all expectations as a dump tells them.
    pub(crate) fn expectations(&self, now: Instant) -> Vec<Expectation> {
        let entries = self.expectations.entries.values();
        entries.map(|entry| entry.told(now)).collect()
    }

    /// Returns the tuples of all expectations there ever were.
    pub(crate) const fn expected(&self) -> &BTreeSet<Tuple> {
        &self.expectations.history
    }

    /// The helper of a flow foretells another one.
    pub(crate) fn foretell(&mut self, expectation: Expectation, now: Instant) -> Result<(), Errno> {
        let secs = expectation.timeout_secs.unwrap_or(POLICY_SECS);
        self.expect(expectation, secs, Origin::NotUs, now)
    }

    /// What was foretold comes, or is no longer waited for.
    pub(crate) fn end_expectation(&mut self, tuple: &Tuple, now: Instant) {
        self.unexpect(tuple, Origin::NotUs, now);
    }

    /// Ends the expectations whose time is over.
    pub(super) fn expire_expectations(&mut self, now: Instant) {
        let entries = self.expectations.entries.iter();
        let over = entries.filter(|(_, entry)| entry.expires <= now);
        for tuple in over.map(|(tuple, _)| *tuple).collect::<Vec<_>>() {
            self.unexpect(&tuple, Origin::NotUs, now);
        }
    }

    /// Ends the expectations of a flow that has ended; no request did that, whatever ended the flow.
    pub(super) fn end_foretold(&mut self, master: &FlowKey, now: Instant) {
        let is_its = |entry: &Entry| master_of(&entry.expectation) == *master;
        let entries = self.expectations.entries.iter();
        let its = entries.filter(|(_, entry)| is_its(entry));
        for tuple in its.map(|(tuple, _)| *tuple).collect::<Vec<_>>() {
            self.unexpect(&tuple, Origin::NotUs, now);
        }
    }

    /// Carries out a request of the daemon.
    pub(super) fn request_expectation(&mut self, request: &ExpectRequest, now: Instant) -> Result<(), Errno> {
        match request {
            ExpectRequest::Create(wanted) => self.expect((**wanted).clone(), POLICY_SECS, Origin::Us, now),
            ExpectRequest::Update(wanted) => {
                let entry = self.expectations.entries.get_mut(&wanted.tuple);
                let entry = entry.ok_or(Errno::ENOENT)?;
                let secs = wanted.timeout_secs.unwrap_or(POLICY_SECS);
                entry.expires = now.saturating_add(Duration::from_secs(secs.into()));
                Ok(())
            }
            ExpectRequest::Delete(wanted) => {
                let entry = self.expectations.entries.get(&wanted.tuple);
                entry
                    .filter(|entry| wanted.id.is_none() || entry.expectation.id == wanted.id)
                    .ok_or(Errno::ENOENT)?;
                self.unexpect(&wanted.tuple, Origin::Us, now);
                Ok(())
            }
            ExpectRequest::Flush => {
                for tuple in self.expectations.entries.keys().copied().collect::<Vec<_>>() {
                    self.unexpect(&tuple, Origin::Us, now);
                }
                Ok(())
            }
        }
    }

    fn expect(
        &mut self,
        expectation: Expectation,
        secs: u32,
        origin: Origin,
        now: Instant,
    ) -> Result<(), Errno> {
        let master = self.tuples.get(&master_of(&expectation)).ok_or(Errno::ENOENT)?;
        if self.entries[master].flow.helper.is_none() {
            return Err(Errno::EOPNOTSUPP);
        }
        let tuple = expectation.tuple;
        if self.expectations.entries.contains_key(&tuple) {
            return Err(Errno::EEXIST);
        }
        let table = &mut self.expectations;
        table.n_created = table.n_created.wrapping_add(1);
        let entry = Entry {
            expectation: Expectation {
                id: Some(table.n_created),
                ..expectation
            },
            expires: now.saturating_add(Duration::from_secs(secs.into())),
        };
        let told = entry.told(now);
        table.history.insert(tuple);
        table.entries.insert(tuple, entry);
        self.tell_expectation(EventKind::New, origin, told, now);
        Ok(())
    }

    fn unexpect(&mut self, tuple: &Tuple, origin: Origin, now: Instant) {
        if let Some(entry) = self.expectations.entries.remove(tuple) {
            self.tell_expectation(EventKind::Destroy, origin, entry.told(now), now);
        }
    }

    fn tell_expectation(&mut self, kind: EventKind, origin: Origin, told: Expectation, now: Instant) {
        let subject = Subject::Expectation(Box::new(told));
        self.tell(
            Event {
                kind,
                origin,
                subject,
            },
            now,
        );
    }
}

fn master_of(expectation: &Expectation) -> FlowKey {
    FlowKey::of_name(&FlowName {
        orig: expectation.master,
        zone: expectation.zone,
        id: None,
    })
}
