//! A simple model of the kernel's connection-tracking table, as ctnetlink shows it.
//!
//! Only what the sync daemon can see is modelled: entries found by either tuple and zone, what their
//! helpers foretell, timeouts, the errors of requests, and a socket of events that overruns.

mod events;
mod expectations;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::cache::FlowKey;
use engine::flow::{Flow, Nat, ProtoState, Status, Synproxy, TcpFlags, Tuple};
use engine::input::{Errno, EventKind, Origin};
use engine::output::{FlowName, FlowRequest};
use engine::time::Instant;

pub(crate) use events::{Event, Read, Subject};

use events::EventSocket;
use expectations::Expectations;

/// An entry of the table.
#[derive(Debug)]
struct Entry {
    /// Its timeout is not kept here, but in `expires`.
    flow: Flow,
    expires: Instant,
}

/// The table of one machine.
#[derive(Debug)]
pub(crate) struct Kernel {
    entries: BTreeMap<FlowKey, Entry>,
    /// Both tuples of every entry, with its zone.
    tuples: BTreeMap<FlowKey, FlowKey>,
    expectations: Expectations,
    len_max: usize,
    n_created: u32,
    socket: Option<EventSocket>,
    event_len_max: usize,
    /// Every flow there ever was, for those who check what is said of it.
    history: BTreeSet<FlowKey>,
    /// Whether a flow was refused because there was no room for it.
    was_full: bool,
    /// Flows that ended because their time was over, and did not come again.
    timed_out: BTreeSet<FlowKey>,
}

