//! What must be well once the faults have stopped: recovery, and the failover that loses no flow.

use std::collections::BTreeSet;
use std::time::Duration;

use engine::cache::FlowKey;
use engine::flow::Flow;
use engine::input::{CacheName, DumpFormat, Request, Table};

use super::{ANSWER_TIME_MAX, Cluster, Failure};
use crate::check::{self, TakenOver};
use crate::side::Side;
use crate::takeover::Script;

/// Longer than any deadline of the engine is away that is there for a reason only.
const QUIET_TIME: Duration = Duration::from_secs(17);

/// In this time after the last fault all must be well.
const RECOVERY_TIME_MAX: Duration = Duration::from_secs(150);

impl Cluster {
    /// Waits until all is well: the caches equal to the kernels, and nothing left to do.
    pub(super) fn recover(&mut self) -> Result<(), Failure> {
        self.step_until("the machines are not back", ANSWER_TIME_MAX, |cluster| {
            cluster.script.is_none() && Side::BOTH.iter().all(|side| cluster.is_running(*side))
        })?;
        if !self.world.is_acknowledged() {
            // What is still on its way is taken whenever it comes.
            self.pause(Duration::from_secs(3))?;
            for side in Side::BOTH {
                self.ask_and_wait(side, Request::Bulk)?;
            }
        }
        let until = self.now().saturating_add(RECOVERY_TIME_MAX);
        loop {
            let left = until.saturating_since(self.now());
            self.step_until("the nodes have not come to rest", left, Self::is_quiet)?;
            let result = self.audit();
            let has_time = self.now().saturating_add(QUIET_TIME) < until;
            if !(has_time && matches!(result, Err(Failure::Wrong(_)))) {
                return result;
            }
            self.pause(Duration::from_secs(2))?;
        }
    }

    fn pause(&mut self, span: Duration) -> Result<(), Failure> {
        let until = self.now().saturating_add(span);
        while self.now() < until {
            self.step()?;
        }
        Ok(())
    }

    /// Returns whether nothing is waited for and nothing in a queue but control messages.
    fn is_quiet(&self) -> bool {
        let now = self.now();
        Side::BOTH.iter().all(|side| {
            self.with_machine(*side, |machine| {
                machine.view.as_ref().is_some_and(|view| {
                    let queues = view.stats.queues;
                    now.saturating_since(view.busy_at) >= QUIET_TIME
                        && queues
                            .resend
                            .is_none_or(|resend| resend.len == queues.control_messages)
                })
            })
        })
    }

    /// Returns whether the peer knows of every flow of a node that has ended: not without
    /// acknowledgements, and not if the resend queue was too short to keep ends until they came.
    fn has_told_all_ends(&self, side: Side) -> bool {
        let has_overflowed = self.with_machine(side, |machine| {
            let resend = machine.view.as_ref().and_then(|view| view.stats.queues.resend);
            resend.is_some_and(|resend| resend.overflowed > 0)
        });
        self.world.is_acknowledged() && !has_overflowed
    }

    /// Compares the caches of both nodes with the kernels.
    fn audit(&mut self) -> Result<(), Failure> {
        let (table, format) = (Table::Flows, DumpFormat::Text);
        for side in Side::BOTH {
            for cache in [CacheName::Internal, CacheName::External] {
                let printed = self.ask_and_wait(side, Request::Dump { cache, table, format })?;
                let printed = check::printed_lines(&printed);
                let result = match cache {
                    CacheName::Internal => {
                        let wanted = check::internal_lines(&self.flows(side));
                        check::lines(&format!("the internal cache of {side}"), &wanted, &printed, true)
                    }
                    CacheName::External => {
                        let wanted = check::external_lines(&self.flows(side.other()));
                        let is_exact = self.has_told_all_ends(side.other());
                        check::lines(
                            &format!("the external cache of {side}"),
                            &wanted,
                            &printed,
                            is_exact,
                        )
                    }
                };
                result.map_err(Failure::Wrong)?;
            }
        }
        Ok(())
    }

    fn flows(&self, side: Side) -> Vec<Flow> {
        let now = self.now();
        self.with_machine(side, |machine| machine.kernel.flows(now))
    }

    fn n_not_committed(&self, side: Side) -> u64 {
        self.with_machine(side, |machine| {
            machine.view.as_ref().map_or(0, |view| view.stats.commit.failed)
        })
    }

    /// One machine dies, and the other one takes over: it must have all flows of the dead one.
    pub(super) fn fail_over(&mut self, victim: Side) -> Result<(), Failure> {
        let heir = victim.other();
        // What has just ended is told before the machine dies.
        self.has_expiry = false;
        self.pause(Duration::from_secs(2))?;
        let lost = self.flows(victim);
        let there_before: BTreeSet<FlowKey> = self.flows(heir).iter().map(FlowKey::of).collect();
        let n_failed_before = self.n_not_committed(heir);
        self.power_off(victim);
        self.script = Some(Script::commit(heir));
        self.step_until("the commit has not ended", ANSWER_TIME_MAX, |cluster| {
            cluster.script.is_none()
        })?;
        let n_failed = self.n_not_committed(heir) - n_failed_before;
        let missing = self.check_taken_over(&lost, heir, &there_before)?;
        let n_missing = u64::try_from(missing.len()).expect("flows are few");
        let flow_len_max = self.world.kernel.flow_len_max;
        let may_fail = self.with_machine(heir, |machine| machine.kernel.len() >= flow_len_max);
        if n_missing > 0 && !(may_fail && n_missing <= n_failed) {
            let what = format!("{n_missing} flows are not taken over, {n_failed} are counted: {missing:#?}");
            return Err(Failure::Wrong(what));
        }
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
                missing.push(check::name_of(&key));
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
}
