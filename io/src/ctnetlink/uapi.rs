//! Numbers of the kernel's interface, under the names of its headers.

// linux/netlink.h
pub(super) const NLMSG_HDRLEN: usize = 16;
pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLMSG_DONE: u16 = 3;

// linux/netfilter/nfnetlink.h
pub(super) const NFGENMSG_LEN: usize = 4;
pub(super) const NFNL_SUBSYS_CTNETLINK: u8 = 1;
pub(super) const NFNL_SUBSYS_CTNETLINK_EXP: u8 = 2;

// enum nfnetlink_groups
pub(super) const NFNLGRP_CONNTRACK_NEW: u32 = 1;
pub(super) const NFNLGRP_CONNTRACK_UPDATE: u32 = 2;
pub(super) const NFNLGRP_CONNTRACK_DESTROY: u32 = 3;
pub(super) const NFNLGRP_CONNTRACK_EXP_NEW: u32 = 4;
pub(super) const NFNLGRP_CONNTRACK_EXP_UPDATE: u32 = 5;
pub(super) const NFNLGRP_CONNTRACK_EXP_DESTROY: u32 = 6;

// enum cntl_msg_types
pub(super) const IPCTNL_MSG_CT_NEW: u8 = 0;
pub(super) const IPCTNL_MSG_CT_GET: u8 = 1;
pub(super) const IPCTNL_MSG_CT_DELETE: u8 = 2;
pub(super) const IPCTNL_MSG_CT_GET_CTRZERO: u8 = 3;
pub(super) const IPCTNL_MSG_CT_GET_STATS_CPU: u8 = 4;
pub(super) const IPCTNL_MSG_CT_GET_STATS: u8 = 5;
pub(super) const IPCTNL_MSG_CT_GET_DYING: u8 = 6;
pub(super) const IPCTNL_MSG_CT_GET_UNCONFIRMED: u8 = 7;

// enum ctnl_exp_msg_types
pub(super) const IPCTNL_MSG_EXP_NEW: u8 = 0;
pub(super) const IPCTNL_MSG_EXP_GET: u8 = 1;
pub(super) const IPCTNL_MSG_EXP_DELETE: u8 = 2;
pub(super) const IPCTNL_MSG_EXP_GET_STATS_CPU: u8 = 3;

// enum ctattr_type
pub(super) const CTA_TUPLE_ORIG: u16 = 1;
pub(super) const CTA_TUPLE_REPLY: u16 = 2;
pub(super) const CTA_STATUS: u16 = 3;
pub(super) const CTA_PROTOINFO: u16 = 4;
pub(super) const CTA_HELP: u16 = 5;
pub(super) const CTA_NAT_SRC: u16 = 6;
pub(super) const CTA_TIMEOUT: u16 = 7;
pub(super) const CTA_MARK: u16 = 8;
pub(super) const CTA_COUNTERS_ORIG: u16 = 9;
pub(super) const CTA_COUNTERS_REPLY: u16 = 10;
pub(super) const CTA_USE: u16 = 11;
pub(super) const CTA_ID: u16 = 12;
pub(super) const CTA_NAT_DST: u16 = 13;
pub(super) const CTA_TUPLE_MASTER: u16 = 14;
pub(super) const CTA_SEQ_ADJ_ORIG: u16 = 15;
pub(super) const CTA_SEQ_ADJ_REPLY: u16 = 16;
pub(super) const CTA_SECMARK: u16 = 17;
pub(super) const CTA_ZONE: u16 = 18;
pub(super) const CTA_SECCTX: u16 = 19;
pub(super) const CTA_TIMESTAMP: u16 = 20;
pub(super) const CTA_MARK_MASK: u16 = 21;
pub(super) const CTA_LABELS: u16 = 22;
pub(super) const CTA_LABELS_MASK: u16 = 23;
pub(super) const CTA_SYNPROXY: u16 = 24;
pub(super) const CTA_FILTER: u16 = 25;
pub(super) const CTA_STATUS_MASK: u16 = 26;
pub(super) const CTA_TIMESTAMP_EVENT: u16 = 27;

// enum ctattr_filter, and the bits of its flags (net/netfilter/nf_internals.h)
pub(super) const CTA_FILTER_ORIG_FLAGS: u16 = 1;
pub(super) const CTA_FILTER_REPLY_FLAGS: u16 = 2;
pub(super) const CTA_FILTER_F_CTA_IP_SRC: u32 = 1;
pub(super) const CTA_FILTER_F_CTA_IP_DST: u32 = 1 << 1;
pub(super) const CTA_FILTER_F_CTA_PROTO_NUM: u32 = 1 << 3;
pub(super) const CTA_FILTER_F_CTA_PROTO_SRC_PORT: u32 = 1 << 4;
pub(super) const CTA_FILTER_F_CTA_PROTO_DST_PORT: u32 = 1 << 5;
pub(super) const CTA_FILTER_F_CTA_PROTO_ICMP_TYPE: u32 = 1 << 6;
pub(super) const CTA_FILTER_F_CTA_PROTO_ICMP_CODE: u32 = 1 << 7;
pub(super) const CTA_FILTER_F_CTA_PROTO_ICMP_ID: u32 = 1 << 8;
pub(super) const CTA_FILTER_F_CTA_PROTO_ICMPV6_TYPE: u32 = 1 << 9;
pub(super) const CTA_FILTER_F_CTA_PROTO_ICMPV6_CODE: u32 = 1 << 10;
pub(super) const CTA_FILTER_F_CTA_PROTO_ICMPV6_ID: u32 = 1 << 11;

