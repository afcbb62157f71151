//! Bodies of messages into flows and expectations (docs/sync-protocol.md, "Reception").
//!
//! Attributes may come in any order; of two with the same number the later counts. A number that
//! is not known is skipped and counted, for a newer peer may have more of them. What tells one
//! flow from another is mandatory: a flow without it could be neither found nor committed.

use super::attribute::{
    Attribute, Attributes, FUNCTION_PAYLOAD_MAX, HELPER_NAME_PAYLOAD_MAX, LABELS_PAYLOAD_MAX, expect_number,
    flow_number,
};
use super::error::{DecodeError, DecodeErrorKind};
use crate::flow::{
    Addrs, DccpRole, DccpState, Direction, ExpectFlags, ExpectNat, Expectation, Flow, FunctionName,
    HelperName, L4Key, Labels, Nat, ProtoState, Protocol, SctpState, SeqAdj, SeqAdjPair, Status, Synproxy,
    Tcp, TcpState, Tuple,
};

/// A flow received from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedFlow {
    /// The flow; it has no reply tuple.
    pub flow: Flow,
    /// Attributes that were skipped because their numbers are not known.
    pub unknown_attributes: u16,
}

/// An expectation received from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedExpectation {
    /// The expectation.
    pub expectation: Expectation,
    /// Attributes that were skipped because their numbers are not known.
    pub unknown_attributes: u16,
}

/// Returns the flow in the body of a message; the body begins at `offset` of its datagram.
///
/// # Errors
/// A kind of [`super::Malformation::BadPayload`]: an attribute that cannot be, or one that must be
/// there and is not.
pub fn decode_flow(payload: &[u8], offset: usize) -> Result<DecodedFlow, DecodeError> {
    let mut parts = FlowParts::default();
    for attribute in Attributes::new(payload, offset) {
        parts.take(&attribute?)?;
    }
    let unknown_attributes = parts.unknown_attributes;
    let flow = parts.into_flow().map_err(|missing| DecodeError {
        offset,
        kind: DecodeErrorKind::AttributeMissing(missing),
    })?;
    Ok(DecodedFlow {
        flow,
        unknown_attributes,
    })
}

/// Returns the expectation in the body of a message; the body begins at `offset` of its datagram.
///
/// # Errors
/// As [`decode_flow`].
pub fn decode_expectation(payload: &[u8], offset: usize) -> Result<DecodedExpectation, DecodeError> {
    let mut parts = ExpectParts::default();
    for attribute in Attributes::new(payload, offset) {
        parts.take(&attribute?)?;
    }
    let unknown_attributes = parts.unknown_attributes;
    let expectation = parts.into_expectation().map_err(|missing| DecodeError {
        offset,
        kind: DecodeErrorKind::AttributeMissing(missing),
    })?;
    Ok(DecodedExpectation {
        expectation,
        unknown_attributes,
    })
}

/// What is known of a tuple so far.
#[derive(Default)]
struct TupleParts {
    addrs: Option<Addrs>,
    proto: Option<Protocol>,
    ports: Option<(u16, u16)>,
}

impl TupleParts {
    /// Returns the tuple if addresses and protocol are known.
    fn tuple(&self) -> Option<Tuple> {
        Some(Tuple {
            addrs: self.addrs?,
            proto: self.proto?,
            key: self
                .ports
                .map_or(L4Key::None, |(src, dst)| L4Key::Ports { src, dst }),
        })
    }
}

/// Returns whether a flow of this protocol makes no sense without ports.
///
/// Stock daemons send none for UDP-Lite and GRE, and whatever was in their buffer for DCCP.
const fn needs_ports(proto: Protocol) -> bool {
    matches!(proto, Protocol::TCP | Protocol::UDP | Protocol::SCTP)
}

