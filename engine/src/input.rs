//! Everything that can happen to the engine.

use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use crate::flow::{Expectation, Flow};
use crate::output::{Batch, DumpId};

/// Something that happened outside, told to the engine.
#[derive(Debug)]
pub enum Input<'a> {
    /// The kernel said something.
    Kernel(KernelInput<'a>),
    /// A datagram, or the complete messages of one read from a stream, came from the peer.
    Peer {
        /// Link it came by.
        channel: Channel,
        /// Address it came from.
        source: IpAddr,
        /// Its bytes.
        payload: &'a [u8],
    },
    /// A client of the control socket asks for something.
    Request(ClientId, Request),
    /// Something else happened to a client.
    Client(ClientId, ClientEvent),
    /// Something happened to a link.
    Link(Channel, LinkEvent),
    /// The process is asked to end: what is queued is sent, nothing is begun.
    Shutdown,
}

/// What the kernel can say.
#[derive(Debug)]
pub enum KernelInput<'a> {
    /// An event about a flow.
    Flow {
        /// What happened to it.
        kind: EventKind,
        /// Who caused it.
        origin: Origin,
        /// What the event says of the flow.
        flow: &'a Flow,
    },
    /// An event about an expectation.
    Expect {
        /// What happened to it.
        kind: EventKind,
        /// Who caused it.
        origin: Origin,
        /// What the event says of it.
        expectation: &'a Expectation,
    },
    /// Events were lost: the socket's buffer was full.
    Overrun,
    /// One entry of a dump.
    Dumped {
        /// The dump it belongs to.
        dump: DumpId,
        /// The entry.
        flow: &'a Flow,
    },
    /// One entry of a dump of expectations.
    DumpedExpectation {
        /// The dump it belongs to.
        dump: DumpId,
        /// The entry.
        expectation: &'a Expectation,
    },
    /// A dump is complete, or failed.
    DumpEnded {
        /// The dump.
        dump: DumpId,
        /// Why it failed.
        error: Option<Errno>,
    },
    /// The answer to a [`crate::output::FlowRequest::Get`]; comes before the batch ends.
    Answer {
        /// Position of the request in its batch.
        index: usize,
        /// The flow as the kernel has it.
        flow: &'a Flow,
    },
    /// A batch has been carried out.
    BatchEnded {
        /// The batch, given back.
        batch: Batch,
        /// The requests that failed, in order.
        failures: &'a [RequestFailure],
    },
}

/// A request of a batch that the kernel refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestFailure {
    /// Position in the batch.
    pub index: usize,
    /// Why.
    pub errno: Errno,
}

/// What happened to a flow or an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It was created.
    New,
    /// It changed.
    Update,
    /// It is gone.
    Destroy,
}

/// Who caused an event: the netlink port id in it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Traffic, a timeout, or another program.
    NotUs,
    /// Our own request.
    Us,
}

/// Error number of the kernel, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(pub i32);

impl Errno {
    /// Operation not permitted.
    pub const EPERM: Self = Self(1);
    /// No such flow.
    pub const ENOENT: Self = Self(2);
    /// Out of memory: the table is full.
    pub const ENOMEM: Self = Self(12);
    /// Busy: a status bit that may not change, a second dump.
    pub const EBUSY: Self = Self(16);
    /// The flow exists.
    pub const EEXIST: Self = Self(17);
    /// Invalid argument.
    pub const EINVAL: Self = Self(22);
    /// No space: labels on a flow without room for them.
    pub const ENOSPC: Self = Self(28);
    /// Not supported: unknown helper, translation in an update.
    pub const EOPNOTSUPP: Self = Self(95);
    /// The answers overran the socket's buffer.
    pub const ENOBUFS: Self = Self(105);
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match *self {
            Self::EPERM => "Operation not permitted",
            Self::ENOENT => "No such file or directory",
            Self::ENOMEM => "Cannot allocate memory",
            Self::EBUSY => "Device or resource busy",
            Self::EEXIST => "File exists",
            Self::EINVAL => "Invalid argument",
            Self::ENOSPC => "No space left on device",
            Self::EOPNOTSUPP => "Operation not supported",
            Self::ENOBUFS => "No buffer space available",
            Self(number) => return write!(f, "error {number}"),
        };
        f.write_str(text)
    }
}

/// A dedicated link, by its place in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(pub u8);

/// A connection to the control socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// What can happen to a client beside its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// All it was sent is written; it may have the next part of its reply.
    Ready,
    /// It hung up.
    Gone,
}

/// What can happen to a link.
#[derive(Debug)]
pub enum LinkEvent {
    /// A datagram left; its buffer is given back.
    Sent(Vec<u8>),
    /// A datagram could not be sent; its buffer is given back.
    SendFailed(Vec<u8>, Errno),
    /// The interface changed.
    State(LinkState),
}

/// State of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Administratively up.
    pub is_up: bool,
    /// Has a carrier.
    pub is_running: bool,
    /// Largest payload of one datagram in bytes: the interface's MTU less the headers.
    pub payload_len_max: u16,
}

impl LinkState {
    /// Returns whether messages can leave by the interface.
    #[must_use]
    pub const fn runs(self) -> bool {
        self.is_up && self.is_running
    }
}

/// A table of the kernel or a pair of caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Flows.
    Flows,
    /// Expectations.
    Expectations,
    /// Both, flows first.
    Both,
}

/// One of the two caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheName {
    /// Flows of our kernel.
    Internal,
    /// Flows of the peer.
    External,
}

/// How a cache is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpFormat {
    /// A line an entry.
    Text,
    /// A `<flow>` an entry.
    Xml,
}

/// Which statistics are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatsTopic {
    /// The summary, with the caches of flows.
    Flows,
    /// The summary, with the caches of expectations.
    Expectations,
    /// Messages and sequence tracking.
    Network,
    /// Caches in detail.
    Cache,
    /// The process and its netlink sockets.
    Runtime,
    /// Every link.
    Link,
    /// The resend queue, element by element.
    ResendQueue,
    /// Child processes; there are none.
    Process,
    /// Lengths of the queues.
    Queue,
    /// What the stock daemon has no place for: a counter a line, by name.
    Counters,
}

/// What a client of the control socket can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// `-i`, `-e`: print a cache.
    Dump {
        /// Which.
        cache: CacheName,
        /// Flows or expectations; never both.
        table: Table,
        /// How.
        format: DumpFormat,
    },
    /// `-c`: external cache into the kernel.
    Commit(Table),
    /// `-f`: empty caches; `None` means all.
    FlushCache(Option<CacheName>),
    /// `-F`: empty the kernel's table.
    FlushKernel(Table),
    /// `-R`: read the kernel's table again.
    ResyncKernel(Table),
    /// `-B`: send the internal cache to the peer.
    Bulk,
    /// `-n`: ask the peer for a bulk.
    RequestResync,
    /// `-t`: empty the kernel's table after the purge timeout.
    SchedulePurge,
    /// `-s`: print statistics.
    Statistics(StatsTopic),
    /// `-k`: end the process.
    Stop,
}
