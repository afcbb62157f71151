//! What a flow of the peer becomes in our kernel.

use crate::config::TcpWindowTracking;
use crate::flow::{Flow, Nat, ProtoState, Protocol, SctpState, Status, Synproxy, TcpFlags, TcpState, Tuple};

/// Seconds given to a flow whose own timeout has run out since its last message: the peer sends
/// changes of state, not of timeout, so the flow may well be alive.
const EXPIRED_TIMEOUT_SECS: u32 = 60;

/// Returns the request that creates `flow` in our kernel.
///
/// The reply tuple is the mirrored original; the kernel applies the translation from
/// [`Flow::nat`]. Bits that the kernel refuses or sets itself are taken out of the status.
#[must_use]
pub(super) fn creation(flow: &Flow, timeout_secs: u32, tracking: TcpWindowTracking) -> Flow {
    let settable = !(Status::EXPECTED | Status::DYING);
    Flow {
        reply: Some(flow.orig.mirrored()),
        nat: flow.nat_in_effect(),
        status: Some(flow.status.unwrap_or_default() & settable | Status::CONFIRMED),
        timeout_secs: Some(timeout_secs),
        proto: proto_state(flow.proto, tracking),
        id: None,
        use_count: None,
        counters_orig: None,
        counters_reply: None,
        timestamps: None,
        secmark: None,
        secctx: None,
        ..flow.clone()
    }
}

/// Returns the timeout for a flow whose last message said `received`, `age_secs` ago.
#[must_use]
pub(super) fn timeout_secs(flow: &Flow, age_secs: u32, configured: Option<u32>) -> u32 {
    let received = flow.timeout_secs.unwrap_or_else(|| default_timeout_secs(flow));
    configured.unwrap_or_else(|| match received.checked_sub(age_secs) {
        Some(left) if left > 0 => left,
        _ => EXPIRED_TIMEOUT_SECS,
    })
}

/// Returns the kernel's default for the state of a flow, for peers that send no timeouts
/// (Documentation/networking/nf_conntrack-sysctl.rst).
fn default_timeout_secs(flow: &Flow) -> u32 {
    match (flow.proto, flow.orig.proto) {
        (ProtoState::Tcp(tcp), _) => match tcp.state {
            TcpState::ESTABLISHED => 432_000,
            TcpState::SYN_SENT | TcpState::FIN_WAIT | TcpState::TIME_WAIT | TcpState::SYN_SENT2 => 120,
            TcpState::SYN_RECV | TcpState::CLOSE_WAIT => 60,
            TcpState::LAST_ACK => 30,
            _ => 10,
        },
        (
            ProtoState::Sctp {
                state: SctpState::ESTABLISHED,
                ..
            },
            _,
        ) => 210,
        (ProtoState::Sctp { .. }, _) => 10,
        (_, Protocol::UDP | Protocol::UDPLITE) if is_assured(flow) => 120,
        (_, Protocol::UDP | Protocol::UDPLITE | Protocol::ICMP | Protocol::ICMPV6) => 30,
        (_, Protocol::GRE) if is_assured(flow) => 180,
        (_, Protocol::GRE) => 30,
        _ => 600,
    }
}

fn is_assured(flow: &Flow) -> bool {
    flow.status.is_some_and(|status| status.contains(Status::ASSURED))
}

/// Adds the flags without which the kernel ignores window scales, and, unless windows are
/// tracked, those that make it take any window: it knows none of a committed flow.
fn proto_state(proto: ProtoState, tracking: TcpWindowTracking) -> ProtoState {
    let ProtoState::Tcp(mut tcp) = proto else {
        return proto;
    };
    let has_scales = tcp.wscale_orig.is_some() && tcp.wscale_reply.is_some();
    let scaled = if has_scales { TcpFlags::WINDOW_SCALE.0 } else { 0 };
    let liberal = match tracking {
        TcpWindowTracking::On => 0,
        TcpWindowTracking::Off => TcpFlags::BE_LIBERAL.0,
    };
    let flags = TcpFlags(scaled | liberal);
    tcp.flags_orig = (flags.0 != 0).then_some(flags);
    tcp.flags_reply = tcp.flags_orig;
    ProtoState::Tcp(tcp)
}

/// Returns the flow that the kernel has after `creation` succeeded, as its event would tell it.
#[must_use]
pub(super) fn created(creation: &Flow) -> Flow {
    let expected = if creation.master.is_some() {
        Status::EXPECTED
    } else {
        Status::default()
    };
    Flow {
        status: Some(creation.status.unwrap_or_default() | expected),
        mark: Some(creation.mark.unwrap_or(0)),
        synproxy: Some(creation.synproxy.unwrap_or(Synproxy::ZERO)),
        ..updated(creation)
    }
}

/// Returns the news that the event of a request would tell: translation shows in the reply tuple alone.
#[must_use]
pub(super) fn updated(request: &Flow) -> Flow {
    Flow {
        reply: Some(reply_after_nat(request)),
        nat: Nat::NONE,
        ..request.clone()
    }
}

/// Returns the reply tuple that the translation of a creation leads to.
#[must_use]
pub(super) fn reply_after_nat(creation: &Flow) -> Tuple {
    creation.nat.applied_to(creation.orig.mirrored())
}

/// Returns the request that brings the kernel's `present` flow to the state of `wanted`, which it
/// was asked to create; `None` if the two are translated differently, so that only deleting and
/// creating helps.
///
/// Bits of the status are only added: the kernel refuses to take them away. The longer timeout
/// stays, as traffic may have refreshed the flow since the peer last spoke of it.
#[must_use]
pub(super) fn update(present: &Flow, wanted: &Flow) -> Option<Flow> {
    if present
        .reply
        .is_some_and(|reply| reply != reply_after_nat(wanted))
    {
        return None;
    }
    let status = present.status.unwrap_or_default();
    let addable = Status::SEEN_REPLY | Status::ASSURED | Status::FIXED_TIMEOUT;
    let is_fixed = status.contains(Status::FIXED_TIMEOUT);
    Some(Flow {
        status: Some(status | (wanted.status.unwrap_or_default() & addable) | Status::CONFIRMED),
        timeout_secs: wanted
            .timeout_secs
            .max(present.timeout_secs)
            .filter(|_| !is_fixed),
        labels: wanted.labels.filter(|labels| Some(*labels) != present.labels),
        seq_adj: wanted
            .seq_adj
            .filter(|adjustment| Some(*adjustment) != present.seq_adj),
        ..wanted.clone()
    })
}
