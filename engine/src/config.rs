//! What the operator chose, as values the engine needs.

use alloc::string::String;
use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroU32};
use core::time::Duration;

use crate::input::LinkState;

use crate::filter::Filter;

/// Everything the engine is told about how to behave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The protocol spoken with the peer.
    pub mode: Mode,
    /// Which flows of our kernel are cached, sent and flushed (`Filter`).
    pub filter: Filter,
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

/// What the engine knows of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// Name of its interface.
    pub interface: String,
    /// State of the interface when the link was opened.
    pub state: LinkState,
}

/// The protocol spoken with the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Best effort.
    Notrack(NotrackConfig),
    /// Acknowledged.
    Ftfw(FtfwConfig),
}

impl Mode {
    /// Returns whether a resync is requested at start.
    #[must_use]
    pub const fn startup_resync(&self) -> StartupResync {
        match self {
            Self::Notrack(config) => config.startup_resync,
            Self::Ftfw(config) => config.startup_resync,
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
