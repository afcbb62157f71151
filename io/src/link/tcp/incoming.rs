//! The peer's connection to us: bytes come in, whole messages go on.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, RawFd};

use engine::wire::{StreamPart, stream_part};
use socket2::{SockAddr, Socket};

use super::super::{DirectionCounters, Readable};

/// Room for the beginning of the longest message and as much again to be read.
const BUFFER_LEN: usize = 2 * 65_536;

/// A connection that was accepted.
pub(super) struct Incoming {
    stream: Socket,
    source: IpAddr,
    buffer: Vec<u8>,
    /// Bytes at the beginning of the buffer that are part of a message.
    n_begun: usize,
    buffer_len: usize,
    has_ended: bool,
}

impl Incoming {
    pub(super) fn new(stream: Socket, source: &SockAddr) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            buffer_len: stream.recv_buffer_size()?,
            stream,
            source: source
                .as_socket()
                .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |source| source.ip()),
            buffer: vec![0; BUFFER_LEN],
            n_begun: 0,
            has_ended: false,
        })
    }

    /// Reads about `n_reads` times.
    ///
    /// A stream whose messages cannot be told apart any more is ended: the peer makes a new one, which
    /// begins with a message.
    pub(super) fn receive(
        &mut self,
        n_reads: usize,
        counters: &mut DirectionCounters,
        each: &mut impl FnMut(IpAddr, &[u8]),
    ) -> Readable {
        for _ in 0..n_reads {
            if self.has_ended {
                return Readable::Drained;
            }
            let room = self.buffer.get_mut(self.n_begun..).unwrap_or_default();
            match (&self.stream).read(room) {
                Ok(0) => self.has_ended = true,
                Ok(n) => {
                    counters.count(n);
                    self.hand_on(self.n_begun.saturating_add(n), counters, each);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Readable::Drained,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    counters.count_error();
                    self.has_ended = true;
                }
            }
        }
        Readable::MayBeMore
    }

    /// Hands on the whole messages of the first `len` bytes and keeps the beginning of the next.
    fn hand_on(
        &mut self,
        len: usize,
        counters: &mut DirectionCounters,
        each: &mut impl FnMut(IpAddr, &[u8]),
    ) {
        let bytes = self.buffer.get(..len).unwrap_or_default();
        let n_whole = match stream_part(bytes) {
            StreamPart::Whole(n_whole) => n_whole,
            StreamPart::Broken => {
                counters.count_error();
                self.has_ended = true;
                len
            }
        };
        match bytes.get(..n_whole) {
            Some([]) | None => {}
            Some(whole) => each(self.source, whole),
        }
        self.buffer.copy_within(n_whole..len, 0);
        self.n_begun = len.saturating_sub(n_whole);
    }

    /// Returns whether nothing more will come.
    pub(super) const fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(super) const fn buffer_len(&self) -> usize {
        self.buffer_len
    }

    pub(super) const fn socket(&self) -> &Socket {
        &self.stream
    }

    pub(super) fn fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}