impl Kernel {
    /// Returns an empty table for `len_max` flows, with room for `event_len_max` unread events.
    pub(crate) fn new(len_max: usize, event_len_max: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            tuples: BTreeMap::new(),
            expectations: Expectations::default(),
            len_max,
            n_created: 0,
            socket: None,
            event_len_max,
            history: BTreeSet::new(),
            was_full: false,
            timed_out: BTreeSet::new(),
        }
    }

    /// Forgets everything: the machine has lost its power.
    pub(crate) fn lose_power(&mut self) {
        self.entries.clear();
        self.tuples.clear();
        self.expectations.lose_power();
        self.timed_out.clear();
        self.socket = None;
    }

    /// Returns the keys of all flows there ever were.
    pub(crate) const fn history(&self) -> &BTreeSet<FlowKey> {
        &self.history
    }

    /// Returns whether a flow was refused because there was no room for it.
    pub(crate) const fn was_full(&self) -> bool {
        self.was_full
    }

    /// Returns whether a flow has ended because its time was over.
    pub(crate) fn has_timed_out(&self, key: &FlowKey) -> bool {
        self.timed_out.contains(key)
    }

    /// Opens the event socket of a daemon that starts, in place of the one of the daemon before it.
    pub(crate) fn subscribe(&mut self, now: Instant) {
        self.socket = Some(EventSocket::new(self.event_len_max, now));
    }

    /// Closes the event socket: the daemon is dead.
    pub(crate) fn unsubscribe(&mut self) {
        self.socket = None;
    }

    /// Loses all events until `until`.
    pub(crate) fn deafen(&mut self, until: Instant) {
        if let Some(socket) = &mut self.socket {
            socket.deafen(until);
        }
    }

    /// Reads the event socket; a loss is told first, then the events that did fit.
    pub(crate) fn read(&mut self) -> Option<Read> {
        self.socket.as_mut()?.read()
    }

    /// Returns whether the event socket has something to read.
    pub(crate) fn has_unread(&self) -> bool {
        self.socket.as_ref().is_some_and(EventSocket::has_unread)
    }

    /// Returns the number of flows.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the keys of all flows, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = FlowKey> {
        self.entries.keys().copied()
    }

    /// Returns the flow with this key as a dump tells it.
    pub(crate) fn flow(&self, key: &FlowKey, now: Instant) -> Option<Flow> {
        self.entries.get(key).map(|entry| entry.dumped(now))
    }

    /// Returns all flows as a dump tells them.
    pub(crate) fn flows(&self, now: Instant) -> Vec<Flow> {
        self.entries.values().map(|entry| entry.dumped(now)).collect()
    }

    /// Returns the next `len_max` entries of a dump that has come as far as `after`.
    pub(crate) fn dump_part(&self, after: Option<FlowKey>, len_max: usize, now: Instant) -> Vec<Flow> {
        self.entries
            .iter()
            .filter(|(key, _)| after.is_none_or(|after| **key > after))
            .take(len_max)
            .map(|(_, entry)| entry.dumped(now))
            .collect()
    }

    /// A flow begins; both its tuples are given.
    pub(crate) fn begin(&mut self, flow: Flow, now: Instant) -> Result<(), Errno> {
        self.insert(flow, Origin::NotUs, now)
    }

    /// A flow changes as `change` says; it does nothing if there is no such flow.
    pub(crate) fn change(&mut self, key: &FlowKey, change: impl FnOnce(&mut Flow), now: Instant) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let mark = entry.flow.mark;
        entry.flow.timeout_secs = None;
        change(&mut entry.flow);
        if let Some(secs) = entry.flow.timeout_secs {
            entry.expires = now.saturating_add(Duration::from_secs(u64::from(secs)));
        }
        let has_marked = entry.flow.mark != mark;
        let told = entry.told(has_marked, now);
        self.tell_flow(EventKind::Update, Origin::NotUs, told, now);
    }

    /// Traffic keeps a flow alive, which no event tells.
    pub(crate) fn refresh(&mut self, key: &FlowKey, timeout_secs: u32, now: Instant) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.expires = now.saturating_add(Duration::from_secs(u64::from(timeout_secs)));
        }
    }

    /// A flow ends before its time.
    pub(crate) fn end(&mut self, key: &FlowKey, now: Instant) {
        self.remove(key, Origin::NotUs, now);
    }

    /// Ends what time is over; returns the flows.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<FlowKey> {
        self.expire_expectations(now);
        let is_over = |entry: &Entry| entry.expires <= now;
        let over: Vec<FlowKey> = self
            .entries
            .iter()
            .filter(|(_, entry)| is_over(entry))
            .map(|(key, _)| *key)
            .collect();
        for key in &over {
            self.remove(key, Origin::NotUs, now);
        }
        over
    }

    /// Carries out a request of the daemon; the flow is the answer to a get.
    pub(crate) fn request(&mut self, request: &FlowRequest, now: Instant) -> Result<Option<Flow>, Errno> {
        match request {
            FlowRequest::Create(flow) => self.create(flow, now).map(|()| None),
            FlowRequest::Update(flow) => self.update(flow, now).map(|()| None),
            FlowRequest::Delete(name) => {
                let key = self.find(name).ok_or(Errno::ENOENT)?;
                if name.id.is_some() && self.entries[&key].flow.id != name.id {
                    return Err(Errno::ENOENT);
                }
                self.remove(&key, Origin::Us, now);
                Ok(None)
            }
            FlowRequest::Get(name) => {
                let key = self.find(name).ok_or(Errno::ENOENT)?;
                Ok(self.flow(&key, now))
            }
            FlowRequest::Expectation(request) => self.request_expectation(request, now).map(|()| None),
        }
    }

    fn find(&self, name: &FlowName) -> Option<FlowKey> {
        self.tuples.get(&FlowKey::of_name(name)).copied()
    }

    fn create(&mut self, wanted: &Flow, now: Instant) -> Result<(), Errno> {
        let status = wanted.status.unwrap_or_default();
        if status & (Status::EXPECTED | Status::CONFIRMED | Status::DYING) != Status::CONFIRMED {
            return Err(Errno::EBUSY);
        }
        if wanted.timeout_secs.is_none() {
            return Err(Errno::EINVAL);
        }
        if wanted.helper.is_some_and(|helper| helper.as_bytes() != b"ftp") {
            return Err(Errno::EOPNOTSUPP);
        }
        let zone = wanted.zone;
        let has_master = |master| {
            let key = FlowKey::of_name(&FlowName {
                orig: master,
                zone,
                id: None,
            });
            self.tuples.contains_key(&key)
        };
        if wanted.master.is_some_and(|master| !has_master(master)) {
            return Err(Errno::ENOENT);
        }
        let mirrored = wanted.reply.unwrap_or_else(|| wanted.orig.mirrored());
        let kept = Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED | Status::FIXED_TIMEOUT;
        let set_here = [
            (wanted.master.is_some(), Status::EXPECTED),
            (wanted.nat.is_some(), Status::SRC_NAT_DONE | Status::DST_NAT_DONE),
            (
                wanted.nat.snat.is_some() || wanted.nat.spat.is_some(),
                Status::SRC_NAT,
            ),
            (
                wanted.nat.dnat.is_some() || wanted.nat.dpat.is_some(),
                Status::DST_NAT,
            ),
            (wanted.seq_adj.is_some(), Status::SEQ_ADJUST),
            (wanted.helper.is_some(), Status::HELPER),
        ];
        let status = set_here
            .iter()
            .filter(|(is_set, _)| *is_set)
            .fold(status & kept, |status, (_, bits)| status | *bits);
        let flow = Flow {
            reply: Some(wanted.nat.applied_to(mirrored)),
            nat: Nat::NONE,
            status: Some(status),
            proto: stored(wanted.proto),
            synproxy: Some(wanted.synproxy.unwrap_or(Synproxy::ZERO)),
            mark: Some(wanted.mark.unwrap_or(0)),
            ..wanted.clone()
        };
        self.insert(flow, Origin::Us, now)
    }

    fn insert(&mut self, mut flow: Flow, origin: Origin, now: Instant) -> Result<(), Errno> {
        let key = FlowKey::of(&flow);
        let reply = flow.reply.map(|reply| with_tuple(key, reply));
        if [Some(key), reply]
            .iter()
            .flatten()
            .any(|tuple| self.tuples.contains_key(tuple))
        {
            return Err(Errno::EEXIST);
        }
        if self.entries.len() >= self.len_max {
            self.was_full = true;
            return Err(Errno::ENOMEM);
        }
        self.n_created = self.n_created.wrapping_add(1);
        flow.id = Some(self.n_created);
        let timeout = Duration::from_secs(u64::from(flow.timeout_secs.take().unwrap_or(0)));
        let entry = Entry {
            flow,
            expires: now.saturating_add(timeout),
        };
        let told = entry.told(false, now);
        self.tuples.insert(key, key);
        self.tuples.extend(reply.map(|reply| (reply, key)));
        self.entries.insert(key, entry);
        self.history.insert(key);
        self.timed_out.remove(&key);
        self.tell_flow(EventKind::New, origin, told, now);
        Ok(())
    }

    /// Applies what the request carries, one by one; tuples, translation, helper and master are not
    /// part of an update.
    fn update(&mut self, wanted: &Flow, now: Instant) -> Result<(), Errno> {
        let name = FlowName {
            orig: wanted.orig,
            zone: wanted.zone,
            id: None,
        };
        let key = self.find(&name).ok_or(Errno::ENOENT)?;
        let entry = self.entries.get_mut(&key).ok_or(Errno::ENOENT)?;
        let present = entry.flow.status.unwrap_or_default();
        if let Some(status) = wanted.status {
            let unchangeable = Status::EXPECTED | Status::CONFIRMED | Status::DYING;
            let only_added = Status::SEEN_REPLY | Status::ASSURED;
            let is_cleared = (present & only_added) & !status != Status::default();
            if (present & unchangeable) != (status & unchangeable) || is_cleared {
                return Err(Errno::EBUSY);
            }
            entry.flow.status = Some(present | (status & (only_added | Status::FIXED_TIMEOUT)));
        }
        if let Some(secs) = wanted.timeout_secs {
            if present.contains(Status::FIXED_TIMEOUT) {
                return Err(Errno::EPERM);
            }
            entry.expires = now.saturating_add(Duration::from_secs(u64::from(secs)));
        }
        let has_marked = wanted.mark.is_some_and(|mark| entry.flow.mark != Some(mark));
        entry.flow.mark = wanted.mark.or(entry.flow.mark);
        entry.flow.labels = wanted.labels.or(entry.flow.labels);
        entry.flow.seq_adj = wanted.seq_adj.or(entry.flow.seq_adj);
        entry.flow.synproxy = wanted.synproxy.or(entry.flow.synproxy);
        entry.flow.proto.merge(stored(wanted.proto));
        let told = entry.told(has_marked, now);
        self.tell_flow(EventKind::Update, Origin::Us, told, now);
        Ok(())
    }

    fn remove(&mut self, key: &FlowKey, origin: Origin, now: Instant) {
        let Some(entry) = self.entries.remove(key) else {
            return;
        };
        self.tuples.remove(key);
        if let Some(reply) = entry.flow.reply {
            self.tuples.remove(&with_tuple(*key, reply));
        }
        let has_expired = entry.expires <= now;
        let mut told = entry.told(false, now);
        told.status = told.status.map(|status| status | Status::DYING);
        told.timeout_secs = told.timeout_secs.filter(|_| !has_expired);
        (told.helper, told.labels) = (None, None);
        if has_expired {
            self.timed_out.insert(*key);
        }
        self.tell_flow(EventKind::Destroy, origin, told, now);
        self.end_foretold(key, now);
    }

    fn tell_flow(&mut self, kind: EventKind, origin: Origin, flow: Flow, now: Instant) {
        let subject = Subject::Flow(Box::new(flow));
        self.tell(
            Event {
                kind,
                origin,
                subject,
            },
            now,
        );
    }

    fn tell(&mut self, event: Event, now: Instant) {
        if let Some(socket) = &mut self.socket {
            socket.tell(event, now);
        }
    }
}

