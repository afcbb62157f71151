//! Reading the kernel's table again, so that the internal cache equals it.
//!
//! ```text
//! Idle ──► Dumping ──────────────► Hunting ─────────────────────► Idle
//!          entries are merged      flows the dump lacked are
//!                                  asked for; ENOENT means gone
//! ```
//!
//! Events go on while a dump runs, and say more than it does: a flow that an event touched since
//! the dump began is not overwritten, one that ended is not brought back.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::cache::{Change, FlowId, FlowKey, InternalCache, Liveness, NoNews};
use crate::flow::Flow;
use crate::input::{ClientId, Errno, RequestFailure, Table};
use crate::output::{Batch, DumpId, FlowRequest};
use crate::outputs::{BatchOwner, Outputs};
use crate::sync::Sync;
use crate::time::Instant;

/// Whether the peer hears of what a dump brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Announce {
    /// It does, of changed flows that we know; what else is in the kernel, the peer has put there.
    Known,
    /// It does not: it is told otherwise.
    No,
    /// It does, of every flow that is new or changed.
    Changes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Dumping(DumpId),
    Hunting { slot: u32 },
}

/// How a dump ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All went well; the number of flows that had died without an event.
    Complete { ghosts: u64 },
    /// It must be done again: too much happened meanwhile.
    Again,
}

/// The re-read that runs, if one does.
#[derive(Debug)]
pub(crate) struct Resync {
    state: State,
    announce: Announce,
    /// Marks entries that this dump, or an event since it began, has seen.
    generation: u8,
    /// Ids of flows that ended since the dump began.
    tombstones: BTreeSet<u32>,
    tombstones_max: usize,
    has_missed_tombstones: bool,
    /// Events were lost that no re-read has made up for: what it brings is news to the peer too.
    has_lost_events: bool,
    ghosts: u64,
    clients: Vec<ClientId>,
    /// Another one was asked for while this one runs.
    wanted: Option<Announce>,
    waiting: Vec<ClientId>,
}

impl Resync {
    /// Returns the job; it remembers at most `tombstones_max` flows that end during a dump.
    pub(crate) fn new(tombstones_max: usize) -> Self {
        Self {
            state: State::Idle,
            announce: Announce::No,
            generation: 0,
            tombstones: BTreeSet::new(),
            tombstones_max,
            has_missed_tombstones: false,
            has_lost_events: false,
            ghosts: 0,
            clients: Vec::new(),
            wanted: None,
            waiting: Vec::new(),
        }
    }

