//! The kernel's side of the loop: events in, requests out, one piece of work at a time.

use std::collections::VecDeque;
use std::fmt;

use engine::flow::Flow;
use engine::input::{Errno, KernelInput, Origin, RequestFailure, Table};
use engine::output::{Batch, DumpId, FlowRequest, KernelOp};

use super::report::ShellReport;
use crate::control::statistics::NetlinkStats;
use crate::ctnetlink::decode::{decode_expectation, decode_flow};
use crate::ctnetlink::{
    Cause, DecodeError, Delivery, DumpEntry, DumpProgress, DumpSocket, EventFilter, EventRead, EventSocket,
    EventSocketOptions, Message, NetlinkError, RequestSocket, messages,
};
use crate::link::Readable;

/// What an event takes of the event socket's buffer in bytes, whatever its length.
const EVENT_COST: usize = 1280;
/// Input/output error: what is told when the kernel gave no number.
const EIO: Errno = Errno(5);

/// How the kernel is listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelOptions {
    /// Size of the event socket's buffer in bytes, as the kernel reports it, if not the system's
    /// (`NetlinkBufferSize`).
    pub buffer_len: Option<usize>,
    /// Most it may grow to (`NetlinkBufferSizeMaxGrowth`).
    pub buffer_len_max: usize,
    /// Tables whose events are wanted; `None` if the table is polled (`PollSecs`).
    pub tables: Option<Table>,
    /// What the kernel does with events for which there is no room (`NetlinkEventsReliable`).
    pub delivery: Delivery,
    /// Which events are kept, but for those of our own requests (`Filter From Kernelspace`).
    pub event_filter: EventFilter,
}

/// The sockets to the kernel's connection tracking.
pub struct Kernel {
    pub(super) events: EventSocket,
    pub(super) dumps: DumpSocket,
    requests: RequestSocket,
    decoder: EventDecoder,
    is_listening: bool,
    buffer_len: usize,
    buffer_len_max: usize,
    buffer_at_maximum_told: bool,
    /// What the engine asked for, in order.
    ops: VecDeque<KernelOp>,
    dump: Option<RunningDump>,
    failures: Vec<RequestFailure>,
    /// The dump socket was opened anew, and the poll does not watch it yet.
    has_new_dump_socket: bool,
}

#[derive(Clone, Copy, Debug)]
struct RunningDump {
    id: DumpId,
    /// The kernel has nothing for us yet: the poll will tell.
    is_waiting: bool,
}

/// Who takes what the kernel says: the engine, and the operator.
pub(super) trait Sink {
    fn input(&mut self, input: KernelInput<'_>);
    fn report(&mut self, report: ShellReport);
}

impl Kernel {
    /// Opens the sockets. Events are kept from here on, so that nothing is missed between a first
    /// dump and the first event.
    ///
    /// # Errors
    /// No permission, or no support in the kernel.
    pub fn open(options: &KernelOptions) -> Result<Self, NetlinkError> {
        let requests = RequestSocket::open()?;
        // The engine knows what its own requests did: their echo would only overrun the socket
        // during a commit.
        let filter = options.event_filter.clone().ignoring(&[requests.port_id()]);
        let events = EventSocket::open(&EventSocketOptions {
            buffer_len: options.buffer_len,
            tables: options.tables,
            delivery: options.delivery,
            filter: &filter,
        })?;
        Ok(Self {
            decoder: EventDecoder::new(requests.port_id()),
            is_listening: options.tables.is_some(),
            buffer_len: events.buffer_len()?,
            buffer_len_max: options.buffer_len_max,
            buffer_at_maximum_told: false,
            events,
            dumps: DumpSocket::open()?,
            requests,
            ops: VecDeque::new(),
            dump: None,
            failures: Vec::new(),
            has_new_dump_socket: false,
        })
    }

    /// Returns whether the poll has to watch another dump socket than before.
    pub(super) const fn take_new_dump_socket(&mut self) -> bool {
        std::mem::replace(&mut self.has_new_dump_socket, false)
    }

    /// Returns the size of the event socket's buffer in bytes, as the kernel reports it.
    #[must_use]
    pub const fn buffer_len(&self) -> usize {
        self.buffer_len
    }

    pub(super) fn stats(&self) -> NetlinkStats {
        NetlinkStats {
            buffer_len: u64::try_from(self.buffer_len).unwrap_or(u64::MAX),
            ..self.decoder.stats
        }
    }

