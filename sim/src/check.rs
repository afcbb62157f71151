//! What must always hold, and what must hold once the faults have stopped.
//!
//! Each check gives the sentence that tells what is wrong.

use std::collections::BTreeSet;

use engine::Timer;
use engine::cache::FlowKey;
use engine::config::{Config, TcpWindowTracking};
use engine::flow::text::{FlowLine, Timeout};
use engine::flow::{Flow, ProtoState, Status, TcpFlags};
use engine::stats::Statistics;
use engine::time::UnixTime;
use engine::wire::{self, Content};

/// Checks a datagram that a node sends: whole, understandable, and about flows that its kernel has had.
pub(crate) fn datagram(payload: &[u8], config: &Config, history: &BTreeSet<FlowKey>) -> Result<(), String> {
    let len_max = usize::from(config.links[0].state.payload_len_max);
    if payload.len() > len_max {
        return Err(format!(
            "a datagram of {} bytes is sent, {len_max} fit",
            payload.len()
        ));
    }
    for message in wire::messages(payload) {
        let message = message.map_err(|error| format!("a malformed message is sent: {error}"))?;
        match message.content() {
            Ok(Content::Flow(_)) => {
                let flow = wire::decode_flow(message.body, message.body_offset())
                    .map_err(|error| format!("a malformed flow is sent: {error}"))?
                    .flow;
                if !history.contains(&FlowKey::of(&flow)) {
                    return Err(format!(
                        "a flow is sent that the kernel never had: {}",
                        line(&flow)
                    ));
                }
            }
            Ok(Content::Ack(_) | Content::Nack(_) | Content::Resync | Content::Alive) => {}
            Ok(Content::Expectation(_)) => return Err("an expectation is sent, there are none".to_owned()),
            Err(error) => return Err(format!("a message without a meaning is sent: {error}")),
        }
    }
    Ok(())
}

/// Checks the numbers of a node after a step, against those after the step before if there are any.
pub(crate) fn statistics(
    stats: &Statistics,
    before: Option<&Statistics>,
    config: &Config,
) -> Result<(), String> {
    let len_max = u64::from(config.cache_len_max.get());
    for (name, cache) in [("internal", stats.internal), ("external", stats.external)] {
        let left = cache.created.checked_sub(cache.destroyed);
        if left != Some(cache.live) || cache.live > cache.total || cache.total > len_max {
            return Err(format!(
                "the {name} cache of at most {len_max} has lost count: {cache:?}"
            ));
        }
    }
    let queues = stats.queues;
    if queues.tx > 0 {
        return Err(format!("{} messages wait although all were taken", queues.tx));
    }
    if let Some(resend) = queues.resend
        && resend.len > resend.len_max
    {
        return Err(format!(
            "{} messages are in a resend queue of {}",
            resend.len, resend.len_max
        ));
    }
    if stats.receive.malformed() > 0 {
        return Err(format!("a message was not understood: {:?}", stats.receive));
    }
    for ((name, now), (_, then)) in counters(stats)
        .into_iter()
        .zip(before.map(counters).unwrap_or_default())
    {
        if now < then {
            return Err(format!("the counter of {name} has gone from {then} to {now}"));
        }
    }
    Ok(())
}

