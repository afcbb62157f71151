//! The socket over which the table is changed.

use engine::flow::Flow;
use engine::input::{Errno, RequestFailure, Table};
use engine::output::Batch;

use super::netfilter::{NetfilterSocket, ReceiveError, impl_as_fd};
use super::{Cause, NetlinkError, Operation};
use crate::ctnetlink::decode::{
    Body, DecodeError, Message, TableStats, decode_flow, decode_table_stats, messages,
};
use crate::ctnetlink::encode::{AckMode, Command, Edit, encode_command, encode_edit, encode_flow_request};

/// Most requests in one send: with more than 64 nothing is gained any more.
const REQUESTS_PER_SEND: usize = 256;

/// What an answer takes of the receive buffer at most: the kernel counts its own bookkeeping, and
/// allocates a page for a flow.
const ANSWER_COST_MAX: usize = 8 * 1024;

/// Room for the longest requests: a creation with every attribute has 560 bytes.
const SEND_BUFFER_LEN: usize = REQUESTS_PER_SEND * 1024;

/// An answer is a flow, or an error without the request that caused it.
const ANSWER_LEN_MAX: usize = 8 * 1024;

/// Stands for an answer that we could not decode.
const EBADMSG: Errno = Errno(nix::Error::EBADMSG as i32);

/// Sends requests in batches, and reads their answers.
///
/// The kernel carries requests out while they are sent, so that all answers are there when `send`
/// returns: nothing here waits.
pub struct RequestSocket {
    socket: NetfilterSocket,
    requests: Vec<u8>,
    answer: Vec<u8>,
    next_seq: u32,
    /// Which requests of the last send were answered.
    is_answered: Vec<bool>,
}

impl RequestSocket {
    /// Opens one, and asks the kernel whether it understands us at all.
    ///
    /// # Errors
    /// No permission, no support in the kernel.
    pub fn open() -> Result<Self, NetlinkError> {
        let mut this = Self::open_with_buffer(REQUESTS_PER_SEND.saturating_mul(ANSWER_COST_MAX))?;
        match this.table_stats() {
            Err(NetlinkError {
                cause: Cause::Errno(Errno::EINVAL),
                ..
            }) => Err(Operation::Open.failed_by(Cause::NotSupported)),
            Err(error) => Err(NetlinkError {
                operation: Operation::Open,
                ..error
            }),
            Ok(_) => Ok(this),
        }
    }

    fn open_with_buffer(len: usize) -> Result<Self, NetlinkError> {
        let socket = NetfilterSocket::open()?;
        socket.set_buffer_len(len)?;
        socket.set_send_buffer_len(SEND_BUFFER_LEN)?;
        // Without this an error carries the whole request that caused it.
        socket
            .inner()
            .set_cap_ack(true)
            .map_err(|error| Operation::Open.failed_io(&error))?;
        Ok(Self {
            socket,
            requests: Vec::new(),
            answer: vec![0; ANSWER_LEN_MAX],
            next_seq: 1,
            is_answered: Vec::new(),
        })
    }

    /// Returns the number by which events name this socket as their cause.
    #[must_use]
    pub const fn port_id(&self) -> u32 {
        self.socket.port_id()
    }

