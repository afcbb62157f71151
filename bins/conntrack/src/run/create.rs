//! Making flows, one or many, and emptying the table: `-I`, `-A`, `-F`.

use engine::flow::{Family, Flow, Status};
use engine::input::{Errno, RequestFailure};
use io::ctnetlink::RequestSocket;
use io::ctnetlink::encode::{Edit, Existing};

use super::failure::{Failure, Task};
use crate::command::{Creation, IfExists};

/// Makes one flow.
pub(super) fn one(creation: &Creation, if_exists: IfExists) -> Result<(), Failure> {
    let task = task(if_exists);
    let flow = confirmed(creation);
    let existing = match if_exists {
        IfExists::Fail => Existing::Refuses,
        IfExists::Update => Existing::Changes,
    };
    single(task, &edit(creation, &flow, existing))
}

/// What is said of one flow that was made.
pub(super) const fn summary(if_exists: IfExists) -> &'static str {
    match if_exists {
        IfExists::Fail => "1 flow entries have been created.",
        IfExists::Update => "1 flow entries have been added.",
    }
}

/// Deletes all flows of a family, or of both.
pub(super) fn flush(family: Option<Family>) -> Result<(), Failure> {
    single(Task::Flush, &Edit::Flush(family))
}

/// Makes flows in order until one is refused; then it is as if none behind that one had been asked for.
///
/// The kernel does not stop at a refusal. So nothing that exists is touched at first: what is there
/// already is changed when all before it is known to be right, and what was made behind a refusal is
/// taken back.
pub(super) fn batch(socket: &mut RequestSocket, batch: &[(Creation, IfExists)]) -> Result<(), Failure> {
    let flows: Vec<Flow> = batch.iter().map(|(creation, _)| confirmed(creation)).collect();
    let all = || batch.iter().zip(&flows);
    let edits: Vec<Edit<'_>> = all()
        .map(|((creation, _), flow)| edit(creation, flow, Existing::Refuses))
        .collect();
    let failures = send(socket, Task::Create, &edits)?;
    if failures.is_empty() {
        return Ok(());
    }
    let refused = failures
        .iter()
        .find_map(|failure| change_existing(socket, batch, &flows, failure).transpose())
        .transpose()?;
    let Some(refused) = refused else { return Ok(()) };
    let is_made = |index: usize| failures.iter().all(|failure| failure.index != index);
    let behind: Vec<Edit<'_>> = (0..)
        .zip(&flows)
        .filter(|(index, _)| *index > refused.index && is_made(*index))
        .map(|(_, flow)| Edit::Delete(flow))
        .collect();
    // Who deletes one of them meanwhile does our work.
    let left = send(socket, Task::Delete, &behind)?;
    let left = left.into_iter().find(|failure| failure.errno != Errno::ENOENT);
    let (task, errno) = match (left, batch.get(refused.index)) {
        (Some(left), _) => (Task::Delete, left.errno),
        (None, Some((_, if_exists))) => (task(*if_exists), refused.errno),
        (None, None) => (Task::Create, refused.errno),
    };
    Err(Failure::Kernel { task, errno })
}

/// Changes the flow that was in the way if it may be changed; else, and if that is refused, returns why
/// the file ends here.
fn change_existing(
    socket: &mut RequestSocket,
    batch: &[(Creation, IfExists)],
    flows: &[Flow],
    failure: &RequestFailure,
) -> Result<Option<RequestFailure>, Failure> {
    let (Some((creation, IfExists::Update)), Some(flow), Errno::EEXIST) =
        (batch.get(failure.index), flows.get(failure.index), failure.errno)
    else {
        return Ok(Some(*failure));
    };
    let failures = send(socket, Task::Add, &[edit(creation, flow, Existing::Changes)])?;
    Ok(failures
        .first()
        .map(|RequestFailure { errno, .. }| RequestFailure {
            index: failure.index,
            errno: *errno,
        }))
}

const fn task(if_exists: IfExists) -> Task {
    match if_exists {
        IfExists::Fail => Task::Create,
        IfExists::Update => Task::Add,
    }
}

/// The kernel insists that a flow it is told of is confirmed.
fn confirmed(creation: &Creation) -> Flow {
    let status = creation.flow.status.map(|status| status | Status::CONFIRMED);
    Flow {
        status,
        ..creation.flow.clone()
    }
}

const fn edit<'a>(creation: &Creation, flow: &'a Flow, existing: Existing) -> Edit<'a> {
    Edit::Create {
        flow,
        src_nat: creation.src_nat,
        dst_nat: creation.dst_nat,
        existing,
    }
}

/// Carries out one edit over a socket of its own.
pub(super) fn single(task: Task, edit: &Edit<'_>) -> Result<(), Failure> {
    let mut socket = super::requests(task)?;
    match send(&mut socket, task, std::slice::from_ref(edit))?.first() {
        Some(RequestFailure { errno, .. }) => Err(Failure::Kernel { task, errno: *errno }),
        None => Ok(()),
    }
}

/// Carries out edits that are answered with nothing but errors, and returns these in order.
pub(super) fn send(
    socket: &mut RequestSocket,
    task: Task,
    edits: &[Edit<'_>],
) -> Result<Vec<RequestFailure>, Failure> {
    let mut failures = Vec::new();
    socket
        .edit(edits, |_, _| Ok(()), &mut failures)
        .map_err(|error| Failure::netlink(task, error))?;
    Ok(failures)
}
