//! What the operator chose, as values the engine needs.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroU32};
use core::time::Duration;

use crate::filter::Filter;
use crate::flow::HelperName;
use crate::input::LinkState;

/// Everything the engine is told about how to behave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The protocol spoken with the peer.
    pub mode: Mode,
    /// Where flows of our kernel stay (`DisableInternalCache`).
    pub own_flows: OwnFlows,
    /// Where flows of the peer go (`DisableExternalCache`).
    pub peer_flows: PeerFlows,
    /// Which flows of our kernel are cached, sent and flushed (`Filter`).
    pub filter: Filter,
    /// Which expectations are cached and sent (`ExpectationSync`).
    pub expectations: ExpectationSync,
    /// Most flows a cache holds (`HashLimit`).
    pub cache_len_max: NonZeroU32,
    /// Flows for which the index of each cache has room from the start (`HashSize`): until then it
    /// need not grow, which stops everything else for a moment. No more than the limit are counted.
    pub cache_len_expected: u32,
    /// Timeout of committed flows in seconds (`CommitTimeout`); if set, timeouts are not sent either.
    pub commit_timeout_secs: Option<NonZeroU32>,
    /// Delay of `-t` (`PurgeTimeout`).
    pub purge_timeout: Duration,
    /// Whether window scales are sent and committed (`TCPWindowTracking`).
    pub tcp_window_tracking: TcpWindowTracking,
    /// Delay of the re-read after an overrun (`NetlinkOverrunResync`), `None` for never.
    pub overrun_resync: Option<Duration>,
    /// Period of the re-read that takes the place of the kernel's events, which do not come then
    /// (`PollSecs`); `None` for events.
    pub poll_period: Option<Duration>,
    /// Period of the silent comparison with the kernel's table that finds flows which died without
    /// an event, `None` for never.
    pub reconcile_period: Option<Duration>,
    /// The links, in the order of the configuration.
    pub links: Vec<LinkConfig>,
    /// Place of the link used first.
    pub default_link: u8,
    /// Limits of work in one turn.
    pub limits: Limits,
}

/// Which expectations are replicated (`ExpectationSync`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ExpectationSync {
    /// None.
    #[default]
    Off,
    /// Those of all helpers.
    All,
    /// Those of helpers whose name starts with one of these, whatever the case of letters.
    Helpers(Box<[Box<str>]>),
}

impl ExpectationSync {
    /// Returns whether expectations are replicated at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }

    /// Returns whether those of `helper` are. A list names nobody without a name.
    #[must_use]
    pub fn wants(&self, helper: Option<&HelperName>) -> bool {
        let begins_with = |helper: &HelperName, name: &str| {
            let start = helper.as_bytes().get(..name.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
        };
        match (self, helper) {
            (Self::Off, _) | (Self::Helpers(_), None) => false,
            (Self::All, _) => true,
            (Self::Helpers(names), Some(helper)) => names.iter().any(|name| begins_with(helper, name)),
        }
    }
}

/// Where flows of our kernel stay (`DisableInternalCache`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnFlows {
    /// In the internal cache.
    Cached,
    /// Nowhere: events go to the link. Works without acknowledgements only.
    Bypassed,
}

/// Where flows of the peer go (`DisableExternalCache`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerFlows {
    /// Into the external cache, until a commit.
    Cached,
    /// Into our kernel at once; of those that wait for it there are `cache_len_max` at the most.
    Injected,
}

/// What the engine knows of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// Name of its interface.
    pub interface: String,
    /// State of the interface when the link was opened.
    pub state: LinkState,
    /// Whom it reaches.
    pub reach: Reach,
}

/// Whom a link reaches, and so who is heard on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The one peer of the configuration, from whatever address.
    Peer,
    /// A group: each source address on it is a node.
    Group,
}

/// The protocol spoken with the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Best effort.
    Notrack(NotrackConfig),
    /// Acknowledged.
    Ftfw(FtfwConfig),
    /// Told again from time to time.
    Alarm(AlarmConfig),
}

impl Mode {
    /// Returns whether a resync is requested at start.
    #[must_use]
    pub const fn startup_resync(&self) -> StartupResync {
        match self {
            Self::Notrack(config) => config.startup_resync,
            Self::Ftfw(config) => config.startup_resync,
            Self::Alarm(_) => StartupResync::Off,
        }
    }
}

/// What NOTRACK is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotrackConfig {
    /// Whether a resync is requested at start.
    pub startup_resync: StartupResync,
}

/// What FT-FW is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FtfwConfig {
    /// Messages to one acknowledgement (`ACKWindowSize`).
    pub ack_window: NonZeroU16,
    /// Most elements sent and not acknowledged (`ResendQueueSize`).
    pub resend_queue_len_max: NonZeroU32,
    /// Whether a resync is requested at start.
    pub startup_resync: StartupResync,
}

/// What ALARM is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlarmConfig {
    /// A flow is told again within so many seconds and one more after its last change (`RefreshTime`).
    pub refresh_secs: NonZeroU32,
    /// Seconds after which a flow of the peer ends if nothing is heard of it (`CacheTimeout`).
    pub cache_timeout_secs: NonZeroU32,
}

/// Whether a resync is requested at start (`StartupResync`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartupResync {
    /// It is.
    On,
    /// Only when asked by hand.
    Off,
}

/// Whether TCP windows are tracked after a commit (`TCPWindowTracking`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpWindowTracking {
    /// Window scales are sent and committed, the kernel checks windows.
    On,
    /// The kernel is told to be liberal about windows.
    Off,
}

/// How much is done in one turn before everything else is served again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests in one batch to the kernel.
    pub batch_len_max: NonZeroU16,
    /// Flows of a bulk queued in one turn.
    pub bulk_turn_len_max: NonZeroU16,
    /// Bytes of text in one part of a reply, about.
    pub reply_part_len: usize,
    /// Flows that may end during one dump before it has to be repeated.
    pub dump_tombstones_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const fn non_zero(number: u16) -> NonZeroU16 {
            match NonZeroU16::new(number) {
                Some(number) => number,
                None => NonZeroU16::MIN,
            }
        }
        Self {
            batch_len_max: non_zero(128),
            bulk_turn_len_max: non_zero(1024),
            reply_part_len: 64 * 1024,
            dump_tombstones_max: 65_536,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_name_stands_for_all_helpers_that_begin_with_it() {
        let list = ExpectationSync::Helpers(Box::new(["FTP".into(), "sip".into()]));
        for (helper, is_wanted) in [
            (Some("ftp"), true),
            (Some("sip-5070"), true),
            (Some("Sip"), true),
            (Some("tftp"), false),
            (Some("si"), false),
            (None, false),
        ] {
            let name = helper.map(|name| HelperName::from_bytes(name.as_bytes()).unwrap());
            assert_eq!(list.wants(name.as_ref()), is_wanted, "{helper:?}");
            assert!(ExpectationSync::All.wants(name.as_ref()), "{helper:?}");
            assert!(!ExpectationSync::Off.wants(name.as_ref()), "{helper:?}");
        }
    }
}
