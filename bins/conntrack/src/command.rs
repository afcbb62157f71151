//! What a command line asks for, once it has been understood.

use std::path::PathBuf;

use engine::flow::query::{Masked, Query};
use engine::flow::{Expectation, Family, Flow, Labels, NatRange, ProtoState, Protocol, Status, Tuple};

/// One command.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `-L`: print flows.
    List {
        /// Of which table.
        list: FlowList,
        /// Which.
        query: Query,
        /// Whether their counters are reset (`-z`).
        zero: bool,
        /// How.
        output: Output,
    },
    /// `-G`: print the flow of that tuple, if the query takes it.
    Get {
        /// Tuple of either direction.
        tuple: Tuple,
        /// Zone to look in.
        zone: Option<u16>,
        /// What else must hold.
        query: Query,
        /// How it is printed.
        output: Output,
    },
    /// `-D`: delete flows.
    Delete {
        /// Which.
        query: Query,
        /// How they are printed.
        output: Output,
    },
    /// `-U`: change flows.
    Update {
        /// Which.
        query: Query,
        /// How.
        change: Change,
        /// How they are printed.
        output: Output,
    },
    /// `-I`, `-A`: create a flow.
    Create {
        /// The flow.
        creation: Box<Creation>,
        /// What is done if it exists.
        if_exists: IfExists,
    },
    /// `-E`: print events.
    Events {
        /// Of which flows.
        query: Query,
        /// Which events.
        groups: Groups,
        /// Size of the receive buffer in bytes (`-b`).
        buffer_len: Option<u32>,
        /// How they are printed.
        output: Output,
    },
    /// `-F`: empty the table, of one family or of both.
    Flush(Option<Family>),
    /// `-C`: print the number of flows.
    Count,
    /// `-S`: print the counters of every CPU.
    Stats(Output),
    /// The same on expectations.
    Expect(ExpectCommand),
    /// `-R`: carry out the lines of a file; `-` is standard input.
    Load(PathBuf),
    /// `-V`.
    Version,
    /// `-h`, with the options of a protocol.
    Help(Option<Protocol>),
}

/// A command on the table of expectations.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpectCommand {
    /// `-L expect`.
    List(Option<Family>, Output),
    /// `-G expect`: print the expectation that covers this tuple.
    Get(Tuple, Output),
    /// `-D expect`: delete the expectation of this tuple.
    Delete(Tuple),
    /// `-I expect`.
    Create(Box<Expectation>),
    /// `-E expect`.
    Events(Output),
    /// `-F expect`.
    Flush,
    /// `-C expect`.
    Count,
    /// `-S expect`.
    Stats(Output),
}

/// Lists of flows that the kernel keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowList {
    /// The table.
    Conntrack,
    /// Flows whose end could not be told to a listener yet.
    Dying,
    /// Flows whose first packet is still on its way.
    Unconfirmed,
}

/// A flow to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Creation {
    /// What it is; without reply tuple the mirrored original one.
    pub flow: Flow,
    /// Source translation that the kernel shall choose.
    pub src_nat: Option<NatRange>,
    /// Destination translation that the kernel shall choose.
    pub dst_nat: Option<NatRange>,
}

/// What a creation does if the flow exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfExists {
    /// It fails (`-I`).
    Fail,
    /// It changes the flow (`-A`).
    Update,
}

/// What `-U` sets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Seconds to live.
    pub timeout_secs: Option<u32>,
    /// The new mark is the old one without the bits of the mask, exclusive-or the value.
    pub mark: Option<Masked>,
    /// Bits to set.
    pub status: Status,
    /// State of the layer-4 tracker; a verification tag of 0 leaves that of the flow.
    pub state: Option<ProtoState>,
    /// Labels.
    pub labels: Option<LabelChange>,
}

/// What happens to the labels of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelChange {
    /// These are set, the others stay.
    Add(Labels),
    /// These are cleared, the others stay.
    Delete(Labels),
    /// All are cleared.
    DeleteAll,
}

/// Which events are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Flows that begin.
    pub new: bool,
    /// Flows that change.
    pub update: bool,
    /// Flows that end.
    pub destroy: bool,
}

/// How entries are printed (`-o`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The notation.
    pub format: Format,
    /// Family before the protocol (`extended`).
    pub extended: bool,
    /// The kernel's identifier (`id`).
    pub id: bool,
    /// When an event was read (`timestamp`).
    pub timestamp: bool,
    /// When the flow began and ended (`ktimestamp`).
    pub ktimestamp: bool,
    /// Names of the labels; also where the line speaks of labels otherwise.
    pub labels: bool,
}

/// The notation of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One line of words each.
    #[default]
    Plain,
    /// One document for all.
    Xml,
    /// Lines that `-R` takes.
    Save,
    /// One object a line.
    Json,
}
