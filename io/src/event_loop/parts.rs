//! What the loop is made of, and how it can fail.

use std::io;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use engine::Seed;
use engine::config::Config;

use super::Kernel;
use super::links::LINKS_MAX;
use crate::control::{ControlError, ControlServer};
use crate::link::Link;

/// All that the loop is made of.
#[derive(Debug)]
pub struct Parts<H> {
    /// The open links, in the order of the configuration.
    pub links: Vec<Link>,
    /// The open sockets to the kernel.
    pub kernel: Kernel,
    /// Where clients find us.
    pub control_path: PathBuf,
    /// What the engine is told.
    pub config: Config,
    /// Where the engine's random numbers come from.
    pub seed: Seed,
    /// The program around the loop.
    pub host: H,
    /// How the loop behaves.
    pub options: Options,
}

/// How the loop behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Datagrams read from a link in one turn, about; of events it is some times as many
    /// (`EventIterationLimit`).
    pub event_iteration_limit: NonZeroU32,
    /// How often [`super::Host::keep_alive`] is called.
    pub keep_alive: Option<Duration>,
}

/// Why the loop could not be built.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The control socket.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// More links than there may be.
    #[error("at most {LINKS_MAX} links can be used")]
    TooManyLinks,
    /// The poll, the signals or the watch over interfaces.
    #[error("can't {operation}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// Why the loop ended out of order.
#[derive(Debug, thiserror::Error)]
#[error("can't wait for events: {0}")]
pub struct RunError(#[from] io::Error);

/// What is left after an orderly end: the connections of clients that asked for it.
///
/// They learn from end of file that the process has ended, so this is dropped last.
#[derive(Debug)]
#[must_use = "clients take the drop for the end of the process"]
pub struct Ended {
    _control: ControlServer,
}

impl Ended {
    pub(super) const fn holding(control: ControlServer) -> Self {
        Self { _control: control }
    }
}
