//! Caches and kernels, compared: what the nodes have at rest.

use std::collections::BTreeSet;

use engine::cache::FlowKey;
use engine::filter::Verdict;
use engine::flow::{Expectation, Flow};
use engine::input::{CacheName, DumpFormat, Request, Table};
use engine::stats::Statistics;

use super::{Cluster, Failure};
use crate::check::{self, TakenOver};
use crate::side::Side;
use crate::world::Topology;

impl Cluster {
    /// Compares what each node has of its own kernel and of the peer's with those kernels.
    pub(super) fn audit(&mut self) -> Result<(), Failure> {
        for side in Side::BOTH {
            if !self.world.bypasses() {
                self.audit_internal(side)?;
            }
            self.audit_external(side)?;
            if self.world.config.expectations.is_on() {
                self.audit_expectations(side)?;
            }
        }
        match self.topology {
            Topology::ActiveBackup(active) if self.world.injects() => self.audit_injected(active),
            Topology::ActiveBackup(_) | Topology::ActiveActive => Ok(()),
        }
    }

    /// A flow that changes into a state that is left out stays as it was last kept.
    fn audit_internal(&mut self, side: Side) -> Result<(), Failure> {
        let printed = self.print(side, CacheName::Internal, Table::Flows)?;
        let (mut wanted, mut known) = (
            check::internal_lines(&self.kept_flows(side)),
            check::internal_lines(&self.flows_kept_once(side)),
        );
        // Whose the flows of the kernel are is not seen in it.
        if self.world.injects() {
            known.append(&mut wanted);
        }
        let known = check::names(&known);
        let what = format!("the internal cache of {side}");
        check::compare(&what, &wanted, &printed, |line| {
            known.contains(&check::name(line))
        })
        .map_err(Failure::Wrong)
    }

    fn audit_external(&mut self, side: Side) -> Result<(), Failure> {
        let printed = self.print(side, CacheName::External, Table::Flows)?;
        let peer = side.other();
        let (wanted, known) = if self.world.injects() {
            (Vec::new(), BTreeSet::new())
        } else {
            let known = check::external_lines(&self.flows_kept_once(peer));
            (
                check::external_lines(&self.kept_flows(peer)),
                check::names(&known),
            )
        };
        let is_exact = self.has_told_all_ends(peer);
        let what = format!("the external cache of {side}");
        check::compare(&what, &wanted, &printed, |line| {
            !is_exact || known.contains(&check::name(line))
        })
        .map_err(Failure::Wrong)
    }

    fn audit_expectations(&mut self, side: Side) -> Result<(), Failure> {
        for (cache, of) in [(CacheName::Internal, side), (CacheName::External, side.other())] {
            let printed = self.print(side, cache, Table::Expectations)?;
            let wanted = check::expectation_lines(&self.told_expectations(of));
            let known = check::expectation_lines(&self.expectations(of));
            let is_exact = cache == CacheName::Internal || self.has_told_all_ends(of);
            let what = format!("the {cache:?} cache of expectations of {side}");
            check::compare(&what, &wanted, &printed, |line| {
                !is_exact || known.iter().any(|known| known == line)
            })
            .map_err(Failure::Wrong)?;
        }
        Ok(())
    }

