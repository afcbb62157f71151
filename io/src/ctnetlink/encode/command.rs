//! Requests about whole tables.

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage};
use netlink_packet_netfilter::conntrack::ConntrackMessage;
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily, NetfilterSubsystem,
};

use crate::ctnetlink::uapi::*;

/// A request about a whole table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Delete all flows; acknowledged.
    FlushFlows,
    /// Delete all expectations; acknowledged.
    FlushExpectations,
    /// Tell how full the table of flows is; one answer, for [`crate::ctnetlink::decode::decode_table_stats`].
    TableStats,
}

/// Appends `command` to `buffer`; answers to it will carry `seq`.
pub fn encode_command(command: Command, seq: u32, buffer: &mut Vec<u8>) {
    let expectations = |message_type| NetfilterMessageInner::Other {
        subsys: NetfilterSubsystem::Other(NFNL_SUBSYS_CTNETLINK_EXP),
        message_type,
        attributes: Vec::new(),
    };
    let (inner, flags) = match command {
        // The kernel takes a deletion without tuple for all.
        Command::FlushFlows => (ConntrackMessage::Delete(Vec::new()).into(), NLM_F_ACK),
        Command::FlushExpectations => (expectations(IPCTNL_MSG_EXP_DELETE), NLM_F_ACK),
        Command::TableStats => {
            let stats = ConntrackMessage::Other {
                message_type: IPCTNL_MSG_CT_GET_STATS,
                attributes: Vec::new(),
            };
            (stats.into(), 0)
        }
    };
    let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, 0);
    let mut message = NetlinkMessage::from(NetfilterMessage::new(header, inner));
    message.header.flags = NLM_F_REQUEST | flags;
    message.header.sequence_number = seq;
    message.finalize();
    let start = buffer.len();
    buffer.resize(start.saturating_add(message.buffer_len()), 0);
    message.serialize(buffer.get_mut(start..).unwrap_or_default());
}
