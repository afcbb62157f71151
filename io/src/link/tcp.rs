//! A pair of connections: ours to the peer is written to, the peer's to us is read
//! (docs/sync-protocol.md, "TCP").

mod incoming;
mod outgoing;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};

use engine::time::Instant;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use socket2::{Socket, Type};

use super::socket::{bind, bind_error, new_socket, set_receive_buffer, socket_addr};
use super::{Buffers, Driven, LinkCounters, LinkError, LinkNews, Readable, Sent, Tokens, check_families};
use incoming::Incoming;
use outgoing::Outgoing;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 8;

/// What the operator chose for a TCP link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSpec {
    /// Address to be connected at.
    pub local: IpAddr,
    /// Address of the peer.
    pub peer: IpAddr,
    /// Port of both.
    pub port: u16,
    /// Payloads kept while the peer cannot be reached (`ErrorQueueLength`).
    pub error_queue_len: u32,
}

/// The queue of payloads that could not be sent yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorQueue {
    /// Payloads in it.
    pub len: u64,
    /// Most payloads, while the peer cannot be reached.
    pub len_max: u64,
    /// Payloads that were dropped because it was full.
    pub overflowed: u64,
}

/// The sockets of a TCP link.
pub(super) struct TcpLink {
    listener: Socket,
    /// A connection may wait to be accepted.
    is_knocked: bool,
    incoming: Option<Incoming>,
    /// Comes in place of the present one, when that is read to its end.
    successor: Option<Incoming>,
    outgoing: Outgoing,
    header_len: u32,
    counters: LinkCounters,
    watch: Option<Watch>,
}

/// How the poll gets to know sockets that come up as time passes.
struct Watch {
    registry: Registry,
    tokens: Tokens,
}

impl Watch {
    /// Has the poll watch a socket until it is closed.
    fn add(&self, socket: &Socket, token: Token, interest: Interest) -> io::Result<()> {
        self.registry
            .register(&mut SourceFd(&socket.as_raw_fd()), token, interest)
    }
}

impl TcpLink {
    /// Opens the listening socket; `interface_index` is the scope of IPv6 addresses.
    ///
    /// # Errors
    /// When it cannot be opened, or sockets cannot be made as asked for.
    pub(super) fn open(spec: &TcpSpec, interface_index: u32, buffers: Buffers) -> Result<Self, LinkError> {
        check_families(spec.local, spec.peer)?;
        let local = socket_addr(spec.local, spec.port, interface_index);
        let destination = socket_addr(spec.peer, spec.port, interface_index);
        let listener = new_socket(local, Type::STREAM)?;
        // Connections of an earlier process that wait for their end do not keep us from the port.
        listener
            .set_reuse_address(true)
            .and_then(|()| listener.set_keepalive(true))
            .map_err(LinkError::at("prepare the listening socket of the link"))?;
        set_receive_buffer(&listener, buffers)?;
        bind(&listener, local)?;
        listener
            .listen(BACKLOG)
            .map_err(|error| bind_error(error, local))?;
        Ok(Self {
            listener,
            is_knocked: true,
            incoming: None,
            successor: None,
            outgoing: Outgoing::new(destination, buffers, spec.error_queue_len)?,
            header_len: if spec.local.is_ipv4() { 40 } else { 60 },
            counters: LinkCounters::default(),
            watch: None,
        })
    }

    /// Has the poll watch all sockets from here on.
    pub(super) fn watch(&mut self, registry: &Registry, tokens: Tokens) -> io::Result<()> {
        let watch = Watch {
            registry: registry.try_clone()?,
            tokens,
        };
        watch.add(&self.listener, tokens.listener, Interest::READABLE)?;
        self.watch = Some(watch);
        Ok(())
    }

    /// The poll says that something happened to a socket.
    pub(super) fn wake(&mut self, token: Token) {
        let Some(watch) = &self.watch else { return };
        if token == watch.tokens.listener {
            self.is_knocked = true;
        } else if token == watch.tokens.sender {
            self.outgoing.wake();
        }
    }

