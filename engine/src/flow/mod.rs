//! What a connection is: one entry of the kernel's connection-tracking table.
//!
//! [`Flow`] is the value that all rooms exchange: the ctnetlink and wire decoders fill it, the
//! caches pack and unpack it, the encoders and renderers read it. Every attribute that a source
//! may leave out is an `Option`, because "absent" and "zero" differ for the kernel, on the wire
//! and in the printed line.

#[cfg(test)]
pub(crate) mod arbitrary;
mod attributes;
mod details;
mod expectation;
pub mod parse;
mod protocol;
pub mod query;
mod render;
pub mod save;
mod status;
pub mod text;
mod tuple;
pub mod xml;

pub use attributes::{
    Counters, Direction, HelperName, HelperNameTooLong, Labels, Nat, NatRange, SeqAdj, SeqAdjPair, Synproxy,
    Timestamps,
};
pub use details::{CivilTime, Event, LabelNames, LocalTime, Requester};
pub use expectation::{ExpectFlags, ExpectNat, Expectation, FunctionName, FunctionNameTooLong};
pub use protocol::{DccpRole, DccpState, ProtoState, SctpState, Tcp, TcpFlags, TcpState};
pub use status::Status;
pub use tuple::{Addrs, Family, L4Key, Protocol, Tuple};

use alloc::boxed::Box;

/// One connection-tracking entry of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Addresses, protocol and ports of the original direction.
    pub orig: Tuple,
    /// The same of the reply direction; flows received from a peer have none.
    pub reply: Option<Tuple>,
    /// Zone of both directions (`CTA_ZONE`); the kernel reports it only when it is not 0.
    pub zone: Option<u16>,
    /// Zone of the original direction alone (`CTA_TUPLE_ZONE`).
    pub zone_orig: Option<u16>,
    /// Zone of the reply direction alone.
    pub zone_reply: Option<u16>,
    /// The `IPS_*` bits.
    pub status: Option<Status>,
    /// Seconds until the kernel forgets the flow, as last reported.
    pub timeout_secs: Option<u32>,
    /// Connection mark.
    pub mark: Option<u32>,
    /// State of the layer-4 tracker.
    pub proto: ProtoState,
    /// Address and port translation as the wire carries it.
    ///
    /// Empty for flows read from the kernel: there [`Flow::nat_in_effect`] derives it from the tuples.
    pub nat: Nat,
    /// Original tuple of the flow that foretold this one.
    pub master: Option<Tuple>,
    /// Name of the attached helper.
    pub helper: Option<HelperName>,
    /// Connection labels.
    pub labels: Option<Labels>,
    /// TCP sequence adjustment of both directions.
    pub seq_adj: Option<SeqAdjPair>,
    /// SYN proxy values.
    pub synproxy: Option<Synproxy>,
    /// The kernel's opaque identifier of the entry.
    pub id: Option<u32>,
    /// Use count, in dumps only.
    pub use_count: Option<u32>,
    /// Security mark.
    pub secmark: Option<u32>,
    /// Security context.
    pub secctx: Option<Box<str>>,
    /// Packets and bytes of the original direction.
    pub counters_orig: Option<Counters>,
    /// Packets and bytes of the reply direction.
    pub counters_reply: Option<Counters>,
    /// Creation and end of the flow.
    pub timestamps: Option<Timestamps>,
}

impl Flow {
    /// Returns a flow of which nothing but its original tuple is known.
    #[must_use]
    pub const fn new(orig: Tuple) -> Self {
        Self {
            orig,
            reply: None,
            zone: None,
            zone_orig: None,
            zone_reply: None,
            status: None,
            timeout_secs: None,
            mark: None,
            proto: ProtoState::None,
            nat: Nat::NONE,
            master: None,
            helper: None,
            labels: None,
            seq_adj: None,
            synproxy: None,
            id: None,
            use_count: None,
            secmark: None,
            secctx: None,
            counters_orig: None,
            counters_reply: None,
            timestamps: None,
        }
    }

    /// Returns the tuple of the reply direction; of a flow that a peer or a person told without one,
    /// the tuple that the kernel would give it.
    #[must_use]
    pub fn reply_or_derived(&self) -> Tuple {
        self.reply
            .unwrap_or_else(|| self.nat.applied_to(self.orig.mirrored()))
    }

    /// Returns the translation in effect.
    ///
    /// For a flow read from the kernel it is what the reply tuple differs by from the mirrored
    /// original, as far as the status says that the translation is done; for one received from a
    /// peer it is what came with it. Ports count for protocols that have them: an ICMP id is no
    /// port (docs/sync-protocol.md, "NAT").
    #[must_use]
    pub fn nat_in_effect(&self) -> Nat {
        match &self.reply {
            Some(reply) => Nat::between(&self.orig, reply, self.status),
            None => self.nat,
        }
    }

    /// Copies every attribute that `news` has into this flow; what `news` lacks stays.
    ///
    /// The tuples identify the flow and are not touched, except that a reply tuple is learnt when
    /// none was known.
    pub fn merge(&mut self, news: &Self) {
        fn learn<T: Clone>(known: &mut Option<T>, news: &Option<T>) {
            if news.is_some() {
                known.clone_from(news);
            }
        }
        if self.reply.is_none() {
            self.reply = news.reply;
        }
        learn(&mut self.zone, &news.zone);
        learn(&mut self.zone_orig, &news.zone_orig);
        learn(&mut self.zone_reply, &news.zone_reply);
        learn(&mut self.status, &news.status);
        learn(&mut self.timeout_secs, &news.timeout_secs);
        learn(&mut self.mark, &news.mark);
        self.proto.merge(news.proto);
        self.nat.merge(news.nat);
        learn(&mut self.master, &news.master);
        learn(&mut self.helper, &news.helper);
        learn(&mut self.labels, &news.labels);
        learn(&mut self.seq_adj, &news.seq_adj);
        learn(&mut self.synproxy, &news.synproxy);
        learn(&mut self.id, &news.id);
        learn(&mut self.use_count, &news.use_count);
        learn(&mut self.secmark, &news.secmark);
        learn(&mut self.secctx, &news.secctx);
        learn(&mut self.counters_orig, &news.counters_orig);
        learn(&mut self.counters_reply, &news.counters_reply);
        learn(&mut self.timestamps, &news.timestamps);
    }
}
