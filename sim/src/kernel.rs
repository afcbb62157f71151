//! A simple model of the kernel's connection-tracking table, as ctnetlink shows it.
//!
//! Only what the sync daemon can see is modelled: entries found by either tuple and zone, their
//! timeouts, the errors of requests, and a socket of events that overruns.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use engine::cache::FlowKey;
use engine::flow::{Flow, Nat, ProtoState, Status, Synproxy, TcpFlags, Tuple};
use engine::input::{Errno, EventKind, Origin};
use engine::output::{FlowName, FlowRequest};
use engine::time::Instant;

/// An event about a flow.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    pub(crate) origin: Origin,
    pub(crate) flow: Flow,
}

/// What a read of the event socket gives.
#[derive(Clone, Debug)]
pub(crate) enum Read {
    Event(Box<Event>),
    Overrun,
}

/// The socket through which a daemon hears of changes.
#[derive(Debug)]
struct EventSocket {
    events: VecDeque<Event>,
    is_overrun: bool,
    /// Until then no event fits, as if the buffer were full.
    deaf_until: Instant,
}

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
    len_max: usize,
    n_created: u32,
    socket: Option<EventSocket>,
    event_len_max: usize,
    /// Every flow there ever was, for those who check what is said of it.
    history: BTreeSet<FlowKey>,
}

