//! What must be well once the faults have stopped.

use std::time::Duration;

use engine::input::Request;

use super::{ANSWER_TIME_MAX, Cluster, Failure};
use crate::side::Side;
use crate::world::Topology;

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
        if !self.world.heals() {
            // What is still on its way is taken whenever it comes.
            self.pause(Duration::from_secs(3))?;
            for side in Side::BOTH {
                if self.has_own_flows(side) {
                    self.ask_and_wait(side, Request::Bulk)?;
                }
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

    /// Returns whether the flows of a node are its own: those of a backup may have been injected.
    fn has_own_flows(&self, side: Side) -> bool {
        !self.world.injects() || self.topology == Topology::ActiveBackup(side)
    }

    pub(super) fn pause(&mut self, span: Duration) -> Result<(), Failure> {
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
}
