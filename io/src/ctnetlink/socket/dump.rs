//! The socket over which whole tables are read.

use engine::flow::{Expectation, Flow};
use engine::input::{Errno, Table};

use super::netfilter::{NetfilterSocket, ReceiveError, impl_as_fd};
use super::{NetlinkError, Operation};
use crate::ctnetlink::KernelFilter;
use crate::ctnetlink::decode::{DecodeError, Message, decode_expectation, decode_flow, messages};
use crate::ctnetlink::encode::{List, encode_dump};

/// The kernel fills a datagram of a dump up to the room it was last offered, and never more than this.
pub(super) const PART_LEN_MAX: usize = 32 * 1024;

/// Reads one table after the other, in parts between which the caller does other work.
pub struct DumpSocket {
    socket: NetfilterSocket,
    part: Vec<u8>,
    seq: u32,
    is_running: bool,
}

/// An entry of a table.
#[derive(Debug)]
pub enum DumpEntry<'a> {
    /// A flow.
    Flow(&'a Flow),
    /// An expectation.
    Expectation(&'a Expectation),
}

/// How far a dump is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpProgress {
    /// A part was read, another one may follow at once.
    Part,
    /// There is nothing to read yet, or no dump is running.
    Waiting,
    /// The dump has ended: complete, or for that reason not.
    Ended(Result<(), Errno>),
}

impl DumpSocket {
    /// Opens one.
    ///
    /// # Errors
    /// No support in the kernel.
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self {
            socket: NetfilterSocket::open()?,
            part: vec![0; PART_LEN_MAX],
            seq: 0,
            is_running: false,
        })
    }

    /// Begins to read `table`. A dump is of one table: of [`Table::Both`] it reads the flows.
    ///
    /// # Errors
    /// EBUSY while another dump is running.
    pub fn start(&mut self, table: Table) -> Result<(), NetlinkError> {
        let list = match table {
            Table::Flows | Table::Both => List::Flows,
            Table::Expectations => List::Expectations,
        };
        self.start_list(list, &KernelFilter::default())
    }

    /// Begins to read those entries of `list` that pass `filter`.
    ///
    /// # Errors
    /// EBUSY while another dump is running.
    pub fn start_list(&mut self, list: List, filter: &KernelFilter) -> Result<(), NetlinkError> {
        if self.is_running {
            return Err(Operation::StartDump.failed(Errno::EBUSY));
        }
        self.seq = self.seq.wrapping_add(1);
        let mut request = Vec::new();
        encode_dump(list, filter, self.seq, &mut request);
        self.socket.send(&request, Operation::StartDump)?;
        self.is_running = true;
        Ok(())
    }

    /// Returns whether a dump has been started and not ended.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.is_running
    }

    /// Reads one part, up to 32 KiB, and hands over its entries.
    ///
    /// # Errors
    /// The socket failed in the middle of a dump, and must be opened anew.
    pub fn read(
        &mut self,
        mut on_entry: impl FnMut(Result<DumpEntry<'_>, DecodeError>),
    ) -> Result<DumpProgress, NetlinkError> {
        self.read_messages(|message| match message {
            Ok(Message::Flow { body, .. }) => match decode_flow(&body) {
                Ok(flow) => on_entry(Ok(DumpEntry::Flow(&flow))),
                Err(error) => on_entry(Err(error)),
            },
            Ok(Message::Expect { body, .. }) => match decode_expectation(&body) {
                Ok(expectation) => on_entry(Ok(DumpEntry::Expectation(&expectation))),
                Err(error) => on_entry(Err(error)),
            },
            // Nothing else was asked for.
            Ok(
                Message::Done { .. } | Message::Error { .. } | Message::Ack { .. } | Message::Other { .. },
            ) => {}
            Err(error) => on_entry(Err(error)),
        })
    }

    /// Reads one part, up to 32 KiB, and hands over its messages as they are.
    ///
    /// # Errors
    /// The socket failed in the middle of a dump, and must be opened anew.
    pub fn read_messages(
        &mut self,
        on_message: impl FnMut(Result<Message<'_>, DecodeError>),
    ) -> Result<DumpProgress, NetlinkError> {
        let Some(part) = receive_part(&self.socket, &mut self.part)? else {
            return Ok(DumpProgress::Waiting);
        };
        let progress = each_message(part, self.seq, on_message);
        self.is_running = progress == DumpProgress::Part;
        Ok(progress)
    }

    /// Gives up the socket of a dump that is running, and the number of its request.
    pub(super) fn into_running(self) -> (NetfilterSocket, u32) {
        (self.socket, self.seq)
    }
}

/// Reads one part; `None` if there is none yet.
pub(super) fn receive_part<'a>(
    socket: &NetfilterSocket,
    buffer: &'a mut [u8],
) -> Result<Option<&'a [u8]>, NetlinkError> {
    match socket.receive(buffer) {
        Ok(part) => Ok(Some(part)),
        Err(ReceiveError::Empty) => Ok(None),
        Err(ReceiveError::Overrun) => Err(Operation::ReadDump.failed(Errno::ENOBUFS)),
        Err(ReceiveError::Errno(errno)) => Err(Operation::ReadDump.failed(errno)),
    }
}

/// Hands over the messages in a part that answer the request `seq`.
pub(super) fn each_message(
    part: &[u8],
    seq: u32,
    mut on_message: impl FnMut(Result<Message<'_>, DecodeError>),
) -> DumpProgress {
    let mut progress = DumpProgress::Part;
    for message in messages(part) {
        match message {
            Ok(message) if message.seq() != seq => {}
            Ok(Message::Done { errno, .. }) => progress = DumpProgress::Ended(errno.map_or(Ok(()), Err)),
            Ok(Message::Error { errno, .. }) => progress = DumpProgress::Ended(Err(errno)),
            message => on_message(message),
        }
    }
    progress
}

impl_as_fd!(DumpSocket);