type Counters = [(&'static str, u64); 15];

/// Returns what only ever grows.
fn counters(stats: &Statistics) -> Counters {
    [
        ("flows that came into the internal cache", stats.internal.created),
        ("updates of the internal cache", stats.internal.updated),
        ("flows that left the internal cache", stats.internal.destroyed),
        ("flows that came into the external cache", stats.external.created),
        ("updates of the external cache", stats.external.updated),
        ("flows that left the external cache", stats.external.destroyed),
        ("messages received", stats.receive.messages),
        ("messages lost", stats.receive.lost),
        ("messages that came late", stats.receive.before),
        ("events", stats.kernel.events),
        ("overruns", stats.kernel.overruns),
        ("ghosts", stats.kernel.ghosts),
        ("flows committed", stats.commit.created),
        ("flows not committed", stats.commit.failed),
        (
            "elements that left the resend queue",
            stats.queues.resend.map_or(0, |queue| queue.overflowed),
        ),
    ]
}

/// Checks that the peer's kernel has had every flow of an external cache, printed line by line.
pub(crate) fn external_cache(text: &str, names_of_peer: &BTreeSet<String>) -> Result<(), String> {
    match text.lines().find(|line| !names_of_peer.contains(&name(line))) {
        None => Ok(()),
        Some(line) => Err(format!(
            "the external cache has a flow that the peer never had: {line}"
        )),
    }
}

/// Returns the part of a line that names the flow, if no reply tuple is in it.
fn name(line: &str) -> String {
    const PARTS: [&str; 10] = [
        "src=", "dst=", "sport=", "dport=", "srckey=", "dstkey=", "type=", "code=", "id=", "zone=",
    ];
    let is_part = |word: &&str| PARTS.iter().any(|part| word.starts_with(part));
    let protocol = line.split(' ').next().unwrap_or_default();
    line.split(' ')
        .filter(is_part)
        .fold(protocol.to_owned(), |name, part| name + " " + part)
}

/// Returns the name that a line about the flow with this key has.
pub(crate) fn name_of(key: &FlowKey) -> String {
    let zone = Some(key.zone).filter(|zone| *zone != 0);
    name(&line(&Flow {
        zone,
        ..Flow::new(key.orig())
    }))
}

/// Returns whether a deadline may be there when there is nothing left to do.
pub(crate) const fn is_periodic(timer: Timer) -> bool {
    matches!(timer, Timer::Alive | Timer::StaleResend | Timer::Reconcile)
}

/// Returns the lines in which a node should print its internal cache, in order.
pub(crate) fn internal_lines(kernel: &[Flow]) -> Vec<String> {
    let known = |flow: &Flow| Flow {
        use_count: None,
        ..flow.clone()
    };
    sorted(kernel.iter().map(|flow| line(&known(flow))))
}

/// Returns the lines in which the peer of a node should print its external cache, in order.
pub(crate) fn external_lines(kernel_of_peer: &[Flow]) -> Vec<String> {
    let received = |flow: &Flow| Flow {
        reply: None,
        id: None,
        use_count: None,
        ..flow.clone()
    };
    sorted(kernel_of_peer.iter().map(|flow| line(&received(flow))))
}

/// Returns the lines of a cache as a node printed it, in order and without their ages.
pub(crate) fn printed_lines(text: &str) -> Vec<String> {
    sorted(text.lines().map(|line| {
        let flow = line.split(" [active since").next().unwrap_or_default();
        without_zero_mark(flow)
    }))
}

fn line(flow: &Flow) -> String {
    let line = FlowLine {
        flow,
        timeout: Timeout::Hidden,
        now: UnixTime::default(),
    };
    without_zero_mark(&line.to_string())
}

/// Leaves out a mark of zero, which the kernel tells in dumps only.
fn without_zero_mark(line: &str) -> String {
    line.split(' ')
        .filter(|word| *word != "mark=0")
        .collect::<Vec<_>>()
        .join(" ")
}

fn sorted(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    lines.sort_unstable();
    lines
}

/// Compares lines; `is_exact` says whether there may be more of them than wanted.
pub(crate) fn lines(what: &str, wanted: &[String], printed: &[String], is_exact: bool) -> Result<(), String> {
    let (wanted, printed): (BTreeSet<_>, BTreeSet<_>) = (wanted.iter().collect(), printed.iter().collect());
    let missing: Vec<_> = wanted.difference(&printed).collect();
    let surplus: Vec<_> = printed.difference(&wanted).filter(|_| is_exact).collect();
    if missing.is_empty() && surplus.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{what} differs: {} lines missing, {} too many\n  missing {missing:#?}\n  too many {surplus:#?}",
        missing.len(),
        surplus.len()
    ))
}

/// What is known of a flow that a dead machine had, when its successor has taken it over.
pub(crate) struct TakenOver<'a> {
    /// The flow as the dead kernel had it.
    pub(crate) lost: &'a Flow,
    /// The flow as the successor's kernel has it.
    pub(crate) present: &'a Flow,
    /// Whether the successor's kernel had such a flow already: then some of that one stays.
    pub(crate) was_there: bool,
    /// Whether the successor's kernel has the master of the flow; a child may outlive it.
    pub(crate) has_master: bool,
}