    /// Reads about `n_events` and returns how many bytes of the buffer they took.
    pub(super) fn read_events(&mut self, n_events: usize, sink: &mut impl Sink) -> (usize, Readable) {
        let mut n_read: usize = 0;
        while n_read < n_events {
            match self.events.read() {
                Ok(EventRead::Datagrams {
                    datagrams,
                    n_truncated,
                }) => {
                    n_read = n_read.saturating_add(n_truncated);
                    for datagram in datagrams {
                        n_read = n_read.saturating_add(1);
                        self.decoder.decode(datagram, sink);
                    }
                    if n_truncated > 0 {
                        self.decoder.count_failed();
                        sink.input(KernelInput::Overrun);
                    }
                }
                Ok(EventRead::Overrun) => {
                    self.decoder.count_failed();
                    self.grow_buffer(sink);
                    sink.input(KernelInput::Overrun);
                }
                Ok(EventRead::Empty) => return (n_read.saturating_mul(EVENT_COST), Readable::Drained),
                Err(error) => {
                    self.decoder.count_failed();
                    sink.report(ShellReport::Netlink(error));
                    return (n_read.saturating_mul(EVENT_COST), Readable::Drained);
                }
            }
        }
        (n_read.saturating_mul(EVENT_COST), Readable::MayBeMore)
    }

    fn grow_buffer(&mut self, sink: &mut impl Sink) {
        match self.events.double_buffer(self.buffer_len_max) {
            Ok(Some(len)) => {
                self.buffer_len = len;
                sink.report(ShellReport::EventBufferDoubled { len });
            }
            Ok(None) => {
                if !std::mem::replace(&mut self.buffer_at_maximum_told, true) {
                    sink.report(ShellReport::EventBufferAtMaximum);
                }
            }
            Err(error) => sink.report(ShellReport::Netlink(error)),
        }
    }

    /// Takes an operation; [`Self::work`] does it.
    pub(super) fn queue(&mut self, op: KernelOp) {
        self.ops.push_back(op);
    }

    /// Returns whether [`Self::work`] has something to do at once.
    pub(super) fn has_work(&self) -> bool {
        match self.dump {
            Some(dump) => !dump.is_waiting,
            None => !self.ops.is_empty(),
        }
    }

    /// Returns whether changes of the table are due.
    pub(super) fn has_changes(&self) -> bool {
        self.ops.iter().any(|op| !matches!(op, KernelOp::Dump { .. }))
    }

    /// The poll says that the dump goes on.
    pub(super) const fn wake_dump(&mut self) {
        if let Some(dump) = &mut self.dump {
            dump.is_waiting = false;
        }
    }

    /// Does one piece of work, of at most half a millisecond or so: one batch, or one part of a dump.
    ///
    /// Events are read between two pieces, however long a commit takes.
    pub(super) fn work(&mut self, sink: &mut impl Sink) {
        if let Some(dump) = self.dump {
            if !dump.is_waiting {
                self.read_dump(dump, sink);
            }
            return;
        }
        match self.ops.pop_front() {
            Some(KernelOp::Dump { id, table }) => self.start_dump(id, table, sink),
            Some(KernelOp::Batch(batch)) => self.execute(batch, sink),
            None => {}
        }
    }

    fn start_dump(&mut self, id: DumpId, table: Table, sink: &mut impl Sink) {
        match self.dumps.start(table) {
            Ok(()) => {
                self.dump = Some(RunningDump {
                    id,
                    is_waiting: false,
                })
            }
            Err(error) => sink.input(KernelInput::DumpEnded {
                dump: id,
                error: Some(errno(error)),
            }),
        }
    }

