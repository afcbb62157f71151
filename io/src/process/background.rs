//! `-d`: the daemon leaves the terminal.
//!
//! A process that may have threads cannot fork safely, so the command starts itself anew as its
//! child and waits until that one serves:
//!
//! ```text
//! conntrackd -d          child: the same program, same arguments, own session
//!   spawn ────────────────► configuration, lock, sockets; errors go to the terminal
//!   wait on a pipe ◄─────── "ready", or the pipe closes because the child ended
//!   exit 0 or 1             terminal left, serves
//! ```
//!
//! The child is told what it is by a variable that names its parent: one that leaked into another
//! environment names no parent of the process that finds it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

use super::systemd::Systemd;

const PARENT: &str = "CONNTRACKD_PARENT";
/// What the child says once it serves; the second when the service manager is to be left alone.
const READY: &[u8] = b"ready";
const READY_UNTOLD: &[u8] = b"ready, tell nobody";

/// The daemon did not come up in the background.
#[derive(Debug, thiserror::Error)]
pub enum BackgroundError {
    /// The child cannot be started or watched.
    #[error("can't start the daemon in the background: {0}")]
    Spawn(#[from] io::Error),
    /// It gave up and has said why.
    #[error("the daemon did not start")]
    GaveUp,
    /// It serves, but the service manager does not know.
    #[error("the daemon runs as process {pid}, but the service manager can't be told: {source}")]
    Untold {
        /// The daemon.
        pid: u32,
        /// Why.
        source: io::Error,
    },
    /// It was killed.
    #[error("the daemon was killed by signal {0} before it was ready")]
    Killed(i32),
}

/// Starts this program again as the daemon and waits until it serves.
///
/// # Errors
/// If it does not serve, or nobody knows; for [`BackgroundError::GaveUp`] the reason is on the
/// terminal already.
pub fn start() -> Result<(), BackgroundError> {
    let (mut ready, child_side) = io::pipe()?;
    let mut args = std::env::args_os();
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = args.next() {
        command.arg0(name);
    }
    command
        .args(args)
        .env(PARENT, std::process::id().to_string())
        // The watchdog is meant for whoever serves, and that is the child.
        .env_remove("WATCHDOG_PID")
        .stdin(Stdio::null())
        .stdout(child_side);
    let mut child = command.spawn()?;
    // The command keeps our copy of the child's end; without it the pipe closes with the child.
    drop(command);

    let mut word = Vec::new();
    ready.read_to_end(&mut word)?;
    if word == READY {
        // As long as the manager takes us for the main process, it may ignore what the child says.
        let pid = child.id();
        return Systemd::from_env()
            .and_then(|systemd| systemd.child_ready(pid))
            .map_err(|source| BackgroundError::Untold { pid, source });
    }
    if word == READY_UNTOLD {
        return Ok(());
    }
    let status = child.wait()?;
    Err(status
        .signal()
        .map_or(BackgroundError::GaveUp, BackgroundError::Killed))
}

/// The end of the pipe on which the parent waits.
#[derive(Debug)]
pub struct WaitingParent {
    pipe: File,
}

/// Returns the parent that waits for this process, if it was made by [`start`].
///
/// The process then has a session of its own, and its standard output, which was the pipe, is
/// nothing.
///
/// # Errors
/// If the descriptors cannot be arranged.
pub fn waiting_parent() -> io::Result<Option<WaitingParent>> {
    let Ok(parent) = std::env::var(PARENT) else {
        return Ok(None);
    };
    let is_ours = rustix::process::getppid().is_some_and(|pid| pid.as_raw_nonzero().to_string() == parent);
    if !is_ours {
        return Ok(None);
    }
    let pipe = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdout(null()?)?;
    rustix::process::setsid()?;
    Ok(Some(WaitingParent { pipe }))
}

impl WaitingParent {
    /// Lets the parent go, which tells the service manager if there is one, and leaves the terminal.
    ///
    /// # Errors
    /// If the parent is gone or the terminal cannot be left.
    pub fn release(mut self, systemd: &Systemd) -> io::Result<()> {
        rustix::stdio::dup2_stderr(null()?)?;
        let word = if systemd.is_present() { READY } else { READY_UNTOLD };
        self.pipe.write_all(word)
    }
}

fn null() -> io::Result<File> {
    OpenOptions::new().write(true).open("/dev/null")
}
