//! Our connection to the peer, and what waits for it.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::time::Duration;

use engine::time::Instant;
use nix::errno::Errno;
use nix::libc::MSG_NOSIGNAL;
use socket2::{SockAddr, Socket, Type};

use super::super::socket::{new_socket, set_send_buffer};
use super::super::{Buffers, DirectionCounters, LinkError, LinkNews, Sent};
use super::ErrorQueue;

/// Shortest time between two attempts to connect.
const RETRY: Duration = Duration::from_secs(1);
/// How long an attempt may take: a peer that is switched on answers none of before.
const ATTEMPT: Duration = Duration::from_secs(3);
/// How long the peer's machine may leave bytes unacknowledged. A cable may be pulled that long without
/// a loss; a machine that was switched off is noticed after it.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Payloads that may wait for room while the connection stands: about 24 MB at the usual MTU, which is
/// a bulk of a quarter of a million flows.
const WAITING_LEN_MAX: usize = 16_384;

/// The connection, as far as it has come.
enum State {
    /// There is none; the next attempt is made then.
    Idle { next: Instant },
    /// An attempt is under way; it is given up then.
    Connecting { socket: Socket, until: Instant },
    /// It stands.
    Connected { socket: Socket },
}

/// Our connection and its queue.
pub(super) struct Outgoing {
    destination: SockAddr,
    buffers: Buffers,
    state: State,
    last_attempt: Option<Instant>,
    /// Something happened to the socket.
    is_woken: bool,
    waiting: VecDeque<Vec<u8>>,
    /// Bytes of the first of them that the connection has taken.
    n_written: usize,
    /// Most payloads that wait while there is no connection.
    error_queue_len: usize,
    overflowed: u64,
    news: Option<LinkNews>,
    is_refusal_told: bool,
}

impl Outgoing {
    /// Returns it without a connection; the first attempt is made at the first [`Self::drive`].
    ///
    /// # Errors
    /// When sockets cannot be made as asked for.
    pub(super) fn new(
        destination: SocketAddr,
        buffers: Buffers,
        error_queue_len: u32,
    ) -> Result<Self, LinkError> {
        new_client(destination, buffers)?;
        Ok(Self {
            destination: SockAddr::from(destination),
            buffers,
            state: State::Idle { next: Instant::START },
            last_attempt: None,
            is_woken: false,
            waiting: VecDeque::new(),
            n_written: 0,
            error_queue_len: usize::try_from(error_queue_len).unwrap_or(usize::MAX),
            overflowed: 0,
            news: None,
            is_refusal_told: false,
        })
    }

    /// The poll says that something happened to the socket.
    pub(super) const fn wake(&mut self) {
        self.is_woken = true;
    }