    /// Carries out `batch`. Hands the answer to every successful `Get` to `on_answer` with its
    /// index, and appends the requests that failed to `failures`, in order.
    ///
    /// Where the kernel's answers are lost, the requests are made again one by one: what had
    /// succeeded by then fails with EEXIST or ENOENT.
    ///
    /// # Errors
    /// The requests could not be sent.
    pub fn execute(
        &mut self,
        batch: &Batch,
        mut on_answer: impl FnMut(usize, &Flow),
        failures: &mut Vec<RequestFailure>,
    ) -> Result<(), NetlinkError> {
        let mut on_flow = |index: usize, body: &Body<'_>| -> Result<(), DecodeError> {
            on_answer(index, &decode_flow(body)?);
            Ok(())
        };
        self.run(&batch.requests, encode_flow_request, &mut on_flow, failures)
    }

    /// Carries out `edits` in order. Hands the entry that a successful request for one tells to
    /// `on_answer` with the index of the request, and appends the requests that failed to `failures`,
    /// in order. A failure stops none of those behind it.
    ///
    /// Where the kernel's answers are lost, the requests are made again one by one. They are not lost
    /// while `edits` are no more than [`Self::edits_max`].
    ///
    /// # Errors
    /// The requests could not be sent.
    pub fn edit(
        &mut self,
        edits: &[Edit<'_>],
        mut on_answer: impl FnMut(usize, &Body<'_>) -> Result<(), DecodeError>,
        failures: &mut Vec<RequestFailure>,
    ) -> Result<(), NetlinkError> {
        self.run(edits, encode_edit, &mut on_answer, failures)
    }

    /// Returns how many edits are carried out in one send, all of whose answers fit the receive buffer.
    ///
    /// # Errors
    /// The kernel does not tell the size of the buffer.
    pub fn edits_max(&self) -> Result<usize, NetlinkError> {
        let n_answers = self.socket.buffer_len()? / ANSWER_COST_MAX;
        Ok(n_answers.clamp(1, REQUESTS_PER_SEND))
    }

    /// Empties `table`.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn flush(&mut self, table: Table) -> Result<(), NetlinkError> {
        let commands: &[_] = match table {
            Table::Flows => &[Command::FlushFlows],
            Table::Expectations => &[Command::FlushExpectations],
            Table::Both => &[Command::FlushFlows, Command::FlushExpectations],
        };
        for command in commands {
            self.command(*command, Operation::Flush, |message| {
                matches!(message, Message::Ack { .. }).then_some(Ok(()))
            })?;
        }
        Ok(())
    }

    /// Returns how full the table of flows is.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn table_stats(&mut self) -> Result<TableStats, NetlinkError> {
        let operation = Operation::ReadTableStats;
        self.command(Command::TableStats, operation, |message| {
            let Message::Other { body, .. } = message else {
                return None;
            };
            Some(decode_table_stats(&body).map_err(|_| operation.failed_by(Cause::Malformed)))
        })
    }

    /// Sends `command` and returns what `on_answer` makes of the answer.
    fn command<T>(
        &mut self,
        command: Command,
        operation: Operation,
        on_answer: impl Fn(Message<'_>) -> Option<Result<T, NetlinkError>>,
    ) -> Result<T, NetlinkError> {
        let seq = self.take_seqs(1);
        self.requests.clear();
        encode_command(command, seq, &mut self.requests);
        self.socket.send(&self.requests, operation)?;
        loop {
            let datagram = match self.socket.receive(&mut self.answer) {
                Ok(datagram) => datagram,
                Err(ReceiveError::Empty | ReceiveError::Overrun) => {
                    return Err(operation.failed_by(Cause::NoAnswer));
                }
                Err(ReceiveError::Errno(errno)) => return Err(operation.failed(errno)),
            };
            for message in messages(datagram) {
                match message {
                    Ok(Message::Error { seq: of, errno }) if of == seq => return Err(operation.failed(errno)),
                    Ok(message) if message.seq() == seq => {
                        if let Some(result) = on_answer(message) {
                            return result;
                        }
                    }
                    Ok(_late_answer) => {}
                    Err(_) => return Err(operation.failed_by(Cause::Malformed)),
                }
            }
        }
    }

    /// Carries out `requests` in sends of at most [`REQUESTS_PER_SEND`].
    fn run<R>(
        &mut self,
        requests: &[R],
        encode: impl Fn(&R, u32, AckMode, &mut Vec<u8>),
        on_flow: &mut impl FnMut(usize, &Body<'_>) -> Result<(), DecodeError>,
        failures: &mut Vec<RequestFailure>,
    ) -> Result<(), NetlinkError> {
        for (chunk, requests) in requests.chunks(REQUESTS_PER_SEND).enumerate() {
            let base = chunk.saturating_mul(REQUESTS_PER_SEND);
            let n_failures = failures.len();
            let is_complete = self.send_and_read(base, requests, &encode, on_flow, failures)?;
            if !is_complete {
                self.ask_again(base, requests, &encode, on_flow, failures)?;
                if let Some(failures) = failures.get_mut(n_failures..) {
                    failures.sort_by_key(|failure| failure.index);
                }
            }
        }
        Ok(())
    }

    /// Makes each of `requests` that was not answered again, alone.
    fn ask_again<R>(
        &mut self,
        base: usize,
        requests: &[R],
        encode: &impl Fn(&R, u32, AckMode, &mut Vec<u8>),
        on_flow: &mut impl FnMut(usize, &Body<'_>) -> Result<(), DecodeError>,
        failures: &mut Vec<RequestFailure>,
    ) -> Result<(), NetlinkError> {
        let is_answered = std::mem::take(&mut self.is_answered);
        for (i, request) in requests.iter().enumerate() {
            if is_answered.get(i) == Some(&true) {
                continue;
            }
            let index = base.saturating_add(i);
            let request = std::slice::from_ref(request);
            self.send_and_read(index, request, encode, on_flow, failures)?;
            if self.is_answered.first() != Some(&true) {
                let errno = Errno::ENOBUFS;
                failures.push(RequestFailure { index, errno });
            }
        }
        Ok(())
    }

    /// Sends `requests`, the first of which has the index `base`, and reads the answers. Returns
    /// whether all came: an acknowledgement of the last one, and no sign of loss before.
    fn send_and_read<R>(
        &mut self,
        base: usize,
        requests: &[R],
        encode: &impl Fn(&R, u32, AckMode, &mut Vec<u8>),
        on_flow: &mut impl FnMut(usize, &Body<'_>) -> Result<(), DecodeError>,
        failures: &mut Vec<RequestFailure>,
    ) -> Result<bool, NetlinkError> {
        let first_seq = self.take_seqs(requests.len());
        let mut seq = first_seq;
        self.requests.clear();
        for (i, request) in (1..).zip(requests) {
            // The kernel works in order: when the last one is acknowledged, all are done, and the
            // others need no answer unless they fail.
            let ack = if i == requests.len() {
                AckMode::Always
            } else {
                AckMode::OnError
            };
            encode(request, seq, ack, &mut self.requests);
            seq = seq.wrapping_add(1);
        }
        self.socket.send(&self.requests, Operation::SendRequests)?;

        self.is_answered.clear();
        self.is_answered.resize(requests.len(), false);
        let mut is_lost = false;
        loop {
            let datagram = match self.socket.receive(&mut self.answer) {
                Ok(datagram) => datagram,
                // The kernel drops all answers until those it has queued are read.
                Err(ReceiveError::Overrun) => {
                    is_lost = true;
                    continue;
                }
                Err(ReceiveError::Empty) => return Ok(!is_lost && self.is_answered.last() != Some(&false)),
                Err(ReceiveError::Errno(errno)) => return Err(Operation::ReadAnswers.failed(errno)),
            };
            for message in messages(datagram) {
                let Ok(message) = message else {
                    is_lost = true;
                    continue;
                };
                // The number of an earlier send gives an index far beyond the end.
                let i = usize::try_from(message.seq().wrapping_sub(first_seq)).unwrap_or(usize::MAX);
                if let Some(is_answered) = self.is_answered.get_mut(i) {
                    *is_answered = true;
                    take_answer(base.saturating_add(i), &message, on_flow, failures);
                }
            }
        }
    }

    /// Returns the first of `n` sequence numbers that no other request has.
    fn take_seqs(&mut self, n: usize) -> u32 {
        let first = self.next_seq;
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        self.next_seq = first.wrapping_add(n);
        first
    }
}

/// Hands the entry in `message`, the answer to the request `index`, to `on_flow`, or notes that it failed.
fn take_answer(
    index: usize,
    message: &Message<'_>,
    on_flow: &mut impl FnMut(usize, &Body<'_>) -> Result<(), DecodeError>,
    failures: &mut Vec<RequestFailure>,
) {
    let errno = match message {
        Message::Flow { body, .. } | Message::Expect { body, .. } => {
            on_flow(index, body).err().map(|_| EBADMSG)
        }
        Message::Error { errno, .. } => Some(*errno),
        Message::Ack { .. } | Message::Done { .. } | Message::Other { .. } => None,
    };
    failures.extend(errno.map(|errno| RequestFailure { index, errno }));
}

impl_as_fd!(RequestSocket);
