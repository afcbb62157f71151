//! Sections `Sync` and `Stats`.

use std::path::PathBuf;

use crate::model::{Facility, Links};
use crate::span::Spanned;

/// Section `Sync`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncConfig {
    /// `Mode` and what only that mode knows.
    pub mode: Spanned<Mode>,
    /// `CommitTimeout`: timeout of committed flows; `None` is what is left of the original one.
    pub commit_timeout_secs: Spanned<Option<u32>>,
    /// `PurgeTimeout`: delay of the flush that the client asks for with `-t`.
    pub purge_timeout_secs: Spanned<u32>,
    /// `Multicast`, `UDP` or `TCP`.
    pub links: Links,
    /// `TCPWindowTracking`: hand over window scales instead of switching the checks off.
    pub tcp_window_tracking: Spanned<bool>,
    /// `ExpectationSync`.
    pub expectations: Spanned<ExpectationSync>,
}

/// The replication protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `FTFW`: reliable, with sequence numbers and acknowledgements.
    Ftfw {
        /// `ResendQueueSize`: unacknowledged messages kept.
        resend_queue_size: Spanned<u32>,
        /// `ACKWindowSize`: messages to one acknowledgement.
        ack_window_size: Spanned<u32>,
        /// `DisableExternalCache off`.
        external_cache: Spanned<bool>,
        /// `StartupResync`: ask the peer for everything at start.
        startup_resync: Spanned<bool>,
    },
    /// `ALARM`: every flow is sent again from time to time.
    Alarm {
        /// `RefreshTime`: a flow is sent again at most so long after its last change.
        refresh_secs: Spanned<u32>,
        /// `CacheTimeout`: a peer's flow not heard of for so long is forgotten.
        cache_timeout_secs: Spanned<u32>,
    },
    /// `NOTRACK`: every change is sent once.
    Notrack {
        /// `DisableInternalCache off`.
        internal_cache: Spanned<bool>,
        /// `DisableExternalCache off`.
        external_cache: Spanned<bool>,
        /// `StartupResync`: ask the peer for everything at start.
        startup_resync: Spanned<bool>,
    },
}

impl Mode {
    /// Returns the name of the mode as it stands in a file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ftfw { .. } => "FTFW",
            Self::Alarm { .. } => "ALARM",
            Self::Notrack { .. } => "NOTRACK",
        }
    }

    /// Returns whether peer flows are kept until a commit; ALARM always does.
    pub fn external_cache(&self) -> Spanned<bool> {
        match self {
            Self::Ftfw { external_cache, .. } | Self::Notrack { external_cache, .. } => *external_cache,
            Self::Alarm { .. } => Spanned::default_of(true),
        }
    }
}

/// Which expectations are replicated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectationSync {
    /// None.
    Off,
    /// Those of every helper.
    All,
    /// Those of helpers whose name begins with one of these, without regard to case.
    Helpers(Vec<Spanned<String>>),
}

/// Section `Stats`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatsConfig {
    /// Where the file has the section; its name alone.
    pub section: Spanned<()>,
    /// `LogFile`: where ended flows are logged; `None` is no file.
    pub log_file: Spanned<Option<PathBuf>>,
    /// `Syslog`: the facility ended flows are logged to; `None` is off.
    pub syslog: Spanned<Option<Facility>>,
}
