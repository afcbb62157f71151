//! A pair of sockets for datagrams: one receives, another sends. What they are bound to is the
//! business of the transport that opens them.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};
use socket2::{SockAddr, Socket};

use super::socket::ip_addr;
use super::{LinkCounters, LinkError, Readable, Sent};

/// Datagrams taken with one system call.
const RECEIVE_BATCH_LEN: usize = 16;
/// Room for the largest datagram there is. Only pages that a datagram reaches cost memory.
const DATAGRAM_LEN_MAX: usize = 65_536;
/// Datagrams that may wait for room in the socket's buffer: about 1.5 MB at the usual MTU.
const WAITING_LEN_MAX: usize = 1024;

/// A pair of sockets as its transport opens it.
#[derive(Debug)]
pub(super) struct Sockets {
    /// What is read.
    pub(super) receiver: Socket,
    /// What is written to.
    pub(super) sender: Socket,
    /// Where datagrams go.
    pub(super) destination: SocketAddr,
}

/// The sockets of a link that carries datagrams.
pub(super) struct Datagrams {
    receiver: Socket,
    sender: Socket,
    destination: SockAddr,
    header_len: u32,
    receive_buffer_len: usize,
    counters: LinkCounters,
    waiting: VecDeque<Vec<u8>>,
    headers: MultiHeaders<SockaddrStorage>,
    /// `RECEIVE_BATCH_LEN` buffers of `DATAGRAM_LEN_MAX` bytes.
    buffers: Vec<u8>,
}

impl std::fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Datagrams")
            .field("destination", &self.destination.as_socket())
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl Datagrams {
    /// Takes a pair of sockets.
    pub(super) fn new(sockets: Sockets) -> Result<Self, LinkError> {
        let Sockets {
            receiver,
            sender,
            destination,
        } = sockets;
        Ok(Self {
            receive_buffer_len: receive_buffer_len(&receiver)?,
            receiver,
            sender,
            destination: SockAddr::from(destination),
            header_len: if destination.is_ipv4() { 28 } else { 48 },
            counters: LinkCounters::default(),
            waiting: VecDeque::new(),
            headers: MultiHeaders::preallocate(RECEIVE_BATCH_LEN, None),
            buffers: vec![0; RECEIVE_BATCH_LEN * DATAGRAM_LEN_MAX],
        })
    }

    /// Takes another pair in place of the present one; what waits is sent by it.
    pub(super) fn replace(&mut self, sockets: Sockets) -> Result<(), LinkError> {
        self.receive_buffer_len = receive_buffer_len(&sockets.receiver)?;
        self.destination = SockAddr::from(sockets.destination);
        (self.receiver, self.sender) = (sockets.receiver, sockets.sender);
        Ok(())
    }

    /// Returns the length of the IP and UDP headers of a datagram.
    pub(super) const fn header_len(&self) -> u32 {
        self.header_len
    }

    /// Returns the size of the receive buffer in bytes, as the kernel reports it.
    pub(super) const fn receive_buffer_len(&self) -> usize {
        self.receive_buffer_len
    }

    /// Returns the counters.
    pub(super) const fn counters(&self) -> LinkCounters {
        self.counters
    }

    /// Returns how many datagrams wait for room.
    pub(super) fn n_waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Returns the socket that becomes readable.
    pub(super) fn receiver_fd(&self) -> RawFd {
        self.receiver.as_raw_fd()
    }

    /// Returns the socket that becomes writable.
    pub(super) fn sender_fd(&self) -> RawFd {
        self.sender.as_raw_fd()
    }

    /// Sends one datagram, or keeps it until there is room.
    pub(super) fn send(&mut self, datagram: Vec<u8>) -> Sent {
        if !self.waiting.is_empty() {
            return self.wait(datagram);
        }
        match self.send_now(&datagram) {
            Ok(()) => Sent::Now(datagram),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(datagram),
            Err(error) => Sent::Failed(datagram, error),
        }
    }

    /// Sends what waits, in order, until there is no room again.
    pub(super) fn flush(&mut self, mut each: impl FnMut(Sent)) {
        while let Some(datagram) = self.waiting.pop_front() {
            match self.send_now(&datagram) {
                Ok(()) => each(Sent::Now(datagram)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.waiting.push_front(datagram);
                    return;
                }
                Err(error) => each(Sent::Failed(datagram, error)),
            }
        }
    }

    fn wait(&mut self, datagram: Vec<u8>) -> Sent {
        if self.waiting.len() < WAITING_LEN_MAX {
            self.waiting.push_back(datagram);
            return Sent::Later;
        }
        self.counters.sent.count_error();
        Sent::Failed(datagram, io::Error::from(Errno::ENOBUFS))
    }

    /// Sends or fails; every failure but a full buffer is counted.
    fn send_now(&mut self, datagram: &[u8]) -> io::Result<()> {
        loop {
            match self.sender.send_to(datagram, &self.destination) {
                Ok(len) => {
                    self.counters.sent.count(len);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        self.counters.sent.count_error();
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Receives about `n_datagrams` and hands on each with its source.
    ///
    /// A failed call is counted and ends the turn: what is wrong with the socket is not cured by
    /// asking again at once.
    pub(super) fn receive(&mut self, n_datagrams: usize, mut each: impl FnMut(IpAddr, &[u8])) -> Readable {
        let mut n_received: usize = 0;
        while n_received < n_datagrams {
            match self.receive_batch(&mut each) {
                // A batch that is not full found the queue empty; asking again would only say so.
                Ok(n) if n < RECEIVE_BATCH_LEN => return Readable::Drained,
                Ok(n) => n_received = n_received.saturating_add(n),
                Err(Errno::EAGAIN) => return Readable::Drained,
                Err(Errno::EINTR) => {}
                Err(_) => {
                    self.counters.received.count_error();
                    return Readable::MayBeMore;
                }
            }
        }
        Readable::MayBeMore
    }

    fn receive_batch(&mut self, each: &mut impl FnMut(IpAddr, &[u8])) -> nix::Result<usize> {
        let mut datagrams = [const { None }; RECEIVE_BATCH_LEN];
        {
            let mut chunks = self.buffers.chunks_exact_mut(DATAGRAM_LEN_MAX);
            let mut slices: [[IoSliceMut<'_>; 1]; RECEIVE_BATCH_LEN] =
                std::array::from_fn(|_| [IoSliceMut::new(chunks.next().unwrap_or_default())]);
            let fd = self.receiver.as_raw_fd();
            let messages = recvmmsg(
                fd,
                &mut self.headers,
                slices.iter_mut(),
                MsgFlags::MSG_DONTWAIT,
                None,
            )?;
            for (slot, message) in datagrams.iter_mut().zip(messages) {
                *slot = message
                    .address
                    .and_then(|address| ip_addr(&address))
                    .map(|source| (source, message.bytes));
            }
        }
        let mut n_received = 0;
        for (datagram, buffer) in datagrams.iter().zip(self.buffers.chunks_exact(DATAGRAM_LEN_MAX)) {
            let Some((source, len)) = *datagram else { break };
            self.counters.received.count(len);
            each(source, buffer.get(..len).unwrap_or(buffer));
            n_received += 1;
        }
        Ok(n_received)
    }
}

fn receive_buffer_len(receiver: &Socket) -> Result<usize, LinkError> {
    receiver
        .recv_buffer_size()
        .map_err(LinkError::at("ask for the receive buffer of the link"))
}

#[cfg(test)]
mod tests;
