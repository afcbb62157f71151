//! The signals by which the user says that it is enough.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// Becomes readable with SIGINT and SIGTERM, which from now on do nothing else in this process.
#[derive(Debug)]
pub struct EndSignals {
    has_come: UnixStream,
}

impl EndSignals {
    /// Begins to wait for them.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn register() -> io::Result<Self> {
        let (has_come, comes) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM] {
            pipe::register(signal, comes.try_clone()?)?;
        }
        Ok(Self { has_come })
    }
}

impl AsFd for EndSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.has_come.as_fd()
    }
}
