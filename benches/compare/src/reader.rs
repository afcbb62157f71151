//! What reading the events costs alone: the floor under every daemon.

use std::fmt;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::Duration;

use anyhow::{Context as _, Result};
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::RcvBufForce;
use nix::sys::socket::{MsgFlags, recv, setsockopt};

use crate::daemon::EVENT_BUFFER;
use crate::wait::thread_cpu;

/// Groups of new, changed and ended flows.
const FLOW_GROUPS: u32 = 0b111;
/// No event for so long: there are no more.
const PATIENCE_MILLIS: u16 = 2000;

/// What a reader saw and what it cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Floor {
    /// Events read.
    pub events: u32,
    /// CPU time of the reading thread.
    pub cpu: Duration,
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.cpu.as_secs_f64();
        write!(
            f,
            "{secs:.3} s of CPU for {} events ({:.2} us each)",
            self.events,
            secs * 1e6 / f64::from(self.events)
        )
    }
}

/// A socket that has joined the groups of the flow events.
#[derive(Debug)]
pub(crate) struct Reader {
    socket: Socket,
}

impl Reader {
    /// Joins in the calling thread's network.
    pub(crate) fn new() -> Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER).context("netlink socket")?;
        setsockopt(&socket, RcvBufForce, &(EVENT_BUFFER / 2))?;
        socket.set_non_blocking(true)?;
        socket.bind(&SocketAddr::new(0, FLOW_GROUPS))?;
        Ok(Self { socket })
    }

    /// Reads until `events` were read or none came for two seconds; rests after each time that the
    /// queue was empty.
    pub(crate) fn run(&self, events: u32, rest: Duration) -> Result<Floor> {
        let mut buffer = [0; 8192];
        let mut n_read = 0;
        let start = thread_cpu()?;
        while n_read < events {
            let mut readable = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            if poll(&mut readable, PollTimeout::from(PATIENCE_MILLIS))? == 0 {
                break;
            }
            loop {
                match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                    Ok(_) => n_read += 1,
                    Err(Errno::EAGAIN) => break,
                    Err(Errno::ENOBUFS) => {}
                    Err(error) => return Err(error).context("read events"),
                }
            }
            poll(&mut [], PollTimeout::try_from(rest)?)?;
        }
        Ok(Floor {
            events: n_read,
            cpu: thread_cpu()? - start,
        })
    }
}