    /// Returns when [`Self::drive`] has something to do if the poll does not wake us before.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.outgoing.deadline()
    }

    /// Accepts, connects and sends what waits.
    pub(super) fn drive(&mut self, now: Instant, each: impl FnMut(Sent)) -> Driven {
        let is_accepted = self.accept();
        let watch = self.watch.as_ref();
        let register = |socket: &Socket| match watch {
            Some(watch) => watch.add(
                socket,
                watch.tokens.sender,
                Interest::READABLE | Interest::WRITABLE,
            ),
            None => Ok(()),
        };
        self.outgoing.drive(now, &mut self.counters.sent, register, each);
        if is_accepted {
            Driven::NewReceiver
        } else {
            Driven::AsBefore
        }
    }

    /// Sends one payload, or keeps it until it can be sent.
    pub(super) fn send(&mut self, payload: Vec<u8>) -> Sent {
        self.outgoing.send(payload, &mut self.counters.sent)
    }

    /// Returns what waits and no connection has begun to take.
    pub(super) fn take_waiting(&mut self) -> Vec<Vec<u8>> {
        self.outgoing.take_waiting()
    }

    /// Takes over what waited at another link.
    pub(super) fn adopt(&mut self, waiting: Vec<Vec<u8>>) {
        self.outgoing.adopt(waiting);
    }

    /// Returns how many payloads wait and will soon be sent.
    pub(super) fn n_waiting(&self) -> usize {
        self.outgoing.n_waiting()
    }

    /// Returns the queue of what could not be sent.
    pub(super) fn error_queue(&self) -> ErrorQueue {
        self.outgoing.error_queue()
    }

    /// Returns what an operator has not been told yet.
    pub(super) const fn take_news(&mut self) -> Option<LinkNews> {
        self.outgoing.take_news()
    }

    /// Returns whether the peer's connection stands.
    pub(super) const fn has_incoming(&self) -> bool {
        self.incoming.is_some()
    }

    /// Returns whether our connection stands.
    pub(super) const fn is_connected(&self) -> bool {
        self.outgoing.is_connected()
    }

    /// Reads about `n_reads` times and hands on whole messages with their source.
    pub(super) fn receive(&mut self, n_reads: usize, mut each: impl FnMut(IpAddr, &[u8])) -> Readable {
        loop {
            let Some(incoming) = &mut self.incoming else {
                return Readable::Drained;
            };
            let readable = incoming.receive(n_reads, &mut self.counters.received, &mut each);
            if readable == Readable::MayBeMore {
                return readable;
            }
            match self.successor.take() {
                Some(successor) => self.incoming = Some(successor),
                None => {
                    if incoming.has_ended() {
                        self.incoming = None;
                    }
                    return Readable::Drained;
                }
            }
        }
    }

    /// Returns the length of the IP and TCP headers of a segment.
    pub(super) const fn header_len(&self) -> u32 {
        self.header_len
    }

    /// Returns the counters.
    pub(super) const fn counters(&self) -> LinkCounters {
        self.counters
    }

    /// Returns the size of the receive buffer in bytes, as the kernel reports it.
    pub(super) fn receive_buffer_len(&self) -> usize {
        self.incoming.as_ref().map_or(0, Incoming::buffer_len)
    }

    /// Returns the socket that is read.
    pub(super) fn receiver_fd(&self) -> Option<RawFd> {
        self.incoming.as_ref().map(Incoming::fd)
    }

    /// Takes connections that wait; of several the last counts, as the peer has but one.
    fn accept(&mut self) -> bool {
        let mut is_accepted = false;
        for _ in 0..BACKLOG {
            if !self.is_knocked {
                break;
            }
            let accepted = self.listener.accept().and_then(|(stream, source)| {
                let incoming = Incoming::new(stream, &source)?;
                if let Some(watch) = &self.watch {
                    watch.add(incoming.socket(), watch.tokens.receiver, Interest::READABLE)?;
                }
                Ok(incoming)
            });
            match accepted {
                Ok(incoming) => {
                    is_accepted = true;
                    if self.incoming.is_some() {
                        self.successor = Some(incoming);
                    } else {
                        self.incoming = Some(incoming);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_knocked = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Whoever knocked may have left; if we lack something, the next turn tries again.
                Err(_) => {
                    self.counters.received.count_error();
                    break;
                }
            }
        }
        is_accepted
    }
}

impl fmt::Debug for TcpLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpLink")
            .field("outgoing", &self.outgoing)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