    /// Returns when to connect, or to give up.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Idle { next } => Some(next),
            State::Connecting { until, .. } => Some(until),
            State::Connected { .. } => None,
        }
    }

    /// Connects if it is time, and sends what waits; `register` has the poll watch a new socket.
    pub(super) fn drive(
        &mut self,
        now: Instant,
        counters: &mut DirectionCounters,
        register: impl Fn(&Socket) -> io::Result<()>,
        mut each: impl FnMut(Sent),
    ) {
        let is_woken = std::mem::take(&mut self.is_woken);
        match &self.state {
            State::Idle { next } if *next <= now => self.connect(now, counters, register),
            State::Connecting { until, .. } if *until <= now => {
                self.refused(io::Error::from(Errno::ETIMEDOUT), counters);
            }
            State::Connecting { socket, .. } if is_woken => match connected(socket) {
                Ok(true) => self.connected(),
                Ok(false) => {}
                Err(error) => self.refused(error, counters),
            },
            State::Connected { socket } if is_woken => {
                if let Err(error) = still_open(socket) {
                    self.lost(error);
                }
            }
            State::Idle { .. } | State::Connecting { .. } | State::Connected { .. } => {}
        }
        self.write(counters, &mut each);
        while self.waiting.len() > self.len_max() {
            match self.drop_oldest() {
                Some(sent) => each(sent),
                None => return,
            }
        }
    }

    /// Sends one payload, or keeps it until it can be sent; if there are too many, the oldest is given
    /// back in its place.
    pub(super) fn send(&mut self, payload: Vec<u8>, counters: &mut DirectionCounters) -> Sent {
        let was_empty = self.waiting.is_empty();
        self.waiting.push_back(payload);
        let mut outcome = Sent::Later;
        if was_empty {
            self.write(counters, &mut |sent| outcome = sent);
        }
        if self.waiting.len() > self.len_max()
            && let Some(sent) = self.drop_oldest()
        {
            outcome = sent;
        }
        outcome
    }

    /// Returns what waits and the connection has not begun to take.
    pub(super) fn take_waiting(&mut self) -> Vec<Vec<u8>> {
        let n_begun = usize::from(self.n_written > 0);
        self.waiting.drain(n_begun.min(self.waiting.len())..).collect()
    }

    /// Takes over what waited at another link.
    pub(super) fn adopt(&mut self, waiting: Vec<Vec<u8>>) {
        self.waiting.extend(waiting);
    }

    /// Returns how many payloads wait for room, or for an attempt that is under way.
    pub(super) fn n_waiting(&self) -> usize {
        match self.state {
            State::Idle { .. } => 0,
            State::Connecting { .. } | State::Connected { .. } => self.waiting.len(),
        }
    }

    pub(super) fn error_queue(&self) -> ErrorQueue {
        let number = |len| u64::try_from(len).unwrap_or(u64::MAX);
        ErrorQueue {
            len: number(self.waiting.len()),
            len_max: number(self.error_queue_len),
            overflowed: self.overflowed,
        }
    }

    pub(super) const fn take_news(&mut self) -> Option<LinkNews> {
        self.news.take()
    }

    /// Returns whether the connection has taken a part of what waits first.
    #[cfg(test)]
    pub(super) const fn has_begun(&self) -> bool {
        self.n_written > 0
    }

    pub(super) const fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected { .. })
    }

    fn connect(
        &mut self,
        now: Instant,
        counters: &mut DirectionCounters,
        register: impl Fn(&Socket) -> io::Result<()>,
    ) {
        self.last_attempt = Some(now);
        let attempt = self.destination.as_socket().map_or_else(
            || Err(io::Error::from(Errno::EAFNOSUPPORT)),
            |destination| {
                let socket = new_client(destination, self.buffers).map_err(io::Error::other)?;
                let is_connected = match socket.connect(&self.destination) {
                    Ok(()) => true,
                    Err(error) if error.raw_os_error() == Some(Errno::EINPROGRESS as i32) => false,
                    Err(error) => return Err(error),
                };
                register(&socket)?;
                Ok((socket, is_connected))
            },
        );
        match attempt {
            Ok((socket, is_connected)) => {
                let until = now.saturating_add(ATTEMPT);
                self.state = State::Connecting { socket, until };
                if is_connected {
                    self.connected();
                }
            }
            Err(error) => self.refused(error, counters),
        }
    }

    fn connected(&mut self) {
        let idle = State::Idle {
            next: self.next_attempt(),
        };
        if let State::Connecting { socket, .. } = std::mem::replace(&mut self.state, idle) {
            self.state = State::Connected { socket };
            self.is_refusal_told = false;
            self.news = Some(LinkNews::Connected);
        }
    }

    fn refused(&mut self, error: io::Error, counters: &mut DirectionCounters) {
        counters.count_error();
        self.disconnect();
        if !std::mem::replace(&mut self.is_refusal_told, true) {
            self.news = Some(LinkNews::Refused(error));
        }
    }

    fn lost(&mut self, error: io::Error) {
        self.disconnect();
        self.is_refusal_told = true;
        self.news = Some(LinkNews::Lost(error));
    }

    /// What the connection had taken a part of is sent whole by the next: that begins with a message.
    fn disconnect(&mut self) {
        self.n_written = 0;
        self.state = State::Idle {
            next: self.next_attempt(),
        };
    }

    fn next_attempt(&self) -> Instant {
        self.last_attempt
            .map_or(Instant::START, |last| last.saturating_add(RETRY))
    }

    /// Sends what waits, in order, until there is no room.
    fn write(&mut self, counters: &mut DirectionCounters, each: &mut impl FnMut(Sent)) {
        while let (State::Connected { socket }, Some(first)) = (&self.state, self.waiting.front()) {
            let left = first.get(self.n_written..).unwrap_or_default();
            let len = left.len();
            match socket.send_with_flags(left, MSG_NOSIGNAL) {
                Ok(n) => {
                    counters.count(n);
                    self.n_written = self.n_written.saturating_add(n);
                    if n >= len {
                        self.n_written = 0;
                        each(Sent::Now(self.waiting.pop_front().unwrap_or_default()));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    counters.count_error();
                    self.lost(error);
                }
            }
        }
    }

    const fn len_max(&self) -> usize {
        match self.state {
            State::Connected { .. } if WAITING_LEN_MAX > self.error_queue_len => WAITING_LEN_MAX,
            State::Idle { .. } | State::Connecting { .. } | State::Connected { .. } => self.error_queue_len,
        }
    }

    /// Drops the oldest payload that the connection has not begun to take.
    fn drop_oldest(&mut self) -> Option<Sent> {
        let oldest = self.waiting.remove(usize::from(self.n_written > 0))?;
        self.overflowed = self.overflowed.saturating_add(1);
        Some(Sent::Failed(oldest, io::Error::from(Errno::ENOBUFS)))
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("destination", &self.destination.as_socket())
            .field("is_connected", &self.is_connected())
            .field("n_waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

/// Returns a socket that can connect.
fn new_client(destination: SocketAddr, buffers: Buffers) -> Result<Socket, LinkError> {
    let socket = new_socket(destination, Type::STREAM)?;
    socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_tcp_user_timeout(Some(SILENCE_MAX)))
        .map_err(LinkError::at("prepare a socket for the link"))?;
    set_send_buffer(&socket, buffers)?;
    Ok(socket)
}

/// Returns whether an attempt has succeeded, or why it has failed.
fn connected(socket: &Socket) -> io::Result<bool> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(Errno::ENOTCONN as i32) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Fails if the peer has closed the connection. It never writes here; if somebody does, it is ignored.
fn still_open(mut socket: &Socket) -> io::Result<()> {
    const READS_MAX: usize = 16;
    let mut ignored = [0; 256];
    for _ in 0..READS_MAX {
        match socket.read(&mut ignored) {
            Ok(0) => return Err(io::Error::from(Errno::ECONNRESET)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
