//! A kernel's table over ctnetlink: what the stock tool cannot change in bulk, and what it does not show.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use engine::flow::{Expectation, Flow, Labels, ProtoState, Protocol, Status, Tcp, TcpState};
use engine::input::Table;
use engine::output::{Batch, FlowRequest};
use io::ctnetlink::{DumpEntry, DumpProgress, DumpSocket, RequestSocket};

use crate::netns::Namespace;

/// Reads the whole table of flows.
///
/// # Errors
/// When the kernel refuses, or an entry cannot be decoded.
pub fn dump(ns: &Namespace) -> Result<Vec<Flow>> {
    Ok(dump_table(ns, Table::Flows)?.0)
}

/// Reads the whole table of expectations.
///
/// # Errors
/// As [`dump`].
pub fn dump_expectations(ns: &Namespace) -> Result<Vec<Expectation>> {
    Ok(dump_table(ns, Table::Expectations)?.1)
}

fn dump_table(ns: &Namespace, table: Table) -> Result<(Vec<Flow>, Vec<Expectation>)> {
    ns.enter(move || {
        let mut socket = DumpSocket::open()?;
        socket.start(table)?;
        let (mut flows, mut expectations, mut error) = (Vec::new(), Vec::new(), None);
        loop {
            let progress = socket.read(|entry| match entry {
                Ok(DumpEntry::Flow(flow)) => flows.push(flow.clone()),
                Ok(DumpEntry::Expectation(expectation)) => expectations.push(expectation.clone()),
                Err(undecodable) => error = Some(undecodable),
            })?;
            match progress {
                DumpProgress::Part => {}
                DumpProgress::Waiting => bail!("the kernel has the next part ready"),
                DumpProgress::Ended(Err(errno)) => bail!("the dump ended with {errno:?}"),
                DumpProgress::Ended(Ok(())) => {
                    return error.map_or(Ok((flows, expectations)), |error| bail!("{error}"));
                }
            }
        }
    })
}

/// Changes every second flow: lifetime, mark, status, labels, and the state of TCP.
///
/// And each flow with a helper: the kernel tells of a sequence adjustment only when something else changes.
///
/// # Errors
/// When the kernel refuses a change.
pub fn update_some(ns: &Namespace) -> Result<()> {
    let flows = dump(ns)?.into_iter().enumerate();
    let some = flows.filter(|(i, flow)| i % 2 == 0 || flow.helper.is_some());
    let requests: Vec<_> = some.map(|(_, flow)| FlowRequest::Update(changed(flow))).collect();
    request(ns, requests)
}

/// Carries out requests, all of which the kernel must take.
///
/// # Errors
/// When it refuses one.
pub fn request(ns: &Namespace, requests: Vec<FlowRequest>) -> Result<()> {
    let n_requests = requests.len();
    ns.enter(move || {
        let mut failures = Vec::new();
        RequestSocket::open()?.execute(
            &Batch {
                requests,
                ..Batch::default()
            },
            |_, _| {},
            &mut failures,
        )?;
        let (n_failures, first) = (failures.len(), failures.first());
        ensure!(
            n_failures == 0,
            "{n_failures} of {n_requests} changes failed: {first:?}"
        );
        Ok(())
    })
}

/// The request that changes `flow`.
fn changed(flow: Flow) -> Flow {
    let has_labels = matches!(flow.orig.proto, Protocol::TCP | Protocol::UDP);
    let proto = match flow.proto {
        ProtoState::Tcp(_) => ProtoState::Tcp(Tcp::in_state(TcpState::CLOSE_WAIT)),
        ProtoState::None | ProtoState::Sctp { .. } | ProtoState::Dccp { .. } => ProtoState::None,
    };
    Flow {
        zone: flow.zone,
        status: flow
            .status
            .map(|status| status | Status::SEEN_REPLY | Status::ASSURED),
        timeout_secs: Some(700),
        mark: Some(flow.mark.unwrap_or_default() ^ 0xbeef),
        labels: has_labels.then_some(Labels(1 << 40 | 1 << 127)),
        proto,
        ..Flow::new(flow.orig)
    }
}

/// Everything a commit must bring over, by original tuple and zone: masters, translation, sequence adjustment, tags.
///
/// # Errors
/// As [`dump`].
pub fn committable(ns: &Namespace) -> Result<BTreeMap<String, String>> {
    let shown = |flow: Flow| {
        let key = format!("{:?} in {:?}", flow.orig, flow.zone);
        let proto = match flow.proto {
            // A committed flow takes any window, says so in its flags, and needs no window scale.
            ProtoState::Tcp(tcp) => ProtoState::Tcp(Tcp::in_state(tcp.state)),
            other @ (ProtoState::None | ProtoState::Sctp { .. } | ProtoState::Dccp { .. }) => other,
        };
        let kept = Flow {
            proto,
            reply: flow.reply,
            status: flow.status,
            mark: flow.mark,
            nat: flow.nat,
            master: flow.master,
            helper: flow.helper,
            labels: flow.labels,
            seq_adj: flow.seq_adj,
            ..Flow::new(flow.orig)
        };
        (key, format!("{kept:?}"))
    };
    Ok(dump(ns)?.into_iter().map(shown).collect())
}

/// The window scales of every TCP flow, by original tuple.
///
/// # Errors
/// As [`dump`].
pub fn window_scales(ns: &Namespace) -> Result<BTreeMap<String, String>> {
    let scales = |flow: Flow| match flow.proto {
        ProtoState::Tcp(tcp) => Some((
            format!("{:?}", flow.orig),
            format!("{:?} {:?}", tcp.wscale_orig, tcp.wscale_reply),
        )),
        ProtoState::None | ProtoState::Sctp { .. } | ProtoState::Dccp { .. } => None,
    };
    Ok(dump(ns)?.into_iter().filter_map(scales).collect())
}

/// Checks that `is` is what was `wanted`.
///
/// # Errors
/// When they differ: shows the first differing flows.
pub fn ensure_equal(is: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> Result<()> {
    let absent = String::from("absent");
    let keys = is.keys().chain(wanted.keys());
    let mut differing: Vec<_> = keys.filter(|key| is.get(*key) != wanted.get(*key)).collect();
    differing.dedup();
    let Some(first) = differing.first() else {
        return Ok(());
    };
    let of = |table: &BTreeMap<String, String>| table.get(*first).unwrap_or(&absent).clone();
    bail!(
        "{} of {} flows differ, such as\n    is     {}\n    wanted {}",
        differing.len(),
        wanted.len(),
        of(is),
        of(wanted)
    )
}