impl TakenOver<'_> {
    /// Checks that the stream goes on.
    pub(crate) fn check(&self, config: &Config) -> Result<(), String> {
        let Self {
            lost,
            present,
            was_there,
            has_master,
        } = *self;
        let status = |flow: &Flow| flow.status.unwrap_or_default();
        let added = Status::SEEN_REPLY | Status::ASSURED;
        let given = Status::SRC_NAT | Status::DST_NAT;
        let wanted_mark = lost.mark.unwrap_or(0);
        let master = lost.master.filter(|_| has_master);
        let holds = [
            ("reply tuple", present.reply == lost.reply),
            (
                "seen reply, assured",
                status(present).contains(status(lost) & added),
            ),
            (
                "translation bits",
                status(present) & given == status(lost) & given,
            ),
            ("state", is_same_state(lost.proto, present.proto)),
            (
                "windows",
                was_there || has_windows(lost.proto, present.proto, config.tcp_window_tracking),
            ),
            (
                "mark",
                present.mark.unwrap_or(0) == wanted_mark || (was_there && wanted_mark == 0),
            ),
            ("zone", present.zone == lost.zone),
            ("labels", is_kept(lost.labels, present.labels, was_there)),
            (
                "sequence adjustment",
                is_kept(lost.seq_adj, present.seq_adj, was_there),
            ),
            ("master", was_there || present.master == master),
            (
                "expected",
                was_there || status(present).contains(Status::EXPECTED) == master.is_some(),
            ),
            ("helper", was_there || present.helper == lost.helper),
            ("timeout", self.has_time(config)),
        ];
        match holds.iter().find(|(_, is_so)| !is_so) {
            None => Ok(()),
            Some((what, _)) => Err(format!(
                "{what} of a flow taken over: {lost:#?} became {present:#?}"
            )),
        }
    }

    /// The peer tells of changes, not of time: what it last said, less the time since, is what is
    /// left, and a minute if nothing is. Some of it passes while the commit goes on.
    fn has_time(&self, config: &Config) -> bool {
        let left = self.present.timeout_secs.unwrap_or(0);
        match config.commit_timeout_secs {
            Some(secs) if !self.was_there => (secs.get() - 60..=secs.get()).contains(&left),
            Some(_) | None => left <= 600,
        }
    }
}

/// An attribute that the dead flow lacked stays as it was in a flow that was there.
fn is_kept<T: PartialEq>(lost: Option<T>, present: Option<T>, was_there: bool) -> bool {
    present == lost || (was_there && lost.is_none())
}

fn is_same_state(lost: ProtoState, present: ProtoState) -> bool {
    match (lost, present) {
        (ProtoState::Tcp(lost), ProtoState::Tcp(present)) => lost.state == present.state,
        _ => lost == present,
    }
}

fn has_windows(lost: ProtoState, present: ProtoState, tracking: TcpWindowTracking) -> bool {
    let (ProtoState::Tcp(lost), ProtoState::Tcp(present)) = (lost, present) else {
        return true;
    };
    let is_liberal =
        |flags: Option<TcpFlags>| flags.is_some_and(|TcpFlags(bits)| bits & TcpFlags::BE_LIBERAL.0 != 0);
    match tracking {
        TcpWindowTracking::On => {
            (present.wscale_orig, present.wscale_reply) == (lost.wscale_orig, lost.wscale_reply)
        }
        TcpWindowTracking::Off => is_liberal(present.flags_orig) && is_liberal(present.flags_reply),
    }
}