/// What is known of a flow so far.
#[derive(Default)]
struct FlowParts {
    orig: TupleParts,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    icmp_id: Option<u16>,
    tcp_state: Option<TcpState>,
    wscale_orig: Option<u8>,
    wscale_reply: Option<u8>,
    sctp_state: Option<SctpState>,
    vtag_orig: u32,
    vtag_reply: u32,
    dccp_state: Option<DccpState>,
    dccp_role: u8,
    status: Option<Status>,
    timeout_secs: Option<u32>,
    mark: Option<u32>,
    master: TupleParts,
    nat: Nat,
    seq_adj: Option<SeqAdjPair>,
    helper: Option<HelperName>,
    labels: Option<Labels>,
    synproxy: Option<Synproxy>,
    zone: Option<u16>,
    unknown_attributes: u16,
}

impl FlowParts {
    /// Learns what an attribute says.
    fn take(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        match attribute.number {
            flow_number::IPV4 => self.orig.addrs = Some(attribute.ipv4_pair()?),
            flow_number::IPV6 => self.orig.addrs = Some(attribute.ipv6_pair()?),
            flow_number::L4PROTO => self.orig.proto = Some(Protocol(attribute.u8()?)),
            flow_number::PORT => self.orig.ports = Some(attribute.ports()?),
            flow_number::TCP_STATE => self.tcp_state = Some(TcpState(attribute.u8()?)),
            flow_number::STATUS => self.status = Some(Status(attribute.u32()?)),
            flow_number::TIMEOUT => self.timeout_secs = Some(attribute.u32()?),
            flow_number::MARK => self.mark = Some(attribute.u32()?),
            flow_number::MASTER_IPV4 => self.master.addrs = Some(attribute.ipv4_pair()?),
            flow_number::MASTER_IPV6 => self.master.addrs = Some(attribute.ipv6_pair()?),
            flow_number::MASTER_L4PROTO => self.master.proto = Some(Protocol(attribute.u8()?)),
            flow_number::MASTER_PORT => self.master.ports = Some(attribute.ports()?),
            flow_number::SNAT_IPV4 => self.nat.snat = Some(attribute.ipv4()?),
            flow_number::DNAT_IPV4 => self.nat.dnat = Some(attribute.ipv4()?),
            flow_number::SPAT_PORT => self.nat.spat = Some(attribute.u16_swapped()?),
            flow_number::DPAT_PORT => self.nat.dpat = Some(attribute.u16_swapped()?),
            flow_number::NAT_SEQ_ADJ => self.seq_adj = Some(seq_adj(attribute.u32s()?)),
            flow_number::SCTP_STATE => self.sctp_state = Some(SctpState(attribute.u8()?)),
            flow_number::SCTP_VTAG_ORIG => self.vtag_orig = attribute.u32()?,
            flow_number::SCTP_VTAG_REPLY => self.vtag_reply = attribute.u32()?,
            flow_number::DCCP_STATE => self.dccp_state = Some(DccpState(attribute.u8()?)),
            flow_number::DCCP_ROLE => self.dccp_role = attribute.u8()?,
            flow_number::ICMP_TYPE => self.icmp_type = Some(attribute.u8()?),
            flow_number::ICMP_CODE => self.icmp_code = Some(attribute.u8()?),
            flow_number::ICMP_ID => self.icmp_id = Some(attribute.u16_swapped()?),
            flow_number::TCP_WSCALE_ORIG => self.wscale_orig = Some(attribute.u8()?),
            flow_number::TCP_WSCALE_REPLY => self.wscale_reply = Some(attribute.u8()?),
            flow_number::HELPER_NAME => self.helper = helper_name(attribute)?,
            flow_number::LABELS => {
                self.labels = labels(attribute.at_most(LABELS_PAYLOAD_MAX)?).or(self.labels)
            }
            flow_number::SNAT_IPV6 => self.nat.snat = Some(attribute.ipv6()?),
            flow_number::DNAT_IPV6 => self.nat.dnat = Some(attribute.ipv6()?),
            flow_number::SYNPROXY => {
                let [its, isn, tsoff] = attribute.u32s()?;
                self.synproxy = Some(Synproxy { isn, its, tsoff });
            }
            flow_number::ZONE => self.zone = Some(attribute.u16()?),
            _ => self.unknown_attributes = self.unknown_attributes.saturating_add(1),
        }
        Ok(())
    }

