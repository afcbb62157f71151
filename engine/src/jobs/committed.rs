//! What a flow of the peer becomes in our kernel.

use crate::config::TcpWindowTracking;
use crate::flow::{
    Flow, L4Key, Nat, ProtoState, Protocol, SctpState, Status, Synproxy, Tcp, TcpFlags, TcpState, Tuple,
};

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
    let orig = with_ports(flow.orig);
    Flow {
        orig,
        reply: Some(orig.mirrored()),
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

/// Returns the tuple with keys or ports 0 if it was told without and the kernel insists on them.
///
/// Stock daemons name none of GRE and UDP-Lite; the keys of plain GRE are 0.
fn with_ports(told: Tuple) -> Tuple {
    match (told.proto, told.key) {
        (Protocol::GRE | Protocol::UDPLITE, L4Key::None) => Tuple {
            key: L4Key::Ports { src: 0, dst: 0 },
            ..told
        },
        _ => told,
    }
}

/// Returns the timeout for a flow whose last message said `received`, `age_secs` ago.
#[must_use]
pub(super) fn timeout_secs(flow: &Flow, age_secs: u32, configured: Option<u32>) -> u32 {
    let received = told_timeout_secs(flow);
    configured.unwrap_or_else(|| match received.checked_sub(age_secs) {
        Some(left) if left > 0 => left,
        _ => EXPIRED_TIMEOUT_SECS,
    })
}

/// Returns the timeout that the last message said, or the kernel's for the state if it said none.
#[must_use]
pub(super) fn told_timeout_secs(flow: &Flow) -> u32 {
    flow.timeout_secs.unwrap_or_else(|| default_timeout_secs(flow))
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
/// stays, as traffic may have refreshed the flow since the peer last spoke of it; so does the state
/// of a stream that our kernel saw closing, with its own timeout.
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
    let closing = closing(present.proto, wanted.proto);
    Some(Flow {
        proto: closing.unwrap_or(wanted.proto),
        status: Some(status | (wanted.status.unwrap_or_default() & addable) | Status::CONFIRMED),
        timeout_secs: wanted
            .timeout_secs
            .max(present.timeout_secs)
            .filter(|_| !is_fixed(present) && closing.is_none()),
        labels: wanted.labels.filter(|labels| Some(*labels) != present.labels),
        seq_adj: wanted
            .seq_adj
            .filter(|adjustment| Some(*adjustment) != present.seq_adj),
        ..wanted.clone()
    })
}

/// Returns the request that brings whatever the kernel has in the place of `creation` to its state.
///
/// It is made blindly: the kernel refuses it if a bit of the status would have to be taken away. Of
/// a translation nothing is told, for no update can change one; an expected flow stays one.
#[must_use]
pub(super) fn change(creation: &Flow) -> Flow {
    let translated = Status::SRC_NAT | Status::DST_NAT;
    let expected = if creation.master.is_some() {
        Status::EXPECTED
    } else {
        Status::default()
    };
    Flow {
        status: creation.status.map(|status| status & !translated | expected),
        nat: Nat::NONE,
        ..creation.clone()
    }
}

/// Returns whether the kernel refuses to change the timeout of a flow.
#[must_use]
pub(super) fn is_fixed(present: &Flow) -> bool {
    present
        .status
        .is_some_and(|status| status.contains(Status::FIXED_TIMEOUT))
}

/// Returns whether `present` is what the kernel takes for a new flow when packets of the reply
/// direction of `wanted` arrive before it: nobody translates them back, and the tuple is taken.
///
/// A flow that merely shares the translated tuple is another stream's, and stays.
#[must_use]
pub(super) fn is_answer_to(present: &Flow, wanted: &Flow) -> bool {
    present.orig == reply_after_nat(wanted)
}

/// Returns the state to keep if our kernel saw the end of a stream that the peer last knew
/// established. A state before that is of a stream that began anew with the same tuple.
fn closing(present: ProtoState, wanted: ProtoState) -> Option<ProtoState> {
    let (ProtoState::Tcp(present), ProtoState::Tcp(wanted)) = (present, wanted) else {
        return None;
    };
    let is_closing = matches!(
        present.state,
        TcpState::FIN_WAIT
            | TcpState::CLOSE_WAIT
            | TcpState::LAST_ACK
            | TcpState::TIME_WAIT
            | TcpState::CLOSE
    );
    (is_closing && wanted.state == TcpState::ESTABLISHED).then_some(ProtoState::Tcp(Tcp {
        state: present.state,
        ..wanted
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tcp;
    use core::net::{IpAddr, Ipv4Addr};

    const SNAT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));

    /// A flow as the peer tells it: without a reply tuple.
    fn told(port: u16) -> Flow {
        let mut flow = tcp(port, TcpState::ESTABLISHED);
        flow.reply = None;
        flow
    }

    fn tcp_of(flow: &Flow) -> Tcp {
        match flow.proto {
            ProtoState::Tcp(tcp) => tcp,
            other @ (ProtoState::None | ProtoState::Sctp { .. } | ProtoState::Dccp { .. }) => {
                panic!("a TCP flow has TCP state, not {other:?}")
            }
        }
    }

    #[test]
    fn a_flow_told_without_ports_is_created_with_ports_0_where_the_kernel_insists() {
        let mut flow = told(1);
        flow.orig.key = L4Key::None;
        for (proto, key) in [
            (Protocol::GRE, L4Key::Ports { src: 0, dst: 0 }),
            (Protocol(99), L4Key::None),
        ] {
            flow.orig.proto = proto;
            let request = creation(&flow, 9, TcpWindowTracking::Off);
            assert_eq!(
                (request.orig.key, request.reply.map(|reply| reply.key)),
                (key, Some(key)),
                "{proto:?}"
            );
        }
    }

    #[test]
    fn the_timeout_is_what_is_left_of_the_received_one() {
        let (flow, mut untold) = (told(1), told(1));
        untold.timeout_secs = None;
        let table = [
            (&flow, 0, None, 300, "fresh"),
            (&flow, 100, None, 200, "aged"),
            (&flow, 300, None, 60, "just run out"),
            (&flow, 301, None, 60, "run out"),
            (&flow, 301, Some(180), 180, "CommitTimeout"),
            (
                &untold,
                0,
                None,
                432_000,
                "the kernel's default for an established flow",
            ),
        ];
        for (flow, age_secs, configured, want, reason) in table {
            assert_eq!(timeout_secs(flow, age_secs, configured), want, "{reason}");
        }
    }

    #[test]
    fn bits_that_the_kernel_refuses_are_not_asked_for() {
        let mut flow = told(1);
        flow.status = Some(Status::EXPECTED | Status::DYING | Status::SEEN_REPLY);
        let request = creation(&flow, 9, TcpWindowTracking::Off);
        assert_eq!(request.status, Some(Status::SEEN_REPLY | Status::CONFIRMED));
        assert_eq!(
            (request.timeout_secs, request.reply),
            (Some(9), Some(flow.orig.mirrored()))
        );
    }

    #[test]
    fn window_scales_survive_and_windows_are_liberal_unless_tracked() {
        let mut flow = told(1);
        let scales = Tcp {
            wscale_orig: Some(7),
            wscale_reply: Some(9),
            ..Tcp::in_state(TcpState::ESTABLISHED)
        };
        let liberal = TcpFlags::BE_LIBERAL.0;
        let scaled = TcpFlags::WINDOW_SCALE.0;
        let bare = Tcp::in_state(TcpState::ESTABLISHED);
        let table = [
            (scales, TcpWindowTracking::Off, Some(scaled | liberal)),
            (scales, TcpWindowTracking::On, Some(scaled)),
            (bare, TcpWindowTracking::Off, Some(liberal)),
            (bare, TcpWindowTracking::On, None),
        ];
        for (state, tracking, want) in table {
            flow.proto = ProtoState::Tcp(state);
            let tcp = tcp_of(&creation(&flow, 9, tracking));
            assert_eq!(tcp.flags_orig, want.map(TcpFlags), "{state:?} {tracking:?}");
            assert_eq!(tcp.flags_reply, tcp.flags_orig);
            assert_eq!(
                (tcp.wscale_orig, tcp.wscale_reply),
                (state.wscale_orig, state.wscale_reply)
            );
        }
    }

    #[test]
    fn what_the_kernel_has_is_updated_unless_translated_otherwise() {
        let mut flow = told(1);
        flow.nat.snat = Some(SNAT);
        let wanted = creation(&flow, 100, TcpWindowTracking::Off);
        let mut present = created(&wanted);
        assert_eq!(present.reply.unwrap().addrs.dst(), SNAT);
        present.timeout_secs = Some(200);
        present.status = Some(Status::CONFIRMED | Status::SRC_NAT);
        let request = update(&present, &wanted).expect("both are translated alike");
        assert_eq!(
            request.timeout_secs,
            Some(200),
            "traffic has refreshed the flow meanwhile"
        );
        let want = Status::CONFIRMED | Status::SRC_NAT | Status::SEEN_REPLY | Status::ASSURED;
        assert_eq!(
            request.status,
            Some(want),
            "bits are added and none is taken away"
        );
        present.reply = Some(present.orig.mirrored());
        assert_eq!(update(&present, &wanted), None, "no update translates a flow");
    }

    #[test]
    fn a_stream_that_our_kernel_saw_closing_stays_closing() {
        let table = [
            (
                TcpState::TIME_WAIT,
                TcpState::ESTABLISHED,
                TcpState::TIME_WAIT,
                None,
            ),
            (
                TcpState::TIME_WAIT,
                TcpState::SYN_SENT,
                TcpState::SYN_SENT,
                Some(300),
            ),
            (
                TcpState::SYN_SENT,
                TcpState::ESTABLISHED,
                TcpState::ESTABLISHED,
                Some(300),
            ),
            (TcpState::ESTABLISHED, TcpState::CLOSE, TcpState::CLOSE, Some(300)),
        ];
        for (here, there, want, timeout_secs) in table {
            let wanted = creation(&tcp(1, there), 200, TcpWindowTracking::Off);
            let request = update(&tcp(1, here), &wanted).expect("neither is translated");
            let reason = alloc::format!("{here:?} here, {there:?} there");
            assert_eq!(tcp_of(&request).state, want, "{reason}");
            assert_eq!(request.timeout_secs, timeout_secs, "{reason}");
        }
    }
}