impl Entry {
    /// Returns the flow as a dump tells it.
    fn dumped(&self, now: Instant) -> Flow {
        let left = self.expires.saturating_since(now).as_secs();
        Flow {
            timeout_secs: Some(u32::try_from(left).unwrap_or(u32::MAX)),
            mark: Some(self.flow.mark.unwrap_or(0)),
            use_count: Some(1),
            ..self.flow.clone()
        }
    }

    /// Returns the flow as an event tells it: a mark of zero only if it has just become so.
    fn told(&self, has_marked: bool, now: Instant) -> Flow {
        let flow = self.dumped(now);
        Flow {
            mark: flow.mark.filter(|mark| *mark != 0 || has_marked),
            use_count: None,
            ..flow
        }
    }
}

/// Returns the key of the flow in the same zone with this tuple.
fn with_tuple(
    key: FlowKey,
    Tuple {
        addrs,
        proto,
        key: l4,
    }: Tuple,
) -> FlowKey {
    FlowKey {
        addrs,
        proto,
        key: l4,
        ..key
    }
}

/// Returns what the kernel keeps of the protocol's state in a request: it takes window scales only
/// if both are there with the flags that they are valid.
fn stored(proto: ProtoState) -> ProtoState {
    let ProtoState::Tcp(mut tcp) = proto else {
        return proto;
    };
    let is_scaled =
        |flags: Option<TcpFlags>| flags.is_some_and(|TcpFlags(bits)| bits & TcpFlags::WINDOW_SCALE.0 != 0);
    let has_both = tcp.wscale_orig.is_some() && tcp.wscale_reply.is_some();
    if !(has_both && is_scaled(tcp.flags_orig) && is_scaled(tcp.flags_reply)) {
        (tcp.wscale_orig, tcp.wscale_reply) = (None, None);
    }
    ProtoState::Tcp(tcp)
}