    /// The kernel of the backup has what the active one tells.
    fn audit_injected(&mut self, active: Side) -> Result<(), Failure> {
        let told = self.told_flows(active)?;
        let backup = active.other();
        let now = self.now();
        for flow in &told {
            let key = FlowKey::of(flow);
            let present = self.with_machine(backup, |machine| machine.kernel.flow(&key, now));
            let Some(present) = present else {
                if self.may_lack_injected(backup, &key) {
                    continue;
                }
                let what = format!("{backup} lacks {}", check::name_of(&key));
                return Err(Failure::Wrong(what));
            };
            let taken = TakenOver {
                lost: flow,
                present: &present,
                was_there: true,
                has_master: false,
            };
            taken.check(&self.world.config).map_err(Failure::Wrong)?;
        }
        let kernel: BTreeSet<FlowKey> = self.flows(active).iter().map(FlowKey::of).collect();
        let claimed = self.own_names(backup)?;
        let is_surplus =
            |flow: &&Flow| !kernel.contains(&FlowKey::of(flow)) && !claimed.contains(&internal_name(flow));
        let flows = self.flows(backup);
        match flows.iter().find(is_surplus) {
            Some(flow) if self.has_told_all_ends(active) && !self.world.has_restarts() => {
                let what = format!("{backup} still has {}", check::name_of(&FlowKey::of(flow)));
                Err(Failure::Wrong(what))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn print(&mut self, side: Side, cache: CacheName, table: Table) -> Result<Vec<String>, Failure> {
        let format = DumpFormat::Text;
        let printed = self.ask_and_wait(side, Request::Dump { cache, table, format })?;
        Ok(check::printed_lines(&printed))
    }

    /// Returns whether the peer knows of every flow of a node that has ended: not if it could be
    /// lost, and not if the resend queue was too short to keep ends until they came.
    fn has_told_all_ends(&self, side: Side) -> bool {
        let resend = self.stats(side).queues.resend;
        self.world.heals() && resend.is_none_or(|resend| resend.overflowed == 0)
    }

    /// Returns the numbers of a node.
    pub(super) fn stats(&self, side: Side) -> Statistics {
        self.with_machine(side, |machine| {
            let view = machine.view.as_ref();
            view.map(|view| view.stats.clone()).unwrap_or_default()
        })
    }

    /// Returns whether there was no room in a kernel for a flow.
    pub(super) fn was_full(&self, side: Side) -> bool {
        self.with_machine(side, |machine| machine.kernel.was_full())
    }

    /// Returns whether a kernel may lack a flow that was injected: it has run out of time, as nothing
    /// tells of traffic, or there was no room for it.
    pub(super) fn may_lack_injected(&self, side: Side, key: &FlowKey) -> bool {
        self.was_full(side) || self.with_machine(side, |machine| machine.kernel.has_timed_out(key))
    }

    pub(super) fn flows(&self, side: Side) -> Vec<Flow> {
        let now = self.now();
        self.with_machine(side, |machine| machine.kernel.flows(now))
    }

    /// Returns the flows of a kernel that the filter keeps.
    pub(super) fn kept_flows(&self, side: Side) -> Vec<Flow> {
        let filter = &self.world.config.filter;
        let mut flows = self.flows(side);
        flows.retain(|flow| filter.judge(flow) == Verdict::Kept);
        flows
    }

    /// Returns those that their node alone tells. Where flows are injected, a node that reads its
    /// kernel anew takes those of the peer for its own, and of two that tell of a flow none is right.
    pub(super) fn told_flows(&mut self, side: Side) -> Result<Vec<Flow>, Failure> {
        let mut flows = self.kept_flows(side);
        if self.world.injects() {
            let own = self.own_names(side)?;
            let peers = self.own_names(side.other())?;
            flows.retain(|flow| {
                let name = internal_name(flow);
                own.contains(&name) && !peers.contains(&name)
            });
        }
        Ok(flows)
    }

    /// Returns the names of the flows in an internal cache.
    fn own_names(&mut self, side: Side) -> Result<BTreeSet<String>, Failure> {
        let printed = self.print(side, CacheName::Internal, Table::Flows)?;
        Ok(check::names(&printed))
    }

    /// Returns those that it leaves out for their state alone, so that it may have kept them before.
    fn flows_kept_once(&self, side: Side) -> Vec<Flow> {
        let filter = &self.world.config.filter;
        let mut flows = self.flows(side);
        flows.retain(|flow| filter.judge(flow) != Verdict::Kept && filter.judge_end(flow) == Verdict::Kept);
        flows
    }

    fn expectations(&self, side: Side) -> Vec<Expectation> {
        let now = self.now();
        self.with_machine(side, |machine| machine.kernel.expectations(now))
    }

    /// Returns the expectations of a kernel that the peer must know: those of flows that are kept.
    pub(super) fn told_expectations(&self, side: Side) -> Vec<Expectation> {
        let sync = &self.world.config.expectations;
        let kept = self.kept_flows(side);
        let is_kept = |expectation: &Expectation| kept.iter().any(|flow| flow.orig == expectation.master);
        let mut expectations = self.expectations(side);
        expectations.retain(|expectation| sync.wants(expectation.helper.as_ref()) && is_kept(expectation));
        expectations
    }
}

/// Returns the name that the line about a flow in an internal cache has.
fn internal_name(flow: &Flow) -> String {
    let lines = check::internal_lines(std::slice::from_ref(flow));
    lines.iter().map(|line| check::name(line)).collect()
}
