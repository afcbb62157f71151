//! When a busy socket is read.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use engine::time::Instant;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::link::Readable;

/// Shortest time between two reads of a busy socket; the poll waits in whole milliseconds.
const PERIOD: Duration = Duration::from_millis(1);
/// How many times what arrives in one period the socket's buffer must hold.
const MARGIN: usize = 4;

/// Decides when a socket is read.
///
/// A wake-up, the read that finds the socket empty, and a datagram sent with one message in it cost
/// many times what one more event costs in a batch. So while news come faster than one in a
/// millisecond the poll does not watch the socket: it is read when the millisecond is over, and what
/// was found shares datagrams. Whoever has something to say after a pause is heard at once, and the
/// first read that finds nothing ends the state, so a quiet firewall sees no delay and no needless
/// wake-up. The buffer has to hold what arrives meanwhile with a margin of four, else the socket is
/// read whenever the poll says so.
///
/// ```text
///            two reads within 1 ms, buffer has room
///   Watched ───────────────────────────────────────► Timed ─┐ every 1 ms: something found
///      ▲                                               │  ▲─┘
///      └───────────────────────────────────────────────┘
///            nothing found, or buffer too small
/// ```
#[derive(Debug)]
pub(super) struct Pace {
    state: State,
    last_read: Option<Instant>,
    /// Bytes read since the socket was last found empty.
    n_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The poll tells when there is something; it tells once, so it is remembered.
    Watched { is_readable: bool },
    /// The poll does not watch the socket.
    Timed { next: Instant },
}

/// What has to be done about the poll's watch over the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// It stays as it is.
    Keep,
    /// Let the poll watch the socket.
    Start,
    /// Take it from the poll.
    Stop,
}

impl Pace {
    /// Returns the pace of a socket that the poll watches and that may hold something already.
    pub(super) const fn new() -> Self {
        Self {
            state: State::Watched { is_readable: true },
            last_read: None,
            n_bytes: 0,
        }
    }

    /// The poll says that there is something.
    pub(super) fn wake(&mut self) {
        if let State::Watched { is_readable } = &mut self.state {
            *is_readable = true;
        }
    }

    /// Returns whether to read.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        match self.state {
            State::Watched { is_readable } => is_readable,
            State::Timed { next } => next <= now,
        }
    }

    /// Returns when to read if the poll does not wake us before; [`Instant::START`] for at once.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Watched { is_readable: true } => Some(Instant::START),
            State::Watched { is_readable: false } => None,
            State::Timed { next } => Some(next),
        }
    }

    /// Takes note of a read of what took `n_bytes` of the `buffer_len` bytes that the socket's buffer has.
    pub(super) fn after_read(
        &mut self,
        n_bytes: usize,
        readable: Readable,
        buffer_len: usize,
        now: Instant,
    ) -> Watch {
        self.n_bytes = self.n_bytes.saturating_add(n_bytes);
        if readable == Readable::MayBeMore {
            return Watch::Keep;
        }
        let n_bytes = std::mem::take(&mut self.n_bytes);
        let last_read = self.last_read.replace(now);
        let has_room = n_bytes.saturating_mul(MARGIN) <= buffer_len;
        let timed = State::Timed {
            next: now.saturating_add(PERIOD),
        };
        let watched = State::Watched { is_readable: false };
        match self.state {
            State::Watched { .. } => {
                let is_busy = last_read.is_some_and(|last| now.saturating_since(last) < PERIOD);
                let goes_on = n_bytes > 0 && is_busy && has_room;
                self.state = if goes_on { timed } else { watched };
                if goes_on { Watch::Stop } else { Watch::Keep }
            }
            State::Timed { .. } => {
                let goes_on = n_bytes > 0 && has_room;
                self.state = if goes_on { timed } else { watched };
                if goes_on { Watch::Keep } else { Watch::Start }
            }
        }
    }
}

impl Watch {
    /// Does it.
    pub(super) fn apply(self, registry: &Registry, fd: RawFd, token: Token) -> io::Result<()> {
        match self {
            Self::Keep => Ok(()),
            // What has arrived meanwhile counts as news.
            Self::Start => registry.register(&mut SourceFd(&fd), token, Interest::READABLE),
            Self::Stop => registry.deregister(&mut SourceFd(&fd)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Readable::{Drained, MayBeMore};
    use super::*;

    const ROOM: usize = 100;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    /// A pace that has drained its socket at 10 ms and at 10.5 ms.
    fn busy() -> Pace {
        let mut pace = Pace::new();
        assert_eq!(pace.after_read(1, Drained, ROOM, at(10_000)), Watch::Keep);
        pace.wake();
        assert_eq!(pace.after_read(1, Drained, ROOM, at(10_500)), Watch::Stop);
        pace
    }

    #[test]
    fn a_quiet_socket_is_read_when_the_poll_says_so() {
        let mut pace = Pace::new();
        for n in 1..10 {
            assert!(pace.is_due(at(n * 1_000)));
            assert_eq!(pace.after_read(1, Drained, ROOM, at(n * 1_000)), Watch::Keep);
            assert!(!pace.is_due(at(n * 1_000 + 999)));
            assert_eq!(pace.deadline(), None);
            pace.wake();
        }
    }

    #[test]
    fn a_busy_socket_is_read_once_a_millisecond() {
        let mut pace = busy();
        for n in 1..10 {
            pace.wake();
            let next = at(10_500 + n * 1_000);
            assert_eq!(pace.deadline(), Some(next));
            assert!(!pace.is_due(at(next.as_micros() - 1)));
            assert!(pace.is_due(next));
            assert_eq!(pace.after_read(25, Drained, ROOM, next), Watch::Keep);
        }
    }

    #[test]
    fn a_read_that_finds_nothing_gives_the_socket_back_to_the_poll() {
        let mut pace = busy();
        assert_eq!(pace.after_read(0, Drained, ROOM, at(11_500)), Watch::Start);
        assert_eq!(pace.deadline(), None);
        assert!(!pace.is_due(at(20_000)));
    }

    #[test]
    fn what_a_turn_leaves_is_read_in_the_next() {
        let mut pace = Pace::new();
        assert_eq!(pace.after_read(20, MayBeMore, ROOM, at(1_000)), Watch::Keep);
        assert!(pace.is_due(at(1_000)), "watched");
        let mut pace = busy();
        assert_eq!(pace.after_read(20, MayBeMore, ROOM, at(11_500)), Watch::Keep);
        assert!(pace.is_due(at(11_500)), "timed");
    }

    #[test]
    fn a_small_buffer_is_read_whenever_there_is_something() {
        let mut pace = Pace::new();
        assert_eq!(pace.after_read(1, Drained, ROOM, at(10_000)), Watch::Keep);
        assert_eq!(pace.after_read(26, Drained, ROOM, at(10_500)), Watch::Keep);
        assert_eq!(pace.deadline(), None);
        let mut pace = busy();
        assert_eq!(pace.after_read(13, MayBeMore, ROOM, at(11_500)), Watch::Keep);
        assert_eq!(
            pace.after_read(13, Drained, ROOM, at(11_600)),
            Watch::Start,
            "both reads count"
        );
    }
}
