//! What the shell itself has to tell an operator, and to whom.

use std::fmt;
use std::io;

use engine::input::LinkState;
use engine::report::{Level, Report};

use crate::ctnetlink::{DecodeError, NetlinkError};
use crate::link::LinkNews;
use crate::process::reason;

/// The program around the loop: its logs, its service manager.
pub trait Host {
    /// Tells the operator what the engine reports.
    fn report(&mut self, report: &Report);

    /// Tells the operator what the shell reports.
    fn report_shell(&mut self, report: &ShellReport);

    /// Opens the log files again, for somebody has moved them (`SIGHUP`).
    fn reopen_logs(&mut self);

    /// Tells the service manager that the loop turns; called as often as
    /// [`super::Options::keep_alive`] says.
    fn keep_alive(&mut self);
}

/// Something that an operator should be told about the shell; each is counted elsewhere too.
#[derive(Debug)]
pub enum ShellReport {
    /// Events were lost, so the event socket has a larger buffer from now on.
    EventBufferDoubled {
        /// Its size in bytes.
        len: usize,
    },
    /// Events were lost, and the buffer may not grow; told once.
    EventBufferAtMaximum,
    /// The kernel could not be asked.
    Netlink(NetlinkError),
    /// The kernel sent something that was not understood; told once.
    BadEvent(DecodeError),
    /// An interface went up or down.
    Interface {
        /// Its name.
        name: String,
        /// What it is now.
        state: LinkState,
    },
    /// The sockets of a link came or went.
    Link {
        /// The link's interface.
        interface: String,
        /// What happened.
        news: LinkNews,
    },
    /// Interfaces cannot be watched any more.
    InterfaceWatch(io::Error),
    /// The control socket could not be removed.
    ControlSocketStays(io::Error),
}

impl ShellReport {
    /// Returns how much it matters.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::EventBufferDoubled { .. } | Self::Interface { .. } => Level::Notice,
            Self::Link {
                news: LinkNews::Connected | LinkNews::Reopened,
                ..
            } => Level::Notice,
            Self::EventBufferAtMaximum | Self::ControlSocketStays(_) | Self::Link { .. } => Level::Warning,
            Self::Netlink(_) | Self::BadEvent(_) | Self::InterfaceWatch(_) => Level::Error,
        }
    }
}

impl fmt::Display for ShellReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The wording of these two is the stock daemon's: operators look for it.
            Self::EventBufferDoubled { len } => {
                write!(
                    f,
                    "netlink event socket buffer size has been doubled to {len} bytes"
                )
            }
            Self::EventBufferAtMaximum => f.write_str(
                "netlink event socket buffer size cannot be doubled further since it will exceed \
                 NetlinkBufferSizeMaxGrowth. We are likely to be losing events, this may lead to \
                 unsynchronized replicas. Please, consider increasing netlink socket buffer size via \
                 NetlinkBufferSize and NetlinkBufferSizeMaxGrowth clauses in conntrackd.conf",
            ),
            Self::Netlink(error) => write!(f, "{error}"),
            Self::BadEvent(error) => write!(f, "the kernel's event was not understood: {error}"),
            Self::Interface { name, state } => {
                let state = match (state.is_up, state.is_running) {
                    (true, true) => "up",
                    (true, false) => "up without a carrier",
                    (false, _) => "down",
                };
                write!(f, "interface `{name}` is {state}")
            }
            Self::Link { interface, news } => match news {
                LinkNews::Connected => write!(f, "connected to the other node over `{interface}`"),
                LinkNews::Refused(error) => write!(
                    f,
                    "cannot connect to the other node over `{interface}`: {}; it is tried once a second",
                    reason(error)
                ),
                LinkNews::Lost(error) => write!(
                    f,
                    "the connection to the other node over `{interface}` is lost: {}",
                    reason(error)
                ),
                LinkNews::Reopened => write!(
                    f,
                    "interface `{interface}` is another one: its link was opened anew"
                ),
                LinkNews::NotReopened(error) => write!(
                    f,
                    "interface `{interface}` is another one, and its link cannot be opened: {error}; \
                     it is tried once a second"
                ),
            },
            Self::InterfaceWatch(error) => write!(f, "interfaces cannot be watched any more: {error}"),
            Self::ControlSocketStays(error) => write!(f, "the control socket cannot be removed: {error}"),
        }
    }
}
