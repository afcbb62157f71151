//! Changing and deleting the flows of a query: `-U`, `-D`.
//!
//! ```text
//! thread: dump of the table ─► flows that the query takes ─► batches of requests ─► those carried out, printed
//! ```

use engine::flow::query::{Masked, Query};
use engine::flow::{Flow, LabelNames, Labels, ProtoState, Status};
use engine::input::{Errno, RequestFailure};
use io::ctnetlink::RequestSocket;
use io::ctnetlink::decode::decode_flow;
use io::ctnetlink::encode::{Edit, FlowChange, List};

use super::failure::{Failure, Task};
use super::list::{Selection, now};
use super::progress::Progress;
use super::sink::Sink;
use crate::command::{Change, LabelChange, Output};
use crate::render::{Occasion, Printer, Table};

/// Deletes the flows that `query` takes, prints them, and returns how many.
pub(super) fn delete(
    query: &Query,
    output: &Output,
    labels: Option<&dyn LabelNames>,
    sink: &mut Sink,
) -> Result<u64, Failure> {
    let printer = Printer::new(output, Table::Flows, labels);
    let mut n_deleted = 0;
    each_batch(
        query,
        Task::Delete,
        "deleted",
        &printer,
        sink,
        1,
        |socket, flows, sink| {
            let edits: Vec<Edit<'_>> = flows.iter().map(Edit::Delete).collect();
            let failures = super::create::send(socket, Task::Delete, &edits)?;
            let circumstances = now(Occasion::Deleted);
            let mut failures = failures.into_iter().peekable();
            let mut refused = None;
            for (index, flow) in (0..).zip(flows) {
                match failures.next_if(|failure| failure.index == index) {
                    Some(failure) => refused = refused.or(refusal(&failure)),
                    None => {
                        printer.flow(sink.buffer(), flow, &circumstances);
                        n_deleted += 1;
                    }
                }
            }
            refused.map_or(Ok(n_deleted), |errno| {
                Err(Failure::Kernel {
                    task: Task::Delete,
                    errno,
                })
            })
        },
    )
}

/// Changes the flows that `query` takes, prints what became of them, and returns how many.
///
/// A flow that is as it shall be is passed over.
pub(super) fn update(
    query: &Query,
    change: &Change,
    output: &Output,
    labels: Option<&dyn LabelNames>,
    sink: &mut Sink,
) -> Result<u64, Failure> {
    let printer = Printer::new(output, Table::Flows, labels);
    let mut n_updated = 0;
    each_batch(
        query,
        Task::Update,
        "updated",
        &printer,
        sink,
        2,
        |socket, flows, sink| {
            let changes: Vec<(&Flow, FlowChange)> = flows
                .iter()
                .filter_map(|flow| Some((flow, change_of(flow, change)?)))
                .collect();
            // Each change is followed by the question what became of the flow.
            let edits: Vec<Edit<'_>> = changes
                .iter()
                .flat_map(|(flow, change)| {
                    let get = Edit::Get {
                        tuple: &flow.orig,
                        zone: flow.zone,
                        zone_orig: flow.zone_orig,
                    };
                    [Edit::Change(flow, change), get]
                })
                .collect();
            let (mut answers, mut failures) = (Vec::new(), Vec::new());
            let on_answer = |index: usize, body: &io::ctnetlink::Body<'_>| {
                answers.push((index, decode_flow(body)?));
                Ok(())
            };
            socket
                .edit(&edits, on_answer, &mut failures)
                .map_err(|error| Failure::netlink(Task::Update, error))?;
            let circumstances = now(Occasion::Updated);
            for (index, flow) in &answers {
                let is_changed = |failure: &RequestFailure| failure.index.checked_add(1) != Some(*index);
                if failures.iter().all(is_changed) {
                    printer.flow(sink.buffer(), flow, &circumstances);
                    n_updated += 1;
                }
            }
            match failures
                .iter()
                .find_map(|failure| Some((failure.index, refusal(failure)?)))
            {
                None => Ok(n_updated),
                Some((index, errno)) => {
                    let is_fixed = |(flow, change): &(&Flow, FlowChange)| {
                        has(flow.status, Status::FIXED_TIMEOUT) && change.timeout_secs.is_some()
                    };
                    let task = if errno == Errno::EPERM && changes.get(index / 2).is_some_and(is_fixed) {
                        Task::UpdateFixed
                    } else {
                        Task::Update
                    };
                    Err(Failure::Kernel { task, errno })
                }
            }
        },
    )
}

