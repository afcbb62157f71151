//! Everything the engine can ask for.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::flow::{Expectation, Flow, Tuple};
use crate::input::{Channel, ClientId, StatsTopic, Table};
use crate::report::Report;
use crate::stats::Statistics;

/// Something the driver must do, in the order given.
#[derive(Debug)]
pub enum Output {
    /// Send one datagram; the buffer comes back with [`crate::input::LinkEvent::Sent`].
    Send(Channel, Vec<u8>),
    /// Ask the kernel for something.
    Kernel(KernelOp),
    /// Answer a client.
    Reply(ClientId, Reply),
    /// Tell the operator.
    Report(Report),
}

/// What the kernel is asked for. The driver does one at a time, in order, and goes on serving its
/// sockets between two of them.
#[derive(Debug)]
pub enum KernelOp {
    /// Read a whole table; every entry comes back as an input.
    Dump {
        /// Names the dump in those inputs.
        id: DumpId,
        /// Flows or expectations; never both.
        table: Table,
    },
    /// Carry out requests in one go.
    Batch(Batch),
}

/// A dump of a kernel table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DumpId(pub u32);

/// Requests that go to the kernel in one send; the vector is reused when the batch comes back.
///
/// While flows are created the driver need not listen for new ones: the kernel takes longer to tell
/// of a flow than to create it. The engine re-reads the table soon after the last one, unless it
/// says that it wants to hear everything.
#[derive(Debug, Default)]
pub struct Batch {
    /// The requests, in order.
    pub requests: Vec<FlowRequest>,
    /// The driver listens for new flows meanwhile: there will be no re-read.
    pub keeps_listening: bool,
}

/// One request about one flow, or about expectations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowRequest {
    /// Create it, fail if it exists. `reply` absent means the mirrored original tuple; the
    /// translation is what [`Flow::nat`] says.
    Create(Flow),
    /// Change an existing one. Tuples and zone name it; translation, helper and master are not sent.
    Update(Flow),
    /// Delete it.
    Delete(FlowName),
    /// Ask for it: ENOENT in the failures means that it is gone.
    Get(FlowName),
    /// Something about expectations.
    Expectation(ExpectRequest),
}

/// One request about expectations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectRequest {
    /// Create it, fail if it exists. The kernel takes its timeout from the helper, not from us.
    Create(Box<Expectation>),
    /// Set the timeout of an existing one.
    Update(Box<Expectation>),
    /// Delete it; its tuple names it, and its id if known.
    Delete(Box<Expectation>),
    /// Delete all.
    Flush,
}

/// What the kernel finds a flow by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowName {
    /// Its original tuple.
    pub orig: Tuple,
    /// Its zone.
    pub zone: Option<u16>,
    /// Its identifier; if given, another flow with the same tuple is not deleted.
    pub id: Option<u32>,
}

/// Part of an answer to a client.
#[derive(Debug)]
pub enum Reply {
    /// Text to write; more comes when the client is ready again.
    Text(Vec<u8>),
    /// Numbers to print; the driver adds its own.
    Statistics(StatsTopic, Box<Statistics>),
    /// The answer is complete: close.
    End,
    /// The process ends now; the connection is closed by that.
    Stop,
}
