//! What a flow is like that a successor has taken over.

use std::num::NonZeroU32;

use engine::config::{Config, PeerFlows, TcpWindowTracking};
use engine::flow::{Expectation, Flow, ProtoState, Status, TcpFlags, TcpState};

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
            (
                "state",
                is_same_state(lost.proto, present.proto) || (was_there && is_closing(present.proto)),
            ),
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
            // Neither is their time told, so that of the protocol is given to what is injected.
            Some(_) if config.peer_flows == PeerFlows::Injected => true,
            Some(secs) if !self.was_there => (secs.get() - 60..=secs.get()).contains(&left),
            Some(_) | None => left <= 600,
        }
    }
}

/// An attribute that the dead flow lacked stays as it was in a flow that was there.
fn is_kept<T: PartialEq>(lost: Option<T>, present: Option<T>, was_there: bool) -> bool {
    present == lost || (was_there && lost.is_none())
}

/// Returns whether a stream is about to end: what a kernel has seen of that stays so.
fn is_closing(proto: ProtoState) -> bool {
    matches!(proto, ProtoState::Tcp(tcp) if tcp.state.0 > TcpState::ESTABLISHED.0)
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

/// Checks that an expectation of a dead machine is there as it was, with no more time than it had or
/// the operator gives.
pub(crate) fn expectation_taken_over(
    lost: &Expectation,
    present: &Expectation,
    config: &Config,
) -> Result<(), String> {
    let lasting = |expectation: &Expectation| Expectation {
        id: None,
        timeout_secs: None,
        ..expectation.clone()
    };
    let secs_max = config
        .commit_timeout_secs
        .map(NonZeroU32::get)
        .or(lost.timeout_secs);
    // Each node counts its age in whole seconds, and the way is not counted.
    let has_time = present.timeout_secs <= secs_max.map(|secs| secs + 5);
    if lasting(lost) == lasting(present) && has_time {
        return Ok(());
    }
    Err(format!(
        "an expectation taken over: {lost:#?} became {present:#?}"
    ))
}
