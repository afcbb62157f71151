//! The failover that loses no flow and no expectation.

use std::collections::BTreeSet;

use engine::cache::FlowKey;
use engine::flow::{Expectation, Flow, Tuple};
use engine::time::Instant;

use super::{ANSWER_TIME_MAX, Cluster, Failure};
use crate::check::{self, TakenOver};
use crate::side::Side;
use crate::takeover::Script;
use crate::world::Topology;

impl Cluster {
    /// One machine dies, and the other one takes over: it must have all flows of the dead one.
    pub(super) fn fail_over(&mut self, victim: Side) -> Result<(), Failure> {
        let heir = victim.other();
        // What has just ended is told before the machine dies.
        self.has_expiry = false;
        self.pause(self.world.telling_time())?;
        let mut lost = self.told_flows(victim)?;
        if self.world.injects() && self.topology != Topology::ActiveBackup(victim) {
            // It has only what the other one has told it.
            lost.clear();
        }
        let expectations = self.told_expectations(victim);
        let there_before: BTreeSet<FlowKey> = self.flows(heir).iter().map(FlowKey::of).collect();
        let n_failed_before = self.stats(heir).commit.failed;
        let died_at = self.now();
        self.power_off(victim);
        self.script = Some(Script::commit(heir));
        self.step_until("the commit has not ended", ANSWER_TIME_MAX, |cluster| {
            cluster.script.is_none()
        })?;
        let n_failed = self.stats(heir).commit.failed - n_failed_before;
        let missing = self.check_taken_over(&lost, heir, &there_before)?;
        let n_missing = u64::try_from(missing.len()).expect("flows are few");
        let may_fail = self.was_full(heir);
        if n_missing > 0 && !(may_fail && n_missing <= n_failed) {
            let what = format!("{n_missing} flows are not taken over, {n_failed} are counted: {missing:#?}");
            return Err(Failure::Wrong(what));
        }
        self.check_expectations_taken_over(&expectations, heir, died_at)?;
        self.n_taken_over += lost.len() - missing.len();
        self.tell(&format!(
            "{heir} has taken over {} flows",
            lost.len() - missing.len()
        ));
        self.script = Some(Script::begin_anew(heir));
        self.has_expiry = true;
        self.step_until("the machines are not back", ANSWER_TIME_MAX, |cluster| {
            cluster.script.is_none() && cluster.is_running(victim)
        })
    }

    /// Checks each flow that the heir has; returns the names of those it has not.
    fn check_taken_over(
        &self,
        lost: &[Flow],
        heir: Side,
        there_before: &BTreeSet<FlowKey>,
    ) -> Result<Vec<String>, Failure> {
        let now = self.now();
        let mut missing = Vec::new();
        for flow in lost {
            let key = FlowKey::of(flow);
            let Some(present) = self.with_machine(heir, |machine| machine.kernel.flow(&key, now)) else {
                if !(self.world.injects() && self.may_lack_injected(heir, &key)) {
                    missing.push(check::name_of(&key));
                }
                continue;
            };
            let is_master = |other: &Flow| Some(other.orig) == flow.master && other.zone == flow.zone;
            let has_master = self.flows(heir).iter().any(is_master);
            let taken = TakenOver {
                lost: flow,
                present: &present,
                was_there: there_before.contains(&key),
                has_master,
            };
            taken.check(&self.world.config).map_err(Failure::Wrong)?;
        }
        Ok(missing)
    }

    /// Checks each expectation that the heir must have: of a master that it has, with time left.
    fn check_expectations_taken_over(
        &self,
        lost: &[Expectation],
        heir: Side,
        died_at: Instant,
    ) -> Result<(), Failure> {
        let now = self.now();
        // Ages are counted in whole seconds.
        let passed_secs = now.saturating_since(died_at).as_secs() + 2;
        let mut heir_flows = self.flows(heir);
        heir_flows.retain(|flow| flow.zone.is_none());
        let masters: BTreeSet<Tuple> = heir_flows.iter().map(|flow| flow.orig).collect();
        let present = self.with_machine(heir, |machine| machine.kernel.expectations(now));
        for expectation in lost {
            let is_it = |other: &&Expectation| other.tuple == expectation.tuple;
            match present.iter().find(is_it) {
                Some(present) => {
                    check::expectation_taken_over(expectation, present, &self.world.config)
                        .map_err(Failure::Wrong)?;
                }
                None => {
                    let had_time = expectation.timeout_secs.map(u64::from) > Some(passed_secs);
                    if had_time && masters.contains(&expectation.master) {
                        let what = format!("an expectation is not taken over: {expectation:#?}");
                        return Err(Failure::Wrong(what));
                    }
                }
            }
        }
        Ok(())
    }
}