/// Hands the flows that `query` takes to `on_batch`, as many at once as can be asked for with
/// `edits_each`, and returns what it counted last.
fn each_batch(
    query: &Query,
    task: Task,
    what: &'static str,
    printer: &Printer<'_>,
    sink: &mut Sink,
    edits_each: usize,
    mut on_batch: impl FnMut(&mut RequestSocket, &[Flow], &mut Sink) -> Result<u64, Failure>,
) -> Result<u64, Failure> {
    let mut socket = super::requests(task)?;
    let edits_max = socket
        .edits_max()
        .map_err(|error| Failure::netlink(task, error))?;
    let batch_len = edits_max.checked_div(edits_each).unwrap_or(1).max(1);
    let mut selection = Selection::start(List::Flows, query, task)?;
    let mut progress = Progress::of(what);
    let mut flows = Vec::new();
    let mut n = 0;
    loop {
        let is_last = selection.next_part(|flow| flows.push(flow))?;
        while flows.len() >= batch_len || (is_last && !flows.is_empty()) {
            let batch: Vec<Flow> = flows.drain(..batch_len.min(flows.len())).collect();
            if n == 0 {
                printer.begin(sink.buffer());
            }
            let done = on_batch(&mut socket, &batch, sink);
            // What was carried out before a refusal is told too.
            if done.is_err() {
                sink.flush()?;
            }
            n = done?;
            sink.relieve()?;
        }
        if is_last {
            break;
        }
        progress.at(n);
    }
    if n > 0 {
        printer.end(sink.buffer());
    }
    sink.flush()?;
    Ok(n)
}

/// Returns why the command ends; a flow that has gone meanwhile is no reason.
fn refusal(failure: &RequestFailure) -> Option<Errno> {
    (failure.errno != Errno::ENOENT).then_some(failure.errno)
}

/// Returns what must be asked for, nothing if the flow is as it shall be.
fn change_of(flow: &Flow, wanted: &Change) -> Option<FlowChange> {
    let old_status = flow.status.unwrap_or_default();
    let status = old_status | wanted.status;
    let labels = wanted.labels.and_then(|change| labels_of(flow, change));
    let change = FlowChange {
        status: (status != old_status).then_some(status),
        timeout_secs: wanted
            .timeout_secs
            .filter(|secs| flow.timeout_secs != Some(*secs)),
        mark: wanted
            .mark
            .filter(|mark| marked(flow, *mark) != flow.mark.unwrap_or_default()),
        state: wanted
            .state
            .map_or(ProtoState::None, |state| state_of(flow, state)),
        labels,
    };
    let is_some = change.status.is_some()
        || change.timeout_secs.is_some()
        || change.mark.is_some()
        || change.state != ProtoState::None
        || change.labels.is_some();
    is_some.then_some(change)
}

/// Returns the mark that the kernel would make.
fn marked(flow: &Flow, mark: Masked) -> u32 {
    flow.mark.unwrap_or_default() & !mark.mask ^ mark.value
}

/// Returns the state to set, none if it is the flow's or of another protocol.
fn state_of(flow: &Flow, wanted: ProtoState) -> ProtoState {
    match (flow.proto, wanted) {
        (ProtoState::Tcp(is), ProtoState::Tcp(wanted)) if is.state != wanted.state => ProtoState::Tcp(wanted),
        (
            ProtoState::Sctp {
                vtag_orig: orig_is,
                vtag_reply: reply_is,
                ..
            },
            ProtoState::Sctp {
                state,
                vtag_orig,
                vtag_reply,
            },
        ) => {
            let tag = |is: u32, wanted: u32| if wanted == 0 { is } else { wanted };
            let wanted = ProtoState::Sctp {
                state,
                vtag_orig: tag(orig_is, vtag_orig),
                vtag_reply: tag(reply_is, vtag_reply),
            };
            if wanted == flow.proto {
                ProtoState::None
            } else {
                wanted
            }
        }
        (is @ ProtoState::Dccp { .. }, wanted @ ProtoState::Dccp { .. }) if is != wanted => wanted,
        (
            ProtoState::None | ProtoState::Tcp(_) | ProtoState::Sctp { .. } | ProtoState::Dccp { .. },
            ProtoState::None | ProtoState::Tcp(_) | ProtoState::Sctp { .. } | ProtoState::Dccp { .. },
        ) => ProtoState::None,
    }
}

/// Returns value and mask of the labels to set. What is added is asked for in any case, as the stock tool
/// does: whoever adds a label that is there has changed the flow. Labels are cleared only where there are
/// some, whichever they are.
fn labels_of(flow: &Flow, change: LabelChange) -> Option<(Labels, Option<Labels>)> {
    match change {
        LabelChange::Add(labels) => Some((labels, Some(labels))),
        LabelChange::Delete(labels) => flow.labels.map(|_| (Labels(0), Some(labels))),
        LabelChange::DeleteAll => flow.labels.map(|_| (Labels(0), None)),
    }
}

fn has(status: Option<Status>, bit: Status) -> bool {
    status.is_some_and(|status| status.contains(bit))
}