impl Kernel {
    /// Returns an empty table for `len_max` flows, with room for `event_len_max` unread events.
    pub(crate) const fn new(len_max: usize, event_len_max: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            tuples: BTreeMap::new(),
            len_max,
            n_created: 0,
            socket: None,
            event_len_max,
            history: BTreeSet::new(),
        }
    }

    /// Forgets everything: the machine has lost its power.
    pub(crate) fn lose_power(&mut self) {
        self.entries.clear();
        self.tuples.clear();
        self.socket = None;
    }

    /// Returns the keys of all flows there ever were.
    pub(crate) const fn history(&self) -> &BTreeSet<FlowKey> {
        &self.history
    }

    /// Opens the event socket of a daemon that starts, in place of the one of the daemon before it.
    pub(crate) fn subscribe(&mut self, now: Instant) {
        self.socket = Some(EventSocket {
            events: VecDeque::new(),
            is_overrun: false,
            deaf_until: now,
        });
    }

    /// Closes the event socket: the daemon is dead.
    pub(crate) fn unsubscribe(&mut self) {
        self.socket = None;
    }

    /// Loses all events until `until`.
    pub(crate) fn deafen(&mut self, until: Instant) {
        if let Some(socket) = &mut self.socket {
            socket.deaf_until = until;
        }
    }

    /// Reads the event socket; a loss is told first, then the events that did fit.
    pub(crate) fn read(&mut self) -> Option<Read> {
        let socket = self.socket.as_mut()?;
        if std::mem::take(&mut socket.is_overrun) {
            return Some(Read::Overrun);
        }
        socket
            .events
            .pop_front()
            .map(|event| Read::Event(Box::new(event)))
    }

    /// Returns whether the event socket has something to read.
    pub(crate) fn has_unread(&self) -> bool {
        self.socket
            .as_ref()
            .is_some_and(|socket| socket.is_overrun || !socket.events.is_empty())
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
        self.tell(EventKind::Update, Origin::NotUs, told, now);
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

    /// Ends the flows whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<FlowKey> {
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
            // Its flows have no helpers, and the nodes do not replicate expectations.
            FlowRequest::Expectation(_) => Err(Errno::EOPNOTSUPP),
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
        self.tell(EventKind::New, origin, told, now);
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
        self.tell(EventKind::Update, Origin::Us, told, now);
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
        self.tell(EventKind::Destroy, origin, told, now);
    }

    fn tell(&mut self, kind: EventKind, origin: Origin, flow: Flow, now: Instant) {
        let len_max = self.event_len_max;
        if let Some(socket) = &mut self.socket {
            if socket.events.len() >= len_max || now < socket.deaf_until {
                socket.is_overrun = true;
            } else {
                socket.events.push_back(Event { kind, origin, flow });
            }
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

#[cfg(test)]
mod tests {
    use engine::flow::{Addrs, L4Key, Protocol};

    use super::*;

    const NOW: Instant = Instant::from_millis(1_000);

    fn flow(port: u16) -> Flow {
        let orig = Tuple {
            addrs: Addrs::V4 {
                src: [10, 0, 0, 1].into(),
                dst: [192, 0, 2, 9].into(),
            },
            proto: Protocol::UDP,
            key: L4Key::Ports { src: port, dst: 53 },
        };
        Flow {
            reply: Some(orig.mirrored()),
            status: Some(Status::CONFIRMED),
            timeout_secs: Some(30),
            ..Flow::new(orig)
        }
    }

    fn kernel() -> Kernel {
        let mut kernel = Kernel::new(3, 2);
        kernel.subscribe(NOW);
        kernel
    }

    fn create(kernel: &mut Kernel, flow: Flow) -> Result<(), Errno> {
        kernel.request(&FlowRequest::Create(flow), NOW).map(|_| ())
    }

    #[test]
    fn a_tuple_is_taken_in_either_direction() {
        let mut kernel = kernel();
        create(&mut kernel, flow(1)).unwrap();
        assert_eq!(create(&mut kernel, flow(1)), Err(Errno::EEXIST));
        let backwards = Flow {
            reply: Some(flow(1).orig),
            orig: flow(1).orig.mirrored(),
            ..flow(1)
        };
        assert_eq!(create(&mut kernel, backwards), Err(Errno::EEXIST));
        let elsewhere = Flow {
            zone: Some(7),
            ..flow(1)
        };
        assert_eq!(create(&mut kernel, elsewhere), Ok(()));
    }

    #[test]
    fn what_cannot_be_done_has_an_error_and_no_effect() {
        let mut kernel = kernel();
        let orphan = Flow {
            master: Some(flow(9).orig),
            ..flow(1)
        };
        assert_eq!(create(&mut kernel, orphan), Err(Errno::ENOENT));
        let expected = Flow {
            status: Some(Status::CONFIRMED | Status::EXPECTED),
            ..flow(1)
        };
        assert_eq!(create(&mut kernel, expected), Err(Errno::EBUSY));
        let update = kernel.request(&FlowRequest::Update(flow(1)), NOW);
        assert_eq!(update, Err(Errno::ENOENT));
        assert!(kernel.read().is_none(), "nothing has happened");
        for port in 1..=3 {
            create(&mut kernel, flow(port)).unwrap();
        }
        assert_eq!(create(&mut kernel, flow(4)), Err(Errno::ENOMEM));
        assert_eq!(kernel.len(), 3);
    }

    #[test]
    fn an_overrun_is_told_before_the_events_that_did_fit() {
        let mut kernel = kernel();
        for port in 1..=3 {
            create(&mut kernel, flow(port)).unwrap();
        }
        assert!(matches!(kernel.read(), Some(Read::Overrun)));
        let told: Vec<_> = std::iter::from_fn(|| kernel.read()).collect();
        assert_eq!(told.len(), 2, "{told:?}");
    }

    #[test]
    fn a_flow_ends_when_its_time_is_over_and_traffic_puts_that_off() {
        let mut kernel = kernel();
        let key = FlowKey::of(&flow(1));
        kernel.begin(flow(1), NOW).unwrap();
        let later = NOW.saturating_add(Duration::from_secs(29));
        kernel.refresh(&key, 30, later);
        assert!(
            kernel
                .expire(NOW.saturating_add(Duration::from_secs(30)))
                .is_empty()
        );
        assert_eq!(kernel.expire(NOW.saturating_add(Duration::from_secs(59))), [key]);
        assert!(kernel.flow(&key, NOW).is_none());
    }

    #[test]
    fn a_translation_shows_in_the_reply_tuple_and_the_status() {
        let mut kernel = kernel();
        let nat = Nat {
            snat: Some([203, 0, 113, 1].into()),
            spat: Some(4_000),
            ..Nat::NONE
        };
        create(&mut kernel, Flow { nat, ..flow(1) }).unwrap();
        let created = kernel.flow(&FlowKey::of(&flow(1)), NOW).unwrap();
        assert_eq!(created.nat_in_effect(), nat);
        assert_eq!(created.status, Some(Status(0x198)));
    }
}