// enum ctattr_tuple, ctattr_ip, ctattr_l4proto
pub(super) const CTA_TUPLE_IP: u16 = 1;
pub(super) const CTA_TUPLE_PROTO: u16 = 2;
pub(super) const CTA_TUPLE_ZONE: u16 = 3;
pub(super) const CTA_IP_V4_SRC: u16 = 1;
pub(super) const CTA_IP_V4_DST: u16 = 2;
pub(super) const CTA_IP_V6_SRC: u16 = 3;
pub(super) const CTA_IP_V6_DST: u16 = 4;
pub(super) const CTA_PROTO_NUM: u16 = 1;
pub(super) const CTA_PROTO_SRC_PORT: u16 = 2;
pub(super) const CTA_PROTO_DST_PORT: u16 = 3;
pub(super) const CTA_PROTO_ICMP_ID: u16 = 4;
pub(super) const CTA_PROTO_ICMP_TYPE: u16 = 5;
pub(super) const CTA_PROTO_ICMP_CODE: u16 = 6;
pub(super) const CTA_PROTO_ICMPV6_ID: u16 = 7;
pub(super) const CTA_PROTO_ICMPV6_TYPE: u16 = 8;
pub(super) const CTA_PROTO_ICMPV6_CODE: u16 = 9;

// enum ctattr_protoinfo and those of its protocols
pub(super) const CTA_PROTOINFO_TCP: u16 = 1;
pub(super) const CTA_PROTOINFO_DCCP: u16 = 2;
pub(super) const CTA_PROTOINFO_SCTP: u16 = 3;
pub(super) const CTA_PROTOINFO_TCP_STATE: u16 = 1;
pub(super) const CTA_PROTOINFO_TCP_WSCALE_ORIGINAL: u16 = 2;
pub(super) const CTA_PROTOINFO_TCP_WSCALE_REPLY: u16 = 3;
pub(super) const CTA_PROTOINFO_TCP_FLAGS_ORIGINAL: u16 = 4;
pub(super) const CTA_PROTOINFO_TCP_FLAGS_REPLY: u16 = 5;
pub(super) const CTA_PROTOINFO_DCCP_STATE: u16 = 1;
pub(super) const CTA_PROTOINFO_DCCP_ROLE: u16 = 2;
pub(super) const CTA_PROTOINFO_SCTP_STATE: u16 = 1;
pub(super) const CTA_PROTOINFO_SCTP_VTAG_ORIGINAL: u16 = 2;
pub(super) const CTA_PROTOINFO_SCTP_VTAG_REPLY: u16 = 3;

// The small nests of a flow
pub(super) const CTA_HELP_NAME: u16 = 1;
pub(super) const CTA_NAT_V4_MINIP: u16 = 1;
pub(super) const CTA_NAT_V4_MAXIP: u16 = 2;
pub(super) const CTA_NAT_PROTO: u16 = 3;
pub(super) const CTA_NAT_V6_MINIP: u16 = 4;
pub(super) const CTA_NAT_V6_MAXIP: u16 = 5;
pub(super) const CTA_PROTONAT_PORT_MIN: u16 = 1;
pub(super) const CTA_PROTONAT_PORT_MAX: u16 = 2;
pub(super) const CTA_COUNTERS_PACKETS: u16 = 1;
pub(super) const CTA_COUNTERS_BYTES: u16 = 2;
pub(super) const CTA_TIMESTAMP_START: u16 = 1;
pub(super) const CTA_TIMESTAMP_STOP: u16 = 2;
pub(super) const CTA_SEQADJ_CORRECTION_POS: u16 = 1;
pub(super) const CTA_SEQADJ_OFFSET_BEFORE: u16 = 2;
pub(super) const CTA_SEQADJ_OFFSET_AFTER: u16 = 3;
pub(super) const CTA_SYNPROXY_ISN: u16 = 1;
pub(super) const CTA_SYNPROXY_ITS: u16 = 2;
pub(super) const CTA_SYNPROXY_TSOFF: u16 = 3;
pub(super) const CTA_SECCTX_NAME: u16 = 1;

// enum ctattr_expect, ctattr_expect_nat
pub(super) const CTA_EXPECT_MASTER: u16 = 1;
pub(super) const CTA_EXPECT_TUPLE: u16 = 2;
pub(super) const CTA_EXPECT_MASK: u16 = 3;
pub(super) const CTA_EXPECT_TIMEOUT: u16 = 4;
pub(super) const CTA_EXPECT_ID: u16 = 5;
pub(super) const CTA_EXPECT_HELP_NAME: u16 = 6;
pub(super) const CTA_EXPECT_ZONE: u16 = 7;
pub(super) const CTA_EXPECT_FLAGS: u16 = 8;
pub(super) const CTA_EXPECT_CLASS: u16 = 9;
pub(super) const CTA_EXPECT_NAT: u16 = 10;
pub(super) const CTA_EXPECT_FN: u16 = 11;
pub(super) const CTA_EXPECT_NAT_DIR: u16 = 1;
pub(super) const CTA_EXPECT_NAT_TUPLE: u16 = 2;

// enum ctattr_stats_global
pub(super) const CTA_STATS_GLOBAL_ENTRIES: u16 = 1;
pub(super) const CTA_STATS_GLOBAL_MAX_ENTRIES: u16 = 2;

/// Type of a netlink message: the subsystem above the subsystem's own number.
pub(super) const fn message_type(subsystem: u8, message: u8) -> u16 {
    u16::from_be_bytes([subsystem, message])
}
