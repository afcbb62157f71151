//! What reading the events costs alone: the floor under every daemon.

use std::os::fd::AsRawFd as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::sys::socket::sockopt::{RcvBufForce, ReceiveTimeout};
use nix::sys::socket::{MsgFlags, recv, setsockopt};
use nix::sys::time::TimeVal;

use crate::daemon::EVENT_BUFFER;
use crate::wait::thread_cpu;

/// Groups of new, changed and ended flows.
const FLOW_GROUPS: u32 = 0b111;

/// What a reader saw and what it cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Floor {
    /// Events read.
    pub events: u32,
    /// CPU time of the reading thread.
    pub cpu: Duration,
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
        setsockopt(&socket, ReceiveTimeout, &TimeVal::new(2, 0))?;
        socket.bind(&SocketAddr::new(0, FLOW_GROUPS))?;
        Ok(Self { socket })
    }

    /// Reads until `events` were read or none came for two seconds.
    pub(crate) fn run(&self, events: u32) -> Result<Floor> {
        let mut buffer = [0; 8192];
        let mut n_read = 0;
        let start = thread_cpu()?;
        while n_read < events {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(_) => n_read += 1,
                Err(Errno::EAGAIN) => break,
                Err(Errno::ENOBUFS) => {}
                Err(error) => return Err(error).context("read events"),
            }
        }
        Ok(Floor {
            events: n_read,
            cpu: thread_cpu()? - start,
        })
    }
}
