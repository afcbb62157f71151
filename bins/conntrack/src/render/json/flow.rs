//! A flow as an object.

use std::net::IpAddr;

use engine::flow::text::age_secs;
use engine::flow::{
    Counters, DccpRole, Flow, HelperName, LabelNames, Nat, ProtoState, SeqAdjPair, Synproxy, Tcp,
};
use serde::Serialize;

use super::append;
use super::parts::{LabelList, LoneTuple, Moment, RequesterObject, Side, StatusNames, Text, family};
use crate::render::Circumstances;

/// Appends a flow.
pub(crate) fn flow(
    out: &mut Vec<u8>,
    flow: &Flow,
    names: Option<&dyn LabelNames>,
    circumstances: &Circumstances<'_>,
) {
    append(out, &FlowObject::of(flow, names, circumstances));
}

#[derive(Serialize)]
struct FlowObject<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Moment>,
    family: &'static str,
    protocol: &'static str,
    protocol_number: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<u32>,
    orig: Side,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Side>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nat: Option<NatObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<StatusNames>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_bits: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<LabelList<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secmark: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secctx: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    helper: Option<Text<HelperName>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    master: Option<LoneTuple>,
    #[serde(skip_serializing_if = "Option::is_none")]
    synproxy: Option<SynproxyObject>,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    use_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requester: Option<RequesterObject<'a>>,
}

impl<'a> FlowObject<'a> {
    fn of(flow: &'a Flow, names: Option<&'a dyn LabelNames>, circumstances: &Circumstances<'a>) -> Self {
        let event = circumstances.event();
        let (orig, reply) = sides(flow);
        Self {
            event: event.map(|event| event.name()),
            time: event.map(|_| Moment::of(circumstances.at)),
            family: family(&flow.orig),
            protocol: flow.orig.proto.name(),
            protocol_number: flow.orig.proto.0,
            state: flow.proto.state_name(),
            role: role(flow.proto),
            timeout: flow.timeout_secs,
            orig,
            reply,
            nat: NatObject::of(flow.nat_in_effect()),
            status: flow.status.map(StatusNames),
            status_bits: flow.status.map(|status| status.0),
            mark: flow.mark,
            labels: flow
                .labels
                .filter(|labels| labels.0 != 0)
                .map(|labels| LabelList { labels, names }),
            secmark: flow.secmark,
            secctx: flow.secctx.as_deref(),
            zone: flow.zone,
            start: flow.timestamps.map(|times| Moment::from_nanos(times.start_nanos)),
            stop: flow
                .timestamps
                .and_then(|times| times.stop_nanos)
                .map(Moment::from_nanos),
            age: flow.timestamps.map(|times| age_secs(times, circumstances.at)),
            helper: flow.helper.map(Text),
            master: flow.master.as_ref().map(LoneTuple::of),
            synproxy: SynproxyObject::of(flow.synproxy),
            use_count: flow.use_count,
            id: flow.id,
            requester: circumstances.requester.map(RequesterObject::from),
        }
    }
}

/// Returns both directions with all that the flow says of each.
fn sides(flow: &Flow) -> (Side, Option<Side>) {
    let proto = flow.orig.proto;
    let mut orig = Side::of(&flow.orig, proto);
    let mut reply = flow.reply.as_ref().map(|reply| Side::of(reply, proto));
    tell(&mut orig, flow.zone_orig, flow.counters_orig);
    if let Some(reply) = &mut reply {
        tell(reply, flow.zone_reply, flow.counters_reply);
    }
    let mut tell_tracker = |of_orig: &dyn Fn(&mut Side), of_reply: &dyn Fn(&mut Side)| {
        of_orig(&mut orig);
        reply.iter_mut().for_each(of_reply);
    };
    match flow.proto {
        ProtoState::Tcp(Tcp {
            wscale_orig,
            wscale_reply,
            flags_orig,
            flags_reply,
            ..
        }) => tell_tracker(
            &|side| (side.window_scale, side.tcp_flags) = (wscale_orig, flags_orig.map(|flags| flags.0)),
            &|side| (side.window_scale, side.tcp_flags) = (wscale_reply, flags_reply.map(|flags| flags.0)),
        ),
        ProtoState::Sctp {
            vtag_orig,
            vtag_reply,
            ..
        } => tell_tracker(&|side| side.vtag = Some(vtag_orig), &|side| {
            side.vtag = Some(vtag_reply)
        }),
        ProtoState::None | ProtoState::Dccp { .. } => {}
    }
    if let Some(SeqAdjPair {
        orig: of_orig,
        reply: of_reply,
    }) = flow.seq_adj
    {
        tell_tracker(&|side| side.seq_adj = Some(of_orig.into()), &|side| {
            side.seq_adj = Some(of_reply.into())
        });
    }
    (orig, reply)
}

fn tell(side: &mut Side, zone: Option<u16>, counters: Option<Counters>) {
    side.zone = zone;
    side.packets = counters.map(|counters| counters.packets);
    side.bytes = counters.map(|counters| counters.bytes);
}

/// Returns which end of a DCCP flow opened it.
const fn role(proto: ProtoState) -> Option<&'static str> {
    match proto {
        ProtoState::Dccp {
            role: DccpRole(0), ..
        } => Some("client"),
        ProtoState::Dccp { .. } => Some("server"),
        ProtoState::None | ProtoState::Tcp(_) | ProtoState::Sctp { .. } => None,
    }
}

/// What is translated, and to what.
#[derive(Serialize)]
struct NatObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    src: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sport: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dst: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dport: Option<u16>,
}

impl NatObject {
    fn of(nat: Nat) -> Option<Self> {
        nat.is_some().then_some(Self {
            src: nat.snat,
            sport: nat.spat,
            dst: nat.dnat,
            dport: nat.dpat,
        })
    }
}

/// What a SYN proxy remembers.
#[derive(Serialize)]
struct SynproxyObject {
    isn: u32,
    its: u32,
    tsoff: u32,
}

impl SynproxyObject {
    /// Returns it if there is a SYN proxy: the kernel tells zeros of flows that have none.
    fn of(synproxy: Option<Synproxy>) -> Option<Self> {
        let Synproxy { isn, its, tsoff } = synproxy.filter(|synproxy| *synproxy != Synproxy::ZERO)?;
        Some(Self { isn, its, tsoff })
    }
}