    /// Returns the flow, or what is missing.
    fn into_flow(self) -> Result<Flow, &'static str> {
        let addrs = self.orig.addrs.ok_or("IPV4 or IPV6")?;
        let proto = self.orig.proto.ok_or("L4PROTO")?;
        let key = self.key(proto)?;
        let has_family = |address: &core::net::IpAddr| address.is_ipv4() == addrs.src().is_ipv4();
        Ok(Flow {
            status: self.status,
            timeout_secs: self.timeout_secs,
            mark: self.mark,
            proto: self.proto_state(proto),
            nat: Nat {
                snat: self.nat.snat.filter(has_family),
                dnat: self.nat.dnat.filter(has_family),
                ..self.nat
            },
            master: self.master.tuple(),
            seq_adj: self.seq_adj,
            helper: self.helper,
            labels: self.labels,
            synproxy: self.synproxy,
            zone: self.zone,
            ..Flow::new(Tuple { addrs, proto, key })
        })
    }

    /// Returns what tells the flow apart from others between its two hosts, or what is missing.
    fn key(&self, proto: Protocol) -> Result<L4Key, &'static str> {
        if proto.is_icmp() {
            return Ok(L4Key::Icmp {
                icmp_type: self.icmp_type.ok_or("ICMP_TYPE")?,
                code: self.icmp_code.ok_or("ICMP_CODE")?,
                id: self.icmp_id.ok_or("ICMP_ID")?,
            });
        }
        match self.orig.ports {
            Some((src, dst)) => Ok(L4Key::Ports { src, dst }),
            None if needs_ports(proto) => Err("PORT"),
            None => Ok(L4Key::None),
        }
    }

    /// Returns the state of the tracker of this protocol; those of others are noise.
    fn proto_state(&self, proto: Protocol) -> ProtoState {
        match (proto, self.tcp_state, self.sctp_state, self.dccp_state) {
            (Protocol::TCP, Some(state), _, _) => ProtoState::Tcp(Tcp {
                wscale_orig: self.wscale_orig,
                wscale_reply: self.wscale_reply,
                ..Tcp::in_state(state)
            }),
            (Protocol::SCTP, _, Some(state), _) => ProtoState::Sctp {
                state,
                vtag_orig: self.vtag_orig,
                vtag_reply: self.vtag_reply,
            },
            (Protocol::DCCP, _, _, Some(state)) => ProtoState::Dccp {
                state,
                role: DccpRole(self.dccp_role),
            },
            _ => ProtoState::None,
        }
    }
}

/// What is known of an expectation so far.
#[derive(Default)]
struct ExpectParts {
    master: TupleParts,
    tuple: TupleParts,
    mask: TupleParts,
    timeout_secs: Option<u32>,
    flags: Option<ExpectFlags>,
    class: Option<u32>,
    nat: TupleParts,
    nat_direction: Option<Direction>,
    helper: Option<HelperName>,
    function: Option<FunctionName>,
    unknown_attributes: u16,
}