    /// Begins a re-read; if one runs, another follows it, because what was asked for may have
    /// happened behind the place where the dump is.
    pub(crate) fn start(&mut self, announce: Announce, client: Option<ClientId>, out: &mut Outputs) {
        if self.state != State::Idle {
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
        self.ghosts = 0;
        self.state = State::Dumping(out.dump(Table::Flows));
    }

    /// Notes that events were lost. What they told comes with a dump, the one that runs or the next,
    /// and whoever asked for that one, the peer must hear of it.
    pub(crate) fn lost_events(&mut self) {
        self.announce = Announce::Changes;
        self.has_lost_events = true;
    }

    /// Returns whether a dump is this job's.
    pub(crate) fn owns(&self, dump: DumpId) -> bool {
        self.state == State::Dumping(dump)
    }

    /// Returns whether no re-read runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// Notes that an event spoke of a flow.
    pub(crate) fn saw(&self, flow: FlowId, internal: &mut InternalCache) {
        internal.set_generation(flow, self.generation);
    }

    /// Notes that a flow ended.
    pub(crate) fn saw_end(&mut self, flow: &Flow) {
        let (State::Dumping(_), Some(id)) = (self.state, flow.id) else {
            return;
        };
        if self.tombstones.len() < self.tombstones_max {
            self.tombstones.insert(id);
        } else {
            self.has_missed_tombstones = true;
        }
    }

    /// Takes an entry of the dump; returns what it did to the cache.
    pub(crate) fn dumped(
        &self,
        flow: &Flow,
        internal: &mut InternalCache,
        sync: &mut Sync,
        now: Instant,
    ) -> Change {
        if self.is_outdated(flow, internal) {
            return Change::Nothing;
        }
        let no_news = match self.announce {
            Announce::No => NoNews::Merge,
            Announce::Known if internal.find(&FlowKey::of(flow)).is_none() => return Change::Nothing,
            Announce::Known | Announce::Changes => NoNews::Skip,
        };
        let (change, is_news) = internal.apply_dumped(flow, no_news, now);
        if let Change::Flow(id) = change {
            self.saw(id, internal);
            if is_news && self.announce != Announce::No {
                sync.enqueue(id, internal);
            }
        }
        change
    }

    /// Takes an entry of the dump that its state keeps out of the cache.
    pub(crate) fn dumped_in_vain(&self, flow: &Flow, internal: &mut InternalCache, sync: &mut Sync) {
        if !self.is_outdated(flow, internal) {
            self.passed_over(flow, internal, sync);
        }
    }

    /// Returns whether an event has said more than this entry of the dump.
    fn is_outdated(&self, flow: &Flow, internal: &InternalCache) -> bool {
        let has_ended = flow.id.is_some_and(|id| self.tombstones.contains(&id));
        let known = internal.find(&FlowKey::of(flow));
        has_ended || known.is_some_and(|id| internal.generation(id) == self.generation)
    }

    /// Notes that the kernel spoke of a flow that its state keeps out of the cache.
    ///
    /// What is cached under its tuple is the same flow in the last state that was kept, and stays
    /// until its end; or it is another one, whose end nobody told.
    pub(crate) fn passed_over(&self, flow: &Flow, internal: &mut InternalCache, sync: &mut Sync) {
        let known = internal.find(&FlowKey::of(flow));
        let Some(id) = known.filter(|id| internal.liveness(*id) != Liveness::Dead) else {
            return;
        };
        if internal.is_another(id, flow) {
            internal.kill(id);
            sync.enqueue(id, internal);
        } else {
            self.saw(id, internal);
        }
    }

    /// Goes on to the flows that the dump lacked.
    pub(crate) fn dump_ended(
        &mut self,
        internal: &InternalCache,
        batch_len_max: u16,
        out: &mut Outputs,
    ) -> Option<Ended> {
        self.tombstones.clear();
        self.state = State::Hunting { slot: 0 };
        self.hunt(internal, batch_len_max, out)
    }

    /// Gives up a dump that failed.
    pub(crate) fn dump_failed(&mut self, out: &mut Outputs) {
        self.state = State::Idle;
        out.end(&mut self.clients);
        self.start_wanted(out);
    }

    /// Asks the kernel for the next flows that were not seen; ends if there are none.
    fn hunt(&mut self, internal: &InternalCache, batch_len_max: u16, out: &mut Outputs) -> Option<Ended> {
        let State::Hunting { mut slot } = self.state else {
            return None;
        };
        let mut batch = out.new_batch();
        while batch.requests.len() < usize::from(batch_len_max)
            && let Some(id) = internal.first_from(slot)
        {
            slot = id.slot().saturating_add(1);
            if self.is_suspect(id, internal) {
                batch.requests.push(FlowRequest::Get(internal.name(id)));
            }
        }
        if !batch.requests.is_empty() {
            self.state = State::Hunting { slot };
            out.batch(BatchOwner::Ghosts, batch);
            return None;
        }
        self.state = State::Idle;
        out.end(&mut self.clients);
        if self.has_missed_tombstones {
            self.wanted = self.wanted.max(Some(self.announce));
        }
        let ended = if self.has_missed_tombstones {
            Ended::Again
        } else {
            Ended::Complete { ghosts: self.ghosts }
        };
        self.start_wanted(out);
        Some(ended)
    }

    fn is_suspect(&self, id: FlowId, internal: &InternalCache) -> bool {
        internal.liveness(id) != Liveness::Dead && internal.generation(id) != self.generation
    }

    /// Buries the flows that the kernel no longer has, and tells the peer.
    pub(crate) fn batch_ended(
        &mut self,
        batch: &Batch,
        failures: &[RequestFailure],
        internal: &mut InternalCache,
        sync: &mut Sync,
        batch_len_max: u16,
        out: &mut Outputs,
    ) -> Option<Ended> {
        for failure in failures.iter().filter(|failure| failure.errno == Errno::ENOENT) {
            let Some(FlowRequest::Get(name)) = batch.requests.get(failure.index) else {
                continue;
            };
            let Some(id) = internal.find(&FlowKey::of_name(name)) else {
                continue;
            };
            if self.is_suspect(id, internal) {
                internal.kill(id);
                sync.enqueue(id, internal);
                self.ghosts = self.ghosts.saturating_add(1);
            }
        }
        self.hunt(internal, batch_len_max, out)
    }

    fn start_wanted(&mut self, out: &mut Outputs) {
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