    fn read_dump(&mut self, dump: RunningDump, sink: &mut impl Sink) {
        let stats = &mut self.decoder.stats;
        let progress = self.dumps.read(|entry| match entry {
            Ok(DumpEntry::Flow(flow)) => sink.input(KernelInput::Dumped { dump: dump.id, flow }),
            Ok(DumpEntry::Expectation(expectation)) => {
                let dump = dump.id;
                sink.input(KernelInput::DumpedExpectation { dump, expectation });
            }
            Err(_) => stats.dump_unknown = stats.dump_unknown.saturating_add(1),
        });
        let error = match progress {
            Ok(DumpProgress::Part) => return,
            Ok(DumpProgress::Waiting) => {
                self.dump = Some(RunningDump {
                    is_waiting: true,
                    ..dump
                });
                return;
            }
            Ok(DumpProgress::Ended(result)) => result.err(),
            Err(error) => {
                // What is left of the dump must not be taken for the next one's beginning.
                match DumpSocket::open() {
                    Ok(socket) => (self.dumps, self.has_new_dump_socket) = (socket, true),
                    Err(error) => sink.report(ShellReport::Netlink(error)),
                }
                Some(errno(error))
            }
        };
        self.dump = None;
        sink.input(KernelInput::DumpEnded { dump: dump.id, error });
    }

    /// Carries out a batch; one that creates flows does so unheard, as [`Batch`] allows.
    fn execute(&mut self, batch: Batch, sink: &mut impl Sink) {
        let is_creation = |request: &FlowRequest| matches!(request, FlowRequest::Create(_));
        let is_unheard =
            self.is_listening && !batch.keeps_listening && batch.requests.iter().any(is_creation);
        if is_unheard && let Err(error) = self.events.leave_new_flows() {
            sink.report(ShellReport::Netlink(error));
        }
        self.failures.clear();
        let on_answer = |index, flow: &Flow| sink.input(KernelInput::Answer { index, flow });
        if let Err(error) = self.requests.execute(&batch, on_answer, &mut self.failures) {
            let errno = errno(error);
            self.failures.clear();
            self.failures
                .extend((0..batch.requests.len()).map(|index| RequestFailure { index, errno }));
            sink.report(ShellReport::Netlink(error));
        }
        if is_unheard && let Err(error) = self.events.join_new_flows() {
            sink.report(ShellReport::Netlink(error));
        }
        sink.input(KernelInput::BatchEnded {
            batch,
            failures: &self.failures,
        });
    }
}

/// Number of an error for the engine, which knows the kernel's numbers only.
const fn errno(error: NetlinkError) -> Errno {
    match error.cause {
        Cause::Errno(errno) => errno,
        Cause::NotSupported | Cause::Malformed | Cause::NoAnswer => EIO,
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel")
            .field("buffer_len", &self.buffer_len)
            .field("ops", &self.ops)
            .field("dump", &self.dump)
            .finish_non_exhaustive()
    }
}

/// Makes inputs of the datagrams of the event socket.
struct EventDecoder {
    our_port_id: u32,
    stats: NetlinkStats,
    bad_event_told: bool,
}

impl EventDecoder {
    fn new(our_port_id: u32) -> Self {
        Self {
            our_port_id,
            stats: NetlinkStats::default(),
            bad_event_told: false,
        }
    }

    const fn count_failed(&mut self) {
        self.stats.events_failed = self.stats.events_failed.saturating_add(1);
    }

    fn decode(&mut self, datagram: &[u8], sink: &mut impl Sink) {
        for message in messages(datagram) {
            if let Err(error) = message.and_then(|message| self.event(&message, sink)) {
                self.count_failed();
                if !std::mem::replace(&mut self.bad_event_told, true) {
                    sink.report(ShellReport::BadEvent(error));
                }
            }
        }
    }

    fn event(&mut self, message: &Message<'_>, sink: &mut impl Sink) -> Result<(), DecodeError> {
        match *message {
            Message::Flow {
                kind,
                port_id,
                ref body,
                ..
            } => {
                self.stats.events = self.stats.events.saturating_add(1);
                let flow = &decode_flow(body)?;
                sink.input(KernelInput::Flow {
                    kind,
                    origin: self.origin(port_id),
                    flow,
                });
            }
            Message::Expect {
                kind,
                port_id,
                ref body,
                ..
            } => {
                self.stats.events = self.stats.events.saturating_add(1);
                let expectation = &decode_expectation(body)?;
                sink.input(KernelInput::Expect {
                    kind,
                    origin: self.origin(port_id),
                    expectation,
                });
            }
            Message::Done { .. } | Message::Ack { .. } | Message::Error { .. } | Message::Other { .. } => {
                self.stats.events_unknown = self.stats.events_unknown.saturating_add(1);
            }
        }
        Ok(())
    }

    const fn origin(&self, port_id: u32) -> Origin {
        if port_id == self.our_port_id {
            Origin::Us
        } else {
            Origin::NotUs
        }
    }
}
