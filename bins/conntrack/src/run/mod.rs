//! What the commands do.
//!
//! Tables are read part by part on a thread of their own ([`io::ctnetlink::DumpAhead`]); what is changed
//! goes to the kernel in batches over a second socket meanwhile. No command holds a table in memory.

mod counters;
mod create;
mod edit;
pub mod events;
mod expect;
mod failure;
mod list;
mod load;
mod progress;
mod sink;

use std::fs::File;
use std::io::{Stderr, stderr};
use std::os::fd::AsFd as _;

use engine::flow::LabelNames;
use io::ctnetlink::RequestSocket;

use crate::IDENT;
use crate::command::{Command, Format, Output};
use crate::labels::LabelMap;
use crate::options::{Context, help};
use events::{Console, EndSignals, EventsError, FlowEvents};
pub use failure::{Failure, Task};
pub use sink::Sink;

/// How a command ended that could be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What the user is told on stderr behind the output.
    pub summary: Option<String>,
    /// Whether there was something to do where the command needs that.
    pub is_success: bool,
}

impl Done {
    /// It did what was asked, and says nothing of it.
    const SILENT: Self = Self {
        summary: None,
        is_success: true,
    };

    /// It says what was done.
    fn said(summary: impl Into<String>) -> Self {
        Self {
            summary: Some(summary.into()),
            ..Self::SILENT
        }
    }

    /// It says how many entries it was, of which there need not be any.
    fn counted(n: u64, what: &str) -> Self {
        Self::said(format!("{n} {what}"))
    }

    /// It says how many entries it was, and failed if there was none.
    fn found(n: u64, what: &str) -> Self {
        Self {
            is_success: n > 0,
            ..Self::counted(n, what)
        }
    }
}

/// Carries out `command` and prints to `sink`.
///
/// # Errors
/// [`Failure`]; what was done and printed before it stays.
#[expect(
    clippy::too_many_lines,
    reason = "one arm a command, each a call and what is said of it"
)]
pub fn run(command: Command, context: &mut Context, sink: &mut Sink) -> Result<Done, Failure> {
    match command {
        Command::List {
            list,
            query,
            zero,
            output,
        } => {
            let labels = labels_for(&output, context);
            let n = list::list(list, &query, zero, &output, names(labels.as_ref(), context), sink)?;
            Ok(Done::counted(n, "flow entries have been shown."))
        }
        Command::Get {
            tuple,
            zone,
            query,
            output,
        } => {
            let labels = labels_for(&output, context);
            let names = names(labels.as_ref(), context);
            let n = list::get(&tuple, zone, &query, &output, names, sink)?;
            Ok(Done::found(n, "flow entries have been shown."))
        }
        Command::Delete { query, output } => {
            let labels = labels_for(&output, context);
            let n = edit::delete(&query, &output, names(labels.as_ref(), context), sink)?;
            Ok(Done::found(n, "flow entries have been deleted."))
        }
        Command::Update {
            query,
            change,
            output,
        } => {
            let labels = labels_for(&output, context);
            let n = edit::update(&query, &change, &output, names(labels.as_ref(), context), sink)?;
            Ok(Done::found(n, "flow entries have been updated."))
        }
        Command::Create { creation, if_exists } => {
            create::one(&creation, if_exists)?;
            Ok(Done::said(create::summary(if_exists)))
        }
        Command::Flush(family) => {
            create::flush(family)?;
            Ok(Done::said("connection tracking table has been emptied."))
        }
        Command::Count => {
            sink.text(&format!("{}\n", counters::n_flows()?))?;
            Ok(Done::SILENT)
        }
        Command::Stats(output) => {
            counters::of_flows(&output, sink)?;
            Ok(Done::SILENT)
        }
        Command::Expect(command) => expect::run(command, sink),
        Command::Load(path) => load::load(&path, context, sink),
        Command::Version => {
            sink.text(&format!("{IDENT}\n"))?;
            Ok(Done::SILENT)
        }
        Command::Help(protocol) => {
            sink.text(&help::help(protocol))?;
            Ok(Done::SILENT)
        }
        Command::Events {
            query,
            groups,
            buffer_len,
            output,
        } => {
            let labels = labels_for(&output, context);
            let asked = FlowEvents {
                query: &query,
                groups,
                buffer_len,
                labels: names(labels.as_ref(), context),
            };
            let n = watch(sink, |console| events::flows(&asked, &output, console))?;
            Ok(Done::counted(n, "flow events have been shown."))
        }
    }
}

/// Lets `tell` print events until the user has enough, and returns how many it told.
fn watch(
    sink: &mut Sink,
    tell: impl FnOnce(Console<'_, File, Stderr>) -> Result<u64, EventsError>,
) -> Result<u64, Failure> {
    let end = EndSignals::register().map_err(EventsError::Wait)?;
    let console = Console {
        out: sink.file(),
        notices: &mut stderr(),
        end: end.as_fd(),
    };
    Ok(tell(console)?)
}

/// Opens the socket over which single entries are asked for and changed.
fn requests(task: Task) -> Result<RequestSocket, Failure> {
    RequestSocket::open().map_err(|error| Failure::netlink(task, error))
}

/// Reads the names of labels for a notation that always has them; without a file there are none.
fn labels_for(output: &Output, context: &Context) -> Option<LabelMap> {
    let has_labels = matches!(output.format, Format::Save | Format::Json);
    let is_read = context.labels().is_some();
    (has_labels && !is_read)
        .then(|| LabelMap::read(LabelMap::PATH.as_ref()).ok())
        .flatten()
}

/// Returns the names that were read for this output, or for the command line.
fn names<'a>(read: Option<&'a LabelMap>, context: &'a Context) -> Option<&'a dyn LabelNames> {
    read.or(context.labels()).map(|labels| labels as &dyn LabelNames)
}
