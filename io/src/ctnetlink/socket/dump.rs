//! The socket over which whole tables are read.

use engine::flow::{Expectation, Flow};
use engine::input::{Errno, Table};

use super::netfilter::{NetfilterSocket, ReceiveError, impl_as_fd};
use super::{NetlinkError, Operation};
use crate::ctnetlink::decode::{DecodeError, Message, decode_expectation, decode_flow, messages};
use crate::ctnetlink::encode::{Command, encode_command};

/// The kernel fills a datagram of a dump up to the room it was last offered, and never more than this.
const PART_LEN_MAX: usize = 32 * 1024;

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
        if self.is_running {
            return Err(Operation::StartDump.failed(Errno::EBUSY));
        }
        let command = match table {
            Table::Flows | Table::Both => Command::DumpFlows,
            Table::Expectations => Command::DumpExpectations,
        };
        self.seq = self.seq.wrapping_add(1);
        let mut request = Vec::new();
        encode_command(command, self.seq, &mut request);
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
        let part = match self.socket.receive(&mut self.part) {
            Ok(part) => part,
            Err(ReceiveError::Empty) => return Ok(DumpProgress::Waiting),
            Err(ReceiveError::Overrun) => return Err(Operation::ReadDump.failed(Errno::ENOBUFS)),
            Err(ReceiveError::Errno(errno)) => return Err(Operation::ReadDump.failed(errno)),
        };
        let mut progress = DumpProgress::Part;
        for message in messages(part) {
            match message {
                Ok(Message::Flow { seq, body, .. }) if seq == self.seq => match decode_flow(&body) {
                    Ok(flow) => on_entry(Ok(DumpEntry::Flow(&flow))),
                    Err(error) => on_entry(Err(error)),
                },
                Ok(Message::Expect { seq, body, .. }) if seq == self.seq => match decode_expectation(&body) {
                    Ok(expectation) => on_entry(Ok(DumpEntry::Expectation(&expectation))),
                    Err(error) => on_entry(Err(error)),
                },
                Ok(Message::Done { seq, errno }) if seq == self.seq => {
                    progress = DumpProgress::Ended(errno.map_or(Ok(()), Err));
                }
                Ok(Message::Error { seq, errno }) if seq == self.seq => {
                    progress = DumpProgress::Ended(Err(errno));
                }
                // Nothing else was asked for.
                Ok(
                    Message::Flow { .. }
                    | Message::Expect { .. }
                    | Message::Done { .. }
                    | Message::Error { .. }
                    | Message::Ack { .. }
                    | Message::Other { .. },
                ) => {}
                Err(error) => on_entry(Err(error)),
            }
        }
        if matches!(progress, DumpProgress::Ended(_)) {
            self.is_running = false;
        }
        Ok(progress)
    }
}

impl_as_fd!(DumpSocket);
