//! Printing flows: `-L` and `-G`.

use engine::flow::query::Query;
use engine::flow::{Flow, LabelNames, Tuple};
use io::clock;
use io::ctnetlink::decode::decode_flow;
use io::ctnetlink::encode::{Edit, List};
use io::ctnetlink::{DecodeError, DumpAhead, DumpProgress, KernelFilter, Message};

use super::failure::{Failure, Task};
use super::progress::Progress;
use super::sink::Sink;
use crate::command::{FlowList, Output};
use crate::render::{Circumstances, Occasion, Printer, Table};

/// Prints the flows that `query` takes, and returns how many.
pub(super) fn list(
    list: FlowList,
    query: &Query,
    zero: bool,
    output: &Output,
    labels: Option<&dyn LabelNames>,
    sink: &mut Sink,
) -> Result<u64, Failure> {
    let list = match list {
        FlowList::Conntrack if zero => List::FlowsZeroing,
        FlowList::Conntrack => List::Flows,
        FlowList::Dying => List::Dying,
        FlowList::Unconfirmed => List::Unconfirmed,
    };
    let printer = Printer::new(output, Table::Flows, labels);
    let mut selection = Selection::start(list, query, Task::List)?;
    let mut progress = Progress::of("shown");
    let mut n_shown = 0;
    printer.begin(sink.buffer());
    loop {
        let circumstances = now(Occasion::Listed);
        let is_last = selection.next_part(|flow| {
            printer.flow(sink.buffer(), &flow, &circumstances);
            n_shown += 1;
        })?;
        sink.relieve()?;
        if is_last {
            break;
        }
        progress.at(n_shown);
    }
    printer.end(sink.buffer());
    sink.flush()?;
    Ok(n_shown)
}

/// Prints the flow of that tuple if `query` takes it, and returns how many that is.
pub(super) fn get(
    tuple: &Tuple,
    zone: Option<u16>,
    query: &Query,
    output: &Output,
    labels: Option<&dyn LabelNames>,
    sink: &mut Sink,
) -> Result<u64, Failure> {
    let mut socket = super::requests(Task::Get)?;
    let (mut found, mut failures) = (None, Vec::new());
    let get = Edit::Get {
        tuple,
        zone,
        zone_orig: None,
    };
    let on_answer = |_, body: &io::ctnetlink::Body<'_>| {
        found = Some(decode_flow(body)?);
        Ok(())
    };
    socket
        .edit(&[get], on_answer, &mut failures)
        .map_err(|error| Failure::netlink(Task::Get, error))?;
    if let Some(failure) = failures.first() {
        let errno = failure.errno;
        return Err(Failure::Kernel {
            task: Task::Get,
            errno,
        });
    }
    let Some(flow) = found.filter(|flow| query.matches(flow)) else {
        return Ok(0);
    };
    let printer = Printer::new(output, Table::Flows, labels);
    printer.begin(sink.buffer());
    printer.flow(sink.buffer(), &flow, &now(Occasion::Listed));
    printer.end(sink.buffer());
    sink.flush()?;
    Ok(1)
}

/// Flows that a query takes, part by part.
pub(super) struct Selection<'a> {
    dump: DumpAhead,
    query: &'a Query,
    task: Task,
}

impl<'a> Selection<'a> {
    /// Begins to read `list`.
    pub(super) fn start(list: List, query: &'a Query, task: Task) -> Result<Self, Failure> {
        let dump = DumpAhead::start(list, &KernelFilter::of(query));
        let dump = dump.map_err(|error| Failure::netlink(task, error))?;
        Ok(Self { dump, query, task })
    }

    /// Hands over the flows of the next part, and returns whether it was the last.
    pub(super) fn next_part(&mut self, mut on_flow: impl FnMut(Flow)) -> Result<bool, Failure> {
        let query = self.query;
        next_part(&mut self.dump, self.task, |message| {
            if let Message::Flow { body, .. } = message {
                let flow = decode_flow(&body)?;
                if query.matches(&flow) {
                    on_flow(flow);
                }
            }
            Ok(())
        })
    }
}

/// Hands over the messages of the next part, and returns whether it was the last.
pub(super) fn next_part(
    dump: &mut DumpAhead,
    task: Task,
    mut on_message: impl FnMut(Message<'_>) -> Result<(), DecodeError>,
) -> Result<bool, Failure> {
    let mut malformed = None;
    let progress = dump.next_part(|message| {
        if let Err(error) = message.and_then(&mut on_message) {
            malformed.get_or_insert(error);
        }
    });
    match (
        progress.map_err(|error| Failure::netlink(task, error))?,
        malformed,
    ) {
        (_, Some(error)) => Err(error.into()),
        (DumpProgress::Ended(Err(errno)), None) => Err(Failure::Kernel { task, errno }),
        (DumpProgress::Ended(Ok(())), None) => Ok(true),
        (DumpProgress::Part | DumpProgress::Waiting, None) => Ok(false),
    }
}

/// Nobody else caused what is printed, and it is printed now.
pub(super) fn now(occasion: Occasion) -> Circumstances<'static> {
    Circumstances {
        occasion,
        at: clock::wall(),
        requester: None,
    }
}
