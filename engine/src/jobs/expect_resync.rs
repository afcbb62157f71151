//! Reading the kernel's expectations again, as [`super::Resync`] does with its flows.
//!
//! There are few of them and the kernel leaves none out that was there all the time, so whatever a
//! dump lacks is gone; it need not be asked for by name.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::cache::{ExpectChange, ExpectId, ExpectKey, InternalCache};
use crate::flow::Expectation;
use crate::input::{ClientId, Table};
use crate::output::DumpId;
use crate::outputs::Outputs;
use crate::sync::Sync;
use crate::time::Instant;

use super::Announce;

/// The re-read that runs, if one does.
#[derive(Debug)]
pub(crate) struct ExpectResync {
    dump: Option<DumpId>,
    announce: Announce,
    /// Marks expectations that this dump, or an event since it began, has seen.
    generation: u8,
    /// Expectations that ended since the dump began: it may still hold them.
    tombstones: BTreeSet<ExpectKey>,
    tombstones_max: usize,
    has_missed_tombstones: bool,
    /// Events were lost that no re-read has made up for: what it brings is news to the peer too.
    has_lost_events: bool,
    clients: Vec<ClientId>,
    /// Another one was asked for while this one runs.
    wanted: Option<Announce>,
    waiting: Vec<ClientId>,
}

impl ExpectResync {
    /// Returns the job; it remembers at most `tombstones_max` expectations that end during a dump.
    pub(crate) fn new(tombstones_max: usize) -> Self {
        Self {
            dump: None,
            announce: Announce::No,
            generation: 0,
            tombstones: BTreeSet::new(),
            tombstones_max,
            has_missed_tombstones: false,
            has_lost_events: false,
            clients: Vec::new(),
            wanted: None,
            waiting: Vec::new(),
        }
    }

    /// Begins a re-read; if one runs, another follows it.
    pub(crate) fn start(&mut self, announce: Announce, client: Option<ClientId>, out: &mut Outputs) {
        if self.dump.is_some() {
            self.wanted = self.wanted.max(Some(announce));
            self.waiting.extend(client);
            return;
        }
        self.clients.extend(client);
        self.announce = if core::mem::take(&mut self.has_lost_events) {
            Announce::Changes
        } else {
            announce
        };
        self.generation = self.generation.wrapping_add(1);
        self.tombstones.clear();
        self.has_missed_tombstones = false;
        self.dump = Some(out.dump(Table::Expectations));
    }

    /// Notes that events were lost: whoever asked for the dump that brings what they told, the peer
    /// must hear of it.
    pub(crate) fn lost_events(&mut self) {
        self.announce = Announce::Changes;
        self.has_lost_events = true;
    }

    /// Returns whether a dump is this job's.
    pub(crate) fn owns(&self, dump: DumpId) -> bool {
        self.dump == Some(dump)
    }

    /// Returns whether what the dump brings and is not known is left to the peer, which has put it
    /// there.
    pub(crate) fn passes_over_unknown(&self) -> bool {
        self.announce == Announce::Known
    }

    /// Returns whether no dump runs.
    pub(crate) const fn is_idle(&self) -> bool {
        self.dump.is_none()
    }

    /// Notes that an event, or a commit of ours, spoke of an expectation.
    pub(crate) fn saw(&mut self, id: ExpectId, internal: &mut InternalCache) {
        internal.expectations.set_generation(id, self.generation);
        self.tombstones
            .remove(&ExpectKey::of(&internal.expectations.expectation(id)));
    }

    /// Notes that an expectation ended.
    pub(crate) fn saw_end(&mut self, expectation: &Expectation) {
        if self.dump.is_none() {
            return;
        }
        if self.tombstones.len() < self.tombstones_max {
            self.tombstones.insert(ExpectKey::of(expectation));
        } else {
            self.has_missed_tombstones = true;
        }
    }

    /// Takes an entry of the dump; returns what it did to the cache.
    pub(crate) fn dumped(
        &mut self,
        expectation: &Expectation,
        internal: &mut InternalCache,
        sync: &mut Sync,
        now: Instant,
    ) -> ExpectChange {
        let key = ExpectKey::of(expectation);
        let known = internal.expectations.find(&key);
        let has_seen = |id| internal.expectations.bookkeeping(id).generation == self.generation;
        if self.tombstones.contains(&key) || known.is_some_and(has_seen) {
            return ExpectChange::Nothing;
        }
        let (change, is_news) = internal.expectations.apply_dumped(expectation, now);
        if let ExpectChange::Expectation(id) = change {
            self.saw(id, internal);
            if is_news && self.announce != Announce::No {
                sync.enqueue_expectation(id, internal);
            }
        }
        change
    }

    /// Buries what the dump lacked, and tells the peer; returns how many there were.
    pub(crate) fn dump_ended(
        &mut self,
        internal: &mut InternalCache,
        sync: &mut Sync,
        out: &mut Outputs,
    ) -> u64 {
        let (mut slot, mut ghosts) = (0, 0_u64);
        while let Some(id) = internal.expectations.first_from(slot) {
            slot = id.slot().saturating_add(1);
            let is_unseen = internal.expectations.bookkeeping(id).generation != self.generation;
            if is_unseen && internal.expectations.is_live(id) {
                internal.expectations.kill(id);
                sync.enqueue_expectation(id, internal);
                ghosts = ghosts.saturating_add(1);
            }
        }
        if self.has_missed_tombstones {
            self.wanted = self.wanted.max(Some(self.announce));
        }
        self.end(out);
        ghosts
    }

    /// Gives up a dump that failed.
    pub(crate) fn dump_failed(&mut self, out: &mut Outputs) {
        self.end(out);
    }

    fn end(&mut self, out: &mut Outputs) {
        self.dump = None;
        self.tombstones.clear();
        out.end(&mut self.clients);
        if let Some(announce) = self.wanted.take() {
            let mut waiting = core::mem::take(&mut self.waiting);
            self.start(announce, None, out);
            self.clients.append(&mut waiting);
        }
    }

    /// Forgets a client that hung up; the re-read goes on.
    pub(crate) fn forget(&mut self, client: ClientId) {
        self.clients.retain(|waiting| *waiting != client);
        self.waiting.retain(|waiting| *waiting != client);
    }
}