impl ExpectParts {
    /// Learns what an attribute says.
    fn take(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        match attribute.number {
            expect_number::MASTER_IPV4 => self.master.addrs = Some(attribute.ipv4_pair()?),
            expect_number::MASTER_IPV6 => self.master.addrs = Some(attribute.ipv6_pair()?),
            expect_number::MASTER_L4PROTO => self.master.proto = Some(Protocol(attribute.u8()?)),
            expect_number::MASTER_PORT => self.master.ports = Some(attribute.ports()?),
            expect_number::EXPECT_IPV4 => self.tuple.addrs = Some(attribute.ipv4_pair()?),
            expect_number::EXPECT_IPV6 => self.tuple.addrs = Some(attribute.ipv6_pair()?),
            expect_number::EXPECT_L4PROTO => self.tuple.proto = Some(Protocol(attribute.u8()?)),
            expect_number::EXPECT_PORT => self.tuple.ports = Some(attribute.ports()?),
            expect_number::MASK_IPV4 => self.mask.addrs = Some(attribute.ipv4_pair()?),
            expect_number::MASK_IPV6 => self.mask.addrs = Some(attribute.ipv6_pair()?),
            expect_number::MASK_L4PROTO => self.mask.proto = Some(Protocol(attribute.u8()?)),
            expect_number::MASK_PORT => self.mask.ports = Some(attribute.ports()?),
            expect_number::TIMEOUT => self.timeout_secs = Some(attribute.u32()?),
            expect_number::FLAGS => self.flags = Some(ExpectFlags(attribute.u32()?)),
            expect_number::CLASS => self.class = Some(attribute.u32()?),
            expect_number::NAT_IPV4 => self.nat.addrs = Some(attribute.ipv4_pair()?),
            expect_number::NAT_PORT => self.nat.ports = Some(attribute.ports()?),
            expect_number::NAT_L4PROTO => self.nat.proto = Some(Protocol(attribute.u8()?)),
            expect_number::NAT_DIR => self.nat_direction = Some(direction(attribute)?),
            expect_number::HELPER_NAME => self.helper = helper_name(attribute)?,
            expect_number::FUNCTION => {
                let name = FunctionName::from_bytes(attribute.at_most(FUNCTION_PAYLOAD_MAX)?).ok();
                self.function = name.filter(|name| !name.as_bytes().is_empty());
            }
            _ => self.unknown_attributes = self.unknown_attributes.saturating_add(1),
        }
        Ok(())
    }

    /// Returns the expectation, or what is missing.
    fn into_expectation(self) -> Result<Expectation, &'static str> {
        let master = self.master.tuple().ok_or("addresses or protocol of the master")?;
        if needs_ports(master.proto) && master.ports().is_none() {
            return Err("EXP_MASTER_PORT");
        }
        let nat = self.nat.tuple().zip(self.nat_direction);
        Ok(Expectation {
            master,
            tuple: self
                .tuple
                .tuple()
                .ok_or("addresses or protocol of the expected flow")?,
            mask: self.mask.tuple().ok_or("addresses or protocol of the mask")?,
            timeout_secs: self.timeout_secs,
            id: None,
            zone: None,
            flags: self.flags,
            class: self.class,
            nat: nat.map(|(tuple, direction)| ExpectNat { direction, tuple }),
            helper: self.helper,
            function: self.function,
        })
    }
}

/// Returns the name of a helper up to its NUL, which may be missing; an empty one names none.
fn helper_name(attribute: &Attribute<'_>) -> Result<Option<HelperName>, DecodeError> {
    let name = HelperName::from_bytes(attribute.at_most(HELPER_NAME_PAYLOAD_MAX)?).ok();
    Ok(name.filter(|name| !name.as_bytes().is_empty()))
}

/// Returns the labels in these 32-bit words, none if they are no whole words.
///
/// The kernel has 128 labels; what lies beyond is cut off.
fn labels(payload: &[u8]) -> Option<Labels> {
    let (words @ [_, ..], []) = payload.as_chunks() else {
        return None;
    };
    let of_kernel = words.iter().take(4).rev();
    Some(Labels(of_kernel.fold(0, |labels, word| {
        labels << 32 | u128::from(u32::from_be_bytes(*word))
    })))
}

/// Returns both sequence adjustments from the six numbers on the wire.
const fn seq_adj(numbers: [u32; 6]) -> SeqAdjPair {
    let [
        orig_pos,
        orig_before,
        orig_after,
        reply_pos,
        reply_before,
        reply_after,
    ] = numbers;
    SeqAdjPair {
        orig: SeqAdj {
            correction_pos: orig_pos,
            offset_before: orig_before,
            offset_after: orig_after,
        },
        reply: SeqAdj {
            correction_pos: reply_pos,
            offset_before: reply_before,
            offset_after: reply_after,
        },
    }
}

/// Returns the direction with this number.
fn direction(attribute: &Attribute<'_>) -> Result<Direction, DecodeError> {
    match attribute.u32()? {
        0 => Ok(Direction::Orig),
        1 => Ok(Direction::Reply),
        value => Err(attribute.error(DecodeErrorKind::AttributeValue {
            number: attribute.number,
            value,
        })),
    }
}
