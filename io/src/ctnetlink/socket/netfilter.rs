//! What all our netlink sockets have in common.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use engine::input::Errno;
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, SndBuf, SndBufForce};
use nix::sys::socket::{MsgFlags, getsockopt, recv, setsockopt};

use super::{Cause, NetlinkError, Operation};

/// The kernel takes at most this; it doubles what it is given, in a C `int`.
const BUFFER_LEN_MAX: usize = 1 << 30;

/// A non-blocking socket to nfnetlink.
pub(super) struct NetfilterSocket {
    socket: Socket,
    port_id: u32,
}

impl NetfilterSocket {
    /// Opens one and connects it to the kernel.
    pub(super) fn open() -> Result<Self, NetlinkError> {
        let failed = |error: std::io::Error| match error.raw_os_error() {
            Some(EPROTONOSUPPORT | EAFNOSUPPORT) => Operation::Open.failed_by(Cause::NotSupported),
            _ => Operation::Open.failed_io(&error),
        };
        let mut socket = Socket::new(NETLINK_NETFILTER).map_err(failed)?;
        socket.set_non_blocking(true).map_err(failed)?;
        let port_id = socket.bind_auto().map_err(failed)?.port_number();
        // With this, only the kernel can send to us.
        socket.connect(&SocketAddr::new(0, 0)).map_err(failed)?;
        Ok(Self { socket, port_id })
    }

    /// Returns the number by which events name this socket as their cause.
    pub(super) const fn port_id(&self) -> u32 {
        self.port_id
    }

    /// Returns the socket, for its options.
    pub(super) const fn inner(&self) -> &Socket {
        &self.socket
    }

    /// Returns the receive buffer's size in bytes, the kernel's bookkeeping included.
    pub(super) fn buffer_len(&self) -> Result<usize, NetlinkError> {
        getsockopt(&self.socket, RcvBuf).map_err(|errno| Operation::SetBuffer.failed(Errno(errno as i32)))
    }

    /// Sets the receive buffer's size, and returns what became of it.
    ///
    /// Without CAP_NET_ADMIN in the initial user namespace `net.core.rmem_max` is the limit.
    pub(super) fn set_buffer_len(&self, len: usize) -> Result<usize, NetlinkError> {
        // The kernel doubles it.
        let half = len.min(BUFFER_LEN_MAX).div_ceil(2);
        setsockopt(&self.socket, RcvBufForce, &half)
            .or_else(|_not_permitted| setsockopt(&self.socket, RcvBuf, &half))
            .map_err(|errno| Operation::SetBuffer.failed(Errno(errno as i32)))?;
        self.buffer_len()
    }

    /// Makes sure that `len` bytes can be sent at once.
    pub(super) fn set_send_buffer_len(&self, len: usize) -> Result<(), NetlinkError> {
        setsockopt(&self.socket, SndBufForce, &len)
            .or_else(|_not_permitted| setsockopt(&self.socket, SndBuf, &len))
            .map_err(|errno| Operation::SetBuffer.failed(Errno(errno as i32)))
    }

    /// Sends `messages` in one datagram; the kernel carries them out before this returns.
    pub(super) fn send(&self, messages: &[u8], operation: Operation) -> Result<(), NetlinkError> {
        match self.socket.send(messages, 0) {
            Ok(_) => Ok(()),
            Err(error) => Err(operation.failed_io(&error)),
        }
    }

    /// Reads one datagram into `buffer`.
    pub(super) fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<&'a [u8], ReceiveError> {
        match recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_TRUNC) {
            Ok(len) => buffer.get(..len).ok_or(ReceiveError::Errno(EMSGSIZE)),
            Err(nix::Error::EAGAIN) => Err(ReceiveError::Empty),
            Err(nix::Error::ENOBUFS) => Err(ReceiveError::Overrun),
            Err(errno) => Err(ReceiveError::Errno(Errno(errno as i32))),
        }
    }
}

const EPROTONOSUPPORT: i32 = nix::Error::EPROTONOSUPPORT as i32;
const EAFNOSUPPORT: i32 = nix::Error::EAFNOSUPPORT as i32;
/// Stands for a datagram that is longer than the buffer for it.
const EMSGSIZE: Errno = Errno(nix::Error::EMSGSIZE as i32);

/// Why nothing was read.
pub(super) enum ReceiveError {
    /// There is nothing more.
    Empty,
    /// Something was lost, because the receive buffer was full.
    Overrun,
    /// Anything else.
    Errno(Errno),
}

impl AsRawFd for NetfilterSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for NetfilterSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Gives a socket type that wraps a [`NetfilterSocket`] in its field `socket` the traits for a poll loop.
macro_rules! impl_as_fd {
    ($type:ty) => {
        impl std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                std::os::fd::AsRawFd::as_raw_fd(&self.socket)
            }
        }

        impl std::os::fd::AsFd for $type {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                std::os::fd::AsFd::as_fd(&self.socket)
            }
        }
    };
}
pub(super) use impl_as_fd;
