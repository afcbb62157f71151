//! The effective configuration: every default filled in, every leaf with its place.

pub(crate) mod build;
mod filter;
mod helper;
mod link;
mod sync;

use std::path::PathBuf;

pub use filter::{Filter, FilterPlace, FilterSet, Network, Policy, TcpState};
pub(crate) use filter::{NAMELESS_PROTOCOL, PROTOCOLS, protocol_spelling};
pub use helper::{Helper, HelperL3, HelperL4, HelperPolicy, Helpers};
pub use link::{Interface, Link, LinkSet, Links, MulticastGroup, Unicast, UnicastAddresses};
pub use sync::{ExpectationSync, Mode, StatsConfig, SyncConfig};

pub(crate) use helper::{KNOWN_HELPERS, KnownHelper};

use crate::span::Spanned;

/// What a file configures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Section `General`, and what holds for every running mode.
    pub general: General,
    /// What the daemon does all day.
    pub running: Running,
    /// User-space helpers, in every running mode.
    pub helpers: Helpers,
}

impl Config {
    /// Returns the settings of synchronisation if that is the running mode.
    pub fn sync(&self) -> Option<&SyncConfig> {
        match &self.running {
            Running::Sync(sync) => Some(sync),
            Running::Stats(_) | Running::HelpersOnly => None,
        }
    }

    /// Returns the settings of statistics if that is the running mode.
    pub fn stats(&self) -> Option<&StatsConfig> {
        match &self.running {
            Running::Stats(stats) => Some(stats),
            Running::Sync(_) | Running::HelpersOnly => None,
        }
    }
}

/// The running mode: a daemon replicates or keeps statistics, never both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Running {
    /// Section `Sync`: replicate flows between nodes.
    Sync(Box<SyncConfig>),
    /// Section `Stats`, or none at all: log ended flows.
    Stats(StatsConfig),
    /// Only section `Helper`.
    HelpersOnly,
}

/// Section `General`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct General {
    /// `Systemd`: notify the service manager.
    pub systemd: Spanned<bool>,
    /// `HashSize`: buckets of each cache.
    pub hash_size: Spanned<u32>,
    /// `HashLimit`: most entries of each cache.
    pub hash_limit: Spanned<u32>,
    /// `LogFile`: where messages go; `None` is no file.
    pub log_file: Spanned<Option<PathBuf>>,
    /// `Syslog`: the facility; `None` is off.
    pub syslog: Spanned<Option<Facility>>,
    /// `LockFile`.
    pub lock_file: Spanned<PathBuf>,
    /// `UNIX { Path }`: the control socket.
    pub unix_path: Spanned<PathBuf>,
    /// `NetlinkBufferSize`: effective bytes of the event socket's buffer; `None` is the system's default.
    pub netlink_buffer_size: Spanned<Option<u32>>,
    /// `NetlinkBufferSizeMaxGrowth`: bytes up to which the buffer is doubled, 0 for never; `None` leaves
    /// that to the daemon.
    pub netlink_buffer_size_max: Spanned<Option<u32>>,
    /// `NetlinkOverrunResync`: seconds from lost events to reading the table again; `None` is never.
    pub overrun_resync_secs: Spanned<Option<u32>>,
    /// `NetlinkEventsReliable`.
    pub reliable_events: Spanned<bool>,
    /// `PollSecs`: read the table so often instead of listening to events; `None` is events.
    pub poll_secs: Spanned<Option<u32>>,
    /// `EventIterationLimit`: events or datagrams handled in one turn.
    pub event_iteration_limit: Spanned<u32>,
    /// `Scheduler`; `None` is the normal scheduler.
    pub scheduler: Spanned<Option<Scheduler>>,
    /// `Filter`, with what old clauses outside of `General` add to it.
    pub filter: Filter,
}

/// Real-time scheduling of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduler {
    /// `Type`.
    pub class: Spanned<SchedulerClass>,
    /// `Priority`, 1 to 99.
    pub priority: Spanned<u8>,
}

/// A real-time scheduling class, as in sched(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchedulerClass {
    /// `RR`: round robin.
    RoundRobin,
    /// `FIFO`: first in, first out.
    Fifo,
}

/// A syslog facility.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facility {
    /// `daemon`, also for `on`.
    Daemon,
    /// `local0` to `local7`; the number is at most 7.
    Local(u8),
}

impl Facility {
    /// Returns the facility of this name, in lower case.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        match name {
            "daemon" => Some(Self::Daemon),
            _ => {
                let number = name
                    .strip_prefix("local")
                    .filter(|rest| rest.len() == 1)?
                    .parse()
                    .ok()?;
                (number <= 7).then_some(Self::Local(number))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facilities_have_nine_names() {
        let names = [
            "daemon", "local0", "local7", "local8", "local", "local07", "Daemon", "user",
        ];
        let known: Vec<bool> = names
            .iter()
            .map(|name| Facility::by_name(name).is_some())
            .collect();
        assert_eq!(known, [true, true, true, false, false, false, false, false]);
    }
}
