//! What the tests ask of the kernel.

use engine::flow::{Expectation, Flow};
use engine::input::{Errno, RequestFailure, Table};
use engine::output::{Batch, FlowRequest};
use io::ctnetlink::{DumpEntry, DumpProgress, DumpSocket, RequestSocket};

use crate::flows::name_of;

pub(crate) fn execute(
    socket: &mut RequestSocket,
    requests: Vec<FlowRequest>,
) -> (Vec<(usize, Flow)>, Vec<RequestFailure>) {
    let (mut answers, mut failures) = (Vec::new(), Vec::new());
    socket
        .execute(
            &Batch {
                requests,
                ..Batch::default()
            },
            |index, flow| answers.push((index, flow.clone())),
            &mut failures,
        )
        .unwrap();
    (answers, failures)
}

pub(crate) fn create_all(socket: &mut RequestSocket, flows: &[Flow]) {
    let (_, failures) = execute(socket, flows.iter().cloned().map(FlowRequest::Create).collect());
    assert_eq!(failures, [], "of {} flows", flows.len());
}

pub(crate) fn get(socket: &mut RequestSocket, flow: &Flow) -> Result<Flow, Errno> {
    let (mut answers, failures) = execute(socket, vec![FlowRequest::Get(name_of(flow))]);
    match failures.first() {
        Some(failure) => Err(failure.errno),
        None => Ok(answers.pop().unwrap().1),
    }
}

pub(crate) fn dump(table: Table) -> (Vec<Flow>, Vec<Expectation>) {
    let mut socket = DumpSocket::open().unwrap();
    socket.start(table).unwrap();
    let (mut flows, mut expectations) = (Vec::new(), Vec::new());
    loop {
        let progress = socket
            .read(|entry| match entry.unwrap() {
                DumpEntry::Flow(flow) => flows.push(flow.clone()),
                DumpEntry::Expectation(expectation) => expectations.push(expectation.clone()),
            })
            .unwrap();
        match progress {
            DumpProgress::Part => {}
            DumpProgress::Waiting => panic!("the kernel must have the next part ready"),
            DumpProgress::Ended(result) => {
                result.unwrap();
                return (flows, expectations);
            }
        }
    }
}
