//! How the kernel schedules the daemon.

use std::{fmt, io};

use thread_priority::{
    Error, RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

use super::reason;

/// How the daemon is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Before ordinary programs, but never so that they starve: the default.
    ///
    /// The stock daemon takes the highest real-time priority unasked, and a dump of a large table
    /// can then stop a machine with few cores, VRRP daemon included.
    Favoured,
    /// Real-time, in turns (`SCHED_RR`).
    RoundRobin {
        /// From 1 to 99.
        priority: u8,
    },
    /// Real-time, until it waits (`SCHED_FIFO`).
    Fifo {
        /// From 1 to 99.
        priority: u8,
    },
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Favoured => write!(f, "nice value {FAVOURED_NICE}"),
            Self::RoundRobin { priority } => write!(f, "SCHED_RR with priority {priority}"),
            Self::Fifo { priority } => write!(f, "SCHED_FIFO with priority {priority}"),
        }
    }
}

/// The kernel refused the scheduling; the daemon runs as any program does.
#[derive(Debug, thiserror::Error)]
#[error("can't set the scheduler to {policy}: {}", reason(source))]
pub struct SchedulerError {
    /// What was asked for.
    pub policy: Policy,
    /// Why.
    pub source: io::Error,
}

/// Nice value of [`Policy::Favoured`]: about ten times the share of a program at 0.
const FAVOURED_NICE: i32 = -10;

/// Schedules this thread, and those it starts, by `policy`.
///
/// # Errors
/// If the process may not, usually for want of CAP_SYS_NICE.
pub fn apply(policy: Policy) -> Result<(), SchedulerError> {
    let applied = match policy {
        Policy::Favoured => rustix::process::setpriority_process(None, FAVOURED_NICE).map_err(Into::into),
        Policy::RoundRobin { priority } => real_time(RealtimeThreadSchedulePolicy::RoundRobin, priority),
        Policy::Fifo { priority } => real_time(RealtimeThreadSchedulePolicy::Fifo, priority),
    };
    applied.map_err(|source| SchedulerError { policy, source })
}

fn real_time(policy: RealtimeThreadSchedulePolicy, priority: u8) -> io::Result<()> {
    let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
    let priority = ThreadPriorityValue::try_from(priority).map_err(invalid)?;
    set_thread_priority_and_policy(
        thread_native_id(),
        ThreadPriority::Crossplatform(priority),
        ThreadSchedulePolicy::Realtime(policy),
    )
    .map_err(|error| match error {
        Error::OS(number) => io::Error::from_raw_os_error(number),
        Error::Priority(_) | Error::PriorityNotInRange(_) | Error::Ffi(_) => invalid(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_that_cannot_be_is_refused_with_its_policy() {
        let error = apply(Policy::Fifo { priority: 100 }).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("can't set the scheduler to SCHED_FIFO with priority 100: "),
            "{error}"
        );
    }
}
