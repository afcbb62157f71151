//! A dump that is read ahead of who works on it.

use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::dump::{PART_LEN_MAX, each_message, receive_part};
use super::netfilter::NetfilterSocket;
use super::{Cause, DumpProgress, DumpSocket, NetlinkError, Operation};
use crate::ctnetlink::KernelFilter;
use crate::ctnetlink::decode::{DecodeError, Message};
use crate::ctnetlink::encode::List;
use engine::input::Errno;

/// How many parts are read ahead at most: 256 KiB.
const N_PARTS_AHEAD: usize = 8;

/// One dump, read by a thread of its own: the kernel gathers entries inside `recv`, and meanwhile the
/// caller works on those of the part before. Never holds more than a few parts, however big the table.
///
/// ```text
/// thread:  recv ─► part ──┐        ┌─◄ empty buffer
///                   bounded channels
/// caller:                 └─► messages ─► empty buffer
/// ```
pub struct DumpAhead {
    parts: Receiver<Result<Vec<u8>, NetlinkError>>,
    spent: Sender<Vec<u8>>,
    seq: u32,
}

impl DumpAhead {
    /// Begins to read those entries of `list` that pass `filter`.
    ///
    /// # Errors
    /// No support in the kernel, no permission to send, no thread to be had.
    pub fn start(list: List, filter: &KernelFilter) -> Result<Self, NetlinkError> {
        let mut socket = DumpSocket::open()?;
        socket.start_list(list, filter)?;
        let (socket, seq) = socket.into_running();
        let (filled, parts) = sync_channel(N_PARTS_AHEAD);
        let (spent, empty) = channel();
        thread::Builder::new()
            .name("dump".into())
            .spawn(move || read_all(&socket, &filled, &empty))
            .map_err(|error| Operation::StartDump.failed_io(&error))?;
        Ok(Self { parts, spent, seq })
    }

    /// Waits for the next part and hands over its messages. Never [`DumpProgress::Waiting`].
    ///
    /// # Errors
    /// The socket failed: the dump is over.
    pub fn next_part(
        &mut self,
        on_message: impl FnMut(Result<Message<'_>, DecodeError>),
    ) -> Result<DumpProgress, NetlinkError> {
        let part = match self.parts.recv() {
            Ok(part) => part?,
            // The thread sends the end of the dump before it ends itself.
            Err(_) => return Err(Operation::ReadDump.failed_by(Cause::NoAnswer)),
        };
        let progress = each_message(&part, self.seq, on_message);
        // The thread may have read its last part already.
        drop(self.spent.send(part));
        Ok(progress)
    }
}

/// Reads parts until the dump ends or nobody wants them.
fn read_all(
    socket: &NetfilterSocket,
    filled: &SyncSender<Result<Vec<u8>, NetlinkError>>,
    empty: &Receiver<Vec<u8>>,
) {
    loop {
        let mut part = empty.try_recv().unwrap_or_default();
        part.resize(PART_LEN_MAX, 0);
        let read = read_part(socket, &mut part);
        let is_last = match &read {
            Ok(len) => {
                part.truncate(*len);
                is_end(&part)
            }
            Err(_) => true,
        };
        if filled.send(read.map(|_| part)).is_err() || is_last {
            return;
        }
    }
}

/// Waits for a part and returns its length.
fn read_part(socket: &NetfilterSocket, buffer: &mut [u8]) -> Result<usize, NetlinkError> {
    loop {
        if let Some(part) = receive_part(socket, buffer)? {
            return Ok(part.len());
        }
        let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(errno) => return Err(Operation::ReadDump.failed(Errno(errno as i32))),
        }
    }
}

/// Returns whether nothing follows this part: the end of a dump comes in a datagram of its own.
fn is_end(part: &[u8]) -> bool {
    crate::ctnetlink::messages(part)
        .next()
        .is_none_or(|first| matches!(first, Ok(Message::Done { .. } | Message::Error { .. })))
}
