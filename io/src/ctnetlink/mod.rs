//! Our talk with the kernel's connection tracking (ctnetlink).
//!
//! ```text
//! datagram ─ messages ─► Message::Flow ─ decode_flow ─► engine::flow::Flow
//! engine::output::FlowRequest ─ encode ─► message ─ RequestSocket ─► answers, failures
//! ```
//!
//! [`decode`] and [`encode`] are pure functions over bytes; only the sockets touch the system.
//! Numbers and layouts are those of the UAPI headers `linux/netlink.h`,
//! `linux/netfilter/nfnetlink.h` and `linux/netfilter/nfnetlink_conntrack.h`.
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation
    )
)]

pub mod decode;
pub mod encode;
mod event_filter;
mod kernel_filter;
mod socket;
mod uapi;

pub use decode::{Body, DecodeError, DecodeErrorKind, Message, Messages, TableStats, messages};
pub use event_filter::{EventFilter, FilterTooLong};
pub use kernel_filter::{KernelFilter, StatusFilter, TupleFilter};
pub use socket::{
    Cause, Datagrams, Delivery, DumpAhead, DumpEntry, DumpProgress, DumpSocket, EventRead, EventSocket,
    EventSocketOptions, ListedSocket, NetlinkError, Operation, RequestSocket,
};
