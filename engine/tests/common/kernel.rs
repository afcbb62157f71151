//! The kernel of a node.

use std::collections::BTreeMap;

use engine::flow::{Expectation, Flow, Status, Tuple};
use engine::input::Errno;
use engine::output::{ExpectRequest, FlowRequest};

/// The kernel of a node: a table that obeys.
#[derive(Debug, Default)]
pub(crate) struct Kernel {
    pub(crate) flows: BTreeMap<(Tuple, Option<u16>), Flow>,
    /// By expected tuple.
    pub(crate) expectations: BTreeMap<Tuple, Expectation>,
    /// Creations of these source ports fail with this error.
    pub(crate) refuses: BTreeMap<u16, Errno>,
    /// Flows from these source ports are in no dump; asking for one by name fails with this error, if any.
    pub(crate) hides: BTreeMap<u16, Option<Errno>>,
}

impl Kernel {
    /// Returns the key of the flow that has this tuple in either direction.
    fn find(&self, tuple: Tuple, zone: Option<u16>) -> Option<(Tuple, Option<u16>)> {
        let has_tuple = |flow: &Flow| flow.orig == tuple || flow.reply == Some(tuple);
        let found = self
            .flows
            .iter()
            .find(|(key, flow)| key.1 == zone && has_tuple(flow));
        found.map(|(key, _)| *key)
    }

    /// Returns what a dump brings.
    pub(crate) fn dumped(&self) -> Vec<Flow> {
        let flows = self.flows.values();
        flows
            .filter(|flow| self.hidden(flow.orig).is_none())
            .cloned()
            .collect()
    }

    fn hidden(&self, orig: Tuple) -> Option<Option<Errno>> {
        orig.ports().and_then(|(src, _)| self.hides.get(&src)).copied()
    }

    pub(crate) fn request(&mut self, request: &FlowRequest) -> Result<Option<Flow>, Errno> {
        if let FlowRequest::Expectation(request) = request {
            return self.expect(request).map(|()| None);
        }
        let (orig, zone) = match request {
            FlowRequest::Create(flow) | FlowRequest::Update(flow) => (flow.orig, flow.zone),
            FlowRequest::Delete(name) | FlowRequest::Get(name) => (name.orig, name.zone),
            FlowRequest::Expectation(_) => unreachable!("handled above"),
        };
        let key = self.find(orig, zone).unwrap_or((orig, zone));
        match request {
            FlowRequest::Create(_) if self.flows.contains_key(&key) => Err(Errno::EEXIST),
            FlowRequest::Create(flow) if self.find(flow.nat.applied_to(orig.mirrored()), zone).is_some() => {
                Err(Errno::EEXIST)
            }
            FlowRequest::Create(flow) => {
                let port = flow.orig.ports().map_or(0, |(src, _)| src);
                if let Some(errno) = self.refuses.get(&port) {
                    return Err(*errno);
                }
                let has_master = |master| self.flows.contains_key(&(master, flow.zone));
                if flow.master.is_some_and(|master| !has_master(master)) {
                    return Err(Errno::ENOENT);
                }
                let reply = flow.nat.applied_to(flow.orig.mirrored());
                self.flows.insert(
                    key,
                    Flow {
                        reply: Some(reply),
                        nat: engine::flow::Nat::NONE,
                        ..flow.clone()
                    },
                );
                Ok(None)
            }
            FlowRequest::Update(flow) => match self.flows.get_mut(&key) {
                // Some bits are never taken away.
                Some(known) if flow.status.is_some_and(|status| lacks_bits_of(status, known)) => {
                    Err(Errno::EBUSY)
                }
                Some(known) => {
                    known.merge(flow);
                    Ok(None)
                }
                None => Err(Errno::ENOENT),
            },
            FlowRequest::Delete(_) => self.flows.remove(&key).map(|_| None).ok_or(Errno::ENOENT),
            FlowRequest::Get(_) => match self.hidden(orig).flatten() {
                Some(errno) => Err(errno),
                None => self.flows.get(&key).cloned().map(Some).ok_or(Errno::ENOENT),
            },
            FlowRequest::Expectation(_) => unreachable!("handled above"),
        }
    }

    fn expect(&mut self, request: &ExpectRequest) -> Result<(), Errno> {
        match request {
            ExpectRequest::Create(wanted) => {
                if !self.flows.contains_key(&(wanted.master, wanted.zone)) {
                    return Err(Errno::ENOENT);
                }
                if self.expectations.contains_key(&wanted.tuple) {
                    return Err(Errno::EEXIST);
                }
                let created = Expectation {
                    timeout_secs: Some(300),
                    ..(**wanted).clone()
                };
                self.expectations.insert(wanted.tuple, created);
            }
            ExpectRequest::Update(wanted) => {
                let known = self.expectations.get_mut(&wanted.tuple).ok_or(Errno::ENOENT)?;
                known.timeout_secs = wanted.timeout_secs;
            }
            ExpectRequest::Delete(wanted) => {
                self.expectations.remove(&wanted.tuple).ok_or(Errno::ENOENT)?;
            }
            ExpectRequest::Flush => self.expectations.clear(),
        }
        Ok(())
    }
}

fn lacks_bits_of(status: Status, known: &Flow) -> bool {
    let kept = Status::EXPECTED | Status::SEEN_REPLY | Status::ASSURED;
    !status.contains(known.status.unwrap_or_default() & kept)
}
